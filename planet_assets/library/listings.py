"""Listings: what a source said last time, by id and fingerprint. Ids that a complete listing lacks keep a tombstone.

A listing is read and compared as a whole in one transaction. It may hold millions of ids, so rows are read and written
by the engine's own quickest way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from planet_assets.library.engine import Library, alone
from planet_assets.library.schema import Moment
from planet_assets.library.schema import listed as table
from planet_assets.model.changes import Changes, Fingerprints, Remembered
from planet_assets.rules import changes as rules

Describe = Callable[[str], str | None]
"""The record of an id as text, or None to keep none."""

MISSING = "not in a complete listing"

_MARK = "\x1f"
_MOMENT = Moment()
_FIELDS = ("listing", "id", "fingerprint", "document", "first_seen", "changed_at", "gone_at", "gone_reason")
_ON_CONFLICT = (
    "ON CONFLICT (listing, id) DO UPDATE SET fingerprint = excluded.fingerprint, "
    "document = coalesce(excluded.document, listed.document), changed_at = excluded.changed_at, "
    "gone_at = excluded.gone_at, gone_reason = excluded.gone_reason"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One id of a listing."""

    id: str
    """Names it within the listing."""
    fingerprint: str
    """What it was; empty where the source never said."""
    document: str | None
    """Its record as text, as it was when it last changed."""
    first_seen: datetime
    """When it was listed first."""
    changed_at: datetime
    """When it was new, changed, went or came back last."""
    gone_at: datetime | None
    """Since when it is gone; None while it is listed."""


def remember(
    library: Library,
    name: str,
    listing: Fingerprints,
    *,
    now: datetime,
    complete: bool = False,
    describe: Describe | None = None,
) -> Changes:
    """Compare a listing with what is remembered under its name, and remember it; all or nothing.

    Args:
        library: where to.
        name: of the listing; several sources do not disturb one another.
        listing: id -> fingerprint.
        now: the moment.
        complete: True when the listing holds everything: what it lacks is gone. A partial one never says so.
        describe: the record of an id, asked for those that are new or modified only.
    """
    with library.write() as connection:
        alone(connection)
        before = _remembered(connection, name)
        found = rules.compare(before, listing, complete=complete)
        touched = dict.fromkeys((*found.new, *found.modified, *found.returned, *found.learned))
        told = {*found.new, *found.modified, *found.learned}
        at = _MOMENT.process_bind_param(now, connection.dialect)
        rows: list[tuple[Any, ...]] = []
        for key in touched:
            document = describe(key) if describe is not None and key in told else None
            rows.append((name, key, rules.kept_print(before, listing, key), document, at, at, None, None))
        rows += [(name, key, before.alive[key], None, at, at, at, MISSING) for key in found.gone]
        _write(connection, rows)
    return found


def preview(library: Library, name: str, listing: Fingerprints, *, complete: bool = False) -> Changes:
    """What `remember` would find; nothing is written."""
    return rules.compare(remembered(library, name), listing, complete=complete)


def remembered(library: Library, name: str) -> Remembered:
    """A listing as it was last seen."""
    with library.read() as connection:
        return _remembered(connection, name)


def entries(library: Library, name: str, *, gone: bool = False) -> Iterator[Entry]:
    """The ids of a listing with their records, sorted by id; those that are gone where asked for."""
    tomb = table.c.gone_at.is_not(None) if gone else table.c.gone_at.is_(None)
    query = sa.select(*(table.c[field] for field in _FIELDS[1:-1])).where(table.c.listing == name, tomb)
    with library.read() as connection:
        for row in connection.execute(query.order_by(table.c.id)):
            yield Entry(**row._mapping)


def names(library: Library) -> dict[str, tuple[int, int]]:
    """Every listing: name -> (listed, gone)."""
    alive, tombs = (
        sa.func.count().filter(table.c.gone_at.is_(None)),
        sa.func.count().filter(table.c.gone_at.is_not(None)),
    )
    query = sa.select(table.c.listing, alive, tombs).group_by(table.c.listing).order_by(table.c.listing)
    with library.read() as connection:
        return {name: (int(listed), int(gone)) for name, listed, gone in connection.execute(query)}


def forget(library: Library, name: str) -> int:
    """Drop a listing, tombstones included; everything is new the next time. Returns how many ids it had."""
    with library.write() as connection:
        return connection.execute(sa.delete(table).where(table.c.listing == name)).rowcount


def _remembered(connection: sa.Connection, name: str) -> Remembered:
    alive = _scan(connection, name, "gone_at IS NULL")
    return Remembered(alive=alive, gone=_scan(connection, name, "gone_at IS NOT NULL"))


def _scan(connection: sa.Connection, name: str, which: str) -> dict[str, str]:
    """Id -> fingerprint by the driver itself: rows of a million ids are not worth an object each."""
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    query = f"SELECT id, fingerprint FROM listed WHERE listing = {mark} AND {which}"
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.cursor()
        with driver:
            return _copied_out(driver, query, name)
    found = _joined_up(connection, query, name)
    if found is None:
        rows: Any = connection.exec_driver_sql(query, (name,)).cursor
        return dict(rows)
    return found


def _joined_up(connection: sa.Connection, query: str, name: str) -> dict[str, str] | None:
    """SQLite's columns as one text each, cut apart here; None where a value holds the mark, or all are too long."""
    whole = f"SELECT count(*), group_concat(id, char(31)), group_concat(fingerprint, char(31)) FROM ({query})"
    try:
        count, ids, prints = connection.exec_driver_sql(whole, (name,)).one()
    except sa.exc.DBAPIError:
        return None
    if not count:
        return {}
    keys, values = ids.split(_MARK), prints.split(_MARK)
    return dict(zip(keys, values, strict=True)) if len(keys) == len(values) == count else None


def _copied_out(driver: Any, query: str, name: str) -> dict[str, str]:
    """PostgreSQL's COPY, as one text; tab, newline and backslash in a value are escaped there."""
    with driver.copy(f"COPY ({query}) TO STDOUT", (name,)) as copy:
        text = b"".join(copy).decode()
    if not text:
        return {}
    parts = text[:-1].replace("\n", "\t").split("\t")
    if "\\" in text:
        parts = [_unescaped(part) if "\\" in part else part for part in parts]
    return dict(zip(parts[::2], parts[1::2], strict=True))


_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "\\": "\\"}


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text, flags=re.DOTALL)


def _write(connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert or replace rows in one statement; what was seen first stays so."""
    if not rows:
        return
    fields, rows = ", ".join(_FIELDS), sorted(rows, key=lambda row: row[1])
    if connection.dialect.name == "postgresql":
        columns = [list(column) for column in zip(*rows, strict=True)]
        given = ", ".join("%s::text[]" for _ in _FIELDS)
        insert = f"INSERT INTO listed ({fields}) SELECT * FROM unnest({given}) {_ON_CONFLICT}"
        connection.exec_driver_sql(insert, tuple(columns))
        return
    marks = ", ".join("?" for _ in _FIELDS)
    connection.exec_driver_sql(f"INSERT INTO listed ({fields}) VALUES ({marks}) {_ON_CONFLICT}", rows)

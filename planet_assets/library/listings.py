"""Listings: what a source said last time, by id and fingerprint. Ids that a complete listing lacks keep a tombstone.

A listing may hold millions of ids and is read and compared as a whole in one transaction, so it is stored by columns. A
segment is one row of up to fifty thousand ids, as one JSON array, and their fingerprints as another. The bulk comes
first, and every later listing appends a segment of what it changed. When what was appended has grown to half of the
bulk, all is written anew as one bulk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from planet_assets.library.engine import Library, alone
from planet_assets.library.schema import listing_segment as table
from planet_assets.model.changes import Changes, Fingerprints, Remembered
from planet_assets.rules import changes as rules

Describe = Callable[[str], str | None]
"""The record of an id as text, or None to keep none."""

SEGMENT = 50_000
"""Ids of a segment, at most."""
LOOSE = 10_000
"""So many ids may be appended to any listing before it is written anew."""

MOST_SEGMENTS = 500
"""And so many segments."""

BULK, NEW, CHANGED, GONE = "bulk", "new", "changed", "gone"


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
        told = {*found.new, *found.modified, *found.learned}
        moved = [*dict.fromkeys((*found.modified, *found.returned, *found.learned))]
        lost = before.prints_of(set(found.gone)) if found.gone else {}
        last = _last(connection, name)
        for kind, keys in ((NEW if last else BULK, found.new), (CHANGED, moved)):
            prints = [rules.kept_print(before, listing, key) for key in keys]
            documents = [describe(key) if describe is not None and key in told else None for key in keys]
            _append(connection, name, kind, keys, prints, at=now, documents=documents)
        _append(connection, name, GONE, [*lost], [*lost.values()], at=now)
        loose = len(before.later) + len(found.new) + len(moved)
        if last and (loose > max(LOOSE, len(before.ids) // 2) or last > MOST_SEGMENTS + len(before.ids) // SEGMENT):
            _write_anew(connection, name, _entries(connection, name))
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
    with library.read() as connection:
        found = _entries(connection, name)
    for key in sorted(found):
        if (found[key].gone_at is not None) is gone:
            yield found[key]


def names(library: Library) -> dict[str, tuple[int, int]]:
    """Every listing: name -> (listed, gone)."""
    with library.read() as connection:
        known = {name: _remembered(connection, name) for name in _names(connection)}
    return {name: (one.count, len(one.gone)) for name, one in known.items()}


def forget(library: Library, name: str) -> int:
    """Drop a listing, tombstones included; everything is new the next time. Returns how many ids it had."""
    with library.write() as connection:
        had = _remembered(connection, name)
        connection.execute(sa.delete(table).where(table.c.listing == name))
        return had.count + len(had.gone)


def merge(connection: sa.Connection, other: Library) -> int:
    """Bring in the listings of another library, in the caller's transaction; of two entries the later one stays.

    Returns how many ids were not known.
    """
    with other.read() as theirs:
        found = {name: _entries(theirs, name) for name in _names(theirs)}
    new = 0
    for name, given in found.items():
        known = _entries(connection, name)
        new += len(given.keys() - known.keys())
        joined = {key: _later(known.get(key), one) for key, one in given.items()}
        if any(known.get(key) != one for key, one in joined.items()):
            _write_anew(connection, name, known | joined)
    return new


def _later(ours: Entry | None, theirs: Entry) -> Entry:
    if ours is None:
        return theirs
    last = theirs if theirs.changed_at > ours.changed_at else ours
    return replace(last, first_seen=min(ours.first_seen, theirs.first_seen))


def _remembered(connection: sa.Connection, name: str) -> Remembered:
    columns = (table.c.kind, table.c.ids, table.c.prints)
    ids: list[str] = []
    prints: list[str] = []
    later: dict[str, str] = {}
    gone: dict[str, str] = {}
    known = 0
    for kind, some, theirs in connection.execute(_of(name, *columns)):
        if kind == BULK:
            ids += json.loads(some)
            prints += json.loads(theirs)
            continue
        pairs = dict(zip(json.loads(some), json.loads(theirs), strict=True))
        known += len(pairs) if kind == NEW else 0
        here, there = (gone, later) if kind == GONE else (later, gone)
        here.update(pairs)
        for key in pairs:
            there.pop(key, None)
    return Remembered(ids=ids, prints=prints, later=later, gone=gone, count=len(ids) + known - len(gone))


def _entries(connection: sa.Connection, name: str) -> dict[str, Entry]:
    """Every id with all that is known of it, in the order first seen."""
    found: dict[str, Entry] = {}
    for row in connection.execute(_of(name, *table.c)).mappings():
        keys, at = json.loads(row["ids"]), row["at"]
        unsaid = [None] * len(keys)
        documents, firsts, moments = (
            json.loads(row[field]) if row[field] else unsaid for field in ("documents", "firsts", "moments")
        )
        for key, known, document, first, moment in zip(
            keys, json.loads(row["prints"]), documents, firsts, moments, strict=True
        ):
            before, since = found.get(key), _time(moment) or at
            found[key] = Entry(
                id=key,
                fingerprint=known,
                document=document if document is not None or before is None else before.document,
                first_seen=_time(first) or (since if before is None else before.first_seen),
                changed_at=since,
                gone_at=since if row["kind"] == GONE else None,
            )
    return found


def _names(connection: sa.Connection) -> Sequence[str]:
    return connection.execute(sa.select(table.c.listing).distinct().order_by(table.c.listing)).scalars().all()


def _of(name: str, *columns: sa.Column[Any]) -> sa.Select[Any]:
    return sa.select(*columns).where(table.c.listing == name).order_by(table.c.number)


def _last(connection: sa.Connection, name: str) -> int:
    query = sa.select(sa.func.coalesce(sa.func.max(table.c.number), 0)).where(table.c.listing == name)
    return int(connection.execute(query).scalar_one())


def _append(
    connection: sa.Connection,
    name: str,
    kind: str,
    ids: Sequence[str],
    prints: Sequence[str],
    *,
    at: datetime,
    **more: Sequence[str | None],
) -> None:
    """Write ids at the end of a listing, `more` being columns of theirs; one in which nothing is said is left out."""
    number = _last(connection, name)
    said = {field: values for field, values in more.items() if any(value is not None for value in values)}
    rows = []
    for start in range(0, len(ids), SEGMENT):
        part = slice(start, start + SEGMENT)
        row = {"listing": name, "number": number + 1 + start // SEGMENT, "kind": kind, "at": at}
        row |= {"ids": _text(ids[part]), "prints": _text(prints[part])}
        row |= {field: _text(said[field][part]) if field in said else None for field in more}
        rows.append(row)
    if rows:
        connection.execute(sa.insert(table), rows)


def _write_anew(connection: sa.Connection, name: str, found: Mapping[str, Entry]) -> None:
    connection.execute(sa.delete(table).where(table.c.listing == name))
    for kind in (BULK, GONE):  # ids that are gone are in the bulk as well, so that each id of a listing is there or new
        rows = [one for one in found.values() if kind == BULK or one.gone_at is not None]
        if rows:
            _append(
                connection,
                name,
                kind,
                [one.id for one in rows],
                [one.fingerprint for one in rows],
                at=max(one.changed_at for one in rows),
                documents=[one.document for one in rows],
                firsts=[one.first_seen.isoformat() for one in rows],
                moments=[one.changed_at.isoformat() for one in rows],
            )


def _text(values: Sequence[str | None]) -> str:
    return json.dumps(values, separators=(",", ":"))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)

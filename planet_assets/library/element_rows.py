"""Rows of elements inside a transaction: each change writes the element, what it is found by, and an event.

Writers take turns on PostgreSQL as SQLite's do, so that the numbers of events grow in the order in which they are seen:
who has read up to one has missed none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from planet_assets.library import standings
from planet_assets.library.engine import upsert
from planet_assets.library.standings import turn
from planet_assets.library.team_schema import element, element_event, element_key
from planet_assets.model.element import Element
from planet_assets.rules import elements as rules

CHUNK = 2000
"""How many ids one statement names."""
_BY_ID = sa.select(element).where(element.c.id.in_(sa.bindparam("ids", expanding=True)), element.c.deleted_at.is_(None))


def fetch(connection: sa.Connection, ids: Iterable[str], *, now: datetime) -> dict[str, Element]:
    """Elements by id; those that are gone are left out."""
    found: dict[str, Element] = {}
    for some in chunks(rules.possible(ids)):
        rows = connection.execute(_BY_ID, {"ids": some}).mappings()
        found |= {row["id"]: read(row, now) for row in rows}
    return found


def insert(
    connection: sa.Connection,
    new: Mapping[str, Mapping[str, Any]],
    *,
    by: str,
    verb: str,
    kind: str = "",
    now: datetime,
    quiet: bool = False,
) -> dict[str, Element]:
    """Write elements by id; what exists already is left out, what was deleted comes back with its next rev.

    `quiet` is for who has written the events already.
    """
    rows = [_row(one, new[one], kind) | {"created_at": now, "updated_at": now, "rev": 1} for one in sorted(new)]
    made: dict[str, int] = {}
    for some in chunks(rows):
        statement = upsert(connection, element).on_conflict_do_nothing(index_elements=["id"]).returning(element.c.id)
        made |= dict.fromkeys(connection.execute(statement, list(some)).scalars(), 1)
    for row in rows:
        if row["id"] in made:
            continue
        again = sa.update(element).where(element.c.id == row["id"], element.c.deleted_at.is_not(None))
        fresh = {**row, "rev": element.c.rev + 1, "deleted_at": None, "lock_owner": None, "lock_until": None}
        revived = connection.execute(again.values(fresh).returning(element.c.rev)).scalar_one_or_none()
        if revived is not None:
            made[row["id"]] = revived
    _index(connection, {one: new[one] for one in made})
    standings.follow(connection, {one: new[one] for one in made}, now=now)
    if not quiet:
        _events(connection, [(verb, one, rev, new[one]) for one, rev in made.items()], by=by, now=now)
    return {
        row["id"]: Element(
            id=row["id"],
            kind=row["kind"],
            document=new[row["id"]],
            rev=made[row["id"]],
            created_at=now,
            updated_at=now,
        )
        for row in rows
        if row["id"] in made
    }


def save(
    connection: sa.Connection,
    changed: Sequence[tuple[Element, Mapping[str, Any]]],
    *,
    by: str,
    verb: str,
    now: datetime,
    quiet: bool = False,
) -> dict[str, Element]:
    """Write new documents of elements that are held; only what differs is an event, unless it is written already."""
    saved: dict[str, Element] = {}
    rows, events = [], []
    for old, document in changed:
        kind = old.kind if old.kind in ("publication", "version") else rules.kind_of(old.id, document)
        new = Element(
            id=old.id,
            kind=kind,
            document=document,
            rev=old.rev + 1,
            created_at=old.created_at,
            updated_at=now,
            lock_owner=old.lock_owner,
            lock_until=old.lock_until,
        )
        saved[old.id] = new
        row = _row(old.id, document, kind)
        rows.append({f"new_{name}": value for name, value in row.items()} | {"new_rev": new.rev, "at": now})
        events.append((verb, old.id, new.rev, difference(old.document, document)))
    if rows:
        names = ("kind", "parent", "src", "tgt", "doc", "author", "rev")
        values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names}
        statement = sa.update(element).where(element.c.id == sa.bindparam("new_id"))
        connection.execute(statement.values(values | {"updated_at": sa.bindparam("at")}), rows)
        _unindex(connection, list(saved))
        documents = {one.id: one.document for one in saved.values()}
        _index(connection, documents)
        standings.follow(connection, documents, now=now)
        if not quiet:
            _events(connection, events, by=by, now=now)
    return saved


def remove(connection: sa.Connection, gone: Sequence[Element], *, by: str, now: datetime, quiet: bool = False) -> None:
    """Mark elements that are held as deleted: they are found no more, and their history stays."""
    values = {"deleted_at": now, "updated_at": now, "rev": element.c.rev + 1, "lock_owner": None, "lock_until": None}
    for some in chunks([one.id for one in gone]):
        connection.execute(sa.update(element).where(element.c.id.in_(some)).values(values))
    _unindex(connection, [one.id for one in gone])
    standings.drop(connection, [one.id for one in gone])
    whose = {one.id: {"author": one.document.get("author")} for one in gone}
    _events(connection, [("delete", one.id, one.rev + 1, whose[one.id]) for one in gone], by=by, now=now)


def note(
    connection: sa.Connection, verb: str, element_id: str, rev: int, data: Mapping[str, Any], *, by: str, now: datetime
) -> None:
    """Add an event, apart from what it did to the element."""
    _events(connection, [(verb, element_id, rev, data)], by=by, now=now)


def set_locks(
    connection: sa.Connection, held: Sequence[Element], owner: str | None, lease: timedelta, *, by: str, now: datetime
) -> dict[str, Element]:
    """Give elements that are held to an owner, or to nobody."""
    until = now + lease if owner else None
    values = {"lock_owner": owner, "lock_until": until}
    for some in chunks([one.id for one in held]):
        connection.execute(sa.update(element).where(element.c.id.in_(some)).values(values))
    moved = [one for one in held if one.lock_owner != owner]
    verb = "lock" if owner else "unlock"
    _events(connection, [(verb, one.id, one.rev, {"lock": owner}) for one in moved], by=by, now=now)
    return {
        one.id: Element(
            id=one.id,
            kind=one.kind,
            document=one.document,
            rev=one.rev,
            created_at=one.created_at,
            updated_at=one.updated_at,
            lock_owner=owner,
            lock_until=until,
        )
        for one in held
    }


def read(row: sa.RowMapping, now: datetime) -> Element:
    """A row as an element; a lease that has run out is none."""
    locked = row["lock_until"] is not None and row["lock_until"] > now
    return Element(
        id=row["id"],
        kind=row["kind"],
        document=json.loads(row["doc"]),
        rev=row["rev"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        lock_owner=row["lock_owner"] if locked else None,
        lock_until=row["lock_until"] if locked else None,
    )


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that changed, with what they are now; null for one that is gone."""
    changed: dict[str, Any] = {key: value for key, value in new.items() if key not in old or old[key] != value}
    return changed | {key: None for key in old if key not in new}


def chunks(found: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """As many at a time as one statement takes."""
    for start in range(0, len(found), CHUNK):
        yield found[start : start + CHUNK]


def _row(element_id: str, document: Mapping[str, Any], kind: str) -> dict[str, Any]:
    author = document.get("author")
    return {
        "id": element_id,
        "kind": kind or rules.kind_of(element_id, document),
        "parent": _link(document, "#parent"),
        "src": _link(document, "src_id"),
        "tgt": _link(document, "tgt_id"),
        "doc": json.dumps(document, separators=(",", ":"), allow_nan=False),
        "author": rules.indexed(author) if isinstance(author, str) else None,
    }


def _link(document: Mapping[str, Any], key: str) -> str | None:
    """An id that another element may have; anything else leads nowhere."""
    value = document.get(key)
    if not isinstance(value, str):
        return None
    try:
        return rules.checked_id(value)
    except ValueError:
        return None


def _index(connection: sa.Connection, documents: Mapping[str, Mapping[str, Any]]) -> None:
    rows = [
        {
            "element_id": one,
            "key": value.key.replace("\0", "\ufffd"),
            "kind": value.kind,
            "text": None if value.text is None else rules.indexed(value.text),
            "number": value.number,
        }
        for one, document in documents.items()
        for value in rules.values(document)
    ]
    for some in chunks(rows):
        connection.execute(sa.insert(element_key), list(some))


def _unindex(connection: sa.Connection, ids: Sequence[str]) -> None:
    for some in chunks(ids):
        connection.execute(sa.delete(element_key).where(element_key.c.element_id.in_(some)))


def _events(
    connection: sa.Connection,
    happened: Iterable[tuple[str, str, int, Mapping[str, Any]]],
    *,
    by: str,
    now: datetime,
) -> None:
    rows = [
        {"at": now, "actor": by, "verb": verb, "element_id": one, "rev": rev, "data": json.dumps(dict(data))}
        for verb, one, rev, data in happened
    ]
    for some in chunks(rows):
        connection.execute(sa.insert(element_event), list(some))


__all__ = [
    "chunks",
    "difference",
    "fetch",
    "insert",
    "note",
    "read",
    "remove",
    "save",
    "set_locks",
    "turn",
]

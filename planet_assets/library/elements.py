"""Elements of the tracker: created, read, changed, deleted, locked. Each call is one transaction.

`seen_by` is the name of somebody who may see only what they wrote (author mode): the rest is not there for them. A lock
is a lease; whoever else changes or deletes what is locked gets a Conflict, and nothing is done.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from planet_assets.exceptions import Changed, Conflict
from planet_assets.library import element_rows as rows
from planet_assets.library import standings
from planet_assets.library.engine import Library, lease_time
from planet_assets.model.element import Element
from planet_assets.rules import elements as rules
from planet_assets.rules.destinations import SITE_LENGTH, is_file, without_shown
from planet_assets.rules.permissions import is_author

LEASE = timedelta(hours=8)
"""How long a lock lasts that is not renewed."""

Documents = Sequence[Mapping[str, Any]]
Found = list[Element | None]
"""In the order of what was asked; None for what could not be."""


def create(library: Library, documents: Documents, *, by: str, now: datetime) -> Found:
    """Add elements; None for each whose id is taken.

    Raises:
        Misused: an id or a key cannot be one.
    """
    new = [named(one, by=by, now=now) for one in documents]
    with rows.turn(library) as connection:
        made = rows.insert(connection, _first_of_each(new), by=by, verb="create", now=now)
    return _each_once(made, [one for one, _ in new])


def read(library: Library, ids: Sequence[str], *, now: datetime, seen_by: str | None = None) -> Found:
    """Elements by id; None for each that is not there."""
    with library.read() as connection:
        found = rows.fetch(connection, ids, now=lease_time(connection, now))
        stands = standings.shown(connection, [one for one in found if is_file(one)])
        if others := [one for one in found if len(one) <= SITE_LENGTH and not is_file(one)]:
            stands |= standings.volumes(connection, others)
    found |= {one: replace(found[one], shown=keys) for one, keys in stands.items()}
    return [visible(found.get(one), seen_by) for one in ids]


def update(
    library: Library,
    changes: Documents,
    *,
    by: str,
    now: datetime,
    seen_by: str | None = None,
    revisions: Mapping[str, int] | None = None,
) -> Found:
    """Change keys of elements, each named by its `_id`; null removes a key. None for each that is not there.

    Args:
        library: where.
        changes: what.
        by: who.
        now: when.
        seen_by: see the head of this file.
        revisions: which rev of an element the change is meant for.

    Raises:
        Conflict: somebody else has locked one; nothing was changed.
        Changed: one has another rev by now; nothing was changed.
        Misused: a key cannot be one.
    """
    for one in changes:
        rules.checked_keys(one)
    ids = [str(one["_id"]) for one in changes]
    with rows.turn(library) as connection:
        held = _held(connection, ids, by=by, now=now, seen_by=seen_by)
        refuse_changed(held, revisions or {})
        saved = _update(connection, held, changes, by=by, now=now)
    return [saved.get(one) for one in ids]


def upsert(
    library: Library, documents: Documents, *, by: str, now: datetime, seen_by: str | None = None
) -> list[tuple[Element, bool]]:
    """Create what is new and change what is there, in one transaction; and whether each was created.

    Raises:
        Conflict: somebody else has locked one, or has written one that the caller may not see; nothing was changed.
        Misused: an id or a key cannot be one.
    """
    for one in documents:
        rules.checked_keys(one)
    new = [named(one, by=by, now=now) for one in documents]
    ids = [one for one, _ in new]
    with rows.turn(library) as connection:
        made = rows.insert(connection, _first_of_each(new), by=by, verb="create", now=now)
        created = [one is not None for one in _each_once(made, ids)]
        pairs = zip(ids, documents, created, strict=True)
        known = [{**document, "_id": one} for one, document, is_created in pairs if not is_created]
        held = _held(connection, [one["_id"] for one in known], by=by, now=now, seen_by=seen_by)
        if missing := [one for one in known if one["_id"] not in held]:
            raise Conflict(f"{missing[0]['_id']} is somebody else's.")
        saved = _update(connection, held, known, by=by, now=now)
    return [(saved.get(one) or made[one], is_created) for one, is_created in zip(ids, created, strict=True)]


def delete(
    library: Library,
    ids: Sequence[str],
    *,
    by: str,
    now: datetime,
    seen_by: str | None = None,
    revisions: Mapping[str, int] | None = None,
) -> list[str | None]:
    """Delete elements; None for each that is not there.

    Raises:
        Conflict: somebody else has locked one; nothing was deleted.
        Changed: one has another rev by now; nothing was deleted.
    """
    with rows.turn(library) as connection:
        held = _held(connection, ids, by=by, now=now, seen_by=seen_by)
        refuse_changed(held, revisions or {})
        rows.remove(connection, list(held.values()), by=by, now=now)
    gone = set(held)
    found: list[str | None] = []
    for one in ids:
        found.append(one if one in gone else None)
        gone.discard(one)
    return found


def lock(
    library: Library,
    ids: Sequence[str],
    *,
    by: str,
    now: datetime,
    seen_by: str | None = None,
    lease: timedelta = LEASE,
) -> Found:
    """Take elements for oneself, or renew that; None for each that is not there.

    Raises:
        Conflict: somebody else has one of them; nothing was changed.
    """
    with rows.turn(library) as connection:
        at = lease_time(connection, now)
        held = _held(connection, ids, by=by, now=at, seen_by=seen_by)
        locked = rows.set_locks(connection, list(held.values()), by, lease, by=by, now=at)
    return [locked.get(one) for one in ids]


def unlock(
    library: Library,
    ids: Sequence[str],
    *,
    by: str,
    now: datetime,
    seen_by: str | None = None,
    breaks: bool = False,
) -> Found:
    """Give elements back; None for each that is not there. An admin may break the locks of others.

    Raises:
        Conflict: somebody else has one of them; nothing was changed.
    """
    with rows.turn(library) as connection:
        at = lease_time(connection, now)
        held = _held(connection, ids, by=None if breaks else by, now=at, seen_by=seen_by)
        free = rows.set_locks(connection, list(held.values()), None, LEASE, by=by, now=at)
    return [free.get(one) for one in ids]


def named(document: Mapping[str, Any], *, by: str, now: datetime) -> tuple[str, dict[str, Any]]:
    """The id of a new element and its document, with author and time where they are not given.

    Raises:
        Misused: the id or a key cannot be one.
    """
    rules.checked_keys(document)
    chance = secrets.token_bytes(10)
    given = document.get("_id")
    if given is not None and not isinstance(given, str):
        rules.checked_id(given)
    element_id = rules.new_id(now, chance) if is_new(document) else rules.with_ulid(str(given), now, chance)
    told = without_shown(document)
    kept = {key: value for key, value in told.items() if key not in ("_id", "lock") and value is not None}
    kept.setdefault("author", by)
    kept.setdefault("time", int(now.timestamp() * 1000))
    return rules.checked_id(element_id), kept


def is_new(document: Mapping[str, Any]) -> bool:
    """True when nobody has named it."""
    return document.get("_id") in (None, "null")


def visible(found: Element | None, seen_by: str | None) -> Element | None:
    """The element, if it is for the eyes of this person."""
    if found is None or seen_by is None or is_author(seen_by, found.document):
        return found
    return None


def refuse_locked(held: Mapping[str, Element], by: str) -> None:
    """Refuse when one of these is locked by another.

    Raises:
        Conflict: it is.
    """
    for one in held.values():
        if one.lock_owner not in (None, by):
            raise Conflict(f"{one.id} is locked by {one.lock_owner}.", hint="Wait, or ask an admin to break the lock.")


def refuse_changed(held: Mapping[str, Element], revisions: Mapping[str, int]) -> None:
    """Refuse when one of these is not any more what was read.

    Raises:
        Changed: it is not.
    """
    for one in held.values():
        if revisions.get(one.id, one.rev) != one.rev:
            raise Changed(f"{one.id} was changed: it has rev {one.rev} by now.", hint="Read it again.")


def _held(
    connection: sa.Connection, ids: Sequence[str], *, by: str | None, now: datetime, seen_by: str | None
) -> dict[str, Element]:
    found = rows.fetch(connection, ids, now=lease_time(connection, now))
    held = {one: each for one, each in found.items() if visible(each, seen_by) is not None}
    if by is not None:
        refuse_locked(held, by)
    return held


def _update(
    connection: sa.Connection, held: Mapping[str, Element], changes: Documents, *, by: str, now: datetime
) -> dict[str, Element]:
    """Merge changes into what is held; several of one element in their order."""
    documents = {one: each.document for one, each in held.items()}
    for change in changes:
        one = str(change["_id"])
        if one in documents:
            kept = {key: value for key, value in without_shown(change).items() if key not in ("_id", "lock")}
            documents[one] = rules.merged(documents[one], kept)
    changed = [(each, documents[one]) for one, each in held.items() if documents[one] != each.document]
    return dict(held) | rows.save(connection, changed, by=by, verb="update", now=now)


def _first_of_each(new: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Of several with one id, the first."""
    return dict(reversed(new))


def _each_once(made: Mapping[str, Element], ids: Sequence[str]) -> Found:
    left = dict(made)
    return [left.pop(one, None) for one in ids]

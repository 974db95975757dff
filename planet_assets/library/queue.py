"""The queue's rows. An entry is claimed by one conditional statement, with the id of the plan that carries it out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from planet_assets.exceptions import Misused
from planet_assets.library.engine import Library, is_dead, lease_time
from planet_assets.library.jobs import LEASE
from planet_assets.library.schema import queue
from planet_assets.model.queue import DROPPED, FAILED, RUNNING, WAITING, QueueEntry

_COLUMNS = [column for column in queue.c if column.name != "scenes"]


def add(
    library: Library,
    *,
    account: str,
    priority: int,
    scenes: str,
    scene_count: int,
    arguments: Mapping[str, Any],
    by: str,
    now: datetime,
    not_before: datetime | None,
) -> int:
    """Append an entry and return its id; `scenes` is GeoJSON text."""
    row = {
        "account": account,
        "priority": priority,
        "state": WAITING,
        "reason": "",
        "scenes": scenes,
        "scene_count": scene_count,
        "arguments": json.dumps(arguments),
        "by": by,
        "added_at": now,
        "updated_at": now,
        "not_before": not_before,
    }
    with library.write() as connection:
        return int(connection.execute(sa.insert(queue).values(row).returning(queue.c.id)).scalar_one())


def listed(library: Library, *, account: str | None = None, open_only: bool = False) -> list[QueueEntry]:
    """Entries, oldest first; of one account, or those still to be worked on."""
    query = sa.select(*_COLUMNS).order_by(queue.c.id)
    if account is not None:
        query = query.where(queue.c.account == account)
    if open_only:
        query = query.where(queue.c.state.in_([WAITING, RUNNING]))
    with library.read() as connection:
        return [_entry(row) for row in connection.execute(query).mappings()]


def get(library: Library, entry_id: int) -> QueueEntry:
    """One entry.

    Raises:
        Misused: there is none of this id.
    """
    with library.read() as connection:
        row = connection.execute(sa.select(*_COLUMNS).where(queue.c.id == entry_id)).mappings().one_or_none()
    if row is None:
        raise Misused(
            f"The queue has no entry {entry_id}.", hint="`planet-assets queue list` shows them.", argument="entry"
        )
    return _entry(row)


def scenes(library: Library, entry_id: int) -> list[dict[str, Any]]:
    """The scenes of an entry, as GeoJSON features."""
    with library.read() as connection:
        text = connection.execute(sa.select(queue.c.scenes).where(queue.c.id == entry_id)).scalar_one()
    found: list[dict[str, Any]] = json.loads(text)["features"]
    return found


def is_left_behind(entry: QueueEntry, now: datetime) -> bool:
    """True for a running entry that nobody works on: its run is dead, was silent for too long, or gave it up.

    `now` is `Library.lease_time`.
    """
    if entry.state != RUNNING:
        return False
    silent = entry.lease_until is None or entry.lease_until < now
    return entry.lease_owner is None or silent or is_dead(entry.lease_owner)


def claim(library: Library, entry: QueueEntry, *, batch_id: str, owner: str, now: datetime) -> bool:
    """Take an entry for a run, if it still stands as it was seen; False when somebody else was quicker."""
    return _change(
        library,
        entry,
        state=RUNNING,
        reason="",
        batch_id=batch_id,
        lease_owner=owner,
        lease_until=library.lease_time(now) + LEASE,
        updated_at=now,
    )


def settle(
    library: Library,
    entry_id: int,
    *,
    owner: str,
    state: str,
    reason: str,
    now: datetime,
    later: datetime | None = None,
) -> None:
    """Note what became of an entry that `owner` works on, and give it up."""
    values = {"state": state, "reason": reason, "updated_at": now, "lease_owner": None, "lease_until": None}
    if state == WAITING:
        values["batch_id"] = None
    elif later is not None:
        values["not_before"] = later
    mine = (queue.c.id == entry_id, queue.c.lease_owner == owner)
    with library.write() as connection:
        connection.execute(sa.update(queue).where(*mine).values(values))


def put_back(library: Library, entry: QueueEntry, *, now: datetime) -> bool:
    """Let an entry wait again whose run died before it recorded a job."""
    return _change(
        library, entry, state=WAITING, reason="", batch_id=None, lease_owner=None, lease_until=None, updated_at=now
    )


def note(library: Library, entry: QueueEntry, reason: str, *, now: datetime) -> None:
    """Say why an entry still waits."""
    if reason != entry.reason:
        _change(library, entry, reason=reason, updated_at=now)


def fail(library: Library, entry: QueueEntry, reason: str, *, now: datetime) -> None:
    """End a waiting entry that can never be carried out."""
    _change(library, entry, state=FAILED, reason=reason, updated_at=now)


def renew(library: Library, entry_id: int, *, owner: str, now: datetime) -> None:
    """Keep the claim for another while."""
    mine = (queue.c.id == entry_id, queue.c.lease_owner == owner)
    with library.write() as connection:
        until = lease_time(connection, now) + LEASE
        connection.execute(sa.update(queue).where(*mine).values(lease_until=until))


def move(library: Library, entry_id: int, priority: int, *, now: datetime) -> QueueEntry:
    """Give an entry another priority; one that failed waits again.

    Raises:
        Misused: it neither waits nor failed.
    """
    entry = get(library, entry_id)
    values = {"priority": priority, "state": WAITING, "batch_id": None, "updated_at": now}
    if entry.state not in (WAITING, FAILED) or not _change(library, entry, **values):
        raise Misused(f"Entry {entry_id} is {get(library, entry_id).state}.", argument="entry")
    return get(library, entry_id)


def drop(library: Library, entry_id: int, *, by: str, now: datetime) -> QueueEntry:
    """Take an entry out of the queue; its row stays as a record.

    Raises:
        Misused: it has begun, so that its jobs would have to be cancelled, or it is over.
    """
    entry = get(library, entry_id)
    change = {"state": DROPPED, "reason": f"Dropped by {by}.", "updated_at": now}
    if entry.state not in (WAITING, FAILED) or not _change(library, entry, **change):
        state = get(library, entry_id).state
        hint = "Cancel its jobs: `planet-assets jobs cancel`." if state == RUNNING else ""
        raise Misused(f"Entry {entry_id} is {state}.", hint=hint, argument="entry")
    return get(library, entry_id)


def _change(library: Library, entry: QueueEntry, **values: Any) -> bool:
    """Change an entry if nobody has since it was read."""
    same = queue.c.lease_owner.is_(None) if entry.lease_owner is None else queue.c.lease_owner == entry.lease_owner
    seen = (queue.c.id == entry.id, queue.c.state == entry.state, queue.c.updated_at == entry.updated_at, same)
    with library.write() as connection:
        return connection.execute(sa.update(queue).where(*seen).values(values)).rowcount == 1


def _entry(row: sa.RowMapping) -> QueueEntry:
    values = {column.name: row[column.name] for column in _COLUMNS}
    return QueueEntry(**values | {"arguments": json.loads(row["arguments"])})

"""Jobs and their events: the only writer of job state.

A job's row, its event and its ledger rows are written in one transaction, guarded by the row's revision, so that of two
processes that move one job the second is refused. A lease says who works on a job now; it lapses by time, or at once
when its process is known to be dead.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from planet_assets.exceptions import LibraryLocked, Misused
from planet_assets.library import copies, ground, ledger
from planet_assets.library.engine import Library, alone, is_dead, lease_time
from planet_assets.library.schema import event as event_table
from planet_assets.library.schema import job as job_table
from planet_assets.model.asset import AssetStatus
from planet_assets.model.event import Clipped, Created, Event, Placed, event_from_json, event_to_json
from planet_assets.model.job import Clipping, DownloadJob, Purchase, Terms, purchase
from planet_assets.rules import charges, lifecycle

LEASE = timedelta(seconds=120)
"""How long a claim lasts without being renewed."""

_FINAL = [status.value for status in AssetStatus if status.is_final]

# Statements that every step of every job runs are built once: building one costs more than running it.
_IS_OURS = (job_table.c.id == sa.bindparam("job_id"), job_table.c.revision == sa.bindparam("known"))
_ADD = sa.insert(job_table)
_HOLD = sa.select(job_table.c.account).where(*_IS_OURS).with_for_update()
_MOVE = sa.update(job_table).where(*_IS_OURS)
_REVISION = sa.select(job_table.c.revision).where(job_table.c.id == sa.bindparam("job_id"))
_WRITE_EVENT = sa.insert(event_table)
_BY_ID = job_table.c.id.in_(sa.bindparam("ids", expanding=True))
_UNFINISHED = job_table.c.status.not_in(_FINAL)
_OWNERS = sa.select(job_table.c.lease_owner).where(_UNFINISHED).distinct()
_CLAIM = (
    sa.update(job_table)
    .where(
        _BY_ID,
        _UNFINISHED,
        sa.or_(
            job_table.c.lease_owner.is_(None),
            job_table.c.lease_owner == sa.bindparam("owner"),
            job_table.c.lease_until < sa.bindparam("now"),
            job_table.c.lease_owner.in_(sa.bindparam("dead", expanding=True)),
        ),
    )
    .values(lease_owner=sa.bindparam("owner"), lease_until=sa.bindparam("until"))
    .returning(job_table.c.id)
)
_MOVING = sa.select(
    job_table.c.item_type, job_table.c.scene_id, job_table.c.asset_type, job_table.c.state, job_table.c.id
).where(_UNFINISHED)
_JOBS = sa.select(job_table.c.state, job_table.c.account).order_by(
    job_table.c.created_at, job_table.c.batch_id, job_table.c.position
)


def add(
    library: Library,
    jobs: Sequence[tuple[DownloadJob, Sequence[Event]]],
    *,
    owner: str,
    by: str,
    now: datetime,
    allow_unknown: bool = False,
) -> list[DownloadJob]:
    """Record jobs, each with what happened to it so far, all or nothing.

    Args:
        library: where to.
        jobs: new jobs, each with its `Created`, which reserves, and what may follow at once.
        owner: who works on those that are not final.
        by: who spends, for the ledger.
        now: the moment.
        allow_unknown: True to reserve from a quota nobody can tell.

    Raises:
        Misused: a price that is no area.
        OverQuota: the sum does not fit; nothing was recorded.
        QuotaUnknown: nobody knows what fits, and `allow_unknown` is False.
        LibraryLocked: another job began to fetch one of the assets meanwhile; plan again.
    """
    prices = [(job, sum(event.km2 for event in events if isinstance(event, Created))) for job, events in jobs]
    for job, km2 in prices:
        _refuse_no_area(job, km2)
    lives = [_life(job, events) for job, events in jobs]
    created = []
    with library.write() as connection:
        alone(connection)
        until = lease_time(connection, now) + LEASE
        moving = _unfinished_keys(connection)
        if taken := [life[-1].key for life in lives if _is_moving(life[-1], moving) and not life[-1].status.is_final]:
            raise LibraryLocked(f"{taken[0][1]} {taken[0][2]} is being fetched by another job.", hint="Plan again.")
        for account in sorted({job.account for job, _ in jobs}):
            total = math.fsum(km2 for job, km2 in prices if job.account == account)
            ledger.take(connection, account, total, now=now, allow_unknown=allow_unknown)
        for position, (life, (_, events)) in enumerate(zip(lives, jobs, strict=True)):
            after = life[-1]
            lease = {} if after.status.is_final else {"lease_owner": owner, "lease_until": until}
            row = {"lease_owner": None, "lease_until": None} | lease | {"position": position, "created_at": now}
            connection.execute(_ADD, _row(after) | row)
            for before, state, happened in zip(life, life[1:], events, strict=False):
                _write_event(connection, before, state, happened, by)
            created.append(after)
    return created


def _refuse_no_area(job: DownloadJob, km2: float) -> None:
    if not (0 <= km2 < math.inf and 0 <= job.km2 < math.inf):
        raise Misused(
            f"The price of {job.scene_id} {job.asset_type} is {km2} km²; that is no area.",
            hint="Its footprint cannot be measured; nothing was reserved.",
            argument="scenes",
        )


def _life(job: DownloadJob, events: Sequence[Event]) -> list[DownloadJob]:
    """The job as it was at first and after each event."""
    states = [job]
    for happened in events:
        states.append(lifecycle.apply(states[-1], happened))
    return states


def record(library: Library, job: DownloadJob, event: Event, *, by: str = "") -> DownloadJob:
    """Move a job by an event: row, event, ledger and copy in one transaction.

    Raises:
        LibraryLocked: another process moved the job meanwhile.
        OverQuota: the event takes quota that is not there; nothing was recorded.
    """
    return record_together(library, [(job, event)], by=by)[0]


def record_together(library: Library, moves: Sequence[tuple[DownloadJob, Event]], *, by: str = "") -> list[DownloadJob]:
    """Move several jobs, each by its event, all or none. Errors are those of `record`."""
    with library.write() as connection:
        priced = ground.Priced(connection)
        return [_moved_by(connection, priced, job, event, by) for job, event in moves]


def _moved_by(connection: sa.Connection, priced: ground.Priced, job: DownloadJob, event: Event, by: str) -> DownloadJob:
    event = priced.price(job, event)
    after = lifecycle.apply(job, event)
    extra = charges.needs_room_km2(job, event)
    mine = {"job_id": job.id, "known": job.revision}
    account = connection.execute(_HOLD, mine).scalar_one_or_none()
    if account is None:
        raise _moved(job)
    after = replace(after, account=account)  # the key may have been seen to belong to a subscription meanwhile
    if extra > 0:
        allow = job.terms.allow_unknown_quota
        ledger.take(connection, account, extra, now=event.at, allow_unknown=allow)
    connection.execute(_MOVE, mine | _row(after))
    _write_event(connection, job, after, event, by)
    priced.unlock(job, after)
    if isinstance(event, Placed):
        copies.write_placed(connection, after, at=event.at)
    if isinstance(event, Clipped):
        copies.write_clipped(connection, after, at=event.at)
    return after


def progress(library: Library, job: DownloadJob) -> None:
    """Note how many bytes are on disk; not an event, and lost without harm.

    Raises:
        LibraryLocked: another process moved the job meanwhile.
    """
    with library.write() as connection:
        mine = {"job_id": job.id, "known": job.revision}
        noted = connection.execute(_MOVE, mine | {"bytes_done": job.bytes_done, "state": _state(job)})
    if noted.rowcount != 1:
        raise _moved(job)


def confirm(library: Library, job: DownloadJob) -> None:
    """Make sure that the job is as we know it: whoever was suspended may have been thought dead.

    Raises:
        LibraryLocked: another process moved the job meanwhile.
    """
    with library.read() as connection:
        if connection.execute(_REVISION, {"job_id": job.id}).scalar_one_or_none() != job.revision:
            raise _moved(job)


def _moved(job: DownloadJob) -> LibraryLocked:
    return LibraryLocked(f"Job {job.id} was moved by another process.", hint="It goes on there.")


def claim(library: Library, ids: Collection[str], *, owner: str, now: datetime) -> list[DownloadJob]:
    """Take over those of the jobs that nobody works on: one conditional update each."""
    with library.write() as connection:
        dead = [name for name in connection.execute(_OWNERS).scalars() if name and is_dead(name)]
        now = lease_time(connection, now)
        asked = {"ids": list(ids), "owner": owner, "now": now, "until": now + LEASE, "dead": dead}
        taken = list(connection.execute(_CLAIM, asked).scalars())
    return load(library, taken) if taken else []


def renew(library: Library, ids: Collection[str], *, owner: str, now: datetime) -> None:
    """Keep the claim on jobs for another while."""
    with library.write() as connection:
        connection.execute(
            sa.update(job_table)
            .where(job_table.c.id.in_(list(ids)), job_table.c.lease_owner == owner)
            .values(lease_until=lease_time(connection, now) + LEASE)
        )


def let_go(library: Library, ids: Collection[str], *, owner: str) -> None:
    """Give up the claim on jobs."""
    with library.write() as connection:
        connection.execute(
            sa.update(job_table)
            .where(job_table.c.id.in_(list(ids)), job_table.c.lease_owner == owner)
            .values(lease_owner=None, lease_until=None)
        )


def held_elsewhere(library: Library, ids: Collection[str], *, owner: str, now: datetime) -> dict[str, str]:
    """Job id -> owner, of those that a living process works on."""
    columns = (job_table.c.id, job_table.c.lease_owner)
    query = sa.select(*columns).where(job_table.c.id.in_(list(ids)), job_table.c.lease_owner != owner)
    with library.read() as connection:
        rows = connection.execute(query.where(job_table.c.lease_until >= lease_time(connection, now)))
        return {row.id: row.lease_owner for row in rows if not is_dead(row.lease_owner)}


def owner_of(library: Library, job_id: str) -> str | None:
    """Who works on a job, or did last."""
    with library.read() as connection:
        query = sa.select(job_table.c.lease_owner).where(job_table.c.id == job_id)
        return connection.execute(query).scalar_one_or_none()


def load(library: Library, ids: Collection[str]) -> list[DownloadJob]:
    """Jobs by id, in the order they were made."""
    return _found(library, _JOBS.where(_BY_ID), ids=list(ids))


def get(library: Library, job_id: str) -> DownloadJob:
    """One job, by its id or an unmistakable beginning of it.

    Raises:
        Misused: there is none, or more than one.
    """
    found = _found(library, _JOBS.where(job_table.c.id.startswith(job_id, autoescape=True)))
    if len(found) != 1:
        problem = "There is no job" if not found else f"{len(found)} jobs begin with"
        raise Misused(f"{problem} {job_id!r}.", hint="`planet-assets jobs list` shows them.", argument="job")
    return found[0]


def unfinished(library: Library) -> list[DownloadJob]:
    """Every job that is not final."""
    return _found(library, _JOBS.where(_UNFINISHED))


def unfinished_of(library: Library, key: tuple[str, str, str]) -> list[DownloadJob]:
    """Jobs of one asset that are not final."""
    columns = (job_table.c.item_type, job_table.c.scene_id, job_table.c.asset_type)
    same = [column == value for column, value in zip(columns, key, strict=True)]
    return _found(library, _JOBS.where(_UNFINISHED, *same))


def unfinished_keys(library: Library) -> dict[Purchase, str]:
    """What is being paid for -> job id, of jobs under way: it is not bought twice."""
    with library.read() as connection:
        return _unfinished_keys(connection)


def listed(
    library: Library, *, status: Collection[str] = (), batch_id: str | None = None, limit: int | None = None
) -> list[DownloadJob]:
    """Jobs, newest batch last; filtered by status words or batch."""
    query = _JOBS.where(job_table.c.status.in_(list(status))) if status else _JOBS
    if batch_id is not None:
        query = query.where(job_table.c.batch_id == batch_id)
    found = _found(library, query)
    return found if limit is None else found[-limit:]


def bytes_per_km2(library: Library) -> dict[str, float]:
    """Stored bytes per charged km² of each asset type, learned from finished downloads."""
    sizes: dict[str, list[float]] = {}
    for job in listed(library, status=("completed",), limit=500):
        if job.size_bytes and job.km2 > 0 and job.route == "data" and job.read_bytes is None:
            sizes.setdefault(job.asset_type, []).append(job.size_bytes / job.km2)
    return {asset_type: sorted(values)[len(values) // 2] for asset_type, values in sizes.items() if len(values) >= 3}


def history(library: Library, job_id: str) -> list[Event]:
    """What happened to a job, oldest first."""
    query = sa.select(event_table).where(event_table.c.job_id == job_id).order_by(event_table.c.revision)
    with library.read() as connection:
        return [event_from_json(row.kind, json.loads(row.payload)) for row in connection.execute(query)]


def _unfinished_keys(connection: sa.Connection) -> dict[Purchase, str]:
    moving = {}
    for item_type, scene_id, asset_type, text, job_id in connection.execute(_MOVING):
        state = json.loads(text)
        key = (item_type, scene_id, asset_type)
        moving[purchase(key, state["route"], state["roi_wkt"], state.get("tools", ""))] = job_id
    return moving


def _is_moving(job: DownloadJob, moving: Mapping[Purchase, str]) -> bool:
    return job.purchase in moving or (*job.key, "") in moving


def _found(library: Library, query: sa.Select[Any], **asked: Any) -> list[DownloadJob]:
    with library.read() as connection:
        return [_job(json.loads(state) | {"account": account}) for state, account in connection.execute(query, asked)]


def _write_event(connection: sa.Connection, before: DownloadJob, after: DownloadJob, happened: Event, by: str) -> None:
    row = {
        "job_id": after.id,
        "revision": after.revision,
        "at": happened.at,
        "kind": type(happened).__name__,
        "payload": json.dumps(event_to_json(happened)),
    }
    connection.execute(_WRITE_EVENT, row)
    entries = charges.entries(before, happened)
    ledger.write(
        connection, after.account, entries, at=happened.at, job_id=after.id, batch_id=after.batch_id, by=by or "library"
    )


def _row(job: DownloadJob) -> dict[str, Any]:
    return {
        "id": job.id,
        "batch_id": job.batch_id,
        "account": job.account,
        "status": job.status.value,
        "item_type": job.item_type,
        "scene_id": job.scene_id,
        "asset_type": job.asset_type,
        "path": job.path,
        "revision": job.revision,
        "bytes_done": job.bytes_done,
        "state": _state(job),
        "updated_at": job.updated_at,
    }


_NAMES = tuple(field.name for field in fields(DownloadJob))
_TIMES = frozenset(field.name for field in fields(DownloadJob) if "datetime" in str(field.type))
_PARTS = frozenset(("terms", "clipping"))


def _state(job: DownloadJob) -> str:
    values = {name: getattr(job, name) for name in _NAMES}
    for name in _TIMES:
        values[name] = values[name].isoformat() if values[name] is not None else None
    for name in _PARTS:
        values[name] = asdict(values[name]) if values[name] is not None else None
    return json.dumps({**values, "status": job.status.value})


def _job(state: Mapping[str, Any]) -> DownloadJob:
    values = dict(state)
    for name in _TIMES:
        values[name] = datetime.fromisoformat(values[name]) if values[name] is not None else None
    values["status"] = AssetStatus(values["status"])
    values["members"] = tuple(values.get("members", ()))
    values["terms"] = Terms(**values["terms"])
    values["clipping"] = Clipping(**values["clipping"]) if values["clipping"] is not None else None
    return DownloadJob(**values)

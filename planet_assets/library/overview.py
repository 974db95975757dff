"""What is known, a page at a time, and how each scene stands: held, moving, failed, or only known."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from planet_assets.library.engine import Library
from planet_assets.library.schema import copy, item, job
from planet_assets.model.asset import AssetStatus

HELD, MOVING, FAILED, KNOWN = "held", "moving", "failed", "known"
"""How a scene stands: a file of it is here; a job fetches one; the last job ended without; none of these."""

_FINAL = [status.value for status in AssetStatus if status.is_final]
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where a page of scenes ends: the next one goes on behind it."""

    acquired: datetime
    """When the last scene of the page was taken."""
    item_id: str
    """Its id."""


def page(
    library: Library, *, limit: int, after: Mark | None = None, begins: str = "", ids: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Scenes as GeoJSON with `state` in it, the latest first.

    Args:
        library: where to look.
        limit: how many at the most.
        after: where the page before ended.
        begins: how their ids begin.
        ids: these only.
    """
    columns = (item.c.item_type, item.c.id, item.c.acquired, item.c.feature)
    query = sa.select(*columns).order_by(item.c.acquired.desc(), item.c.id.desc()).limit(limit)
    if after is not None:
        same = sa.and_(item.c.acquired == after.acquired, item.c.id < after.item_id)
        query = query.where(sa.or_(item.c.acquired < after.acquired, same))
    if begins:
        query = query.where(item.c.id.startswith(begins, autoescape=True))
    if ids:
        query = query.where(item.c.id.in_(list(ids)[:_AT_ONCE]))
    with library.read() as connection:
        rows = connection.execute(query).all()
    found = states(library, [row.id for row in rows])
    return [
        {"item_type": row.item_type, "id": row.id, "acquired": row.acquired, "feature": json.loads(row.feature)}
        | {"state": found.get((row.item_type, row.id), KNOWN)}
        for row in rows
    ]


def states(library: Library, ids: Collection[str]) -> dict[tuple[str, str], str]:
    """(item type, id) -> how it stands; what is only known is left out."""
    wanted, found = list(ids), dict[tuple[str, str], str]()
    with library.read() as connection:
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            columns = (job.c.item_type, job.c.scene_id, job.c.status)
            jobs = connection.execute(sa.select(*columns).where(job.c.scene_id.in_(some)).order_by(job.c.created_at))
            moving = set()
            for item_type, scene_id, status in jobs:
                if status not in _FINAL:
                    moving.add((item_type, scene_id))
                elif status in (AssetStatus.FAILED.value, AssetStatus.EXPIRED.value):
                    found[item_type, scene_id] = FAILED
            held = sa.select(copy.c.item_type, copy.c.item_id).where(copy.c.state == "present")
            rows = connection.execute(held.where(copy.c.item_id.in_(some)).distinct())
            found |= dict.fromkeys(rows, HELD)
            found |= dict.fromkeys(moving, MOVING)
    return found


def features_of(library: Library, item_id: str) -> list[dict[str, Any]]:
    """What is known under an id, of any item type."""
    query = sa.select(item.c.feature).where(item.c.id == item_id).order_by(item.c.item_type)
    with library.read() as connection:
        return [json.loads(text) for text in connection.execute(query).scalars()]


def counts(library: Library) -> Mapping[str, Mapping[str, int]]:
    """How many there are: jobs by status, copies by state, items."""
    with library.read() as connection:
        return {
            "jobs": _counted(connection, job.c.status),
            "copies": _counted(connection, copy.c.state),
            "items": {"known": connection.execute(sa.select(sa.func.count()).select_from(item)).scalar_one()},
        }


def job_ids(library: Library, *, statuses: Collection[str] = (), batch_id: str | None, limit: int) -> list[str]:
    """Ids of jobs, the newest first."""
    query = sa.select(job.c.id).order_by(job.c.created_at.desc(), job.c.batch_id, job.c.position).limit(limit)
    if statuses:
        query = query.where(job.c.status.in_(list(statuses)))
    if batch_id is not None:
        query = query.where(job.c.batch_id == batch_id)
    with library.read() as connection:
        return list(connection.execute(query).scalars())


def job_ids_of(library: Library, item_id: str) -> list[str]:
    """Ids of the jobs of a scene."""
    with library.read() as connection:
        return list(connection.execute(sa.select(job.c.id).where(job.c.scene_id == item_id).limit(200)).scalars())


def _counted(connection: sa.Connection, column: sa.Column[Any]) -> dict[str, int]:
    query = sa.select(column, sa.func.count()).group_by(column)
    return {str(word): int(number) for word, number in connection.execute(query)}

"""Everything that happens, in one stream: the events of jobs, bundles, plans and elements, read by a cursor.

A cursor is a sequence of each table, so what was missed is read again without another table. PostgreSQL gives out a
sequence before its transaction ends, so a number may be missing that comes a moment later: a reader stops before a
young gap, and passes one that has lasted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from planet_assets.exceptions import Misused
from planet_assets.library.engine import Library
from planet_assets.library.schema import bundle, bundle_event, event, job
from planet_assets.library.team_schema import approval_event, element_event
from planet_assets.model.asset import AssetStatus

SETTLED = timedelta(seconds=5)
"""After this nobody fills a gap any more."""
MOST = 200
"""Events of a table in one reading."""

Cursor = Mapping[str, int]
"""Name of a table -> the last sequence that was read."""

_SOURCES: dict[str, sa.Select[Any]] = {
    "job": sa.select(
        event.c.sequence,
        event.c.at,
        event.c.kind.label("verb"),
        event.c.job_id.label("subject"),
        job.c.scene_id,
        job.c.asset_type,
        job.c.batch_id,
        job.c.status,
    ).join(job, job.c.id == event.c.job_id),
    "bundle": sa.select(
        bundle_event.c.sequence,
        bundle_event.c.at,
        bundle_event.c.kind.label("verb"),
        bundle_event.c.bundle_id.label("subject"),
        bundle_event.c.by,
        bundle.c.name,
    ).join(bundle, bundle.c.id == bundle_event.c.bundle_id),
    "plan": sa.select(
        approval_event.c.sequence,
        approval_event.c.at,
        approval_event.c.state.label("verb"),
        approval_event.c.approval_id.label("subject"),
        approval_event.c.by,
    ),
    "element": sa.select(
        element_event.c.sequence,
        element_event.c.at,
        element_event.c.verb,
        element_event.c.element_id.label("subject"),
        element_event.c.actor.label("by"),
        element_event.c.rev,
    ),
}
_SEQUENCES = {
    "job": event.c.sequence,
    "bundle": bundle_event.c.sequence,
    "plan": approval_event.c.sequence,
    "element": element_event.c.sequence,
}
_HEADS = sa.select(*(sa.select(sa.func.max(one)).scalar_subquery().label(name) for name, one in _SEQUENCES.items()))
_PROGRESS = sa.select(job.c.id, job.c.scene_id, job.c.status, job.c.bytes_done, job.c.state).where(
    job.c.status == AssetStatus.DOWNLOADING.value
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that happened."""

    source: str
    """job, bundle, plan or element."""
    sequence: int
    """Its number there."""
    at: datetime
    """When, UTC."""
    verb: str
    """What: the event's kind, or the state it led to."""
    subject: str
    """To which job, bundle, plan or element."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Facts of it."""


def heads(library: Library) -> dict[str, int]:
    """The newest sequence of every table; 0 where nothing has happened."""
    with library.read() as connection:
        row = connection.execute(_HEADS).mappings().one()
    return {name: int(row[name] or 0) for name in _SEQUENCES}


def after(library: Library, cursor: Cursor, now: datetime) -> list[Happening]:
    """What happened behind a cursor, in the order of time within what one reading brings.

    `now` is `Library.lease_time`.
    """
    found: list[Happening] = []
    with library.read() as connection:
        for name, query in _SOURCES.items():
            sequence = _SEQUENCES[name]
            last = cursor.get(name, 0)
            rows = connection.execute(query.where(sequence > last).order_by(sequence).limit(MOST)).mappings()
            for row in rows:
                if row["sequence"] != last + 1 and now - row["at"] < SETTLED:
                    break
                last = row["sequence"]
                found.append(_happening(name, row))
    return sorted(found, key=lambda one: one.at)


def moved(cursor: Cursor, one: Happening) -> dict[str, int]:
    """The cursor behind an event."""
    return {**cursor, one.source: max(one.sequence, cursor.get(one.source, 0))}


def progress(library: Library) -> dict[str, dict[str, Any]]:
    """Job id -> how far its bytes have come, of jobs that are downloading."""
    with library.read() as connection:
        rows = connection.execute(_PROGRESS).all()
    return {
        row.id: {
            "scene_id": row.scene_id,
            "status": row.status,
            "bytes_done": row.bytes_done,
            "size_bytes": json.loads(row.state).get("size_bytes"),
        }
        for row in rows
    }


def written(cursor: Cursor) -> str:
    """A cursor as an event's id: `job:12,plan:3`."""
    return ",".join(f"{name}:{cursor[name]}" for name in _SEQUENCES if cursor.get(name))


def read_cursor(text: str) -> dict[str, int]:
    """A cursor from an event's id.

    Raises:
        Misused: it is none.
    """
    found = {}
    for part in text.split(",") if text else ():
        told = re.fullmatch(r"([a-z]{1,20}):(\d{1,18})", part.strip())
        if told is None:
            raise Misused("Last-Event-ID is no id of this stream.", argument="Last-Event-ID")
        found[told[1]] = int(told[2])
    return {name: found.get(name, 0) for name in _SEQUENCES}


def _happening(source: str, row: sa.RowMapping) -> Happening:
    known = {name: row[name] for name in ("sequence", "at", "verb", "subject")}
    more = {name: value for name, value in row.items() if name not in known}
    return Happening(source=source, more=more, **known)

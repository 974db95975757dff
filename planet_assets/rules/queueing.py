"""Whose turn it is in the queue, and what the end of an entry's jobs means for it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from planet_assets.exceptions import Misused
from planet_assets.model.asset import AssetStatus
from planet_assets.model.job import DownloadJob
from planet_assets.model.queue import DONE, FAILED, PRIORITIES, RUNNING, STATES, WAITING, QueueEntry

FARTHEST = 1_000_000
"""Priorities lie between minus and plus this."""


def read_priority(value: str | int) -> int:
    """high, normal, low, or a whole number; the higher goes first.

    Raises:
        Misused: it is none of them.
    """
    if isinstance(value, str):
        text = value.strip().lower()
        value = PRIORITIES.get(text, text)
        if isinstance(value, str) and value.lstrip("+-").isdecimal():
            value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > FARTHEST:
        raise Misused(
            f"priority={value!r} is not known.", hint="Use high, normal, low or a whole number.", argument="priority"
        )
    return value


def in_turn(entries: Iterable[QueueEntry]) -> list[QueueEntry]:
    """What was begun, then what waits by priority and age, then the rest."""
    return sorted(entries, key=lambda entry: (STATES.index(entry.state), -entry.priority, entry.id))


def due(
    entries: Iterable[QueueEntry], now: datetime, *, left_behind: Collection[int] = (), seen: Collection[int] = ()
) -> QueueEntry | None:
    """The entry to look at next; None when there is none.

    What a dead run left behind comes first, because its quota is reserved or spent already; then the highest priority,
    the oldest first among equals.

    Args:
        entries: the queue.
        now: the moment.
        left_behind: ids of running entries that nobody works on.
        seen: ids that had their turn in this round.
    """
    ready = [
        entry
        for entry in in_turn(entries)
        if entry.id not in seen
        and (entry.not_before is None or entry.not_before <= now)
        and (entry.state == WAITING or (entry.state == RUNNING and entry.id in left_behind))
    ]
    return ready[0] if ready else None


def outcome(jobs: Sequence[DownloadJob]) -> tuple[str, str, datetime | None]:
    """State, reason and when to look again, of an entry whose jobs stand like this."""
    open_jobs = [job for job in jobs if not job.status.is_final]
    if open_jobs:
        moments = [job.not_before for job in open_jobs if job.not_before is not None]
        words = next((job.error_message for job in open_jobs if job.error_message), "")
        later = min(moments) if len(moments) == len(open_jobs) else None
        return RUNNING, f"{len(open_jobs)} of {_files(jobs)} still to come. {words}".strip(), later
    bad = [job for job in jobs if job.status is not AssetStatus.COMPLETED]
    spent = math.fsum(job.spent_km2 for job in jobs)
    if not bad:
        return DONE, f"{_files(jobs)}, {spent:,.2f} km² charged.", None
    return FAILED, f"{len(bad)} of {_files(jobs)} did not come: {bad[0].error_message or bad[0].status.value}", None


def _files(jobs: Sequence[DownloadJob]) -> str:
    return f"{len(jobs):,} file{'' if len(jobs) == 1 else 's'}"

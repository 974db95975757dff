"""Decide, do, record: the loop that moves any job of any kind.

*decide* asks `rules.lifecycle`, *do* is the only await, *record* writes the event with everything it causes. Every
exception becomes an event here and nowhere else. Restarting is nothing special: load the job and go on.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime, timedelta

from planet_assets.exceptions import (
    ActivationFailed,
    AssetError,
    ClipFailed,
    DiskProblem,
    DownloadFailed,
    Gone,
    LibraryAway,
    LibraryLocked,
    NetworkError,
    NotYet,
    QuotaError,
    TryLater,
)
from planet_assets.library import jobs as job_rows
from planet_assets.library.engine import Library
from planet_assets.model.asset import AssetStatus
from planet_assets.model.event import Delayed, Done, Event, Failed, NotThereYet, Step, Vanished, WaitUntil
from planet_assets.model.job import DownloadJob
from planet_assets.model.ports import Clock
from planet_assets.rules import lifecycle, retry

Listener = Callable[[DownloadJob], None]
Moves = Sequence[tuple[DownloadJob, Event]]
"""Jobs, each with the event that moves it."""

PATIENCE = timedelta(hours=6)
"""A job that has to wait longer than this is left as it is; `resume` looks again."""


class Track:
    """One job on its way: its latest state, and the only hand that records what happens to it."""

    def __init__(self, job: DownloadJob, library: Library, *, by: str, tell: Listener) -> None:
        self.job = job
        self.waited_until: datetime | None = None
        """The moment whose time has passed, whatever the computer's clock says."""
        self._library = library
        self._by = by
        self._tell = tell
        self._lock = threading.Lock()

    def record(self, event: Event) -> DownloadJob:
        """Move the job by an event; safe from any thread."""
        with self._lock:
            self.job = job_rows.record(self._library, self.job, event, by=self._by)
            job = self.job
        self._tell(job)
        return job

    @staticmethod
    def record_together(tracks: Sequence[Track], decide: Callable[[Sequence[DownloadJob]], Moves]) -> list[DownloadJob]:
        """Move several jobs, all or none; `decide` sees them as they are and says which ones, each by its event."""
        with ExitStack() as held:
            for track in sorted(tracks, key=lambda track: track.job.id):
                held.enter_context(track._lock)
            moves = decide([track.job for track in tracks])
            if not moves:
                return []
            moved = job_rows.record_together(tracks[0]._library, moves, by=tracks[0]._by)
            after = {job.id: job for job in moved}
            changed = [track for track in tracks if track.job.id in after]
            for track in changed:
                track.job = after[track.job.id]
        for track in changed:
            track._tell(after[track.job.id])
        return moved

    def confirm(self) -> None:
        """Make sure, before a request that may cost, that the job is still ours.

        Raises:
            LibraryLocked: another process moved it meanwhile.
        """
        with self._lock:
            job_rows.confirm(self._library, self.job)

    def progress(self, bytes_done: int, size_bytes: int | None, *, keep: bool) -> None:
        """Note bytes on disk; written to the library only when `keep`."""
        with self._lock:
            size = size_bytes if size_bytes is not None else self.job.size_bytes
            self.job = replace(self.job, bytes_done=bytes_done, size_bytes=size)
            job = self.job
            if keep:
                with suppress(LibraryAway):
                    job_rows.progress(self._library, job)
        self._tell(job)


Perform = Callable[[Step, Track], Awaitable[Event | None]]


async def drive(
    track: Track, perform: Perform, clock: Clock, enough: Callable[[DownloadJob], bool] | None = None
) -> DownloadJob:
    """Move a job until it is final, waits for something too far away, or has come far enough.

    Raises:
        LibraryLocked: another process moved the job; it goes on there.
    """
    while not (enough is not None and enough(track.job)) and await turn(track, perform, clock):
        pass
    return track.job


async def turn(track: Track, perform: Perform, clock: Clock) -> bool:
    """Decide, do and record once; False when there is nothing to do for now."""
    now = clock.now()
    step = lifecycle.next_step(track.job, now)
    if isinstance(step, Done):
        return False
    if isinstance(step, WaitUntil) and step.moment == track.waited_until:
        step = lifecycle.next_step(track.job, step.moment)
    if isinstance(step, WaitUntil):
        left = step.moment - max(now, track.job.updated_at)  # a clock that was put back makes no wait longer
        if left > PATIENCE:
            return False
        await clock.sleep(left.total_seconds())
        track.waited_until = step.moment
        return True
    event = await _do(step, track, perform, clock)
    if event is not None:
        await _record(event, track, clock)
    if lifecycle.is_stuck(track.job):
        return False
    if reason := lifecycle.exhausted(track.job):
        kind = track.job.error_kind or "DownloadFailed"
        await asyncio.to_thread(track.record, Failed(at=clock.now(), error_kind=kind, message=reason))
    return True


async def _do(step: Step, track: Track, perform: Perform, clock: Clock) -> Event | None:
    try:
        return await perform(step, track)
    except (LibraryLocked, LibraryAway):
        raise
    except AssetError as error:
        return event_of(error, track.job, clock.now())
    except OSError as error:
        return event_of(_disk_problem(error), track.job, clock.now())


async def _record(event: Event, track: Track, clock: Clock) -> None:
    """Record an event; one that takes quota which is not there ends the job instead."""
    try:
        await asyncio.to_thread(track.record, event)
    except QuotaError as error:
        await asyncio.to_thread(track.record, event_of(error, track.job, clock.now()))


def event_of(error: AssetError, job: DownloadJob, now: datetime) -> Event:
    """What an error means for a job."""
    kind = type(error).__name__
    if isinstance(error, NotYet):
        return NotThereYet(at=now, reason=str(error), look_again_at=now + timedelta(seconds=error.after_s or 3600))
    if isinstance(error, TryLater):
        pause = retry.delay_s(
            job.attempts, base_s=job.terms.retry_delay_s, jitter01=random.random(), server_s=error.after_s
        )
        reached = not (isinstance(error, NetworkError) and not error.reached_server)
        return Delayed(
            at=now, error_kind=kind, message=str(error), not_before=now + timedelta(seconds=pause), answered=reached
        )
    if isinstance(error, Gone) and job.status is not AssetStatus.DOWNLOADING:
        return Vanished(at=now, message=f"{_stage(job, error)}: {error}")
    return Failed(at=now, error_kind=kind, message=f"{_stage(job, error)}: {error}")


def _stage(job: DownloadJob, error: AssetError) -> str:
    """The words scripts look for in messages."""
    if isinstance(error, ClipFailed) or job.status is AssetStatus.CLIPPING:
        return f"clip failed, {'the whole file' if job.read_bytes is None else 'what was read'} is kept"
    asking = job.status in (AssetStatus.PENDING, AssetStatus.WAITING, AssetStatus.ACTIVATING)
    if isinstance(error, ActivationFailed) or (asking and not isinstance(error, DownloadFailed)):
        return "activation failed"
    return "download failed"


def _disk_problem(error: OSError) -> DiskProblem:
    where = f" at {error.filename}" if error.filename else ""
    return DiskProblem(f"{error.strerror or error}{where}.", hint="Check the disk, then resume.")

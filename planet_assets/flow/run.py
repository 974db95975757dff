"""From a confirmed plan to finished jobs: reserve, claim, drive side by side, and leave nothing behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from planet_assets.exceptions import DiskProblem, LibraryAway, LibraryLocked
from planet_assets.flow import files
from planet_assets.flow.acquire import Acquire, Consent
from planet_assets.flow.agreed import holds_of, jobs_of
from planet_assets.flow.asking import Asking, Assets
from planet_assets.flow.drive import Listener, Track, drive
from planet_assets.flow.ordering import Ordering
from planet_assets.flow.turnstile import Turnstile
from planet_assets.library import jobs as job_rows
from planet_assets.library.engine import Library
from planet_assets.model.asset import AssetStatus
from planet_assets.model.event import Cancelled, Created, Event, Failed, NotThereYet, TakenOver
from planet_assets.model.job import DownloadJob, Terms
from planet_assets.model.plan import Decision, Plan, Want
from planet_assets.model.ports import Clock
from planet_assets.rules.choose import may_come, why_lacking
from planet_assets.rules.lifecycle import may_end
from planet_assets.view.bar import Bar

if TYPE_CHECKING:
    from planet_assets.planet.orders import OrdersApi
    from planet_assets.transfer.fetch import Fetcher

HEARTBEAT_S = 30.0
LOCKED_PAUSE_S = 1.0
AWAY_PATIENCE_S = 300.0
"""How long a run waits for a library that does not answer."""
LOOK_AGAIN = timedelta(days=1)


@dataclass(slots=True, kw_only=True)
class Runner:
    """What a run touches, wired by the manager."""

    library: Library
    api: Assets
    orders: OrdersApi
    order_grace: timedelta
    """How long an order whose answer was lost is looked for."""
    order_look_s: float
    """Shortest pause between two looks at an order."""
    starts_per_s: Mapping[str, float]
    """Downloads that may start in a second, by route."""
    fetcher: Fetcher
    clock: Clock
    concurrent: int
    by: str
    consent: Consent
    owner: str
    """Who claims the jobs: this run, see `engine.working`."""
    callback: Listener | None = None
    """Told of changes, for the user."""
    enough: Callable[[DownloadJob], bool] | None = None
    """When a job is left to itself before its end; None for never."""
    show: bool | None = None
    """True for a bar, False for none, None for one where somebody can see it."""

    async def carry_out(self, plan: Plan, account: str, terms: Terms) -> list[DownloadJob]:
        """Do what was agreed to; jobs in the order given.

        What other jobs are fetching is waited for, or taken over from a process that died, and then had from them.

        Raises:
            OverQuota, QuotaUnknown, LibraryLocked: as `start`.
        """
        new = await self.start(plan, account, terms)
        theirs = await asyncio.to_thread(job_rows.load, self.library, [job_id for _, job_id in plan.under_way])
        taken = await self.take_over([job.id for job in theirs if job.account == account])
        done = await self.run_shown([*new, *taken])
        mine = {job.id for job in taken}
        others = [job.id for job in theirs if job.id not in mine]
        if self.enough is None:
            followed = await self.follow(others)
        else:
            followed = await asyncio.to_thread(job_rows.load, self.library, others)
        finished = {job.id: job for job in (*done, *followed)}
        elsewhere = [
            (job_id, replace(want, held_path=finished[job_id].path, held_digest=finished[job_id].digest))
            for want, job_id in plan.under_way
            if job_id in finished and _lies_elsewhere(finished[job_id], want)
        ]
        now = self.clock.now()
        linked = jobs_of([want for _, want in elsewhere], plan, account, terms, now)
        started = await self._added([(job, [Created(at=now, km2=0.0)]) for job in linked], now)
        for job_id, _ in elsewhere:
            del finished[job_id]
        return in_order(plan, [*finished.values(), *await self.run_shown(started)])

    async def start(self, plan: Plan, account: str, terms: Terms) -> list[DownloadJob]:
        """Record the plan's jobs with their reservation, in one transaction; nothing is asked of Planet yet.

        What cannot be had fails or waits at once, with the reason.

        Raises:
            OverQuota: the quota was used up since the plan was made; nothing was recorded.
            LibraryLocked: another process began to fetch one of the assets meanwhile; plan again.
        """
        now = self.clock.now()
        made = jobs_of(plan.wants, plan, account, terms, now)
        holds = holds_of(plan, made)
        new = [(job, [Created(at=now, km2=holds[job.id], agreed_km2=job.km2)]) for job in made]
        held = jobs_of(plan.already_held, plan, account, terms, now)
        ordered = jobs_of(plan.ordered, plan, account, terms, now)
        lacking = jobs_of([want for want, _ in plan.lacking], plan, account, terms, now, waiting=True)
        told = [_lacks(want, reason, now) for want, reason in plan.lacking]
        return await self._added(
            [
                *new,
                *((job, [Created(at=now, km2=0.0)]) for job in (*held, *ordered)),
                *((job, [Created(at=now, km2=0.0), event]) for job, event in zip(lacking, told, strict=True)),
            ],
            now,
            allow_unknown=terms.allow_unknown_quota,
        )

    async def adopt(self, jobs: Sequence[DownloadJob]) -> list[DownloadJob]:
        """Record jobs that an order of somebody brings, and carry them out; free."""
        now = self.clock.now()
        return await self.run_shown(await self._added([(job, [Created(at=now, km2=0.0)]) for job in jobs], now))

    async def refuse(self, plan: Plan, decision: Decision, account: str, terms: Terms) -> list[DownloadJob]:
        """Keep a declined plan's jobs as cancelled; nothing was reserved."""
        now = self.clock.now()
        wants = [*plan.wants, *plan.already_held, *plan.ordered, *(want for want, _ in plan.lacking)]
        ended = [Created(at=now, km2=0.0), Cancelled(at=now, by=decision.by, reason=decision.reason)]
        return await self._added([(job, ended) for job in jobs_of(wants, plan, account, terms, now)], now)

    async def take_over(self, ids: Iterable[str]) -> list[DownloadJob]:
        """Claim jobs that nobody works on, and note that they changed hands."""
        now = self.clock.now()
        claimed = await asyncio.to_thread(job_rows.claim, self.library, list(ids), owner=self.owner, now=now)
        event = TakenOver(at=now, by=self.owner)
        return [await asyncio.to_thread(job_rows.record, self.library, job, event, by=self.by) for job in claimed]

    async def cancel(self, ids: Iterable[str], *, by: str, reason: str, tidy: bool) -> list[DownloadJob]:
        """End jobs that nobody works on; `tidy` removes what they had begun on disk.

        A job whose order may or may not stand is left as it is: `resume` finds out.
        """
        ended = []
        for job in await self.take_over(ids):
            if not may_end(job):
                ended.append(job)
                continue
            event = Cancelled(at=self.clock.now(), by=by, reason=reason)
            ended.append(await asyncio.to_thread(job_rows.record, self.library, job, event, by=self.by))
            if tidy:
                await asyncio.to_thread(files.forget_parts, job)
        return ended

    async def run(self, jobs: Sequence[DownloadJob], tell: Listener) -> list[DownloadJob]:
        """Drive jobs side by side until each is final or waits; in the order given.

        `tell` is called with a fresh job on every change, on the event loop's thread.

        When the run is cut short (Ctrl-C, a cancelled task) transfers stop, jobs stay as they are, claims are given up.
        """
        stop = threading.Event()
        loop = asyncio.get_running_loop()

        def pass_on(job: DownloadJob) -> None:
            with suppress(RuntimeError):  # the loop may be closing
                loop.call_soon_threadsafe(tell, job)

        tracks = [Track(job, self.library, by=self.by, tell=pass_on) for job in jobs]
        threads = ThreadPoolExecutor(self.concurrent + 4, thread_name_prefix="planet-assets")
        turnstile = Turnstile(self.concurrent, self.starts_per_s)
        asking = Asking(api=self.api, clock=self.clock, turnstile=turnstile)
        ordering = Ordering(
            api=self.orders,
            library=self.library,
            clock=self.clock,
            fetcher=self.fetcher,
            threads=threads,
            tracks=tracks,
            links=asking.links,
            look=asking.look,
            consent=self.consent,
            grace=self.order_grace,
            first_look_s=self.order_look_s,
        )
        steps = Acquire(
            asking=asking,
            ordering=ordering,
            fetcher=self.fetcher,
            library=self.library,
            clock=self.clock,
            threads=threads,
            consent=self.consent,
            turnstile=turnstile,
            stopped=stop.is_set,
        )
        heart = asyncio.create_task(self._beat(tracks))
        workers = [asyncio.create_task(self._one(track, steps)) for track in tracks]
        try:
            await asyncio.gather(*workers)
        finally:
            stop.set()
            for task in (*workers, heart):
                task.cancel()
            await asyncio.gather(*workers, heart, return_exceptions=True)
            await steps.close()
            await asyncio.to_thread(threads.shutdown)
            ids = [track.job.id for track in tracks]
            with suppress(LibraryLocked, LibraryAway, DiskProblem):  # a claim ends with its run all the same
                await asyncio.to_thread(job_rows.let_go, self.library, ids, owner=self.owner)
        return [track.job for track in tracks]

    async def run_shown(self, jobs: Sequence[DownloadJob]) -> list[DownloadJob]:
        """`run`, with the bar and the user's callback told of every change."""
        bar, gate = Bar(list(jobs), enabled=self.show), Throttle(self.clock)

        def tell(job: DownloadJob) -> None:
            bar.tell(job)
            if self.callback is not None and gate.lets(job):
                self.callback(job)

        try:
            return await self.run(jobs, tell)
        finally:
            bar.close()

    async def follow(self, ids: Iterable[str]) -> list[DownloadJob]:
        """Wait for jobs that another process drives; a job it leaves behind is returned as it was left."""
        waiting = set(ids)
        while waiting:
            now = self.clock.now()
            busy = await asyncio.to_thread(job_rows.held_elsewhere, self.library, waiting, owner=self.owner, now=now)
            waiting &= busy.keys()
            if waiting:
                await self.clock.sleep(0.5)
        return await asyncio.to_thread(job_rows.load, self.library, list(ids))

    async def _one(self, track: Track, steps: Acquire) -> None:
        """Drive a job; when somebody else has taken it over, it is theirs."""
        try:
            while not await self._driven(track, steps):
                await self.clock.sleep(LOCKED_PAUSE_S)
        finally:
            steps.turnstile.land(track.job.id)
            steps.turnstile.leave(track.job.id)

    async def _driven(self, track: Track, steps: Acquire) -> bool:
        """False when the library was busy for long, or away, and the job is still ours: it goes on as it stands there.

        What was being recorded when a server went away may have been recorded.
        """
        try:
            await drive(track, steps.perform, self.clock, self.enough)
        except (LibraryLocked, LibraryAway):
            track.job, owner = await self._as_it_stands(track.job.id)
            if owner != self.owner and track.job.status is AssetStatus.COMPLETED:
                await asyncio.to_thread(files.forget_part, track.job)  # begun by us after the other had finished
            return owner != self.owner
        if track.job.status is AssetStatus.COMPLETED and track.job.read_bytes:
            await asyncio.to_thread(files.sweep_parts, Path(track.job.path))  # the tiles that it was cut from
        return True

    async def _as_it_stands(self, job_id: str) -> tuple[DownloadJob, str | None]:
        """A job and who works on it, as soon as the library answers."""
        began = self.clock.monotonic()
        while True:
            try:
                job = await asyncio.to_thread(job_rows.get, self.library, job_id)
                return job, await asyncio.to_thread(job_rows.owner_of, self.library, job_id)
            except (LibraryLocked, LibraryAway):
                if self.clock.monotonic() - began > AWAY_PATIENCE_S:
                    raise
            await self.clock.sleep(LOCKED_PAUSE_S)

    async def _added(
        self, jobs: Sequence[tuple[DownloadJob, Sequence[Event]]], now: datetime, *, allow_unknown: bool = False
    ) -> list[DownloadJob]:
        return await asyncio.to_thread(
            job_rows.add, self.library, jobs, owner=self.owner, by=self.by, now=now, allow_unknown=allow_unknown
        )

    async def _beat(self, tracks: Sequence[Track]) -> None:
        """Keep the claims while the run lives."""
        while True:
            await self.clock.sleep(HEARTBEAT_S)
            ids = [track.job.id for track in tracks if not track.job.status.is_final]
            with suppress(LibraryLocked, LibraryAway, DiskProblem):  # the next beat may still be in time
                await asyncio.to_thread(job_rows.renew, self.library, ids, owner=self.owner, now=self.clock.now())


@dataclass(slots=True)
class Throttle:
    """Lets changes of status pass, and of mere progress some ten a second per job."""

    clock: Clock
    _last: dict[str, tuple[str, float]] = field(default_factory=dict)

    def lets(self, job: DownloadJob) -> bool:
        """True when this snapshot is due."""
        status, at = self._last.get(job.id, ("", float("-inf")))
        now = self.clock.monotonic()
        if status == job.status.value and now - at < 0.1:
            return False
        self._last[job.id] = (job.status.value, now)
        return True


def _lies_elsewhere(job: DownloadJob, want: Want) -> bool:
    """True when a finished job's file is not yet where, or cut as, it is wanted."""
    there = (job.path, job.clipped_path, job.roi_wkt, job.clipping)
    cut = want.clipping if want.clipped_path is not None else None
    done = job.status is AssetStatus.COMPLETED and Path(job.path).exists()
    return done and there != (want.path, want.clipped_path, want.roi_wkt, cut)


def _lacks(want: Want, reason: str, now: datetime) -> Event:
    """A scene that may come waits; what it charges is asked about when it is there."""
    if may_come(want.item, want.asset_type, now) or not why_lacking(want.item, want.asset_type):
        return NotThereYet(at=now, reason=reason, look_again_at=now + LOOK_AGAIN)
    return Failed(at=now, error_kind="PermissionMissing", message=f"activation failed: {reason}")


def in_order(plan: Plan, jobs: Iterable[DownloadJob]) -> list[DownloadJob]:
    """Jobs in the order scenes and asset types were given."""
    keys = [(*item.ref, asset_type) for item in plan.items for asset_type in plan.asset_types]
    place = {key: position for position, key in reversed(list(enumerate(keys)))}
    return sorted(jobs, key=lambda job: place.get(job.key, len(keys)))

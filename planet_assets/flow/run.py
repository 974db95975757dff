"""From a confirmed plan to finished jobs: reserve, claim, drive side by side, and leave nothing behind."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from planet_assets.exceptions import LibraryLocked
from planet_assets.flow.acquire import Acquire, Assets, Consent
from planet_assets.flow.drive import Listener, Track, drive
from planet_assets.flow.turnstile import Turnstile
from planet_assets.library import jobs as job_rows
from planet_assets.library.engine import Library, this_process
from planet_assets.model.event import Cancelled, Failed, NotThereYet, TakenOver
from planet_assets.model.job import DownloadJob, Terms
from planet_assets.model.plan import Decision, Plan, Want
from planet_assets.model.ports import Clock
from planet_assets.rules.choose import may_come
from planet_assets.rules.estimate import full_km2
from planet_assets.view.bar import Bar

if TYPE_CHECKING:
    from planet_assets.transfer.fetch import Fetcher

HEARTBEAT_S = 30.0
LOOK_AGAIN = timedelta(days=1)


@dataclass(slots=True, kw_only=True)
class Runner:
    """What a run touches, wired by the manager."""

    library: Library
    api: Assets
    fetcher: Fetcher
    clock: Clock
    concurrent: int
    by: str
    consent: Consent

    async def start(self, plan: Plan, account: str, terms: Terms) -> list[DownloadJob]:
        """Record the plan's jobs with their reservation, in one transaction; nothing is asked of Planet yet.

        Raises:
            OverQuota: the quota was used up since the plan was made; nothing was recorded.
            LibraryLocked: another process began to fetch one of the assets meanwhile; plan again.
        """
        now = self.clock.now()
        new = _jobs_of(plan, account, terms, now)
        return await asyncio.to_thread(
            job_rows.add,
            self.library,
            new,
            owner=this_process(),
            by=self.by,
            now=now,
            allow_unknown=terms.allow_unknown_quota,
        )

    async def settle_lacking(self, plan: Plan, jobs: Sequence[DownloadJob]) -> list[DownloadJob]:
        """What cannot be had fails or waits at once, with the reason."""
        reasons = {want.key: reason for want, reason in plan.lacking}
        waits = {want.key for want, _ in plan.lacking if may_come(want.item, want.asset_type, self.clock.now())}
        settled = []
        for job in jobs:
            if job.key in reasons:
                now = self.clock.now()
                words = f"activation failed: {reasons[job.key]}"
                event = (
                    NotThereYet(at=now, reason=reasons[job.key], look_again_at=now + LOOK_AGAIN)
                    if job.key in waits
                    else Failed(at=now, error_kind="PermissionMissing", message=words)
                )
                job = await asyncio.to_thread(job_rows.record, self.library, job, event, by=self.by)
            settled.append(job)
        return settled

    async def refuse(self, plan: Plan, decision: Decision, account: str, terms: Terms) -> list[DownloadJob]:
        """Keep a declined plan's jobs as cancelled; nothing was reserved."""
        now = self.clock.now()
        new = [(job, 0.0) for job, _ in _jobs_of(plan, account, terms, now)]
        kept = await asyncio.to_thread(job_rows.add, self.library, new, owner=this_process(), by=self.by, now=now)
        refusal = Cancelled(at=now, by=decision.by, reason=decision.reason)
        return [
            await asyncio.to_thread(job_rows.record, self.library, job, refusal, by=self.by)
            if not job.status.is_final
            else job
            for job in kept
        ]

    async def take_over(self, ids: Iterable[str]) -> list[DownloadJob]:
        """Claim jobs that nobody works on, and note that they changed hands."""
        me = this_process()
        claimed = await asyncio.to_thread(job_rows.claim, self.library, list(ids), owner=me, now=self.clock.now())
        taken = []
        for job in claimed:
            event = TakenOver(at=self.clock.now(), by=me)
            taken.append(await asyncio.to_thread(job_rows.record, self.library, job, event, by=self.by))
        return taken

    async def cancel(self, ids: Iterable[str], *, by: str, reason: str) -> list[DownloadJob]:
        """End jobs that nobody works on."""
        ended = []
        for job in await self.take_over(ids):
            event = Cancelled(at=self.clock.now(), by=by, reason=reason)
            ended.append(await asyncio.to_thread(job_rows.record, self.library, job, event, by=self.by))
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
        steps = Acquire(
            api=self.api,
            fetcher=self.fetcher,
            library=self.library,
            clock=self.clock,
            threads=threads,
            consent=self.consent,
            turnstile=Turnstile(self.concurrent),
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
            await asyncio.to_thread(threads.shutdown)
            ids = [track.job.id for track in tracks]
            await asyncio.to_thread(job_rows.let_go, self.library, ids, owner=this_process())
        return [track.job for track in tracks]

    async def run_shown(
        self, jobs: Sequence[DownloadJob], *, callback: Listener | None, show: bool | None
    ) -> list[DownloadJob]:
        """`run`, with the bar and the user's callback told of every change."""
        bar, gate = Bar(list(jobs), enabled=show), Throttle(self.clock)

        def tell(job: DownloadJob) -> None:
            bar.tell(job)
            if callback is not None and gate.lets(job):
                callback(job)

        try:
            return await self.run(jobs, tell)
        finally:
            bar.close()

    async def follow(self, ids: Iterable[str]) -> list[DownloadJob]:
        """Wait for jobs that another process drives; a job it leaves behind is returned as it was left."""
        waiting, me = set(ids), this_process()
        while waiting:
            now = self.clock.now()
            busy = await asyncio.to_thread(job_rows.held_elsewhere, self.library, waiting, owner=me, now=now)
            waiting &= busy.keys()
            if waiting:
                await self.clock.sleep(0.5)
        return await asyncio.to_thread(job_rows.load, self.library, list(ids))

    async def _one(self, track: Track, steps: Acquire) -> None:
        try:
            await drive(track, steps.perform, self.clock)
        except LibraryLocked:
            track.job = await asyncio.to_thread(job_rows.get, self.library, track.job.id)
        finally:
            steps.turnstile.leave(track.job.id)

    async def _beat(self, tracks: Sequence[Track]) -> None:
        """Keep the claims while the run lives."""
        while True:
            await self.clock.sleep(HEARTBEAT_S)
            ids = [track.job.id for track in tracks if not track.job.status.is_final]
            await asyncio.to_thread(job_rows.renew, self.library, ids, owner=this_process(), now=self.clock.now())


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


def _jobs_of(plan: Plan, account: str, terms: Terms, now: datetime) -> list[tuple[DownloadJob, float]]:
    """A job for every want of a plan, with the km² to reserve for it."""
    def job(want: Want, km2: float) -> DownloadJob:
        return DownloadJob(
            id=uuid.uuid4().hex,
            batch_id=plan.id,
            account=account,
            item_type=want.item.item_type,
            scene_id=want.item.id,
            asset_type=want.asset_type,
            route=want.route,
            path=want.path,
            clipped_path=want.clipped_path,
            roi_wkt=want.roi_wkt,
            clipping=want.clipping if want.clipped_path is not None else None,
            terms=terms,
            km2=km2,
            created_at=now,
            updated_at=now,
            held_copy=want.held_path,
            md5=want.held_digest,
        )

    new = [(want, full_km2(want.item, want.asset_type)) for want in plan.wants]  # exact; the impact's sums are quick
    return [
        *((job(want, km2), km2) for want, km2 in new),
        *((job(want, 0.0), 0.0) for want in plan.already_held),
        *((job(want, full_km2(want.item, want.asset_type)), 0.0) for want, _ in plan.lacking),
    ]


def in_order(plan: Plan, jobs: Iterable[DownloadJob]) -> list[DownloadJob]:
    """Jobs in the order scenes and asset types were given."""
    keys = [(*item.ref, asset_type) for item in plan.items for asset_type in plan.asset_types]
    place = {key: position for position, key in reversed(list(enumerate(keys)))}
    return sorted(jobs, key=lambda job: place.get(job.key, len(keys)))

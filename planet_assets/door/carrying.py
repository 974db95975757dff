"""Carries plans out: asks, reserves, runs, and asks again where going on costs more than was confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from planet_assets.door.wiring import Wiring
from planet_assets.exceptions import Misused
from planet_assets.flow import adopting, replan
from planet_assets.flow.adopting import Adoption
from planet_assets.flow.consent import Hook, decide, may_ask_a_person, refuse_unpaid
from planet_assets.flow.drive import Listener
from planet_assets.flow.files import refuse_bad_disk
from planet_assets.flow.ordering import files_of
from planet_assets.flow.run import Runner, in_order
from planet_assets.model.asset import AssetStatus
from planet_assets.model.item import items_from
from planet_assets.model.job import DownloadJob, JobList
from planet_assets.model.plan import Plan
from planet_assets.rules.charges import TOLERANCE_KM2

STALE = timedelta(minutes=5)
"""Age of a plan from which the quota is read again before anything is reserved."""

REFUSALS = ("PermissionMissing", "Misused")
"""Errors by which Planet refuses an order for good, so that the other route is left."""


@dataclass(slots=True, kw_only=True)
class Carrier:
    """Carries plans out in one way."""

    wires: Wiring
    """What stands behind the manager."""
    hook: Hook | None
    """Who is asked; None for nobody."""
    callback: Listener | None
    """Told of every change."""
    show: bool | None
    """Whether a bar is shown; None where somebody can see it."""
    max_concurrent: int | None = None
    """Downloads side by side; the setting's word otherwise."""
    enough: Callable[[DownloadJob], bool] | None = None
    """When a job is left to itself before its end; None for never."""
    spends_again: bool = False
    """With nobody to ask: True to go on where that costs more than was confirmed, False to end the job instead."""

    async def carry_out(self, plan: Plan, *, allow_unknown: bool) -> JobList:
        """Ask, reserve, fetch, verify, cut, place; jobs in the order given."""
        refuse_unpaid(plan, allow_unknown=allow_unknown or may_ask_a_person(self.hook))
        await asyncio.to_thread(refuse_bad_disk, plan)
        decision = await decide(plan, self.hook, self.wires.clock.now())
        account, terms = plan.quota.account, self.wires.terms(allow_unknown or decision.allow_unknown_quota)
        with self.runner() as runner:
            if not decision.proceed:
                return JobList(in_order(plan, await runner.refuse(plan, decision, account, terms)))
            refuse_unpaid(plan, allow_unknown=terms.allow_unknown_quota)
            if self.wires.clock.now() - plan.made_at > STALE:
                await self.wires.quota()  # others spend too; the reservation looks at what is known last
            jobs = await runner.carry_out(plan, account, terms)
        return await self._whole_instead(plan, jobs, allow_unknown=terms.allow_unknown_quota)

    async def resume(self, left: Sequence[DownloadJob], *, named: bool) -> JobList:
        """Go on with jobs that nobody works on.

        Raises:
            Misused: one that was `named` spends from another account.
        """
        if not left:
            return JobList()
        mine = await self.wires.account()
        if named and (foreign := [job for job in left if job.account != mine]):
            raise Misused(
                f"Job {foreign[0].id} spends from account {foreign[0].account}, this key from {mine}.",
                hint="Resume it with a key of that subscription.",
                argument="jobs",
            )
        with self.runner() as runner:
            taken = await runner.take_over([job.id for job in left if job.account == mine])
            return JobList(await runner.run_shown(taken))

    async def adopt(
        self, which: Sequence[str] | None, folder: Path, naming: str, skipped: Callable[[str], Any]
    ) -> JobList:
        """Fetch what finished orders of the account brought."""
        now = self.wires.clock.now()
        adoption = Adoption(
            library=self.wires.library(),
            folder=folder,
            naming=naming,
            account=await self.wires.account(),
            terms=self.wires.terms(False),
        )
        orders = await adopting.chosen(self.wires.orders(), which, now)
        with self.runner() as runner:
            found = [(order, await asyncio.to_thread(files_of, order, runner.fetcher)) for order in orders]
            jobs = await asyncio.to_thread(adopting.jobs_for, adoption, found, now, skipped)
            return JobList(await runner.adopt(jobs))

    async def _whole_instead(self, plan: Plan, jobs: Sequence[DownloadJob], *, allow_unknown: bool) -> JobList:
        """What Planet refused to clip, as whole scenes: at a price that was agreed to, or that is agreed to now.

        With nobody to ask, jobs that would cost more stay failed, and say both prices.
        """
        refused = [job for job in jobs if _was_refused(job)] if plan.delivery == "auto" else []
        if not refused:
            return JobList(jobs)
        dearer = sum(job.whole_km2 for job in refused) > sum(job.km2 for job in refused) + TOLERANCE_KM2
        if dearer and self.hook is None:
            return JobList(jobs)
        other = replan.by_data(plan, refused, await self.wires.quota(), self.wires.clock.now())
        decision = await decide(other, self.hook if dearer else None, other.made_at)
        if not decision.proceed:
            return JobList(jobs)
        refuse_unpaid(other, allow_unknown=allow_unknown)
        with self.runner() as runner:
            instead = await runner.carry_out(other, other.quota.account, self.wires.terms(allow_unknown))
        replaced = {job.key for job in instead}
        return JobList(in_order(plan, [*(job for job in jobs if job.key not in replaced), *instead]))

    @contextmanager
    def runner(self) -> Iterator[Runner]:
        """Everything a run touches, for a while."""
        one_at_a_time = asyncio.Lock()

        async def consent(job: DownloadJob, km2: float) -> bool:
            async with one_at_a_time:
                return await self._agrees_to_more(job, km2)

        with self.wires.runner(self.max_concurrent, consent, self.callback, self.show) as runner:
            runner.enough = self.enough
            yield runner

    async def _agrees_to_more(self, job: DownloadJob, km2: float) -> bool:
        """Ask about cost that nobody has confirmed; with nobody to ask, agree only where the caller said so."""
        if self.hook is None:
            return self.spends_again
        quota, [item] = await self.wires.quota(), items_from((await self.wires.features(job))[:1])
        now = self.wires.clock.now()
        return (await decide(replan.extra_plan(job, km2, item, quota, now), self.hook, now)).proceed


def is_placed(job: DownloadJob) -> bool:
    """True when Planet works on the job's order, or it waits for its scene: nobody has to stay for that."""
    return job.order_id is not None or job.status is AssetStatus.WAITING


def must_wait(job: DownloadJob) -> bool:
    """True when Planet has been asked and the job's files are not there yet."""
    ordered = job.status is AssetStatus.ORDERING and job.order_id is not None
    return job.not_before is not None and (ordered or job.status is AssetStatus.WAITING)


def _was_refused(job: DownloadJob) -> bool:
    """True when Planet refused the job's order, so that nothing was charged and nothing will come."""
    failed = job.status is AssetStatus.FAILED and job.error_kind in REFUSALS
    return failed and job.route == "orders" and job.order_id is None and job.spent_km2 == 0

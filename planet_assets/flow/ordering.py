"""The Orders route: place an order once for the jobs that share it, find it again, follow it, take its links.

The intent is recorded for all jobs of an order in one transaction, with a name that no other attempt has. Whatever
happens to the answer, that name tells later whether Planet accepted: until it is found, or certainly missing, no job
leaves the status *ordering* and nothing of the commitment is given back.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planet_assets.exceptions import (
    ActivationFailed,
    AssetError,
    Corrupt,
    Declined,
    LinkExpired,
    Misused,
    NetworkError,
    PermissionMissing,
    ServerError,
    Throttled,
    TryLater,
    Unsafe,
)
from planet_assets.flow.drive import Moves, Track, event_of
from planet_assets.library.engine import Library
from planet_assets.model.asset import AssetStatus, Link, Promise
from planet_assets.model.event import (
    Event,
    LinkReady,
    OrderMissing,
    OrderPlaced,
    OrderPlacing,
    OrderRefused,
    OrderRunning,
)
from planet_assets.model.job import DownloadJob
from planet_assets.model.order import Delivered, Order
from planet_assets.model.ports import Clock
from planet_assets.planet.orders import OrdersApi, aoi_of, delivered, manifest_link, order_body
from planet_assets.rules.bundles import BUNDLES
from planet_assets.rules.charges import TOLERANCE_KM2
from planet_assets.rules.lifecycle import exhausted
from planet_assets.rules.tools import from_text

if TYPE_CHECKING:
    from planet_assets.transfer.fetch import Fetcher

LONGEST_PAUSE_S = 60.0
BUSY_FOR = timedelta(hours=6)
"""How long "too many orders" is waited out before it uses up tries."""
SHARED_S = 1.0
"""Jobs of an order that ask within this time share one answer."""


@dataclass(slots=True, kw_only=True)
class Placing:
    """One attempt to place an order."""

    name: str
    """The order's name."""
    members: frozenset[str]
    """Ids of the jobs it is for."""
    task: asyncio.Task[None]
    """Ends when every member was moved by what was found out, or fails for all of them."""


@dataclass(slots=True, kw_only=True)
class Ordering:
    """Orders for all jobs of a run."""

    api: OrdersApi
    library: Library
    clock: Clock
    fetcher: Fetcher
    threads: Executor
    tracks: Sequence[Track]
    links: dict[str, Link]
    """Job id -> the link in hand; shared with the Data route."""
    consent: Callable[[DownloadJob, float], Awaitable[bool]]
    """Asked before a job spends more than was confirmed."""
    look: Callable[[DownloadJob, Iterable[str]], Awaitable[None]]
    """Raises when Planet does not have these assets of a job's scene now."""
    grace: timedelta
    """How long an order whose answer was lost may take to show up in Planet's list."""
    first_look_s: float

    _placing: dict[str, Placing] = field(default_factory=dict)
    _looks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _polls: dict[str, asyncio.Task[Order]] = field(default_factory=dict)
    _files: dict[str, asyncio.Task[list[Delivered]]] = field(default_factory=dict)

    async def place(self, track: Track) -> None:
        """Place the order of the job's group; jobs that ask at the same time share it, and move together."""
        group = _group(track.job)
        placing = self._placing.get(group)
        if placing is None or placing.task.done() or track.job.id not in placing.members:
            members = [one for one in self.tracks if _group(one.job) == group and _may_be_placed(one.job)]
            name = f"{group}-{uuid.uuid4().hex[:8]}"
            task = asyncio.ensure_future(self._placed(name, members))
            placing = Placing(name=name, members=frozenset(one.job.id for one in members), task=task)
            self._placing[group] = placing
            task.add_done_callback(_heard)
        try:
            await asyncio.shield(placing.task)
        except (PermissionMissing, Misused) as error:
            raise _with_prices(error, track.job) from None

    async def find(self, track: Track) -> None:
        """Look for the order by its name; only when the grace time is over, missing means missing."""
        name = track.job.order_name or ""
        placing = self._placing.get(_group(track.job))
        if placing is not None and placing.name == name and not placing.task.done():
            await asyncio.shield(placing.task)
            return
        task = self._looks.get(name)
        if task is None or task.done():  # what it has recorded is seen before it is gone
            task = asyncio.ensure_future(self._looked(name))
            self._looks[name] = task
            task.add_done_callback(_heard)
        await asyncio.shield(task)

    async def poll(self, track: Track) -> Event:
        """Ask how far the order is; when it is done, match the job with its file."""
        job = track.job
        order = await self._order(job.order_id or "")
        now = self.clock.now()
        if not order.is_final:
            waited = (now - (job.order_asked_at or now)).total_seconds()
            pause = min(LONGEST_PAUSE_S, max(self.first_look_s, 0.3 * waited))
            return OrderRunning(at=now, look_again_at=now + timedelta(seconds=pause))
        if order.state in ("failed", "cancelled"):
            raise ActivationFailed(
                f"Planet's order {order.id} ended as {order.state}: {order.message or 'no reason given'}.",
                hint="What it may have charged stays in the ledger until it is reconciled.",
            )
        file = self._mine(job, await self._delivered(order))
        if file is None:
            said = [hint for hint in order.hints if job.scene_id in hint]
            raise ActivationFailed(
                f"Planet's order {order.id} holds no {job.asset_type} of {job.scene_id}.", hint="; ".join(said[:3])
            )
        self.links[job.id] = file.link
        return LinkReady(at=now, md5=file.md5, expires_at=file.link.expires_at)

    async def close(self) -> None:
        """End questions that nobody waits for any more."""
        left = [placing.task for placing in self._placing.values()]
        tasks: list[asyncio.Task[Any]] = [*left, *self._looks.values(), *self._polls.values(), *self._files.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _placed(self, name: str, tracks: Sequence[Track]) -> None:
        """Record the intent of every job of the group, ask once, and record for all of them what came of it."""
        tracks = await self._there(tracks)
        if not tracks:
            return
        body = _body(name, [track.job for track in tracks])
        consented = await self._consented([track.job for track in tracks])

        def intend(jobs: Sequence[DownloadJob]) -> Moves:
            now, shares = self.clock.now(), _shares(jobs)
            return [
                (job, OrderPlacing(at=now, name=name, km2=shares[job.id], consented_km2=consented.get(job.id, 0.0)))
                for job in jobs
            ]

        await asyncio.to_thread(Track.record_together, tracks, intend)
        try:
            order = await self.api.create(body)
        except AssetError as error:
            if isinstance(error, ServerError) or (isinstance(error, NetworkError) and error.reached_server):
                raise  # Planet may have accepted and failed afterwards: unknown
            await self._all(name, self._refusal(tracks[0].job, error))
            if not isinstance(error, TryLater):
                raise
            return
        await self._all(name, OrderPlaced(at=self.clock.now(), order_id=order.id))

    async def _there(self, tracks: Sequence[Track]) -> list[Track]:
        """Those whose scene has what its bundle brings; what waited is looked at, and waits on if it must."""
        ready = []
        for track in tracks:
            if track.job.status is AssetStatus.WAITING:
                try:
                    await self.look(track.job, BUNDLES.get(track.job.bundle or "", (track.job.asset_type,)))
                except AssetError as error:
                    await asyncio.to_thread(track.record, event_of(error, track.job, self.clock.now()))
                    continue
            ready.append(track)
        return ready

    async def _consented(self, jobs: Sequence[DownloadJob]) -> dict[str, float]:
        """What is agreed to on top of what was confirmed: by job, km².

        Raises:
            Declined: somebody said no.
        """
        shares, agreed = _shares(jobs), {}
        for job in jobs:
            extra = job.spent_km2 + shares[job.id] - job.agreed_km2
            if shares[job.id] <= 0 or extra <= TOLERANCE_KM2:
                continue
            if not await self.consent(job, extra):
                raise Declined(
                    f"Ordering {job.scene_id} charges {extra:,.2f} km² more than was agreed to.",
                    hint="The job that was to carry the charge has ended; plan again.",
                )
            agreed[job.id] = extra
        return agreed

    async def _looked(self, name: str) -> None:
        asked = min(track.job.order_asked_at or self.clock.now() for track in self.tracks if _seeks(track.job, name))
        found = await self.api.named(name)
        now = self.clock.now()
        event: Event = OrderMissing(at=now)
        if found:
            event = OrderPlaced(at=now, order_id=found[-1].id)
        elif now - asked < self.grace:
            pause = min(10.0, self.grace.total_seconds() / 5)
            event = OrderRunning(at=now, look_again_at=now + timedelta(seconds=pause))
        await self._all(name, event)

    async def _all(self, name: str, event: Event) -> None:
        """Move every job that seeks the order by the event, in one transaction: a group never falls apart."""

        def seekers(jobs: Sequence[DownloadJob]) -> Moves:
            return [(job, event) for job in jobs if _seeks(job, name)]

        tracks = [track for track in self.tracks if track.job.order_name == name]
        await asyncio.to_thread(Track.record_together, tracks, seekers)

    def _refusal(self, job: DownloadJob, error: AssetError) -> Event:
        """Nothing was charged; too many orders under way are waited for, the longer the older the job is."""
        now, terms = self.clock.now(), job.terms
        age = now - job.created_at
        busy = isinstance(error, Throttled) and age < BUSY_FOR
        asked_s = (error.after_s or 0.0) if isinstance(error, TryLater) else 0.0
        own_s = min(LONGEST_PAUSE_S, 0.1 * age.total_seconds()) if busy else 0.0
        pause = max(own_s or terms.retry_delay_s * 2.0**job.attempts, terms.retry_delay_s, asked_s)
        return OrderRefused(at=now, reason=str(error), not_before=now + timedelta(seconds=pause), busy=busy)

    async def _order(self, order_id: str) -> Order:
        """An order with fresh links; jobs that ask at about the same time share one answer."""
        task = self._polls.get(order_id)
        if task is None:
            task = asyncio.ensure_future(self.api.get(order_id))
            self._polls[order_id] = task
            task.add_done_callback(lambda done: self._forget_poll(order_id, done))
        return await asyncio.shield(task)

    def _forget_poll(self, order_id: str, done: asyncio.Task[Order]) -> None:
        _heard(done)
        pause = min(SHARED_S, self.first_look_s / 2) if not _failed(done) else 0.0
        asyncio.get_running_loop().call_later(pause, self._polls.pop, order_id, None)

    async def _delivered(self, order: Order) -> list[Delivered]:
        """The order's files by its manifest, each with the link of this very answer."""
        task = self._files.get(order.id)
        if task is None or _failed(task):
            task = asyncio.ensure_future(self._listed(order))
            task.add_done_callback(_heard)
            self._files[order.id] = task
        known = await asyncio.shield(task)
        fresh = {result.name.removeprefix(f"{order.id}/"): result.link for result in order.results}
        return [replace(file, link=fresh.get(file.path, file.link)) for file in known]

    async def _listed(self, order: Order) -> list[Delivered]:
        return await asyncio.get_running_loop().run_in_executor(self.threads, files_of, order, self.fetcher)

    def _mine(self, job: DownloadJob, files: Sequence[Delivered]) -> Delivered | None:
        wanted: tuple[str, ...] = (job.scene_id, job.asset_type)
        if job.members:
            kind = "composite_udm2" if "udm2" in job.asset_type else "composite"
            return next((one for one in files if one.asset_type == kind), None)
        return next((one for one in files if (one.item_id, one.asset_type) == wanted), None)


def files_of(order: Order, fetcher: Fetcher) -> list[Delivered]:
    """The files of a finished order by its manifest, which is fetched; free.

    Raises:
        ServerError: there is no manifest that can be read; another link to it may do.
    """
    link = manifest_link(order)
    if link is None:
        raise ServerError(f"Planet's order {order.id} has no manifest.", hint="Try again later.")
    try:
        return delivered(order, _manifest(link, fetcher))
    except (Corrupt, LinkExpired, Unsafe) as error:
        raise ServerError(f"The order's manifest cannot be read: {error.message}", hint="Try again later.") from None


def _manifest(link: Link, fetcher: Fetcher) -> Any:
    with tempfile.TemporaryDirectory(prefix="planet-assets-") as folder:
        part = fetcher.fetch(link.url, Path(folder) / "manifest.part", Promise(media="json"))
        try:
            return json.loads(Path(part.path).read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            raise ServerError("The order's manifest is no JSON.", hint="Try again later.") from None


def _with_prices(error: PermissionMissing | Misused, job: DownloadJob) -> AssetError:
    """The refusal with what the order would have cost, and what the other route costs."""
    ordered, whole = max(job.order_km2, job.km2), job.whole_km2
    price = f"The order would have cost {ordered:,.2f} km²; by delivery='data' the scene costs {whole:,.2f} km²."
    return type(error)(f"{error.message} Nothing was charged.", hint=price)


def _group(job: DownloadJob) -> str:
    return job.order_group or job.id


def _may_be_placed(job: DownloadJob) -> bool:
    return job.status in (AssetStatus.PENDING, AssetStatus.WAITING) and job.held_copy is None and not exhausted(job)


def _seeks(job: DownloadJob, name: str) -> bool:
    return job.status is AssetStatus.ORDERING and job.order_id is None and job.order_name == name


def _shares(jobs: Sequence[DownloadJob]) -> dict[str, float]:
    """What an order counts for each job, km²: an item is charged once, so one job of it carries the charge."""
    bearers: dict[str, DownloadJob] = {}
    for job in jobs:
        known = bearers.setdefault(job.scene_id, job)
        if job.held_km2 > known.held_km2:
            bearers[job.scene_id] = job
    return {job.id: max(job.order_km2, job.km2) if bearers[job.scene_id] is job else 0.0 for job in jobs}


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _heard(task: asyncio.Task[Any]) -> None:
    """A failure that nobody waits for is no news."""
    if not task.cancelled():
        task.exception()


def _body(name: str, jobs: Sequence[DownloadJob]) -> dict[str, Any]:
    """The order's body, from what its jobs remember."""
    from shapely import from_wkt

    first = jobs[0]
    cut = None if first.roi_wkt is None else from_wkt(first.roi_wkt)
    account = first.account
    return order_body(
        name=name,
        item_type=first.item_type,
        item_ids=list(dict.fromkeys(item_id for job in jobs for item_id in job.members or (job.scene_id,))),
        bundle=first.bundle or "",
        aoi=None if cut is None else aoi_of(cut),
        tools=from_text(first.tools),
        subscription_id=int(account) if account.isdigit() else None,
    )

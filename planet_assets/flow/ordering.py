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
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planet_assets.exceptions import ActivationFailed, AssetError, NetworkError, ServerError, Throttled, TryLater
from planet_assets.flow.drive import Track
from planet_assets.library import jobs as job_rows
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
from planet_assets.rules.aoi import acceptable

if TYPE_CHECKING:
    from planet_assets.transfer.fetch import Fetcher

LONGEST_PAUSE_S = 60.0


@dataclass(slots=True, kw_only=True)
class Ordering:
    """Orders for all jobs of a run."""

    api: OrdersApi
    library: Library
    clock: Clock
    fetcher: Fetcher
    threads: Executor
    tracks: Sequence[Track]
    by: str
    links: dict[str, Link]
    """Job id -> the link in hand; shared with the Data route."""
    grace: timedelta
    """How long an order whose answer was lost may take to show up in Planet's list."""
    first_look_s: float

    _placing: dict[str, asyncio.Task[Order]] = field(default_factory=dict)
    _polls: dict[str, asyncio.Task[Order]] = field(default_factory=dict)
    _files: dict[str, list[Delivered]] = field(default_factory=dict)

    async def place(self, track: Track) -> Event | None:
        """Place the order of the job's group; jobs that ask at the same time share it."""
        group = track.job.order_group or track.job.id
        task = self._placing.get(group)
        if task is None or (task.done() and track.job.status is AssetStatus.PENDING):
            task = asyncio.ensure_future(self._placed(group))
            self._placing[group] = task
            task.add_done_callback(lambda done: self._forget_placing(group, done))
        return await self._answer(track, task)

    async def find(self, track: Track) -> Event:
        """Look for the order by its name; only when the grace time is over, missing means missing."""
        job = track.job
        under_way = self._placing.get(job.order_group or job.id)
        if under_way is not None and not _failed(under_way):
            answer = await self._answer(track, under_way)
            if answer is not None:
                return answer
        found = await self.api.named(job.order_name or "")
        now = self.clock.now()
        if found:
            return OrderPlaced(at=now, order_id=found[-1].id)
        asked = job.order_asked_at or now
        if now - asked < self.grace:
            return OrderRunning(
                at=now, look_again_at=now + timedelta(seconds=min(10.0, self.grace.total_seconds() / 5))
            )
        return OrderMissing(at=now)

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
            raise ActivationFailed(
                f"Planet's order {order.id} holds no {job.asset_type} of {job.scene_id}.", hint="; ".join(order.hints)
            )
        self.links[job.id] = file.link
        return LinkReady(at=now, md5=file.md5, expires_at=file.link.expires_at)

    async def close(self) -> None:
        """End questions that nobody waits for any more."""
        left = [*self._placing.values(), *self._polls.values()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _placed(self, group: str) -> Order:
        """Record the intent of every job of the group, then ask once."""
        tracks = [
            track for track in self.tracks if track.job.order_group == group and track.job.status is AssetStatus.PENDING
        ]
        intent = OrderPlacing(at=self.clock.now(), name=f"{group}-{uuid.uuid4().hex[:8]}")
        moved = await asyncio.to_thread(
            job_rows.record_together, self.library, [(track.job, intent) for track in tracks], by=self.by
        )
        for track, job in zip(tracks, moved, strict=True):
            track.job = job
        return await self.api.create(_body(intent.name, moved))

    async def _answer(self, track: Track, task: asyncio.Task[Order]) -> Event | None:
        """What the one request means for one of its jobs."""
        try:
            order = await asyncio.shield(task)
        except ServerError:
            raise  # Planet may have accepted and failed afterwards: unknown
        except NetworkError as error:
            if error.reached_server:
                raise
            return self._refused(track, error)
        except Throttled as error:
            return self._refused(track, error)
        except AssetError as error:
            if track.job.charge == "intended":
                await asyncio.to_thread(track.record, self._refused(track, error))
            raise
        return OrderPlaced(at=self.clock.now(), order_id=order.id) if track.job.order_id is None else None

    def _refused(self, track: Track, error: AssetError) -> Event:
        pause = max(track.job.terms.retry_delay_s, (error.after_s or 0.0) if isinstance(error, TryLater) else 0.0)
        now = self.clock.now()
        return OrderRefused(at=now, reason=str(error), not_before=now + timedelta(seconds=pause))

    def _forget_placing(self, group: str, done: asyncio.Task[Order]) -> None:
        if not done.cancelled():
            done.exception()

        def forget() -> None:
            self._placing.pop(group, None)

        asyncio.get_running_loop().call_later(1.0, forget)  # jobs of the group may still come to ask

    async def _order(self, order_id: str) -> Order:
        """An order with fresh links; jobs that ask at the same time share one request."""
        task = self._polls.get(order_id)
        if task is None:
            task = asyncio.ensure_future(self.api.get(order_id))
            self._polls[order_id] = task
            task.add_done_callback(lambda _: self._polls.pop(order_id, None))
        return await asyncio.shield(task)

    async def _delivered(self, order: Order) -> list[Delivered]:
        """The order's files by its manifest, each with the link of this very answer."""
        link = manifest_link(order)
        if link is None:
            raise ServerError(f"Planet's order {order.id} has no manifest.", hint="Try again later.")
        known = self._files.get(order.id)
        if known is None:
            manifest = await asyncio.get_running_loop().run_in_executor(self.threads, self._manifest, link)
            known = delivered(order, manifest)
            self._files[order.id] = known
        fresh = {result.name.removeprefix(f"{order.id}/"): result.link for result in order.results}
        return [Delivered(**{**_fields(file), "link": fresh.get(file.path, file.link)}) for file in known]

    def _manifest(self, link: Link) -> Any:
        with tempfile.TemporaryDirectory(prefix="planet-assets-") as folder:
            part = self.fetcher.fetch(link.url, Path(folder) / "manifest.part", Promise(media="json"))
            try:
                return json.loads(Path(part.path).read_text(encoding="utf-8"))
            except ValueError:
                raise ServerError("The order's manifest is no JSON.", hint="Try again later.") from None

    def _mine(self, job: DownloadJob, files: Sequence[Delivered]) -> Delivered | None:
        return next((one for one in files if (one.item_id, one.asset_type) == (job.scene_id, job.asset_type)), None)


def _failed(task: asyncio.Task[Order]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _body(name: str, jobs: Sequence[DownloadJob]) -> dict[str, Any]:
    """The order's body, from what its jobs remember."""
    from shapely import from_wkt

    first = jobs[0]
    cut = None if first.roi_wkt is None else acceptable(from_wkt(first.roi_wkt)).geometry
    cog = first.clipping is not None and first.clipping.output_format == "COG"
    account = first.account
    return order_body(
        name=name,
        item_type=first.item_type,
        item_ids=list(dict.fromkeys(job.scene_id for job in jobs)),
        bundle=first.bundle or "",
        aoi=None if cut is None else aoi_of(cut),
        tools=[{"file_format": {"format": "COG"}}] if cog else [],
        subscription_id=int(account) if account.isdigit() else None,
    )


def _fields(file: Delivered) -> dict[str, Any]:
    return {name: getattr(file, name) for name in ("item_id", "asset_type", "path", "size_bytes", "md5", "link")}

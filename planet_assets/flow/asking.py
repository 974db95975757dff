"""The Data route's questions: is the asset there, make it ready, where do its bytes lie.

A link lives in memory; it never enters a row or a log. One answer speaks of all assets of an item, so what it says of
those that others wait for is remembered, and they are not asked about again so soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from planet_assets.exceptions import ActivationFailed, NotYet, PermissionMissing
from planet_assets.flow.turnstile import Turnstile
from planet_assets.model.asset import Asset, Link
from planet_assets.model.event import ActivationAsked, AssetInactive, Event, LinkReady, StillActivating
from planet_assets.model.item import time_in_id
from planet_assets.model.job import DownloadJob
from planet_assets.model.ports import Clock
from planet_assets.rules import pacing
from planet_assets.rules.choose import EMBARGO, SR_DELAY

HEARD_FOR = timedelta(minutes=5)
"""How long an answer about an asset that is ready is used for it. Source: ours; links live for longer."""

ACTIVATION_PATIENCE = timedelta(hours=24)
"""How long Planet may take to make an asset ready. Source: ours; one in a hundred was reported to take 45 minutes."""


class Assets(Protocol):
    """What the steps need of Planet's Data API."""

    async def assets(self, item_type: str, item_id: str) -> dict[str, Asset]:
        """All assets of an item."""
        ...

    async def activate(self, asset: Asset) -> str:
        """Ask Planet to make an asset ready: accepted or active."""
        ...


@dataclass(slots=True, kw_only=True)
class Asking:
    """Asks for all jobs of a run."""

    api: Assets
    clock: Clock
    turnstile: Turnstile
    links: dict[str, Link] = field(default_factory=dict)
    """Job id -> the link in hand."""
    latencies: list[float] = field(default_factory=list)
    """Seconds that activations took in this run, in the order they were seen."""

    _waiting: set[str] = field(default_factory=set)
    """Job ids whose activation is under way."""
    _heard: dict[tuple[str, str], tuple[datetime, dict[str, Asset]]] = field(default_factory=dict)
    """Item -> when it was asked about last, and the answer."""
    _inactive: dict[str, Asset] = field(default_factory=dict)
    """Job id -> what the first look saw, so that activating asks no second time."""
    _under_way: dict[tuple[str, str], asyncio.Task[dict[str, Asset]]] = field(default_factory=dict)

    async def close(self) -> None:
        """End questions that nobody waits for any more."""
        left = list(self._under_way.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def ask(self, job: DownloadJob) -> Event:
        """Read the asset; the oldest activation is polled first, and no more of them than downloads can take.

        A first look is never held up, so that every activation is asked for early.
        """
        if job.activation_asked_at is not None:
            self._waiting.add(job.id)
            await self.turnstile.enter(job.id, job.activation_asked_at)
        try:
            event = self._overheard(job) or await self._looked_at(job)
        except BaseException:
            self.turnstile.leave(job.id)
            raise
        if isinstance(event, LinkReady) and self.turnstile.try_enter(job.id):
            return event
        self.turnstile.leave(job.id)
        self.links.pop(job.id, None)
        return StillActivating(at=event.at, look_again_at=event.at) if isinstance(event, LinkReady) else event

    def _overheard(self, job: DownloadJob) -> Event | None:
        """What an answer to another job of the item has said of this one, if that is new to it and still good."""
        heard_at, assets = self._heard.get((job.item_type, job.scene_id), (None, {}))
        asked = job.activation_asked_at
        if heard_at is None or asked is None or job.renewals or heard_at <= max(asked, job.updated_at):
            return None
        asset, now = assets.get(job.asset_type), self.clock.now()
        if asset is None or not asset.permitted or asset.status == "inactive":
            return None
        if asset.status == "active":
            return self._ready(asset, job, heard_at) if asset.link and now - heard_at <= HEARD_FOR else None
        due = heard_at + timedelta(seconds=self._pause_s(heard_at - asked))
        return StillActivating(at=now, look_again_at=due) if due > now else None

    def _pause_s(self, age: timedelta) -> float:
        return pacing.poll_after_s(age.total_seconds(), self.latencies, waiting=len(self._waiting))

    async def _looked_at(self, job: DownloadJob) -> Event:
        assets = await self.assets(job)
        asset, now = self._wanted(assets, job), self.clock.now()
        if asset.status == "inactive":
            self._inactive[job.id] = asset
            return AssetInactive(at=now)
        if asset.status != "active" or asset.link is None:
            asked = job.activation_asked_at or now
            if now - asked > ACTIVATION_PATIENCE:
                raise ActivationFailed(
                    f"Planet has not made {job.asset_type} of {job.scene_id} ready since {asked:%Y-%m-%d %H:%M} UTC.",
                    hint="Nothing was charged; retry it later.",
                )
            return StillActivating(at=now, look_again_at=now + timedelta(seconds=self._pause_s(now - asked)))
        return self._ready(asset, job, now)

    def _ready(self, asset: Asset, job: DownloadJob, seen_at: datetime) -> Event:
        assert asset.link is not None
        now = self.clock.now()
        if job.id in self._waiting and job.activation_asked_at is not None and job.renewals == 0:
            self.latencies.append((seen_at - job.activation_asked_at).total_seconds())
        self._waiting.discard(job.id)
        self.links[job.id] = link = _believed(asset.link, now)
        return LinkReady(at=now, md5=asset.md5, expires_at=link.expires_at)

    async def assets(self, job: DownloadJob) -> dict[str, Asset]:
        """All assets of the item; jobs that ask at the same time share one request."""
        key = (job.item_type, job.scene_id)
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.ensure_future(self.api.assets(*key))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._answered_for(key, done))
        return await asyncio.shield(task)

    def _answered_for(self, key: tuple[str, str], done: asyncio.Task[dict[str, Asset]]) -> None:
        self._under_way.pop(key, None)
        if not done.cancelled() and done.exception() is None:  # looked at here: whoever asked may be gone
            self._heard[key] = self.clock.now(), done.result()

    async def look(self, job: DownloadJob, asset_types: Iterable[str]) -> None:
        """See that Planet has and permits all these assets of the job's scene.

        Raises:
            NotYet: one may come.
            ActivationFailed, PermissionMissing: one will not.
        """
        assets = await self.assets(job)
        for asset_type in asset_types:
            self._wanted(assets, replace(job, asset_type=asset_type))

    def _wanted(self, assets: dict[str, Asset], job: DownloadJob) -> Asset:
        asset = assets.get(job.asset_type)
        if asset is not None and asset.permitted:
            return asset
        acquired = time_in_id(job.scene_id)
        age = self.clock.now() - acquired if acquired is not None else None
        if asset is None and assets:
            if age is not None and age < SR_DELAY and job.asset_type.endswith("_sr"):
                raise NotYet(f"{job.asset_type} of {job.scene_id} is not published yet.", after_s=3600)
            raise ActivationFailed(
                f"{job.scene_id} has no {job.asset_type}.", hint=f"It has: {', '.join(sorted(assets))}."
            )
        if age is not None and age < EMBARGO:
            raise NotYet(
                f"{job.scene_id} may not be downloaded yet: recent scenes are under an embargo on some plans.",
                after_s=86_400,
            )
        raise PermissionMissing(
            f"This key may not download {job.asset_type} of {job.scene_id}.", hint="Ask Planet, or choose another type."
        )

    async def activate(self, job: DownloadJob) -> Event:
        """Ask Planet to make the asset ready; that charges nothing."""
        asset = self._inactive.pop(job.id, None) or self._wanted(await self.assets(job), job)
        if not asset.activate_url:
            raise ActivationFailed(f"Planet gives no way to activate {job.asset_type} of {job.scene_id}.")
        answer = await self.api.activate(asset)
        now = self.clock.now()
        self._waiting.add(job.id)
        pause = 0.0 if answer == "active" else self._pause_s(timedelta())
        return ActivationAsked(at=now, look_again_at=now + timedelta(seconds=pause))


def _believed(link: Link, now: datetime) -> Link:
    """A fresh link that seems to be over already says that our clock is wrong, not that the link is."""
    return link if link.expires_at is None or link.expires_at > now else replace(link, expires_at=None)

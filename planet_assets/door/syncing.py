"""The weekly job, wired: a search, what it changes, what is new to fetch, what was republished."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planet_assets.door.carrying import Carrier
from planet_assets.door.wiring import Wiring
from planet_assets.exceptions import Misused
from planet_assets.export.vector import roi_of
from planet_assets.flow import replan, sync
from planet_assets.flow.saved import SavedSearch
from planet_assets.flow.sync import Synced
from planet_assets.flow.track import track
from planet_assets.model.changes import Changes
from planet_assets.model.job import JobList
from planet_assets.model.plan import Plan
from planet_assets.rules.naming import known_types


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a sync is wanted."""

    clip: Any = None
    """Region to cut to; None to leave files whole."""
    folder: str | Path | None = None
    """Folder for the files; the setting's word otherwise."""
    asset_types: Sequence[str] | None = None
    """What to fetch of each scene."""
    refetch: bool = False
    """True to fetch anew what was republished."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `plan`."""


@dataclass(slots=True, kw_only=True)
class Syncer:
    """Runs the weekly job with what a manager offers."""

    wires: Wiring
    """What stands behind the manager."""
    search: Callable[..., Awaitable[dict[str, Any]]]
    """The manager's search."""
    plan: Callable[..., Awaitable[Plan]]
    """The manager's plan."""
    carrier: Carrier
    """Carries out what is confirmed."""

    async def sync(self, saved: SavedSearch, wish: Wish, *, dry_run: bool, allow_unknown: bool) -> Synced:
        """Search, compare, ask about what is new, fetch it."""
        features = await self._found(saved, wish)
        changes = await asyncio.to_thread(self._compared, features, wish, dry_run)
        types = list(wish.asset_types or saved.asset_types) or list(self.wires.settings.asset_types)
        types = _offered(types, features)
        if not features or not types:
            return Synced(changes=changes, plan=None, jobs=JobList())
        how = {**wish.options, "clip_to_roi": wish.clip, "output_dir": wish.folder}
        plan = await self.plan(features, types, **how)
        library, now = self.wires.library(), self.wires.clock.now()
        anew = await sync.republished(self.wires.data(), library, plan, features, now, dry_run=dry_run)
        keys, price = {one.key for one in anew}, None
        if anew:
            with_anew = await self.plan(features, types, **how, refetch=keys)
            price = replan.only(with_anew, keys, now)
            plan = with_anew if wish.refetch else plan
        due = sync.to_fetch(plan, keys if wish.refetch else (), now)
        jobs = JobList()
        if due is not None and not dry_run:
            jobs = await self.carrier.carry_out(due, allow_unknown=allow_unknown)
            await asyncio.to_thread(sync.note_fetched, library, jobs, features, now)
        return Synced(
            changes=changes,
            plan=due,
            jobs=jobs,
            republished=tuple(anew),
            price=price,
            lacking=tuple((want.item.id, want.asset_type, reason) for want, reason in plan.lacking),
            held_count=len(plan.already_held),
        )

    async def _found(self, saved: SavedSearch, wish: Wish) -> list[dict[str, Any]]:
        region = saved.roi if saved.roi is not None else wish.clip
        if region is None:
            raise Misused(
                "The saved search names no region, and there is none to clip to.",
                hint='Give --clip, or "roi" in the file.',
                argument="search",
            )
        found = await self.search(
            roi_of(region),
            saved.start,
            saved.end,
            cloud_cover_max=saved.cloud,
            item_types=saved.item_types,
            extra_filter=saved.filter,
        )
        features: list[dict[str, Any]] = found["features"]
        return features

    def _compared(self, features: Sequence[Mapping[str, Any]], wish: Wish, dry_run: bool) -> Changes:
        """The search against that of the last time; the folder names the site, so that sites do not disturb others."""
        folder = Path(wish.folder or self.wires.settings.output_dir).expanduser().absolute()
        return track(
            self.wires.library(),
            features,
            name=f"sync {folder}",
            complete=True,
            key=None,
            change_keys=None,
            now=self.wires.clock.now(),
            dry_run=dry_run,
        )


def _offered(types: Sequence[str], features: Sequence[Mapping[str, Any]]) -> list[str]:
    """Without types that Planet has and none of the scenes: what comes hours later must not stop the rest."""
    there = {name for feature in features for name in feature.get("assets") or ()}
    return [name for name in types if not there or name in there or name not in known_types()]

"""The weekly job: what is new in a search, what of the held was republished, and what there is to fetch.

A record that moved since the last look is a reason to ask for its assets, which is free; never one to buy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from planet_assets.exceptions import AssetError, Gone
from planet_assets.flow import replan
from planet_assets.flow.asking import Assets
from planet_assets.library import copies, listings
from planet_assets.library.engine import Library
from planet_assets.model.asset import Asset
from planet_assets.model.changes import Changes, Version
from planet_assets.model.job import DownloadJob, JobList
from planet_assets.model.plan import Plan, Want
from planet_assets.rules import changes as rules

LOOKED = "looked at"
"""Listing of scenes by the moments of their records, as they were when their assets were asked for last."""

AT_ONCE = 4
"""Scenes asked for side by side; the session paces them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Republished:
    """A held asset that Planet has made anew."""

    item_type: str
    """For example PSScene."""
    item_id: str
    """The scene."""
    asset_type: str
    """The asset."""
    path: Path
    """The file that is held."""
    why: str
    """What proves it."""

    @property
    def key(self) -> copies.Key:
        """Item type, item id, asset type."""
        return self.item_type, self.item_id, self.asset_type


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What a sync found and did."""

    changes: Changes
    """The listing against that of the last time."""
    plan: Plan | None
    """What there was to fetch; None when nothing."""
    jobs: JobList
    """What was fetched."""
    republished: tuple[Republished, ...] = ()
    """Held assets that Planet has made anew."""
    price: Plan | None = None
    """What fetching those anew would cost, or None when there are none."""
    lacking: tuple[tuple[str, str, str], ...] = ()
    """Scene, asset type, and why it cannot be had now."""
    held_count: int = 0
    """Assets that are held and were left alone."""

    @property
    def km2(self) -> float:
        """What the jobs were charged, km²."""
        return sum(job.spent_km2 for job in self.jobs)

    def __str__(self) -> str:
        done = sum(job.downloaded_file_path is not None for job in self.jobs)
        text = f"{self.changes}; {self.held_count} files held, {done} fetched for {self.km2:,.2f} km²"
        if self.republished and self.price is not None:
            text += f"; {len(self.republished)} republished, {self.price.impact.area_km2:,.2f} km² to fetch anew"
        return text


def to_fetch(plan: Plan, anew: Collection[copies.Key], now: datetime) -> Plan | None:
    """The part of a plan that brings something: not what lies there already, nor what cannot be had now."""
    keys = {want.key for want in (*plan.wants, *plan.ordered)} | {want.key for want, _ in plan.under_way}
    keys |= {want.key for want in plan.already_held if not _lies_there(want)}
    keys |= set(anew)
    lacking = {want.key for want, _ in plan.lacking}
    return replan.only(plan, keys - lacking, now) if keys - lacking else None


def _lies_there(want: Want) -> bool:
    return Path(want.clipped_path or want.path).exists()


async def republished(
    api: Assets,
    library: Library,
    plan: Plan,
    features: Sequence[Mapping[str, Any]],
    now: datetime,
    *,
    dry_run: bool = False,
) -> list[Republished]:
    """Which held assets of a plan Planet has made anew.

    Only scenes whose record moved since the last look are asked for, and those of which no md5 is known yet. An asset
    that is not active tells no md5: making it active is free, and the next look will know.
    """
    held = {want.key: Path(want.held_path) for want in plan.already_held if want.held_path is not None}
    there = await asyncio.to_thread(copies.at, library, held.values())
    known = {key: there[path] for key, path in held.items() if path in there}
    moments = {feature["id"]: _moment(feature) for feature in features}
    drift = await asyncio.to_thread(listings.preview, library, LOOKED, moments)
    moved = {*drift.new, *drift.modified}
    scenes = sorted({key[:2] for key, one in known.items() if key[1] in moved or not one.version.md5})
    told = await _listings(api, scenes)
    stages = {feature["id"]: rules.scene_fingerprint(feature) for feature in features}
    found, learned = [], dict[Path, str]()
    for key, one in sorted(known.items()):
        asset = told.get(key[:2], {}).get(key[2])
        md5 = (asset.md5 if asset is not None else None) or ""
        if why := rules.why_republished(one.version, Version(md5=md5, stage=stages.get(key[1], ""))):
            found.append(Republished(item_type=key[0], item_id=key[1], asset_type=key[2], path=one.path, why=why))
        elif md5 and not one.version.md5:
            learned[one.path] = md5
        if asset is not None and not md5 and not dry_run:
            await _make_active(api, asset)
    if not dry_run:
        await asyncio.to_thread(copies.learn, library, learned)
        seen = {item_id for _, item_id in scenes} - {one.item_id for one in found}
        looked = {item_id: moment for item_id, moment in moments.items() if item_id in seen}
        await asyncio.to_thread(listings.remember, library, LOOKED, looked, now=now)
    return found


async def _listings(api: Assets, scenes: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Asset]]:
    """The assets of scenes; none of one that Planet has no more."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(ref: tuple[str, str]) -> dict[str, Asset]:
        async with gate:
            with suppress(Gone):
                return await api.assets(*ref)
            return {}

    return dict(zip(scenes, await asyncio.gather(*map(ask, scenes)), strict=True))


async def _make_active(api: Assets, asset: Asset) -> None:
    if asset.status == "inactive" and asset.permitted:
        with suppress(AssetError):  # it only spares the next look
            await api.activate(asset)


def note_fetched(
    library: Library, jobs: Sequence[DownloadJob], features: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """What was fetched now is as its record says; it is looked at again when that moves."""
    done = {job.scene_id for job in jobs if job.downloaded_file_path is not None}
    moments = {feature["id"]: _moment(feature) for feature in features if feature["id"] in done}
    listings.remember(library, LOOKED, moments, now=now)


def _moment(feature: Mapping[str, Any]) -> str:
    properties = feature.get("properties") or {}
    return f"{properties.get('published')} {properties.get('updated')} {properties.get('publishing_stage')}"

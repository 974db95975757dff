"""What the library knows of wanted assets: held whole or cut, being fetched, ordered before; none is bought again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from planet_assets.exceptions import LibraryLocked, Misused
from planet_assets.library import copies, jobs, orders
from planet_assets.library.engine import Library
from planet_assets.model.item import Item
from planet_assets.model.job import purchase
from planet_assets.model.order import Standing
from planet_assets.model.plan import DownloadImpact
from planet_assets.model.selection import Chosen
from planet_assets.rules import naming
from planet_assets.rules.bundles import bundles_for
from planet_assets.rules.choose import SMALLEST_KM2, choose, may_come, wanted_types, why_lacking, with_ground

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from planet_assets.flow.plan import Request

Key = copies.Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is to be fetched, and how the rest is had without buying it."""

    chosen: Chosen
    """Scenes and asset types, sorted."""
    held: Mapping[Key, copies.Held] = field(default_factory=dict)
    """Files that are held: whole, cut to the same region, or with `region_wkt` cut to one that covers it."""
    moving: Mapping[Key, tuple[str, bool]] = field(default_factory=dict)
    """Jobs that fetch an asset already, each with whether Planet cuts its file."""
    standing: Mapping[Key, Standing] = field(default_factory=dict)
    """Orders that were charged and bring an asset."""


def look_up(
    library: Library | None, request: Request, now: datetime, *, gone: Collection[tuple[str, str, str]] = ()
) -> Known:
    """Sort the wanted assets by what the library knows.

    Args:
        library: where to look; None where there is none.
        request: what is wanted.
        now: the present.
        gone: files of orders, by order, item and type, that are not to be had any more.

    Raises:
        Misused: an asset type that no scene has.
    """
    keys = [(*item.ref, asset_type) for item in request.items for asset_type in wanted_types(request.asset_types)]
    keys += [(*item.ref, other) for item, _, other in substitutes(request)]
    held, moving, standing = dict[Key, copies.Held](), dict[Key, tuple[str, bool]](), dict[Key, Standing]()
    if library is not None:
        held = {key: one for key, one in _held(library, request, keys).items() if key not in request.anew}
        moving = _moving(library, request, set(keys))
        left = [key for key in keys if key not in held and key not in moving and key not in request.anew]
        found = _standing(library, request, left, now)
        standing = {key: order for key, order in found.items() if (order.id, *key[1:]) not in gone}
    known = held.keys() | moving.keys() | standing.keys()
    chosen = choose(request.items, request.asset_types, roi=request.roi, held=known)
    chosen = _with_substitutes(chosen, request, known)
    if request.aoi is not None:
        chosen = with_ground(_together(chosen, now), request.aoi.geometry, request.planets_pieces)
    return Known(chosen=chosen, held=held, moving=moving, standing=standing)


def substitutes(request: Request) -> list[tuple[Item, str, str]]:
    """Scenes that lack a type and have its fall-back: scene, type, and what is taken instead."""
    return [
        (item, asset_type, other)
        for item in {item.ref: item for item in reversed(request.items)}.values()
        for asset_type, other in request.fallback.items()
        if asset_type in request.asset_types and why_lacking(item, asset_type) and not why_lacking(item, other)
    ]


def _with_substitutes(chosen: Chosen, request: Request, known: Collection[Key]) -> Chosen:
    """Fall-backs where a type is lacking."""
    fetch, kept, lacking = list(chosen.fetch), list(chosen.held), list(chosen.lacking)
    instead = {(*item.ref, asset_type): other for item, asset_type, other in substitutes(request)}
    for item, asset_type, reason in chosen.lacking:
        other = instead.get((*item.ref, asset_type))
        if other is None:
            continue
        lacking.remove((item, asset_type, reason))
        if other not in request.asset_types:
            (kept if (*item.ref, other) in known else fetch).append((item, other))
    return replace(chosen, fetch=tuple(fetch), held=tuple(kept), lacking=tuple(lacking))


def _together(chosen: Chosen, now: datetime) -> Chosen:
    """What comes in one bundle with a file that may come later waits for it: the bundle is charged once."""
    coming: dict[tuple[str, str], list[str]] = {}
    for item, asset_type, _ in chosen.lacking:
        if may_come(item, asset_type, now):
            coming.setdefault(item.ref, []).append(asset_type)
    fetch, waiting = [], []
    for item, asset_type in chosen.fetch:
        later = coming.get(item.ref, [])
        if later and len(set(_bundles([asset_type, *later]))) == len(set(_bundles(later))):
            waiting.append(
                (item, asset_type, f"it comes in one bundle with {', '.join(later)}, which is not there yet")
            )
        else:
            fetch.append((item, asset_type))
    return replace(chosen, fetch=tuple(fetch), lacking=(*chosen.lacking, *waiting))


def _bundles(asset_types: list[str]) -> tuple[str, ...]:
    try:
        return bundles_for(asset_types)
    except Misused:
        return ("", *asset_types)


def _held(library: Library, request: Request, keys: list[Key]) -> dict[Key, copies.Held]:
    cuts = {key: _cut(request.aoi_wkt(key[:2]), request.tools) for key in keys}
    held = copies.held(library, cuts, whole=not request.tools)
    if request.reads_parts:
        held |= _cut_here(library, request, [key for key in keys if key not in held])
    if request.aoi is None:
        return held
    rasters = [key for key in keys if key not in held and naming.is_raster(key[2])]
    items = {item.ref: item for item in request.items}
    for key, clips in copies.clips(library, rasters, tools=request.tools).items():
        covering = next((one for one in clips if _covers(one, items[key[:2]], request.planets_region(key[:2]))), None)
        if covering is not None:
            held[key] = covering
    return held


def _cut_here(library: Library, request: Request, keys: list[Key]) -> dict[Key, copies.Held]:
    """Cuts made here of the same region in the same way, of scenes that are not held whole."""
    found: dict[Key, copies.Held] = {}
    for key, held in copies.any_of(library, keys).items():
        region = request.pieces.get(key[:2], request.roi)
        wanted = naming.roi_digest("" if region is None else region.wkt, request.cutting(key[2]))
        same = [one for one in held if one.cut == wanted and one.digest is None]
        if same:
            found[key] = same[0]
    return found


def _cut(wkt: str | None, tools: str) -> str:
    """How a file of Planet's is known that was cut to a region or changed by tools."""
    return naming.roi_digest(wkt or "", tools or None) if wkt or tools else ""


def _covers(clip: copies.Held, item: Item, aoi: BaseGeometry) -> bool:
    """True when a clip holds all ground of the item that is wanted, but for less than Planet clips to."""
    from shapely import from_wkt

    from planet_assets.model.geometry import only_areas
    from planet_assets.rules.area import geodesic_km2

    missing = item.footprint.intersection(aoi).difference(from_wkt(clip.region_wkt))
    return geodesic_km2(only_areas(missing)) < SMALLEST_KM2


def _moving(library: Library, request: Request, wanted: set[Key]) -> dict[Key, tuple[str, bool]]:
    exact = {key: purchase(key, "orders", request.aoi_wkt(key[:2]), request.tools)[3] for key in wanted}
    whole = set() if request.tools else {""}
    found = {
        bought: job_id
        for bought, job_id in jobs.unfinished_keys(library).items()
        if bought[:3] in wanted and bought[3] in {*whole, exact[bought[:3]]}
    }
    _refuse_parts(library, request, found.values())
    return {bought[:3]: (job_id, bought[3] != "") for bought, job_id in sorted(found.items(), reverse=True)}


def _refuse_parts(library: Library, request: Request, ids: Collection[str]) -> None:
    """A job that reads a part of a scene brings nobody else what they want, and the scene is not bought beside it.

    Raises:
        LibraryLocked: there is one.
    """
    for job in jobs.load(library, list(ids)) if ids else []:
        region = request.pieces.get(job.key[:2], request.roi)
        same = region is not None and (job.roi_wkt, job.clipping) == (region.wkt, request.cutting(job.asset_type))
        if job.clipping is not None and job.clipping.partial_read and job.held_copy is None and not same:
            raise LibraryLocked(
                f"Job {job.id[:8]} is reading a part of {job.scene_id} {job.asset_type}.",
                hint="Plan again when it is done; `planet-assets jobs` shows it, resume or cancel ends it.",
            )


def _standing(library: Library, request: Request, keys: list[Key], now: datetime) -> dict[Key, Standing]:
    if request.aoi is None and not request.tools:
        return {}
    regions = {key: purchase(key, "orders", request.aoi_wkt(key[:2]), request.tools)[3] for key in keys}
    return orders.standing(library, keys, regions, now=now)


def bare(item: Item) -> Item:
    """The item as if nothing were lacking, to price what may come later."""
    return replace(item, assets=(), permissions=None)


def comes_later(chosen: Chosen, item: Item, asset_type: str, now: datetime) -> bool:
    """True for what is lacking and may come, and for what waits to come with it."""
    lacking = [name for one, name, _ in chosen.lacking if one.ref == item.ref]
    there = not why_lacking(item, asset_type)
    return may_come(item, asset_type, now) or (there and any(may_come(item, name, now) for name in lacking))


def with_removed(library: Library, impact: DownloadImpact, chosen: Chosen) -> DownloadImpact:
    """The impact, saying of what was held and then removed that it is paid for again."""
    removed = copies.removed(library, {(*item.ref, name) for item, name in chosen.fetch})
    if not removed:
        return impact
    note = f"{len(removed)} of the files were held before and then removed: fetching them again is charged again."
    return replace(impact, assumptions=(*impact.assumptions, note))

"""What wants would cost: km² charged by each route, bytes, and seconds.

km²: `rules.prices`. bytes: no size is known before the download; raw size from bands and pixels (contract 2.8), times
what real files weigh (a 4-band SR scene of 689 km²: 485 MB, its UDM2 4.5 MB).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import shapely

from planet_assets.exceptions import Misused
from planet_assets.model.item import Item
from planet_assets.model.plan import DownloadImpact, WantImpact
from planet_assets.model.selection import Chosen
from planet_assets.model.tariff import Tariff
from planet_assets.rules import prices
from planet_assets.rules.area import areas_km2, geodesic_km2, overlap_km2
from planet_assets.rules.bundles import assignment, can_clip
from planet_assets.rules.charges import ASSUMPTIONS
from planet_assets.rules.naming import is_raster
from planet_assets.rules.prices import Grounds, Paid, Priced, Ref, types_of

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

BYTES_PER_PIXEL = {"analytic_3b": 6, "analytic_4b": 8, "analytic_8b": 16, "visual": 4, "udm2": 8}
"""Bands times bytes a sample. Source: confirmed (support 37303224472733)."""

STORED_SHARE = {"udm2": (0.004, 0.03), "visual": (0.35, 0.9)}
"""Low and high stored size over raw size; `DEFAULT_SHARE` for the rest. Source: measured on real files, widened."""

DEFAULT_SHARE = (0.55, 1.0)
SMALL_FILE_BYTES = (5_000, 40_000)
"""XML and RPC files."""

ACTIVATION_S = 200.0
"""Mean time of an activation. Source: reported (contract 2.5)."""

LINK_BYTES_PER_S = 12.5e6
"""100 Mbit/s, when nothing was measured yet. Source: ours."""


TILE_PX = 512
"""Whole tiles are read, which reach beyond the region by up to one on each side. Source: ours, the usual size."""
PART_READ = (
    "Partial read: only the tiles of the region are read, and the quota is charged for whole scenes all the same. "
    "The md5 of a file cannot be checked on a part of it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What prices are worked out from, besides the wants."""

    tariff: Tariff = Tariff()
    """The rules of the subscription."""
    paid: Paid = Paid()
    """What was paid for before."""
    learned: Mapping[str, float] | None = None
    """Bytes per km² of each asset type, from earlier downloads."""


def estimate(
    chosen: Chosen,
    *,
    roi: BaseGeometry | None = None,
    pieces: Mapping[Ref, BaseGeometry] | None = None,
    basis: Basis | None = None,
    concurrent: int = 3,
) -> DownloadImpact:
    """What fetching `chosen` would cost.

    Args:
        chosen: what is to be fetched and what is not.
        roi: region of interest, lon/lat; None for whole scenes.
        pieces: item -> the part of it that is wanted, where each is cut to a region of its own.
        basis: by which rules, and what was paid for before; the dear reading without one.
        concurrent: downloads side by side, for the time.
    """
    basis = basis or Basis()
    grounds = grounds_of(chosen, roi, pieces)
    data = prices.by_data(chosen.fetch, grounds, basis.tariff, basis.paid)
    ordered = prices.by_orders(chosen.fetch, grounds, basis.tariff, basis.paid)
    wants = tuple(_one(item, name, grounds, data, ordered, basis.learned or {}) for item, name in chosen.fetch)
    low, high = sum(want.bytes_low for want in wants), sum(want.bytes_high for want in wants)
    return DownloadImpact(
        route="data",
        wants=wants,
        scene_count=len(grounds.full_km2),
        data_km2=math.fsum(want.data_km2 for want in wants),
        orders_km2=math.fsum(want.orders_km2 for want in wants),
        roi_km2=math.nan if roi is None else geodesic_km2(roi),
        bytes_low=low,
        bytes_high=high,
        seconds=_seconds(len(wants), (low + high) / 2, concurrent),
        held=tuple((item.id, asset_type) for item, asset_type in chosen.held),
        outside=chosen.outside,
        duplicates=chosen.duplicates,
        assumptions=_assumptions(wants, basis.tariff),
        tariff=basis.tariff,
    )


def grounds_of(chosen: Chosen, clip: BaseGeometry | None, pieces: Mapping[Ref, BaseGeometry] | None = None) -> Grounds:
    """Areas of what is to be fetched, worked out together, since there may be many."""
    items = list({item.ref: item for item, _ in chosen.fetch}.values())
    full = dict(zip((item.ref for item in items), areas_km2([item.footprint for item in items]), strict=True))
    inside = full if clip is None else _inside(items, clip, pieces)
    return Grounds(full_km2=full, inside_km2=inside, clip=clip, pieces=pieces or {})


def size_bytes(item: Item, asset_type: str, km2: float) -> tuple[int, int]:
    """Low and high guess of a file's size from bands, pixel size and area."""
    kind = _kind(asset_type)
    if kind is None:
        return SMALL_FILE_BYTES
    raw = km2 * 1e6 / item.pixel_m**2 * BYTES_PER_PIXEL[kind]
    low, high = STORED_SHARE.get(kind, DEFAULT_SHARE)
    return int(raw * low), int(raw * high)


@lru_cache(maxsize=256)
def _kind(asset_type: str) -> str | None:
    """By which word its pixels are counted; None for what has none."""
    if not is_raster(asset_type):
        return None
    return next((word for word in BYTES_PER_PIXEL if word in asset_type), "analytic_4b")


def _inside(items: Sequence[Item], roi: BaseGeometry, pieces: Mapping[Ref, BaseGeometry] | None) -> dict[Ref, float]:
    footprints = np.array([item.footprint for item in items], dtype=object)
    if pieces:
        regions = np.array([pieces.get(item.ref, roi) for item in items], dtype=object)
        areas = areas_km2(shapely.intersection(footprints, regions))
    else:
        areas = overlap_km2(footprints, roi)
    return dict(zip((item.ref for item in items), areas, strict=True))


def routed(
    impact: DownloadImpact,
    chosen: Chosen,
    *,
    clip: BaseGeometry | None,
    cheapest: bool,
    pieces: Mapping[Ref, BaseGeometry] | None = None,
    basis: Basis | None = None,
) -> DownloadImpact:
    """The same wants by the Orders route: all of them, or those items for which it is cheaper.

    Args:
        impact: an estimate by the Data route.
        chosen: what it was made for.
        clip: what Planet clips to, lon/lat; None for whole scenes. Basic assets cannot be clipped.
        cheapest: True to keep an item on the Data route where that costs no more, or no bundle delivers it.
        pieces: item -> the part of it that Planet clips to, where each has one of its own.
        basis: by which rules, and what was paid for before.

    Raises:
        Misused: an item that no bundle delivers, when all are to be ordered.
    """
    basis = basis or Basis()
    grounds = grounds_of(chosen, clip, pieces)
    priced = prices.by_orders(chosen.fetch, grounds, basis.tariff, basis.paid)
    wants = [_by_order(want, item, priced, grounds) for want, (item, _) in zip(impact.wants, chosen.fetch, strict=True)]
    offers: dict[str, list[WantImpact]] = {}
    for want in wants:
        offers.setdefault(want.item_id, []).append(want)
    ordered = _ordered(chosen, offers, clips=clip is not None, cheapest=cheapest)
    taken = [new if new.item_id in ordered else old for old, new in zip(impact.wants, wants, strict=True)]
    if basis.tariff.is_aum and ordered and len(ordered) < len(offers):
        shared = prices.mixed(chosen.fetch, ordered, grounds, basis.tariff, basis.paid)
        taken = [_repriced(want, item, shared) for want, (item, _) in zip(taken, chosen.fetch, strict=True)]
    ways = {want.route for want in taken}
    route = ways.pop() if len(ways) == 1 else "mixed" if ways else "data"
    total = math.fsum(want.orders_km2 for want in taken)
    assumed = _ordering(basis.tariff, clips=clip is not None) if route != "data" else ()
    kept = impact.assumptions if route != "orders" or basis.tariff.is_aum else ()
    return replace(
        impact,
        wants=tuple(taken),
        route=route,
        orders_km2=total,
        assumptions=(*kept, *assumed),
        bytes_low=sum(want.bytes_low for want in taken),
        bytes_high=sum(want.bytes_high for want in taken),
    )


def _ordered(
    chosen: Chosen, offers: Mapping[str, Sequence[WantImpact]], *, clips: bool, cheapest: bool
) -> dict[str, bool]:
    """Ids of the items to order, each with whether Planet clips it."""
    ordered: dict[str, bool] = {}
    for item, types in types_of(chosen.fetch):
        mine = offers.get(item.id, [])
        if cheapest and math.fsum(one.orders_km2 for one in mine) >= math.fsum(one.data_km2 for one in mine):
            continue
        try:
            bundles = assignment(types, item.assets)
        except Misused as error:
            if not cheapest:
                raise Misused(f"{item.id}: {error.message}", hint=error.hint, argument="delivery") from None
            continue
        if not clips or all(can_clip(bundle) for bundle in bundles.values()):
            ordered[item.id] = clips
        elif not cheapest:
            raise Misused(f"{item.id}: Planet cannot clip {', '.join(types)}.", hint="Take it by delivery='data'.")
    return ordered


def _by_order(want: WantImpact, item: Item, priced: Priced, grounds: Grounds) -> WantImpact:
    """A want by the Orders route; a clipped file is as much smaller as its ground."""
    key, full = (item.ref, want.asset_type), grounds.full_km2[item.ref]
    share = min(1.0, grounds.inside_km2[item.ref] / full) if full > 0 and is_raster(want.asset_type) else 1.0
    return replace(
        want,
        route="orders",
        orders_km2=priced.km2[key],
        orders_alone_km2=priced.alone_km2[key],
        bytes_low=int(want.bytes_low * share),
        bytes_high=int(want.bytes_high * share),
    )


def _repriced(want: WantImpact, item: Item, shared: Priced) -> WantImpact:
    km2 = shared.km2[item.ref, want.asset_type]
    return replace(want, orders_km2=km2) if want.route == "orders" else replace(want, data_km2=km2)


def _one(
    item: Item, asset_type: str, grounds: Grounds, data: Priced, ordered: Priced, learned: Mapping[str, float]
) -> WantImpact:
    full, key = grounds.full_km2[item.ref], (item.ref, asset_type)
    low, high = size_bytes(item, asset_type, full)
    if rate := learned.get(asset_type):
        low, high = int(0.8 * rate * full), int(1.25 * rate * full)
    return WantImpact(
        item_id=item.id,
        asset_type=asset_type,
        data_km2=data.km2[key],
        orders_km2=ordered.km2[key],
        data_alone_km2=data.alone_km2[key],
        orders_alone_km2=ordered.alone_km2[key],
        overlap_km2=float(grounds.inside_km2[item.ref]),
        bytes_low=low,
        bytes_high=high,
    )


def in_part(impact: DownloadImpact, chosen: Chosen) -> DownloadImpact:
    """An estimate by the Data route of which only the region's tiles are read: fewer bytes, and the same km²."""
    full = grounds_of(chosen, None).full_km2
    wants = []
    for want, (item, name) in zip(impact.wants, chosen.fetch, strict=True):
        least = most = 1.0
        if is_raster(name) and full[item.ref] > 0:
            grown_km = math.sqrt(want.overlap_km2) + 2 * TILE_PX * item.pixel_m / 1000
            least, most = (min(1.0, km2 / full[item.ref]) for km2 in (want.overlap_km2, grown_km**2))
        low, high = int(want.bytes_low * least), int(want.bytes_high * most)
        wants.append(replace(want, bytes_low=low, bytes_high=high))
    low, high = sum(want.bytes_low for want in wants), sum(want.bytes_high for want in wants)
    waiting = impact.seconds - (impact.bytes_low + impact.bytes_high) / 2 / LINK_BYTES_PER_S
    return replace(
        impact,
        wants=tuple(wants),
        bytes_low=low,
        bytes_high=high,
        seconds=waiting + (low + high) / 2 / LINK_BYTES_PER_S,
        assumptions=(*impact.assumptions, PART_READ),
    )


def _seconds(count: int, size: float, concurrent: int) -> float:
    """Activations run side by side at Planet, bodies share the link."""
    if not count:
        return 0.0
    waves = math.ceil(count / max(1, concurrent * 8))
    return waves * ACTIVATION_S + size / LINK_BYTES_PER_S


def _assumptions(wants: Sequence[WantImpact], tariff: Tariff) -> tuple[str, ...]:
    if tariff.is_aum:
        return (ASSUMPTIONS["aum"], *([] if tariff.term else [ASSUMPTIONS["no term"]]))
    if not any(want.data_km2 for want in wants):
        return ()
    several = len({want.asset_type for want in wants if want.data_alone_km2}) > 1
    said = ASSUMPTIONS["types" if tariff.types == "each" else "first type"]
    free_mask = any("udm2" in want.asset_type for want in wants) and not tariff.udm2
    masks = [ASSUMPTIONS["free udm2"]] if free_mask else []
    return (ASSUMPTIONS[tariff.repeat], *([said] if several else []), *masks)


def _ordering(tariff: Tariff, *, clips: bool) -> tuple[str, ...]:
    if tariff.is_aum:
        return () if not clips or tariff.clip_lowers else (ASSUMPTIONS["clip saves nothing"],)
    if clips and not tariff.clip_lowers:
        return (ASSUMPTIONS["bundles"], ASSUMPTIONS["clip saves nothing"])
    least = f"Each scene that is clipped is taken to charge at least {tariff.clip_minimum_km2:g} km²."
    return (ASSUMPTIONS["bundles"], *([least] if clips else []))

"""What wants would cost: km² charged by each route, bytes, and seconds.

km²: the Data route charges each full geodesic footprint, whatever is cut later (Source: confirmed); an order with a
clip charges the part inside the ROI (Source: confirmed). bytes: no size is known before the download; raw size from
bands and pixels (contract 2.8), times what real files weigh (a 4-band SR scene of 689 km²: 485 MB, its UDM2 4.5 MB).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from planet_assets.exceptions import Misused
from planet_assets.model.geometry import only_areas
from planet_assets.model.item import Item
from planet_assets.model.plan import DownloadImpact, WantImpact
from planet_assets.model.selection import Chosen
from planet_assets.rules.area import areas_km2, geodesic_km2, overlap_km2
from planet_assets.rules.bundles import assignment, can_clip
from planet_assets.rules.charges import ASSUMPTIONS, is_charged
from planet_assets.rules.naming import is_raster

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Ref = tuple[str, str]
"""Item type and id."""

Want = tuple[Item, str]
"""An item and an asset type."""

BYTES_PER_PIXEL = {"analytic_3b": 6, "analytic_4b": 8, "analytic_8b": 16, "visual": 4, "udm2": 8}
"""Bands times bytes a sample. Source: confirmed (support 37303224472733)."""

STORED_SHARE = {"udm2": (0.004, 0.03), "visual": (0.35, 0.9)}
"""Low and high stored size over raw size; `DEFAULT_SHARE` for the rest. Source: measured on real files, widened."""

DEFAULT_SHARE = (0.55, 1.0)
SMALL_FILE_BYTES = (5_000, 40_000)
"""XML and RPC files."""

MINIMUM_CLIP_KM2 = 0.01
"""The least a clip charges. Source: confirmed for Premium plans (support 4408257291793), assumed for the rest."""

ORDERED = "An order charges each scene once for each product bundle; two bundles are assumed to charge twice."

ACTIVATION_S = 200.0
"""Mean time of an activation. Source: reported (contract 2.5)."""

LINK_BYTES_PER_S = 12.5e6
"""100 Mbit/s, when nothing was measured yet. Source: ours."""


def estimate(
    chosen: Chosen,
    *,
    roi: BaseGeometry | None = None,
    pieces: Mapping[Ref, BaseGeometry] | None = None,
    repeat: str = "each",
    learned: Mapping[str, float] | None = None,
    concurrent: int = 3,
) -> DownloadImpact:
    """What fetching `chosen` would cost.

    Args:
        chosen: what is to be fetched and what is not.
        roi: region of interest, lon/lat; None for whole scenes.
        pieces: item -> the part of it that is wanted, where each is cut to a region of its own.
        repeat: the rule for repeated downloads, named in the assumptions.
        learned: bytes per km² of each asset type, from earlier downloads.
        concurrent: downloads side by side, for the time.
    """
    items = list({item.ref: item for item, _ in chosen.fetch}.values())
    full = dict(zip((item.ref for item in items), areas_km2([item.footprint for item in items]), strict=True))
    inside = full if roi is None else _inside(items, roi, pieces)
    ordered = orders_prices(chosen.fetch, inside)
    wants = tuple(
        _one(item, asset_type, full[item.ref], inside[item.ref], ordered[item.ref, asset_type], learned or {})
        for item, asset_type in chosen.fetch
    )
    low, high = sum(want.bytes_low for want in wants), sum(want.bytes_high for want in wants)
    return DownloadImpact(
        route="data",
        wants=wants,
        scene_count=len(items),
        data_km2=math.fsum(want.data_km2 for want in wants),
        orders_km2=math.fsum(want.orders_km2 for want in wants),
        roi_km2=math.nan if roi is None else geodesic_km2(roi),
        bytes_low=low,
        bytes_high=high,
        seconds=_seconds(len(wants), (low + high) / 2, concurrent),
        held=tuple((item.id, asset_type) for item, asset_type in chosen.held),
        outside=chosen.outside,
        duplicates=chosen.duplicates,
        assumptions=_assumptions(wants, repeat),
    )


def full_km2(item: Item, asset_type: str) -> float:
    """What the Data route charges for one asset, km²: the geodesic footprint, or 0 for types that are free."""
    return geodesic_km2(item.footprint) if is_charged(asset_type) else 0.0


def ordered_km2(item: Item, aoi: BaseGeometry | None) -> float:
    """What an order charges for an item and bundle, km²: the geodesic area inside the clip, or the whole footprint."""
    if aoi is None:
        return geodesic_km2(item.footprint)
    return max(MINIMUM_CLIP_KM2, geodesic_km2(only_areas(item.footprint.intersection(aoi))))


def size_bytes(item: Item, asset_type: str, km2: float) -> tuple[int, int]:
    """Low and high guess of a file's size from bands, pixel size and area."""
    if not is_raster(asset_type):
        return SMALL_FILE_BYTES
    kind = next((word for word in BYTES_PER_PIXEL if word in asset_type), "analytic_4b")
    raw = km2 * 1e6 / item.pixel_m**2 * BYTES_PER_PIXEL[kind]
    low, high = STORED_SHARE.get(kind, DEFAULT_SHARE)
    return int(raw * low), int(raw * high)


def _inside(items: Sequence[Item], roi: BaseGeometry, pieces: Mapping[Ref, BaseGeometry] | None) -> dict[Ref, float]:
    footprints = np.array([item.footprint for item in items], dtype=object)
    if pieces:
        regions = np.array([pieces.get(item.ref, roi) for item in items], dtype=object)
        areas = areas_km2(shapely.intersection(footprints, regions))
    else:
        areas = overlap_km2(footprints, roi)
    return dict(zip((item.ref for item in items), areas, strict=True))


def routed(impact: DownloadImpact, chosen: Chosen, *, cheapest: bool, clips: bool) -> DownloadImpact:
    """The same wants by the Orders route: all of them, or those items for which it is cheaper.

    Args:
        impact: an estimate by the Data route.
        chosen: what it was made for.
        cheapest: True to keep an item on the Data route where that costs less, or no bundle delivers it.
        clips: whether Planet is to clip; basic assets cannot be.

    Raises:
        Misused: an item that no bundle delivers, when all are to be ordered.
    """
    ordered: dict[str, float] = {}
    priced: dict[str, list[WantImpact]] = {}
    for want in impact.wants:
        priced.setdefault(want.item_id, []).append(want)
    for item, types in types_of(chosen.fetch):
        whole = 0.0 if clips else geodesic_km2(item.footprint)
        mine = priced.get(item.id, [])
        charged = math.fsum(_by_order(want, whole).orders_km2 for want in mine)
        if cheapest and charged >= math.fsum(one.data_km2 for one in mine):
            continue
        try:
            bundles = assignment(types, item.assets)
        except Misused as error:
            if not cheapest:
                raise Misused(f"{item.id}: {error.message}", hint=error.hint, argument="delivery") from None
            continue
        if not clips or all(can_clip(bundle) for bundle in bundles.values()):
            ordered[item.id] = whole
        elif not cheapest:
            raise Misused(f"{item.id}: Planet cannot clip {', '.join(types)}.", hint="Take it by delivery='data'.")
    wants = tuple(_by_order(want, ordered[want.item_id]) if want.item_id in ordered else want for want in impact.wants)
    ways = {want.route for want in wants}
    route = ways.pop() if len(ways) == 1 else "mixed" if ways else "data"
    assumed = {"data": impact.assumptions, "orders": (ORDERED,), "mixed": (*impact.assumptions, ORDERED)}[route]
    total = math.fsum(want.orders_km2 for want in wants)
    return replace(
        impact,
        wants=wants,
        route=route,
        orders_km2=total,
        assumptions=assumed,
        bytes_low=sum(want.bytes_low for want in wants),
        bytes_high=sum(want.bytes_high for want in wants),
    )


def _by_order(want: WantImpact, whole_km2: float) -> WantImpact:
    """A want by the Orders route; without a clip the whole footprint is charged, for one asset of the bundle."""
    bears = want.orders_km2 > 0
    # a clipped file is as much smaller as its ground; of free types the footprint is not known here, and they are small
    share = min(1.0, want.overlap_km2 / want.data_km2) if want.data_km2 > 0 and not whole_km2 else 1.0
    return replace(
        want,
        route="orders",
        orders_km2=whole_km2 if bears and whole_km2 else want.orders_km2,
        bytes_low=int(want.bytes_low * share),
        bytes_high=int(want.bytes_high * share),
    )


def orders_prices(wants: Sequence[Want], inside: Mapping[Ref, float]) -> dict[tuple[Ref, str], float]:
    """What an order with a clip charges for each asset, km².

    An order charges an item once for each product bundle (two bundles of one item: assumed twice), whatever files the
    bundle holds; the charge stands with the first asset of the bundle. Without a bundle that delivers an asset it is
    priced alone. Each clip charges at least `MINIMUM_CLIP_KM2`.
    """
    prices: dict[tuple[Ref, str], float] = {}
    for item, types in types_of(wants):
        charged: set[str] = set()
        for asset_type, bundle in _bundles(item, types).items():
            new = bundle not in charged
            prices[item.ref, asset_type] = max(float(inside[item.ref]), MINIMUM_CLIP_KM2) if new else 0.0
            charged.add(bundle)
    return prices


def types_of(wants: Sequence[Want]) -> list[tuple[Item, list[str]]]:
    """Each item with the asset types that are wanted of it, in the order given."""
    items = {item.ref: item for item, _ in reversed(wants)}
    types: dict[Ref, list[str]] = {}
    for item, asset_type in wants:
        types.setdefault(item.ref, []).append(asset_type)
    return [(items[ref], names) for ref, names in types.items()]


def _bundles(item: Item, types: Sequence[str]) -> dict[str, str]:
    """Asset type -> bundle; a type that no bundle delivers stands for itself."""
    try:
        return assignment(types, item.assets)
    except Misused:
        return {asset_type: asset_type for asset_type in types}


def _one(
    item: Item, asset_type: str, full: float, inside: float, ordered: float, learned: Mapping[str, float]
) -> WantImpact:
    low, high = size_bytes(item, asset_type, full)
    if rate := learned.get(asset_type):
        low, high = int(0.8 * rate * full), int(1.25 * rate * full)
    return WantImpact(
        item_id=item.id,
        asset_type=asset_type,
        data_km2=float(full) if is_charged(asset_type) else 0.0,
        orders_km2=float(ordered),
        overlap_km2=float(inside),
        bytes_low=low,
        bytes_high=high,
    )


def _seconds(count: int, size: float, concurrent: int) -> float:
    """Activations run side by side at Planet, bodies share the link."""
    if not count:
        return 0.0
    waves = math.ceil(count / max(1, concurrent * 8))
    return waves * ACTIVATION_S + size / LINK_BYTES_PER_S


def _assumptions(wants: Sequence[WantImpact], repeat: str) -> tuple[str, ...]:
    if not any(want.data_km2 for want in wants):
        return ()
    several = len({want.asset_type for want in wants if want.data_km2}) > 1
    return (ASSUMPTIONS[repeat], *([ASSUMPTIONS["types"]] if several else []))

"""What wants would cost: km² charged by each route, bytes, and seconds.

km²: the Data route charges each full geodesic footprint, whatever is cut later (Source: confirmed); an order with a
clip charges the part inside the ROI (Source: confirmed). bytes: no size is known before the download; raw size from
bands and pixels (contract 2.8), times what real files weigh (a 4-band SR scene of 689 km²: 485 MB, its UDM2 4.5 MB).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from planet_assets.model.item import Item
from planet_assets.model.plan import DownloadImpact, WantImpact
from planet_assets.model.selection import Chosen
from planet_assets.rules.area import areas_km2, geodesic_km2, overlap_km2
from planet_assets.rules.charges import ASSUMPTIONS, is_charged
from planet_assets.rules.naming import is_raster

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


def estimate(
    chosen: Chosen,
    *,
    roi: BaseGeometry | None = None,
    route: str = "data",
    repeat: str = "each",
    learned: Mapping[str, float] | None = None,
    concurrent: int = 3,
) -> DownloadImpact:
    """What fetching `chosen` would cost.

    Args:
        chosen: what is to be fetched and what is not.
        roi: region of interest, lon/lat; None for whole scenes.
        route: the route `area_km2` is counted by.
        repeat: the rule for repeated downloads, named in the assumptions.
        learned: bytes per km² of each asset type, from earlier downloads.
        concurrent: downloads side by side, for the time.
    """
    items = list({item.ref: item for item, _ in chosen.fetch}.values())
    full = dict(zip((item.ref for item in items), areas_km2([item.footprint for item in items]), strict=True))
    inside = full if roi is None else _inside(items, roi)
    wants = tuple(
        _one(item, asset_type, float(full[item.ref]), float(inside[item.ref]), (learned or {}).get(asset_type))
        for item, asset_type in chosen.fetch
    )
    low, high = sum(want.bytes_low for want in wants), sum(want.bytes_high for want in wants)
    return DownloadImpact(
        route=route,
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


def size_bytes(item: Item, asset_type: str, km2: float) -> tuple[int, int]:
    """Low and high guess of a file's size from bands, pixel size and area."""
    if not is_raster(asset_type):
        return SMALL_FILE_BYTES
    kind = next((word for word in BYTES_PER_PIXEL if word in asset_type), "analytic_4b")
    raw = km2 * 1e6 / item.pixel_m**2 * BYTES_PER_PIXEL[kind]
    low, high = STORED_SHARE.get(kind, DEFAULT_SHARE)
    return int(raw * low), int(raw * high)


def _inside(items: Sequence[Item], roi: BaseGeometry) -> dict[tuple[str, str], float]:
    areas = overlap_km2(np.array([item.footprint for item in items], dtype=object), roi)
    return dict(zip((item.ref for item in items), areas, strict=True))


def _one(item: Item, asset_type: str, full_km2: float, inside_km2: float, learned: float | None) -> WantImpact:
    low, high = size_bytes(item, asset_type, full_km2)
    if learned:
        low, high = int(0.8 * learned * full_km2), int(1.25 * learned * full_km2)
    charged = is_charged(asset_type)
    return WantImpact(
        item_id=item.id,
        asset_type=asset_type,
        data_km2=full_km2 if charged else 0.0,
        orders_km2=inside_km2 if charged else 0.0,
        overlap_km2=inside_km2,
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

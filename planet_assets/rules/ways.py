"""The ways to buy a region, priced beside each other: whole, clipped, in pieces, as composites, or only what is usable.

Each price is for one image of each scene. The first four bring the same ground of each day, the last brings less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import shapely

from planet_assets.model.clearness import ClearShare
from planet_assets.model.item import Item
from planet_assets.model.selection import USABLE_CLEAR, Way
from planet_assets.model.tariff import Tariff
from planet_assets.rules.area import areas_km2, overlap_km2
from planet_assets.rules.clearness import best_known, region_digest
from planet_assets.rules.cover import is_usable, select_scenes

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

MOST_COMPARED = 3_000
"""Scenes over the region, above which nothing is compared: a plan must not take long."""


def ways(
    items: Sequence[Item],
    roi: BaseGeometry,
    *,
    clear: Mapping[str, float | ClearShare] | None = None,
    tariff: Tariff | None = None,
) -> tuple[Way, ...]:
    """What the scenes would cost in each way; nothing where none touches the region.

    Args:
        items: scenes.
        roi: region of interest, lon/lat.
        clear: item id -> clear share over the region, where it is known.
        tariff: the charging rules; where a clip lowers nothing, or only new ground is charged, nothing is compared.
    """
    tariff = tariff or Tariff()
    if tariff.is_aum or not tariff.clip_lowers or _touching(items, roi) > MOST_COMPARED:
        return ()
    floor = select_scenes(items, roi, per="day", pieces=True, quality="any", clear=clear)
    if not floor.scenes:
        return ()
    seen, region = floor.candidates, region_digest(roi)
    least = tariff.clip_minimum_km2
    parts = np.maximum(overlap_km2([item.footprint for item in seen], roi), least)
    good = [is_usable(item) and best_known(item, clear or {}, region).share >= USABLE_CLEAR for item in seen]
    clipped, pieces = float(parts.sum()), float(np.maximum(areas_km2(list(floor.pieces.values())), least).sum())
    composites = clipped if tariff.composite == "inputs" else pieces
    days, usable = len(floor.periods), sum(good)
    return (
        Way(name="whole", km2=floor.candidates_km2["data"], scenes=len(seen), files=len(seen)),
        Way(name="clipped", km2=clipped, scenes=len(seen), files=len(seen)),
        Way(name="composites", km2=composites, scenes=len(seen), files=days, rule=tariff.composite),
        Way(name="pieces", km2=pieces, scenes=len(floor), files=len(floor)),
        Way(name="usable", km2=float(parts[np.array(good)].sum()), scenes=usable, files=usable),
    )


def _touching(items: Sequence[Item], roi: BaseGeometry) -> int:
    shapely.prepare(roi)
    return int(shapely.intersects(roi, np.array([item.footprint for item in items], dtype=object)).sum())

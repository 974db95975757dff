"""What a tariff makes of ground: prices under area under management (AUM), and which rules hold for a subscription.

AUM: the first charge over ground unlocks it; until the term ends all imagery there is free by every route. The union is
what counts, and the least charge is 1 ha. Source: confirmed (support 18675352704029, 4408251723025).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import shapely

from planet_assets.model.geometry import only_areas
from planet_assets.model.quota import QuotaInfo
from planet_assets.model.tariff import Tariff
from planet_assets.rules.area import geodesic_km2, uneven_km2
from planet_assets.rules.charges import AUM_MINIMUM_KM2

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

SLIVER_KM2 = 1e-6
"""What the difference of two equal outlines leaves behind."""

NOTHING = shapely.MultiPolygon()


def settled(tariff: Tariff, quota: QuotaInfo) -> Tariff:
    """The tariff with what Planet says of the subscription; a declared style wins, an unknown one is consumption."""
    style = tariff.style or quota.style
    return replace(tariff, style="aum" if style == "aum" else "consumption", term=tariff.term or quota.term)


def new_km2(ground: BaseGeometry, unlocked: BaseGeometry) -> float:
    """What ground charges under AUM, km²: its geodesic area that is not unlocked yet, at least 1 ha.

    Args:
        ground: what is asked for, polygons in lon/lat degrees (EPSG:4326).
        unlocked: the union that was paid for in this term, the same.
    """
    new = geodesic_km2(only_areas(ground.difference(unlocked)))
    return 0.0 if new < SLIVER_KM2 else max(new, AUM_MINIMUM_KM2)


def most_km2(ground: BaseGeometry, unlocked: BaseGeometry) -> float:
    """What ground may have charged at the most, km², where another start over it was under way and has been counted.

    Planet may have taken the two in the other order. Their sum is the same then but for what edges gain or lose when
    they are cut. Arguments as for `new_km2`.
    """
    return new_km2(ground, unlocked) + uneven_km2(ground, unlocked) + uneven_km2(unlocked, ground)


def one_after_another(grounds: Iterable[BaseGeometry | None], unlocked: BaseGeometry) -> Iterator[float]:
    """AUM prices of grounds in this order, each counted only where none before it was; None costs nothing."""
    for ground in grounds:
        if ground is None:
            yield 0.0
            continue
        yield new_km2(ground, unlocked)
        unlocked = shapely.union(unlocked, ground)

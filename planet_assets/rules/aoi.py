"""Makes a region of interest acceptable to the clip tool of the Orders API, never smaller than it was.

Planet refuses more than 1,500 vertices, overlapping parts, and polygons or rings below 1 m² (Source: confirmed). It was
seen to refuse a region with the words "Polygons with holes first" (reported), so those with holes come first.
"""

from __future__ import annotations

from dataclasses import dataclass

import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from planet_assets.exceptions import Misused
from planet_assets.rules.area import geodesic_km2

MOST_VERTICES = 1500
SMALLEST_KM2 = 1e-6
DIGITS = 7
"""Decimals of a degree that are sent: about a centimetre."""
STEPS_DEG = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""How far a region is grown before it is simplified, the first that suffices; 1e-6 degrees are some 10 cm."""
_WORLD = shapely.box(-180, -90, 180, 90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aoi:
    """A region that Planet accepts."""

    geometry: BaseGeometry
    """Polygon or MultiPolygon, lon/lat."""
    added_km2: float
    """Ground it covers beyond the ROI, because it had to be simplified."""
    dropped_km2: float
    """Slivers of the ROI that Planet would refuse."""


def acceptable(roi: BaseGeometry) -> Aoi:
    """The ROI as Planet accepts it; what is acceptable already comes back as it is.

    Raises:
        Misused: nothing of it is large enough, or it cannot be made simple enough.
    """
    united = shapely.set_precision(shapely.union_all([roi]), 10.0**-DIGITS)
    parts = [part for part in shapely.get_parts(united) if part.geom_type == "Polygon"]
    kept = [_without_slivers(part) for part in parts if geodesic_km2(part) >= SMALLEST_KM2]
    if not kept:
        raise Misused("The ROI is smaller than 1 m², which Planet does not clip to.", argument="roi")
    exact = _together(kept)
    simple = _simplified(exact)
    return Aoi(
        geometry=simple,
        added_km2=max(0.0, geodesic_km2(simple) - geodesic_km2(exact)),
        dropped_km2=max(0.0, geodesic_km2(united) - geodesic_km2(exact)),
    )


def _without_slivers(polygon: Polygon) -> Polygon:
    holes = [hole for hole in polygon.interiors if geodesic_km2(Polygon(hole)) >= SMALLEST_KM2]
    return orient(shapely.normalize(Polygon(polygon.exterior, holes)))


def _together(polygons: list[Polygon]) -> BaseGeometry:
    ordered = sorted(polygons, key=lambda polygon: (not polygon.interiors, polygon.bounds))
    return ordered[0] if len(ordered) == 1 else MultiPolygon(ordered)


def _simplified(geometry: BaseGeometry) -> BaseGeometry:
    """Fewer vertices, and still all of the region: grown a little, then simplified by less than it was grown."""
    if shapely.get_num_coordinates(geometry) <= MOST_VERTICES:
        return geometry
    steps = STEPS_DEG if _grown(geometry, STEPS_DEG[-1]) else ()  # what the coarsest cannot do, none can
    for step in steps:
        parts = _grown(geometry, step)
        if not parts:
            continue
        simple = _together(parts)
        if simple.is_valid and simple.covers(geometry):
            return simple
    raise Misused(
        f"The ROI has {shapely.get_num_coordinates(geometry)} vertices; Planet takes {MOST_VERTICES}.",
        hint="Simplify it, or fetch whole scenes by delivery='data'.",
        argument="roi",
    )


def _grown(geometry: BaseGeometry, step: float) -> list[Polygon]:
    """The polygons of the region grown by about `step` degrees; none when they have too many vertices still."""
    near = geometry.simplify(0.1 * step)  # growing an outline of many thousand vertices takes long
    grown = near.buffer(step, quad_segs=2).simplify(0.8 * step).intersection(_WORLD)
    rounded = shapely.set_precision(grown, 10.0**-DIGITS)
    polygons = [part for part in shapely.get_parts(rounded) if part.geom_type == "Polygon"]
    parts = [_without_slivers(part) for part in polygons]
    return parts if shapely.get_num_coordinates(parts).sum() <= MOST_VERTICES else []

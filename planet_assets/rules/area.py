"""Areas on the ground, in km² on the WGS84 ellipsoid, of geometries in lon/lat degrees (EPSG:4326)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import Misused

_GEOD = Geod(ellps="WGS84")
_A_M = 6378137.0
_E2 = 0.0066943799901413165
_E = math.sqrt(_E2)


def geodesic_km2(geometry: BaseGeometry) -> float:
    """Area of a polygon whose edges are geodesics, km². Source: Karney 2013, as pyproj.Geod computes it."""
    if geometry.is_empty:
        return 0.0
    return abs(float(_GEOD.geometry_area_perimeter(shapely.orient_polygons(geometry))[0])) / 1e6


def areas_km2(geometries: Sequence[BaseGeometry]) -> NDArray[np.float64]:
    """Areas of many polygons at once, km², shape (n,)."""
    return np.array([geodesic_km2(geometry) for geometry in geometries], dtype=float)


def overlap_km2(footprints: Sequence[BaseGeometry], roi: BaseGeometry) -> NDArray[np.float64]:
    """Area of each footprint inside the ROI, km², shape (n,); 0 outside."""
    shapely.prepare(roi)
    pieces = shapely.intersection(np.asarray(footprints, dtype=object), roi)
    return areas_km2(list(np.atleast_1d(pieces)))


def union_km2(geometries: Sequence[BaseGeometry], within: BaseGeometry | None = None) -> float:
    """Area of the union, km², of what lies within a region when one is given."""
    union = shapely.union_all(np.asarray(geometries, dtype=object))
    return geodesic_km2(union if within is None else union.intersection(within))


def buffered(roi: BaseGeometry, metres: float) -> BaseGeometry:
    """The ROI grown by metres on the ground; negative shrinks it.

    Raises:
        Misused: nothing is left.
    """
    raise Misused("not yet", argument="buffer_meters")

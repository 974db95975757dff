"""The few names that scripts written for planetscope-py import."""

from __future__ import annotations

from typing import Any

from planet_assets.model.geometry import as_roi
from planet_assets.rules.area import geodesic_km2


def calculate_area_km2(geometry: Any) -> float:
    """Geodesic area on the WGS84 ellipsoid, km².

    Args:
        geometry: shapely geometry, GeoJSON or WKT of a polygon, lon/lat degrees.

    Raises:
        Misused: it is no polygon in degrees.
    """
    return geodesic_km2(as_roi(geometry, what="the geometry"))

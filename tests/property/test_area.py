"""Areas of random footprints against pyproj.Geod, one at a time.

Edges are straight in lon/lat where geometries are cut and geodesics where they are measured, so what was cut may differ
a little from the whole; what was not cut may not.
"""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.affinity import rotate
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from planet_assets.model.geometry import on_the_globe
from planet_assets.rules.area import areas_km2, buffered, geodesic_km2, overlap_km2, union_km2

GEOD = Geod(ellps="WGS84")
BENT_KM2 = 1.3
"""Most that lies between two straight edges in lon/lat and their geodesics: L³ tan φ / 12 R each, L = 50 km cos φ."""


@st.composite
def footprints(draw: st.DrawFn) -> Polygon:
    """A rotated strip some kilometres long, as a scene's is, anywhere; longitudes may run over 180."""
    lon, lat = draw(st.floats(-180, 180)), draw(st.floats(-84, 84))
    width, height = draw(st.floats(0.01, 0.45)), draw(st.floats(0.01, 0.3))
    return rotate(box(lon, lat, lon + width, lat + height), draw(st.floats(-45, 45)))


def truth(polygon: BaseGeometry) -> float:
    return abs(float(GEOD.geometry_area_perimeter(polygon)[0])) / 1e6


@given(st.lists(footprints(), min_size=1, max_size=20))
@settings(max_examples=150, deadline=None)
def test_areas_are_geodesic(polygons: list[Polygon]) -> None:
    split = [on_the_globe(polygon) for polygon in polygons]
    expected = [sum(truth(part) for part in shapely.get_parts(polygon)) for polygon in split]
    assert [geodesic_km2(polygon) for polygon in split] == pytest.approx(expected, rel=1e-12)
    for area, single, polygon, parts in zip(areas_km2(split), expected, polygons, split, strict=True):
        assert area == pytest.approx(single, rel=1e-7 if parts == polygon else 1e-6)
        apart = {"rel": 1e-7} if parts == polygon else {"abs": BENT_KM2}
        assert area == pytest.approx(truth(polygon), **apart)


@given(st.lists(footprints(), min_size=1, max_size=12), footprints())
@settings(max_examples=60, deadline=None)
def test_overlaps_and_unions_agree_with_one_at_a_time(polygons: list[Polygon], roi: Polygon) -> None:
    near = [on_the_globe(shifted(polygon, roi)) for polygon in polygons]
    roi = on_the_globe(roi)
    overlaps = overlap_km2(near, roi)
    assert overlaps == pytest.approx([geodesic_km2(polygon.intersection(roi)) for polygon in near], abs=BENT_KM2)
    union = union_km2(near, within=roi)
    assert overlaps.max() - BENT_KM2 <= union <= min(overlaps.sum(), geodesic_km2(roi)) + BENT_KM2


@given(footprints(), st.floats(5, 2000))
@settings(max_examples=60, deadline=None)
def test_a_buffer_grows_by_its_rim(polygon: Polygon, metres: float) -> None:
    roi = on_the_globe(shapely.segmentize(polygon, 0.02))
    grown = buffered(roi, metres)
    rim = metres / 1000 * GEOD.geometry_length(polygon.boundary) / 1000 + np.pi * (metres / 1000) ** 2
    assert geodesic_km2(grown) - geodesic_km2(roi) == pytest.approx(rim, rel=0.01)
    assert grown.is_valid
    west, south, east, north = grown.bounds
    assert west >= -180 and east <= 180 and south >= -90 and north <= 90


def shifted(polygon: Polygon, roi: Polygon) -> Polygon:
    """The footprint moved so that it lies about the ROI."""
    a, b = polygon.centroid, roi.centroid
    dx, dy = (a.x % 0.3) - 0.15, (a.y % 0.2) - 0.1
    return Polygon([(x - a.x + b.x + dx, y - a.y + b.y + dy) for x, y in polygon.exterior.coords])

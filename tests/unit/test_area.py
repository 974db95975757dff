"""Areas against known figures: the globe, squares, holes, the antimeridian, the poles, and buffers in metres."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from pyproj import Geod
from shapely.geometry import MultiPolygon, Polygon, box

from planet_assets.exceptions import Misused
from planet_assets.model.geometry import as_roi, on_the_globe
from planet_assets.rules.area import areas_km2, buffered, geodesic_km2, overlap_km2, union_km2
from planet_assets.utils import calculate_area_km2

GEOD = Geod(ellps="WGS84")
GLOBE_KM2 = 510_065_621.724
SQUARE = box(9.0, 45.0, 9.1, 45.1)


def test_the_globe_and_its_halves() -> None:
    assert geodesic_km2(box(-180, -90, 180, 90)) == pytest.approx(GLOBE_KM2, rel=1e-9)
    assert geodesic_km2(box(-180, 0, 180, 90)) == pytest.approx(GLOBE_KM2 / 2, rel=1e-7)
    assert geodesic_km2(box(-180, -90, 180, 60)) > GLOBE_KM2 / 2
    assert areas_km2([box(-180, -90, 180, 90)])[0] == pytest.approx(GLOBE_KM2, rel=1e-9)


def test_holes_are_taken_off_whichever_way_they_turn() -> None:
    hole = box(9.02, 45.02, 9.05, 45.05)
    expected = geodesic_km2(SQUARE) - geodesic_km2(hole)
    for ring in (hole.exterior, hole.exterior.reverse()):
        holed = Polygon(SQUARE.exterior, [ring])
        assert geodesic_km2(holed) == pytest.approx(expected, rel=1e-12)
        assert areas_km2([holed])[0] == pytest.approx(expected, rel=1e-8)


def test_parts_add_up_and_other_geometries_count_nothing() -> None:
    both = MultiPolygon([SQUARE, box(20, -10, 20.1, -9.9)])
    mixed = shapely.GeometryCollection([both, shapely.LineString([(0, 0), (1, 1)])])
    empty = Polygon()
    expected = geodesic_km2(SQUARE) + geodesic_km2(box(20, -10, 20.1, -9.9))
    assert areas_km2([both, mixed, empty, shapely.Point(1, 1)]) == pytest.approx([expected, expected, 0, 0])
    assert geodesic_km2(empty) == 0
    assert areas_km2([]).shape == (0,)


def test_over_the_antimeridian_as_elsewhere() -> None:
    across = as_roi(box(179.9, -17, 180.1, -16.9))
    assert across.geom_type == "MultiPolygon"
    assert geodesic_km2(across) == pytest.approx(geodesic_km2(box(10, -17, 10.2, -16.9)), rel=1e-5)


def test_a_ring_round_the_pole() -> None:
    square = Polygon([(0, 89.9), (90, 89.9), (180, 89.9), (-90, 89.9)])
    expected = abs(GEOD.geometry_area_perimeter(square)[0]) / 1e6
    assert geodesic_km2(on_the_globe(square)) == pytest.approx(expected, rel=1e-6)
    assert areas_km2([on_the_globe(square)])[0] == pytest.approx(expected, rel=1e-6)


def test_overlap_inside_outside_and_across() -> None:
    footprints = [SQUARE, box(9.05, 45.0, 9.15, 45.1), box(50, 0, 51, 1), box(8, 44, 10, 46)]
    half = geodesic_km2(box(9.05, 45.0, 9.1, 45.1))
    whole = geodesic_km2(SQUARE)
    assert overlap_km2(footprints, SQUARE) == pytest.approx([whole, half, 0, whole], rel=1e-7)
    assert overlap_km2([], SQUARE).shape == (0,)


def test_a_union_counts_each_place_once_and_stops_when_all_is_covered() -> None:
    west, east = box(9.0, 45.0, 9.06, 45.1), box(9.04, 45.0, 9.1, 45.1)
    assert union_km2([west, east]) == pytest.approx(geodesic_km2(SQUARE), rel=1e-6)
    assert union_km2([west, west], within=SQUARE) == pytest.approx(geodesic_km2(west), rel=1e-6)
    assert union_km2([], within=SQUARE) == pytest.approx(0, abs=1e-9)
    covering = np.full(10_000, box(8, 44, 10, 46), dtype=object)
    assert union_km2(covering, within=SQUARE) == pytest.approx(geodesic_km2(SQUARE), rel=1e-12)


@pytest.mark.parametrize(
    "lonlat", [(9.0, 45.0), (0.0, 0.0), (25.0, 78.0), (180.0, -17.0), (40.0, 89.99), (-3.0, -90.0)]
)
@pytest.mark.parametrize("metres", [30.0, 1000.0])
def test_a_buffer_is_metres_wide_on_the_ground(lonlat: tuple[float, float], metres: float) -> None:
    disc = on_the_globe(Polygon(np.column_stack(circle(lonlat, 2000.0))))
    grown, shrunk = buffered(disc, metres), buffered(disc, -metres)
    for away, region, is_in in [
        (2000 + metres * 0.98, grown, True),
        (2000 + metres * 1.02, grown, False),
        (2000 - metres * 1.02, shrunk, True),
        (2000 - metres * 0.98, shrunk, False),
    ]:
        assert (shapely.intersects_xy(region, *circle(lonlat, away)) == is_in).all(), away
    assert shrunk.within(disc.buffer(1e-9))


def circle(lonlat: tuple[float, float], radius_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes of 720 points at a distance from a place."""
    start = np.full(720, lonlat[0]), np.full(720, lonlat[1])
    lon, lat, _ = GEOD.fwd(*start, np.linspace(0.1, 360.1, 720, endpoint=False), np.full(720, radius_m))
    return lon, lat


def test_a_buffer_goes_over_the_antimeridian_and_heals_its_seam() -> None:
    across, inland = as_roi(box(179.9, -17, 180.1, -16.9)), box(10, -17, 10.2, -16.9)
    for metres in (500.0, -500.0):
        assert geodesic_km2(buffered(across, metres)) == pytest.approx(geodesic_km2(buffered(inland, metres)), rel=1e-5)


def test_a_buffer_keeps_holes_and_large_regions_true() -> None:
    holed = shapely.segmentize(Polygon(box(5, 40, 15, 50).exterior, [box(8, 44, 9, 45).exterior]), 0.02)
    ground = GEOD.geometry_length(holed.boundary) / 1000
    assert geodesic_km2(buffered(holed, 100.0)) - geodesic_km2(holed) == pytest.approx(0.1 * ground, rel=0.01)
    assert len(buffered(holed, 100.0).interiors) == 1


def test_nothing_left_is_misuse() -> None:
    with pytest.raises(Misused, match="Nothing is left"):
        buffered(SQUARE, -10_000)
    for senseless in (math.nan, math.inf, 1e9):
        with pytest.raises(Misused, match="not sensible"):
            buffered(SQUARE, senseless)
    assert buffered(SQUARE, 0) is SQUARE


def test_the_public_name_takes_geojson_and_refuses_metres() -> None:
    document = {"type": "Polygon", "coordinates": [[[9.0, 45.0], [9.1, 45.0], [9.1, 45.1], [9.0, 45.1], [9.0, 45.0]]]}
    assert calculate_area_km2(document) == pytest.approx(geodesic_km2(SQUARE))
    with pytest.raises(Misused):
        calculate_area_km2(box(500_000, 4_000_000, 501_000, 4_001_000))

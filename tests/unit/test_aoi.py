"""Regions for Planet's clip: what is sent always covers what was asked for, and Planet takes it."""

from __future__ import annotations

import math
import random

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, Polygon, box

from planet_assets.exceptions import Misused
from planet_assets.planet.orders import aoi_of
from planet_assets.rules.aoi import MOST_VERTICES, SMALLEST_KM2, acceptable
from planet_assets.rules.area import geodesic_km2
from planet_assets.sandbox.order_asks import clip_aoi

CENTIMETRE_DEG = 1e-7


def star(lon: float, lat: float, radius: float, points: int, chance: random.Random) -> Polygon:
    """A star of many points around a place."""
    ring = []
    for number in range(points):
        angle, reach = 2 * math.pi * number / points, radius * chance.uniform(0.4, 1.0)
        ring.append((lon + reach * math.cos(angle), lat + reach * math.sin(angle)))
    return Polygon(ring)


def accepted(roi):
    """The region as it is sent; the sandbox takes it, and it covers the ROI."""
    found = acceptable(roi)
    assert clip_aoi([("clip", {"aoi": aoi_of(found.geometry)})], {}) is not None
    assert shapely.get_num_coordinates(found.geometry) <= MOST_VERTICES
    assert found.geometry.is_valid
    left = roi.difference(found.geometry.buffer(CENTIMETRE_DEG))
    assert geodesic_km2(left) <= found.dropped_km2 + 1e-9
    return found


@settings(max_examples=6, deadline=None)
@given(
    st.floats(-179, 179), st.floats(-80, 80), st.sampled_from([0.001, 0.05, 0.5]), st.integers(3, 1800), st.integers()
)
def test_a_star_is_covered_and_accepted(lon, lat, radius, points, seed):
    roi = star(lon, lat, radius, points, random.Random(seed)).buffer(0).intersection(box(-180, -90, 180, 90))
    found = accepted(roi)
    assert acceptable(found.geometry).geometry.equals_exact(found.geometry, 0)
    if points <= 1000:
        assert found.added_km2 < 1e-6


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 20), st.integers(3, 200), st.integers())
def test_many_stars_are_united(count, points, seed):
    chance = random.Random(seed)
    stars = [star(9 + chance.random(), 45 + chance.random(), 0.1, points, chance).buffer(0) for _ in range(count)]
    accepted(shapely.union_all(stars))


def test_what_fits_is_sent_as_it_is():
    roi = box(9.12, 45.42, 9.247, 45.51)
    found = acceptable(roi)
    assert found.geometry.equals(roi)
    assert (found.added_km2, found.dropped_km2) == (0, 0)


def test_slivers_and_pinholes_are_dropped():
    pinhole = box(9.05, 45.05, 9.0500001, 45.0500001)
    lake = Point(9.02, 45.02).buffer(0.01)
    roi = MultiPolygon([box(9, 45, 9.1, 45.1) - pinhole - lake, box(9.2, 45.2, 9.200005, 45.200005)])
    found = accepted(roi)
    assert found.geometry.geom_type == "Polygon"
    assert len(found.geometry.interiors) == 1
    assert 0 < found.dropped_km2 < SMALLEST_KM2
    with pytest.raises(Misused, match="smaller than 1 m²"):
        acceptable(box(9, 45, 9.000001, 45.000001))


def test_parts_with_holes_come_first():
    holed = box(9, 45, 9.1, 45.1) - box(9.04, 45.04, 9.06, 45.06)
    found = accepted(MultiPolygon([box(8, 44, 8.1, 44.1), holed, box(10, 46, 10.1, 46.1)]))
    assert [len(part.interiors) for part in found.geometry.geoms] == [1, 0, 0]


def test_a_region_over_the_antimeridian_is_simplified_as_finely_as_any_other():
    wide = star(180, -17, 0.2, 2000, random.Random(4)).buffer(0)
    west, east = wide & box(179, -18, 180, -16), shapely.affinity.translate(wide & box(180, -18, 181, -16), xoff=-360)
    found = accepted(shapely.union_all([west, east]))
    elsewhere = accepted(shapely.affinity.translate(wide, xoff=-170))
    assert found.added_km2 == pytest.approx(elsewhere.added_km2, rel=0.05)


def test_thousands_of_parts_far_apart_are_refused_in_words():
    parts = [box(lon, lat, lon + 0.1, lat + 0.1) for lon in range(-170, 170, 4) for lat in range(-80, 80, 4)]
    with pytest.raises(Misused, match="vertices") as caught:
        acceptable(MultiPolygon(parts))
    assert caught.value.argument == "roi"

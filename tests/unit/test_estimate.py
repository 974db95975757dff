"""What a plan would cost, before it does."""

from __future__ import annotations

import math

import pytest
from making import item
from pyproj import Geod
from shapely.geometry import box

from planet_assets.model.selection import Chosen
from planet_assets.model.tariff import Tariff
from planet_assets.rules.estimate import Basis, estimate, size_bytes
from planet_assets.rules.prices import full_km2

TYPE, UDM2, XML = "ortho_analytic_4b", "ortho_udm2", "ortho_analytic_4b_xml"
ONE, TWO = item("20250110_100000_00_0001"), item("20250110_100000_00_0002", west=10.0)


def by_geod(shape: object) -> float:
    """An area by another way, km²."""
    return abs(Geod(ellps="WGS84").geometry_area_perimeter(shape)[0]) / 1e6


def test_whole_footprints_by_the_data_route() -> None:
    impact = estimate(Chosen(fetch=((ONE, TYPE), (TWO, TYPE))))
    assert impact.area_km2 == pytest.approx(by_geod(ONE.footprint) + by_geod(TWO.footprint), rel=1e-4)
    assert (impact.scene_count, impact["asset_count"], impact.route) == (2, 2, "data")
    assert impact["area_km2"] == impact["total_area_km2"] == impact.data_km2


def test_a_clip_charges_no_less_by_the_data_route_and_the_other_price_is_shown() -> None:
    roi = box(9.05, 45.05, 9.5, 45.5)
    impact = estimate(Chosen(fetch=((ONE, TYPE),)), roi=roi)
    assert impact.area_km2 == pytest.approx(by_geod(ONE.footprint), rel=1e-4)
    assert impact.other_area_km2 == pytest.approx(by_geod(ONE.footprint.intersection(roi)), rel=1e-3)
    assert impact.roi_km2 == pytest.approx(by_geod(roi), rel=1e-3)


def test_every_raster_charges_and_xml_is_free() -> None:
    both = estimate(Chosen(fetch=((ONE, TYPE), (ONE, UDM2), (ONE, XML))))
    assert both.area_km2 == pytest.approx(2 * full_km2(ONE, TYPE), rel=1e-4)
    assert both.scene_count == 1 and full_km2(ONE, XML) == 0.0
    assert estimate(Chosen(fetch=((ONE, XML),))).assumptions == ()


def test_assumptions_are_named() -> None:
    impact = estimate(Chosen(fetch=((ONE, TYPE), (ONE, UDM2))))
    assert any("assumed to charge again" in words for words in impact.assumptions)
    assert any("Every raster asset" in words for words in impact.assumptions)
    once = estimate(Chosen(fetch=((ONE, TYPE),)), basis=Basis(tariff=Tariff(repeat="once")))
    assert any("declared not to charge" in words for words in once.assumptions)


def test_sizes_follow_bands_and_pixels() -> None:
    coarse = item(properties={"pixel_resolution": 30.0})
    high = size_bytes(ONE, TYPE, 100.0)[1]
    assert high == pytest.approx(100 * size_bytes(coarse, TYPE, 100.0)[1], rel=1e-4)
    assert size_bytes(ONE, "ortho_analytic_8b", 100.0)[1] == pytest.approx(2 * high, rel=1e-4)
    low, high = size_bytes(ONE, TYPE, 689.0)
    assert low <= 485e6 <= high, "a real file: 689 km², 485 MB"
    low, high = size_bytes(ONE, UDM2, 689.0)
    assert low <= 4.5e6 <= high


def test_sizes_are_learned() -> None:
    learned = estimate(Chosen(fetch=((ONE, TYPE),)), basis=Basis(learned={TYPE: 1000.0}))
    assert learned.bytes_low < 1000.0 * learned.area_km2 < learned.bytes_high


def test_what_is_held_costs_nothing_and_is_named() -> None:
    impact = estimate(Chosen(fetch=(), held=((ONE, TYPE),), outside=("x",), duplicates=("y",)))
    assert (impact.area_km2, impact.estimated_bytes, impact.seconds) == (0.0, 0, 0.0)
    assert (impact.held, impact.outside, impact.duplicates) == (((ONE.id, TYPE),), ("x",), ("y",))
    assert math.isnan(impact.roi_km2) and impact["roi_km2"] is None

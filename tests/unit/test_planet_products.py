"""Products and reservations: units, text for numbers, times, and which product tells what downloads use."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from planet_assets.exceptions import ServerError
from planet_assets.model.product import Products
from planet_assets.planet import products
from planet_assets.view.products import products_lines

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROW = {
    "id": 290390,
    "name": "PS_SCENE_STANDARD",
    "title": "PlanetScope scenes",
    "state": "active",
    "resource_ids": ["PSScene"],
    "quota_total": 3000.0,
    "quota_used": 412.5,
    "quota_units": "sqkm",
    "unlimited_quota": False,
    "supports_reservation": False,
    "area": None,
    "term_start_date": "2026-01-01T00:00:00",
    "term_end_date": "2026-01-31T23:59:59.999999",
}


def row(**changes: Any) -> dict[str, Any]:
    return ROW | changes


@pytest.mark.parametrize(
    ("total", "units", "km2"),
    [
        (3000, "sqkm", 3000.0),
        ("99975000000.0", "sqm", 99975.0),
        (100, "ha", 1.0),
        (5, "tiles", math.nan),
        (-1.0, "sqkm", math.nan),
        (math.nan, "sqkm", math.nan),
        ("much", "sqkm", math.nan),
        (None, "sqkm", math.nan),
        (True, "sqkm", math.nan),
    ],
)
def test_areas_are_km2_whatever_they_came_in(total: object, units: str, km2: float) -> None:
    assert products.product(row(quota_total=total, quota_units=units)).limit_km2 == pytest.approx(km2, nan_ok=True)


def test_a_page_ends_where_it_says() -> None:
    assert products.page_of({"meta": {"next": None}, "results": [1]}) == ([1], "")
    assert products.page_of({"meta": {"next": "http://x/?offset=1"}, "results": []}) == ([], "http://x/?offset=1")
    for wrong in ([], {"results": {}}, {"results": [], "meta": []}):
        with pytest.raises(ServerError):
            products.page_of(wrong)


def test_a_product_of_scenes_tells_the_quota() -> None:
    other = products.product(row(id=1, resource_ids=["PS_ARD_SR_DAILY"]))
    quota = products.scenes_quota([other, products.product(ROW)], as_of=NOW)
    assert quota is not None
    assert (quota.limit_km2, quota.used_km2, quota.interval, quota.source) == (3000.0, 412.5, "monthly", "planet")
    assert (quota.account, quota.plan, quota.is_known) == ("product:290390", "PlanetScope scenes", True)
    annual = products.scenes_quota([products.product(row(term_end_date="2027-01-01T00:00:00"))], as_of=NOW)
    assert annual is not None and annual.interval == "annual"


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row(), row(id=2)],
        [row(unlimited_quota=True)],
        [row(quota_total=None)],
        [row(quota_used=None)],
        [row(quota_used=-3.0)],
        [row(state="expired")],
        [row(term_end_date="2026-01-04T00:00:00")],
        [row(term_start_date="2026-02-01T00:00:00")],
    ],
)
def test_what_does_not_tell_it_clearly_tells_nothing(rows: list[dict[str, Any]]) -> None:
    assert products.scenes_quota([products.product(one) for one in rows], as_of=NOW) is None


def test_what_is_held_in_words() -> None:
    taking = products.product(row(id=7, supports_reservation=True, area={"value": 25, "units": "sqkm"}))
    amounts = ({"id": 1, "product_id": 7, "amount": 25.0}, {"id": 2, "product_id": 7, "amount": "40"})
    held = Products(products=(taking,), reserved=tuple(map(products.reserved, amounts)), problem="It broke.")
    text = products_lines(held)
    assert "PS_SCENE_STANDARD: 412.50 km² used of 3,000 km², until 2026-01-31 23:59 UTC" in text
    assert "2 areas reserved, 65 km²; an area counts 25 km² at the least" in text
    assert "Not all could be read: It broke." in text
    assert products_lines(Products()) == ""

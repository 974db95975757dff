"""What the sandbox charges for orders: every rule, on the wire and by itself."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import httpx
import pytest
from ordering import CLIP, ORDERS, placed, request
from pyproj import Geod
from sandboxes import MILAN, Visitor, visited
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from planet_assets.sandbox.billing import Bill, Piece, Rules, area_km2

GEOD = Geod(ellps="WGS84")
NOW = datetime(2025, 3, 10, tzinfo=UTC)


def km2(geometry: BaseGeometry) -> float:
    return abs(GEOD.geometry_area_perimeter(geometry)[0]) / 1e6


def orderable(planet: Visitor) -> list[dict]:
    return [item for item in planet.items() if {"ortho_analytic_4b", "ortho_udm2"} <= set(item["assets"])]


def lines(planet: Visitor) -> list[tuple[str, str, float]]:
    return [(charge["item_id"], charge["asset_type"], charge["km2"]) for charge in planet.sandbox.charges()]


def test_a_clip_is_charged_by_its_part_of_each_item_and_whole_items_without_one() -> None:
    with visited() as planet:
        items = orderable(planet)[:3]
        order = placed(planet, *(item["id"] for item in items), tools=[CLIP])
        clipped = [km2(shape(item["geometry"]).intersection(shape(MILAN))) for item in items]
        assert [line[2] for line in lines(planet)] == pytest.approx(clipped)
        charge = planet.sandbox.charges()[0]
        assert (charge["route"], charge["order_id"], charge["subscription_id"]) == ("orders", order["id"], 301722)
        assert (charge["item_id"], charge["asset_type"], charge["rule"]) == (
            items[0]["id"],
            "analytic_udm2",
            "clipped area",
        )
        placed(planet, items[0]["id"])
        assert lines(planet)[-1][2] == pytest.approx(km2(shape(items[0]["geometry"])))
        placed(planet, items[0]["id"], tools=[CLIP])
        assert lines(planet)[-1] == lines(planet)[0]


def test_each_bundle_of_an_item_is_charged_an_item_named_twice_is_one() -> None:
    with visited() as planet:
        item = planet.item()["id"]
        products = [
            {"item_ids": [item, item], "item_type": "PSScene", "product_bundle": bundle}
            for bundle in ("analytic_udm2", "analytic_8b_sr_udm2", "analytic_udm2")
        ]
        placed(planet, products=products, tools=[CLIP])
        assert [line[1] for line in lines(planet)] == ["analytic_udm2", "analytic_8b_sr_udm2"]


def test_the_least_charge_of_a_clip_and_plans_where_a_clip_saves_nothing() -> None:
    tiny = {
        "clip": {"aoi": {"type": "Polygon", "coordinates": [list(box(9.2, 45.45, 9.2005, 45.4505).exterior.coords)]}}
    }
    for switch, expected in (({}, 0.01), ({"clip_minimum_km2": 100.0}, 100.0), ({"clip_lowers_charge": False}, None)):
        with visited(**switch) as planet:
            item = next(i for i in orderable(planet) if shape(i["geometry"]).contains(box(9.2, 45.45, 9.2005, 45.4505)))
            placed(planet, item["id"], tools=[tiny])
            assert lines(planet)[0][2] == pytest.approx(expected or km2(shape(item["geometry"])))


def test_area_under_management_charges_new_ground_by_every_route() -> None:
    with visited(quota_style="aum") as planet:
        items = orderable(planet)[:4]
        placed(planet, *(item["id"] for item in items), tools=[CLIP])
        seen = shape(items[0]["geometry"])
        for item in items[1:]:
            seen = seen.union(shape(item["geometry"]))
        assert planet.sandbox.billed_km2() == pytest.approx(km2(seen.intersection(shape(MILAN))), rel=1e-3)
        before = len(lines(planet))
        placed(planet, items[1]["id"], tools=[CLIP])
        assert len(lines(planet)) == before
        planet.download(items[0])
        assert lines(planet)[-1][2] == pytest.approx(
            km2(shape(items[0]["geometry"]).difference(shape(MILAN))), rel=1e-3
        )


def piece(item: str, ground: BaseGeometry, clipped: BaseGeometry | None = None, group: str | None = None) -> Piece:
    return Piece(item_id=item, bundle="visual", edition=0, footprint=ground, clipped=clipped, group=group)


def test_a_composite_is_charged_by_what_goes_in_or_by_what_comes_out() -> None:
    west, east = box(9.0, 45.0, 9.2, 45.1), box(9.1, 45.0, 9.3, 45.1)
    pieces = [piece("a", west, west, ""), piece("b", east, east, "")]
    inputs, output = (
        sum(k for k, _ in Bill(Rules(composite=way), 1).order_prices(pieces)) for way in ("inputs", "output")
    )
    assert inputs == pytest.approx(area_km2(west) + area_km2(east))
    assert output == pytest.approx(area_km2(west.union(east)))


def test_prices_are_those_that_are_charged_and_pricing_costs_nothing() -> None:
    bill, ground = Bill(Rules(style="aum"), 1), box(9.0, 45.0, 9.1, 45.1)
    pieces = [piece("a", ground), piece("b", ground)]
    prices = bill.order_prices(pieces)
    assert bill.total_km2() == 0
    charges = bill.place(pieces, order_id="o", key="k", at=NOW)
    assert [(charge.km2, charge.rule) for charge in charges] == prices[:1]
    assert prices[1] == (0.0, "unlocked ground")


def test_an_order_that_does_not_fit_is_refused_whole_unless_overage_or_overshoot() -> None:
    with visited(quota_km2=100.0) as planet:
        item = next(i for i in orderable(planet) if km2(shape(i["geometry"]).intersection(shape(MILAN))) > 20)["id"]
        answer = planet.http.post(ORDERS, json=request(item))
        assert answer.status_code == 400
        assert answer.json()["general"][0]["message"].startswith("Quota check failed - Insufficient quota")
        assert lines(planet) == []
        placed(planet, item, tools=[CLIP])
        planet.sandbox.spend(95.0)
        assert planet.http.post(ORDERS, json=request(item, tools=[CLIP])).status_code == 400
    for switch in ({"overage": True}, {"order_overshoot": True}, {"quota_km2": None}):
        with visited(**({"quota_km2": 100.0} | switch)) as planet:
            placed(planet, planet.item()["id"])
    with visited(quota_km2=100.0, order_overshoot=True, used_km2=0.0) as planet:
        placed(planet, planet.item()["id"])
        assert planet.http.post(ORDERS, json=request(planet.item()["id"])).status_code == 400
    with visited() as planet:
        planet.sandbox.fault("quota-exhausted")
        assert planet.http.post(ORDERS, json=request(planet.item()["id"])).status_code == 400


def test_of_many_who_want_the_last_of_the_quota_one_gets_it() -> None:
    with visited() as planet:
        item = next(i for i in orderable(planet) if km2(shape(i["geometry"]).intersection(shape(MILAN))) > 20)
        price = km2(shape(item["geometry"]).intersection(shape(MILAN)))
        planet.sandbox.spend(100_000 - 1.5 * price)
        statuses: list[int] = []

        def want() -> None:
            address, key = planet.sandbox.url + ORDERS, planet.sandbox.key
            statuses.append(httpx.post(address, json=request(item["id"], tools=[CLIP]), auth=(key, "")).status_code)

        threads = [threading.Thread(target=want) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [202] + [400] * 5
        assert planet.sandbox.billed_km2() == pytest.approx(price)


def test_an_area_at_the_antimeridian_is_charged_on_both_sides() -> None:
    with visited() as planet:
        aoi = {
            "type": "MultiPolygon",
            "coordinates": [
                [list(map(list, box(179.95, -16.6, 180.0, -16.55).exterior.coords))],
                [list(map(list, box(-180.0, -16.6, -179.95, -16.55).exterior.coords))],
            ],
        }
        where = {"type": "GeometryFilter", "field_name": "geometry", "config": aoi}
        day = {"gte": "2025-01-03T00:00:00Z", "lt": "2025-01-04T00:00:00Z"}
        when = {"type": "DateRangeFilter", "field_name": "acquired", "config": day}
        body = {"item_types": ["PSScene"], "filter": {"type": "AndFilter", "config": [where, when]}}
        found = planet.http.post("/data/v1/quick-search", json=body).json()["features"]
        wanted = {"ortho_analytic_4b", "ortho_udm2"}
        usable = [f for f in found if f["geometry"]["type"] == "MultiPolygon" and wanted <= set(f["assets"])]
        parts = {f["id"]: shape(f["geometry"]).intersection(shape(aoi)) for f in usable}
        item, expected = next((name, part) for name, part in parts.items() if part.geom_type == "MultiPolygon")
        placed(planet, item, tools=[{"clip": {"aoi": aoi}}])
        assert lines(planet)[0][2] == pytest.approx(sum(km2(part) for part in expected.geoms))

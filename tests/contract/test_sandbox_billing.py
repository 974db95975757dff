"""What the sandbox charges: every rule of money, on the wire and by itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import shapely
from pyproj import Geod
from sandboxes import Visitor, visited
from shapely.geometry import box, shape

from planet_assets.sandbox.billing import Bill, Rules, Start, area_km2

GEOD = Geod(ellps="WGS84")
NOW = datetime(2025, 3, 10, tzinfo=UTC)


def footprint_km2(item: dict) -> float:
    return abs(GEOD.geometry_area_perimeter(shape(item["geometry"]))[0]) / 1e6


def charged(planet: Visitor) -> list[tuple[str, str]]:
    return [(charge["item_id"], charge["asset_type"]) for charge in planet.sandbox.charges()]


def test_search_activation_and_links_cost_nothing_the_first_byte_costs_the_footprint() -> None:
    with visited() as planet:
        item = planet.item()
        link = planet.link(planet.active(item))
        planet.link(planet.asset(item))
        assert planet.sandbox.charges() == []
        planet.fetch(link)
        (charge,) = planet.sandbox.charges()
        assert charge["km2"] == pytest.approx(footprint_km2(item), rel=1e-9)
        assert (charge["item_id"], charge["asset_type"]) == (item["id"], "ortho_analytic_4b")
        assert (charge["route"], charge["subscription_id"]) == ("data", 301722)
        assert charge["key"] == planet.sandbox.requests()[0]["key"]


def test_one_link_is_charged_once_each_new_link_again() -> None:
    with visited(repeat="each") as planet:
        item = planet.item()
        link = planet.link(planet.active(item))
        planet.fetch(link)
        planet.fetch(link)
        assert len(charged(planet)) == 1
        planet.fetch(planet.link(planet.asset(item)))
        assert len(charged(planet)) == 2


def test_repeat_once_charges_a_file_once_but_a_republished_one_anew() -> None:
    with visited(repeat="once") as planet:
        item = planet.item()
        planet.download(item)
        planet.download(item)
        assert len(charged(planet)) == 1
        planet.sandbox.republish(item["id"])
        planet.download(item)
        assert len(charged(planet)) == 2


def test_resuming_with_the_right_etag_is_free_on_any_link() -> None:
    with visited() as planet:
        item = planet.item()
        first = planet.link(planet.active(item))
        etag = planet.fetch(first, Range="bytes=0-9").headers["etag"]
        planet.fetch(first, Range="bytes=10-", If_Range=etag)
        planet.fetch(planet.link(planet.asset(item)), Range="bytes=10-", If_Range=etag)
        assert len(charged(planet)) == 1
        planet.fetch(planet.link(planet.asset(item)), Range="bytes=10-")
        assert len(charged(planet)) == 2


def test_an_etag_without_a_paid_start_opens_nothing() -> None:
    with visited() as planet:
        item = planet.item()
        asset = planet.active(item)
        planet.fetch(planet.link(asset), Range="bytes=10-", If_Range=f'"{asset["md5_digest"]}"')
        assert len(charged(planet)) == 1


def test_every_raster_type_is_charged_xml_is_not() -> None:
    with visited() as planet:
        item = planet.item()
        for asset_type in ("ortho_analytic_4b", "ortho_udm2", "ortho_analytic_4b_xml"):
            assert planet.download(item, asset_type).status_code == 200
        assert [asset_type for _, asset_type in charged(planet)] == ["ortho_analytic_4b", "ortho_udm2"]


@pytest.mark.parametrize("switch", [{"per_asset": False}, {"charge_udm2": False}])
def test_the_kinder_readings(switch: dict) -> None:
    with visited(**switch) as planet:
        item = planet.item()
        planet.download(item)
        planet.download(item, "ortho_udm2")
        assert [asset_type for _, asset_type in charged(planet)] == ["ortho_analytic_4b"]


@pytest.mark.parametrize("status", [403, 429])
def test_an_exhausted_quota_is_refused_at_activation_and_at_download(status: int) -> None:
    with visited(quota_km2=1000.0, quota_refusal=status) as planet:
        one, two = planet.items()[:2]
        asset = planet.active(two)
        planet.sandbox.spend(999.0)
        assert planet.download(one).status_code == 200
        activate = planet.asset(one, "ortho_udm2")["_links"]["activate"]
        for answer in (planet.http.get(asset["location"]), planet.http.post(activate)):
            assert answer.status_code == status
            assert answer.json() == {"field": {}, "general": [{"message": "Download quota has been exceeded."}]}
        assert len(charged(planet)) == 1
        assert planet.http.get(planet.active(one, "ortho_analytic_4b_xml")["location"]).status_code == 302


def test_overage_goes_on() -> None:
    with visited(quota_km2=1.0, used_km2=2.0, overage=True) as planet:
        assert planet.download(planet.item()).status_code == 200


def start(ground: shapely.Polygon, item: str, **changes: object) -> Start:
    facts = {"item_id": item, "asset_type": "ortho_visual", "edition": 0, "footprint": ground, "link_id": item}
    return Start(**(facts | {"resumes": False, "key": "k", "at": NOW} | changes))  # type: ignore[arg-type]


def test_area_under_management_charges_new_ground_only() -> None:
    bill = Bill(Rules(style="aum"), 1)
    west, both, all_of_it = box(9.0, 45.0, 9.1, 45.1), box(9.0, 45.0, 9.2, 45.1), box(8.9, 44.9, 9.3, 45.2)
    first = bill.start(start(west, "a"))
    second = bill.start(start(both, "b"))
    assert first
    assert second
    assert second.km2 == pytest.approx(area_km2(both) - area_km2(west), rel=1e-6)
    assert bill.start(start(west, "c", asset_type="ortho_udm2")) is None
    bill.start(start(all_of_it, "d"))
    assert bill.total_km2() == pytest.approx(area_km2(all_of_it), rel=1e-6)
    tiny = bill.start(start(box(20, 45, 20.0001, 45.0001), "e"))
    assert tiny
    assert tiny.km2 == 0.01


def test_areas_are_geodesic_with_holes_and_parts() -> None:
    hole = box(9.02, 45.02, 9.04, 45.04)
    ring = box(9.0, 45.0, 9.1, 45.1) - hole
    assert area_km2(ring) == pytest.approx(area_km2(box(9.0, 45.0, 9.1, 45.1)) - area_km2(hole))
    assert area_km2(shapely.MultiPolygon([ring, hole])) == pytest.approx(area_km2(box(9.0, 45.0, 9.1, 45.1)))


def test_what_costs_nothing_is_not_refused_for_quota() -> None:
    with visited(quota_km2=1.0, repeat="once") as planet:
        item = planet.item()
        assert planet.download(item).status_code == 200
        assert planet.download(item).status_code == 200
        assert planet.http.post(planet.asset(item, "ortho_udm2")["_links"]["activate"]).status_code == 403

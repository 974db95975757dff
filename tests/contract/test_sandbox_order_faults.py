"""Everything that can go wrong with an order that the sandbox has accepted, each by a switch."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from ordering import ORDERS, agrees, done, fetched, link, listed, placed, read, request
from sandboxes import Visitor, visited


@pytest.fixture(scope="module")
def shared():
    with visited() as visitor:
        yield visitor


@pytest.fixture
def planet(shared: Visitor):
    shared.sandbox.reset()
    yield shared
    shared.sandbox.reset()


def test_an_order_that_fails_stays_charged(planet: Visitor) -> None:
    planet.sandbox.fault("order-fails", count=1)
    order = done(planet, planet.item()["id"])
    assert (order["state"], "results" in order["_links"]) == ("failed", False)
    assert len(planet.sandbox.charges()) == 1


def test_an_order_that_delivers_less_than_was_charged(planet: Visitor) -> None:
    one, two = [item["id"] for item in planet.items() if {"ortho_analytic_4b", "ortho_udm2"} <= set(item["assets"])][:2]
    planet.sandbox.fault("order-partial", item=two)
    order = done(planet, one, two)
    assert (order["state"], [two in hint for hint in order["error_hints"]]) == ("partial", [True])
    assert not any(two in result["name"] for result in order["_links"]["results"])
    assert {charge["item_id"] for charge in planet.sandbox.charges()} == {one, two}
    assert done(planet, one, two, order_type="full")["state"] == "failed"


def test_an_order_that_is_stuck_goes_on_when_mended(planet: Visitor) -> None:
    order = placed(planet, planet.item()["id"])
    planet.sandbox.fault("order-stuck", path=order["id"])
    assert read(planet, order)["state"] == "running"
    planet.sandbox.mend("order-stuck")
    assert read(planet, order)["state"] == "success"


def test_an_answer_that_is_lost_leaves_an_order_behind(planet: Visitor) -> None:
    planet.sandbox.fault("answer-lost-on-create", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        planet.http.post(ORDERS, json=request(planet.item()["id"], name="mine"))
    assert [order["name"] for order in planet.http.get(ORDERS, params={"name": "mine"}).json()["orders"]] == ["mine"]
    assert len(planet.sandbox.charges()) == 1


def test_an_order_may_be_listed_late(planet: Visitor) -> None:
    planet.sandbox.fault("order-unlisted", seconds=60)
    order = placed(planet, planet.item()["id"])
    assert planet.http.get(ORDERS).json()["orders"] == []
    assert read(planet, order)["id"] == order["id"]
    planet.sandbox.advance(61)
    assert len(planet.http.get(ORDERS).json()["orders"]) == 1


def test_results_that_lie(planet: Visitor) -> None:
    item = planet.item()["id"]
    planet.sandbox.fault("result-missing", count=1)
    files = fetched(planet, done(planet, item))
    assert len(listed(files).keys() - files.keys()) == 1
    planet.sandbox.fault("wrong-digest", item=item, count=1)
    assert not agrees(fetched(planet, done(planet, item)))
    planet.sandbox.fault("hostile-name", count=1)
    order = done(planet, item)
    hostile = [result for result in order["_links"]["results"] if "../" in result["name"]]
    files = fetched(planet, order)
    assert len(hostile) == 1
    assert agrees(files)
    assert any(path.startswith("../../") for path in listed(files))


def test_links_expire_and_break_like_any_other(planet: Visitor) -> None:
    order = done(planet, planet.item()["id"])
    result = next(each for each in order["_links"]["results"] if each["name"].endswith("MS.tif"))
    planet.sandbox.fault("expired-link", count=1)
    assert httpx.get(result["location"]).status_code == 403
    assert httpx.get(result["location"] + "x").status_code == 401
    assert httpx.head(result["location"]).status_code == 405
    stored = link(planet, result)
    planet.sandbox.fault("cut", count=1, asset_type="ortho_analytic_4b")
    with pytest.raises(httpx.RemoteProtocolError):
        planet.fetch(stored)
    part = planet.fetch(stored, Range="bytes=10-")
    assert (part.status_code, len(planet.sandbox.charges())) == (206, 1)
    assert planet.fetch(stored.replace("compute-orders-live", "compute-orders-life")).status_code in (403, 404)
    planet.sandbox.advance(86400 + 1)
    assert httpx.get(result["location"]).status_code == 403
    assert json.loads(planet.fetch(link(planet, manifest_of(read(planet, order)))).content)["files"]


def manifest_of(order: dict[str, Any]) -> dict[str, Any]:
    return next(result for result in order["_links"]["results"] if result["name"].endswith("/manifest.json"))

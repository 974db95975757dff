"""The sandbox's Orders API: states, refusals, lists, links and everything that can go wrong with an order."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from ordering import CLIP, ORDERS, agrees, done, fetched, link, placed, read, request
from sandboxes import MILAN, Visitor, visited

from planet_assets.sandbox import order_book
from planet_assets.sandbox.answers import moment

NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def shared():
    with visited() as visitor:
        yield visitor


@pytest.fixture
def planet(shared: Visitor):
    shared.sandbox.reset()
    yield shared
    shared.sandbox.reset()


def polygon(*ring: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def square(west: float, south: float, size: float) -> list[list[float]]:
    east, north = west + size, south + size
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def areas(*parts: list[Any]) -> dict[str, Any]:
    return {"type": "MultiPolygon", "coordinates": list(parts)}


def refused(planet: Visitor, body: Any) -> str:
    answer = planet.http.post(ORDERS, json=body)
    assert answer.status_code == 400, answer.text
    said = answer.json()
    assert set(said) == {"field", "general"}
    assert planet.sandbox.charges() == []
    return " ".join(
        [said["general"][0]["message"], *(m["message"] for ms in (said["field"] or {}).values() for m in ms)]
    )


def test_an_order_is_queued_then_done_with_links_of_a_day(planet: Visitor) -> None:
    item = planet.item()["id"]
    order = placed(planet, item)
    assert (order["state"], order["last_message"], order["name"]) == ("queued", "Preparing order", "milan")
    assert "results" not in order["_links"]
    final = read(planet, order)
    assert (final["state"], final["last_message"], final["error_hints"]) == (
        "success",
        "Manifest delivery completed",
        [],
    )
    assert all(result["name"].startswith(f"{order['id']}/") for result in final["_links"]["results"])
    assert {result["delivery"] for result in final["_links"]["results"]} == {"success"}
    left = moment(final["_links"]["results"][0]["expires_at"]) - planet.sandbox.world.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    again = read(planet, order)
    locations = [{r["name"]: r["location"] for r in each["_links"]["results"]} for each in (final, again)]
    assert all(locations[0][name] != locations[1][name] for name in locations[0])
    assert httpx.URL(link(planet, final["_links"]["results"][0])).port == planet.sandbox.world.storage_port
    assert agrees(fetched(planet, final))
    assert len(planet.sandbox.charges()) == 1


def test_states_follow_the_clock() -> None:
    with visited(latency=1.0, start=NOON) as planet:
        order = placed(planet, planet.item()["id"])
        assert read(planet, order)["state"] == "queued"
        seen = ["queued"]
        for _ in range(100):
            planet.sandbox.advance(30)
            state = read(planet, order)
            seen += [state["state"]] if state["state"] != seen[-1] else []
            if state["state"] == "success":
                break
        assert seen == ["queued", "running", "success"]
        assert planet.http.put(order["_links"]["_self"]).status_code == 409
        planet.sandbox.advance(89 * 86400)
        assert read(planet, order)["_links"]["results"]
        kept = link(planet, read(planet, order)["_links"]["results"][0])
        planet.sandbox.advance(20 * 3600)
        assert planet.fetch(kept).status_code == 200
        planet.sandbox.advance(5 * 3600)
        assert planet.fetch(kept).status_code == 400
        planet.sandbox.advance(86400)
        gone = read(planet, order)
        assert (gone["state"], gone["_links"]["results"]) == ("success", [])


def test_a_switch_keeps_an_order_queued_until_it_was_seen() -> None:
    with visited(queued_once=True) as planet:
        order = placed(planet, planet.item()["id"])
        assert [read(planet, order)["state"] for _ in range(2)] == ["queued", "success"]
        other = placed(planet, planet.item()["id"])
        stopped = planet.http.put(other["_links"]["_self"])
        assert (stopped.status_code, stopped.json()["state"]) == (200, "cancelled")
        assert read(planet, other)["state"] == "cancelled"
        assert "results" not in read(planet, other)["_links"]
        assert len(planet.sandbox.charges()) == 2


def test_unknown_orders_are_not_found_in_two_wordings(planet: Visitor) -> None:
    number = "18389c7e-1831-4de7-8187-d30ffe88b4b7"
    missing = planet.http.get(f"{ORDERS}/{number}"), planet.http.put(f"{ORDERS}/{number}")
    assert [answer.status_code for answer in missing] == [404, 404]
    assert missing[0].json() == {"message": f"Could not load order ID: {number}."}
    assert missing[1].json() == {"message": f"No such order ID: {number}."}


def test_bulk_cancel_and_statistics() -> None:
    with visited(queued_once=True, keys=("one", "two")) as planet:
        item = planet.item()["id"]
        first, second, third = (placed(planet, item) for _ in range(3))
        theirs = httpx.post(f"{planet.sandbox.url}{ORDERS}", json=request(item), auth=("two", "")).json()
        counts = planet.http.get("/compute/ops/stats/orders/v2").json()
        assert counts["organization"] == {"queued_orders": 4, "running_orders": 0}
        assert counts["user"]["queued_orders"] == 3
        read(planet, third)
        bulk = "/compute/ops/bulk/orders/v2/cancel"
        result = planet.http.post(bulk, json={"order_ids": [first["id"], third["id"], "x"]}).json()["result"]
        assert result["succeeded"] == {"count": 1}
        assert result["failed"]["count"] == 2
        late = {"order_id": third["id"], "message": "Order not in a cancellable state"}
        assert result["failed"]["failures"][0] == late
        assert planet.http.post(bulk, json={}).json()["result"] == {
            "succeeded": {"count": 1}, "failed": {"count": 0, "failures": []}
        }  # fmt: skip
        assert read(planet, second)["state"] == "cancelled"
        assert read(planet, theirs)["state"] == "queued"


def test_too_many_orders_at_once_are_a_conflict() -> None:
    with visited(max_orders=1, latency=1.0) as planet:
        item = planet.item()["id"]
        placed(planet, item)
        assert planet.http.post(ORDERS, json=request(item)).status_code == 409
        planet.sandbox.advance(86400)
        placed(planet, item)
        assert len(planet.sandbox.charges()) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "Unable to accept order This field is required"),
        ({"products": []}, "required"),
        ({"order_type": "some"}, "Bad order type 'some'"),
        ({"subscription_id": 301720}, "Insufficient quota: /subscriptions do not match all of the events"),
        ({"tools": [{"tile": {}}]}, "no tool 'tile'"),
        ({"tools": [{"toar": {}}], "bundle": "analytic_sr_udm2"}, "toar: needs an analytic bundle"),
        ({"tools": [{"harmonize": {"target_sensor": "Sentinel-2"}}]}, "harmonize: not possible to 'Sentinel-2'"),
        ({"tools": [{"reproject": {"projection": "EPSG:1"}}]}, "reproject: bad projection 'EPSG:1'"),
        ({"tools": [{"file_format": {"format": "PNG"}}]}, "file_format"),
        ({"tools": [{"coregister": {"anchor_item": "other"}}]}, "anchor_item"),
        ({"tools": [{"composite": {}}], "metadata": {"stac": {}}}, "STAC"),
        ({"tools": [CLIP], "bundle": "basic_analytic_udm2"}, "'clip' is not supported for bundle type 'basic_"),
        ({"tools": {"clip": {}}}, "Each tool is an object"),
        ({"tools": [{"clip": "here"}]}, "its options are an object"),
        ({"tools": [{"clip": {}}]}, "AOI is invalid"),
        ({"tools": [CLIP, CLIP]}, "Bad tool 'clip'"),
        ({"tools": [{"toar": {"scale_factor": "x"}}]}, "scale_factor"),
        ({"tools": [{"reproject": {"projection": []}}]}, "bad projection"),
        ({"tools": [{"reproject": {"projection": "EPSG:3035", "resolution": 0}}]}, "resolution"),
        ({"source_type": "basemaps"}, "no source 'basemaps'"),
        ({"metadata": "stac"}, "objects"),
        ({"delivery": {"amazon_s3": {}}}, "amazon_s3"),
        ({"delivery": {"archive_type": "tar"}}, "Bad archive type 'tar'"),
        ({"bundle": "analytic_9b"}, "Bad item type 'PSScene' for bundle type 'analytic_9b'"),
        ({"bundle": "visual,analytic_9b"}, "Bad item type 'PSScene' for bundle type 'analytic_9b'"),
    ],
)
def test_malformed_requests_are_refused(planet: Visitor, change: dict[str, Any], words: str) -> None:
    assert words in refused(planet, request(planet.item()["id"], **change))


def test_items_must_exist_and_be_no_more_than_500(planet: Visitor) -> None:
    text = "Item ID 20200101_000000_00_0000 / Item Type PSScene doesn't exist"
    assert text in refused(planet, request(planet.item()["id"], "20200101_000000_00_0000"))
    assert "500 items" in refused(planet, request(*(f"item{n}" for n in range(501))))
    assert "JSON object" in refused(planet, [1])
    assert "item_ids" in refused(planet, request())


AREAS: list[tuple[Any, str]] = [
    (polygon((9, 45), (9.1, 45.1), (9.1, 45), (9, 45.1)), "AOI is invalid: Self-intersection[9.05 45.05]"),
    ({"type": "Point", "coordinates": [9, 45]}, "AOI is invalid"),
    (areas([square(9, 45, 1)[:-1]]), "AOI is invalid: empty, or a ring is not closed"),
    (areas([square(179.5, 45, 1)]), "beyond the range"),
    (areas([square(9, 45, 1e-6)]), "smaller than 1 square metre"),
    (areas([square(9, 45, 1), square(9.5, 45.5, 1e-6)]), "smaller than 1 square metre"),
    (areas([square(9, 45, 1)], [square(9.5, 45.5, 1)]), "AOI is invalid: Self-intersection"),
    (areas([square(9, 45, 0.1)], [square(9.2, 45, 0.1), square(9.22, 45.02, 0.02)]), "Polygons with holes first"),
    (polygon(*((9 + 0.0001 * n, 45 + 0.001 * (n % 2)) for n in range(1500)), (9.2, 46)), "AOI too complex"),
    ("pl:features/my/no/where", "AOI is invalid"),
]


@pytest.mark.parametrize(("aoi", "words"), AREAS, ids=range(len(AREAS)))
def test_bad_areas_are_refused(planet: Visitor, aoi: Any, words: str) -> None:
    assert words in refused(planet, request(planet.item()["id"], tools=[{"clip": {"aoi": aoi}}]))


def test_a_reference_is_an_area(planet: Visitor) -> None:
    planet.sandbox.feature("pl:features/my/sites/milan", MILAN)
    item = planet.item()["id"]
    for aoi in ("pl:features/my/sites/milan", {"type": "ref", "content": "pl:features/my/sites/milan"}):
        placed(planet, item, tools=[{"clip": {"aoi": aoi}}])
    placed(planet, item, tools=[CLIP])
    assert len({charge["km2"] for charge in planet.sandbox.charges()}) == 1


def dove(planet: Visitor) -> str:
    """An item of the older fleet, which has no eight bands."""
    dates = {"gte": "2020-06-01T00:00:00Z", "lt": "2020-06-08T00:00:00Z"}
    items = planet.search(dates=dates).json()["features"]
    wanted = {"ortho_analytic_4b", "ortho_udm2"}
    return next(i["id"] for i in items if wanted <= set(i["assets"]) and "ortho_analytic_8b" not in i["assets"])


def test_fallbacks_full_and_partial(planet: Visitor) -> None:
    good, poor = planet.item()["id"], dove(planet)
    text = f"no access to assets: PSScene/{poor}/[ortho_analytic_8b"
    assert text in refused(planet, request(good, poor, bundle="analytic_8b_udm2", order_type="full"))
    assert "no acceptable assets" in refused(planet, request(poor, bundle="analytic_8b_udm2"))
    order = done(planet, good, poor, bundle="analytic_8b_udm2")
    assert order["state"] == "partial"
    assert [text in hint for hint in order["error_hints"]] == [True]
    assert {charge["item_id"] for charge in planet.sandbox.charges()} == {good}
    both = done(planet, good, poor, bundle="analytic_8b_udm2,analytic_udm2", order_type="full")
    assert both["state"] == "success"
    bundles = {charge["item_id"]: charge["asset_type"] for charge in planet.sandbox.charges()[1:]}
    assert bundles == {good: "analytic_8b_udm2", poor: "analytic_udm2"}


def test_items_beyond_the_clip_are_left_out(planet: Visitor) -> None:
    item, far = planet.item()["id"], {"clip": {"aoi": {"type": "Polygon", "coordinates": [square(20, 20, 0.1)]}}}
    assert "no acceptable assets" in refused(planet, request(item, tools=[far]))
    assert "no overlap" in refused(planet, request(item, tools=[far], order_type="full"))


def test_an_account_that_may_not_order_has_no_access() -> None:
    with visited(orders_permitted=False) as planet:
        assert "no access to assets: PSScene/" in refused(planet, request(planet.item()["id"]))


def test_items_under_embargo_are_no_acceptable_assets() -> None:
    with visited(embargo_days=100_000) as planet:
        assert "no acceptable assets" in refused(planet, request(planet.items()[0]["id"]))


def test_the_list_is_filtered_sorted_and_paged() -> None:
    with visited(start=NOON, queued_once=True, keys=("one", "two")) as planet:
        item = planet.item()["id"]
        made = []
        for name, more in (("b", {}), ("a one", {}), ("a two", {"hosting": {"sentinel_hub": {}}})):
            made.append(placed(planet, item, name=name, **more)["id"])
            planet.sandbox.advance(3600)
        body = request(item, name="c", delivery={"destination": {"ref": "pl:destinations/x"}})
        made.append(httpx.post(planet.sandbox.url + ORDERS, json=body, auth=("two", "")).json()["id"])

        def ids(**parameters: Any) -> list[int]:
            answer = planet.http.get(ORDERS, params=parameters)
            assert answer.status_code == 200, answer.text
            return [made.index(order["id"]) for order in answer.json()["orders"]]

        one = NOON + timedelta(minutes=30)
        stamp = planet.http.get(f"{ORDERS}/{made[1]}").json()["created_on"]
        assert ids(source_type="all") == [3, 2, 1, 0]
        assert ids(sort_by="name") == [1, 2, 0, 3]
        assert ids(sort_by="name DESC,created_on") == [3, 0, 2, 1]
        assert ids(name="b") == [0]
        assert ids(name__contains="a ") == [2, 1]
        assert ids(created_on=f"{one:%Y-%m-%dT%H:%M:%SZ}/..") == [3, 2, 1]
        assert ids(created_on=f"../{one:%Y-%m-%dT%H:%M:%SZ}") == [0]
        assert ids(last_modified=f"{NOON:%Y-%m-%dT%H:%M:%SZ}/{one:%Y-%m-%dT%H:%M:%SZ}") == [0]
        assert ids(created_on=stamp) == [1]
        assert (ids(hosting="true"), ids(hosting="false")) == ([2], [3, 1, 0])
        assert ids(destination_ref="pl:destinations/x") == [3]
        assert ids(user_id="all") == [3, 2, 1, 0]
        assert ids(user_id="43562") == [3]
        assert ids(source_type="basemaps") == []
        assert ids(state="queued") == []
        page = planet.http.get(ORDERS, params={"page_size": 3, "source_type": "all"}).json()
        assert len(page["orders"]) == 3
        assert "next" not in planet.http.get(page["_links"]["next"]).json()["_links"]
        for bad in ({"state": "x"}, {"sort_by": "km2"}, {"created_on": "x"}, {"page_size": 0}, {"page_marker": "x"}):
            assert planet.http.get(ORDERS, params=bad).status_code == 400
        nowhere = read(planet, {"_links": {"_self": f"{ORDERS}/{made[3]}"}})["_links"]["results"]
        assert all("location" not in result for result in nowhere)


def test_others_orders_are_listed_with_what_they_spent(planet: Visitor) -> None:
    planet.item()
    planet.sandbox.spend(40.0)
    planet.sandbox.spend(1500.0, "QGIS")
    orders = planet.http.get(ORDERS, params={"source_type": "all", "page_size": 100}).json()["orders"]
    assert {order["name"] for order in orders} == {"Explorer", "QGIS"}
    explorer = next(order for order in orders if order["name"] == "Explorer")
    final = done_again(planet, explorer)
    files = fetched(planet, final)
    assert agrees(files)
    assert any(name.endswith("_3B_AnalyticMS_clip.tif") for name in files)
    assert planet.sandbox.charges() == []
    assert planet.sandbox.state()["used_km2"] == pytest.approx(1540.0)


def test_what_the_list_calls_final_stays_final(planet: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_book, "_PATIENCE_S", 0.0)
    one, two = (placed(planet, planet.item()["id"], bundle="analytic_8b_udm2", tools=[CLIP]) for _ in range(2))
    assert read(planet, one)["state"] == "running"
    state = planet.http.get(ORDERS).json()["orders"][0]["state"]
    assert (state, read(planet, two)["state"]) == ("success", "success")


def done_again(planet: Visitor, order: dict[str, Any]) -> dict[str, Any]:
    for _ in range(20):
        order = read(planet, order)
        if order["state"] != "running":
            break
    return order


def test_orders_have_their_own_pace() -> None:
    with visited(rate_scale=1.0) as planet:
        answers = [planet.http.get(ORDERS) for _ in range(3)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert 100 < int(refused[0].headers["x-retry-in"].removesuffix("ms")) <= 334
        assert planet.http.get(f"{ORDERS}/x").status_code == 404
        time.sleep(0.34)
        assert planet.http.get(ORDERS).status_code == 200


def test_orders_outlive_a_restart(tmp_path: Path) -> None:
    with visited(state=tmp_path) as planet:
        order = done(planet, planet.item()["id"], tools=[CLIP])
        before = fetched(planet, order)
        charges = planet.sandbox.charges()
    with visited(state=tmp_path) as planet:
        (kept,) = planet.http.get(ORDERS).json()["orders"]
        assert kept["id"] == order["id"]
        assert fetched(planet, done_again(planet, kept)) == before
        assert planet.sandbox.charges() == charges

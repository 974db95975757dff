"""The sandbox's products and quota reservations, with the units and strings of Planet's own."""

from __future__ import annotations

import pytest
from sandboxes import MILAN, Visitor, visited
from shapely.geometry import box, mapping, shape

from planet_assets.sandbox.billing import area_km2

BASE = "/account/v1/quota-reservations"
AREAS = ("pl:features/my/farms/milan", "pl:features/my/farms/small", "pl:features/my/other/lodi")


@pytest.fixture
def planet():
    with visited(reservable_km2=1000.0, scene_product=True) as visitor:
        for reference, area in zip(
            AREAS, (shape(MILAN), box(9, 45, 9.01, 45.01), box(9.4, 45.2, 9.6, 45.4)), strict=True
        ):
            visitor.sandbox.feature(reference, mapping(area))
        yield visitor


def product(planet: Visitor) -> dict:
    answer = planet.http.get("/account/v1/my/products", params={"limit": 500, "supports_reservation": "true"}).json()
    (row,) = answer["results"]
    assert answer["meta"] == {"args": {"limit": 500, "offset": 0}, "count": 1, "next": None, "prev": None}
    return row


def ask(planet: Visitor, *references: str, **more: object) -> dict:
    return {"aoi_refs": list(references), "product_id": product(planet)["id"]} | more


def test_products_say_units_naive_dates_and_the_least_area(planet: Visitor) -> None:
    row = product(planet)
    assert (row["quota_units"], row["quota_total"], row["area"]["value"]) == ("sqkm", 1000.0, 25.0)
    assert not row["term_start_date"].endswith("Z")
    both = planet.http.get("/account/v1/my/products/").json()["results"]
    classic = next(each for each in both if not each["supports_reservation"])
    assert (classic["quota_total"], classic["quota_used"]) == (100_000.0, 0.0)


def test_an_estimate_is_in_square_kilometres_and_takes_nothing(planet: Visitor) -> None:
    said = planet.http.post(f"{BASE}/estimate", json=ask(planet, *AREAS[:2])).json()
    milan, small = said["estimated_costs"]
    assert milan["cost"] == pytest.approx(area_km2(shape(MILAN)))
    assert (small["cost"], small["reserved"]) == (25.0, False)
    assert said["total_cost"] == pytest.approx(milan["cost"] + 25.0)
    assert (said["quota_remaining"], said["quota_total"], said["quota_units"]) == (1000.0, 1000.0, "sqkm")


def test_a_reservation_answers_in_square_metres_with_a_string(planet: Visitor) -> None:
    made = planet.http.post(f"{BASE}/", json=ask(planet, AREAS[1])).json()
    assert made["quota_remaining"] == "975000000.0"
    assert (made["quota_total"], made["quota_used"], made["quota_units"]) == (1e9, 25e6, "sqm")
    (row,) = planet.http.get(f"{BASE}/", params={"limit": 500}).json()["results"]
    assert (row["aoi_ref"], row["amount"], row["state"], row["collection_id"]) == (AREAS[1], 25.0, "reserved", "farms")
    assert planet.http.get(f"{BASE}/{row['id']}").json() == planet.http.get(row["url"]).json() == row
    assert planet.http.post(f"{BASE}/estimate", json=ask(planet, AREAS[1])).json()["estimated_costs"][0]["reserved"]
    planet.http.post(f"{BASE}/", json=ask(planet, AREAS[1]))
    assert product(planet)["quota_used"] == 25.0
    assert planet.http.get(f"{BASE}/1").status_code == 404


def test_what_cannot_be_reserved_is_refused(planet: Visitor) -> None:
    number = product(planet)["id"]
    bad = (
        {"aoi_refs": None, "product_id": number},
        {"aoi_refs": [AREAS[0]], "collection_id": None, "product_id": number},
        {"aoi_refs": ["pl:features/my/no/where"], "product_id": number},
        {"aoi_refs": [AREAS[0]], "product_id": 1},
    )
    for body in bad:
        refused = planet.http.post(f"{BASE}/", json=body)
        assert (refused.status_code, list(refused.json())) == (400, ["message"])
    planet.sandbox.feature("pl:features/my/farms/all", mapping(box(9, 45, 10, 46)))
    assert planet.http.post(f"{BASE}/", json=ask(planet, "pl:features/my/farms/all")).status_code == 400
    assert product(planet)["quota_used"] == 0.0


def test_lists_are_filtered_sorted_and_paged(planet: Visitor) -> None:
    planet.http.post(f"{BASE}/", json=ask(planet, *AREAS))
    page = planet.http.get(f"{BASE}/", params={"limit": 2, "sort": "-amount", "fields": "aoi_ref,amount"}).json()
    rest = planet.http.get(page["meta"]["next"]).json()
    assert (page["meta"]["count"], rest["meta"]["next"]) == (3, None)
    assert [row["aoi_ref"] for row in page["results"] + rest["results"]] == [AREAS[2], AREAS[0], AREAS[1]]
    assert set(page["results"][0]) == {"aoi_ref", "amount"}
    filters = {
        "amount__gt": ("26", 2), "amount__lte": ("25", 1), "aoi_ref": (AREAS[0], 1), "aoi_ref__icontains": ("FARMS", 2),
        "aoi_ref__like": ("pl:%lodi", 1), "collection_id__in": ("farms,none", 2), "collection_id__notin": ("farms", 1),
        "collection_id__isnull": ("true", 0), "state__ne": ("active", 3),
    }  # fmt: skip
    for name, (value, count) in filters.items():
        assert planet.http.get(f"{BASE}/", params={name: value}).json()["meta"]["count"] == count, name
    assert planet.http.get(f"{BASE}/", params={"nonsense": 1}).status_code == 400


def test_a_bulk_job_reserves_when_its_time_has_come() -> None:
    with visited(latency=1.0) as planet:
        for reference in AREAS[:2]:
            planet.sandbox.feature(reference, MILAN)
        body = {"collection_id": "farms", "product_id": product(planet)["id"]}
        made = planet.http.post(f"{BASE}/bulk-reserve", json=body)
        assert (made.status_code, made.json()["status"]) == (201, "pending")
        job = planet.http.get(f"{BASE}/jobs/{made.json()['job_id']}").json()
        assert (job["type"], job["status"], job["processed_items"], job["total_items"]) == (
            "quota:reserve",
            "pending",
            0,
            2,
        )
        planet.sandbox.advance(60)
        (job,) = planet.http.get(f"{BASE}/jobs").json()["results"]
        assert (job["status"], job["percentage"], job["processed_items"]) == ("completed", 100.0, 2)
        assert planet.http.get(f"{BASE}/").json()["meta"]["count"] == 2
        assert planet.http.get(f"{BASE}/jobs/1").status_code == 404

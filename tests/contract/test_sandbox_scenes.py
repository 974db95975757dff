"""The sandbox's scenes: like Planet's, the same world for whoever asks, and found again by id alone."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pyproj import Geod
from shapely.geometry import Polygon, box, shape
from shapely.ops import unary_union

from planet_assets.sandbox.scenes import Catalog, make_scenes

SAVED_SEARCH = Path(__file__).parents[2].parent / "shared" / "data" / "milan_psscene_2025-01.json"
MILAN = box(9.10, 45.40, 9.23, 45.49)
GEOD = Geod(ellps="WGS84")


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


JANUARY = (day(2025, 1, 1), day(2025, 2, 1))


@pytest.fixture(scope="module")
def january() -> list[dict[str, Any]]:
    return make_scenes(MILAN, *JANUARY)


@pytest.fixture(scope="module")
def real() -> dict[str, Any]:
    if not SAVED_SEARCH.exists():
        reason = "the real saved search lies beside the repository, in shared/data"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    found: dict[str, Any] = json.loads(SAVED_SEARCH.read_text(encoding="utf-8"))
    return found


def area_km2(feature: dict[str, Any]) -> float:
    return abs(float(GEOD.geometry_area_perimeter(shape(feature["geometry"]))[0])) / 1e6


def test_a_scene_has_the_members_and_properties_of_a_real_one(
    real: dict[str, Any], january: list[dict[str, Any]]
) -> None:
    model = real["features"][0]
    full = [f for f in january if "ortho_udm2" in f["assets"]]
    for feature in full:
        assert set(feature) == set(model) - {"_links"}
        assert set(feature["properties"]) == set(model["properties"])
        for name, value in model["properties"].items():
            kind = (int, float) if isinstance(value, (int, float)) else type(value)
            assert isinstance(feature["properties"][name], kind), name
    assert any(f["assets"] == model["assets"] and f["_permissions"] == model["_permissions"] for f in full)


def test_footprints_resemble_the_real_ones(real: dict[str, Any], january: list[dict[str, Any]]) -> None:
    def looks(feature: dict[str, Any]) -> tuple[float, float, float, float]:
        ring = feature["geometry"]["coordinates"][0]
        heading, _, along = GEOD.inv(*ring[0], *ring[1])
        return heading, along / 1000, GEOD.inv(*ring[1], *ring[2])[2] / 1000, area_km2(feature)

    measured = (zip(*map(looks, features), strict=True) for features in (january, real["features"]))
    for ours, theirs in zip(*measured, strict=True):
        slack = 0.06 * max(abs(value) for value in theirs)
        assert min(ours) >= min(theirs) - slack
        assert max(ours) <= max(theirs) + slack


@pytest.mark.parametrize("lon, lat", [(9.1, 45.4), (36.8, -1.3), (-58.4, -34.6), (24.9, 60.2), (179.95, -17)])
def test_every_place_is_seen_once_to_three_times_a_day(lon: float, lat: float) -> None:
    scenes = make_scenes(box(lon, lat, lon + 0.02, lat + 0.02), day(2024, 3, 1), day(2024, 3, 31))
    passes = {(f["properties"]["satellite_id"], f["id"][:8]) for f in scenes}
    assert 0.8 <= len(passes) / 30 <= 3.5
    for feature in scenes:
        acquired = datetime.fromisoformat(feature["properties"]["acquired"])
        solar_hour = (acquired.hour + acquired.minute / 60 + lon / 15) % 24
        assert 8.5 < solar_hour < 12


def test_the_same_world_whoever_asks(january: list[dict[str, Any]]) -> None:
    larger = make_scenes(box(7, 44, 12, 47), day(2025, 1, 3), day(2025, 1, 6))
    by_id = {f["id"]: f for f in larger}
    shared = [f for f in january if "20250103" <= f["id"][:8] < "20250106"]
    assert shared
    for feature in shared:
        assert by_id[feature["id"]] == feature
    assert make_scenes(MILAN, *JANUARY) == january
    assert [f["id"] for f in make_scenes(MILAN, *JANUARY, seed=1)] != [f["id"] for f in january]


def test_scenes_lie_where_and_when_they_were_asked_for(january: list[dict[str, Any]]) -> None:
    start, end = day(2025, 1, 10) + timedelta(hours=9, minutes=50), day(2025, 1, 20)
    assert {f["id"] for f in make_scenes(MILAN, start, end)} == {
        f["id"] for f in january if start <= datetime.fromisoformat(f["properties"]["acquired"]) <= end
    }
    assert all(shape(f["geometry"]).intersects(MILAN) for f in january)
    assert len({f["id"] for f in january}) == len(january)
    assert make_scenes(MILAN, end, start) == []
    assert make_scenes(Polygon(), start, end) == []


def test_a_strip_is_a_row_of_overlapping_scenes_some_seconds_apart() -> None:
    scenes = make_scenes(box(9, 43, 9.1, 47), day(2025, 1, 3), day(2025, 1, 6))
    strips: dict[str, list[dict[str, Any]]] = {}
    for feature in scenes:
        strips.setdefault(feature["properties"]["strip_id"], []).append(feature)
    pairs = [pair for strip in strips.values() for pair in pairwise(strip)]
    assert len(pairs) > 20
    for before, after in pairs:
        first, second = (datetime.fromisoformat(f["properties"]["acquired"]) for f in (before, after))
        assert 1.5 < (second - first).total_seconds() < 3
        overlap = shape(before["geometry"]).intersection(shape(after["geometry"])).area
        assert 0.03 < overlap / shape(after["geometry"]).area < 0.4
        assert before["properties"]["satellite_id"] == after["properties"]["satellite_id"]


@pytest.mark.parametrize(
    "year, form, instrument",
    [
        (2017, r"\d{8}_\d{6}_[0-9a-f]{4}", {"PS2"}),
        (2019, r"\d{8}_\d{6}_\d_[0-9a-f]{4}", {"PS2"}),
        (2021, r"\d{8}_\d{6}_\d\d_[0-9a-f]{4}", {"PS2", "PSB.SD"}),
        (2025, r"\d{8}_\d{6}_\d\d_[0-9a-f]{4}", {"PSB.SD"}),
    ],
)
def test_id_forms_and_instruments_of_their_time(year: int, form: str, instrument: set[str]) -> None:
    scenes = make_scenes(MILAN, day(year, 6, 1), day(year, 6, 20))
    assert {f["properties"]["instrument"] for f in scenes} == instrument
    for feature in scenes:
        assert re.fullmatch(form, feature["id"])
        if feature["properties"]["instrument"] == "PS2":
            assert not [name for name in feature["assets"] if "8b" in name]
        # A catalogue that was never asked anything knows the scene from its id, as after a restart.
        assert Catalog(pixel_size_m=30).get(feature["id"]) == feature


@pytest.mark.parametrize(
    "strange", ["", "x", "20250103_103353_36_24dc", "20259903_103353_36_24a3", "20250103_101402_22_ffff"]
)
def test_an_id_that_nobody_took_is_unknown(strange: str) -> None:
    assert Catalog().get(strange) is None


def test_properties_hang_together() -> None:
    scenes = make_scenes(box(9.1, 45.4, 9.2, 45.5), day(2023, 9, 1), day(2024, 4, 1))
    parts = ("clear", "snow_ice", "shadow", "light_haze", "heavy_haze", "cloud")
    for feature in scenes:
        p = feature["properties"]
        acquired, published, updated = (datetime.fromisoformat(p[k]) for k in ("acquired", "published", "updated"))
        assert acquired < published < updated
        assert 0 <= p["cloud_cover"] <= 1
        assert p["sun_elevation"] > 0
        assert feature["_permissions"] == [f"assets.{name}:download" for name in feature["assets"]]
        if "ortho_udm2" not in feature["assets"]:
            assert "clear_percent" not in p
            continue
        assert sum(p[f"{part}_percent"] for part in parts) == 100
        assert p["cloud_cover"] == p["cloud_percent"] / 100
        if acquired >= day(2023, 12, 1):
            assert p["heavy_haze_percent"] == 0
    tested = [f["properties"]["quality_category"] == "test" for f in scenes]
    clouds = [f["properties"]["cloud_cover"] for f in scenes]
    assert 0.08 < sum(tested) / len(tested) < 0.25
    assert 0.2 < sum(c < 0.1 for c in clouds) / len(clouds) < 0.9
    assert sum(c > 0.5 for c in clouds) > 0.05 * len(clouds)
    assert {f["properties"]["publishing_stage"] for f in scenes} == {"finalized", "preview"}
    assert {f["properties"]["ground_control"] for f in scenes} == {True, False}
    for part in ("udm2", "8b", "sr"):
        lacking = [f for f in scenes if not any(part in name.split("_") for name in f["assets"])]
        assert 0 < len(lacking) < 0.15 * len(scenes)


def test_pixels_other_than_planets_are_confessed() -> None:
    when = (day(2025, 1, 3), day(2025, 1, 5))
    true, coarse = (make_scenes(MILAN, *when, pixel_size_m=size)[0]["properties"] for size in (3, 30))
    assert (true["pixel_resolution"], coarse["pixel_resolution"]) == (3, 30)
    assert 3.2 <= true["gsd"] <= 4.1
    assert 30 <= coarse["gsd"] <= 41


def test_the_antimeridian_cuts_a_footprint_in_two() -> None:
    scenes = make_scenes(box(179.9, -17.1, 180, -17), day(2024, 5, 1), day(2024, 5, 8))
    cut = [f for f in scenes if f["geometry"]["type"] == "MultiPolygon"]
    assert cut
    for feature in cut:
        pieces = shape(feature["geometry"])
        assert -180 <= pieces.bounds[0] < -179 < 179 < pieces.bounds[2] <= 180
        assert 300 < area_km2(feature) < 800
    beyond = make_scenes(box(-180, -17.1, -179.9, -17), day(2024, 5, 1), day(2024, 5, 8))
    assert {f["id"] for f in cut} & {f["id"] for f in beyond}


def test_a_saved_search_is_served_as_it_is(real: dict[str, Any]) -> None:
    model = {f["id"]: f for f in real["features"]}
    catalog = Catalog(SAVED_SEARCH, pixel_size_m=3)
    where = unary_union([shape(f["geometry"]) for f in model.values()])
    found = {f["id"]: f for f in catalog.search(where, *JANUARY)}
    assert found.keys() == model.keys()
    for item_id, feature in found.items():
        assert feature == {name: value for name, value in model[item_id].items() if name != "_links"}
        assert catalog.get(item_id) == feature
    assert catalog.get("20250103_101402_22_24d0") is None
    assert catalog.search(box(0, 0, 1, 1), *JANUARY) == []
    narrower = catalog.search(where, day(2025, 1, 13), day(2025, 1, 14))
    assert {f["id"][:8] for f in narrower} == {"20250113"}


def test_a_saved_search_with_other_pixels_says_so(real: dict[str, Any]) -> None:
    item = real["features"][0]
    served = Catalog(SAVED_SEARCH, pixel_size_m=30).get(item["id"])
    assert served is not None
    changed = {name for name, value in item["properties"].items() if served["properties"][name] != value}
    assert changed == {"gsd", "pixel_resolution"}
    assert served["properties"]["gsd"] == pytest.approx(10 * item["properties"]["gsd"])

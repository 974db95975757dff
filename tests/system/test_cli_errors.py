"""Bad input and bad weather: one line that says what to do, the right exit code, nothing spent, no half file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import WEEK, Answer, Desk
from sandboxes import running

from planet_assets.sandbox import RunningSandbox

LAT_LON = "POLYGON ((45.42 119.12, 45.51 119.12, 45.51 119.25, 45.42 119.12))"
BOW_TIE = "POLYGON ((9 45, 10 46, 10 45, 9 46, 9 45))"
OTHER_CRS = {
    "type": "Polygon",
    "crs": {"type": "name", "properties": {"name": "EPSG:32632"}},
    "coordinates": [[[5e5, 5e6], [5.1e5, 5e6], [5.1e5, 5.1e6], [5e5, 5e6]]],
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running() as started:
        yield started


@pytest.fixture
def desk(tmp_path: Path, sandbox: RunningSandbox) -> Iterator[Desk]:
    sandbox.reset()
    yield Desk(tmp_path, sandbox)
    assert sandbox.billed_km2() == 0
    assert not list(tmp_path.rglob("*.tif*"))


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory, sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return Desk(tmp_path_factory.mktemp("search"), sandbox).scenes("--limit", 2)


def complained(answer: Answer, code: int, *words: str) -> None:
    """One line of ours on stderr, nothing on stdout."""
    assert answer.code == code, answer.err
    lines = answer.err.strip().splitlines()
    assert lines[-1].startswith("planet-assets: "), answer.err
    assert sum(line.startswith("planet-assets: ") for line in lines) == 1
    for word in words:
        assert word.lower() in answer.err.lower()


def test_without_a_key_6(desk: Desk, features: list[Any]) -> None:
    complained(desk.run("plan", desk.saved(features), PL_API_KEY=None), 6, "PL_API_KEY")


def test_a_refused_key_6(desk: Desk) -> None:
    complained(desk.run("auth", "check", PL_API_KEY="PLAKnotthisone"), 6, "key")
    complained(desk.run("search", "--roi", desk.roi, *WEEK, PL_API_KEY="PLAKnotthisone"), 6)


def test_no_network_5(desk: Desk) -> None:
    nobody = {"PLANET_ASSETS__PLANET__API_URL": "http://127.0.0.1:9", "PLANET_ASSETS__RETRY_ATTEMPTS": "0"}
    complained(desk.run("search", "--roi", desk.roi, *WEEK, **nobody), 5, "no answer")


def test_a_remembered_quota_says_that_planet_could_not_be_asked(desk: Desk) -> None:
    nobody = {"PLANET_ASSETS__PLANET__API_URL": "http://127.0.0.1:9", "PLANET_ASSETS__RETRY_ATTEMPTS": "0"}
    assert "Remembered" not in desk.run("--text", "quota", "show").out
    assert "Remembered: Planet could not be asked" in desk.run("--text", "quota", "show", **nobody).out


@pytest.mark.parametrize(
    ("region", "word"),
    [
        ("POLYGON EMPTY (", "WKT"),
        ("POINT (9 45)", "no area"),
        (BOW_TIE, "self-intersection"),
        (LAT_LON, "swapped"),
        ("missing.geojson", "does not exist"),
        (json.dumps(OTHER_CRS), "32632"),
    ],
)
def test_a_region_that_cannot_be_meant_2(desk: Desk, region: str, word: str) -> None:
    complained(desk.run("search", "--roi", region, *WEEK), 2, word)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--from", "2025-01-31", "--to", "2025-01-01"), "swap"),
        (("--from", "yesterday", "--to", "2025-01-01"), "2025-01-31"),
        (("--from", "2025-01-01"), "--to"),
        ((*WEEK, "--cloud", "20"), "0.2"),
        ((*WEEK, "--limit", "0"), "limit"),
        ((*WEEK, "--clouds", "0.2"), "--cloud"),
    ],
)
def test_a_search_that_cannot_be_meant_2(desk: Desk, options: tuple[str, ...], word: str) -> None:
    complained(desk.run("search", "--roi", desk.roi, *options), 2, word)


def test_scenes_that_cannot_be_meant_2(desk: Desk, features: list[Any]) -> None:
    nameless = {**features[0], "id": None, "properties": {**features[0]["properties"], "id": None}}
    complained(desk.run("download", desk.saved([nameless]), "--yes"), 2, "no id")
    placeless = {**features[0], "geometry": None}
    complained(desk.run("download", desk.saved([placeless]), "--yes"), 2, "no geometry")
    complained(desk.run("download", "-", "--yes", given="{not json"), 2, "no JSON")
    complained(desk.run("download", "--yes"), 2, "which scenes")
    complained(desk.run("download", "-", "--clip", "-", "--yes"), 2, "stdin")
    complained(desk.run("download", "-", "--cog", "--yes"), 2, "--clip")


def test_a_scene_nobody_has_4(desk: Desk) -> None:
    complained(desk.run("plan", "20250101_000000_00_0000"), 4)


def test_an_unknown_asset_type_says_what_there_is(desk: Desk, features: list[Any]) -> None:
    complained(desk.run("plan", desk.saved(features), "--assets", "ortho_9b"), 2, "ortho_9b", "ortho_analytic_4b")


def test_a_setting_misspelt_2(desk: Desk) -> None:
    complained(desk.run("config", "show", PLANET_ASSETS__MAX_CONCURENT_DOWNLOADS="3"), 2, "max_concurrent_downloads")


def test_over_quota_7(tmp_path: Path, features: list[Any]) -> None:
    with running(quota_km2=100) as poor:
        desk = Desk(tmp_path, poor)
        planned = desk.run("plan", desk.saved(features))
        assert planned.code == 7
        assert planned.json()["verdict"]["word"] == "over"
        complained(desk.run("download", desk.saved(features), "--yes"), 7, "quota exceeded")
        assert poor.billed_km2() == 0


def test_an_unknown_quota_7_until_it_is_declared(desk: Desk, sandbox: RunningSandbox, features: list[Any]) -> None:
    sandbox.fault("subscriptions-empty")
    try:
        scenes = desk.saved(features)
        complained(desk.run("download", scenes, "--yes"), 7, "quota set")
        complained(desk.run("download", scenes), 7)
        assert desk.run("quota", "show").code == 7
        assert desk.run("plan", scenes).json()["quota"]["limit_km2"] is None
        declared = desk.run("quota", "set", "--limit", 3000, "--monthly", "--used", 812)
        assert declared.json()["remaining_km2"] == pytest.approx(2188)
        assert desk.run("plan", scenes).json()["quota"]["source"] == "declared"
    finally:
        sandbox.mend()


@pytest.mark.skipif(os.name == "nt", reason="a folder's mode does not forbid there")
def test_a_folder_that_cannot_be_written_1(desk: Desk, features: list[Any]) -> None:
    closed = Path("/proc")  # where not even root makes a folder
    if os.getuid() != 0:
        closed = desk.folder / "closed"
        closed.mkdir(mode=0o500)
    complained(desk.run("download", desk.saved(features), "--yes", "-d", closed / "inside"), 1, "inside")


def test_a_file_where_the_folder_should_be_1(desk: Desk, features: list[Any]) -> None:
    (desk.folder / "taken").write_text("")
    complained(desk.run("download", desk.saved(features), "--yes", "-d", "taken"), 1, "taken")


def test_a_region_with_latitude_first_2(desk: Desk, features: list[Any]) -> None:
    turned = {"type": "Polygon", "coordinates": [[[45.4, 9.1], [45.5, 9.1], [45.5, 9.3], [45.4, 9.1]]]}
    complained(desk.run("plan", desk.saved(features), "--clip", json.dumps(turned)), 2, "longitude, latitude")


def test_a_mistake_of_ours_is_one_line_too_and_debug_shows_more(desk: Desk) -> None:
    complained(desk.run("jobs", "list", PLANET_ASSETS_LIBRARY=str(desk.folder)), 1, "PLANET_ASSETS_LIBRARY")
    complained(desk.run("jobs", "show", "nothing"), 2, "jobs list")
    complained(desk.run("juggle"), 2, "--help")
    complained(desk.run("clip", "no.tif", "--roi", desk.roi, "-o", "out.tif"), 1, "no.tif")

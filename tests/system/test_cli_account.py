"""Quota, key, settings, doctor, the sandbox and the demo from the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from commands import Desk
from sandboxes import running

from planet_assets.sandbox import RunningSandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(quota_km2=3000.0, used_km2=812.0) as started:
        yield started


@pytest.fixture
def desk(tmp_path: Path, sandbox: RunningSandbox) -> Desk:
    return Desk(tmp_path, sandbox)


def test_quota_is_shown_with_its_source(desk: Desk) -> None:
    shown = desk.run("--json", "quota", "show")
    assert shown.code == 0
    assert shown.json()["limit_km2"] == 3000
    assert shown.json()["source"] == "planet"
    assert "2,188 km²" in desk.run("quota", "show", "--text").out


def test_no_proxy_stands_between_us_and_a_sandbox_on_this_machine(desk: Desk) -> None:
    nobody = "http://127.0.0.1:9"
    assert desk.run("quota", "show", HTTP_PROXY=nobody, ALL_PROXY=nobody, PLANET_ASSETS__PROXY=nobody).code == 0


def test_auth_check_says_where_the_key_was_found(desk: Desk) -> None:
    checked = desk.run("auth", "check")
    assert checked.code == 0
    assert checked.json()["source"] == "PL_API_KEY"
    assert checked.json()["accepted"]
    assert desk.sandbox is not None
    (desk.folder / ".planet.json").write_text(json.dumps({"key": desk.sandbox.key}))
    assert desk.run("auth", "check", PL_API_KEY=None).json()["source"] == "~/.planet.json"


def test_config_init_writes_every_setting_and_show_tells_where_each_came_from(desk: Desk) -> None:
    path = desk.folder / "settings.toml"
    where = {"PLANET_ASSETS_CONFIG": str(path)}
    assert desk.run("config", "init", **where).json()["file"] == str(path)
    assert desk.run("config", "init", **where).code == 2
    text = path.read_text()
    assert set(tomllib.loads(text)) == {"rate_limits", "planet", "orders", "quota"}
    meant = text.replace("# max_concurrent_downloads = 3", "max_concurrent_downloads = 5")
    path.write_text(meant.replace("# near_limit = 0.9", "near_limit = 0.8"))

    proxy = "http://someone:secret@127.0.0.1:3128"
    shown = desk.run("config", "show", **where, PLANET_ASSETS__PROXY=proxy)
    settings = shown.json()["settings"]
    assert settings["max_concurrent_downloads"] == {"value": 5, "source": str(path)}
    assert settings["quota.near_limit"]["value"] == 0.8
    assert settings["planet.api_url"]["source"] == "environment"
    assert settings["timeout"]["source"] == "default"
    assert "secret" not in shown.out + desk.run("config", "show", "--text", **where, PLANET_ASSETS__PROXY=proxy).out
    documented = {line.split(" = ")[0].split(" ")[-1] for line in text.splitlines() if " = " in line}
    assert {key.rpartition(".")[2] for key in settings} <= documented | {"key"}


def test_doctor_tests_every_hop_and_reports_without_secrets(desk: Desk) -> None:
    well = desk.run("doctor", "--report", "report.json")
    assert well.code == 0, well.out
    report = (desk.folder / "report.json").read_text()
    assert desk.environment["PL_API_KEY"] not in report
    assert [one["hop"] for one in json.loads(report)["findings"]] == [
        "versions",
        "settings",
        "network",
        "key",
        "planet",
        "quota",
        "disk",
        "library",
    ]
    assert desk.run("doctor", PL_API_KEY="PLAKnotthisone").code == 6
    ill = desk.run("doctor", "--text", PL_API_KEY=None)
    assert ill.code == 6
    assert "fail     key" in ill.out
    assert "ok       library" in ill.out


def test_a_sandbox_can_be_served_and_stopped(desk: Desk) -> None:
    with desk.start(
        "sandbox", "serve", "--port", 0, "--quota", 500, "--used", 20, "--fault", "slow:rate=1e6"
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(5)]
        said = dict(line.split(": ", 1) for line in lines[:3])
        assert lines[3] == f"export PL_API_KEY={said['key']}"
        assert lines[4] == f"export PLANET_ASSETS__PLANET__API_URL={said['sandbox']}"
        assert httpx.get(f"{said['sandbox']}/sandbox/state").json()["quota_km2"] == 500
        process.send_signal(signal.SIGINT if os.name != "nt" else signal.CTRL_C_EVENT)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert desk.run("sandbox", "serve", "--fault", "no-such-fault", "--port", 0).code == 2
    assert "wrong-md5" in desk.run("sandbox", "serve", "--fault", "list", "--text").out


@pytest.mark.timeout(120)
def test_the_demo_shows_the_whole_path_and_costs_nothing_twice(tmp_path: Path) -> None:
    desk = Desk(tmp_path, environment={"PL_API_KEY": "PLAKmine", "PLANET_ASSETS__OUTPUT_DIR": str(tmp_path / "mine")})
    first = desk.run("demo", "--pixel-size", 120, "--latency", 0)
    assert first.code == 0, first.out + first.err
    for words in ("DOWNLOAD CONFIRMATION", "(y/n): y", "The data route would charge", "EPSG:32632", "Our ledger"):
        assert words in first.out
    [bill] = re.findall(r"own bill +([\d,.]+) km²", first.out)
    assert f"{bill} km² spent, 0 km² reserved" in first.out
    assert len(list((tmp_path / "demo" / "scenes").glob("*_clip.tif"))) == 6
    assert len(list((tmp_path / "demo" / "quicklooks").glob("*.png"))) == 3
    assert not (tmp_path / "mine").exists()
    assert not (tmp_path / "library.db").exists()
    second = desk.run("demo", "--pixel-size", 120, "--latency", 0)
    assert second.code == 0, second.out + second.err
    assert "this run cost 0 km²" in second.out

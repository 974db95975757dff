"""The sandbox's keys, pace, account and memory."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sandboxes import running, visited

SUBSCRIPTIONS = "/auth/v1/experimental/public/my/subscriptions"
NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)


def planetscope(http: httpx.Client) -> dict:
    """The row that counts, chosen as a client has to choose it."""
    rows = http.get(SUBSCRIPTIONS).json()
    (row,) = [row for row in rows if row["quota_enabled"] and "PlanetScope" in row["plan"]["name"]]
    return row


def test_every_form_of_key_is_understood_and_nothing_else() -> None:
    with running() as sandbox:
        key, address = sandbox.key, f"{sandbox.url}/data/v1/"
        basic = base64.b64encode(f"{key}:".encode()).decode()
        for form in (f"Basic {basic}", f"api-key {key}", f"Bearer {key}"):
            assert httpx.get(address, headers={"Authorization": form}).status_code == 200
        for headers in ({}, {"Authorization": "api-key wrong"}, {"Authorization": "Basic %%%"}):
            refused = httpx.get(address, headers=headers, params={"api_key": key})
            assert refused.status_code == 401
            assert refused.json() == {"message": "Please enter your API key.", "errors": []}
        assert key not in str(sandbox.requests())


def test_a_reset_key_is_another_key_of_the_same_account() -> None:
    with visited(keys=("one", "two")) as planet:
        planet.download(planet.item())
        new = planet.sandbox.reset_key()
        assert planet.http.get("/data/v1/").status_code == 401
        assert httpx.get(f"{planet.sandbox.url}/data/v1/", auth=(new, "")).status_code == 200
        assert httpx.get(f"{planet.sandbox.url}/data/v1/", auth=("two", "")).status_code == 200
        assert planet.sandbox.charges()


def test_requests_that_come_too_close_are_refused_in_plain_text() -> None:
    with visited(rate_scale=1.0, retry_after=True) as planet:
        answers = [planet.http.get("/data/v1/item-types") for _ in range(5)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert answers[0].status_code == 200
        assert refused
        wait = re.fullmatch(r"max rate reached: retry-in (\d+)ms", refused[0].text)
        assert wait
        assert 0 < int(wait[1]) <= 100
        assert refused[0].headers["x-retry-in"] == f"{wait[1]}ms"
        assert refused[0].headers["retry-after"] == "0"
        assert refused[0].headers["content-type"].startswith("text/plain")
        for _ in range(4):
            time.sleep(0.11)
            assert planet.http.get("/data/v1/item-types").status_code == 200


def test_pace_is_counted_per_key() -> None:
    with running(rate_scale=0.01, keys=("one", "two")) as sandbox:
        statuses = [httpx.get(f"{sandbox.url}/data/v1/", auth=(key, "")).status_code for key in ("one", "two", "one")]
        assert statuses == [200, 200, 429]


def test_a_download_token_counts_for_the_key_it_was_made_for() -> None:
    with visited(keys=("one", "two")) as planet:
        item = planet.item()
        planet.active(item)
        tokens = [planet.asset(item)["location"] for _ in range(2)]
        planet.sandbox.world.config = replace(planet.sandbox.world.config, rate_scale=0.01)
        assert [httpx.get(token).status_code for token in tokens] == [302, 429]


def test_usage_is_posted_after_midnight_only() -> None:
    with visited(start=NOON, quota_km2=5000.0, used_km2=100.0) as planet:
        assert len(planet.http.get(SUBSCRIPTIONS).json()) == 3
        row = planetscope(planet.http)
        assert (row["quota_sqkm"], row["quota_used"], row["state"]) == (5000.0, 100.0, "active")
        assert row["quota_reset_at"] == "2025-04-01T00:00:00+00:00"
        assert planet.http.get(row["url"]).json() == row
        planet.download(planet.item())
        planet.sandbox.spend(50.0)
        assert planetscope(planet.http)["quota_used"] == 100.0
        planet.sandbox.advance(13 * 3600)
        assert planetscope(planet.http)["quota_used"] == pytest.approx(150.0 + planet.sandbox.billed_km2())
        planet.sandbox.advance(30 * 86400)
        assert planetscope(planet.http)["quota_used"] == 0.0


def test_rows_without_quota_say_null() -> None:
    with visited(quota_km2=None) as planet:
        assert [row["quota_sqkm"] for row in planet.http.get(SUBSCRIPTIONS).json()] == [None] * 3


def test_the_control_endpoints_need_no_key() -> None:
    with visited() as planet:
        planet.download(planet.item())
        control = f"{planet.sandbox.url}/sandbox"
        assert httpx.get(f"{control}/charges").json() == planet.sandbox.charges()
        assert httpx.get(f"{control}/requests").json()[-1]["path"].startswith("/storage/")
        httpx.post(f"{control}/spend", json={"km2": 12.5}).raise_for_status()
        httpx.post(f"{control}/clock", json={"advance_s": 3600}).raise_for_status()
        state = httpx.get(f"{control}/state").json()
        assert state["used_km2"] == pytest.approx(12.5 + planet.sandbox.billed_km2())
        assert state["offset_s"] == 3600
        httpx.post(f"{control}/reset").raise_for_status()
        assert planet.sandbox.charges() == []
        assert planet.asset(planet.item())["status"] == "inactive"


def test_a_restart_remembers_bills_activations_clock_and_keys(tmp_path: Path) -> None:
    with visited(state=tmp_path, quota_style="aum") as planet:
        item = planet.item()
        planet.download(item)
        link = planet.link(planet.asset(item))
        planet.sandbox.advance(86400)
        new = planet.sandbox.reset_key()
        before, now = planet.sandbox.charges(), planet.sandbox.world.now()
    with visited(state=tmp_path, quota_style="aum", link_life_s=200_000) as planet:
        assert planet.sandbox.key == new
        assert planet.sandbox.charges() == before
        assert 0 <= (planet.sandbox.world.now() - now).total_seconds() < 60
        assert planet.asset(item)["status"] == "active"
        assert planet.download(item).status_code == 200
        assert planet.sandbox.charges() == before
        moved = httpx.URL(link).copy_with(port=planet.sandbox.world.storage_port)
        assert planet.fetch(str(moved)).status_code == 400


SERVE = """
import pathlib, sys
from planet_assets.sandbox import SandboxConfig, run
run(SandboxConfig(state=pathlib.Path(sys.argv[1])), port=0, say=lambda line: print(line, flush=True))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_served_sandbox_says_what_to_export_and_ends_cleanly(tmp_path: Path, stop: signal.Signals) -> None:
    command = [sys.executable, "-c", SERVE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        said = "".join(process.stdout.readline() for _ in range(5))
        key = re.search(r"export PL_API_KEY=(\S+)", said)
        address = re.search(r"export PLANET_ASSETS__PLANET__API_URL=(\S+)", said)
        assert key
        assert address
        assert httpx.get(f"{address[1]}/data/v1/", auth=(key[1], "")).status_code == 200
        process.send_signal(stop)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""

"""A script's plan at a real tracker: it waits, is approved or refused, and outlasts a server that is started anew."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import httpx
import pytest
import sandboxes
from managing import SQUARE, SR, awaited, check_money, manager_of, scenes
from teaming import people_of, team

from planet_assets import policies
from planet_assets.exceptions import Misused, NetworkError, NotAllowed, SignInNeeded
from planet_assets.flow.clock import RealClock
from planet_assets.library import approvals
from planet_assets.library.engine import Library
from planet_assets.model.approval import TeamRule
from planet_assets.sites import team as teams


@pytest.fixture(scope="module")
def sandbox():
    with sandboxes.running() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("team")


@pytest.fixture(scope="module")
def office(folder):
    library = Library(folder / "library.db")
    with team(library) as running:
        yield running
    library.close()


@contextlib.contextmanager
def answering(office, answer, **body):
    """Somebody who answers the next plan that waits."""
    said = []

    def wait():
        until = time.monotonic() + 20
        while time.monotonic() < until and not said:
            for plan in office.of("eve").get("/v1/plans", params={"state": "waiting"}).json()["plans"]:
                said.append(office.of("eve").post(f"/v1/plans/{plan['id']}/{answer}", json=body).json())
            time.sleep(0.05)

    thread = threading.Thread(target=wait)
    thread.start()
    yield said
    thread.join()


def asking(office, name="ann", **more):
    return policies.ask_team(office.url, token=office.secrets[name], **more)


@awaited
async def _asked(office, sandbox, folder, hook, count=1, check=None):
    async with manager_of(sandbox, folder) as manager:
        await manager.search(SQUARE, "2025-01-01", "2025-01-07")
        plan = await manager.plan(scenes(3)[count - 1 : count])
        check(await manager.run(plan, confirm=hook), plan)


def test_approved_and_refused(office, sandbox, folder):
    def went(jobs, plan):
        assert [job.status.value for job in jobs] == ["completed"]
        [asked] = approvals.listed(office.library)
        assert (asked.by, asked.decided_by, asked.reason, asked.plan_id) == ("ann", "eve", "go on", plan.id)
        assert asked.km2 == pytest.approx(plan.impact.area_km2) and asked.project == "milan"
        seen = office.of("ann").get("/v1/jobs", params={"batch": plan.id}).json()["jobs"]
        assert [job["status"] for job in seen] == ["completed"] and "/" not in seen[0]["file"]
        shown = office.of("eve").get(f"/v1/plans/{asked.id}").json()
        assert shown["plan"]["scenes"][0]["geometry"]["type"] == "Polygon" and shown["plan"]["data_km2"] > 0

    with answering(office, "approve", reason="go on"):
        _asked(office, sandbox, folder, asking(office, project="milan"), check=went)

    def stayed(jobs, plan):
        assert [job.status.value for job in jobs] == ["user_cancelled"]
        assert "not this month" in jobs[0].error_message and "eve" in jobs[0].error_message

    with answering(office, "refuse", reason="not this month"):
        _asked(office, sandbox, folder, asking(office), count=2, check=stayed)
    check_money(office.library, sandbox.billed_km2())


@awaited
async def _plan(sandbox, folder, into):
    async with manager_of(sandbox, folder) as manager:
        into.append(await manager.plan(scenes(3)[2:]))


@pytest.fixture(scope="module")
def plan(office, sandbox, folder):
    found = []
    _plan(sandbox, folder, found)
    return found[0]


def ask(office, plan, name="ann", clock=None, **more):
    asked = teams.Team(url=office.url, token=office.secrets.get(name, "x"), **more)
    return asyncio.run(teams.ask(asked, plan, clock or RealClock()))


def test_nobody_answers_in_time(office, plan):
    said = ask(office, plan, wait_s=0.0)
    assert not said.proceed and "taken back" in said.reason and said.limit_km2 == 0.0


def test_who_may_not_ask(office, plan):
    with pytest.raises(SignInNeeded):
        ask(office, plan, name="nobody")
    with pytest.raises(NotAllowed):
        ask(office, plan, name="gus")
    for name in ("ann", "gus"):
        known = approvals.listed(office.library)[0].id
        assert office.of(name).post(f"/v1/plans/{known}/approve", json={}).status_code == 403
    assert office.of("").get("/v1/plans").status_code == 401


def test_the_rule_lets_pass_and_limits(office, plan):
    approvals.agree(office.library, TeamRule(above_km2=1e6, budgets={"person:ben": 1.0}))
    try:
        said = ask(office, plan)
        assert said.proceed and said.by == approvals.BY_RULE and said.limit_km2 == pytest.approx(plan.impact.area_km2)
        assert not ask(office, plan, name="ben", wait_s=0.0).proceed, "beyond ben's budget"
        assert not ask(office, plan, above_km2=1.0, wait_s=0.0).proceed, "a script may be stricter"
        unknown = replace(plan, verdict=replace(plan.verdict, word="unknown"))
        assert not ask(office, unknown, wait_s=0.0).proceed, "nobody can tell the quota"
        with answering(office, "approve"):
            said = ask(office, unknown)
        assert said.proceed and said.allow_unknown_quota
    finally:
        approvals.agree(office.library, TeamRule())


def test_a_tracker_that_is_started_anew(folder, plan):
    library = Library(folder / "other.db")
    secrets, found = people_of(library), []
    with team(library, secrets=secrets) as first:
        port = int(first.url.rsplit(":", 1)[1])
        thread = threading.Thread(target=lambda: found.append(ask(first, plan)))
        thread.start()
        until = time.monotonic() + 20
        while not approvals.listed(library) and time.monotonic() < until:
            time.sleep(0.02)
    with team(library, port=port, secrets=secrets) as second, answering(second, "approve", reason="still here"):
        thread.join(30)
    library.close()
    assert found and found[0].proceed and found[0].reason == "still here"


def test_a_lost_tracker_is_never_a_yes(plan, monkeypatch):
    class Quick(RealClock):
        async def sleep(self, seconds):
            await super().sleep(0)

    monkeypatch.setattr(teams, "LOST_AFTER_S", 0.05)
    with pytest.raises(NetworkError, match="Nothing was spent"):
        asyncio.run(teams.ask(teams.Team(url="http://127.0.0.1:9"), plan, Quick()))


def test_addresses_that_cannot_be_meant():
    for url in ("ftp://x", "http://", "tracker", "http://office.example", "https://u:p@office.example"):
        with pytest.raises(Misused):
            policies.ask_team(url, token="t0ken")
    with pytest.raises(Misused):
        policies.ask_team("https://office.example", token="a b")
    with pytest.raises(Misused):
        policies.ask_team("https://office.example", above_km2=-1)
    assert "t0ken" not in repr(policies.ask_team("https://office.example", token="t0ken"))


# The stream


def listen(client, *, headers=None, until, seconds=15):
    """Events of the stream until one is as wanted."""
    found, current = [], {}
    with client.stream("GET", "/v1/events", headers=headers or {}, timeout=seconds) as answer:
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                current[name] = value
                continue
            if "data" in current:
                found.append((current.get("event"), json.loads(current["data"]), current.get("id")))
                if until(*found[-1]):
                    return found
            current = {}
    return found


def test_events_replay_from_where_one_was(office, plan):
    client = office.of("ann")
    [(event, _, cursor)] = listen(client, until=lambda *_: True)
    assert event == "hello" and "job:" in cursor
    ask(office, plan, wait_s=0.0)
    seen = listen(client, headers={"Last-Event-ID": cursor}, until=lambda _, data, __: data.get("verb") == "withdrawn")
    assert [data["verb"] for name, data, _ in seen if name == "plan"] == ["waiting", "withdrawn"]
    middle = next(mark for name, data, mark in seen if data.get("verb") == "waiting")
    again = listen(client, headers={"Last-Event-ID": middle}, until=lambda _, data, __: data.get("verb"))
    assert again[-1][1]["verb"] == "withdrawn" and again[-1][2] == seen[-1][2]
    whole = listen(client, headers={"Last-Event-ID": "job:0"}, until=lambda _, d, __: d.get("verb") == "withdrawn")
    assert {"Created", "Placed"} <= {data["verb"] for name, data, _ in whole if name == "job"}
    [(event, _, _)] = listen(client, headers={"Last-Event-ID": "job:99999999"}, until=lambda *_: True)
    assert event == "reset"
    assert client.get("/v1/events", headers={"Last-Event-ID": "x"}).status_code == 400
    assert office.of("").get("/v1/events").status_code == 401


# The routes


def test_what_the_library_knows(office, sandbox):
    client = office.of("gus")
    first = client.get("/v1/items", params={"limit": 2}).json()
    assert len(first["items"]) == 2 and first["next"]
    states = {one["id"]: one["state"] for one in first["items"]}
    rest = client.get("/v1/items", params={"limit": 1000, "after": first["next"]}).json()
    assert rest["next"] is None and not {one["id"] for one in rest["items"]} & set(states)
    states |= {one["id"]: one["state"] for one in rest["items"]}
    held = next(name for name, state in states.items() if state == "held")
    one = client.get(f"/v1/items/{held}").json()
    assert one["files"][0]["md5"] and one["jobs"][0]["status"] == "completed" and "/" not in one["files"][0]["name"]
    assert any(asset["files"] for asset in client.get(f"/v1/items/{held}/assets").json()["assets"])
    picture = client.get(f"/v1/items/{held}/quicklook", params={"max_px": 64})
    assert picture.headers["content-type"] == "image/png" and picture.content.startswith(b"\x89PNG")
    assert client.get(f"/v1/jobs/{one['jobs'][0]['id']}").json()["events"][0]["kind"] == "Created"
    quota = client.get("/v1/quota").json()
    assert quota["known"] and quota["month"]["spent_km2"] > 0 and quota["account"]
    assert client.get("/v1/ledger").json()["rows"][0]["kind"] in ("reserve", "commit", "release")
    assert client.get("/v1/queue").json() == {"entries": []}
    for path in ("/v1/items/none", "/v1/items/a%2Fb", "/v1/items/%00", "/v1/jobs/none", "/v1/plans/none%00"):
        assert client.get(path).status_code == 404, path
    for path in ("/v1/items?after=x", "/v1/items?limit=0", "/v1/ledger?since=x", "/v1/items?begins=%00"):
        assert client.get(path).status_code == 400, path


def test_rules_are_an_admins(office):
    body = {"above_km2": 5.0, "budgets": {"person:ann": 100.0}}
    assert office.of("eve").put("/v1/rules", json=body).status_code == 403
    assert office.of("root").put("/v1/rules", json=body).json()["budgets"] == {"person:ann": 100.0}
    assert office.of("gus").get("/v1/rules").json()["above_km2"] == 5.0
    for bad in ({"above_km2": -1}, {"budgets": {"ann": 1}}, {"above_km2": "NaN"}, {"other": 1}, [], {"waits_for_s": 1}):
        assert office.of("root").put("/v1/rules", json=bad).status_code == 400, bad
    office.of("root").put("/v1/rules", json={})


def test_author_mode_hides_what_one_has_no_say_in(folder):
    library = Library(folder / "authors.db")
    with team(library, author_mode=True) as office:
        shown = {"verdict": {"word": "fits"}, "route": "data", "km2": 5.0}
        put = office.of("ann").post("/v1/plans", json={"id": "question1", "plan_id": "plan-one", **shown})
        assert put.status_code == 201 and put.json()["state"] == "waiting"
        for name, count in (("ann", 1), ("ben", 0), ("gus", 0), ("eve", 1)):
            assert len(office.of(name).get("/v1/plans").json()["plans"]) == count, name
            assert office.of(name).get("/v1/plans/question1").status_code == (200 if count else 404)
        assert office.of("ben").delete("/v1/plans/question1").status_code == 404
        office.of("ben").post("/v1/plans", json={"id": "question2", "plan_id": "plan-two", **shown})
        start = {"Last-Event-ID": "plan:0"}
        seen = listen(office.of("ben"), headers=start, until=lambda _, data, __: data.get("subject") == "question2")
        assert [data["subject"] for name, data, _ in seen if name == "plan"] == ["question2"]
        other = {"id": "question1", "plan_id": "plan-six", **shown}
        assert office.of("ann").post("/v1/plans", json=other).status_code == 409
        assert office.of("ann").delete("/v1/plans/question1").json()["state"] == "withdrawn"
    library.close()


def test_figures_for_prometheus(office):
    assert office.of("").get("/health").json()["status"] == "ok" and office.of("").get("/metrics").status_code == 401
    office.of("gus").get("/v1/items/nothing-of-this-name")
    text = office.of("gus").get("/metrics").text
    for line in (
        'planet_assets_jobs{status="completed"} 1.0',
        'planet_assets_requests_total{method="GET",route="/v1/items/{item_id}",status="404"}',
        'planet_assets_plans{state="approved"}',
        'planet_assets_request_seconds_bucket{le="0.005",route="/v1/plans"}',
        "planet_assets_quota_limit_km2{",
        'planet_assets_listeners{kind="events"}',
    ):
        assert line in text, line
    assert "nothing-of-this-name" not in text and not any(secret in text for secret in office.secrets.values())


def test_it_ends_with_open_streams(tmp_path):
    """SIGTERM ends every stream as a stream ends, and the process."""
    where = {**os.environ, "PLANET_ASSETS_LIBRARY": str(tmp_path / "library.db")}
    command = [sys.executable, "-m", "planet_assets", "serve", "--port", "0", "--no-auth"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=where, **pipes) as serving:
        try:
            url = serving.stdout.readline().split()[1]
            with httpx.stream("GET", f"{url}/v1/events", timeout=20, trust_env=False) as answer:
                lines = answer.iter_lines()
                assert next(lines) == "event: hello"
                serving.send_signal(signal.SIGTERM)
                assert "data:" in "".join(lines), "the stream was ended, not cut"
            assert serving.wait(20) == 0 and serving.stderr.read() == ""
        finally:
            serving.kill()


def test_from_a_shell(office, sandbox, folder):
    found = folder / "found.geojson"
    found.write_text(json.dumps({"type": "FeatureCollection", "features": scenes(1, without=SR)}))
    key = {"PL_API_KEY": sandbox.key, "PLANET_ASSETS__PLANET__API_URL": sandbox.url, "HOME": str(folder)}
    known = {"PLANET_ASSETS_TRACKER": office.url, "PLANET_ASSETS_TRACKER_TOKEN": office.secrets["ann"]}
    where = {**os.environ, **key, **known, "PLANET_ASSETS_LIBRARY": str(folder / "library.db")}
    command = [sys.executable, "-m", "planet_assets", "download", str(found), "-d", str(folder / "shell")]
    for more in (["--yes", "--ask-team", office.url], ["--project", "x"]):
        refused = subprocess.run([*command, *more], env=where, capture_output=True, text=True, check=False)
        assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    with answering(office, "refuse", reason="not by night"):
        asked = [*command, "--ask-team", office.url, "--project", "shell"]
        done = subprocess.run(asked, env=where, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 8 and f"waits for an editor at {office.url}" in done.stderr
    assert "Cancelled by eve. not by night" in json.loads(done.stdout)["jobs"][0]["error_message"]
    assert approvals.listed(office.library)[0].project == "shell"

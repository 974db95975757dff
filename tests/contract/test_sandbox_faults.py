"""Every fault does on the wire what its line in the table says."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import httpx
import pytest
from sandboxes import Visitor, visited

from planet_assets.sandbox import FAULTS
from planet_assets.sandbox.faults import Faults


@pytest.fixture(scope="module")
def shared():
    with visited() as visitor:
        yield visitor


@pytest.fixture
def planet(shared: Visitor):
    shared.sandbox.reset()
    yield shared
    shared.sandbox.reset()


def sent(answer: httpx.Response) -> str:
    return answer.headers.get("content-type", "")


def partial(link: str) -> tuple[bytes, type[Exception] | None]:
    """What arrives of a body, and how it ended."""
    body = b""
    try:
        with httpx.stream("GET", link, timeout=1.0) as answer:
            for piece in answer.iter_raw():
                body += piece
    except httpx.TransportError as error:
        return body, type(error)
    return body, None


def test_every_fault_is_described_and_tested() -> None:
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_sandbox_*.py"))
    untested = [name for name in FAULTS if f'"{name}"' not in text]
    assert not untested
    assert all(doc and "\n" not in doc for doc in FAULTS.values())


def test_faults_are_narrowed_counted_and_checked() -> None:
    faults = Faults()
    faults.switch_on_text("cut:count=2,asset_type=ortho_udm2")
    assert faults.strike("cut", place="storage", item="a", asset_type="ortho_visual") is None
    assert faults.strike("cut", place="assets", item="a", asset_type="ortho_udm2") is None
    strikes = [faults.strike("cut", place="storage", item="a", asset_type="ortho_udm2") for _ in range(3)]
    assert [bool(strike) for strike in strikes] == [True, True, False]
    with pytest.raises(ValueError, match="no fault is called"):
        faults.switch_on("nonsense")
    with pytest.raises(ValueError, match="no option"):
        faults.switch_on("cut", nonsense=1)


@pytest.mark.parametrize("name", ["cut", "reset"])
def test_a_body_that_breaks_off(planet: Visitor, name: str) -> None:
    link = planet.link(planet.active(planet.item()))
    planet.sandbox.fault(name, after=1000, count=1)
    body, error = partial(link)
    assert len(body) <= 1000
    assert error is (httpx.RemoteProtocolError if name == "cut" else httpx.ReadError)
    assert len(planet.sandbox.charges()) == 1
    rest = planet.fetch(link, Range="bytes=1000-")
    assert rest.status_code == 206


def test_a_body_that_stalls_and_one_that_drips(planet: Visitor) -> None:
    link = planet.link(planet.active(planet.item()))
    planet.sandbox.fault("stall", after=500, seconds=5)
    body, error = partial(link)
    assert (len(body), error) == (500, httpx.ReadTimeout)
    planet.sandbox.mend("stall")
    planet.sandbox.fault("slow", rate=100_000)
    begun = time.monotonic()
    assert len(planet.fetch(link, Range="bytes=0-29999").content) == 30_000
    assert time.monotonic() - begun > 0.25


def test_bodies_that_lie(planet: Visitor) -> None:
    item = planet.item()
    asset = planet.active(item)
    link = planet.link(asset)
    whole = planet.fetch(link).content
    planet.sandbox.fault("flip", count=1)
    flipped = planet.fetch(link).content
    assert len(flipped) == len(whole)
    assert sum(a != b for a, b in zip(flipped, whole, strict=True)) == 1
    planet.sandbox.fault("truncate-no-length", count=1)
    short = planet.fetch(link)
    assert "content-length" not in short.headers
    assert short.content == whole[: len(whole) // 2]
    planet.sandbox.fault("gzip", count=1)
    packed = planet.fetch(link, Accept_Encoding="identity")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == whole
    planet.sandbox.fault("html-200", count=1)
    assert sent(planet.fetch(link)).startswith("text/html")
    planet.sandbox.fault("hostile-name", count=1)
    assert "../" in planet.fetch(link).headers["content-disposition"]
    planet.sandbox.fault("range-ignored", count=1)
    assert planet.fetch(link, Range="bytes=10-").status_code == 200
    planet.sandbox.fault("wrong-content-range", count=1)
    assert planet.fetch(link, Range="bytes=10-").headers["content-range"].startswith("bytes 9-")
    planet.sandbox.fault("wrong-md5", count=1)
    assert planet.asset(item)["md5_digest"] != hashlib.md5(whole).hexdigest()


def test_links_that_fail(planet: Visitor) -> None:
    item = planet.item()
    asset = planet.active(item)
    planet.sandbox.fault("location-null", count=1)
    assert planet.asset(item)["location"] is None
    planet.sandbox.fault("expired-link", count=1)
    assert planet.http.get(asset["location"]).status_code == 403
    planet.sandbox.fault("redirect-loop", count=1)
    assert planet.http.get(asset["location"]).headers["location"] == asset["location"]
    planet.sandbox.fault("link-400")
    assert planet.fetch(planet.link(asset)).status_code == 400
    assert planet.fetch(planet.link(planet.asset(item))).status_code == 400
    assert planet.sandbox.charges() == []
    assert planet.http.post(asset["_links"]["activate"]).status_code == 204
    assert planet.fetch(planet.link(planet.asset(item))).status_code == 200


def test_assets_that_are_not_to_be_had(planet: Visitor) -> None:
    item = planet.item()
    planet.sandbox.fault("permissions-empty", count=1)
    assert planet.http.get(item["_links"]["_self"]).json()["_permissions"] == []
    planet.sandbox.fault("assets-empty", count=1)
    assert planet.http.get(item["_links"]["assets"]).json() == {}
    planet.sandbox.fault("never-activates", asset_type="ortho_udm2")
    assert planet.active(item, "ortho_udm2")["status"] == "activating"
    planet.sandbox.advance(7 * 86400)
    assert planet.asset(item, "ortho_udm2")["status"] == "activating"
    planet.sandbox.fault("activation-failed")
    assert planet.active(item)["status"] == "inactive"
    assert planet.active(item)["status"] == "active"
    planet.sandbox.fault("quota-exhausted", count=1)
    refused = planet.http.post(planet.asset(item, "ortho_visual")["_links"]["activate"])
    assert (refused.status_code, "quota" in refused.text) == (403, True)


def test_a_republished_file_has_other_bytes_under_the_same_link(planet: Visitor) -> None:
    item = planet.item()
    before = planet.active(item)
    link = planet.link(before)
    etag = planet.fetch(link, Range="bytes=0-99").headers["etag"]
    planet.sandbox.fault("republished")
    after = planet.asset(item)
    assert after["md5_digest"] != before["md5_digest"]
    assert planet.asset(item)["md5_digest"] == after["md5_digest"]
    resumed = planet.fetch(link, Range="bytes=100-", If_Range=etag)
    assert resumed.status_code == 200
    assert hashlib.md5(resumed.content).hexdigest() == after["md5_digest"]


@pytest.mark.parametrize("name", ["http-500", "502", "503", "504"])
def test_servers_that_are_unwell(planet: Visitor, name: str) -> None:
    link = planet.link(planet.active(planet.item()))
    planet.sandbox.fault(name, count=2)
    assert planet.http.get("/data/v1/").status_code == int(name.removeprefix("http-"))
    assert planet.fetch(link).status_code == int(name.removeprefix("http-"))
    assert planet.fetch(link).status_code == 200


def test_answers_that_mislead(planet: Visitor) -> None:
    planet.sandbox.fault("429-storm", count=1, retry_after="86400")
    stormy = planet.http.get("/data/v1/")
    assert (stormy.status_code, stormy.headers["retry-after"]) == (429, "86400")
    planet.sandbox.fault("status", count=1, status=408, path="/item-types")
    assert planet.http.get("/data/v1/").status_code == 200
    assert planet.http.get("/data/v1/item-types").status_code == 408
    planet.sandbox.fault("malformed-json", count=1)
    with pytest.raises(ValueError, match="Unterminated"):
        planet.http.get("/data/v1/").json()
    planet.sandbox.fault("html-200", count=1, path="/data/v1/")
    assert sent(planet.http.get("/data/v1/")).startswith("text/html")
    planet.sandbox.fault("redirect-foreign", count=1)
    away = planet.http.get("/data/v1/").headers["location"]
    assert away == f"{planet.sandbox.storage_url}/foreign"
    httpx.get(away, headers={"Authorization": "api-key leaked"})
    assert planet.sandbox.requests()[-1]["credentials"]


def test_accounts_that_do_not_say(planet: Visitor) -> None:
    address = "/auth/v1/experimental/public/my/subscriptions"
    planet.sandbox.fault("subscriptions-empty", count=1)
    assert planet.http.get(address).json() == []
    planet.sandbox.fault("subscriptions-error", count=1)
    broken = planet.http.get(address)
    assert (broken.status_code, list(broken.json())) == (500, ["message"])
    planet.sandbox.fault("subscriptions-null-quota", count=1)
    assert {row["quota_sqkm"] for row in planet.http.get(address).json()} == {None}


def test_faults_come_and_go_over_http(planet: Visitor) -> None:
    address = f"{planet.sandbox.url}/sandbox/faults"
    assert httpx.post(address, json={"name": "503", "count": 5}).json()["on"][0]["count"] == 5
    assert planet.http.get("/data/v1/").status_code == 503
    assert httpx.request("DELETE", address, json={"name": "503"}).status_code == 204
    assert planet.http.get("/data/v1/").status_code == 200
    assert httpx.post(address, json={"name": "nonsense"}).status_code == 400
    assert httpx.get(address).json()["known"] == FAULTS

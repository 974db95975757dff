"""Elements and sites together, over the service: what is published is wanted where it belongs, and shown so."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from hubs import hub

from planet_assets.blocking import TrackerClient
from planet_assets.exceptions import Conflict, Gone, Misused, NetworkError, NotAllowed, SignInNeeded
from planet_assets.library import people
from planet_assets.service import passwords


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    with hub(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture
def on_each(library_address, tmp_path):
    """A tracker's client, on each engine in turn."""
    with hub(tmp_path, address=library_address) as made, TrackerClient(made.url) as client:
        yield client


@pytest.fixture
def tracker(there):
    with TrackerClient(there.url) as made:
        yield made


def test_from_publishing_to_delivered(on_each):
    tracker = on_each
    for site in ("paris", "rome"):
        tracker.ask("POST", "/v1/sites", json={"name": site})
    tracker.upsert({"_id": "rsyncGlobalParameters", "syncEverywhere": True})
    published = tracker.publish({"_id": "/aoi/a.tif", "comment": "first", "origin": "paris", "sync_priority": 3})
    assert len(published) == 2
    shown = tracker.read("/aoi/a.tif")
    assert "synced_paris" in shown and "synced_rome" not in shown
    assert [one["_id"] for one in tracker.list_up("paris", "rome", 10)] == ["/aoi/a.tif"]
    claim = {"element": "/aoi/a.tif", "site": "rome", "agent": "one"}
    assert tracker.ask("POST", "/v1/sites/claim", json=claim) == {"claimed": True}
    assert tracker.ask("POST", "/v1/sites/claim", json=claim | {"agent": "two"}) == {"claimed": False}
    assert tracker.list_down("paris", "rome", 10) == [] and "syncing_rome" in tracker.read("/aoi/a.tif")
    with pytest.raises(Conflict, match="Another agent"):
        tracker.ask("POST", "/v1/sites/outcome", json=claim | {"agent": "two", "outcome": "arrived"})
    assert tracker.ask("POST", "/v1/sites/outcome", json=claim | {"outcome": "arrived"}) == {"is_newest": True}
    shown = tracker.read(["/aoi/a.tif"])[0]
    assert shown["synced_rome"] and "syncing_rome" not in shown
    tracker.update({**shown, "note": "sent back as it was shown", "synced_rome": 5})
    assert tracker.read("/aoi/a.tif")["synced_rome"] == shown["synced_rome"], "shown keys are not stored"
    tracker.version("/aoi/a.tif", {"file": "/aoi/a.tif"})
    assert [one["_id"] for one in tracker.list_up("paris", "rome", 10)] == ["/aoi/a.tif"], "a new version goes again"
    tracker.delete("/aoi/a.tif")
    assert tracker.list_up("paris", "rome", 10) == []


def test_sites_and_their_colours(tracker):
    tracker.ask("POST", "/v1/sites", json={"name": "red/site", "address": "s3://bucket/x"})
    tracker.create({"_id": "/red/b.tif", "syncEverywhere": False, "sync_red/site": True})
    claim = {"element": "/red/b.tif", "site": "red/site", "agent": "one"}
    assert tracker.ask("POST", "/v1/sites/claim", json=claim)["claimed"]
    outcome = claim | {"outcome": "failed", "error": "not found", "code": 23}
    tracker.ask("POST", "/v1/sites/outcome", json=outcome)
    assert tracker.read("/red/b.tif")["syncError_red/site"] == 23
    tracker.ask("POST", "/v1/sites/heartbeat", json={"site": "red/site", "status": "on", "password": "x"})
    found = {one["name"]: one for one in tracker.sites()}
    red = found["red/site"]
    assert (red["colour"], red["failed"], red["is_alive"]) == ("red", 1, True) and "password" not in red["heartbeat"]
    assert red["address"] == "s3://bucket/x"
    tracker.ask("POST", "/v1/sites/heartbeat", json={"site": "red/site", "status": "off"})
    assert not {one["name"]: one for one in tracker.sites()}["red/site"]["is_alive"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/sites", {"name": "../x"}),
        ("POST", "/v1/sites", {"name": "a b"}),
        ("POST", "/v1/sites", {"name": "x", "address": "file:///etc"}),
        ("POST", "/v1/sites", {"name": "x", "address": "https://u:p@host"}),
        ("POST", "/v1/sites", []),
        ("POST", "/v1/sites/claim", {"element": 5, "site": "x"}),
        ("POST", "/v1/sites/claim", {"element": "a\0", "site": "x"}),
        ("POST", "/v1/sites/outcome", {"element": "/x", "site": "x", "outcome": "lost"}),
        ("POST", "/v1/sites/heartbeat", None),
        ("GET", "/v1/sites/waiting?target=a%00b", None),
        ("GET", "/v1/sites/waiting?target=x&limit=0", None),
        ("GET", "/v1/sites/waiting", None),
        ("GET", "/api/listup/a/b/many", None),
        ("GET", "/api/listup/a/b/-1", None),
        ("GET", "/api/listdown/a/b/99999999999999999999", None),
    ],
)
def test_what_cannot_be_is_refused(there, method, path, body):
    answer = httpx.request(method, f"{there.url}{path}", json=body, trust_env=False)
    assert answer.status_code == 400, answer.text


def test_claims_of_nothing(tracker):
    claim = {"element": "/nowhere", "site": "rome", "agent": "one"}
    assert tracker.ask("POST", "/v1/sites/claim", json=claim) == {"claimed": False}
    assert tracker.list_up("nowhere", "rome", 5) == []


def test_every_verb_of_the_client(tracker):
    tracker.create([{"_id": "/c/1", "n": 1}, {"_id": "/c/2", "n": 2, "src_id": "/c/1", "tgt_id": "/c/1"}])
    with pytest.raises(Conflict):
        tracker.create({"_id": "/c/1"})
    assert tracker.read(["/c/2", "/gone"])[1] is None
    with pytest.raises(Gone):
        tracker.read("/gone")
    assert tracker.update({"_id": "/c/1", "n": None, "m": 3})["m"] == 3
    assert set(tracker.search("m:3")) == {"/c/1"} and tracker.search_one("m:99") is None
    assert tracker.search_one("_id:/c/1")["m"] == 3
    assert tracker.search_mongo({"m": {"$gte": 3}}, limit=5)["ids"] == ["/c/1"]
    tracker.create({"_id": "/c/100%", "what": "50% of a:b"})
    assert tracker.search("what:50%25") == [] and tracker.read("/c/100%")["what"] == "50% of a:b"
    assert tracker.lock("/c/1")["lock"] and "lock" not in tracker.unlock("/c/1")
    assert tracker.comment("/c/1", "look")[0]["comment"] == "look"
    assert tracker.version("/c/1", {"file": "/c/1"})["version"] == 2
    assert {one["_id"] for one in tracker.graph("/c/1")} >= {"/c/1"}
    assert tracker.delete(["/c/1", "/c/2", "/c/100%"]) == ["/c/1", "/c/2", "/c/100%"]
    assert tracker.verify() == {}
    with pytest.raises(Misused):
        tracker.search(" ")
    with pytest.raises(NetworkError), TrackerClient("http://127.0.0.1:9") as away:
        away.verify()


def test_sign_in_and_out(tmp_path):
    with hub(tmp_path, auth=True) as made, TrackerClient(made.url) as client:
        with pytest.raises(SignInNeeded):
            client.read("/x")
        people.first(made.library, "admin", secret=passwords.hashed("a good long password"), now=datetime.now(UTC))
        with pytest.raises(SignInNeeded):
            client.sign_in("admin", "wrong")
        told = client.sign_in("admin", "a good long password")
        assert told["user"]["_id"] == "admin" and "token" not in told and client.token
        assert client.token not in repr(client) and client.verify()["_id"] == "admin"
        reader = TrackerClient(made.url, client.create_token("2h", "read"))
        with reader, pytest.raises(NotAllowed, match="Forbidden"):
            reader.create({"_id": "x"})
        kept = client.token
        client.sign_out()
        with pytest.raises(SignInNeeded), TrackerClient(made.url, kept) as old:
            old.verify()

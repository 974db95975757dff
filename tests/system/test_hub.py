"""Bundles through a tracker: declared, sent, cut off, resumed, finalized, fetched; and what its store refuses."""

from __future__ import annotations

import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import pytest
from hubs import FILES, hub, is_whole, sealed

from planet_assets.exceptions import Corrupt, Gone, Misused, NetworkError, Unsafe
from planet_assets.flow.clock import RealClock
from planet_assets.flow.publish import depot_of, ship
from planet_assets.flow.pulling import pull
from planet_assets.library import bundles, receiving
from planet_assets.library.engine import Library
from planet_assets.sites.tracker import Tracker

NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    with hub(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture
def library(tmp_path):
    made = Library(tmp_path / "library.db")
    yield made
    made.close()


@pytest.fixture
def depot(there):
    with Tracker(there.url) as made:
        yield made


@pytest.fixture
def site(library, there):
    return bundles.add_site(library, "tracker", there.url, {})


@pytest.fixture
def api(there):
    with httpx.Client(base_url=there.url, trust_env=False) as made:
        yield made


def declared(api, bundle):
    parts = [
        {"name": one.name, "size_bytes": one.size_bytes, "sha256": one.sha256, "asset_type": one.asset_type}
        for one in bundle.components
    ]
    answer = api.post("/v1/bundles", json={"name": bundle.name, "kind": "scene", "components": parts})
    assert answer.status_code == 200, answer.text
    return answer.json()


def readies(there, name):
    events = bundles.events(there.library)
    return [event for event in events if event[2] == "ready" and bundles.get(there.library, event[3]).name == name]


def test_a_bundle_goes_up_and_comes_back(library, site, there, tmp_path):
    made = sealed(library, tmp_path, "round")
    [first] = ship(library, site, [made], owner="me", clock=RealClock())
    assert first.state == "ready" and is_whole(there.files, "round")
    assert ship(library, site, [made], owner="me", clock=RealClock())[0].state == "already ready"
    assert httpx.get(first.address, trust_env=False).json()["state"] == "ready"
    other = Library(tmp_path / "other.db")
    into = bundles.add_site(other, "here", str(tmp_path / "here"), {})
    with closing(depot_of(site)) as depot:
        ended = pull(other, depot, into, owner="me", clock=RealClock(), names=["round"])
        assert pull(other, depot, into, owner="me", clock=RealClock(), names=["round"]) == []
    assert [one.state for one in ended] == ["ready"] and is_whole(tmp_path / "here", "round")
    [pulled] = receiving.held(other, missing_at=99)
    assert pulled.seal == made.seal and all(one.path.is_file() for one in pulled.components)
    other.close()


def test_it_is_visible_when_it_is_whole(library, there, depot, tmp_path):
    made = sealed(library, tmp_path, "whole")
    for component in made.components:
        assert not depot.is_visible(made) and list(depot.found("whole")) == []
        depot.send(made, component)
    assert not (there.files / "whole").exists() and [one.name for one in depot.found("whole")] == []
    depot.finish(made)
    depot.finish(made)
    assert depot.is_visible(made) and len(readies(there, "whole")) == 1
    [found] = depot.found("whole")
    [part] = [one for one in found.components if one.name == "analytic.tif"]
    data = b"".join(depot.blocks(found, part, 500_000))
    assert data == (tmp_path / "whole" / "analytic.tif").read_bytes()[500_000:]
    assert b"".join(depot.blocks(found, part, part.size_bytes)) == b""


def test_what_was_cut_off_goes_on(api, library, there, depot, tmp_path):
    made = sealed(library, tmp_path, "cut")
    told, data = declared(api, made), (tmp_path / "cut" / "analytic.tif").read_bytes()
    where = urlsplit(there.url)
    with socket.create_connection((where.hostname, where.port)) as line:
        head = f"PUT /v1/uploads/{told['id']}/analytic.tif HTTP/1.1\r\nHost: {where.netloc}\r\n"
        line.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[:600_000])
    for _ in range(100):
        held = {one["name"]: one["held_bytes"] for one in declared(api, made)["components"]}["analytic.tif"]
        if held:
            break
    assert 0 < held < len(data)
    path = f"/v1/uploads/{told['id']}/analytic.tif"
    for _ in range(100):  # the writer that was cut off lets go
        beyond = api.put(path, params={"offset": held + 700_000}, content=b"x")
        if "coming" not in beyond.text:
            break
    assert beyond.status_code == 409 and "bytes of analytic.tif are here" in beyond.text
    seen = []
    depot._client.event_hooks["request"].append(lambda request: seen.append(request.url.params.get("offset")))
    for component in made.components:
        depot.send(made, component)
    assert int(next(one for one in seen if one)) > 0, "it went on after what was there"
    depot.finish(made)
    assert is_whole(there.files, "cut")


def test_other_bytes_are_refused(api, library, depot, tmp_path):
    made = sealed(library, tmp_path, "other")
    told = declared(api, made)
    path = f"/v1/uploads/{told['id']}/udm2.tif"
    assert api.put(path, content=b"?" * FILES["udm2.tif"]).status_code == 422
    assert api.put(path, content=b"?" * (FILES["udm2.tif"] + 1)).status_code == 422
    assert {one["held_bytes"] for one in declared(api, made)["components"]} == {0}
    missing = api.post(f"/v1/bundles/{told['id']}/finalize")
    assert missing.status_code == 409 and "have not come" in missing.json()["error"]["message"]
    assert api.get(f"/v1/bundles/{told['id']}/files/udm2.tif").status_code == 404, "nothing of it is visible"
    (tmp_path / "other" / "udm2.tif").write_bytes(b"!" * FILES["udm2.tif"])
    with pytest.raises(Corrupt):
        depot.send(made, next(one for one in made.components if one.name == "udm2.tif"))
    (tmp_path / "other" / "udm2.tif").write_bytes(b"")
    with pytest.raises(Corrupt, match="shorter"):
        depot.send(made, next(one for one in made.components if one.name == "udm2.tif"))


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {"name": "x"},
        {"name": "../x", "components": [{"name": "a", "size_bytes": 1, "sha256": "a" * 64}]},
        {"name": "x", "components": []},
        {"name": "x", "components": [{"name": "../../etc/passwd", "size_bytes": 1, "sha256": "a" * 64}]},
        {"name": "x", "components": [{"name": "manifest.json", "size_bytes": 1, "sha256": "a" * 64}]},
        {"name": "x", "components": [{"name": "a", "size_bytes": -1, "sha256": "a" * 64}]},
        {"name": "x", "components": [{"name": "a", "size_bytes": True, "sha256": "a" * 64}]},
        {"name": "x", "components": [{"name": "a", "size_bytes": 1, "sha256": "A" * 64}]},
        {"name": "x", "components": [{"name": n, "size_bytes": 1, "sha256": "a" * 64} for n in ("a", "A")]},
        {"name": "x", "revision": 0, "components": [{"name": "a", "size_bytes": 1, "sha256": "a" * 64}]},
        {"name": "x", "seal": "b" * 64, "components": [{"name": "a", "size_bytes": 1, "sha256": "a" * 64}]},
        {"name": "x\x00", "components": [{"name": "a", "size_bytes": 1, "sha256": "a" * 64}]},
    ],
)
def test_bundles_that_cannot_be_are_refused(api, wrong):
    assert api.post("/v1/bundles", json=wrong).status_code == 400


def test_unknown_ids_and_odd_pages(api):
    for path in ("/v1/bundles/x", "/v1/bundles/%2e%2e", "/v1/bundles/x/files/a", "/v1/bundles/a%00b"):
        assert api.get(path).status_code == 404, path
    assert api.put("/v1/uploads/x/y", content=b"").status_code == 404
    assert api.get("/v1/bundles", params={"limit": 0}).status_code == 400
    assert api.get("/v1/bundles", params={"after": 10**30}).status_code == 400
    assert api.get("/v1/bundles", params={"name": "a\0b"}).json() == {"bundles": [], "next": None}


def test_many_senders_make_one_bundle(library, there, tmp_path):
    made = sealed(library, tmp_path, "many")

    def send(_):
        with Tracker(there.url) as depot:
            for component in made.components:
                depot.send(made, component)
            depot.finish(made)

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(send, n) for n in range(4)]
    errors = [one.exception() for one in results if one.exception()]
    assert len(errors) < 4 and is_whole(there.files, "many") and len(readies(there, "many")) == 1


def test_a_file_that_was_taken_away_is_said(library, there, depot, tmp_path):
    made = sealed(library, tmp_path, "taken")
    for component in made.components:
        depot.send(made, component)
    depot.finish(made)
    (there.files / "taken" / "udm2.tif").unlink()
    [found] = depot.found("taken")
    part = next(one for one in found.components if one.name == "udm2.tif")
    with pytest.raises(Gone, match="not on the disk"):
        list(depot.blocks(found, part, 0))


def test_a_tracker_that_is_away_or_cannot_be_meant(library, tmp_path):
    made = sealed(library, tmp_path)
    with Tracker("http://127.0.0.1:9") as away, pytest.raises(NetworkError, match="does not answer"):
        away.is_visible(made)
    for wrong in ("ftp://x", "https://", "https://u:p@x", "https://x?y=1"):
        with pytest.raises(Misused):
            Tracker(wrong)
    with pytest.raises(Misused, match="without TLS"):
        Tracker("http://example.org", "secret")
    assert "secret" not in repr(Tracker("https://example.org", "secret"))


def test_a_redirect_is_not_followed(library, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        port, made = trap.getsockname()[1], sealed(library, tmp_path)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(redirect, trap)
            with Tracker(f"http://127.0.0.1:{port}", "secret") as lured, pytest.raises(Unsafe, match="redirect"):
                lured.is_visible(made)
            assert b"Bearer secret" in asked.result()


def redirect(trap):
    trap.settimeout(30)
    line, _ = trap.accept()
    with line:
        asked = line.recv(65536)
        line.sendall(b"HTTP/1.1 307 x\r\nLocation: http://elsewhere.invalid/\r\nContent-Length: 0\r\n\r\n")
    return asked


def test_the_digest_is_the_version_mark(api, library, there, depot, tmp_path):
    made = sealed(library, tmp_path, "mark")
    for component in made.components:
        depot.send(made, component)
    depot.finish(made)
    answer = api.get(f"{depot.address_of(made).removeprefix(there.url)}/files/udm2.tif")
    data = (tmp_path / "mark" / "udm2.tif").read_bytes()
    assert answer.content == data and answer.headers["ETag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"

"""Bundles in an S3 store (moto, on a socket): the manifest comes last and once, and what it names is there, whole."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from planet_assets.exceptions import DiskProblem, NetworkError
from planet_assets.flow import publish
from planet_assets.flow.clock import RealClock
from planet_assets.flow.pulling import pull
from planet_assets.library import bundles
from planet_assets.library.engine import Library
from planet_assets.model.bundle import Bundle, Site

obstore = pytest.importorskip("obstore")

FILES = {"analytic.tif": 6_000_000, "udm2.tif": 3_000, "metadata.xml": 500, "clip.tif": 200_000}

SHIPPER = """
import sys
from planet_assets.flow import publish
from planet_assets.flow.clock import RealClock
from planet_assets.library import bundles
from planet_assets.library.engine import Library, working
library = Library(sys.argv[1])
site = bundles.site_named(library, "store")
print("ready", flush=True)
with working() as owner:
    ended = publish.ship(library, site, bundles.outstanding(library, site.id), owner=owner, clock=RealClock())
print(*(one.state for one in ended))
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    for name, value in (("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    made = Library(tmp_path / "library.db")
    yield made
    made.close()


@pytest.fixture
def site(library: Library, endpoint: str, tmp_path: Path) -> Site:
    bucket = f"b{random.randrange(10**9)}"
    assert httpx.put(f"{endpoint}/{bucket}", trust_env=False).is_success
    return bundles.add_site(library, "store", f"s3://{bucket}/team", {"endpoint": endpoint})


def sealed(library: Library, folder: Path, name: str = "scene") -> Bundle:
    home = folder / name
    home.mkdir()
    for file, size in FILES.items():
        (home / file).write_bytes(random.Random(name + file).randbytes(size))
    parts = publish.components_of(sorted(home.iterdir()))
    return bundles.assemble(library, name, parts, kind="scene", by="me", now=RealClock().now())


def keys(endpoint: str, site: Site) -> dict[str, bytes]:
    """Every object, by the part of its key after the prefix."""
    bucket = site.address.split("/")[2]
    store = obstore.store.S3Store(bucket, config={"endpoint": endpoint}, client_options={"allow_http": True})
    found = [one["path"] for page in obstore.list(store) for one in page]
    return {key.removeprefix("team/"): bytes(obstore.get(store, key).bytes()) for key in found}


def obstore_of(endpoint: str, site: Site) -> obstore.store.S3Store:
    bucket = site.address.split("/")[2]
    return obstore.store.S3Store(bucket, config={"endpoint": endpoint}, client_options={"allow_http": True})


def is_whole(objects: dict[str, bytes], name: str) -> bool:
    """Every object that the manifest names."""
    document = json.loads(objects[f"{name}/manifest.json"])
    for one in document["components"]:
        data = objects[f"{name}/{one['href']}"]
        assert len(data) == one["size_bytes"] and hashlib.sha256(data).hexdigest() == one["sha256"]
    return len(document["components"]) == len(FILES)


def test_a_bundle_is_visible_when_it_is_whole(library, site, endpoint, tmp_path):
    made = sealed(library, tmp_path)
    depot = publish.depot_of(site)
    for component in made.components:
        assert not depot.is_visible(made)
        depot.send(made, component)
    assert f"{made.name}/manifest.json" not in keys(endpoint, site)
    [first] = publish.ship(library, site, [made], owner="me", clock=RealClock())
    assert first.state == "ready" and first.address == f"{site.address}/scene/manifest.json"
    assert is_whole(keys(endpoint, site), "scene") and len(keys(endpoint, site)) == 5
    [again] = publish.ship(library, site, [made], owner="me", clock=RealClock())
    assert again.state == "already ready"


def test_what_is_in_a_store_is_pulled_whole(library, site, endpoint, tmp_path):
    made = [sealed(library, tmp_path, name) for name in ("one", "two")]
    publish.ship(library, site, made, owner="me", clock=RealClock())
    store, source = obstore_of(endpoint, site), publish.depot_of(site)
    obstore.put(store, "team/stray/manifest.json", b"no manifest")
    other = Library(tmp_path / "other.db")
    into = bundles.add_site(other, "here", str(tmp_path / "here"), {})
    ended = pull(other, source, into, owner="me", clock=RealClock())
    assert [(one.bundle.name, one.state) for one in ended] == [("one", "ready"), ("two", "ready")]
    for name in ("one", "two"):
        for file in FILES:
            assert (tmp_path / "here" / name / file).read_bytes() == (tmp_path / name / file).read_bytes()
    assert pull(other, source, into, owner="me", clock=RealClock()) == []
    [there] = [one for one in source.found() if one.name == "one"]
    part = next(one for one in there.components if one.name == "analytic.tif")
    assert b"".join(source.blocks(there, part, 5_000_000)) == (tmp_path / "one/analytic.tif").read_bytes()[5_000_000:]
    other.close()


def test_of_two_publishers_the_second_finds_it_done_or_is_refused(library, site, endpoint, tmp_path):
    made = sealed(library, tmp_path)
    with ThreadPoolExecutor(4) as pool:
        depots = [publish.depot_of(site) for _ in range(4)]
        list(pool.map(lambda depot: [depot.send(made, one) for one in made.components] + [depot.finish(made)], depots))
    assert is_whole(keys(endpoint, site), "scene")
    stranger = Library(tmp_path / "other.db")
    other = bundles.assemble(
        stranger, "scene", publish.components_of([Path(__file__)]), kind="x", by="me", now=made.sealed_at
    )
    with pytest.raises(DiskProblem, match="is another thing"):
        publish.depot_of(site).finish(other)
    stranger.close()
    assert is_whole(keys(endpoint, site), "scene")


def test_damage_at_the_store_is_seen(library, site, endpoint, tmp_path):
    made = sealed(library, tmp_path)
    depot = publish.depot_of(site)
    [udm2] = [one for one in made.components if one.name == "udm2.tif"]
    depot.send(made, udm2)
    bucket = site.address.split("/")[2]
    store = obstore.store.S3Store(bucket, config={"endpoint": endpoint}, client_options={"allow_http": True})
    [key] = [one["path"] for page in obstore.list(store) for one in page]
    obstore.put(store, key, b"?" * udm2.size_bytes)
    assert publish.ship(library, site, [made], owner="me", clock=RealClock())[0].state == "ready"
    assert is_whole(keys(endpoint, site), "scene")


def test_a_store_that_is_away_is_said(library, tmp_path):
    site = bundles.add_site(library, "gone", "s3://nothing/x", {"endpoint": "http://127.0.0.1:9"})
    depot = publish.depot_of(site)
    with pytest.raises(NetworkError, match="did not do it"):
        depot.is_visible(sealed(library, tmp_path))


def test_killed_anywhere_it_ends_whole(library, site, endpoint, tmp_path):
    made = [sealed(library, tmp_path, f"s{number}") for number in range(3)]
    for one in made:
        bundles.want(library, one.id, site.id, now=RealClock().now())
    start = [sys.executable, "-c", SHIPPER, str(tmp_path / "library.db")]
    chance = random.Random(2)
    for _ in range(2):
        run = subprocess.Popen(start, stdout=subprocess.PIPE, text=True, env=os.environ)
        assert run.stdout is not None and run.stdout.readline() == "ready\n"
        time.sleep(chance.random() * 0.6)
        found = keys(endpoint, site)
        assert all(is_whole(found, key.split("/")[0]) for key in found if key.endswith("/manifest.json"))
        run.send_signal(signal.SIGKILL)
        run.communicate()
    done = subprocess.run(start, capture_output=True, text=True, env=os.environ, check=True)
    assert "failed" not in done.stdout and not bundles.outstanding(library, site.id)
    found = keys(endpoint, site)
    assert all(is_whole(found, one.name) for one in made)
    assert [event[2] for event in bundles.events(library)].count("ready") == 3

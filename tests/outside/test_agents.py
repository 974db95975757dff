"""Two trackers and an object store: published at one, brought to the others by agents, everything killed anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
from hubs import is_whole, sealed

from planet_assets.flow.clock import RealClock
from planet_assets.flow.publish import ship
from planet_assets.library import bundles
from planet_assets.library.engine import Library

obstore = pytest.importorskip("obstore")

FILES = {"analytic.tif": 3_000_000, "udm2.tif": 3_000, "metadata.xml": 500}
COMMAND = [sys.executable, "-m", "planet_assets"]


class Place:
    """A machine of its own: a library, a folder, and the process that works there."""

    def __init__(self, folder: Path, *words: str) -> None:
        folder.mkdir()
        self.folder, self.words = folder, words
        self.variables = {**os.environ, "PLANET_ASSETS_LIBRARY": str(folder / "library.db"), "HOME": str(folder)}
        self.variables["PLANET_ASSETS_CONFIG"] = str(folder / "config.toml")
        self.process: subprocess.Popen[bytes] | None = None

    def name(self, **sites: str) -> None:
        with closing(Library(self.folder / "library.db")) as library:
            for name, address in sites.items():
                options = {"endpoint": address.split("|")[1]} if "|" in address else {}
                bundles.add_site(library, name, address.split("|")[0], options)

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*COMMAND, *self.words], env=self.variables, cwd=self.folder, stdout=log, stderr=log
            )

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)

    def ready(self) -> list[tuple[str, str]]:
        with closing(Library(self.folder / "library.db")) as library:
            return [
                (bundles.get(library, event[3]).name, event[4])
                for event in bundles.events(library)
                if event[2] == "ready"
            ]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def objects(endpoint: str, bucket: str) -> dict[str, bytes]:
    store = obstore.store.S3Store(bucket, config={"endpoint": endpoint}, client_options={"allow_http": True})
    found = [one["path"] for page in obstore.list(store) for one in page]
    return {key: bytes(obstore.get(store, key).bytes()) for key in found}


def stored_whole(found: dict[str, bytes], name: str) -> bool:
    document = json.loads(found[f"team/{name}/manifest.json"])
    for one in document["components"]:
        data = found[f"team/{name}/{one['href']}"]
        assert hashlib.sha256(data).hexdigest() == one["sha256"]
    return len(document["components"]) == len(FILES)


def besiege(tmp_path: Path, endpoint: str, *, scenes: int, kills: int, seed: int) -> None:
    chance, bucket, ports = random.Random(seed), f"b{random.randrange(10**9)}", (free_port(), free_port())
    assert httpx.put(f"{endpoint}/{bucket}", trust_env=False).is_success
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    one, two = (
        Place(tmp_path / f"tracker{n}", "serve", "--no-auth", "--port", str(port), "--files", "files")
        for n, port in enumerate(ports)
    )
    every = ("--every", "0.1")
    first = Place(tmp_path / "first", "site", "agent", "--from", "one", "--into", "here", "--to", "two", *every)
    chain = Place(tmp_path / "chain", "site", "agent", "--from", "two", "--into", "here", "--to", "store", *every)
    first.name(one=urls[0], two=urls[1], here=str(first.folder / "here"))
    chain.name(two=urls[1], here=str(chain.folder / "here"), store=f"s3://{bucket}/team|{endpoint}")
    names = [f"s{number}" for number in range(scenes)]
    with closing(Library(one.folder / "library.db")) as library:
        site = bundles.add_site(library, "hub", str(one.folder / "files" / "bundles"), {})
        made = [sealed(library, tmp_path / "made", name, FILES) for name in names]
        assert {done.state for done in ship(library, site, made, owner="me", clock=RealClock())} == {"ready"}
    places = [one, two, first, chain]
    with ExitStack() as stack:
        for place in places:
            place.start()
            stack.callback(place.kill)
        for _ in range(kills):
            time.sleep(0.3 + chance.random() * 1.2)
            victim = chance.choice(places)
            victim.kill()
            look(two.folder / "files" / "bundles", chain.folder / "here", objects(endpoint, bucket))
            victim.start()
        for _ in range(600):
            if {name for name, at in chain.ready() if at == "store"} == set(names):
                break
            time.sleep(0.2)
        for place in (first, chain):
            place.kill(signal.SIGTERM)
            assert place.process is not None and place.process.returncode == 0, (place.folder / "log").read_text()
    for place, sites in ((two, ["hub"]), (first, ["here", "two"]), (chain, ["here", "store"])):
        assert sorted(place.ready()) == sorted((name, at) for name in names for at in sites), "whole, exactly once"
    for folder in (two.folder / "files" / "bundles", first.folder / "here", chain.folder / "here"):
        assert all(is_whole(folder, name, FILES) for name in names)
    found = objects(endpoint, bucket)
    assert all(stored_whole(found, name) for name in names) and len(found) == scenes * (len(FILES) + 1)


def look(hub: Path, here: Path, found: dict[str, bytes]) -> None:
    """At any moment, what is visible is whole."""
    for folder in (hub, here):
        if folder.exists():
            visible = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
            assert all(is_whole(folder, name, FILES) for name in visible)
    assert all(stored_whole(found, key.split("/")[1]) for key in found if key.endswith("manifest.json"))


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)


def test_published_at_one_brought_to_all_and_killed_anywhere(tmp_path: Path, endpoint: str) -> None:
    besiege(tmp_path, endpoint, scenes=2, kills=2, seed=3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_the_same_for_long(tmp_path: Path, endpoint: str, seed: int) -> None:
    besiege(tmp_path, endpoint, scenes=8, kills=20, seed=seed)

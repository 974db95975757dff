"""Sealed bundles over both engines: open, fill, seal, ship; ready exactly once, whoever races."""

from __future__ import annotations

import dataclasses
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from planet_assets.exceptions import Corrupt, Gone, LibraryLocked, Misused
from planet_assets.library import bundles, receiving
from planet_assets.library.engine import Library
from planet_assets.model.bundle import Bundle, Component

NOW = datetime(2025, 1, 1, tzinfo=UTC)
BY = {"by": "me", "now": NOW}


@pytest.fixture
def library(library_address):
    made = Library(library_address)
    yield made
    made.close()


def file(name, sha="a"):
    return Component(name=name, path=Path(f"/x/{name}"), size_bytes=1, sha256=sha * 64)


def sealed(library, name="s", parts=("a.tif", "b.xml")):
    return bundles.assemble(library, name, [file(part) for part in parts], kind="scene", **BY)


def test_open_fill_seal(library):
    opened = bundles.open_one(library, "scene", kind="scene", **BY)
    bundles.add(library, opened.id, [file("a.tif")])
    assert bundles.open_one(library, "scene", kind="scene", **BY).id == opened.id
    bundles.add(library, opened.id, [file("b.xml"), file("a.tif", "b")])
    done = bundles.seal(library, opened.id, **BY)
    assert [(one.name, one.sha256[0]) for one in done.components] == [("a.tif", "b"), ("b.xml", "a")]
    assert bundles.seal(library, opened.id, by="other", now=NOW + timedelta(1)) == done, "sealed once"
    with pytest.raises(Misused, match="is sealed"):
        bundles.add(library, opened.id, [file("c")])
    later = bundles.open_one(library, "scene", kind="scene", **BY)
    assert later.revision == 2 and later.components == ()
    with pytest.raises(Misused, match="no components"):
        bundles.seal(library, later.id, **BY)
    assert [kind for _, _, kind, _, _ in bundles.events(library)] == ["opened", "sealed", "opened"]
    with pytest.raises(Misused, match="no bundle"):
        bundles.get(library, "x")


def test_the_same_files_are_the_same_bundle(library):
    first = sealed(library)
    assert sealed(library).id == first.id == sealed(library, parts=("a.tif",)).id
    assert sealed(library, parts=("a.tif", "b.xml", "c.tif")).revision == 2
    assert bundles.get(library, first.id) == first


def test_names_that_cannot_stand(library):
    for name in ("../x", "", ".hidden", "con", "a/b", "manifest.json", "x" * 300):
        with pytest.raises(Misused):
            sealed(library, name=name)
        with pytest.raises(Misused):
            sealed(library, parts=(name,))
    with pytest.raises(Misused, match="one name on some disks"):
        sealed(library, parts=("a.tif", "A.TIF"))


def test_a_shipment_is_one_owners(library):
    made, site = sealed(library), bundles.add_site(library, "site", "/site", {})
    with pytest.raises(Misused, match="seal it first"):
        bundles.want(library, bundles.open_one(library, "o", kind="x", **BY).id, site.id, now=NOW)
    bundles.want(library, made.id, site.id, now=NOW)
    bundles.want(library, made.id, site.id, now=NOW)
    where = (made.id, site.id)
    mine, yours = {"owner": "mine", "now": NOW}, {"owner": "yours", "now": NOW}
    assert bundles.claim(library, *where, **mine) and not bundles.claim(library, *where, **yours)
    with pytest.raises(LibraryLocked):
        bundles.arrived(library, *where, "a.tif", **yours)
    with pytest.raises(LibraryLocked):
        bundles.ready(library, *where, **yours)
    bundles.arrived(library, *where, "a.tif", **mine)
    with pytest.raises(Misused, match="Not every component"):
        bundles.ready(library, *where, **mine)
    bundles.give_up(library, *where, owner="mine", error="no room")
    assert bundles.claim(library, *where, **yours) and [one.id for one in bundles.outstanding(library, site.id)] == [
        made.id
    ]
    bundles.arrived(library, *where, "b.xml", **yours)
    assert bundles.ready(library, *where, **yours) and not bundles.ready(library, *where, **yours)
    assert not bundles.claim(library, *where, **mine) and bundles.is_ready(library, *where)
    assert [event[2:] for event in bundles.events(library) if event[2] == "ready"] == [("ready", made.id, "site")]
    with pytest.raises(Misused, match="were shipped to site"):
        bundles.add_site(library, "site", "/elsewhere", {})


def test_a_lease_that_ran_out_is_taken_over(library):
    made, site = sealed(library), bundles.add_site(library, "site", "/site", {})
    bundles.want(library, made.id, site.id, now=NOW)
    where = (made.id, site.id)
    assert bundles.claim(library, *where, owner="slow", now=NOW, lease=timedelta(0))
    assert bundles.claim(library, *where, owner="quick", now=NOW)
    with pytest.raises(LibraryLocked):
        bundles.arrived(library, *where, "a.tif", owner="slow", now=NOW)


SHIPPER = """
import sys
from datetime import UTC, datetime, timedelta
from planet_assets.exceptions import LibraryLocked
from planet_assets.library import bundles
from planet_assets.library.engine import Library, working
library = Library(sys.argv[1])
[site] = bundles.sites(library)
now = lambda: datetime.now(UTC)
print(flush=True)
with working() as owner:
    while left := bundles.outstanding(library, site.id):
        for one in left:
            lease = timedelta(seconds=int(sys.argv[2]))
            if not bundles.claim(library, one.id, site.id, owner=owner, now=now(), lease=lease):
                continue
            try:
                for part in one.components:
                    bundles.arrived(library, one.id, site.id, part.name, owner=owner, now=now())
                if bundles.ready(library, one.id, site.id, owner=owner, now=now()):
                    print(one.id, flush=True)
            except LibraryLocked:
                pass
"""


def race(library, address, *, count, lease_s, kill):
    """Four processes ship `count` bundles to one site, some of them killed; what the living ones say they finished."""
    site = bundles.add_site(library, "site", "/site", {})
    for number in range(count):
        bundles.want(library, sealed(library, f"s{number}", ("a", "b", "c", "d")).id, site.id, now=NOW)
    start = [sys.executable, "-c", SHIPPER, address, str(lease_s)]
    runs = [subprocess.Popen(start, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for run in runs:
        run.stdout.readline()
    chance = random.Random(5)
    for run in runs[:kill]:
        time.sleep(chance.random() / 10)
        run.send_signal(signal.SIGKILL)
    told = [line for run in runs for line in run.communicate(timeout=200)[0].split()]
    assert all(run.returncode == 0 for run in runs[kill:])
    return told


def once_each(library, told, count):
    """Every bundle has one ready event, and nobody was told twice."""
    ready = [bundle for _, _, kind, bundle, _ in bundles.events(library) if kind == "ready"]
    assert len(ready) == len(set(ready)) == count
    assert len(told) == len(set(told)) and set(told) <= set(ready)


def test_fifty_bundles_four_shippers_one_ready_event_each(library, library_address):
    once_each(library, race(library, library_address, count=50, lease_s=600, kill=2), 50)


@pytest.mark.soak
@pytest.mark.parametrize("lease_s", [0, 600])
def test_many_bundles_and_leases_that_run_out_at_once(library, library_address, lease_s):
    once_each(library, race(library, library_address, count=150, lease_s=lease_s, kill=3), 150)


def test_what_comes_from_elsewhere_is_held_when_it_is_whole(library, tmp_path):
    told = Bundle(id="", name="s", revision=1, kind="scene", components=(file("a"), file("b")))
    own = sealed(library, "s", ("x",))
    here, there = bundles.add_site(library, "here", str(tmp_path), {}), bundles.add_site(library, "there", "/there", {})
    made = receiving.receive(library, told, tmp_path, **BY)
    assert made.revision == 2 and made.seal != own.seal and made.components[0].path == tmp_path / "s-r2" / "a"
    assert receiving.receive(library, told, tmp_path, **BY) == made == receiving.find(library, made.id)
    assert [one.id for one in receiving.held(library, missing_at=there.id)] == [own.id], "it is still coming"
    bundles.want(library, made.id, here.id, now=NOW)
    assert bundles.claim(library, made.id, here.id, owner="me", now=NOW)
    for part in ("a", "b"):
        bundles.arrived(library, made.id, here.id, part, owner="me", now=NOW)
    assert receiving.names_there(library, made.id, here.id) == {"a", "b"}
    assert bundles.ready(library, made.id, here.id, owner="me", now=NOW)
    assert {one.id for one in receiving.held(library, missing_at=there.id)} == {own.id, made.id}
    assert [one.id for one in receiving.held(library, missing_at=here.id)] == [own.id]
    [(sequence, _, ready)] = receiving.ready_at(library, here.id, name="s")
    assert ready == made and receiving.ready_at(library, here.id, after=sequence) == []
    with pytest.raises(Corrupt):
        receiving.receive(library, dataclasses.replace(told, seal="0" * 64), tmp_path, **BY)
    with pytest.raises(Gone):
        receiving.find(library, "nothing")


def test_threads_assemble_one_bundle_together(library):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: sealed(library), range(8)))
    assert len({one.id for one in made}) == 1

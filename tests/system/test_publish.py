"""`publish` to a folder: whole or not at all, exactly once, killed anywhere, raced by others."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from commands import Desk

from planet_assets.exceptions import Corrupt, Misused
from planet_assets.flow import publish
from planet_assets.flow.clock import RealClock
from planet_assets.library import bundles, copies
from planet_assets.library.engine import Library
from planet_assets.model.changes import Version
from planet_assets.rules import sealing

SCENE = "20250101_100000_00_24{:02d}"
KINDS = {"3B_AnalyticMS.tif": 300_000, "3B_udm2.tif": 5_000, "3B_AnalyticMS_metadata.xml": 900, "clipped.tif": 70_000}
PUBLISHER = Path(__file__).parents[1] / "publishing.py"


@pytest.fixture
def address(tmp_path):
    return str(tmp_path / "library.db")


@pytest.fixture
def library(address):
    made = Library(address)
    yield made
    made.close()


@pytest.fixture
def site(library, tmp_path):
    return bundles.add_site(library, "site", str(tmp_path / "site"), {})


def hold(library, folder, scene):
    """A scene's four files, as the library holds them."""
    folder.mkdir(exist_ok=True)
    for kind, size in KINDS.items():
        path = folder / f"{scene}_{kind}"
        path.write_bytes(random.Random(path.name).randbytes(size))
        copies.adopt(
            library,
            copies.Held(
                key=("PSScene", scene, kind),
                path=path,
                cut="",
                digest=hashlib.md5(path.read_bytes()).hexdigest(),
                size_bytes=size,
                version=Version(),
            ),
            datetime(2025, 1, 2, tzinfo=UTC),
        )
    return scene


@pytest.fixture
def scenes(library, tmp_path):
    return [hold(library, tmp_path / "held", SCENE.format(number)) for number in range(2)]


def ship(library, site, *names, **more):
    made = [publish.seal_scene(library, name, by="me", clock=RealClock()) for name in names]
    return publish.ship(library, site, made, owner="me", clock=RealClock(), **more)


def is_whole(folder):
    """Every byte that the manifest promises, and nothing else."""
    document = json.loads((folder / "manifest.json").read_text())
    for one in document["components"]:
        data = (folder / one["name"]).read_bytes()
        assert len(data) == one["size_bytes"] and hashlib.sha256(data).hexdigest() == one["sha256"]
    assert {path.name for path in folder.iterdir()} == {one["name"] for one in document["components"]} | {
        "manifest.json"
    }
    return len(document["components"]) == len(KINDS)


def visible(root):
    return sorted(path.name for path in root.iterdir() if not path.name.startswith(".")) if root.exists() else []


def test_a_scene_becomes_visible_whole_and_once(library, site, scenes, tmp_path):
    first = ship(library, site, *scenes)
    assert [one.state for one in first] == ["ready", "ready"] and visible(tmp_path / "site") == scenes
    assert all(is_whole(Path(one.address)) for one in first)
    again = ship(library, site, *scenes)
    assert [one.state for one in again] == ["already ready"] * 2 and visible(tmp_path / "site") == scenes
    assert [event[2] for event in bundles.events(library)].count("ready") == 2
    assert not list((tmp_path / "site").glob(".*")), "nothing gathers any more"


def test_what_is_added_later_is_the_next_revision(library, site, scenes, tmp_path):
    [first] = ship(library, site, scenes[0])
    before = {path.name: path.read_bytes() for path in Path(first.address).iterdir()}
    more = publish.components_of([Path(__file__)])
    opened = bundles.open_one(library, scenes[0], kind="scene", by="me", now=RealClock().now())
    bundles.add(library, opened.id, [*bundles.get(library, first.bundle.id).components, *more])
    bundles.seal(library, opened.id, by="me", now=RealClock().now())
    [second] = publish.ship(library, site, [bundles.get(library, opened.id)], owner="me", clock=RealClock())
    assert Path(second.address).name == f"{scenes[0]}-r2" and len(visible(tmp_path / "site")) == 2
    assert {path.name: path.read_bytes() for path in Path(first.address).iterdir()} == before


def test_a_file_that_is_not_what_was_recorded_is_not_published(library, site, scenes, tmp_path):
    file = tmp_path / "held" / f"{scenes[0]}_3B_udm2.tif"
    good = file.read_bytes()
    file.write_bytes(b"?" * len(good))
    with pytest.raises(Corrupt, match="not the file that was recorded"):
        ship(library, site, scenes[0])
    file.write_bytes(good)
    made = publish.seal_scene(library, scenes[0], by="me", clock=RealClock())
    file.write_bytes(b"?" * len(good))
    [failed] = publish.ship(library, site, [made], owner="me", clock=RealClock())
    assert (
        failed.state == "failed" and "not the file that was sealed" in failed.error and not visible(tmp_path / "site")
    )
    file.write_bytes(good)
    assert [one.state for one in ship(library, site, scenes[0])] == ["ready"]


def test_a_foreign_thing_in_the_way_is_left_alone(library, site, scenes, tmp_path):
    (tmp_path / "site" / scenes[0]).mkdir(parents=True)
    (tmp_path / "site" / scenes[0] / "theirs").write_text("x")
    ended = ship(library, site, *scenes)
    assert [one.state for one in ended] == ["failed", "ready"] and "is another thing" in ended[0].error
    assert (tmp_path / "site" / scenes[0] / "theirs").read_text() == "x"


def test_a_crash_between_the_name_and_the_record_is_found_again(library, site, scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(bundles, "ready", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        ship(library, site, scenes[0])
    monkeypatch.undo()
    assert is_whole(tmp_path / "site" / scenes[0]) and len(bundles.outstanding(library, site.id)) == 1
    assert [one.state for one in ship(library, site, scenes[0])] == ["ready"]


def test_nothing_held_and_no_site(library, site):
    with pytest.raises(Misused, match="holds nothing of x"):
        publish.seal_scene(library, "x", by="me", clock=RealClock())
    with pytest.raises(Misused, match="no site 'y'"):
        bundles.site_named(library, "y")
    for address, options in (("/x", {"a": "b"}), ("s3://b", {"secret_access_key": "x"}), ("s3://u:p@b", {})):
        with pytest.raises(Misused):
            publish.read_address(address, options)


def killed_and_run_again(library, address, root, names, chance, rounds):
    """Publishers killed at random moments; readers never see a part of a scene; a last run ends whole."""
    for _ in range(rounds):
        runs = [
            subprocess.Popen([sys.executable, PUBLISHER, address, "site", *names], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        for run in runs:
            assert run.stdout.readline() == "ready\n"
        until = time.monotonic() + chance.random() * 0.15
        while time.monotonic() < until:
            assert all(is_whole(root / name) for name in visible(root))
        for run in runs:
            run.send_signal(signal.SIGKILL)
            run.communicate()
    done = subprocess.run(
        [sys.executable, PUBLISHER, address, "site", *names], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()[1:]) <= {"ready", "already-ready"}
    assert visible(root) == sorted(names) and all(is_whole(root / name) for name in names)
    ready = [event[3] for event in bundles.events(library) if event[2] == "ready"]
    assert len(ready) == len(set(ready)) == len(names)
    assert not list(root.glob(".*"))


def test_killed_anywhere_it_ends_whole(library, address, site, scenes, tmp_path):
    killed_and_run_again(library, address, tmp_path / "site", scenes, random.Random(1), 2)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_killed_often(library, address, site, tmp_path, seed):
    names = [hold(library, tmp_path / "held", SCENE.format(number)) for number in range(10)]
    killed_and_run_again(library, address, tmp_path / "site", names, random.Random(seed), 10)


def test_commands(library, scenes, tmp_path, monkeypatch):
    desk = Desk(tmp_path)

    def run(*words):
        return desk.here(monkeypatch, *words)

    assert run("site", "add", "team", "shared").json()["address"] == str(tmp_path / "shared")
    done = run("publish", scenes[0], "--to", "team")
    assert done.code == 0 and [one["state"] for one in done.json()] == ["ready"] and "Planet's licence" in done.err
    assert run("site", "list").json() == [
        {"name": "team", "address": str(tmp_path / "shared"), "options": {}, "outstanding": 0}
    ]
    assert run("publish", "--to", "team", "--text").out == "Nothing is outstanding.\n"
    assert run("publish", "nothing", "--to", "team").code == 2


def test_a_folder_says_what_it_cannot_do(library, scenes, tmp_path):
    if os.geteuid() == 0:
        (tmp_path / "file").write_text("x")
        site = bundles.add_site(library, "odd", str(tmp_path / "file" / "below"), {})
    else:
        (tmp_path / "closed").mkdir(mode=0o500)
        site = bundles.add_site(library, "odd", str(tmp_path / "closed"), {})
    [failed] = ship(library, site, scenes[0])
    assert failed.state == "failed" and failed.error


def test_manifests_are_the_same_whenever_they_are_written(library, scenes):
    made = publish.seal_scene(library, scenes[0], by="me", clock=RealClock())
    assert sealing.manifest(made) == sealing.manifest(bundles.get(library, made.id))
    assert sealing.folder_of(made) == scenes[0]

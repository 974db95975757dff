"""UploadTracker: whole registrations, seals, claims, and restarts that find what a crash left."""

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from planet_assets.compat.upload_tracker import PendingUpload, UploadTracker
from planet_assets.exceptions import AssetError, LibraryLocked, Misused

PARTS = [("model.bin", "/ckpt/7/model.bin", 100), ("optim.bin", "/ckpt/7/optim.bin", None)]

SHIPPER = """
import sys
from planet_assets.compat.upload_tracker import UploadTracker
tracker = UploadTracker(sys.argv[1])
while (one := tracker.claim()) is not None:
    print("took", one.asset_id, one.component, flush=True)
    tracker.mark_completed(one.asset_id, one.component, "ab")
    if tracker.all_components_completed(one.asset_id) and tracker.mark_finalized(one.asset_id):
        print("ready", one.asset_id, flush=True)
"""


@pytest.fixture
def tracker(tmp_path):
    made = UploadTracker(tmp_path / "state.db")
    yield made
    made.close()


def complete(tracker, asset_id="a"):
    for one in tracker.get_incomplete():
        if one.asset_id == asset_id:
            tracker.mark_uploading(asset_id, one.component)
            tracker.mark_completed(asset_id, one.component, f"sha-{one.component}")


def test_a_registered_asset_from_pending_to_finalized(tracker):
    assert not tracker.has_registered_assets()
    assert not tracker.all_components_completed("a"), "nobody knows it"
    tracker.register_components("a", "checkpoint", PARTS)
    assert tracker.has_registered_assets()
    first = tracker.get_pending_uploads()[0]
    assert isinstance(first, PendingUpload)
    assert (first.asset_id, first.asset_type, first.component, first.local_path, first.state) == (
        "a",
        "checkpoint",
        "model.bin",
        "/ckpt/7/model.bin",
        "PENDING",
    )
    tracker.mark_uploading("a", "model.bin")
    assert [one.state for one in tracker.get_incomplete()] == ["UPLOADING", "PENDING"]
    tracker.mark_failed("a", "model.bin", "no route")
    assert tracker.get_incomplete()[0].state == "FAILED"
    assert tracker.get_attempts("a", "model.bin") == (1, "no route")
    complete(tracker)
    assert tracker.get_incomplete() == []
    assert tracker.completed_sha256s("a") == {"model.bin": "sha-model.bin", "optim.bin": "sha-optim.bin"}
    assert tracker.all_components_completed("a")
    assert tracker.get_unfinalized() == ["a"], "a crash here is found after a restart"
    assert tracker.mark_finalized("a")
    assert not tracker.mark_finalized("a")
    assert tracker.get_unfinalized() == []
    assert tracker.purge_finalized() == 1
    assert not tracker.has_registered_assets()


def test_an_empty_registration_is_not_complete(tracker):
    tracker.register_components("a", "scene", [])
    assert not tracker.all_components_completed("a")
    with pytest.raises(Misused):
        tracker.seal("a")


def test_an_open_asset_is_complete_only_when_sealed(tracker):
    tracker.mark_pending("a", "udm2", "/s/udm2.tif", size=3, asset_type="scene")
    tracker.mark_completed("a", "udm2")
    assert not tracker.all_components_completed("a")
    tracker.add_components("a", "scene", [("xml", "/s/m.xml", 1)])
    tracker.seal("a")
    with pytest.raises(Misused, match="sealed"):
        tracker.mark_pending("a", "late", "/s/late.tif")
    assert not tracker.all_components_completed("a")
    tracker.mark_completed("a", "xml")
    assert tracker.all_components_completed("a")


def test_registering_again_keeps_what_is_shipped_and_unchanged(tracker):
    tracker.register_components("a", "checkpoint", PARTS)
    complete(tracker)
    tracker.register_components("a", "checkpoint", PARTS)
    assert tracker.all_components_completed("a")
    tracker.register_components("a", "checkpoint", [(PARTS[0][0], PARTS[0][1], 101), PARTS[1]])
    assert [one.component for one in tracker.get_incomplete()] == ["model.bin"]
    assert tracker.completed_sha256s("a") == {"optim.bin": "sha-optim.bin"}


def test_latest_checkpoint_registered_or_ready(tracker):
    assert tracker.get_latest_checkpoint_path() is None
    tracker.register_components("a", "checkpoint", [("m", "/ckpt/1/m", 1)])
    complete(tracker)
    tracker.register_components("b", "checkpoint", [("m", "/ckpt/2/m", 1)])
    tracker.register_components("c", "snapshot", [("m", "/snap/3/m", 1)])
    assert tracker.get_latest_checkpoint_path() == "/ckpt/2"
    assert tracker.get_latest_checkpoint_path(ready_only=True) == "/ckpt/1"


def test_claims_end_by_a_mark_or_by_themselves_and_rest_after_a_failure(tracker):
    tracker.register_components("a", "scene", PARTS)
    first, second = tracker.claim("x", lease_s=60), tracker.claim("y", lease_s=0)
    assert {first.component, second.component} == {"model.bin", "optim.bin"}
    again = tracker.claim("z")
    assert again.component == second.component, "its lease has run out"
    assert tracker.claim("z") is None
    tracker.mark_failed("a", first.component, "slow", retry_after_s=60, owner="x")
    assert tracker.claim("z") is None
    tracker.mark_failed("a", second.component, "slow", owner="z")
    assert tracker.claim("z").component == second.component


def test_only_the_one_who_claimed_may_mark(tracker):
    tracker.register_components("a", "scene", PARTS[:1])
    late = tracker.claim("late", lease_s=0)
    tracker.claim("quick")
    for mark in (tracker.mark_uploading, tracker.mark_completed, tracker.mark_failed):
        for owner in ("late", None):
            with pytest.raises(LibraryLocked, match="claimed by quick"):
                mark("a", late.component, owner=owner)
    tracker.mark_completed("a", late.component, "ab", owner="quick")
    with pytest.raises(LibraryLocked, match="not claimed any more"):
        tracker.mark_failed("a", late.component, owner="late")
    assert tracker.all_components_completed("a") and tracker.get_attempts("a", late.component) == (0, "")


def test_a_dead_process_holds_nothing(tracker, tmp_path):
    tracker.register_components("a", "scene", PARTS)
    take = (
        f"from planet_assets.compat.upload_tracker import UploadTracker as T; T({str(tracker._uploads.path)!r}).claim()"
    )
    subprocess.run([sys.executable, "-c", take], check=True)
    assert tracker.claim() is not None and tracker.claim() is not None, "neither waits for a lease of the dead"


def test_marks_of_unknown_components_say_nothing(tracker):
    tracker.mark_uploading("x", "y")
    tracker.mark_completed("x", "y", "ab")
    tracker.mark_failed("x", "y")
    assert not tracker.has_registered_assets()
    assert tracker.completed_sha256s("x") == {}


def test_a_file_of_the_other_tool_is_taken_over(tmp_path):
    with sqlite3.connect(tmp_path / "old.db") as old:
        old.execute(
            "CREATE TABLE upload_state (asset_id TEXT, asset_type TEXT, component TEXT, local_path TEXT, size INTEGER,"
            " state TEXT, created_at TEXT, PRIMARY KEY (asset_id, component))"
        )
        old.execute("INSERT INTO upload_state VALUES ('a', 'checkpoint', 'm', '/c/m', 1, 'COMPLETED', '2025-01-01')")
        old.execute("INSERT INTO upload_state VALUES ('b', 'checkpoint', 'm', '/d/m', 1, 'UPLOADING', '2025-01-02')")
    old.close()
    tracker = UploadTracker(tmp_path / "old.db")
    assert [one.asset_id for one in tracker.get_incomplete()] == ["b"]
    assert tracker.get_unfinalized() == ["a"]
    tracker.close()


def test_something_else_is_said(tmp_path):
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(AssetError, match="cannot be used"):
        UploadTracker(tmp_path / "x.db")


def test_a_batch_is_seen_whole_by_other_threads(tracker):
    seen, over = set(), threading.Event()

    def look():
        while not over.is_set():
            seen.add(len(tracker.get_incomplete()))

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(look) for _ in range(2)]
        writers = [
            pool.submit(tracker.register_components, f"a{n}", "t", [(f"c{i}", "/x", i) for i in range(1000)])
            for n in range(2)
        ]
        for each in writers:
            each.result()
        over.set()
        for each in readers:
            each.result()
    assert seen <= {0, 1000, 2000}


def test_fifty_bundles_and_four_racing_shippers_that_are_killed(tmp_path):
    path = tmp_path / "state.db"
    tracker = UploadTracker(path)
    for n in range(50):
        tracker.register_components(f"s{n}", "scene", [(name, f"/s{n}/{name}", 1) for name in ("a", "b", "c", "d")])
    start = [sys.executable, "-c", SHIPPER, str(path)]
    runs = [subprocess.Popen(start, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    heads = [run.stdout.readline() for run in runs]
    chance = random.Random(3)
    for run in runs[:2]:
        time.sleep(chance.random() / 20)
        run.send_signal(signal.SIGKILL)
    told = [line for head, run in zip(heads, runs, strict=True) for line in (head + run.communicate()[0]).splitlines()]
    ready = [line for line in told if line.startswith("ready")]
    assert len(ready) == len(set(ready)), "one ready each"
    for one in tracker.get_incomplete():  # the leases of the dead
        tracker.mark_completed(one.asset_id, one.component, "ab")
    left = tracker.get_unfinalized()
    assert not {f"ready {each}" for each in left} & set(ready)
    assert all(tracker.mark_finalized(each) for each in left)
    assert all(len(tracker.completed_sha256s(f"s{n}")) == 4 for n in range(50))
    assert tracker.purge_finalized() == 50
    tracker.close()

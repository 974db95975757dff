"""AssetTracker: what is offered, what is remembered, and that no record is lost or torn by whom ever."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from planet_assets.compat.asset_tracker import AssetTracker, is_tracking_disabled
from planet_assets.exceptions import AssetError, Misused

MANY = """
import sys
from planet_assets.compat.asset_tracker import AssetTracker
tracker = AssetTracker(sys.argv[1])
for n in range(int(sys.argv[3])):
    tracker.mark_asset_downloaded({"id": f"{sys.argv[2]}-{n}", "size": n}, sys.argv[1] + "/x", success=False)
    print(n, flush=True)
"""


def asset(number, **more):
    return {"id": f"a{number}", "name": f"{number}.jpg", "updated": "2024-01-01T10:00:00Z", **more}


def held(tracker, *assets, data=b"12345"):
    for each in assets:
        path = tracker.storage_dir / each["name"]
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(data)
        tracker.mark_asset_downloaded(each, path)


@pytest.fixture
def tracker(tmp_path):
    return AssetTracker(storage_dir=tmp_path / "images")


def test_new_changed_failed_and_missing_are_offered_in_order(tracker):
    listing = [asset(n) for n in range(5)]
    assert tracker.get_new_assets(listing) == listing
    held(tracker, *listing)
    assert tracker.get_new_assets(listing) == []
    listing[3] = asset(3, size=9)
    tracker.mark_asset_downloaded(listing[1], tracker.storage_dir / "1.jpg", success=False)
    (tracker.storage_dir / "4.jpg").unlink()
    (tracker.storage_dir / "0.jpg").write_bytes(b"1")
    assert [each["id"] for each in tracker.get_new_assets(listing)] == ["a0", "a1", "a3", "a4"]
    assert tracker.is_asset_modified(listing[3])
    assert not tracker.is_asset_modified(asset(99))
    assert tracker.is_asset_downloaded(listing[2])
    assert not tracker.is_asset_downloaded(listing[4])


def test_keys_and_hashes(tracker):
    key, hash_ = tracker._get_asset_key, tracker._get_asset_hash
    assert key({"uuid": "u", "assetId": "s", "id": "i"}) == "i"
    assert key({"uuid": "u", "assetId": "s"}) == "s"
    assert key({"uuid": "u"}) == "u"
    assert key({"id": 0}) == "0"
    assert key({"name": "x", "size": 1}) == key({"name": "x", "size": 2}), "a change makes no other asset"
    assert key({"name": "x"}) != key({"name": "y"})
    with pytest.raises(Misused):
        key({"size": 1})
    for field in ("updated", "modified", "lastModified", "size", "checksum", "etag"):
        assert hash_({"id": 1, field: "a"}) != hash_({"id": 1, field: "b"})
    assert hash_({"updated": 1, "name": "a"}) == hash_({"updated": 1, "name": "b"})
    assert hash_({"name": "a"}) != hash_({"name": "b"})
    assert hash_({"name": "a", "url": "x"}) == hash_({"name": "a", "url": "y"})


def test_both_override_points(tmp_path):
    class Custom(AssetTracker):
        def _get_asset_key(self, asset):
            return f"{asset.get('category')}_{asset.get('id')}"

        def _get_asset_hash(self, asset):
            return str(asset.get("etag"))

    tracker = Custom(tmp_path)
    held(tracker, asset(1, category="c", etag="e"))
    assert list(tracker.metadata) == ["c_a1"]
    assert tracker.get_new_assets([asset(1, category="c", etag="e", size=7)]) == []
    assert len(tracker.get_new_assets([asset(1, category="d", etag="e")])) == 1


def test_seven_figures_and_cleanup(tracker, capsys, caplog):
    caplog.set_level("INFO")
    held(tracker, *(asset(n) for n in range(3)), data=b"0" * 524288)
    tracker.mark_asset_downloaded(asset(7), tracker.storage_dir / "7.jpg", False)
    (tracker.storage_dir / "0.jpg").unlink()
    assert tracker.get_stats() == {
        "total_tracked_assets": 4,
        "successful_downloads": 3,
        "failed_downloads": 1,
        "existing_files": 2,
        "missing_files": 1,
        "total_size_bytes": 1048576,
        "total_size_mb": 1.0,
    }
    tracker.print_stats()
    assert "total tracked assets: 4" in capsys.readouterr().out
    assert tracker.cleanup_missing_files() == 1
    assert "File missing, removing from metadata" in caplog.text
    assert sorted(tracker.metadata) == ["a1", "a2", "a7"]


def test_the_file_is_as_documented_and_deleting_it_resets(tracker):
    held(tracker, asset(1))
    record = json.loads((tracker.storage_dir / "asset_metadata.json").read_text())["a1"]
    first = {"asset_id", "filename", "filepath", "download_date", "success"}
    documented = first | {"content_hash", "file_size", "file_modified", "api_data"}
    assert documented <= set(record)
    assert record["api_data"] == asset(1)
    tracker.metadata_file.unlink()
    assert tracker.get_new_assets([asset(1)]) == [asset(1)]
    assert tracker.get_stats()["total_tracked_assets"] == 0


def test_a_file_of_the_other_tool_is_taken_over(tmp_path):
    (tmp_path / "family_photo.jpg").write_bytes(b"12345")
    api = {"id": "asset_001", "updated": "2024-01-01T10:00:00Z", "size": 5}
    record = {
        "asset_id": "asset_001",
        "filename": "family_photo.jpg",
        "filepath": str(tmp_path / "family_photo.jpg"),
        "download_date": "2024-01-15T10:30:00",
        "success": True,
        "content_hash": "d41d8cd98f00b204e9800998ecf8427e",
        "file_size": 5,
        "file_modified": "2024-01-15T10:30:00",
        "api_data": api,
    }
    (tmp_path / "asset_metadata.json").write_text(json.dumps({"asset_001": record}))
    tracker = AssetTracker(tmp_path)
    assert tracker.get_new_assets([api]) == []
    assert tracker.get_new_assets([{**api, "size": 6}]) != []


def test_environment_and_names(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSET_METADATA_FILE", "my_assets.json")
    assert AssetTracker(tmp_path).metadata_file == tmp_path / "my_assets.json"
    assert AssetTracker(tmp_path, metadata_file="c.json").metadata_file == tmp_path / "c.json"
    with pytest.raises(Misused):
        AssetTracker(tmp_path, metadata_file="../c.json")
    assert not is_tracking_disabled()
    monkeypatch.setenv("DISABLE_ASSET_TRACKING", "1")
    assert is_tracking_disabled()


def test_a_damaged_file_is_said_and_kept(tracker):
    tracker.storage_dir.mkdir()
    tracker.metadata_file.write_text('{"a": ')
    with pytest.raises(AssetError, match="no JSON object"):
        tracker.mark_asset_downloaded(asset(1), "x")
    assert tracker.metadata_file.read_text() == '{"a": '


def test_a_moved_folder_keeps_its_files(tracker, tmp_path):
    held(tracker, asset(1))
    os.rename(tracker.storage_dir, tmp_path / "moved")
    assert AssetTracker(tmp_path / "moved").get_new_assets([asset(1)]) == []


def test_versions_batches_devices_and_a_page(tracker, tmp_path):
    held(tracker, asset(1))
    held(tracker, asset(1, size=2), asset(1, size=3))
    assert [each["api_data"].get("size") for each in tracker.get_versions(asset(1))] == [None, 2, 3]
    other = AssetTracker(tmp_path / "other")
    other.mark_assets_downloaded([(asset(n), other.storage_dir / f"{n}.jpg", False) for n in range(2, 50)])
    exported = other.export_json(tmp_path / "export.json")
    assert tracker.import_json(exported) == 48
    assert tracker.import_json(exported) == 0
    assert len(tracker.metadata) == 49
    assert tracker.forget_assets([asset(2), asset(3), asset(1000)]) == 2
    held(tracker, asset("<b>"))
    page = tracker.write_report(tmp_path / "report.html").read_text()
    assert "a&lt;b&gt;" in page
    assert "<b>" not in page


def test_threads_and_killed_processes_lose_nothing(tmp_path):
    """Ten threads and four processes on one file; the processes are killed at random."""
    chance = random.Random(7)
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", MANY, str(tmp_path), f"p{n}", "1000"], stdout=subprocess.PIPE, text=True
        )
        for n in range(4)
    ]
    assert all(run.stdout.readline() for run in runs)

    def mark(thread):
        tracker = AssetTracker(tmp_path)
        for n in range(8):
            tracker.mark_asset_downloaded({"id": f"t{thread}-{n}", "size": n}, tmp_path / "x", success=False)

    threads = [threading.Thread(target=mark, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for run in runs:
        time.sleep(chance.random() / 20)
        run.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join()
    records = json.loads((tmp_path / "asset_metadata.json").read_text())
    for n, run in enumerate(runs):
        told = ["0", *run.communicate()[0].split()]
        assert {f"p{n}-{each}" for each in told} <= records.keys()
    assert {f"t{t}-{n}" for t in range(10) for n in range(8)} <= records.keys()
    assert all(record["api_data"]["size"] == int(key.rpartition("-")[2]) for key, record in records.items())

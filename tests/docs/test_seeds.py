"""Every snippet of the three documents on tracking runs with only the import changed, and does what they say."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import seeds
from gallery import Gallery
from seeds import ASSETS, METADIR, Snippet
from snippets import run_in

from planet_assets.compat.asset_tracker import AssetTracker
from planet_assets.compat.metadir import mmmeta
from planet_assets.compat.upload_tracker import PendingUpload, UploadTracker


@pytest.fixture(autouse=True)
def stage(tmp_path, monkeypatch):
    """A folder of its own; the documents are there."""
    if not seeds.SEEDS.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{seeds.SEEDS} is absent; in CI it has to be there")
        pytest.skip("../shared/seeds is not part of a public clone")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PLANET_ASSETS_LIBRARY", str(tmp_path / "library.db"))


def shell(text):
    done = subprocess.run(["sh", "-eu", "-c", text], capture_output=True, text=True, stdin=-3, check=False)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run(names, snippet: Snippet, **places):
    """One snippet; what a command puts out."""
    text = seeds.source(snippet, **places)
    if snippet.kind == "sh":
        return shell(text)
    asyncio.run(run_in(names, text, snippet.name))
    return ""


@pytest.mark.parametrize("seed", ["asset_tracker", "mmmeta", "upload_tracker"])
def test_no_code_is_passed_over(seed):
    assert seeds.stray(seed) == []


@pytest.fixture
def gallery():
    made = Gallery()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    made.accepted = set()
    for number in range(5):
        made.put(f"asset_00{number}", b"\xff\xd8\xff\xe0\0" + bytes([number]) * 100)
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_the_commands_of_the_asset_tracker(gallery):
    first, no_tracking, forced, stats, cleanup, reset, clean_up, view, *exports = [
        one for one in ASSETS if one.kind == "sh"
    ]
    assert "5 downloaded" in run({}, first, url=gallery.url)
    assert "5 downloaded" in run({}, no_tracking, url=gallery.url)
    assert "5 downloaded" in run({}, forced, url=gallery.url)
    assert "0 downloaded, 5 skipped" in run({}, stats, url=gallery.url)
    Path("downloaded_images/asset_000.jpg").unlink()
    assert "1 records of missing files" in run({}, cleanup, url=gallery.url)
    Path("downloaded_images/asset_001.jpg").unlink()
    assert "1 records of missing files" in run({}, clean_up)
    assert "existing files: 4" in run({}, view)
    run({}, reset)
    assert not Path("downloaded_images/asset_metadata.json").exists()
    assert "total tracked assets: 0" in run({}, view)
    texts = [seeds.source(one) for one in exports]
    listed = seeds.source(stats, url=gallery.url)
    assert "Nothing is tracked" in shell(texts[0] + listed)
    shell(texts[1] + listed)
    assert Path("downloaded_images/my_assets.json").exists()


def test_the_python_of_the_asset_tracker(gallery, capsys):
    basic, filtered, integration, check, custom_file, untracked, custom = [
        one for one in ASSETS if one.kind == "python"
    ]

    async def fetch_assets_from_api():
        return list(gallery.assets.values())

    names = {"fetch_assets_from_api": fetch_assets_from_api, "asset": gallery.assets["asset_001"]}
    Path("downloaded_images").mkdir()
    names["filepath"] = Path("downloaded_images/asset_001.jpg")
    names["filepath"].write_bytes(gallery.bytes["asset_001"])
    run(names, basic)
    assert len(names["new_assets"]) == 5 and names["stats"]["successful_downloads"] == 1
    document = "\n".join(seeds.lines("asset_tracker")[72:81])
    assert set(names["stats"]) == set(re.findall(r"'(\w+)'", document))
    run(names, filtered)
    assert "Need to download 4 out of 5 assets" in capsys.readouterr().out
    run(names, integration, url=gallery.url)
    fetched = gallery.fetched()
    assert fetched == sorted(gallery.bytes), "the second run downloads nothing"
    run(names, check)
    assert capsys.readouterr().out == "on\n"
    run(names, custom_file)
    assert names["tracker"].metadata_file == Path("images/custom_metadata.json")
    names["other_params"] = {"api_url": gallery.url, "list_endpoint": "/", "download_endpoint": "/", "output_dir": "x"}
    run(names, untracked)
    assert names["downloader"].asset_tracker is None
    run(names, custom)
    tracker = names["CustomAssetTracker"]("images")
    assert tracker._get_asset_key({"category": "a", "id": 1}) == "a_1"
    assert tracker.get_new_assets([{"category": "a", "id": 1}, {"category": "b", "id": 1}, {"category": "a", "id": 1}])[
        1:
    ]


def test_the_asset_trackers_table_of_methods():
    listed = [line.rstrip(" |") for line in seeds.lines("asset_tracker")[222:244] if re.fullmatch(r"\w+ \|", line)]
    methods = [name for name in listed if hasattr(AssetTracker, name)]
    assert {"get_new_assets", "is_asset_modified", "print_stats", "cleanup_missing_files"} <= set(methods)
    document = json.loads("\n".join(seeds.lines("asset_tracker")[84:103]))
    Path("s").mkdir()
    Path("s/asset_metadata.json").write_text(json.dumps(document))
    assert AssetTracker("s").is_asset_modified(document["asset_001"]["api_data"] | {"size": 5})


def test_mmmeta():
    generate, again, direct, ask, download, by_env, update, loop, here, plain, put, get, touch, newer, help_, last = (
        METADIR
    )
    base = Path("path/to/metadir")
    base.mkdir(parents=True)
    record = {
        "content_hash": "a",
        "document_type": "contract",
        "public_url": "https://x.test/a",
        "retrieved_at": "2022",
    }
    Path("a.json").write_text(json.dumps(record))
    assert json.loads(run({}, generate))["added"] == 1 and json.loads(run({}, again))["skipped"] == 1

    more = [record, {**record, "content_hash": "b", "document_type": "letter"}]
    names = {"scraper": more, "keys": ["content_hash"], "asked": [], "ran": [], "date": "2022"}
    run(names, direct)
    run(names, download)
    run(names, ask)
    assert names["asked"] == ["https://x.test/a"]
    assert json.loads(run({}, by_env))["skipped"] == 2
    run(names, update)
    done = []
    names["process_import"] = lambda file: done.append(file.uid)
    run(names, loop)
    run(names, loop)
    assert done == ["a", "b"], "each is imported once"
    Path("path/_mmmeta").mkdir()
    run({}, here)
    run(names, plain)
    run(names, put)
    run(names, get)
    assert names["new_files"] == 17
    run(names, touch)
    m = mmmeta("./path/to/metadir/")
    assert m.store["my_ts_key"] is not None
    m.touch("local_last_updated")
    m.touch("remote_last_updated")
    run(names, newer)
    assert names["ran"] == [True]
    told = run({}, help_)
    assert all(word in told for word in ("--metadir", "--files-root", "generate", "inspect", "update"))
    run(names, last)


def test_the_signatures_of_the_upload_tracker():
    text = "\n".join(seeds.lines("upload_tracker"))
    for name in ("mark_pending", "register_components"):
        head = re.search(rf"^{name}\((.*?)^\) -> None", text, re.DOTALL | re.MULTILINE)[1]
        wanted = {}
        exec(f"def asked(self, {head}): ...", wanted)
        asked = inspect.signature(wanted["asked"]).parameters.values()
        ours = inspect.signature(getattr(UploadTracker, name)).parameters.values()
        assert [(one.name, one.default) for one in ours] == [(one.name, one.default) for one in asked]
    fields = re.findall(r"^(\w+): str", text.split("PendingUpload(")[1], re.MULTILINE)
    assert fields == list(PendingUpload.__dataclass_fields__)
    for name in re.findall(r"^(\w+) ¶$", text, re.MULTILINE):
        assert hasattr(UploadTracker, name) or name in ("methodic", "UploadTracker", "dataclass"), name

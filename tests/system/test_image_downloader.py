"""`ImageDownloader` against a listing on a real socket: what is new, what has changed, what fails, what is refused."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from gallery import Gallery

from planet_assets.compat import image_downloader_cli
from planet_assets.compat.image_downloader import ImageDownloader
from planet_assets.exceptions import KeyRefused, Misused, ServerError


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    made = Gallery()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    for name in ("a", "b", "c", "d", "e"):
        made.put(name, b"\xff\xd8\xff\xe0\0" + name.encode() * 1000)
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def downloader(gallery: Gallery, folder: Path, **options: object) -> ImageDownloader:
    given = {"email": "me@x.test", "password": "secret"} | options
    return ImageDownloader(gallery.url, "/v1/media/list", "/v1/media", folder, **given)


def run(one: ImageDownloader, **options: bool):
    return asyncio.run(one.download_all_assets(**options))


def test_the_second_run_downloads_nothing(gallery, tmp_path):
    first = run(downloader(gallery, tmp_path))
    assert str(first) == "5 assets: 5 downloaded, 0 skipped as up to date" and len(gallery.fetched()) == 5
    assert {path.name: path.read_bytes() for path in first.downloaded} == {
        f"{key}.jpg": data for key, data in gallery.bytes.items()
    }
    second = run(downloader(gallery, tmp_path))
    assert (second.downloaded, second.skipped, gallery.fetched()) == ((), 5, [])
    gallery.put("a", b"\xff\xd8\xff\xe0\0" + b"new" * 99)
    gallery.put("f", b"\xff\xd8\xff\xe0\0f")
    third = run(downloader(gallery, tmp_path))
    assert third.skipped == 4 and gallery.fetched() == ["a", "f"]
    assert (tmp_path / "superseded" / "a.jpg").read_bytes().endswith(b"aaa"), "what it was before is kept"
    (tmp_path / "b.jpg").unlink()
    run(downloader(gallery, tmp_path))
    assert gallery.fetched() == ["b"]
    assert downloader(gallery, tmp_path).asset_tracker.get_stats()["existing_files"] == 6


def test_force_and_no_tracking(gallery, tmp_path, monkeypatch):
    run(downloader(gallery, tmp_path))
    gallery.fetched()
    assert len(run(downloader(gallery, tmp_path), force_redownload=True).downloaded) == 5 == len(gallery.fetched())
    assert not (tmp_path / "superseded").exists(), "the same bytes need no second place"
    untracked = downloader(gallery, tmp_path / "other", track_assets=False)
    assert untracked.asset_tracker is None and len(run(untracked).downloaded) == 5
    assert not list((tmp_path / "other").glob("*.json"))
    monkeypatch.setenv("DISABLE_ASSET_TRACKING", "1")
    assert downloader(gallery, tmp_path).asset_tracker is None


def test_what_fails_does_not_stop_the_rest_and_is_offered_again(gallery, tmp_path):
    whole = gallery.bytes["a"]
    gallery.bytes["a"] = b"<html>we are sorry</html>"
    gallery.assets["b"]["md5"] = "0" * 32
    del gallery.bytes["c"]
    done = run(downloader(gallery, tmp_path))
    assert set(done.failed) == {"a", "b", "c"} and len(done.downloaded) == 2 and "3 failed" in str(done)
    assert sorted(path.name for path in tmp_path.glob("*.jpg")) == ["d.jpg", "e.jpg"]
    gallery.bytes |= {"a": whole, "c": b"\xff\xd8\xff\xe0\0" + b"c" * 1000}
    gallery.put("b", gallery.bytes["b"])
    assert not run(downloader(gallery, tmp_path)).failed


def test_two_assets_of_one_name_are_two_files(gallery, tmp_path):
    gallery.assets["a"]["name"] = gallery.assets["b"]["name"] = "../same.jpg"
    gallery.assets["c"]["name"] = "asset_metadata.json"
    gallery.assets["d"] |= {"name": "", "mimeType": "image/jpeg"}
    done = run(downloader(gallery, tmp_path))
    assert len({path.name for path in done.downloaded}) == 5 and (tmp_path / "d.jpg").exists()
    assert all(path.parent == tmp_path for path in done.downloaded)
    assert run(downloader(gallery, tmp_path)).skipped == 5


def test_credentials_go_to_the_service_alone(gallery, tmp_path):
    other = Gallery()
    other.accepted = set()
    thread = threading.Thread(target=other.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        told: list[str | None] = []
        handler = other.server.RequestHandlerClass
        get = handler.do_GET
        handler.do_GET = lambda self: (told.append(self.headers.get("Authorization")), get(self))[1]
        other.put("a", gallery.bytes["a"])
        gallery.assets["a"]["downloadUrl"] = f"{other.url}/v1/media/a"
        assert not run(downloader(gallery, tmp_path)).failed and told == [None]
    finally:
        other.server.shutdown()
        thread.join()
        other.server.server_close()


def test_signing_in(gallery, tmp_path):
    gallery.accepted = {"Bearer t1"}
    assert len(run(downloader(gallery, tmp_path, login_endpoint="/v1/login")).downloaded) == 5
    with pytest.raises(KeyRefused):
        run(downloader(gallery, tmp_path, login_endpoint="/v1/login", password="wrong"))
    with pytest.raises(KeyRefused):
        run(downloader(gallery, tmp_path))


def test_what_is_no_listing_is_said(gallery, tmp_path):
    gallery.assets = {"a": "text"}
    with pytest.raises(ServerError, match="no list of records"):
        run(downloader(gallery, tmp_path))
    with pytest.raises(Misused, match="no plain web address"):
        ImageDownloader("x", "/", "/", tmp_path)


def test_flags(gallery, tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGE_DOWNLOADER_PASSWORD", "secret")

    def command(*words):
        return CliRunner().invoke(image_downloader_cli.command, ["--output-dir", str(tmp_path), *words])

    service = ["--api-url", gallery.url, "--list-endpoint", "/v1/media/list", "--download-endpoint", "/v1/media"]
    service += ["--email", "me@x.test"]
    assert command(*service).stdout == "5 assets: 5 downloaded, 0 skipped as up to date\n"
    again = command(*service, "--password", "secret", "--show-stats")
    assert "0 downloaded, 5 skipped" in again.stdout and "successful downloads: 5" in again.stdout
    assert "can be read by every user" in again.stderr
    assert "5 downloaded" in command(*service, "--force-redownload").stdout
    (tmp_path / "a.jpg").unlink()
    tidied = command("--cleanup", "--show-stats")
    assert "1 records of missing files dropped" in tidied.stdout and "total tracked assets: 4" in tidied.stdout
    monkeypatch.setenv("DISABLE_ASSET_TRACKING", "1")
    assert "5 downloaded" in command(*service).stdout
    monkeypatch.delenv("IMAGE_DOWNLOADER_PASSWORD")
    assert command(*service).exit_code == 2, "nobody is there to be asked"


def test_a_mistake_is_one_line(gallery, tmp_path):
    start = [sys.executable, "-m", "planet_assets.compat.image_downloader", "--output-dir", str(tmp_path)]
    service = ["--api-url", gallery.url, "--list-endpoint", "/v1/media/list", "--download-endpoint", "/v1/media"]
    refused = subprocess.run([*start, *service], capture_output=True, text=True, check=False)
    assert (
        refused.returncode == 1 and refused.stderr.count("\n") == 1 and "refused email and password" in refused.stderr
    )

"""The real methodic-research client publishes with our UploadTracker passed in, to a stub of its server and to ours."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hubs import Hub, hub

from planet_assets.compat.upload_tracker import UploadTracker
from planet_assets.library import bundles
from planet_assets.rules import packages

ROOT = Path(__file__).parents[2]
FILES = {"model.bin": b"m" * 5000, "deep/optim.bin": b"o" * 300, "config.json": b"{}"}

CLIENT = """
import os, signal, sys
from pathlib import Path
from methodic import Chronicle
from planet_assets.compat.upload_tracker import UploadTracker

url, folder, what = sys.argv[1:]
tracker = UploadTracker(f"{folder}/../state.db")
with Chronicle(url, "sk_test") as chronicle:
    run = chronicle.run("experiment", 1, 1)
    if what == "resume":
        for asset in tracker.get_unfinalized():
            run.finalize_asset(asset, tracker.completed_sha256s(asset))
            tracker.mark_finalized(asset)
    else:
        if what == "die":
            run.finalize_asset = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        asset = run.register_and_upload_async(Path(folder), "checkpoint", tracker)
        try:
            run.wait_for_uploads()
        except Exception as error:
            left = sorted((one.component, one.state) for one in tracker.get_incomplete())
            print(type(error).__name__, left, tracker.all_components_completed(asset))
            sys.exit(1)
        run.download_asset(asset, Path(folder).parent / "back")
        tracker.mark_finalized(asset)
        print(asset, tracker.get_latest_checkpoint_path(), tracker.get_incomplete(), tracker.get_unfinalized())
"""


class Stub:
    """The three families of routes by which its client publishes: create, put bytes, finalize."""

    def __init__(self) -> None:
        self.put: dict[str, bytes] = {}
        self.finalized: dict[str, list[dict[str, str]]] = {}
        self.asked: list[str] = []
        self.refused = "nothing"
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Nothing."""

            def body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def answer(self, status: int, document: object) -> None:
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                found = stub.put.get(self.path.removeprefix("/put/"))
                asset = self.path.partition("?")[0].removeprefix("/v1/assets/")
                if found is not None:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(found)))
                    self.end_headers()
                    self.wfile.write(found)
                elif asset in stub.finalized:
                    names = [key.removeprefix(f"{asset}/") for key in stub.put if key.startswith(f"{asset}/")]
                    links = {name: {"url": f"{stub.url}/put/{asset}/{name}"} for name in names}
                    self.answer(200, {"state": "ready", "presigned_urls": links})
                else:
                    self.answer(404, {})

            def do_POST(self) -> None:
                stub.asked.append(self.path)
                wanted = json.loads(self.body() or b"{}")
                assert self.path == "/v1/assets" and self.headers["Authorization"] == "Bearer sk_test"
                name = f"asset{len([path for path in stub.asked if path == '/v1/assets'])}"
                links = [
                    {"component": one, "url": f"{stub.url}/put/{name}/{one}"} for one in wanted.get("components", [])
                ]
                self.answer(200, {"asset": {"id": name, "uri": f"asset://{name}"}, "upload_urls": links})

            def do_PUT(self) -> None:
                data = self.body()
                if self.path.endswith(stub.refused):
                    self.answer(400, {})
                    return
                if self.path.startswith("/put/"):
                    assert self.headers["Authorization"] is None
                    stub.put[self.path.removeprefix("/put/")] = data
                else:
                    stub.finalized.setdefault(self.path.split("/")[3], json.loads(data or b"{}").get("files", []))
                self.answer(200, {})

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        path = tmp_path / "ckpt" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "ckpt"


def client(outside: Path, stub: Stub | Hub, folder: Path, what: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    command = [outside / "python", "-c", CLIENT, stub.url, str(folder), what]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def digests() -> list[dict[str, str]]:
    return [{"path": name, "sha256": hashlib.sha256(data).hexdigest()} for name, data in sorted(FILES.items())]


def test_the_client_publishes_with_our_tracker(outside: Path, stub: Stub, folder: Path) -> None:
    done = client(outside, stub, folder, "publish")
    assert done.returncode == 0, done.stderr
    asset, *rest = done.stdout.split()
    assert {name: stub.put[f"{asset}/{name}"] for name in FILES} == FILES
    assert sorted(stub.finalized[asset], key=lambda one: one["path"]) == digests()
    assert rest[-2:] == ["[]", "[]"]
    assert {name: (folder.parent / "back" / name).read_bytes() for name in FILES} == FILES
    tracker = UploadTracker(folder.parent / "state.db")
    assert tracker.purge_finalized() == 1 and not tracker.has_registered_assets()
    tracker.close()


def test_killed_before_it_finalizes_it_is_found_again(outside: Path, stub: Stub, folder: Path) -> None:
    assert client(outside, stub, folder, "die").returncode == -9
    assert len(stub.put) == 3 and not stub.finalized
    done = client(outside, stub, folder, "resume")
    assert done.returncode == 0, done.stderr
    [files] = stub.finalized.values()
    assert sorted(files, key=lambda one: one["path"]) == digests()


def test_what_fails_in_its_pool_is_raised_and_stays_outstanding(outside: Path, stub: Stub, folder: Path) -> None:
    stub.refused = "model.bin"
    done = client(outside, stub, folder, "publish")
    assert done.returncode == 1 and "('model.bin', 'UPLOADING')" in done.stdout, done.stderr
    assert done.stdout.split()[-1] == "False" and not stub.finalized


# Our own server in the place of theirs


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Hub]:
    with hub(tmp_path / "ours") as made:
        yield made


def ready(ours: Hub) -> list[tuple[str, str]]:
    """Every bundle that is ready at the hub, once for each time that was told."""
    return [
        (bundles.get(ours.library, event[3]).kind, event[4])
        for event in bundles.events(ours.library)
        if event[2] == "ready"
    ]


def stored(ours: Hub) -> dict[str, bytes]:
    files = [path for path in ours.files.glob("[!.]*/*") if path.name != "manifest.json"]
    return {packages.decoded(path.name): path.read_bytes() for path in files}


def test_the_client_publishes_to_our_server(outside: Path, ours: Hub, folder: Path) -> None:
    done = client(outside, ours, folder, "publish")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["[]", "[]"]
    assert {name: (folder.parent / "back" / name).read_bytes() for name in FILES} == FILES
    assert stored(ours) == FILES and ready(ours) == [("checkpoint", "hub")]


def test_killed_before_it_finalizes_our_server_shows_nothing_until_it_does(
    outside: Path, ours: Hub, folder: Path
) -> None:
    assert client(outside, ours, folder, "die").returncode == -9
    assert stored(ours) == {} and ready(ours) == []
    for _ in range(2):
        assert client(outside, ours, folder, "resume").returncode == 0
    assert stored(ours) == FILES and ready(ours) == [("checkpoint", "hub")]

"""The tracker as a process: how it starts, what it withstands, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from teams import running

from planet_assets.cli.main import run
from planet_assets.service.serving import LAST_S


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A tracker that is soon out of patience."""
    with running(str(tmp_path_factory.mktemp("strict") / "library.db"), stall_s=0.3, body_bytes=10_000) as made:
        yield made


class Process:
    """`planet-assets serve` on a library."""

    def __init__(self, library, *words):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "planet_assets", "serve", "--port", "0", *words],
            env={**os.environ, "PLANET_ASSETS_LIBRARY": str(library)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if line.startswith(("library:", "tracker:")) and len(self.lines) == 2:
                break
        self.url = next(line.split()[1] for line in self.lines if line.startswith("tracker:"))
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"{self.url}/health").raise_for_status()
                return
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def end(self):
        """Exit code, and what else was said."""
        self.process.send_signal(signal.SIGTERM)
        rest = self.process.communicate(timeout=30)[0]
        return self.process.returncode, rest


def test_the_first_start_makes_an_admin_and_an_end_waits_for_nobody(tmp_path):
    first = Process(tmp_path / "library.db")
    code, said = first.end()
    assert code == 0
    word = re.search(r"^password: (\S+)$", said, re.MULTILINE)[1]
    again = Process(tmp_path / "library.db", "--workers", "2")
    signed = httpx.post(f"{again.url}/api/signIn", data={"username": "admin", "password": word})
    assert signed.status_code == 200 and signed.json()["must_change"] is True
    address = again.url.removeprefix("http://").split(":")
    wires = [socket.create_connection((address[0], int(address[1]))) for _ in range(20)]
    for wire in wires[:10]:
        wire.sendall(b"POST /api/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    code, said = again.end()
    assert LAST_S < 3 and code == 0 and "password" not in said
    for wire in wires:
        wire.close()
    assert word.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--no-auth", "--host", "0.0.0.0"], "everybody on the network"),
        (["--certificate", "/nowhere"], "belong together"),
        (["--certificate", "/nowhere", "--key", "/nowhere"], "is no file"),
    ],
)
def test_what_cannot_be_served_is_said(words, said, capsys):
    assert run(["serve", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(strict, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANET_ASSETS_LIBRARY", str(tmp_path / "library.db"))
    port = strict.url.rsplit(":", 1)[1]
    assert run(["serve", "--port", port]) == 1
    assert "choose another --port" in capsys.readouterr().err


def test_what_is_not_installed_is_said(monkeypatch, capsys):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run(["serve"]) == 2
    assert 'pip install "planet-assets[server]"' in capsys.readouterr().err


def answer(team, sent, *, wait_s=5.0):
    """First line of what comes back for bytes on the wire."""
    host, port = team.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=wait_s) as wire:
        wire.sendall(sent)
        return wire.recv(65536).split(b"\r\n")[0]


def test_bodies_have_a_limit_and_a_clock(strict):
    head = f"POST /api/create HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {strict.secrets['user']}\r\n".encode()
    assert b" 413 " in answer(strict, head + b"Content-Length: 10001\r\n\r\n")
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    assert b" 413 " in answer(strict, head + b"Transfer-Encoding: chunked\r\n\r\n" + 3 * chunk)
    assert b" 408 " in answer(strict, head + b"Content-Length: 100\r\n\r\n{")
    assert b" 400 " in answer(strict, b"NONSENSE\r\n\r\n")
    assert b" 400 " in answer(strict, b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n")


def test_fifty_stalled_clients_keep_nobody_waiting(strict):
    head = f"POST /api/create HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {strict.secrets['user']}\r\n".encode()
    with ThreadPoolExecutor(50) as pool:
        stalled = [pool.submit(answer, strict, head + b"Content-Length: 100\r\n\r\n{") for _ in range(50)]
        for _ in range(10):
            assert strict.by("user").get("/api/search/*").status_code == 200
        assert all(b" 408 " in one.result() for one in stalled)


def test_hostile_paths_are_answered(strict):
    for path in ("/api/read/..%2f..%2fetc%2fpasswd", "/api/read/%00", "/api/%2e%2e/read/x", "//api/read/x", "/%"):
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {strict.secrets['user']}\r\n\r\n".encode()
        assert re.search(rb" 4\d\d ", answer(strict, head)), path


def test_a_library_that_goes_away_and_comes_back(postgres_cluster):
    """Requests in its way are told so, what was answered is there, and the service lives."""
    with postgres_cluster.database() as address, running(address) as team:
        client, made, seen = team.by("user"), [], set()
        for number in range(30):
            if number == 10:
                postgres_cluster.stop()
            if number == 20:
                postgres_cluster.start()
            reply = client.post("/v1/elements", json={"_id": f"/away/{number}"})
            seen.add(reply.status_code)
            if reply.status_code == 201:
                made.append(reply.json()["id"])
            elif reply.status_code == 503:
                told = reply.json()["error"]
                assert told["kind"] == "LibraryAway" and "127.0.0.1" not in told["message"]
                assert reply.headers["retry-after"] == "1"
        assert seen == {201, 503} and len(made) >= 15
        assert client.post("/api/read", json=made).status_code == 200

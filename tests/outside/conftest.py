"""Foreign clients live in a venv of their own, so that their pins never meet ours."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv-outside"
PINS = ROOT / "requirements" / "outside.txt"


@contextlib.contextmanager
def alone(seconds: float = 180) -> Iterator[None]:
    """One test process at a time; a lock that a killed process left behind is passed over in the end."""
    lock, deadline = VENV.with_suffix(".lock"), time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            lock.touch(exist_ok=False)
            break
        except FileExistsError:
            time.sleep(0.2)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def outside() -> Path:
    """The folder of programs of that venv, made from the pins when it is missing or older than they are.

    A part that cannot be had fails where CI is set, and skips elsewhere.
    """
    programs = VENV / ("Scripts" if os.name == "nt" else "bin")
    with alone():
        reason = made()
    if reason:
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return programs


def made() -> str | None:
    """Make the venv; the reason when that fails."""
    done = VENV / "pins.txt"
    if done.exists() and done.read_text() == PINS.read_text():
        return None
    quiet = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    install = ["pip", "install", "-q", "--python", str(VENV), "--require-hashes", "-r", str(PINS)]
    for step in (["venv", "-q", "--clear", "--python", sys.executable, str(VENV)], install):
        command = [sys.executable, "-m", "uv", *step]
        ended = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        if ended.returncode:
            return f"the venv of foreign clients cannot be made: {ended.stderr.strip()[-500:]}"
    done.write_text(PINS.read_text())
    return None


@pytest.fixture(scope="module")
def endpoint(outside: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 store that runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("moto") / "log").open("w")
    server = subprocess.Popen([outside / "moto_server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            httpx.get(url, trust_env=False)
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    yield url
    server.kill()
    server.wait()
    log.close()

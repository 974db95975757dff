"""Processes that begin warm: a nursery imports the package once, and forks a process for each command.

Hundreds of tests run a command, and each would spend most of its time on imports. What is forked is a process like any
other, with a session, environment, folder and streams of its own. Only Python's own start is left out, so what is about
starting takes a real one. `python warm.py SOCKET` is the nursery; it ends with the process that holds its stdin.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

NURSERY = "PLANET_ASSETS_TESTS_NURSERY"
"""Names the nursery's socket to commands of a shell."""
COLD = ("serve", "sandbox", "demo")
"""Commands that stay: a shell sends signals to them by their process id."""
SHIM = """#!{python} -IS
import json, os, signal, socket, sys
if sys.argv[1:2] and sys.argv[1] in {cold}:
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
talk = socket.socket(socket.AF_UNIX)
talk.connect(os.environ[{nursery!r}])
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(talk, [len(asked).to_bytes(8, "big")], [0, 1, 2])
talk.sendall(asked)
answers = talk.makefile()
child = int(answers.readline())
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: os.kill(child, number))
code = int(answers.readline())
sys.exit(code if code >= 0 else 128 - code)
"""


def can() -> bool:
    """True where processes can be forked."""
    return sys.platform == "linux"


@functools.cache
def nursery() -> Path:
    """The socket of this process's nursery."""
    folder = Path(tempfile.mkdtemp(prefix="planet-assets-warm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "socket"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(Path(__file__)), str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdin is not None and process.stdout is not None
    atexit.register(process.wait)
    atexit.register(process.stdin.close)
    atexit.register(process.stdout.close)
    assert process.stdout.readline() == b"ready\n"
    return path


@functools.cache
def shims() -> Path:
    """A folder whose `planet-assets` begins warm, for PATH; `NURSERY` has to be set as well."""
    folder = nursery().with_name("bin")
    folder.mkdir()
    real = str(Path(sys.executable).with_name("planet-assets"))
    shim = folder / "planet-assets"
    shim.write_text(SHIM.format(python=sys.executable, cold=COLD, real=real, nursery=NURSERY))
    shim.chmod(0o755)
    return folder


def run(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], given: str, timeout: float = 120
) -> tuple[int, str, str]:
    """Run a command to its end, with no terminal near.

    Returns:
        Exit code (below 0: the signal that ended it), stdout, stderr.
    """
    streams = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    try:
        os.write(streams[0], given.encode())
        os.lseek(streams[0], 0, os.SEEK_SET)
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(timeout)
            talk.connect(str(nursery()))
            asked = json.dumps([list(arguments), str(folder), dict(environment)]).encode()
            socket.send_fds(talk, [len(asked).to_bytes(8, "big")], streams)
            talk.sendall(asked)
            with talk.makefile() as answers:
                child = int(answers.readline())
                try:
                    code = int(answers.readline())
                except TimeoutError:
                    os.killpg(child, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(list(arguments), timeout) from None
        return code, _text(streams[1]), _text(streams[2])
    finally:
        for stream in streams:
            os.close(stream)


def _text(stream: int) -> str:
    size = os.lseek(stream, 0, os.SEEK_END)
    return os.pread(stream, size, 0).decode()


# The nursery


def main(path: str) -> None:
    """Load what commands use, then fork until the owner has gone."""
    _load()
    gc.disable()  # what the collector touches in a child is copied
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen(64)
        print("ready", flush=True)
        while True:
            if sys.stdin in select.select([door, sys.stdin], [], [])[0]:
                return
            talk, _ = door.accept()
            with talk:
                if os.fork() == 0:
                    door.close()
                    os._exit(_attend(talk))


def _load() -> None:
    """The package's own modules, and with them nearly all others."""
    import planet_assets

    left_out = ("planet_assets.sandbox", "planet_assets.service", "planet_assets.library.migrations.env")
    for found in pkgutil.walk_packages(planet_assets.__path__, "planet_assets."):
        if not found.name.startswith(
            (*left_out, "planet_assets.__main__", "planet_assets.library.migrations.versions")
        ):
            with contextlib.suppress(ImportError):
                importlib.import_module(found.name)
    for name in ("alembic.command", "sqlalchemy.dialects.sqlite.pysqlite", "psycopg"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _attend(talk: socket.socket) -> int:
    """Fork the process that was asked for, and tell its id and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, streams, _, _ = socket.recv_fds(talk, 8, 3)
    asked = b""
    while len(asked) < int.from_bytes(head, "big"):
        asked += talk.recv(1 << 20)
    arguments, folder, environment = json.loads(asked)
    child = os.fork()
    if child == 0:
        talk.close()
        os._exit(_become(arguments, folder, environment, streams))
    with contextlib.suppress(OSError):
        talk.sendall(f"{child}\n".encode())
    status = os.waitpid(child, 0)[1]
    with contextlib.suppress(OSError):
        talk.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    return 0


def _become(arguments: list[str], folder: str, environment: dict[str, str], streams: Sequence[int]) -> int:
    """Be that process."""
    gc.enable()
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["planet-assets", *arguments]
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", closefd=False, buffering=lines)
        for number, mode, lines in ((0, "r", -1), (1, "w", -1), (2, "w", 1))
    )
    from planet_assets.cli.main import run as command

    try:
        code = command(arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    return code


if __name__ == "__main__":
    main(sys.argv[1])

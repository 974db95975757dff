"""Faces of the package as real processes, forked from one that has imported everything, so that each costs little.

`Forge` starts this file as a process. Each task makes it fork a child, which goes to a folder, takes an environment and
does what a user does there, by one of three faces: `async`, `blocking` or `cli`. What it says goes to `said.txt`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FACES = ("async", "blocking", "cli")
LIMIT_S = 90.0
MISTAKE = 70
"""Exit code of an error that is not of our tree."""


@dataclass
class Child:
    """One process that was started."""

    pid: int
    folder: Path
    forge: Forge

    def wait(self) -> int:
        """Its exit code, or minus the signal that ended it."""
        timer = threading.Timer(LIMIT_S, os.kill, (self.pid, signal.SIGKILL))
        timer.start()
        try:
            code: int = self.forge.ask({"wait": self.pid})
        finally:
            timer.cancel()
        return code

    def go(self) -> None:
        """Let a child that is held begin."""
        (self.folder / "go").touch()

    @property
    def said(self) -> str:
        """All it wrote to stdout and stderr."""
        return (self.folder / "said.txt").read_text(encoding="utf-8", errors="replace")


class Forge:
    """The process that forks; one for a module."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def __enter__(self) -> Forge:
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(
            command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def ask(self, task: dict[str, Any]) -> Any:
        """Send a line and read the answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, folder: Path, environment: dict[str, str], face: str, what: Sequence[str], **more: Any) -> Child:
        """Fork a child: `what` are a command's words; `held` waits for `go`; `twists` bend its world."""
        (folder / "go").unlink(missing_ok=True)
        task = {"folder": str(folder), "environment": environment, "face": face, "what": list(what), **more}
        return Child(self.ask(task), folder, self)


# The forging process


def _serve() -> None:
    _import_all()
    for line in sys.stdin:
        task = json.loads(line)
        if "wait" in task:
            status = os.waitpid(task["wait"], 0)[1]
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            _live(task)
        print(pid, flush=True)


def _import_all() -> None:
    """What every face uses; short waits for all of them."""
    import importlib

    names = "cli.main cli.fetch_cmds cli.scenes cli.asking blocking manager door.wiring flow.run flow.ordering"
    for name in [*names.split(), "transfer.fetch", "view.documents", "view.tables", "view.text", "library.jobs"]:
        importlib.import_module(f"planet_assets.{name}")
    foreign = (
        "twists httpx httpcore alembic.command sqlalchemy.dialects.sqlite anyio._backends._asyncio numpy.ma _strptime"
    )
    for name in foreign.split():
        importlib.import_module(name)
    from planet_assets.library import engine
    from planet_assets.planet import session
    from planet_assets.rules import pacing
    from planet_assets.transfer.fetch import Fetcher

    pacing.poll_after_s = lambda *_, **__: 0.02  # the sandbox activates at once
    session._CONNECT_S = 0.5
    assert Fetcher.__init__.__kwdefaults__ is not None
    Fetcher.__init__.__kwdefaults__["connect_s"] = 0.5
    engine.BUSY_S = 0.3
    gc.disable()  # what the collector touches in a child is copied
    gc.freeze()


def _live(task: dict[str, Any]) -> None:
    code = MISTAKE
    try:
        os.chdir(task["folder"])
        os.environ.clear()
        os.environ.update(task["environment"])
        said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.setsid()
        for fd, target in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(fd, target)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, mode) for fd, mode in ((0, "r"), (1, "w"), (2, "w")))
        while task.get("held") and not os.path.exists("go"):
            time.sleep(0.002)
        _bend(task.get("twists", {}))
        code = _FACES[task["face"]](task["what"])
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _bend(twists: dict[str, Any]) -> None:
    import twists as known

    for name, value in twists.items():
        getattr(known, name)(value)


# Faces


def _cli(what: Sequence[str]) -> int:
    from planet_assets.cli.main import run

    words = {"download": ["download", "scenes.json", "--yes", "-d", "out", *what[1:]], "resume": ["resume", "--yes"]}
    return run(words[what[0]])


def _async(what: Sequence[str]) -> int:
    from planet_assets.manager import AssetManager

    async def life() -> list[Any]:
        async with AssetManager() as manager:
            manager.show_progress = False
            if what[0] == "resume":
                return list(await manager.resume(confirm=lambda plan: True))
            return list(await manager.activate_and_download_assets(_scenes(), output_dir="out", confirm_download=False))

    return _told(lambda: asyncio.run(life()))


def _blocking(what: Sequence[str]) -> int:
    from planet_assets.blocking import AssetManager

    def life() -> list[Any]:
        with AssetManager() as manager:
            manager.asynchronous.show_progress = False
            if what[0] == "resume":
                return list(manager.resume(confirm=lambda plan: True))
            return list(manager.activate_and_download_assets(_scenes(), output_dir="out", confirm_download=False))

    return _told(life)


def _scenes() -> list[Any]:
    features: list[Any] = json.loads(Path("scenes.json").read_text())["features"]
    return features


def _told(life: Callable[[], list[Any]]) -> int:
    """What a script would print; errors that are not of our tree are not caught."""
    from planet_assets.exceptions import AssetError

    try:
        jobs = life()
    except AssetError as error:
        print(f"{type(error).__name__}: {error}")
        return 1
    for job in jobs:
        print(f"{job.status.value}: {job.error_message or ''} {job!r}")
    return 0 if all(job.status.value == "completed" for job in jobs) else 1


_FACES = {"async": _async, "blocking": _blocking, "cli": _cli}

if __name__ == "__main__":
    _serve()

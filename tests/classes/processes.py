"""Three ways in which a process or its clock fails, and two in which the library does."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from faultserver import cut

from classes import fault

if TYPE_CHECKING:
    from forge import Child
    from stage import Stage


def _struck_in_mid_body(stage: Stage, number: int) -> None:
    stage.storage(cut(stage.data, len(stage.data) // 2, then="stall", etag=stage.etag))
    stage.environment["PLANET_ASSETS__TIMEOUT"] = "30"

    def strike(child: Child) -> None:
        child.go()
        deadline = time.monotonic() + 30
        while not (stage.part.exists() and stage.part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(child.pid, number)

    stage.during = strike


@fault(
    "SIGKILL", "process", "clean",
    happens="the process is killed in mid-body",
    seen="nothing of it: `resume` goes on where it was, and charges nothing twice",
    code=-9,
)  # fmt: skip
def killed(stage: Stage) -> None:
    _struck_in_mid_body(stage, signal.SIGKILL)


@fault(
    "SIGTERM", "process", "clean",
    happens="the process is told to end in mid-body",
    seen="the process ends; `resume` goes on where it was, and charges nothing twice",
    code=-15,
)  # fmt: skip
def terminated(stage: Stage) -> None:
    _struck_in_mid_body(stage, signal.SIGTERM)


def _jump(hours: float, word: str) -> None:
    @fault(
        f"clock jump/{word}", "process", "recovered",
        happens=f"the computer's clock jumps {word} in mid-job",
        seen="nothing but another date in the events",
    )  # fmt: skip
    def jump(stage: Stage) -> None:
        half = cut(stage.data, len(stage.data) // 2, etag=stage.etag)
        stage.twists["clock"] = hours
        stage.storage(*[half] * 3)


_jump(26, "a day ahead")
_jump(-3, "three hours back")


@fault(
    "database locked or corrupt/locked", "state", "recovered",
    happens="another process holds the library for a second",
    seen="nothing but a pause: it is waited for",
)  # fmt: skip
def locked(stage: Stage) -> None:
    held = threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(stage.environment["PLANET_ASSETS_LIBRARY"], isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        held.set()
        time.sleep(1.0)
        connection.execute("ROLLBACK")
        connection.close()

    def meanwhile(child: Child) -> None:
        child.go()
        _until_storage_is_asked(stage)
        holder = threading.Thread(target=hold)
        holder.start()
        child_code = child.wait()
        holder.join()
        stage.ended(child_code)

    stage.storage(cut(stage.data, len(stage.data) // 2, etag=stage.etag, drip=0.02))
    stage.during = meanwhile


def _until_storage_is_asked(stage: Stage) -> None:
    deadline = time.monotonic() + 30
    while not stage.front.requests and time.monotonic() < deadline:
        time.sleep(0.002)


@fault(
    "database locked or corrupt/corrupt", "state", "clean",
    happens="the library's file is damaged",
    seen="that the library is damaged, and to restore a backup or name another; nothing was spent",
    words="damaged", code=1,
)  # fmt: skip
def corrupt(stage: Stage) -> None:
    path = stage.folder / "library.db"
    good = path.read_bytes()
    path.write_bytes(b"SQLite format 3\0" + os.urandom(len(good) - 16))
    stage.mending.append(lambda: _restored(stage, good) and None)


def _restored(stage: Stage, good: bytes) -> None:
    for left in stage.folder.glob("library.db-*"):
        left.unlink()
    (stage.folder / "library.db").write_bytes(good)


@fault(
    "server dropped in mid-commit", "state", "clean",
    happens="the library's server ends connections in the middle of commits, before and after they are done",
    seen="that what was being recorded may or may not have been; `resume` finds out; nothing is charged twice",
    words="may or may not", code=5,
)  # fmt: skip
def dropped(stage: Stage) -> None:
    stage.environment["PLANET_ASSETS_LIBRARY"] = stage.postgres()
    with stage.library():
        stage.twists["lost_commits"] = 3

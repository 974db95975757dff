"""Walks the points at which a real process writes, flushes or names something, by strace's injection.

A first run is traced, and says which calls are made on which files, and how often. Each of them is then a point: the
n-th call of this kind on this file kills the process, or fails with an error. Injection is by path and thread, so that
what other threads do meanwhile does not move the point; how many points there are depends on how threads share the
work. This models the death of a process, not of the machine.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from stage import Stage, needs_strace, stracing

WRITES = ("write", "pwrite64", "ftruncate", "fsync", "fdatasync")
NAMES = ("link", "linkat", "rename", "renameat", "renameat2", "unlink", "unlinkat")
MODES = ("signal=KILL", "error=ENOSPC", "error=EIO")
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$", re.MULTILINE)
_OPEN = re.compile(r"^\d+<([^<>]+)>")
_NAMED = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class Point:
    """One call that is struck."""

    call: str
    path: str
    """Of the file, from the user's folder."""
    number: int
    """Which of a thread's calls on this file."""
    mode: str

    def __str__(self) -> str:
        return f"{self.mode} at {self.call} {self.number} of {self.path}"


def points(stage: Stage, log: Path) -> list[Point]:
    """Every point of a download, found by tracing one that is left alone."""
    needs_strace()
    calls = ",".join((*WRITES, *NAMES))
    child = stage.forge.start(stage.folder, stage.environment, "cli", ["download"], held=True)
    with stracing(child.pid, trace=calls, log=log):
        child.go()
        code = child.wait()
    assert code == 0, child.said
    found = Counter[tuple[str, str]]()
    for (_, call, path), count in _counted(stage.folder, log.read_text(errors="replace")).items():
        found[call, path] = max(found[call, path], count)
    return [
        Point(call, path, number, mode)
        for (call, path), count in sorted(found.items())
        for number in range(1, count + 1)
        for mode in MODES
    ]


def _counted(folder: Path, log: str) -> Counter[tuple[str, str, str]]:
    """How often each thread made each call on each file of ours whose name is the same each time."""
    home, counts = os.path.realpath(folder) + "/", Counter[tuple[str, str, str]]()
    for thread, call, given in _LINE.findall(log):
        places = (_NAMED if call in NAMES else _OPEN).findall(given)
        mine = [os.path.join(home, path).removeprefix(home) for path in places if not path.startswith("/")]
        mine += [path.removeprefix(home) for path in places if path.startswith(home)]
        for path in dict.fromkeys(mine):
            if not re.search(r"\.probe-|said\.txt|^go$|-shm$", path) and "/" not in path.removeprefix("out/"):
                counts[thread, call, path] += 1
                break
    return counts


def struck(stage: Stage, point: Point) -> tuple[int, str]:
    """A download that is struck at a point; how it ended and what it said."""
    child = stage.forge.start(stage.folder, stage.environment, "cli", ["download"], held=True)
    rule = f"{point.call}:{point.mode}:when={point.number}" + ("" if point.mode.startswith("signal") else "+")
    with stracing(child.pid, rule, path=stage.folder / point.path):
        child.go()
        code = child.wait()
    return code, child.said

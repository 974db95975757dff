"""Runs things in turns, so that a machine that slows down slows all of them, and takes medians."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".venv-bench"
"""The venv of peers that are Python packages."""


class Broken(Exception):
    """A run that ended badly; the table says so instead of a figure."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a process, or the medians of several."""

    wall_s: float
    """From start to end."""
    rss_mib: float
    """The most memory it held. Beyond its own figure a child cannot show less than this small process holds."""
    out: str = ""
    """What it printed."""


def run(command: Sequence[str | Path], *, before: Callable[[], None] | None = None) -> Ran:
    """Run a command to its end.

    Raises:
        Broken: it failed.
    """
    if before is not None:
        before()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        child = subprocess.Popen([str(word) for word in command], cwd=ROOT, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode:
            lines = err.read().decode(errors="replace").strip().splitlines() or ["no word"]
            raise Broken(f"{Path(command[0]).name} ended with {child.returncode}: {lines[-1][:120]}")
        return Ran(wall_s, usage.ru_maxrss / 1024, out.read().decode(errors="replace"))


def worker(section: str, *arguments: str | Path, python: str | Path = sys.executable) -> list[str | Path]:
    """The command that runs a section's own `work` in a fresh interpreter."""
    return [python, "-m", f"benchmarks.{section}", *arguments]


def told(section: str, *arguments: str | Path) -> dict[str, Any]:
    """What a worker measured, as it printed it in JSON."""
    answer: dict[str, Any] = json.loads(run(worker(section, *arguments)).out.splitlines()[-1])
    return answer


def in_turns(runs: Mapping[str, Callable[[], Ran]], rounds: int) -> dict[str, Ran | Broken]:
    """Each run once per round, one after the other; medians by name. One that breaks is not run again."""
    taken: dict[str, list[Ran]] = {name: [] for name in runs}
    broken: dict[str, Ran | Broken] = {}
    for _ in range(rounds):
        for name, once in runs.items():
            if name in broken:
                continue
            try:
                taken[name].append(once())
            except (Broken, OSError) as error:
                broken[name] = Broken(str(error))
    return {name: broken.get(name) or _middle(some) for name, some in taken.items()}


def timed_in_turns(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of calls in this process, medians of turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - began)
    return {name: median(some) for name, some in taken.items()}


@contextmanager
def scratch(bytes_needed: int) -> Iterator[Path]:
    """A folder for big files, in memory where there is room for them, removed at the end."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 * bytes_needed
    with tempfile.TemporaryDirectory(prefix="planet-assets-bench-", dir=memory if roomy else None) as folder:
        yield Path(folder)


def _middle(some: Sequence[Ran]) -> Ran:
    return Ran(median(one.wall_s for one in some), median(one.rss_mib for one in some), some[-1].out)

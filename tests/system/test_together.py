"""Many processes on one library and one folder: every asset is fetched once, and nobody sees half a file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import together
from managing import check_money, hand_over, leftovers, md5, scenes, true_md5
from sandboxes import running
from stage import needs_strace

from planet_assets.library import jobs as job_rows
from planet_assets.library.engine import Library


class Reader(threading.Thread):
    """Reads every file as soon as it has its final name, and again and again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.seen: dict[str, set[str]] = {}
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.002):
            for path in self.folder.glob("[!.]*"):
                digests = self.seen.setdefault(path.name, set())
                if len(digests) < 2 and path.stat().st_mtime > time.time() - 5:
                    digests.add(hashlib.md5(path.read_bytes()).hexdigest())


def _without(locks: str) -> list[str]:
    """What a command begins with where the system refuses file locks, as some file systems do."""
    if locks != "refused":
        return []
    needs_strace()
    return ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"]


def fetch_together(address: str, folder: Path, *, processes: int, count: int, locks: str) -> None:
    """Let processes fetch the same assets, and check what is left: files, requests, money, jobs."""
    with running(pixel_size_m=240.0) as sandbox:
        environment = {**hand_over(folder / "scenes.json"), "LIBRARY_OF_TEST": address}
        command = [*_without(locks), sys.executable, together.__file__, sandbox.url, sandbox.key, str(folder)]
        reader = Reader(folder / "out")
        reader.start()
        started = [
            subprocess.Popen([*command, str(number), str(count), locks], env=environment, stdout=subprocess.PIPE)
            for number in range(processes)
        ]
        said = [process.communicate(timeout=3000)[0].decode() for process in started]
        reader.done.set()
        reader.join()
        wanted = count * len(together.SMALL)
        assert [eval(words) for words in said] == [{"completed": wanted}] * processes
        library = Library(address)
        done = {job.key: job for job in job_rows.listed(library) if job.status.value == "completed"}
        assert len(done) == wanted == len(list((folder / "out").glob("[!.]*")))
        fetched = Counter(one["path"] for one in sandbox.requests() if one["path"].startswith("/storage"))
        assert len(fetched) == wanted and set(fetched.values()) == {1}
        for job in done.values():
            assert reader.seen.get(Path(job.path).name, set()) <= {true_md5(sandbox, job)}
            assert md5(Path(job.path)) == true_md5(sandbox, job)
        assert leftovers(folder / "out") == []
        check_money(library, sandbox.billed_km2())
        charged = [(charge["item_id"], charge["asset_type"]) for charge in sandbox.charges()]
        assert len(charged) == len(set(charged))
        library.close()
        assert reader.seen
        print(
            f"{processes} processes, {wanted} jobs each: {len(fetched)} files fetched, {len(reader.seen)} read at once"
        )


@pytest.mark.parametrize(
    ("library_address", "locks"), [("sqlite", "none"), ("postgresql", "usual")], indirect=["library_address"]
)
def test_processes_that_want_the_same_fetch_it_once(library_address: str, tmp_path: Path, locks: str) -> None:
    assert len(scenes(3, with_types=together.SMALL)) == 3
    fetch_together(library_address, tmp_path, processes=3, count=3, locks=locks)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("locks", ["usual", "none", "refused"])
def test_eight_processes_of_a_hundred_jobs(library_address: str, tmp_path: Path, locks: str) -> None:
    assert len(scenes(25, with_types=together.SMALL)) == 25
    fetch_together(library_address, tmp_path, processes=8, count=25, locks=locks)

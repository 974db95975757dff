"""A library that fails in mid-run: locked, full, its server gone, its process suspended. Nothing is paid twice."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import crashing
import psycopg
import pytest
import sqlalchemy as sa
from managing import UDM2, XML, awaited, check_money, hand_over, leftovers, manager_of, md5, scenes, true_md5
from postgres import Cluster
from sandboxes import running

from planet_assets.exceptions import DiskProblem, LibraryAway, LibraryLocked
from planet_assets.flow import run
from planet_assets.flow.clock import RealClock
from planet_assets.library import engine
from planet_assets.library import jobs as job_rows
from planet_assets.library.engine import Library
from planet_assets.library.schema import job as job_table
from planet_assets.manager import AssetManager
from planet_assets.model.job import DownloadJob
from planet_assets.rules import pacing
from planet_assets.sandbox import RunningSandbox

TYPES = ("ortho_analytic_4b", UDM2, XML)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running(pixel_size_m=240.0, repeat="each") as served:
        yield served


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "poll_after_s", lambda age_s, seen, **how: 0.02)
    monkeypatch.setattr(run, "LOCKED_PAUSE_S", 0.1)


async def fetch(manager: AssetManager, count: int = 3) -> list[DownloadJob]:
    """Scenes with a file that is charged, a mask that is, and one that is free."""
    return list(await manager.activate_and_download_assets(scenes(count), TYPES, confirm_download=False))


def check_end(sandbox: RunningSandbox, address: str, folder: Path, count: int = 3) -> None:
    """Every asset is there, right, and was charged once."""
    library = Library(address)
    jobs = [job for job in job_rows.listed(library) if job.status.value == "completed"]
    assert {job.key for job in jobs} == {("PSScene", one["id"], kind) for one in scenes(count) for kind in TYPES}
    assert job_rows.unfinished(library) == []
    for job in jobs:
        assert md5(Path(job.path)) == true_md5(sandbox, job)
    assert leftovers(folder / "out") == []
    check_money(library, sandbox.billed_km2())
    charged = sorted((charge["item_id"], charge["asset_type"]) for charge in sandbox.charges() if charge["km2"])
    assert charged == sorted({(job.scene_id, job.asset_type) for job in jobs if job.asset_type != XML})
    library.close()


def _hold_sqlite(path: str, seconds: float) -> None:
    import sqlite3

    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    connection.close()


def _hold_server(address: str, seconds: float) -> None:
    with psycopg.connect(address) as connection:
        connection.execute("LOCK TABLE job IN ACCESS EXCLUSIVE MODE")
        time.sleep(seconds)


@awaited
async def _locked(sandbox: RunningSandbox, address: str, folder: Path) -> None:
    manager, begun = manager_of(sandbox, folder, library=address), threading.Event()
    manager.progress_callback = lambda job: begun.set()
    hold = _hold_server if "://" in address else _hold_sqlite
    holder = threading.Thread(target=lambda: (begun.wait(30), hold(address, 2.5)))
    holder.start()
    async with manager:
        await fetch(manager)
    await asyncio.to_thread(holder.join)


def test_a_library_that_is_locked_for_long_is_waited_for(
    sandbox: RunningSandbox, library_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_S", 0.3)
    sandbox.fault("slow", rate=300_000.0)
    _locked(sandbox, library_address, tmp_path)
    check_end(sandbox, library_address, tmp_path)


@awaited
async def _full(sandbox: RunningSandbox, folder: Path) -> None:
    manager = manager_of(sandbox, folder)
    sizes = itertools.count()

    def brim(connection: Any, _entry: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 1 + next(sizes) % 2}")

    sa.event.listen(manager.library.engine, "connect", brim)
    manager.library.engine.dispose()
    for _ in range(4):  # full when the jobs are recorded, and a little later
        with pytest.raises(DiskProblem, match=r"The library .*library\.db cannot be used: database or disk is full"):
            await fetch(manager, 12)
        manager.library.engine.dispose()
    sa.event.remove(manager.library.engine, "connect", brim)
    await manager.aclose()
    async with manager:
        check_money(manager.library, sandbox.billed_km2())
        await manager.resume()
        await fetch(manager, 12)


def test_a_full_disk_under_the_library_loses_nothing(sandbox: RunningSandbox, tmp_path: Path) -> None:
    _full(sandbox, tmp_path)
    check_end(sandbox, str(tmp_path / "library.db"), tmp_path, 12)


@awaited
async def _restarted(sandbox: RunningSandbox, cluster: Cluster, folder: Path) -> None:
    manager, begun = manager_of(sandbox, folder, library=cluster.address()), threading.Event()
    manager.progress_callback = lambda job: begun.set() if job.bytes_done else None

    def restart() -> None:
        begun.wait(30)
        for _ in range(2):
            cluster.stop("immediate")
            time.sleep(0.5)
            cluster.start()
            time.sleep(0.7)

    restarting = threading.Thread(target=restart)
    restarting.start()
    async with manager:
        await fetch(manager)
        await asyncio.to_thread(restarting.join)


def test_a_server_that_restarts_in_mid_run_is_waited_for(
    sandbox: RunningSandbox, postgres_cluster: Cluster, tmp_path: Path
) -> None:
    sandbox.fault("slow", rate=100_000.0)
    _restarted(sandbox, postgres_cluster, tmp_path)
    check_end(sandbox, postgres_cluster.address(), tmp_path)


@awaited
async def _dropped(sandbox: RunningSandbox, address: str, folder: Path, every: int) -> None:
    """Every so many commits the connection ends: by turns before the commit, and after it, without an answer."""
    commits, password = itertools.count(1), str(sa.make_url(address).password)
    async with manager_of(sandbox, folder, library=address) as manager:
        dialect, after = manager.library.engine.dialect, itertools.cycle([False, True])
        commit = dialect.do_commit

        def drop(connection: Any) -> None:
            if next(commits) % every:
                commit(connection)
                return
            if next(after):
                commit(connection)
            connection.dbapi_connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        dialect.do_commit = drop
        for _ in range(40):
            try:
                await manager.resume()
                await fetch(manager)
                break
            except LibraryAway as error:
                assert "may or may not have been" in str(error) and password not in str(error)
        else:
            pytest.fail("it never ended")
        dialect.do_commit = commit
        await manager.resume()


@pytest.mark.parametrize("every", [7, 11])
def test_commits_whose_answer_is_lost(
    sandbox: RunningSandbox, postgres_address: str, tmp_path: Path, every: int
) -> None:
    _dropped(sandbox, postgres_address, tmp_path, every)
    check_end(sandbox, postgres_address, tmp_path)


def _child(sandbox: RunningSandbox, address: str, folder: Path, what: str) -> subprocess.Popen[str]:
    environment = {**hand_over(folder / "scenes.json"), "LIBRARY_OF_TEST": address}
    command = [sys.executable, crashing.__file__, sandbox.url, sandbox.key, str(folder), "each", what, "3"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _until_bytes_flow(library: Library) -> None:
    deadline = time.monotonic() + 60
    while not any(job.bytes_done for job in job_rows.listed(library, status=("downloading",))):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _put_to_sleep(process: subprocess.Popen[str], library: Library) -> None:
    """For longer than its claims last, and not in the middle of a transaction, which would keep everybody waiting."""
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    while True:
        time.sleep(0.15)
        process.send_signal(signal.SIGSTOP)
        with contextlib.suppress(LibraryLocked), library.write() as connection:
            connection.execute(sa.update(job_table).values(lease_until=long_ago))
            return
        process.send_signal(signal.SIGCONT)


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGSTOP")
def test_who_slept_longer_than_its_claim_leaves_the_job_to_others(
    sandbox: RunningSandbox, library_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_S", 0.3)
    sandbox.fault("slow", rate=40_000.0)
    library = Library(library_address)
    with _child(sandbox, library_address, tmp_path, "download") as sleeper, contextlib.ExitStack() as at_last:
        at_last.callback(sleeper.kill)
        _until_bytes_flow(library)
        _put_to_sleep(sleeper, library)
        sandbox.mend()
        with _child(sandbox, library_address, tmp_path, "resume") as other:
            other.communicate(timeout=100)
        assert other.returncode == 0
        done = {job.path: md5(Path(job.path)) for job in job_rows.listed(library)}
        charges = sandbox.charges()
        sleeper.send_signal(signal.SIGCONT)
        sleeper.communicate(timeout=100)
    assert sleeper.returncode == 0
    assert {path: md5(Path(path)) for path in done} == done
    assert sandbox.charges() == charges
    for job in job_rows.listed(library):
        assert job.status.value == "completed" and done[job.path] == true_md5(sandbox, job)
    check_money(library, sandbox.billed_km2())
    assert leftovers(tmp_path / "out") == []
    library.close()


class WrongClock(RealClock):
    """A machine whose clock is wrong."""

    def __init__(self, by: timedelta) -> None:
        self.by = by

    def now(self) -> datetime:
        return super().now() + self.by


@awaited
async def _with_wrong_clocks(sandbox: RunningSandbox, address: str, folder: Path) -> None:
    managers = [manager_of(sandbox, folder, library=address) for _ in range(3)]
    for manager, hours in zip(managers, (-1, 0, 1), strict=True):
        manager.clock = manager._wires.clock = WrongClock(timedelta(hours=hours))
    ended = await asyncio.gather(*(fetch(manager) for manager in managers))
    assert {job.status.value for jobs in ended for job in jobs} == {"completed"}
    for manager in managers:
        assert await manager.resume() == []
        await manager.aclose()


def test_machines_whose_clocks_differ_by_hours_fetch_each_asset_once(
    sandbox: RunningSandbox, postgres_address: str, tmp_path: Path
) -> None:
    sandbox.fault("slow", rate=200_000.0)
    _with_wrong_clocks(sandbox, postgres_address, tmp_path)
    check_end(sandbox, postgres_address, tmp_path)

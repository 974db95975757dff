"""Kill -9 of a real process at random points, and what the next process makes of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import crashing
import pytest
from managing import FLOAT_KM2, check_money, hand_over, leftovers, md5, true_md5
from sandboxes import running

from planet_assets.library import jobs as job_rows
from planet_assets.library.engine import Library
from planet_assets.model.asset import AssetStatus
from planet_assets.sandbox import RunningSandbox

SEED = int(os.environ.get("CRASH_SEED", random.randrange(2**32)))
ASSETS = 9
LONGEST_S = 1.2


@pytest.fixture(scope="module", params=["each", "once"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[RunningSandbox]:
    with running(repeat=request.param, pixel_size_m=240.0) as served:
        yield served


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return hand_over(tmp_path_factory.mktemp("scenes") / "scenes.json")


def _process(sandbox: RunningSandbox, folder: Path, what: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    repeat = sandbox.world.config.repeat
    arguments = [sys.executable, crashing.__file__, sandbox.url, sandbox.key, str(folder), repeat, what, "3"]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)


def _finish(sandbox: RunningSandbox, folder: Path, environment: dict[str, str]) -> None:
    with _process(sandbox, folder, "resume", environment) as process:
        process.communicate(timeout=200)
    assert process.returncode == 0


def _agreed(library: Library, folder: Path) -> float:
    """What was confirmed with the plan, and consented to since, km²."""
    consents = folder / "consents.txt"
    more = sum(map(float, consents.read_text().split())) if consents.exists() else 0.0
    return sum(job.km2 for job in job_rows.listed(library)) + more


def _check_end(sandbox: RunningSandbox, folder: Path) -> None:
    library = Library(folder / "library.db")
    try:
        jobs = job_rows.listed(library)
        assert len(jobs) in (0, ASSETS)  # killed before anything was recorded, or nothing is lost
        for job in jobs:
            assert job.status is AssetStatus.COMPLETED, job.error_message
            assert md5(Path(job.path)) == true_md5(sandbox, job)
            assert job.clipped_path is None or Path(job.clipped_path).exists()
        assert leftovers(folder / "out") == []
        check_money(library, sandbox.billed_km2())
        assert sandbox.billed_km2() <= _agreed(library, folder) + FLOAT_KM2
        if sandbox.world.config.repeat == "once" and jobs:
            charged = sorted((charge["item_id"], charge["asset_type"]) for charge in sandbox.charges())
            assert charged == sorted((job.scene_id, job.asset_type) for job in jobs if job.km2)
    finally:
        library.close()


def _killed(sandbox: RunningSandbox, folder: Path, what: str, environment: dict[str, str], after_s: float) -> None:
    with _process(sandbox, folder, what, environment) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
    library = Library(folder / "library.db")
    check_money(library, sandbox.billed_km2())
    library.close()


def _round(sandbox: RunningSandbox, folder: Path, environment: dict[str, str], chance: random.Random) -> None:
    folder.mkdir()
    sandbox.reset()
    if chance.random() < 0.5:
        sandbox.fault("slow", rate=float(chance.choice([200_000, 500_000])))
    _killed(sandbox, folder, "download", environment, chance.uniform(0.0, LONGEST_S))
    if chance.random() < 0.3:
        _killed(sandbox, folder, "resume", environment, chance.uniform(0.0, LONGEST_S / 2))
    sandbox.mend()
    _finish(sandbox, folder, environment)
    _check_end(sandbox, folder)


def _rounds(sandbox: RunningSandbox, folder: Path, environment: dict[str, str], count: int) -> None:
    print(f"CRASH_SEED={SEED}")
    chance = random.Random(f"{SEED}{sandbox.world.config.repeat}")
    for number in range(count):
        _round(sandbox, folder / str(number), environment, chance)


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_killed_at_random_points_and_resumed(
    sandbox: RunningSandbox, tmp_path: Path, environment: dict[str, str]
) -> None:
    _rounds(sandbox, tmp_path, environment, 5)  # of each way of charging


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_killed_many_times(sandbox: RunningSandbox, tmp_path: Path, environment: dict[str, str]) -> None:
    _rounds(sandbox, tmp_path, environment, 100)


def test_two_processes_on_one_plan_fetch_each_asset_once(
    sandbox: RunningSandbox, tmp_path: Path, environment: dict[str, str]
) -> None:
    sandbox.reset()
    pair = [_process(sandbox, tmp_path, "download", environment) for _ in range(2)]
    for process in pair:
        with process:
            process.communicate(timeout=200)
        assert process.returncode == 0
    library = Library(tmp_path / "library.db")
    jobs = job_rows.listed(library)
    assert {job.status for job in jobs} == {AssetStatus.COMPLETED}
    for job in jobs:
        assert md5(Path(job.path)) == true_md5(sandbox, job)
    charged = [(charge["item_id"], charge["asset_type"]) for charge in sandbox.charges()]
    assert len(charged) == len(set(charged)) == ASSETS - 3
    check_money(library, sandbox.billed_km2())
    assert leftovers(tmp_path / "out") == []
    library.close()

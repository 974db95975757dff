"""The Orders route as a user meets it: what it costs, what arrives, and that no order is ever placed twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rasterio
from sandboxes import running
from shapely.geometry import box

from planet_assets.exceptions import AssetError
from planet_assets.library import ledger
from planet_assets.manager import AssetManager
from planet_assets.model.asset import AssetStatus

ROI = box(9.12, 45.42, 9.247, 45.51)
TYPES = ["ortho_analytic_4b", "ortho_udm2"]


def manager(sandbox, folder: Path, **settings) -> AssetManager:
    config = {
        "library": str(folder / "library.db"),
        "planet": {"api_url": sandbox.url},
        "retry_delay": 0.05,
        "orders": {"grace_s": 0.5, "look_s": 0.05},
        **settings,
    }
    return AssetManager(sandbox.key, config)


async def scenes(door: AssetManager, count: int = 2) -> list[dict]:
    found = await door.search(ROI, "2025-01-01", "2025-01-31", asset_types=["ortho_udm2"])
    return found["features"][:count]


def orders_of(sandbox) -> int:
    """Orders that were accepted, and so charged."""
    return len({charge["order_id"] for charge in sandbox.charges() if charge["route"] == "orders"})


def asked_of(sandbox) -> int:
    """Requests for an order, whatever became of them."""
    return sum(one["method"] == "POST" and one["path"].endswith("/orders/v2") for one in sandbox.requests())


def fetch(sandbox, folder: Path, **options):
    async def work():
        async with manager(sandbox, folder) as door:
            chosen = options.pop("scenes", None) or await scenes(door)
            jobs = await door.activate_and_download_assets(
                chosen, TYPES, folder / "out", ROI, confirm_download=False, **options
            )
            return jobs, ledger.balance(door.library)

    return asyncio.run(work())


def test_an_order_charges_the_clip_once_for_all_files_of_a_bundle(tmp_path):
    with running() as sandbox:
        jobs, (held, spent) = fetch(sandbox, tmp_path, delivery="orders")
        assert [job.status for job in jobs] == [AssetStatus.COMPLETED] * 4
        assert orders_of(sandbox) == 1
        assert spent == pytest.approx(sandbox.billed_km2(), rel=1e-6)
        assert held == 0
        for job in jobs:
            assert job.original_file_path is None
            assert job.verified_by == "md5"
            with rasterio.open(job.clipped_file_path) as raster:
                assert raster.width < 150


def test_what_is_held_is_not_ordered_again_even_into_another_folder(tmp_path):
    with running() as sandbox:
        first, _ = fetch(sandbox, tmp_path, delivery="orders")
        billed = sandbox.billed_km2()
        again, _ = fetch(sandbox, tmp_path, delivery="orders")
        assert [job.status for job in again] == [AssetStatus.COMPLETED] * 4

        async def elsewhere():
            async with manager(sandbox, tmp_path) as door:
                return await door.activate_and_download_assets(
                    await scenes(door), TYPES, tmp_path / "other", ROI, confirm_download=False, delivery="orders"
                )

        linked = asyncio.run(elsewhere())
        assert all(job.clipped_file_path.exists() for job in linked)
        assert sandbox.billed_km2() == billed
        assert orders_of(sandbox) == 1
        assert {job.scene_id for job in first} == {job.scene_id for job in again}


def test_auto_takes_the_cheaper_route_and_says_both_prices(tmp_path):
    with running() as sandbox:

        async def plan():
            async with manager(sandbox, tmp_path) as door:
                chosen = await scenes(door)
                cut = await door.plan(chosen, TYPES, clip_to_roi=ROI, delivery="auto")
                whole = await door.plan(chosen, TYPES, delivery="auto")
                return cut, whole

        cut, whole = asyncio.run(plan())
        assert cut.impact.route == "orders"
        assert cut.impact.area_km2 < cut.impact.other_area_km2
        assert whole.impact.area_km2 <= whole.impact.data_km2


def test_a_lost_answer_is_found_out_and_never_ordered_twice(tmp_path):
    with running() as sandbox:
        sandbox.fault("answer-lost-on-create", count=1)
        jobs, (held, spent) = fetch(sandbox, tmp_path, delivery="orders")
        assert [job.status for job in jobs] == [AssetStatus.COMPLETED] * 4
        assert orders_of(sandbox) == 1
        assert spent == pytest.approx(sandbox.billed_km2(), rel=1e-6)
        assert held == 0


def test_a_refused_order_costs_nothing_and_says_why(tmp_path):
    with running(orders_permitted=False) as sandbox:
        jobs, (held, spent) = fetch(sandbox, tmp_path, delivery="orders")
        assert {job.status for job in jobs} == {AssetStatus.FAILED}
        assert "activation failed" in jobs[0].error_message
        assert (held, spent, sandbox.billed_km2()) == (0, 0, 0)


def test_a_failed_order_keeps_its_charge_in_the_ledger(tmp_path):
    with running() as sandbox:
        sandbox.fault("order-fails", count=1)
        jobs, (held, spent) = fetch(sandbox, tmp_path, delivery="orders")
        assert {job.status for job in jobs} == {AssetStatus.FAILED}
        assert held == 0
        assert spent >= sandbox.billed_km2() - 1e-6


def test_a_digest_that_does_not_match_never_becomes_a_file(tmp_path):
    with running() as sandbox:
        sandbox.fault("wrong-digest", count=1)
        jobs, _ = fetch(sandbox, tmp_path, delivery="orders")
        bad = [job for job in jobs if job.status is not AssetStatus.COMPLETED]
        assert bad
        assert not any(Path(job.path).exists() for job in bad)


def test_over_quota_is_refused_before_any_order(tmp_path):
    with running(quota_km2=50.0) as sandbox:
        with pytest.raises(AssetError, match="quota exceeded"):
            fetch(sandbox, tmp_path, delivery="orders")
        assert orders_of(sandbox) == 0


SCRIPT = """
import asyncio, json, sys
from planet_assets.manager import AssetManager
from shapely.geometry import box
config = json.loads(sys.argv[1])
scenes = json.load(open(sys.argv[2]))
door = AssetManager(config.pop("key"), config)
asyncio.run(door.activate_and_download_assets(
    scenes, ["ortho_analytic_4b", "ortho_udm2"], sys.argv[3], box(9.12, 45.42, 9.247, 45.51),
    confirm_download=False, delivery="orders"))
"""


def killed_while_ordering(sandbox, folder: Path, chosen: list[dict], wait_s: float) -> None:
    import json

    (folder / "scenes.json").write_text(json.dumps(chosen))
    config = {
        "key": sandbox.key,
        "library": str(folder / "library.db"),
        "planet": {"api_url": sandbox.url},
        "orders": {"grace_s": 4.0, "look_s": 0.05},
    }
    arguments = [sys.executable, "-c", SCRIPT, json.dumps(config), str(folder / "scenes.json"), str(folder / "out")]
    before = asked_of(sandbox)
    process = subprocess.Popen(arguments, env={**os.environ, "HOME": str(folder)}, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while asked_of(sandbox) == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(wait_s)
    process.send_signal(signal.SIGKILL)
    process.wait()


def sweep(tmp_path: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    with running() as sandbox:

        async def search():
            async with manager(sandbox, tmp_path) as door:
                return await scenes(door, 12)

        pool = asyncio.run(search())
        for number in range(rounds):
            folder = tmp_path / str(number)
            folder.mkdir()
            one = [pool[number % len(pool)]]
            billed, placed = sandbox.billed_km2(), orders_of(sandbox)
            killed_while_ordering(sandbox, folder, one, chance.choice([0.0, 0.0, 0.002, 0.01, 0.05]))

            async def finish(folder=folder):
                async with manager(sandbox, folder, orders={"grace_s": 4.0, "look_s": 0.05}) as door:
                    after_kill = sum(ledger.balance(door.library))
                    await door.resume(confirm=False)
                    return after_kill, ledger.balance(door.library)

            after_kill, (held, spent) = asyncio.run(finish())
            bill = sandbox.billed_km2() - billed
            assert orders_of(sandbox) == placed + 1, f"round {number}, seed {seed}"
            assert after_kill >= bill - 1e-6
            assert spent == pytest.approx(bill, rel=1e-6)
            assert held == 0
            assert len(list((folder / "out").glob("*_clip.tif"))) == 2


@pytest.mark.timeout(240)
def test_kill_between_an_order_and_its_answer(tmp_path):
    sweep(tmp_path, 10, seed=int(time.time()))


@pytest.mark.soak
def test_kill_between_an_order_and_its_answer_for_long(tmp_path):
    sweep(tmp_path, 100, seed=int(time.time()))

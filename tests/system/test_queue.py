"""The queue on a real manager and a sandbox: order, budgets, a no, and processes that are killed half way."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import sandboxes
from commands import Desk

from planet_assets import AssetManager, DownloadQueue, blocking
from planet_assets.exceptions import CannotAsk, Misused
from planet_assets.flow.clock import RealClock
from planet_assets.library import accounts, queue
from planet_assets.library import jobs as job_rows
from planet_assets.library.engine import Library
from planet_assets.model.plan import Decision

# rasterio silences this warning by itself, but not safely where several threads do so at once.
pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

CHILD = """
import asyncio, json, os, signal, sys
from planet_assets import AssetManager, DownloadQueue

key, config, when = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with AssetManager(key, config, name="night.py") as manager:
        if when == "before the jobs":
            manager.run = die
        else:
            manager.progress_callback = lambda job: die() if job.status.value == when else None
        await DownloadQueue(manager).process(confirm=False)

asyncio.run(main())
"""


@pytest.fixture
def visitor(tmp_path, monkeypatch):
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(tmp_path / "config.toml"))
    with sandboxes.visited() as found:
        yield found


def settings(visitor, folder, **quota):
    return {
        "library": str(folder / "library.db"),
        "planet": {"api_url": visitor.sandbox.url},
        "rate_limits": {"search": 1000, "activation": 1000, "download": 1000},
        "retry_delay": 0.01,
        "output_dir": str(folder / "files"),
        "quota": quota,
    }


def scenes(visitor, count):
    fitting = [one for one in visitor.items() if "ortho_analytic_4b" in one["assets"]]
    assert len(fitting) >= count
    return fitting[:count]


def charges(visitor):
    return [one["item_id"] for one in visitor.http.get("/sandbox/charges").json() if one["km2"]]


def play(visitor, folder, story, **quota):
    async def main():
        async with AssetManager(visitor.sandbox.key, settings(visitor, folder, **quota), name="day.py") as manager:
            return await story(manager, DownloadQueue(manager))

    return asyncio.run(main())


def test_high_priority_goes_first_and_everything_is_fetched(visitor, tmp_path):
    low, normal, high = scenes(visitor, 3)

    async def story(manager, waiting):
        await waiting.add([low], "low")
        await waiting.add([normal])
        await waiting.add([high], "high", asset_types=["ortho_analytic_4b"])
        jobs = await waiting.process(confirm=False)
        assert [job.scene_id for job in jobs] == [high["id"], normal["id"], low["id"]]
        assert all(job.downloaded_file_path.exists() for job in jobs)
        assert {(entry.state, entry.by) for entry in waiting.list()} == {("done", "day.py")}
        assert not await waiting.process(confirm=False)

    play(visitor, tmp_path, story)
    assert len(charges(visitor)) == 3


def test_what_exceeds_the_budget_waits_while_smaller_work_goes_on(visitor, tmp_path):
    several, one = scenes(visitor, 4)[:3], scenes(visitor, 4)[3:]

    async def story(manager, waiting):
        plan = await manager.plan(one)
        price = plan.impact.area_km2
        await manager.aclose()
        return price

    price = play(visitor, tmp_path, story)

    async def again(manager, waiting):
        big = await waiting.add(several, "high")
        small = await waiting.add(one, "low")
        jobs = await waiting.process(confirm=False)
        assert [job.scene_id for job in jobs] == [one[0]["id"]]
        states = {entry.id: entry for entry in waiting.list()}
        assert states[small].state == "done"
        assert states[big].state == "waiting"
        assert "the daily budget" in states[big].reason

    play(visitor, tmp_path, again, daily_limit_km2=price + 1)


def test_a_no_leaves_the_entry_and_no_jobs(visitor, tmp_path):
    async def story(manager, waiting):
        await waiting.add(scenes(visitor, 1))
        manager.get_user_confirmation = lambda plan: Decision(
            proceed=False, by="office hours", at=plan.made_at, limit_km2=0.0, reason="Only at night."
        )
        assert not await waiting.process()
        (entry,) = waiting.list()
        assert (entry.state, entry.reason) == ("waiting", "office hours said no. Only at night.")
        assert not job_rows.listed(manager.library)

    play(visitor, tmp_path, story)
    assert not charges(visitor)


def test_without_anybody_to_ask_nothing_begins(visitor, tmp_path, monkeypatch):
    monkeypatch.setattr("planet_assets.flow.consent.can_ask", lambda: False)

    async def story(manager, waiting):
        await waiting.add(scenes(visitor, 1))
        with pytest.raises(CannotAsk):
            await waiting.process()
        assert [entry.state for entry in waiting.list()] == ["waiting"]

    play(visitor, tmp_path, story)


def test_move_drop_and_not_before(visitor, tmp_path):
    first, second, third = scenes(visitor, 3)

    async def story(manager, waiting):
        a = await waiting.add([first])
        b = await waiting.add([second])
        c = await waiting.add([third], not_before=datetime.now(UTC) + timedelta(hours=1))
        assert waiting.move(b, "high").priority_word == "high"
        assert [entry.id for entry in waiting.list()] == [b, a, c]
        assert waiting.drop(a).state == "dropped"
        jobs = await waiting.process(confirm=False)
        assert [job.scene_id for job in jobs] == [second["id"]]
        with pytest.raises(Misused, match=f"Entry {a} is dropped"):
            waiting.drop(a)
        with pytest.raises(Misused, match=f"Entry {b} is done"):
            waiting.move(b, "low")
        with pytest.raises(Misused, match="no entry 99"):
            waiting.drop(99)

    play(visitor, tmp_path, story)


def test_arguments_that_cannot_be_meant_are_refused_when_added(visitor, tmp_path):
    async def story(manager, waiting):
        (scene,) = scenes(visitor, 1)
        for wrong in (
            {"priority": "urgent"},
            {"not_before": "soon"},
            {"clip_to_roi": True},
            {"colour": "blue"},
            {"clipping_config": {"shape": 1}},
            {"asset_types": []},
        ):
            with pytest.raises(Misused):
                await waiting.add([scene], **wrong)
        with pytest.raises(Misused, match="no scenes"):
            await waiting.add([])
        assert waiting.list() == ()

    play(visitor, tmp_path, story)


def test_a_region_is_kept_and_the_cut_is_made(visitor, tmp_path):
    (scene,) = scenes(visitor, 1)
    xs, ys = zip(*scene["geometry"]["coordinates"][0], strict=True)
    middle = (sum(xs[:-1]) / (len(xs) - 1), sum(ys[:-1]) / (len(ys) - 1))
    ring = [[middle[0] + dx, middle[1] + dy] for dx, dy in ((-0.02, -0.02), (0.02, -0.02), (0.02, 0.02), (-0.02, 0.02))]
    path = tmp_path / "roi.geojson"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [[*ring, ring[0]]]}))

    async def story(manager, waiting):
        await waiting.add([scene], clip_to_roi=path)
        path.unlink()
        (job,) = await waiting.process(confirm=False)
        assert job.downloaded_file_path.exists(), job.error_message
        assert job.downloaded_file_path.name.endswith(("_clipped.tif", "_clip.tif"))

    play(visitor, tmp_path, story)


def test_a_manager_without_await_serves_too(visitor, tmp_path):
    with blocking.AssetManager(visitor.sandbox.key, settings(visitor, tmp_path)) as manager:
        waiting = DownloadQueue(manager)
        asyncio.run(waiting.add(scenes(visitor, 1)))
        assert [entry.scene_count for entry in waiting.list()] == [1]


@pytest.mark.parametrize("when", ["before the jobs", "downloading"])
def test_a_kill_loses_nothing(visitor, tmp_path, when):
    wanted = scenes(visitor, 3)

    async def fill(manager, waiting):
        await waiting.add(wanted[:2], "high")
        await waiting.add(wanted[2:])

    play(visitor, tmp_path, fill)
    config = json.dumps(settings(visitor, tmp_path))
    child = subprocess.run([sys.executable, "-c", CHILD, visitor.sandbox.key, config, when], timeout=50, check=False)
    assert child.returncode == -9

    async def finish(manager, waiting):
        first, second = waiting.list()
        assert (first.state, second.state) == ("running", "waiting")
        assert bool(job_rows.listed(manager.library, batch_id=first.batch_id)) == (when != "before the jobs")
        await waiting.process(confirm=False)
        assert [entry.state for entry in waiting.list()] == ["done", "done"]
        jobs = job_rows.listed(manager.library)
        assert sorted(job.scene_id for job in jobs) == sorted(scene["id"] for scene in wanted)
        assert all(job.downloaded_file_path.exists() for job in jobs)
        return sum(job.spent_km2 for job in jobs)

    spent = play(visitor, tmp_path, finish)
    billed = sum(one["km2"] for one in visitor.http.get("/sandbox/charges").json())
    assert spent >= billed - 1e-6


def test_an_entry_of_a_living_run_is_left_to_it(tmp_path):
    library = Library(tmp_path / "library.db")
    now = RealClock().now()
    accounts.link_key(library, "d", "a")
    number = queue.add(
        library,
        account="a",
        priority=0,
        scenes='{"features": []}',
        scene_count=1,
        arguments={},
        by="x",
        now=now,
        not_before=None,
    )
    seen = queue.get(library, number)
    assert queue.claim(library, seen, batch_id="b", owner="elsewhere:1:2", now=now)
    assert not queue.claim(library, seen, batch_id="c", owner="here:1:2", now=now)
    running = queue.get(library, number)
    assert not queue.is_left_behind(running, now)
    assert queue.is_left_behind(running, now + timedelta(minutes=3))
    with pytest.raises(Misused, match="is running"):
        queue.drop(library, number, by="x", now=now)
    library.close()


def test_the_queue_from_the_command_line(visitor, tmp_path):
    desk = Desk(tmp_path, visitor.sandbox)
    first, second = scenes(visitor, 2)
    (tmp_path / "scenes.json").write_text(json.dumps([first]))
    added = desk.run("queue", "add", "scenes.json", "--priority", "low", "-d", str(tmp_path / "files"))
    assert added.code == 0, added.err
    number = added.json()["entries"][0]["id"]
    assert desk.run("queue", "add", second["id"], "--not-before", "2999-01-01").code == 0
    shown = desk.run("queue", "list", "--text").out
    assert "low" in shown and "2999-01-01 00:00 UTC" in shown
    assert desk.run("queue", "move", str(number), "high").json()["entries"][0]["priority"] == 10
    ran = desk.run("queue", "run", "--yes")
    assert ran.code == 0, ran.err
    assert [job["scene_id"] for job in ran.json()["jobs"]] == [first["id"]]
    assert desk.run("queue", "drop", "2").json()["entries"][0]["state"] == "dropped"
    assert desk.run("queue", "list").json() == {"entries": []}

"""The weekly job: the first week all, the second only the new, what is republished at its price and only when asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from commands import Desk
from managing import ANALYTIC, SQUARE, check_money, manager_of, md5, true_md5
from sandboxes import running

from planet_assets.exceptions import Misused
from planet_assets.flow.clock import RealClock
from planet_assets.flow.saved import read_saved
from planet_assets.library import copies
from planet_assets.manager import AssetManager
from planet_assets.sandbox import RunningSandbox

WEEK_S = 7 * 86_400
SEARCH = {"from": "2025-01-01", "to": "2025-01-06", "cloud": 0.5, "assets": [ANALYTIC]}


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """On the day after the first search ends: `updated` of its scenes moves in the days to come."""
    with running(start=datetime(2025, 1, 5, tzinfo=UTC)) as started:
        yield started


class SandboxTime(RealClock):
    """The moment on a sandbox's clock; pauses last as long as they do."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox

    def now(self) -> datetime:
        return self.sandbox.world.now()


def weekly(sandbox: RunningSandbox, folder: Path, **options: Any) -> Any:
    """One run as a cron job does it: a process of its own."""

    async def once() -> Any:
        async with manager_of(sandbox, folder) as made:
            manager = AssetManager(made.auth, made.settings, clock=SandboxTime(sandbox), name="weekly")
            manager.get_user_confirmation, manager.show_progress = made.get_user_confirmation, False
            done = await manager.sync(options.pop("search", SEARCH), clip=SQUARE, **options)
            check_money(manager.library, sandbox.billed_km2())
            await manager.aclose()
            return done

    return asyncio.run(once())


@pytest.mark.parametrize("delivery", ["data", "orders"])
def test_three_weeks(sandbox: RunningSandbox, tmp_path: Path, delivery: str) -> None:
    first = weekly(sandbox, tmp_path, delivery=delivery, search={**SEARCH, "to": "2025-01-04"})
    assert first.changes.new and len(first.jobs) == len(first.changes.new) and not first.republished
    assert all(job.downloaded_file_path for job in first.jobs)

    moved = {scene["id"]: scene["properties"]["updated"] for scene in map(sandbox.world.item, first.changes.new)}
    sandbox.world.advance(WEEK_S)
    assert any(sandbox.world.item(scene)["properties"]["updated"] > moment for scene, moment in moved.items())
    second = weekly(sandbox, tmp_path, delivery=delivery)
    assert set(second.changes.new) == {job.scene_id for job in second.jobs} and second.jobs
    assert second.changes.unchanged_count == second.held_count == len(first.jobs)

    billed = sandbox.billed_km2()
    sandbox.world.advance(WEEK_S)
    again = weekly(sandbox, tmp_path, delivery=delivery)
    assert again.changes.is_empty and not again.jobs and not again.republished
    assert sandbox.billed_km2() == billed

    one = first.jobs[0]
    sandbox.republish(one.scene_id)
    sandbox.world.advance(WEEK_S)
    third = weekly(sandbox, tmp_path, delivery=delivery)
    assert [each.item_id for each in third.republished] == [one.scene_id] and not third.jobs
    assert third.price is not None and third.price.impact.area_km2 > 0 and sandbox.billed_km2() == billed
    assert [each.key for each in weekly(sandbox, tmp_path, delivery=delivery).republished] == [one.key]

    path = one.downloaded_file_path
    assert path is not None
    before = md5(path)
    fetched = weekly(sandbox, tmp_path, delivery=delivery, refetch_republished=True)
    assert [job.downloaded_file_path for job in fetched.jobs] == [path]
    assert sandbox.billed_km2() == pytest.approx(billed + third.price.impact.area_km2)
    assert md5(path) != before
    kept = list((path.parent / "superseded").glob(f"{path.stem}_*"))
    assert [md5(each) for each in kept] == [before]
    if delivery == "data":
        assert md5(Path(one.path)) == true_md5(sandbox, fetched.jobs[0])
    last = weekly(sandbox, tmp_path, delivery=delivery)
    assert not last.jobs and not last.republished


def test_the_command(tmp_path: Path) -> None:
    with running() as sandbox:
        through_the_command(sandbox, tmp_path)


def through_the_command(sandbox: RunningSandbox, tmp_path: Path) -> None:
    desk = Desk(tmp_path, sandbox)
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps({**SEARCH, "to": "2025-01-03"}))
    (tmp_path / "square.geojson").write_text(json.dumps(SQUARE))
    how = ("sync", "--search", saved, "--clip", tmp_path / "square.geojson", "-d", tmp_path / "site")
    looked = desk.run(*how, "--dry-run").json()
    assert looked["plan"]["impact"]["area_km2"] > 0 and not looked["jobs"] and sandbox.billed_km2() == 0
    assert desk.run(*how).code == 8, "nobody is there to agree"
    done = desk.run(*how, "--yes").json()
    assert done["statuses"] == {"completed": looked["plan"]["impact"]["asset_count"]}
    assert done["charged_km2"] == pytest.approx(sandbox.billed_km2())
    billed, text = sandbox.billed_km2(), desk.run(*how, "--text").out
    assert "0 new, 0 modified" in text and "0 fetched" in text and sandbox.billed_km2() == billed


def test_a_file_that_is_gone_is_fetched_again(sandbox: RunningSandbox, tmp_path: Path) -> None:
    search = {**SEARCH, "to": "2025-01-03"}
    first = weekly(sandbox, tmp_path, delivery="orders", search=search)
    path = first.jobs[0].downloaded_file_path
    path.unlink()
    again = weekly(sandbox, tmp_path, delivery="orders", search=search)
    assert [job.downloaded_file_path for job in again.jobs] == [path] and path.exists()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"form": "2025-01-01"}, "unknown key 'form'"),
        ({"from": 20250101}, "is not a date"),
        ({"cloud": "low"}, "not a share"),
        ({"assets": [3]}, "not a list of names"),
        ({"filter": "clear"}, "not a filter"),
    ],
)
def test_a_search_that_cannot_be_meant_is_refused(document: dict[str, Any], said: str) -> None:
    with pytest.raises(Misused, match=said):
        read_saved(document)


def test_planets_own_saved_search_is_read(tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    planets = {"name": "x", "id": "0" * 32, "item_types": ["PSScene"], "filter": {"type": "AndFilter", "config": []}}
    path.write_text(json.dumps({**planets, "geometry": SQUARE, "__daily_email_enabled": False}))
    read = read_saved(path)
    assert read.roi == SQUARE and read.filter == planets["filter"]
    path.write_text(json.dumps({"roi": "site.geojson"}))
    assert read_saved(path).roi == tmp_path / "site.geojson"
    with pytest.raises(Misused, match="cannot be read"):
        read_saved(tmp_path / "none.json")


def test_of_two_makings_the_later_is_held(sandbox: RunningSandbox, tmp_path: Path) -> None:
    first = weekly(sandbox, tmp_path, search={**SEARCH, "to": "2025-01-03"})
    sandbox.republish(first.jobs[0].scene_id)
    sandbox.world.advance(WEEK_S)
    weekly(sandbox, tmp_path, search={**SEARCH, "to": "2025-01-03"}, refetch_republished=True)

    async def held() -> copies.Held:
        async with manager_of(sandbox, tmp_path) as manager:
            return copies.held(manager.library, {first.jobs[0].key: ""})[first.jobs[0].key]

    assert asyncio.run(held()).path == Path(first.jobs[0].path)

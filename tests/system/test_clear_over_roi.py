"""How clear each scene is over the region: asked once, before anything is paid, and used wherever scenes are chosen."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path

import pytest
from commands import Desk
from sandboxes import MILAN, running
from shapely.geometry import shape

from planet_assets import select_scenes
from planet_assets.exceptions import Misused
from planet_assets.manager import AssetManager
from planet_assets.rules.clearness import PROPERTY

ROI = shape(MILAN)


@pytest.fixture
def sandbox():
    with running() as one:
        yield one


def manager(sandbox, folder: Path, **settings) -> AssetManager:
    config = {
        "library": str(folder / "library.db"),
        "planet": {"api_url": sandbox.url},
        "rate_limits": {"search": 1000.0},
        "retry_delay": 0.01,
        "retry_attempts": 1,
        **settings,
    }
    return AssetManager(sandbox.key, config)


def asked(sandbox) -> int:
    return sum(one["path"].endswith("/coverage") for one in sandbox.requests())


def test_each_scene_is_asked_about_once_and_a_second_run_asks_nothing(sandbox, tmp_path):
    async def work():
        async with manager(sandbox, tmp_path) as door:
            found = await door.search(MILAN, "2025-01-01", "2025-01-03", clear_over_roi=True)
            count = len(found["features"])
            assert asked(sandbox) == count > 3
            notes = [scene["properties"][PROPERTY] for scene in found["features"]]
            assert all(note["mode"] == "estimate" for note in notes)
            wholes = [scene["properties"]["clear_percent"] for scene in found["features"]]
            assert any(abs(note["clear_percent"] - whole) > 10 for note, whole in zip(notes, wholes, strict=True))
        async with manager(sandbox, tmp_path) as door:
            plain = await door.search(MILAN, "2025-01-01", "2025-01-03")
            told = await door.clear_over_roi(plain, MILAN)
            assert len(told) == count
            assert asked(sandbox) == count
            plan = await door.plan(plain, clip_to_roi=MILAN)
            assert {key: said.share for key, said in plan.clear.items()} == {
                key: said.share for key, said in told.items()
            }
            exact = await door.clear_over_roi(list(plain["features"])[:1], MILAN, mode="UDM2")
            assert {said.mode for said in exact.values()} == {"UDM2"}
            assert sandbox.billed_km2() == 0
            [key] = exact
            again = await door.plan(plain, clip_to_roi=MILAN)
            assert again.clear[key].mode == "UDM2"

    asyncio.run(work())


def test_choosing_goes_by_the_region_and_not_by_the_scene(sandbox, tmp_path):
    async def work():
        async with manager(sandbox, tmp_path) as door:
            found = await door.search(MILAN, "2025-01-01", "2025-01-07")
            chosen = await door.select(found, MILAN, min_clear=0.9, quality="any")
            assert all(said.is_over_roi and said.share >= 0.9 for said in chosen.clear.values())
            told = await door.clear_over_roi(found, MILAN)
            assert select_scenes(found, MILAN, min_clear=0.9, quality="any", clear=told).left_out == chosen.left_out
            noted = await door.search(MILAN, "2025-01-01", "2025-01-07", clear_over_roi="estimate")
            by_note = select_scenes(json.loads(json.dumps(noted)), MILAN, min_clear=0.9, quality="any")
            assert [item.id for item in by_note.items] == [item.id for item in chosen.items]
            elsewhere = select_scenes(noted, ROI.buffer(0.01), quality="any")
            assert not any(said.is_over_roi for said in elsewhere.clear.values())

    asyncio.run(work())


@pytest.mark.parametrize("fault", ["http-500", "429-storm", "malformed-json"])
def test_where_planet_does_not_answer_the_scene_speaks_for_itself(sandbox, tmp_path, fault):
    async def work():
        async with manager(sandbox, tmp_path) as door:
            found = await door.search(MILAN, "2025-01-01", "2025-01-02")
            sandbox.fault(fault, path="/coverage")
            told = await door.clear_over_roi(found, MILAN)
            own = {scene["id"]: scene["properties"]["clear_percent"] / 100 for scene in found["features"]}
            assert {key: said.share for key, said in told.items()} == own
            assert {said.mode for said in told.values()} == {"scene"}
            assert all(said.note for said in told.values())
            sandbox.mend()
            assert {said.mode for said in (await door.clear_over_roi(found, MILAN)).values()} == {"estimate"}
            with pytest.raises(Misused, match="mode"):
                await door.clear_over_roi(found, MILAN, mode="guess")

    asyncio.run(work())


def test_one_bad_answer_does_not_stop_the_rest():
    from datetime import UTC, datetime

    from planet_assets.exceptions import Gone
    from planet_assets.flow.clearness import _Asking
    from planet_assets.flow.clock import RealClock
    from planet_assets.model.item import Item

    class Api:
        async def coverage(self, item_type, item_id, geometry, *, mode="estimate", band="clear"):
            if item_id == "gone":
                raise Gone("Planet does not have it.")
            return {"clear_percent": {"true": True, "huge": 900, "none": None}.get(item_id, 55), "status": "complete"}

    def item(name):
        return Item(
            item_type="PSScene", id=name, acquired=datetime(2025, 1, 1, tzinfo=UTC), footprint=ROI, cloud_cover=0,
            properties={},
        )  # fmt: skip

    asking = _Asking(Api(), MILAN, "estimate", RealClock())
    told = asyncio.run(asking.all([item(name) for name in ("gone", "true", "huge", "none", "fine")]))
    assert [said.mode for said in told] == ["scene"] * 4 + ["estimate"]
    assert all(math.isnan(said.share) and said.note for said in told[:4])
    assert [ref[1] for ref in asking.learned] == ["fine"]


def test_the_commands(sandbox, tmp_path):
    desk = Desk(tmp_path, sandbox)
    found = desk.run("search", "--roi", desk.roi, "--from", "2025-01-01", "--to", "2025-01-03", "--clear-over-roi")
    assert PROPERTY in found.json()["features"][0]["properties"]
    chosen = desk.run("select", "-", "--roi", desk.roi, "--per", "day", "--pieces", given=found.out)
    document = chosen.json()
    assert document["selection"]["in_pieces"]
    assert document["selection"]["coverage"] <= 1
    assert all(feature["piece"] for feature in document["features"])
    assert {said["mode"] for said in document["selection"]["clear"].values()} == {"estimate"}
    picture = tmp_path / "plan.svg"
    plan = desk.run("plan", "-", "--delivery", "orders", "--picture", picture, given=chosen.out)
    shown = plan.json()
    assert shown["in_pieces"]
    assert shown["order_count"] == len(document["features"])
    assert shown["impact"]["area_km2"] == pytest.approx(document["selection"]["charge_km2"]["orders"], rel=1e-3)
    assert [way["name"] for way in shown["ways"]] == ["whole", "clipped", "composites", "pieces", "usable"]
    assert picture.read_text().startswith("<svg")
    assert "Piece of" in picture.read_text()
    text = desk.run("select", "-", "--roi", desk.roi, "--text", given=found.out)
    assert "of the ROI" in text.out
    assert "~" in text.out
    assert desk.run("select", "nothing.txt", "--roi", desk.roi).code == 2
    far = desk.run("select", "-", "--roi", "POLYGON((0 0, 1 0, 1 1, 0 1, 0 0))", given=found.out)
    assert far.code == 4
    unwritable = desk.run("plan", "-", "--picture", tmp_path / "no" / "x.svg", given=chosen.out)
    assert "cannot be written" in unwritable.err

"""A selection from the first look to the files: what it is priced at is what the sandbox bills, in pieces and whole."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rasterio
import shapely
from sandboxes import running
from shapely.geometry import box, shape

from planet_assets import DownloadQueue, policies, select_scenes
from planet_assets.exceptions import Misused
from planet_assets.flow.given import collection_of
from planet_assets.manager import AssetManager
from planet_assets.model.asset import AssetStatus

ROI = box(9.12, 45.42, 9.247, 45.51)
TYPES = ["ortho_analytic_4b", "ortho_udm2"]
WITHIN = 1e-3

# rasterio silences this warning by itself, but not safely where several threads do so at once.
pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")


@pytest.fixture
def sandbox():
    with running(pixel_size_m=60.0) as one:
        yield one


def manager(sandbox, folder: Path, **settings) -> AssetManager:
    config = {
        "library": str(folder / "library.db"),
        "output_dir": str(folder / "out"),
        "planet": {"api_url": sandbox.url},
        "retry_delay": 0.05,
        "orders": {"grace_s": 0.5, "look_s": 0.05},
        **settings,
    }
    return AssetManager(sandbox.key, config)


async def in_pieces(door: AssetManager):
    """Two scenes or more, none of which sees all of the region alone."""
    found = await door.search(ROI, "2025-01-01", "2025-01-31", asset_types=TYPES)
    partly = [one for one in found["features"] if not shape(one["geometry"]).covers(ROI)]
    chosen = select_scenes(partly, ROI, pieces=True)
    assert len(chosen) >= 2, "the sandbox has no such scenes"
    return chosen


def orders_of(sandbox) -> set[str]:
    return {charge["order_id"] for charge in sandbox.charges() if charge["route"] == "orders"}


@pytest.mark.parametrize("delivery", ["orders", "auto"])
def test_pieces_are_one_plan_and_an_order_each(sandbox, tmp_path, delivery):
    async def work():
        async with manager(sandbox, tmp_path) as door:
            chosen = await in_pieces(door)
            assert door.calculate_download_impact(chosen, asset_types=TYPES).orders_km2 == pytest.approx(
                chosen.charge_km2["orders"], rel=WITHIN
            )
            plan = await door.plan(chosen, TYPES, delivery=delivery)
            assert plan.impact.area_km2 == pytest.approx(chosen.charge_km2["orders"], rel=WITHIN)
            assert plan.in_pieces
            assert plan.order_count == len(chosen)
            assert any("Pieces" in line for line in plan.impact.assumptions)
            jobs = await door.run(plan, confirm=False)
            assert {job.status for job in jobs} == {AssetStatus.COMPLETED}
            assert len(orders_of(sandbox)) == len(chosen)
            assert sandbox.billed_km2() == pytest.approx(plan.impact.area_km2, rel=WITHIN)
            for job in jobs:
                inside_its_piece(job, chosen.pieces[job.scene_id])
            today = datetime.now(UTC) - timedelta(hours=1)
            assert door.spent_since(today) == pytest.approx(sandbox.billed_km2(), rel=WITHIN)
            assert door.spent_since(today + timedelta(hours=2)) == pytest.approx(0, abs=1e-9)
            assert not policies.max_per("week", 10, door.spent_since)(plan).proceed

            again = await door.plan(chosen, TYPES, delivery=delivery)
            assert again.impact.area_km2 == 0
            assert again.order_count == 0
            assert len(again.already_held) == len(jobs)

    asyncio.run(work())


def inside_its_piece(job, piece) -> None:
    with rasterio.open(job.clipped_file_path) as raster:
        bounds = rasterio.warp.transform_bounds(raster.crs, "EPSG:4326", *raster.bounds)
    grown = box(*piece.bounds).buffer(0.003)
    assert grown.covers(box(*bounds))
    assert box(*bounds).area > 0.5 * box(*piece.bounds).area


def test_pieces_by_data_charge_whole_scenes_and_are_cut_here(sandbox, tmp_path):
    async def work():
        async with manager(sandbox, tmp_path) as door:
            chosen = await in_pieces(door)
            plan = await door.plan(chosen, TYPES[:1], delivery="data")
            assert plan.order_count == 0
            jobs = await door.run(plan, confirm=False)
            assert sandbox.billed_km2() == pytest.approx(chosen.charge_km2["data"], rel=WITHIN)
            for job in jobs:
                inside_its_piece(job, chosen.pieces[job.scene_id])

    asyncio.run(work())


def test_a_selection_without_pieces_is_cut_to_its_region_unless_told_otherwise(sandbox, tmp_path):
    async def work():
        async with manager(sandbox, tmp_path) as door:
            found = await door.search(ROI, "2025-01-01", "2025-01-31", asset_types=TYPES)
            chosen = select_scenes(found, ROI)
            plan = await door.plan(chosen, TYPES, delivery="orders")
            assert not plan.in_pieces
            assert plan.order_count == 1
            assert plan.impact.area_km2 == pytest.approx(chosen.charge_km2["orders"], rel=WITHIN)
            whole = await door.plan(chosen, TYPES[:1], clip_to_roi=False)
            assert whole.impact.area_km2 == pytest.approx(chosen.charge_km2["data"], rel=WITHIN)
            assert whole.wants[0].roi_wkt is None

    asyncio.run(work())


def test_pieces_survive_a_pipe_and_the_queue(sandbox, tmp_path):
    async def work():
        async with manager(sandbox, tmp_path) as door:
            chosen = await in_pieces(door)
            piped = json.loads(json.dumps(collection_of(chosen)))
            wanted = {want.key: want.roi_wkt for want in (await door.plan(chosen, TYPES)).wants}
            for given in (piped, piped["features"]):
                assert {want.key: want.roi_wkt for want in (await door.plan(given, TYPES)).wants} == wanted
            queue = DownloadQueue(door)
            await queue.add(chosen, asset_types=TYPES)
            jobs = await queue.process(confirm=False)
            assert {job.key: job.roi_wkt for job in jobs} == wanted
            assert sandbox.billed_km2() == pytest.approx(chosen.charge_km2["orders"], rel=WITHIN)

    asyncio.run(work())


def test_another_region_cuts_the_pieces_and_mixed_scenes_are_refused(sandbox, tmp_path):
    async def work():
        async with manager(sandbox, tmp_path) as door:
            chosen = await in_pieces(door)
            west = box(9.12, 45.42, 9.18, 45.51)
            plan = await door.plan(chosen, TYPES, clip_to_roi=west, delivery="orders")
            pieces = [shapely.from_wkt(want.roi_wkt) for want in plan.wants if want.asset_type == TYPES[0]]
            assert all(west.buffer(1e-6).covers(piece) for piece in pieces)
            mixed = collection_of(chosen)["features"]
            del mixed[0]["piece"]
            with pytest.raises(Misused, match="does not say which"):
                await door.plan(mixed, TYPES)
            assert sandbox.billed_km2() == 0

    asyncio.run(work())

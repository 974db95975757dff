"""What orders have brought is not bought again, what is not there yet waits, and nothing dearer is taken unasked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rasterio
from managing import ANALYTIC, SQUARE, SR, TYPES, UDM2, XML, awaited, check_money, manager_of, scenes
from sandboxes import running
from shapely.geometry import box, shape

from planet_assets.flow.clock import RealClock
from planet_assets.model.asset import AssetStatus
from planet_assets.model.plan import Plan

S = AssetStatus
INNER = box(9.17, 45.455, 9.2, 45.475)
QUICK = {"orders": {"grace_s": 0.3, "look_s": 0.02}, "delivery": "auto"}


def orders_of(sandbox) -> int:
    return len({charge["order_id"] for charge in sandbox.charges() if charge["route"] == "orders"})


def cut(folder: Path, **more) -> dict:
    return {"clip_to_roi": shape(SQUARE), "output_dir": folder / "out", **more}


@awaited
async def test_a_refused_order_is_offered_as_whole_scenes_at_their_price(tmp_path: Path) -> None:
    asked: list[Plan] = []
    with running(orders_permitted=False) as sandbox:
        async with manager_of(sandbox, tmp_path, **QUICK) as manager:
            plan = await manager.plan(scenes(), [ANALYTIC], **cut(tmp_path))
            assert plan.impact.route == "orders"
            jobs = await manager.run(plan, confirm=lambda one: asked.append(one) or len(asked) == 1)
            assert [job.status for job in jobs] == [S.FAILED] * 2
            assert [one.impact.route for one in asked] == ["orders", "data"]
            assert asked[1].impact.area_km2 > asked[0].impact.area_km2
            for job in jobs:
                assert job.error_message and f"{job.order_km2:,.2f} km²" in job.error_message
                assert f"{job.whole_km2:,.2f} km²" in job.error_message
            assert sandbox.billed_km2() == 0
            jobs = await manager.run(
                await manager.plan(scenes(), [ANALYTIC], **cut(tmp_path)), confirm=lambda one: True
            )
            assert [(job.status, job.route) for job in jobs] == [(S.COMPLETED, "data")] * 2
            assert all(job.clipped_file_path and job.clipped_file_path.exists() for job in jobs)
            assert sandbox.billed_km2() == pytest.approx(asked[1].impact.area_km2, rel=1e-3)
            check_money(manager.library, sandbox.billed_km2())


@awaited
async def test_with_nobody_to_ask_a_refused_order_is_not_replaced_by_what_is_dearer(tmp_path: Path) -> None:
    with running(orders_permitted=False) as sandbox:
        async with manager_of(sandbox, tmp_path, **QUICK) as manager:
            jobs = await manager.activate_and_download_assets(
                scenes(), [ANALYTIC], confirm_download=False, **cut(tmp_path)
            )
            assert [job.status for job in jobs] == [S.FAILED] * 2
            assert sandbox.billed_km2() == 0


@awaited
async def test_a_scene_under_embargo_waits_and_is_ordered_at_the_price_that_was_shown(tmp_path: Path) -> None:
    asked: list[Plan] = []

    class Then(RealClock):
        """The sandbox's own time."""

        def now(self) -> datetime:
            return sandbox.world.now()

    with running(embargo_days=30.0, start=datetime(2025, 1, 10, tzinfo=UTC)) as sandbox:
        async with manager_of(sandbox, tmp_path, **QUICK) as manager:
            found = await manager.search(SQUARE, "2025-01-01", "2025-01-09", asset_types=[UDM2], limit=2)
            manager._wires.clock = Then()
            plan = await manager.plan(found, [ANALYTIC, UDM2], **cut(tmp_path))
            assert not plan.wants and plan.later is not None and plan.later.route == "orders"
            jobs = await manager.run(plan, confirm=lambda one: asked.append(one) or True)
            assert {job.status for job in jobs} == {S.WAITING} and {job.route for job in jobs} == {"orders"}
            assert sandbox.billed_km2() == 0 and orders_of(sandbox) == 0
            sandbox.advance(35 * 86_400)
            done = await manager.resume(confirm=lambda one: asked.append(one) or True)
            assert [job.error_message for job in done if job.status is not S.COMPLETED] == []
            assert orders_of(sandbox) == 1
            prices = sum(one.impact.area_km2 for one in asked)
            assert (
                prices == pytest.approx(plan.later.area_km2, rel=1e-6) == pytest.approx(sandbox.billed_km2(), rel=1e-3)
            )
            check_money(manager.library, sandbox.billed_km2())


@awaited
async def test_what_an_order_brought_is_fetched_from_it_again(tmp_path: Path) -> None:
    with running() as sandbox:
        async with manager_of(sandbox, tmp_path, **QUICK) as manager:
            sandbox.fault("flip", count=200)
            failed = await manager.activate_and_download_assets(
                scenes(), [ANALYTIC], confirm_download=False, **cut(tmp_path)
            )
            assert [job.status for job in failed] == [S.FAILED] * 2
            billed = sandbox.billed_km2()
            assert billed > 0
            sandbox.mend()
            again = await manager.retry_failed_downloads(failed)
            assert [job.status for job in again] == [S.COMPLETED] * 2, [job.error_message for job in again]
            other = await manager.plan(scenes(), [XML, UDM2], **cut(tmp_path))
            assert other.impact.area_km2 == 0 and len(other.ordered) == 4
            jobs = await manager.run(other)
            assert [job.status for job in jobs] == [S.COMPLETED] * 4, [job.error_message for job in jobs]
            Path(again[0].path).unlink()
            [one, _] = await manager.activate_and_download_assets(scenes(), [ANALYTIC], **cut(tmp_path))
            assert one.status is S.COMPLETED and Path(one.path).exists()
            assert (sandbox.billed_km2(), orders_of(sandbox)) == (billed, 1)
            check_money(manager.library, billed)


@awaited
async def test_an_order_is_settled_item_by_item(tmp_path: Path) -> None:
    one, other = scenes()
    with running() as sandbox:
        async with manager_of(sandbox, tmp_path, **QUICK) as manager:
            sandbox.fault("order-partial", item=one["id"])
            jobs = await manager.activate_and_download_assets([one, other], [ANALYTIC], **cut(tmp_path))
            assert [job.status for job in jobs] == [S.FAILED, S.COMPLETED]
            assert jobs[0].error_message and "holds no" in jobs[0].error_message
            billed = sandbox.billed_km2()
            check_money(manager.library, billed)
            sandbox.mend()
            asked: list[Plan] = []
            again = await manager.retry_failed_downloads(jobs[:1], confirm=lambda plan: asked.append(plan) or True)
            assert [job.status for job in again] == [S.COMPLETED]
            assert [plan.impact.area_km2 for plan in asked] == [pytest.approx(jobs[0].order_km2)]
            assert orders_of(sandbox) == 2
            check_money(manager.library, sandbox.billed_km2())


@awaited
async def test_results_that_are_gone_are_asked_for_at_their_price(tmp_path: Path) -> None:
    with running() as sandbox:
        async with manager_of(sandbox, tmp_path, **QUICK) as manager:
            sandbox.fault("order-fails", count=1)
            failed = await manager.activate_and_download_assets(scenes(1), [ANALYTIC], **cut(tmp_path))
            billed = sandbox.billed_km2()
            assert failed[0].status is S.FAILED and billed > 0
            declined = await manager.retry_failed_downloads(failed, confirm=lambda plan: plan.impact.area_km2 < 1)
            assert declined[0].status is S.USER_CANCELLED
            assert sandbox.billed_km2() == billed
            [done] = await manager.retry_failed_downloads(failed, confirm=True)
            assert done.status is S.COMPLETED and orders_of(sandbox) == 2
            check_money(manager.library, sandbox.billed_km2())


@awaited
async def test_a_held_clip_serves_every_region_that_it_covers(tmp_path: Path) -> None:
    with running() as sandbox:
        async with manager_of(sandbox, tmp_path, **QUICK) as manager:
            await manager.activate_and_download_assets(scenes()[1:], [ANALYTIC], **cut(tmp_path))
            billed = sandbox.billed_km2()
            plan = await manager.plan(scenes()[1:], [ANALYTIC], clip_to_roi=INNER, output_dir=tmp_path / "inner")
            assert plan.impact.area_km2 == 0 and len(plan.already_held) == 1
            jobs = await manager.run(plan, confirm=False)
            assert [job.status for job in jobs] == [S.COMPLETED] * 1, [job.error_message for job in jobs]
            for job in jobs:
                assert job.clipped_file_path and job.clipped_file_path.parent == tmp_path / "inner"
                assert job.original_file_path is None
                with rasterio.open(job.clipped_file_path) as small, rasterio.open(job.path) as large:
                    assert small.width < large.width and small.res == large.res
                    assert small.read(1).any()
            beyond = await manager.plan(scenes()[1:], [ANALYTIC], clip_to_roi=INNER.buffer(0.05))
            assert beyond.impact.area_km2 > 0 and not beyond.already_held
            again = await manager.plan(scenes()[1:], [ANALYTIC], **cut(tmp_path))
            assert again.impact.area_km2 == 0 and len(again.already_held) == 1
            assert sandbox.billed_km2() == billed


@awaited
async def test_a_clip_of_planet_is_written_as_was_asked_for(tmp_path: Path) -> None:
    how = {"output_format": "COG", "compression": "zstd", "buffer_meters": 100, "create_overview": True}
    with running(pixel_size_m=30.0) as sandbox:
        async with manager_of(sandbox, tmp_path, **QUICK) as manager:
            [job] = await manager.activate_and_download_assets(
                scenes(1), [ANALYTIC], **cut(tmp_path), clipping_config=how
            )
            assert job.status is S.COMPLETED, job.error_message
            assert (job.route, job.clip_outcome) == ("orders", "cut")
            assert job.clipped_file_path
            with rasterio.open(job.clipped_file_path) as raster, rasterio.open(job.path) as planets:
                assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert raster.compression.name.lower() == "zstd"
                assert (raster.read() == planets.read()).all()
            refused = cut(tmp_path) | {"clipping_config": {"extent": "tiles"}}
            with pytest.raises(Exception, match="extent='tiles'"):
                await manager.plan(scenes(1), [ANALYTIC], delivery="orders", **refused)
            whole = await manager.plan(scenes(1), [ANALYTIC], **refused)
            assert whole.impact.route == "data" or whole.already_held or whole.ordered


@awaited
async def test_what_comes_in_one_bundle_with_a_late_file_waits_for_it(tmp_path: Path) -> None:
    class Then(RealClock):
        """The sandbox's own time."""

        def now(self) -> datetime:
            return sandbox.world.now()

    with running() as sandbox:
        full = scenes(1, with_types=(*TYPES, SR))[0]
    published = datetime.fromisoformat(full["properties"]["published"])
    with running(start=published + timedelta(minutes=5)) as sandbox:
        async with manager_of(sandbox, tmp_path, **QUICK) as manager:
            manager._wires.clock = Then()
            early = await manager.get_scene(full["id"])
            assert SR not in early["assets"]
            plan = await manager.plan([early, full], [UDM2], **cut(tmp_path))
            assert plan.wants
            other = {**full, "id": "20250101_000000_00_0000"}
            plan = await manager.plan([early, other], [SR, UDM2], **cut(tmp_path))
            assert {want.item.id for want, _ in plan.lacking} == {full["id"]} and len(plan.lacking) == 2
            assert plan.later is not None and plan.later.area_km2 == pytest.approx(plan.impact.area_km2)


@awaited
async def test_a_fall_back_is_said_and_priced_in_the_plan(tmp_path: Path) -> None:
    eight, four = "ortho_analytic_8b", ANALYTIC
    with running() as sandbox:
        async with manager_of(sandbox, tmp_path, **QUICK) as manager:
            has, lacks = scenes(2, with_types=(*TYPES, eight))
            lacks = {**lacks, "assets": [name for name in lacks["assets"] if "8b" not in name]}
            plan = await manager.plan([has, lacks], [eight], **cut(tmp_path), fallback={eight: four})
            assert [want.asset_type for want in plan.wants] == [eight, four] and not plan.lacking
            assert any(f"{four} instead of {eight} of {lacks['id']}" in words for words in plan.impact.assumptions)
            jobs = await manager.run(plan)
            assert [job.status for job in jobs] == [S.COMPLETED] * 2
            assert plan.impact.area_km2 == pytest.approx(sandbox.billed_km2(), rel=1e-3)
            without = await manager.plan([has, lacks], [eight], **cut(tmp_path))
            assert len(without.lacking) == 1

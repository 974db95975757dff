"""Jobs whose cuts are masked by UDM2: by both routes, with the mask on its way, held before, or not to be had."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from managing import ANALYTIC, SQUARE, UDM2, awaited, check_money, leftovers, manager_of, scenes
from sandboxes import running
from shapely.geometry import shape

from planet_assets import usable_mask
from planet_assets.exceptions import Misused
from planet_assets.library import jobs as job_rows
from planet_assets.manager import AssetManager
from planet_assets.model.asset import AssetStatus
from planet_assets.sandbox import RunningSandbox

MASKED = {"mask_unusable": True}
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running() as served:
        yield served


@pytest.fixture
def manager(sandbox: RunningSandbox, tmp_path: Path) -> Iterator[AssetManager]:
    made = manager_of(sandbox, tmp_path)
    yield made
    check_money(made.library, sandbox.billed_km2())
    asyncio.run(made.aclose())


def is_masked(image: Path, udm2: Path) -> float:
    """The clear share, after a look at every pixel."""
    mask = usable_mask(udm2, shape(SQUARE))
    with rasterio.open(image) as dataset:
        pixels = dataset.read()
    assert pixels.shape[1:] == mask.usable.shape
    assert not pixels[:, ~mask.usable].any() and (mask.usable_px == 0 or pixels[:, mask.usable].any())
    return mask.clear_share


@pytest.mark.parametrize("delivery", ["data", "orders"])
@awaited
async def test_cuts_are_masked_and_say_how_clear(manager: AssetManager, tmp_path: Path, delivery: str) -> None:
    jobs = await manager.activate_and_download_assets(
        scenes(3), [ANALYTIC, UDM2], clip_to_roi=SQUARE, clipping_config=MASKED, delivery=delivery
    )
    assert [job.status for job in jobs] == [AssetStatus.COMPLETED] * 6, [job.error_message for job in jobs]
    for image, mask in zip(jobs[::2], jobs[1::2], strict=True):
        assert image.clear_share == pytest.approx(is_masked(image.clipped_file_path, mask.downloaded_file_path))
        assert mask.clear_share is None and str(mask.clipping).count("mask_unusable") == 0
    assert leftovers(tmp_path / "out") == []
    shares = manager.files.clear_shares(SQUARE)
    assert {job.scene_id: job.clear_share for job in jobs[::2]} == {name: one.share for name, one in shares.items()}
    again = await manager.activate_and_download_assets(
        scenes(3), [ANALYTIC], clip_to_roi=SQUARE, clipping_config=MASKED, delivery=delivery
    )
    assert [job.clear_share for job in again] == [job.clear_share for job in jobs[::2]]
    assert sum(job.spent_km2 for job in again) == 0


@awaited
async def test_without_udm2s_nothing_is_asked_or_written(
    manager: AssetManager, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    how: dict[str, Any] = {"clip_to_roi": SQUARE, "clipping_config": MASKED}
    with pytest.raises(Misused, match=r"UDM2 of each scene.*and 1 more.*ortho_udm2"):
        await manager.plan(scenes(2), [ANALYTIC], **how)
    assert sandbox.billed_km2() == 0 and not (tmp_path / "out").exists()
    await manager.activate_and_download_assets(scenes(1), [UDM2], output_dir=tmp_path / "elsewhere")
    [job] = await manager.activate_and_download_assets(scenes(1), [ANALYTIC], **how)
    assert job.clear_share is not None, "a mask held elsewhere in the library serves"


@awaited
async def test_a_mask_that_cannot_be_had_fails_the_cut_and_not_the_file(
    manager: AssetManager, sandbox: RunningSandbox
) -> None:
    sandbox.fault("flip", asset_type=UDM2)
    how: dict[str, Any] = {"clip_to_roi": SQUARE, "clipping_config": MASKED}
    image, mask = await manager.activate_and_download_assets(scenes(1), [ANALYTIC, UDM2], **how)
    assert mask.status is image.status is AssetStatus.FAILED
    assert "the whole file is kept" in str(image.error_message) and Path(image.path).exists()
    assert any(type(event).__name__ == "MaskAwaited" for event in job_rows.history(manager.library, image.id))
    sandbox.mend()
    before = sandbox.billed_km2()
    [mask] = await manager.retry_failed_downloads([mask])
    paid = sandbox.billed_km2()
    [image] = await manager.retry_failed_downloads([image])
    assert (image.status, image.spent_km2) == (AssetStatus.COMPLETED, 0) and sandbox.billed_km2() == paid >= before
    assert image.clear_share == pytest.approx(is_masked(image.clipped_file_path, mask.downloaded_file_path))
    assert np.isfinite(image.clear_share)

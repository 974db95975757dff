"""What is unusable by the UDM2: as a mask, in cuts by both extents, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from commands import Desk
from rasters import MILAN, UTM_32, make, masked_by_rasterio
from shapely.geometry import Polygon, box

from planet_assets import usable_mask
from planet_assets.exceptions import ClipFailed, Misused, OutsideRaster
from planet_assets.model.job import Clipping
from planet_assets.raster import stream
from planet_assets.raster.clip import clip
from planet_assets.raster.reading import grid_of, open_raster
from planet_assets.rules.window import moved, roi_on, snapped, window_of

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # of rasterio itself

ROI = Polygon([(9.1281, 45.4685), (9.1310, 45.4690), (9.1305, 45.4670), (9.1290, 45.4675)])
TILED: dict[str, Any] = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}
IMAGE, UDM2 = "20250101_100000_00_2400_3B_AnalyticMS_SR.tif", "20250101_100000_00_2400_3B_udm2.tif"


def make_udm2(path: Path, *, width: int = 100, height: int = 80, transform: Affine = MILAN, seed: int = 3) -> Path:
    """Every pixel of one class at random, a black corner, some suspect ones."""
    random = np.random.default_rng(seed)
    classes = random.choice(7, (height, width), p=[0.6, 0.05, 0.1, 0.1, 0.0, 0.1, 0.05])
    bands = np.zeros((8, height, width), "uint8")
    for number in range(6):
        bands[number] = classes == number
    bands[6] = random.integers(20, 100, (height, width))
    bands[7] = np.where(classes == 5, 2, 0)
    bands[7, random.random((height, width)) < 0.05] |= 0b1000
    bands[:7, :20, :25], bands[7, :20, :25] = 0, 1
    shape = {"width": width, "height": height, "count": 8, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", transform=transform, crs=UTM_32, **shape) as out:
        out.write(bands)
    return path


def fine_pixels(path: Path) -> np.ndarray:
    """Usable pixels, written down a second time: clear, seen, nothing suspect."""
    with rasterio.open(path) as dataset:
        bands = dataset.read()
    return (bands[0] == 1) & (bands[7] & 0b1111_1101 == 0)


@pytest.mark.parametrize("extent", ["window", "tiles"])
@pytest.mark.parametrize("nodata", [0, None, 7])
def test_cuts_keep_what_is_usable(
    tmp_path: Path, extent: str, nodata: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "TILE_PX", 32)
    image, udm2 = make(tmp_path / IMAGE, nodata=nodata, **TILED), make_udm2(tmp_path / UDM2)
    cut = clip(image, tmp_path / "cut.tif", ROI, Clipping(extent=extent), mask_unusable=True)
    with open_raster(image) as dataset:
        grid = grid_of(dataset)
    window = window_of(grid, roi_on(grid, ROI))
    assert window is not None
    window = snapped(grid, window) if extent == "tiles" else window
    expected = masked_by_rasterio(image, ROI, window)
    rows = slice(window.row_off, window.row_off + window.height)
    columns = slice(window.col_off, window.col_off + window.width)
    fine = fine_pixels(udm2)[rows, columns]
    expected[:, ~fine] = 0 if nodata is None else nodata
    with rasterio.open(cut.path) as after:
        assert np.array_equal(after.read(), expected)
        assert after.transform == Affine(*moved(tuple(MILAN)[:6], window))
    plain = clip(image, tmp_path / "plain.tif", ROI, Clipping(extent=extent))
    assert cut.inside_share == plain.inside_share and np.isnan(plain.clear_share)
    mask = usable_mask(udm2, ROI)
    assert cut.clear_share == mask.clear_share == mask.usable_px / mask.seen_px
    assert 0.3 < cut.clear_share < 0.8


def test_a_mask_is_an_array_with_a_place(tmp_path: Path) -> None:
    udm2 = make_udm2(tmp_path / UDM2)
    whole = usable_mask(udm2)
    assert np.array_equal(whole, fine_pixels(udm2))
    assert (whole.roi_px, whole.seen_px) == (8000, 7500) and whole.usable_share < whole.clear_share
    assert usable_mask(make(tmp_path / IMAGE)).usable_px == whole.usable_px, "beside an image it is found"
    over = usable_mask(udm2, ROI)
    window = window_of(whole.grid, roi_on(whole.grid, ROI))
    assert window is not None and over.grid.transform == moved(whole.grid.transform, window)
    assert np.asarray(over).sum() == over.usable_px < over.seen_px <= over.roi_px
    with pytest.raises(OutsideRaster):
        usable_mask(udm2, box(50, 50, 51, 51))


def test_what_counts_as_usable_may_be_said(tmp_path: Path) -> None:
    udm2 = make_udm2(tmp_path / UDM2)
    with rasterio.open(udm2) as dataset:
        bands = dataset.read()
    good = bands[7] & 0b1111_1101 == 0
    both = usable_mask(udm2, classes=("clear", "snow"))
    assert np.array_equal(both, (bands[0] | bands[1] == 1) & good)
    sure = usable_mask(udm2, min_confidence=80)
    assert np.array_equal(sure, (bands[0] == 1) & good & (bands[6] >= 80))
    with pytest.raises(Misused, match="no class"):
        usable_mask(udm2, classes=("fog",))
    with pytest.raises(Misused, match="nothing"):
        usable_mask(udm2, classes=())


def test_a_mask_on_a_clipped_grid_serves_where_it_covers(tmp_path: Path) -> None:
    image, udm2 = make(tmp_path / IMAGE), make_udm2(tmp_path / "whole.tif")
    clip(udm2, tmp_path / UDM2.replace(".tif", "_clip.tif"), ROI, Clipping(buffer_m=12))
    cut = clip(image, tmp_path / "cut.tif", ROI, mask_unusable=True)
    expected = clip(image, tmp_path / "expected.tif", ROI, udm2=udm2)
    with rasterio.open(cut.path) as one, rasterio.open(expected.path) as other:
        assert np.array_equal(one.read(), other.read())
    wide = Polygon(ROI.buffer(5e-4).exterior)
    with pytest.raises(ClipFailed, match="does not cover"):
        clip(image, tmp_path / "wide.tif", wide, mask_unusable=True)
    assert not (tmp_path / "wide.tif").exists()


@pytest.mark.parametrize(
    "transform", [MILAN @ Affine.translation(0.4, 0), MILAN @ Affine.scale(1.001), MILAN @ Affine.rotation(1)]
)
def test_a_mask_on_another_grid_is_refused(tmp_path: Path, transform: Affine) -> None:
    image, udm2 = make(tmp_path / IMAGE), make_udm2(tmp_path / UDM2, transform=transform)
    with pytest.raises(ClipFailed, match="another grid"):
        clip(image, tmp_path / "cut.tif", ROI, mask_unusable=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([image.name, udm2.name])


def test_without_a_udm2_nothing_is_written(tmp_path: Path) -> None:
    image = make(tmp_path / IMAGE)
    with pytest.raises(Misused, match="no UDM2 beside"):
        clip(image, tmp_path / "cut.tif", ROI, Clipping(mask_unusable=True))
    with pytest.raises(Misused, match="is no UDM2"):
        clip(image, tmp_path / "cut.tif", ROI, udm2=make(tmp_path / "other.tif"))
    with pytest.raises(Misused, match="no UDM2 beside"):
        usable_mask(image)
    with pytest.raises(Misused, match="no file"):
        usable_mask(None)
    assert not (tmp_path / "cut.tif").exists() and not list(tmp_path.glob(".*"))


def test_the_command_masks_and_says_how_clear(tmp_path: Path) -> None:
    image, run = make(tmp_path / IMAGE), Desk(tmp_path).run
    make_udm2(tmp_path / UDM2)
    done = run("clip", image, "--roi", ROI.wkt, "-o", tmp_path / "cut.tif", "--mask-unusable", "--json")
    assert done.code == 0, done.err
    assert done.json()["clear_share"] == usable_mask(image, ROI).clear_share
    said = run("clip", image, "--roi", ROI.wkt, "-o", tmp_path / "b.tif", "--udm2", tmp_path / UDM2, "--text").out
    assert "% of that clear" in said
    refused = run("clip", image, "--roi", ROI.wkt, "-o", tmp_path / "c.tif", "--udm2", image)
    assert refused.code == 2 and "is no UDM2" in refused.err and not (tmp_path / "c.tif").exists()

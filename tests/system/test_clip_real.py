"""The real scene (in strips, 4 bands, UTM 34 S) cut by both extents, and looked at."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.warp import transform_bounds, transform_geom
from rasters import cut_by_rasterio
from shapely.geometry import Polygon, shape
from shapely.geometry.base import BaseGeometry

from planet_assets import usable_mask
from planet_assets.model.job import Clipping
from planet_assets.raster.clip import clip
from planet_assets.raster.quicklook import quicklook
from planet_assets.raster.reading import grid_of, open_raster
from planet_assets.rules.area import geodesic_km2
from planet_assets.rules.window import roi_on

SCENES = Path(__file__).parents[3] / "shared" / "data" / "real_scene"
pytestmark = [
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),  # rasterio's own cuts
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),  # pictures lie nowhere
]


@pytest.fixture(scope="module")
def scene() -> Path:
    found = sorted(SCENES.glob("*_SR.tif"))
    if not found:
        reason = f"the real scene is not beside the repository ({SCENES})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found[0]


@pytest.fixture(scope="module")
def roi(scene: Path) -> BaseGeometry:
    """A star with a hole over the middle of the scene."""
    with rasterio.open(scene) as dataset:
        west, south, east, north = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    angles = np.linspace(0, 2 * np.pi, 15)
    reach = np.where(np.arange(15) % 2, 0.25, 0.6)
    x = (west + east) / 2 + (east - west) * reach * np.cos(angles)
    y = (south + north) / 2 + (north - south) * reach * np.sin(angles)
    star = Polygon(np.column_stack([x, y])).buffer(0)
    return star - shapely.Point((west + east) / 2, (south + north) / 2).buffer((east - west) * 0.06)


@pytest.mark.parametrize("output_format", ["GTiff", "COG"])
@pytest.mark.parametrize("extent", ["window", "tiles"])
def test_the_scene_is_cut_right(
    scene: Path, roi: BaseGeometry, tmp_path: Path, extent: str, output_format: str
) -> None:
    target = tmp_path / "cut.tif"
    how = Clipping(extent=extent, output_format=output_format, overviews=True)
    cut = clip(scene, target, roi, how)
    expected, transform = cut_by_rasterio(scene, roi)
    with rasterio.open(scene) as before, rasterio.open(target) as after:
        pixels = after.read()
        if extent == "tiles":  # strips reach from side to side, so the exact window lies somewhere inside
            assert after.width == before.width
            left, top = round((transform.c - after.transform.c) / 3), round((after.transform.f - transform.f) / 3)
            inner = pixels[:, top : top + expected.shape[1], left : left + expected.shape[2]].copy()
            pixels[:, top : top + expected.shape[1], left : left + expected.shape[2]] = 0
            assert not pixels.any()
            pixels = inner
        else:
            assert after.transform == transform
        assert np.array_equal(pixels, expected)
        assert after.descriptions == ("blue", "green", "red", "nir")
        assert after.colorinterp == before.colorinterp
        assert after.nodata == 0 and after.dtypes == before.dtypes and after.crs == before.crs
        assert {name: after.tags()[name] for name in before.tags()} == before.tags()
        assert after.profile["compress"] == "deflate" and after.profile["tiled"]
    assert cut.extent == extent


@pytest.mark.parametrize("extent", ["window", "tiles"])
def test_the_scene_is_masked_right(scene: Path, roi: BaseGeometry, tmp_path: Path, extent: str) -> None:
    """By a mask made for it, in strips as it is: its own is not beside it."""
    with rasterio.open(scene) as dataset:
        profile = {**dataset.profile, "count": 8, "dtype": "uint8", "nodata": None}
        image = dataset.read()
    cloud = (np.indices(image.shape[1:]) // 37).sum(axis=0) % 3 == 0
    bands = np.zeros((8, *cloud.shape), "uint8")
    bands[0], bands[5], bands[6], bands[7] = ~cloud, cloud, 80, 2 * cloud
    udm2 = tmp_path / scene.name.replace("AnalyticMS_SR", "udm2")
    with rasterio.open(udm2, "w", **profile) as out:
        out.write(bands)
    (tmp_path / scene.name).symlink_to(scene)
    cut = clip(tmp_path / scene.name, tmp_path / "cut.tif", roi, Clipping(extent=extent), mask_unusable=True)
    plain = clip(scene, tmp_path / "plain.tif", roi, Clipping(extent=extent))
    with rasterio.open(cut.path) as masked, rasterio.open(plain.path) as whole:
        with rasterio.open(scene) as dataset:
            row, column = dataset.index(*masked.xy(0, 0))
        clouds = cloud[row : row + masked.height, column : column + masked.width]
        expected = np.where(clouds, 0, whole.read())
        assert np.array_equal(masked.read(), expected) and expected.any()
    assert cut.clear_share == usable_mask(tmp_path / scene.name, roi).clear_share == pytest.approx(2 / 3, abs=0.05)


def test_the_cut_covers_the_ground_of_the_roi(scene: Path, roi: BaseGeometry, tmp_path: Path) -> None:
    with open_raster(scene) as dataset:
        ground = shapely.box(*transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds))
        dense = shape(transform_geom("EPSG:4326", dataset.crs, shapely.segmentize(roi, 1e-4)))
        assert (
            roi_on(grid_of(dataset), roi).symmetric_difference(dense).area < 20
        )  # m², of 5 km of outline: millimetres
    cut = clip(scene, tmp_path / "cut.tif", roi)
    expected = geodesic_km2(roi.intersection(ground))
    assert cut.inside_share * cut.width_px * cut.height_px * 9e-6 == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("style", ["rgb", "false"])
def test_a_quicklook_shows_the_scene(scene: Path, roi: BaseGeometry, tmp_path: Path, style: str) -> None:
    target = tmp_path / "look.png"
    data = quicklook(scene, target, max_px=200, roi=roi, style=style)
    assert target.read_bytes() == data
    with rasterio.open(target, driver="PNG") as picture:
        pixels = picture.read()
    assert pixels.shape == (4, 190, 200)
    outline = (pixels[0] == 255) & (pixels[1] == 214) & (pixels[2] == 10)
    assert 300 < outline.sum() < 3000
    assert pixels[:3][:, ~outline].std() > 20


def test_what_was_cut_away_is_transparent(scene: Path, roi: BaseGeometry, tmp_path: Path) -> None:
    cut = clip(scene, tmp_path / "cut.tif", roi)
    (tmp_path / "look.png").write_bytes(quicklook(cut.path))
    with rasterio.open(tmp_path / "look.png", driver="PNG") as picture:
        shown = picture.read(4) > 0
    assert shown.mean() == pytest.approx(cut.inside_share, abs=0.01)

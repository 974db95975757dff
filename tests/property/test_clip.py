"""Random rasters cut to random ROIs, pixel for pixel against rasterio.mask, by strips and by passing tiles on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasters import MILAN, UTM_32, cut_by_rasterio, make, masked_by_rasterio, plain
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import OutsideRaster
from planet_assets.model.geometry import only_areas
from planet_assets.model.job import Clipping
from planet_assets.raster import stream, tiles
from planet_assets.raster.clip import clip
from planet_assets.raster.reading import grid_of, open_raster
from planet_assets.rules.window import Window, moved, roi_on, snapped, window_of

pytestmark = [  # of rasterio's own cuts, not of ours
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NodataShadowWarning"),
]

GRIDS = {
    "utm": (MILAN, UTM_32),
    "turned": (Affine(2.6, 1.5, 510_000.0, 1.5, -2.6, 5_035_000.0), UTM_32),
    "south up": (Affine(3.0, 0.0, 510_000.0, 0.0, 3.0, 5_035_000.0), UTM_32),
    "degrees": (Affine(0.0003, 0.0, 9.13, 0.0, -0.0003, 45.47), "EPSG:4326"),
    "south": (Affine(3.0, 0.0, 261_000.0, 0.0, -3.0, 6_245_000.0), "EPSG:32734"),
    "polar": (Affine(10.0, 0.0, -200_000.0, 0.0, -10.0, -2_200_000.0), "EPSG:3413"),
    "web": (Affine(4.77, 0.0, 1_016_000.0, 0.0, -4.77, 5_690_000.0), "EPSG:3857"),
}
"""Transform and CRS."""

PACKINGS: dict[str, dict[str, Any]] = {
    "strips": {},
    "deep strips": {"blockysize": 17, "compress": "deflate"},
    "one strip": {"blockysize": 4000},
    "tiles": {"tiled": True, "blockxsize": 16, "blockysize": 16},
    "long tiles": {"tiled": True, "blockxsize": 16, "blockysize": 48, "compress": "lzw", "predictor": 2},
    "zstd": {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "zstd", "predictor": 2},
    "deflate": {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"},
    "planes": {"tiled": True, "blockxsize": 32, "blockysize": 32, "interleave": "band", "compress": "deflate"},
    "big-endian": {"tiled": True, "blockxsize": 16, "blockysize": 16, "ENDIANNESS": "BIG"},
    "bigtiff": {"tiled": True, "blockxsize": 16, "blockysize": 16, "BIGTIFF": "YES", "compress": "deflate"},
    "unknown codec": {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "lerc"},
    "sparse": {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate", "SPARSE_OK": True},
    "cog": {"cog": True, "blocksize": 128, "compress": "deflate"},
    "overviews": {"cog": True, "blocksize": 128, "compress": "lzw", "overview_count": 2},
}
"""GDAL's creation options."""


@st.composite
def rasters(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments for `rasters.make`."""
    transform, crs = GRIDS[draw(st.sampled_from(sorted(GRIDS)))]
    dtype = draw(st.sampled_from(["uint16", "uint16", "uint8", "int16", "float32"]))
    nodatas: list[float | None] = [0, None, 7] if dtype != "float32" else [-9999.0, float("nan"), None, 0]
    return {
        "width": draw(st.integers(1, 150)),
        "height": draw(st.integers(1, 120)),
        "bands": draw(st.sampled_from([1, 3, 4, 8])),
        "dtype": dtype,
        "nodata": draw(st.sampled_from(nodatas)),
        "transform": transform,
        "crs": crs,
        "seed": draw(st.integers(0, 9)),
        "named": draw(st.booleans()),
        **PACKINGS[draw(st.sampled_from(sorted(PACKINGS)))],
    }


@st.composite
def rois(draw: st.DrawFn, raster: dict[str, Any]) -> BaseGeometry:
    """Polygons with holes and several parts about the raster, lon/lat."""
    width, height = raster["width"], raster["height"]
    column, row = st.floats(-0.2 * width, 1.2 * width), st.floats(-0.2 * height, 1.2 * height)
    rings = draw(st.lists(st.lists(st.tuples(column, row), min_size=3, max_size=6), min_size=1, max_size=3))
    pixels = shapely.make_valid(Polygon(rings[0]))
    for ring in rings[1:]:
        pixels = pixels.symmetric_difference(shapely.make_valid(Polygon(ring)))
    pixels = only_areas(pixels)
    assume(pixels.area > 0.01)
    to_ground, back = raster["transform"], Transformer.from_crs(raster["crs"], "EPSG:4326", always_xy=True)
    roi = shapely.transform(pixels, lambda xy: np.column_stack(back.transform(*(to_ground * (xy[:, 0], xy[:, 1])))))
    assume(roi.is_valid and roi.area > 0)
    return roi


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_cuts_are_those_of_rasterio(data: st.DataObject) -> None:
    raster = data.draw(rasters())
    roi = data.draw(rois(raster))
    how = Clipping(
        extent=data.draw(st.sampled_from(["window", "tiles"])),
        compression=data.draw(st.sampled_from(["deflate", "lzw", "zstd", "none"])),
        output_format=data.draw(st.sampled_from(["GTiff", "GTiff", "GTiff", "COG"])),
        overviews=data.draw(st.booleans()),
    )
    with tempfile.TemporaryDirectory() as folder, small_tiles():
        named = tuple(f"band {number}" for number in range(raster["bands"])) if raster.pop("named") else ()
        source, target = make(Path(folder, "source.tif"), names=named, **raster), Path(folder, "cut.tif")
        try:
            cut = clip(source, target, roi, how)
        except OutsideRaster:
            event("outside")
            assert is_outside(source, roi)
            assert sorted(path.name for path in Path(folder).iterdir()) == ["source.tif"]
            return
        assert sorted(path.name for path in Path(folder).iterdir()) == ["cut.tif", "source.tif"]
        window, passed = window_in(source, roi, how)
        event("passed on" if passed else how.extent)
        expected = masked_by_rasterio(source, roi, window)
        with rasterio.open(source) as before, rasterio.open(target) as after:
            assert np.array_equal(after.read(), expected, equal_nan=raster["dtype"] == "float32")
            assert plain(after.transform) == moved(plain(before.transform), window)
            assert after.crs == before.crs
            assert after.dtypes == before.dtypes
            assert after.nodata == before.nodata or np.isnan([after.nodata, before.nodata]).all()
            assert after.colorinterp == before.colorinterp and after.descriptions == before.descriptions
            assert bool(after.overviews(1)) is how.overviews or max(after.shape) <= 64
            assert (after.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG") >= (how.output_format == "COG")
        if how.extent == "window":
            pixels, transform = cut_by_rasterio(source, roi)
            assert np.array_equal(expected, pixels, equal_nan=raster["dtype"] == "float32")
            assert plain(transform) == moved(plain(raster["transform"]), window)
        assert (cut.width_px, cut.height_px) == (window.width, window.height)
        assert cut.bytes == target.stat().st_size


def window_in(source: Path, roi: BaseGeometry, how: Clipping) -> tuple[Window, bool]:
    """The window that the cut should have, and whether tiles were passed on to it."""
    with open_raster(source) as dataset:
        grid = grid_of(dataset)
        window = window_of(grid, roi_on(grid, roi))
        assert window is not None
        if how.extent == "window":
            return window, False
        window = snapped(grid, window)
        return window, tiles.passage(dataset, window, how) is not None


def is_outside(source: Path, roi: BaseGeometry) -> bool:
    """True when rasterio sees nothing of the ROI either."""
    try:
        pixels, _ = cut_by_rasterio(source, roi)
    except ValueError:
        return True
    with rasterio.open(source) as dataset:
        fill = 0 if dataset.nodata is None else dataset.nodata
    return bool(np.isnan(pixels).all() if np.isnan(fill) else (pixels == fill).all())


@contextmanager
def small_tiles() -> Iterator[None]:
    """Tiles of 32 pixels and strips cut into pieces, so that small rasters take the ways of large ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "TILE_PX", 32)
        patch.setattr(stream, "STRIP_BYTES", 32 * 64 * 8)
        yield

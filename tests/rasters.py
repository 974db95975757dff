"""Makes rasters for tests, and cuts them by rasterio.mask, the reference for ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.features import geometry_mask
from rasterio.mask import mask
from rasterio.shutil import copy
from rasterio.windows import Window as PixelWindow
from shapely.geometry.base import BaseGeometry

from planet_assets.raster.reading import grid_of
from planet_assets.rules.window import Transform, Window, moved, roi_on

UTM_32 = "EPSG:32632"
MILAN = Affine(3.0, 0.0, 510_000.0, 0.0, -3.0, 5_035_000.0)
"""A grid of 3 m in UTM 32 N, upper left corner near Milan."""


def make(
    path: Path,
    *,
    width: int = 100,
    height: int = 80,
    bands: int = 4,
    dtype: str = "uint16",
    nodata: float | None = 0,
    transform: Affine = MILAN,
    crs: str = UTM_32,
    seed: int = 1,
    names: tuple[str, ...] = (),
    cog: bool = False,
    **options: Any,
) -> Path:
    """A GeoTIFF of noise, with an empty corner where it has a nodata value; `options` are GDAL's."""
    random = np.random.default_rng(seed)
    pixels = random.integers(1, 200, (bands, height, width)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        pixels += random.random((bands, height, width)).astype(dtype)
    if nodata is not None:
        pixels[:, : height // 4, : width // 4] = nodata
    profile = {"width": width, "height": height, "count": bands, "dtype": dtype, "nodata": nodata, "crs": crs}
    first = path.with_suffix(".draft.tif") if cog else path
    with rasterio.open(first, "w", driver="GTiff", transform=transform, **profile, **({} if cog else options)) as out:
        out.write(pixels)
        if names:
            out.descriptions = names
    if cog:
        copy(first, path, driver="COG", **options)
        first.unlink()
    return path


def cut_by_rasterio(source: Path, roi: BaseGeometry) -> tuple[np.ndarray, Affine]:
    """Pixels (band, row, col) and transform of the ROI's exact window, by rasterio.mask."""
    with rasterio.open(source) as dataset:
        pixels, transform = mask(dataset, [roi_on(grid_of(dataset), roi)], crop=True)
    return pixels, transform


def masked_by_rasterio(source: Path, roi: BaseGeometry, window: Window) -> np.ndarray:
    """Pixels (band, row, col) of any window, those outside the ROI set to nodata, by rasterio's mask."""
    with rasterio.open(source) as dataset:
        grid = grid_of(dataset)
        outside = geometry_mask(
            [roi_on(grid, roi)], (window.height, window.width), Affine(*moved(grid.transform, window))
        )
        place = PixelWindow(window.col_off, window.row_off, window.width, window.height)
        pixels: np.ma.MaskedArray[Any, Any] = dataset.read(window=place, masked=True)
        pixels.mask = pixels.mask | outside
        return pixels.filled(0 if dataset.nodata is None else dataset.nodata)


def plain(transform: Affine) -> Transform:
    """The six numbers of a transform."""
    a, b, c, d, e, f = tuple(transform)[:6]
    return a, b, c, d, e, f

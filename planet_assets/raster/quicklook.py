"""A small picture of a raster: stretched between percentiles, transparent where there is nothing, the ROI outlined."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.enums import ColorInterp, Resampling
from rasterio.features import rasterize
from rasterio.io import MemoryFile
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import Misused
from planet_assets.raster.reading import environment, grid_of, open_raster
from planet_assets.rules.window import roi_on

LOW, HIGH = 2.0, 98.0
OUTLINE = (255, 214, 10)
_NAMES = {"rgb": ("red", "green", "blue"), "false": ("nir", "red", "green")}
_ORDERS = {4: {"blue": 1, "green": 2, "red": 3, "nir": 4}, 8: {"blue": 2, "green": 4, "red": 6, "nir": 8}}


def quicklook(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    max_px: int = 512,
    roi: BaseGeometry | None = None,
    style: str = "rgb",
) -> bytes:
    """A PNG of a raster, RGBA, its longer side `max_px` pixels.

    Args:
        path: a GeoTIFF.
        target: where to write the PNG; None for bytes only.
        max_px: longer side, pixels.
        roi: outlined when given, lon/lat degrees.
        style: rgb, or false for near infrared, red, green.

    Raises:
        Misused: an unknown style.
        Corrupt, Unsafe: the raster cannot be trusted.
    """
    if style not in _NAMES:
        raise Misused(f"style={style!r} is not known.", hint="Use 'rgb' or 'false'.", argument="style")
    with open_raster(path) as dataset:
        scale = min(1.0, max_px / max(dataset.width, dataset.height))
        height, width = max(1, round(dataset.height * scale)), max(1, round(dataset.width * scale))
        shape = (height, width)
        data = dataset.read(_bands(dataset, style), out_shape=(3, *shape), resampling=Resampling.average)
        valid = dataset.dataset_mask(out_shape=shape) > 0
        if dataset.nodata is None and dataset.count in (4, 8) and dataset.dtypes[0] == "uint16":
            valid &= data.any(axis=0)
        transform = dataset.transform * Affine.scale(dataset.width / width, dataset.height / height)
        line = None if roi is None or dataset.crs is None else roi_on(grid_of(dataset), roi).boundary
    picture = np.zeros((4, *shape), dtype=np.uint8)
    for band in range(3):
        picture[band] = _stretched(data[band], valid)
    picture[3] = np.where(valid, 255, 0)
    if line is not None:
        drawn = rasterize([line], out_shape=shape, transform=transform, all_touched=True).astype(bool)
        picture[:, drawn] = np.array([*OUTLINE, 255], dtype=np.uint8)[:, None]
    png = _png(picture)
    if target is not None:
        Path(target).write_bytes(png)
    return png


def _bands(dataset: Any, style: str) -> list[int]:
    """Band numbers by name, by colour, by Planet's order, else the first three."""
    names = {(name or "").lower(): number for number, name in enumerate(dataset.descriptions, 1)}
    wanted = _NAMES[style]
    if all(name in names for name in wanted):
        return [names[name] for name in wanted]
    colours = {colour: number for number, colour in enumerate(dataset.colorinterp, 1)}
    rgb = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if style == "rgb" and all(colour in colours for colour in rgb):
        return [colours[colour] for colour in rgb]
    order = _ORDERS.get(dataset.count)
    if order is not None and dataset.dtypes[0] == "uint16":
        return [order[name] for name in wanted]
    return [min(number, dataset.count) for number in (1, 2, 3)]


def _stretched(band: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Between the 2nd and the 98th percentile of valid pixels, as 0..255; 8-bit pictures stay as they are."""
    if band.dtype == np.uint8:
        return band
    inside = band[valid & (band > 0)]
    if not inside.size:
        return np.zeros(band.shape, dtype=np.uint8)
    low, high = np.percentile(inside, [LOW, HIGH])
    share = (band.astype(np.float32) - low) / max(float(high - low), 1e-6)
    stretched: np.ndarray = (np.clip(share, 0, 1) ** 0.8 * 255).astype(np.uint8)
    return stretched


def _png(picture: np.ndarray) -> bytes:
    _, height, width = picture.shape
    with environment(), MemoryFile() as memory:
        with memory.open(driver="PNG", width=width, height=height, count=4, dtype="uint8") as out:
            out.write(picture)
        return bytes(memory.read())

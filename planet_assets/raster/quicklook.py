"""A small picture of a raster: stretched between percentiles, transparent where there is nothing, the ROI outlined.

A UDM2 is drawn by its classes, one colour each; a raster of one band in grey.
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.enums import ColorInterp, Resampling
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import DiskProblem, Misused
from planet_assets.raster.reading import grid_of, nodata_of, open_raster, read
from planet_assets.rules import udm2
from planet_assets.rules.window import roi_on

LOW, HIGH = 2.0, 98.0
"""Percentiles of each band that become black and full colour."""
GAMMA = 0.8
"""Below 1 lifts the dark ground that bright clouds leave behind."""
OUTLINE = (255, 214, 10)
MOST_PX = 20_000
"""A picture is held in memory whole."""

CLASS_COLOURS = {
    "clear": (126, 176, 96),
    "snow": (120, 200, 235),
    "shadow": (74, 72, 84),
    "light_haze": (244, 214, 140),
    "heavy_haze": (232, 160, 92),
    "cloud": (242, 242, 244),
}
"""What the classes of a UDM2 are drawn in."""
NO_CLASS = (150, 120, 140)
"""Seen, and of no class."""

_NAMES = {"rgb": ("red", "green", "blue"), "false": ("nir", "red", "green")}
_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_ORDERS = {4: {"blue": 1, "green": 2, "red": 3, "nir": 4}, 8: {"blue": 2, "green": 4, "red": 6, "nir": 8}}
"""Planet's band numbers, for files that do not name their bands. Source: confirmed (contract 2.6)."""


class Quicklook(bytes):
    """The bytes of a PNG; a notebook shows it as a picture."""

    def _repr_png_(self) -> bytes:
        return bytes(self)


def quicklook(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    max_px: int = 512,
    roi: BaseGeometry | None = None,
    style: str = "rgb",
) -> Quicklook:
    """A PNG of a raster, RGBA, its longer side at most `max_px` pixels.

    Args:
        path: a GeoTIFF; its overviews are used where it has them.
        target: where to write the PNG; None for bytes only.
        max_px: longer side, pixels.
        roi: outlined when given, lon/lat degrees.
        style: rgb, or false for near infrared, red, green. A UDM2 is drawn by its classes in either.

    Raises:
        Misused: an unknown style, or no pixels.
        ClipFailed: an ROI on a raster that has no place on Earth.
        Corrupt, Unsafe: the raster cannot be trusted.
        DiskProblem: the picture cannot be written.
    """
    if style not in _NAMES:
        raise Misused(f"style={style!r} is not known.", hint="Use 'rgb' or 'false'.", argument="style")
    if not 1 <= max_px <= MOST_PX:
        raise Misused(f"max_px={max_px} is not between 1 and {MOST_PX:,}.", argument="max_px")
    with open_raster(path) as dataset:
        scale = min(1.0, max_px / max(dataset.width, dataset.height))
        height, width = max(1, round(dataset.height * scale)), max(1, round(dataset.width * scale))
        picture = _classes(dataset, height, width) if _is_udm2(dataset) else _colours(dataset, style, height, width)
        if roi is not None:
            picture[_drawn(dataset, roi, height, width)] = (*OUTLINE, 255)
    png = Quicklook(png_bytes(picture))
    if target is not None:
        _write(png, Path(target))
    return png


def _write(png: bytes, target: Path) -> None:
    """Whole under its name, or not at all."""
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.cut")
    try:
        part.write_bytes(png)
        os.replace(part, target)
    except OSError as error:
        raise DiskProblem(f"{target} cannot be written: {error.strerror}.") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _colours(dataset: Any, style: str, height: int, width: int) -> np.ndarray:
    """The picture, (row, col, RGBA)."""
    bands = _bands(dataset, style)
    data = read(dataset, bands, out_shape=(3, height, width), resampling=Resampling.average)
    valid = _valid(dataset, data)
    ready = dataset.dtypes[0] == "uint8" and [dataset.colorinterp[band - 1] for band in bands] == list(_RGB)
    picture = np.zeros((height, width, 4), dtype=np.uint8)
    for band in range(3):
        picture[..., band] = data[band] if ready else _stretched(data[band], valid)
    picture[..., 3] = 255
    picture[~valid] = 0
    return picture


def _is_udm2(dataset: Any) -> bool:
    """Eight bands of bytes; named as Planet names them, or not at all."""
    names = [(name or "").lower() for name in dataset.descriptions]
    shaped = dataset.count == udm2.BANDS and set(dataset.dtypes) == {"uint8"}
    return shaped and (names[0] == "clear" or not any(names))


def _classes(dataset: Any, height: int, width: int) -> np.ndarray:
    """The picture of a UDM2, (row, col, RGBA); transparent where nothing was imaged."""
    bands = read(dataset, out_shape=(udm2.BANDS, height, width), resampling=Resampling.nearest)
    picture = np.zeros((height, width, 4), dtype=np.uint8)
    picture[udm2.seen(bands)] = (*NO_CLASS, 255)
    for number, name in enumerate(udm2.CLASSES):
        picture[(bands[number] == 1) & udm2.seen(bands)] = (*CLASS_COLOURS[name], 255)
    return picture


def png_bytes(picture: np.ndarray) -> bytes:
    """A picture (row, col, RGBA), uint8, as a PNG. Source: PNG specification, third edition (W3C 2025)."""
    height, width, _ = picture.shape
    rows = np.zeros((height, 1 + 4 * width), dtype=np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = picture.reshape(height, 4 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")]
    packed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _bands(dataset: Any, style: str) -> list[int]:
    """Band numbers by name, by colour, by Planet's order, else the first three."""
    names = {(name or "").lower(): number for number, name in enumerate(dataset.descriptions, 1)}
    wanted = _NAMES[style]
    if all(name in names for name in wanted):
        return [names[name] for name in wanted]
    colours = {colour: number for number, colour in enumerate(dataset.colorinterp, 1)}
    if style == "rgb" and all(colour in colours for colour in _RGB):
        return [colours[colour] for colour in _RGB]
    order = _ORDERS.get(dataset.count)
    if order is not None and dataset.dtypes[0] == "uint16":
        return [order[name] for name in wanted]
    return [min(number, dataset.count) for number in (1, 2, 3)]


def _valid(dataset: Any, data: np.ndarray) -> np.ndarray:
    """Where there is something to see, (row, col): by the alpha band, by nodata, or everywhere."""
    shape = data.shape[1:]
    if ColorInterp.alpha in dataset.colorinterp:
        alpha = read(dataset, 1 + dataset.colorinterp.index(ColorInterp.alpha), out_shape=shape)
        shown: np.ndarray = alpha > 0
        return shown
    nodata = nodata_of(dataset)
    if nodata is None:
        return np.ones(shape, dtype=bool)
    filled: np.ndarray = np.any(~np.isnan(data) if np.isnan(nodata) else data != nodata, axis=0)
    return filled


def _stretched(band: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Between two percentiles of the valid pixels, as 0..255."""
    inside = band[valid & np.isfinite(band)]
    if not inside.size:
        return np.zeros(band.shape, dtype=np.uint8)
    low, high = np.percentile(inside, [LOW, HIGH])
    if low == high:
        low, high = inside.min(), max(inside.max(), inside.min() + 1)
    share = np.clip(np.nan_to_num((band.astype(np.float64) - low) / (high - low)), 0, 1)
    stretched: np.ndarray = np.round(share**GAMMA * 255).astype(np.uint8)
    return stretched


def _drawn(dataset: Any, roi: BaseGeometry, height: int, width: int) -> np.ndarray:
    """Where the outline of the ROI runs, (row, col)."""
    line = roi_on(grid_of(dataset), roi).boundary
    if line.is_empty:
        return np.zeros((height, width), dtype=bool)
    a, b, c, d, e, f = tuple(dataset.transform)[:6]
    across, down = dataset.width / width, dataset.height / height
    transform = Affine(a * across, b * down, c, d * across, e * down, f)
    drawn: np.ndarray = rasterize([line], (height, width), transform=transform, all_touched=True).astype(bool)
    return drawn

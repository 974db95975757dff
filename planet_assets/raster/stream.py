"""Writes a window of a raster as a GeoTIFF or COG, strip by strip, everything outside the ROI set to nodata."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp, Resampling
from rasterio.shutil import copy as gdal_copy
from rasterio.windows import Window as PixelWindow

from planet_assets.exceptions import ClipFailed
from planet_assets.model.job import Clipping
from planet_assets.raster.reading import GDAL_ERRORS, environment, fill_of, grid_of, nodata_of, read_window
from planet_assets.raster.usable import Usable
from planet_assets.rules.window import Outline, Window, moved, strips

TILE_PX = 512
STRIP_BYTES = 48 * 2**20
"""Most pixels of a piece, of which two are held at once; a wider strip is written in pieces of whole tiles."""

DRAFT = "zstd"
"""Packs what the COG driver reads again at once: the fastest that is still small."""

_NOT_CARRIED = {"IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "TIFF", "SUBDATASETS"}
_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    """What the numbers of a raster mean: read whole before anything is written."""

    tags: dict[str, dict[str, str]]
    """By namespace; "" for the plain ones."""
    band_tags: list[dict[str, str]]
    names: tuple[str | None, ...]
    units: tuple[str | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    colours: tuple[ColorInterp, ...]
    palette: dict[int, tuple[int, int, int, int]] | None

    def give(self, out: Any) -> None:
        """Write it into a new raster, before its pixels."""
        for namespace, tags in self.tags.items():
            out.update_tags(ns=namespace or None, **tags)
        for band, tags in enumerate(self.band_tags, 1):
            out.update_tags(band, **tags)
        for band, (name, unit) in enumerate(zip(self.names, self.units, strict=True), 1):
            if name:
                out.set_band_description(band, name)
            if unit:
                out.set_band_unit(band, unit)
        if set(self.scales) != {1.0} or set(self.offsets) != {0.0}:
            out.scales, out.offsets = self.scales, self.offsets
        if self.palette is not None:
            out.write_colormap(1, self.palette)
        if out.colorinterp != self.colours:
            out.colorinterp = self.colours


def write_window(
    dataset: Any, part: Path, outline: Outline | Usable, window: Window, how: Clipping, tick: Callable[[float], None]
) -> int:
    """Write the window to `part`.

    Args:
        dataset: the open source.
        part: a new file.
        outline: the ROI in the window's pixels.
        window: of the source's grid.
        how: format, compression, overviews.
        tick: called with the share done, 0 to 1; may raise to end the work.

    Returns:
        How many pixels lie inside the ROI.

    Raises:
        ClipFailed: the file cannot be written.
        Corrupt: the source cannot be decoded.
    """
    cog = how.output_format == "COG"
    first = part.with_name(part.name + "~") if cog else part
    meaning, profile = _meaning(dataset), _profile(dataset, window, DRAFT if cog else how.compression)
    try:
        with rasterio.open(first, "w", **profile) as out:
            meaning.give(out)
            inside = _fill(dataset, out, outline, window, tick)
        if how.overviews and not cog:
            add_overviews(part, window)
        if cog:
            gdal_copy(first, part, driver="COG", **_cog_options(dataset, how))
    except GDAL_ERRORS as error:
        raise ClipFailed(f"The cut could not be written: {error}.", hint="Is there room on the disk?") from None
    finally:
        if cog:
            first.unlink(missing_ok=True)
    return inside


def add_overviews(part: Path, window: Window) -> None:
    """Smaller versions inside the file, for quick looks; ends with one that fits a tile.

    Raises:
        ClipFailed: they cannot be written.
    """
    try:
        with rasterio.open(part, "r+", driver="GTiff") as made:
            made.build_overviews(_factors(window), _resampling(made))
    except GDAL_ERRORS as error:
        raise ClipFailed(f"Overviews could not be written: {error}.", hint="Is there room on the disk?") from None


def strip_bytes(dataset: Any, window: Window) -> int:
    """Bytes of one row of tiles of the window."""
    return int(TILE_PX * window.width * dataset.count * np.dtype(dataset.dtypes[0]).itemsize)


def blank(pixels: np.ndarray, inside: np.ndarray, fill: float) -> None:
    """Set what lies outside to `fill`, in place; pixels are (band, row, col), `inside` is (row, col)."""
    if fill == 0 and pixels.dtype.kind in "iu":
        pixels *= inside  # ten times quicker than a choice for each pixel
    else:
        np.copyto(pixels, np.asarray(fill, dtype=pixels.dtype), where=~inside)


def _fill(dataset: Any, out: Any, outline: Outline | Usable, window: Window, tick: Callable[[float], None]) -> int:
    """All pixels, the next piece being read while one is packed; counts those inside."""
    inside = 0
    with closing(_one_ahead(_pieces(dataset, outline, window))) as pieces:  # nothing reads on when this fails
        for place, pixels, count in pieces:
            out.write(pixels, window=place)
            inside += count
            tick((place.row_off + place.height) / window.height)
    return inside


_Piece = tuple[PixelWindow, np.ndarray, int]
"""Where in the window, the pixels (band, row, col) with nothing outside the ROI, and how many lie inside."""


def _pieces(dataset: Any, outline: Outline | Usable, window: Window) -> Iterator[_Piece]:
    """A row of tiles at a time, and no more columns at once than memory allows."""
    fill, pieces = fill_of(dataset), -(-strip_bytes(dataset, window) // STRIP_BYTES)
    columns = max(TILE_PX, -(-window.width // pieces // TILE_PX) * TILE_PX)
    for top, rows in strips(window, TILE_PX):
        within = outline.inside(top, rows)
        for left in range(0, window.width, columns):
            width = min(columns, window.width - left)
            there = Window(col_off=window.col_off + left, row_off=window.row_off + top, width=width, height=rows)
            pixels, wanted = read_window(dataset, there), within[:, left : left + width]
            blank(pixels, wanted, fill)
            yield PixelWindow(left, top, width, rows), pixels, int(np.count_nonzero(wanted))


def _one_ahead(pieces: Iterator[_Piece]) -> Generator[_Piece, None, None]:
    """The same pieces, each made on a thread of its own while the one before is in use."""

    def make() -> _Piece | None:
        with environment():
            return next(pieces, None)

    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(make)
        while (piece := coming.result()) is not None:
            coming = thread.submit(make)
            yield piece


def _profile(dataset: Any, window: Window, compression: str) -> dict[str, Any]:
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": window.width,
        "height": window.height,
        "count": dataset.count,
        "dtype": dataset.dtypes[0],
        "crs": dataset.crs,
        "transform": Affine(*moved(grid_of(dataset).transform, window)),
        "nodata": nodata_of(dataset),
        "tiled": True,
        "blockxsize": TILE_PX,
        "blockysize": TILE_PX,
        "interleave": "pixel",
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": 2,
    }
    if dataset.colorinterp[:3] == _RGB:
        profile["photometric"] = "RGB"
    if dataset.colorinterp[-1] == ColorInterp.alpha:
        profile["ALPHA"] = "YES"
    return profile | _packing(dataset, compression)


def _packing(dataset: Any, compression: str) -> dict[str, Any]:
    """Level 1 with a predictor is smaller and faster than level 6 without. Source: measured."""
    if compression == "none":
        return {}
    predictor = {"f": 3, "c": 1}.get(np.dtype(dataset.dtypes[0]).kind, 2)
    level = {"deflate": {"ZLEVEL": 1}, "zstd": {"ZSTD_LEVEL": 1}}.get(compression, {})
    return {"compress": compression.upper(), "PREDICTOR": predictor, **level}


def _cog_options(dataset: Any, how: Clipping) -> dict[str, Any]:
    options: dict[str, Any] = {
        "BLOCKSIZE": TILE_PX,
        "COMPRESS": how.compression.upper(),
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": 2,
        "OVERVIEWS": "AUTO" if how.overviews else "NONE",
        "OVERVIEW_RESAMPLING": _resampling(dataset).name.upper(),
    }
    if how.compression != "none" and np.dtype(dataset.dtypes[0]).kind != "c":
        options["PREDICTOR"] = "YES"
    if how.compression in ("deflate", "zstd"):
        options["LEVEL"] = 1
    return options


def _meaning(dataset: Any) -> _Meaning:
    """Statistics are left behind: they were of the whole."""
    namespaces = {"", *(name for name in dataset.tag_namespaces() if not name.startswith("xml:"))} - _NOT_CARRIED
    band_tags = [
        {name: value for name, value in dataset.tags(band).items() if not name.startswith("STATISTICS_")}
        for band in dataset.indexes
    ]
    return _Meaning(
        tags={namespace: dataset.tags(ns=namespace or None) for namespace in namespaces},
        band_tags=band_tags,
        names=dataset.descriptions,
        units=dataset.units,
        scales=dataset.scales,
        offsets=dataset.offsets,
        colours=dataset.colorinterp,
        palette=dataset.colormap(1) if dataset.colorinterp[0] == ColorInterp.palette else None,
    )


def _resampling(dataset: Any) -> Resampling:
    """Classes and masks (UDM2) must not be averaged into values that mean nothing."""
    colours = set(dataset.colorinterp)
    classes = dataset.dtypes[0] in ("uint8", "int8") and not set(_RGB) <= colours
    return Resampling.nearest if classes or ColorInterp.palette in colours else Resampling.average


def _factors(window: Window) -> list[int]:
    """Powers of two until the smallest overview fits one tile."""
    factors = [2]
    while max(window.width, window.height) / factors[-1] > TILE_PX:
        factors.append(2 * factors[-1])
    return factors

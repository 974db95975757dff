"""Cuts a raster to an ROI: the exact window of its grid, strip by strip, in bounded memory.

Pixels and extent are those of `rasterio.mask.mask(dataset, shapes, crop=True)`: a pixel belongs when its centre lies in
the ROI, everything else becomes nodata (0 where the raster has none). Only a finished, flushed file gets the name.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.features import geometry_mask
from rasterio.shutil import copy as gdal_copy
from rasterio.windows import Window as PixelWindow
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import ClipFailed, DiskProblem, OutsideRaster
from planet_assets.model.job import Clipping
from planet_assets.raster.reading import environment, grid_of, open_raster
from planet_assets.rules.area import buffered
from planet_assets.rules.window import Grid, Window, in_crs, moved, snapped, strips, window_of

TILE_PX = 512
OVERVIEWS = (2, 4, 8, 16, 32)
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a cut led to."""

    path: Path
    """The file."""
    width_px: int
    """Columns."""
    height_px: int
    """Rows."""
    bytes: int
    """Its length."""
    inside_share: float
    """Share of its pixels whose centre lies in the ROI."""


def clip(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    roi: BaseGeometry,
    clipping: Clipping | None = None,
    *,
    overwrite: bool = False,
    on_progress: Progress | None = None,
    stopped: Callable[[], bool] | None = None,
) -> Cut:
    """Cut a GeoTIFF to an ROI.

    Kept: data type, nodata, band names, colour interpretation, tags, scales and offsets, CRS and the pixel grid.

    Args:
        source: a GeoTIFF.
        target: the file to make.
        roi: Polygon or MultiPolygon, lon/lat degrees.
        clipping: buffer, format, compression, overviews, extent.
        overwrite: True to replace what stands at `target`.
        on_progress: called with the share done, 0 to 1.
        stopped: asked between strips; True ends the work and leaves nothing.

    Raises:
        OutsideRaster: the ROI does not touch the raster.
        ClipFailed: the raster has no place on Earth, or could not be written.
        Corrupt, Unsafe: the source cannot be trusted.
        DiskProblem: the target is taken, or the disk failed.
    """
    how, final = clipping or Clipping(), Path(target).absolute()
    if final.exists() and not overwrite:
        raise DiskProblem(f"{final} is there already.", hint="Choose another name.")
    region = buffered(roi, how.buffer_m)
    with open_raster(source) as dataset, _hidden(final) as part:
        shape = _shape(dataset, region)
        grid = grid_of(dataset)
        window = window_of(grid, shape)
        if window is None:
            raise OutsideRaster(f"The ROI does not touch {Path(source).name}.", hint="Nothing was cut.")
        window = snapped(window, grid) if how.extent == "tiles" else window
        inside = _write(dataset, part, shape, window, how, on_progress, stopped)
        _prove(part, window)
        size = _name(part, final)
    return Cut(
        path=final,
        width_px=window.width,
        height_px=window.height,
        bytes=size,
        inside_share=inside / window.pixels,
    )


def strip_mask(grid: Grid, shape: BaseGeometry, window: Window) -> np.ndarray:
    """True for pixels outside the shape, by their centre; shape (rows, columns) of the window."""
    outside: np.ndarray = geometry_mask(
        [shape], out_shape=(window.height, window.width), transform=Affine(*moved(grid.transform, window))
    )
    return outside


def read_masked(dataset: Any, window: Window, outside: np.ndarray) -> np.ndarray:
    """Pixels of a window, (band, row, col), with everything outside the ROI or masked by the file set to nodata."""
    pixels = PixelWindow(window.col, window.row, window.width, window.height)
    fill = 0 if dataset.nodata is None else dataset.nodata
    if all(set(flags) <= {MaskFlags.all_valid, MaskFlags.nodata} for flags in dataset.mask_flag_enums):
        data: np.ndarray = dataset.read(window=pixels)
    else:
        data = dataset.read(window=pixels, masked=True).filled(fill)
    data[:, outside] = fill
    return data


def _shape(dataset: Any, region: BaseGeometry) -> BaseGeometry:
    if dataset.crs is None:
        raise ClipFailed(
            f"{Path(dataset.name).name} has no coordinate reference system, so an ROI means nothing on it.",
            hint="Basic assets are not georeferenced; take an ortho asset.",
        )
    return in_crs(region, dataset.crs.to_wkt())


def _write(
    dataset: Any,
    part: Path,
    shape: BaseGeometry,
    window: Window,
    how: Clipping,
    on_progress: Progress | None,
    stopped: Callable[[], bool] | None,
) -> int:
    """Write the window strip by strip; returns how many pixels lie inside."""
    cog = how.output_format == "COG"
    first = part.with_name(part.name + ".tmp") if cog else part
    grid, inside, done = grid_of(dataset), 0, 0
    try:
        with rasterio.open(first, "w", **_profile(dataset, window, how, draft=cog)) as out:
            _describe(dataset, out)
            for strip in strips(window, TILE_PX):
                if stopped is not None and stopped():
                    raise ClipFailed("The cut was stopped.", hint="Resume to make it.")
                outside = strip_mask(grid, shape, strip)
                inside += int(outside.size - np.count_nonzero(outside))
                top = strip.row - window.row
                out.write(read_masked(dataset, strip, outside), window=PixelWindow(0, top, strip.width, strip.height))
                done += strip.height
                if on_progress is not None:
                    on_progress(done / window.height)
            if how.overviews and not cog:
                out.build_overviews(_factors(window), _resampling(dataset))
        if cog:
            gdal_copy(first, part, driver="COG", **_cog_options(dataset, how))
    except RasterioError as error:
        raise ClipFailed(f"The cut could not be written: {error}.", hint="Is there room on the disk?") from None
    finally:
        if cog:
            first.unlink(missing_ok=True)
    return inside


def _profile(dataset: Any, window: Window, how: Clipping, *, draft: bool) -> dict[str, Any]:
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": window.width,
        "height": window.height,
        "count": dataset.count,
        "dtype": dataset.dtypes[0],
        "crs": dataset.crs,
        "transform": Affine(*moved(grid_of(dataset).transform, window)),
        "nodata": dataset.nodata,
        "tiled": True,
        "blockxsize": TILE_PX,
        "blockysize": TILE_PX,
        "interleave": "pixel",
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": 2,
    }
    colours = dataset.colorinterp
    if colours[:3] == (ColorInterp.red, ColorInterp.green, ColorInterp.blue) and dataset.dtypes[0] == "uint8":
        profile["photometric"] = "RGB"
    if colours[-1] == ColorInterp.alpha:
        profile["ALPHA"] = "YES"
    return profile | (_compression("lzw" if draft else how.compression, dataset))


def _compression(name: str, dataset: Any) -> dict[str, Any]:
    """Level 1 with a predictor is smaller and faster than level 6 without. Source: measured."""
    if name == "none":
        return {}
    predictor = 3 if np.dtype(dataset.dtypes[0]).kind == "f" else 2
    level = {"deflate": {"ZLEVEL": 1}, "zstd": {"ZSTD_LEVEL": 1}}.get(name, {})
    return {"compress": name.upper(), "PREDICTOR": predictor, **level}


def _cog_options(dataset: Any, how: Clipping) -> dict[str, Any]:
    options: dict[str, Any] = {
        "BLOCKSIZE": TILE_PX,
        "COMPRESS": how.compression.upper(),
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": 2,
        "OVERVIEWS": "AUTO" if how.overviews else "NONE",
        "OVERVIEW_RESAMPLING": _resampling(dataset).name.upper(),
    }
    if how.compression != "none":
        options["PREDICTOR"] = "YES"
    if how.compression in ("deflate", "zstd"):
        options["LEVEL"] = 1
    return options


def _describe(dataset: Any, out: Any) -> None:
    """Names, colours, tags, scales: what the numbers mean."""
    out.update_tags(**{name: value for name, value in dataset.tags().items() if name != "OVR_RESAMPLING_ALG"})
    for band in dataset.indexes:
        out.update_tags(band, **{k: v for k, v in dataset.tags(band).items() if not k.startswith("STATISTICS_")})
        if dataset.descriptions[band - 1]:
            out.set_band_description(band, dataset.descriptions[band - 1])
        if dataset.units[band - 1]:
            out.set_band_unit(band, dataset.units[band - 1])
    out.colorinterp = dataset.colorinterp
    if any(scale != 1 for scale in dataset.scales) or any(offset != 0 for offset in dataset.offsets):
        out.scales, out.offsets = dataset.scales, dataset.offsets
    if dataset.colorinterp[0] == ColorInterp.palette:
        out.write_colormap(1, dataset.colormap(1))


def _resampling(dataset: Any) -> Resampling:
    """Masks must not be averaged into values that mean nothing."""
    few = (
        np.dtype(dataset.dtypes[0]) == np.uint8 and dataset.count != 3 and ColorInterp.alpha not in dataset.colorinterp
    )
    return Resampling.nearest if few else Resampling.average


def _factors(window: Window) -> list[int]:
    return [factor for factor in OVERVIEWS if min(window.width, window.height) // factor >= 64]


def _prove(part: Path, window: Window) -> None:
    """GDAL may swallow a full disk until the file is closed: every tile must lie inside the file."""
    size = part.stat().st_size
    with environment(), rasterio.open(part, driver="GTiff") as made:
        rows = -(-made.height // made.block_shapes[0][0])
        columns = -(-made.width // made.block_shapes[0][1])
        for row in range(rows):
            for column in range(columns):
                start = made.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1)
                length = made.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=1)
                if start is not None and int(start) + int(length or 0) > size:
                    raise ClipFailed("The cut was not written whole.", hint="Is there room on the disk?")
        if (made.width, made.height) != (window.width, window.height):
            raise ClipFailed("The cut does not have the size it should have.")


@contextmanager
def _hidden(final: Path) -> Iterator[Path]:
    """A hidden name beside the target; nothing is left of it when the work fails."""
    part = final.with_name(f".{final.name[:120]}.{secrets.token_hex(6)}.cut")
    if not final.parent.is_dir():
        raise DiskProblem(f"There is no folder {final.parent}.", hint="Make it first.")
    try:
        with environment():
            yield part
    finally:
        for left in (part, part.with_name(part.name + ".tmp"), part.with_name(part.name + ".aux.xml")):
            with suppress(OSError):
                left.unlink()


def _name(part: Path, final: Path) -> int:
    """Flush, then give the final name; returns the length in bytes."""
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
        size = os.fstat(stream.fileno()).st_size
    os.replace(part, final)
    if os.name == "posix":
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return size

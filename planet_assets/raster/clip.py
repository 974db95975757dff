"""Cuts a raster to an ROI, on the raster's own grid; only a finished, flushed file gets the name.

Pixels and extent are those of `rasterio.mask.mask(dataset, shapes, crop=True)`: a pixel belongs when its centre lies in
the ROI, everything else becomes nodata (0 where the raster has none); with `mask_unusable` so does what the scene's
UDM2 calls unusable.
"""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj.exceptions import ProjError
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import ClipFailed, Corrupt, DiskProblem, OutsideRaster
from planet_assets.model.geometry import as_roi
from planet_assets.model.job import Clipping
from planet_assets.raster import directory, stream, tiles
from planet_assets.raster.reading import environment, grid_of, open_raster
from planet_assets.raster.usable import Usable, beside, usable_within
from planet_assets.rules.area import buffered
from planet_assets.rules.window import Grid, Outline, Window, outline_of, roi_on, snapped, window_of

CACHE_STRIPS = 3.5
"""Rows of tiles that GDAL keeps: two of the source, which a strip may straddle, and the one being written."""
LEAST_CACHE_BYTES, MOST_CACHE_BYTES = 32 * 2**20, 192 * 2**20


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
    """Share of its pixels whose centre lies in the ROI; the rest is nodata."""
    extent: str = "window"
    """window, or tiles when it was snapped outward to the source's tiles."""
    clear_share: float = math.nan
    """Of the ROI's pixels that the satellite saw, the share that is usable by the UDM2; NaN where nobody asked."""

    @property
    def known_clear_share(self) -> float | None:
        """The same, None where it is not known."""
        return None if math.isnan(self.clear_share) else self.clear_share


def clip(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    roi: BaseGeometry,
    clipping: Clipping | None = None,
    *,
    mask_unusable: bool = False,
    udm2: str | os.PathLike[str] | Sequence[Path] | None = None,
    overwrite: bool = False,
    on_progress: Callable[[float], None] | None = None,
    stopped: Callable[[], bool] | None = None,
) -> Cut:
    """Cut a GeoTIFF to an ROI.

    Kept: data type, nodata, band names, colour interpretation, tags, scales and offsets, CRS and the pixel grid.

    Args:
        source: a GeoTIFF.
        target: the file to make.
        roi: Polygon or MultiPolygon, lon/lat degrees.
        clipping: buffer, format, compression, overviews, extent, and whether what is unusable is masked.
        mask_unusable: True to set to nodata what the scene's UDM2 does not call clear, as `clipping` may say too.
        udm2: the UDM2 for that, or several of which the first that covers the ROI is taken; else it is looked for
            beside the source.
        overwrite: True to replace what stands at `target`.
        on_progress: called with the share done, 0 to 1.
        stopped: asked between strips; True ends the work and leaves nothing.

    Raises:
        OutsideRaster: the ROI does not touch the raster.
        ClipFailed: the raster has no place on Earth, or the cut could not be written.
        Corrupt, Unsafe: the source cannot be trusted.
        DiskProblem: the target is taken, or the disk failed.
        Misused: the ROI is not valid, the buffer leaves nothing of it, or no UDM2 is there to mask by.
    """
    how, final = clipping or Clipping(), Path(target).absolute()
    masks = _masks(Path(source), udm2) if mask_unusable or how.mask_unusable or udm2 is not None else None
    _refuse_taken(final, overwrite)
    region = buffered(as_roi(roi), how.buffer_m)

    def tick(share: float) -> None:
        if stopped is not None and stopped():
            raise ClipFailed("The cut was stopped.", hint="Resume to make it.")
        if on_progress is not None:
            on_progress(share)

    with open_raster(source) as dataset, _hidden(final) as part:
        grid = grid_of(dataset)
        shape = on_grid(grid, region, Path(dataset.name).name)
        window = window_of(grid, shape)
        if window is None:
            raise OutsideRaster(f"The ROI does not touch {Path(source).name}.", hint="Nothing was cut.")
        exact = window
        if how.extent == "tiles":
            window = snapped(grid, window)
        outline = outline_of(grid, window, shape)
        usable = (
            nullcontext() if masks is None else usable_within(masks, Path(source).name, grid, exact, window, outline)
        )
        with environment(_cache_bytes(dataset, window)), usable as fine:
            inside = _write(dataset, part, fine or outline, window, how, tick)
        _prove(part, window)
        size = _name(part, final, overwrite)
    return Cut(
        path=final,
        width_px=window.width,
        height_px=window.height,
        bytes=size,
        inside_share=(inside if fine is None else fine.roi_px) / (window.width * window.height),
        extent=how.extent,
        clear_share=math.nan if fine is None else fine.clear_share,
    )


def _masks(source: Path, udm2: str | os.PathLike[str] | Sequence[Path] | None) -> Sequence[Path]:
    """The UDM2 files to mask by."""
    if udm2 is None:
        return beside(source)
    return [Path(udm2)] if isinstance(udm2, str | os.PathLike) else udm2


def _write(
    dataset: Any, part: Path, outline: Outline | Usable, window: Window, how: Clipping, tick: Callable[[float], None]
) -> int:
    """By passing tiles on where that is asked and possible, else by strips; returns how many pixels lie inside."""
    way = tiles.passage(dataset, window, how) if how.extent == "tiles" else None
    if way is None:
        return stream.write_window(dataset, part, outline, window, how, tick)
    inside = tiles.write_tiles(dataset, part, outline, way, tick)
    if how.overviews:
        stream.add_overviews(part, window)
    return inside


def on_grid(grid: Grid, region: BaseGeometry, name: str) -> BaseGeometry:
    """An ROI (lon/lat) in the CRS of a grid; `name` is that of the file.

    Raises:
        ClipFailed: the CRS cannot be used.
    """
    try:
        shape = roi_on(grid, region)
    except (ProjError, shapely.errors.ShapelyError) as error:
        raise ClipFailed(f"{name} has a CRS that cannot be used: {error}.") from None
    if not np.isfinite(shapely.get_coordinates(shape)).all():
        raise ClipFailed(f"{name} has a CRS in which the ROI has no place.")
    return shape


def _cache_bytes(dataset: Any, window: Window) -> int:
    wanted = int(CACHE_STRIPS * stream.strip_bytes(dataset, window))
    return min(max(wanted, LEAST_CACHE_BYTES), MOST_CACHE_BYTES)


def _prove(part: Path, window: Window) -> None:
    """GDAL may swallow a full disk until the file is closed: every tile must lie inside the file."""
    size, whole = part.stat().st_size, False
    with part.open("rb") as made, suppress(Corrupt, KeyError):
        tags = directory.read_directory(made, size, part.name) or {}
        directory.check_tiles(tags, size, part.name)
        sides = tags[directory.WIDTH].numbers[0], tags[directory.HEIGHT].numbers[0]
        whole = sides == (window.width, window.height)
    if not whole:
        raise ClipFailed("The cut was not written whole.", hint="Is there room on the disk?")


def _refuse_taken(final: Path, overwrite: bool) -> None:
    if final.is_dir() or (os.path.lexists(final) and not overwrite):
        raise DiskProblem(f"{final} is there already.", hint="Choose another name.")
    if not final.parent.is_dir():
        raise DiskProblem(f"There is no folder {final.parent}.", hint="Make it first.")


@contextmanager
def _hidden(final: Path) -> Iterator[Path]:
    """A hidden name beside the target; nothing is left of it when the work fails."""
    part = final.with_name(f".{final.name[:100]}.{secrets.token_hex(6)}.cut")
    try:
        yield part
    except OSError as error:
        raise DiskProblem(f"{final} cannot be written: {error.strerror or error}.") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _name(part: Path, final: Path, overwrite: bool) -> int:
    """Flush, then give the final name; returns the length in bytes."""
    with part.open("rb+") as made:
        os.fsync(made.fileno())
        size = os.fstat(made.fileno()).st_size
    _refuse_taken(final, overwrite)
    os.replace(part, final)
    if os.name == "posix":
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return size

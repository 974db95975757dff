"""A time stack of rasters that share a grid: one array of time, band, y and x. xarray is the extra `cube`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planet_assets.exceptions import Misused
from planet_assets.raster.reading import grid_of, nodata_of, open_raster, read_window
from planet_assets.rules.window import Grid, Window, roi_on, window_of

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

MOST_BYTES = 8 * 10**9
"""A larger array is refused before anything is read."""

SAME_PX = 1e-3
"""Share of a pixel by which grids may be apart and still be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One raster of a stack."""

    path: Path
    """A GeoTIFF."""
    at: datetime
    """When the picture was taken."""
    name: str
    """Its scene."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A raster's pixels and how many bands it has."""

    grid: Grid
    bands: int


def stack(layers: Sequence[Layer], roi: BaseGeometry | None = None) -> Any:
    """The layers as an `xarray.DataArray`, float32 with NaN where there is nothing, by time; axes time, band, y, x.

    Args:
        layers: rasters on one grid, as clips of one satellite and one UTM zone are.
        roi: region to bound the array, lon/lat; everything the layers cover otherwise.

    Raises:
        Misused: there are none, they share no grid, or the array would be too large; xarray is not installed.
    """
    xarray = _need_xarray()
    if not layers:
        raise Misused("There is nothing to stack.", hint="Fetch the asset type first.", argument="asset_type")
    ordered = sorted(layers, key=lambda layer: (layer.at, layer.name))
    places = [_place(layer.path) for layer in ordered]
    first = places[0]
    offsets = [_offset(first, place, layer) for place, layer in zip(places, ordered, strict=True)]
    left, top, right, bottom = _extent(first.grid, places, offsets, roi)
    shape = (len(ordered), first.bands, bottom - top, right - left)
    if 4 * int(np.prod(shape)) > MOST_BYTES:
        raise Misused(f"The stack would take {4 * np.prod(shape) / 1e9:,.1f} GB.", hint="Give a smaller roi.")
    cube = np.full(shape, np.nan, dtype="float32")
    for number, (layer, place, (col, row)) in enumerate(zip(ordered, places, offsets, strict=True)):
        _fill(cube[number], layer.path, place.grid, col - left, row - top)
    a, _, c, _, e, f = first.grid.transform
    moments = np.array([layer.at.astimezone(UTC).replace(tzinfo=None) for layer in ordered], dtype="datetime64[ns]")
    return xarray.DataArray(
        cube,
        dims=("time", "band", "y", "x"),
        coords={
            "time": moments,
            "band": np.arange(1, first.bands + 1),
            "y": f + e * (np.arange(top, bottom) + 0.5),
            "x": c + a * (np.arange(left, right) + 0.5),
            "scene": ("time", [layer.name for layer in ordered]),
        },
        attrs={"crs": first.grid.crs, "transform": (a, 0.0, c + a * left, 0.0, e, f + e * top)},
    )


def _need_xarray() -> Any:
    try:
        import xarray
    except ImportError:
        raise Misused("A time stack needs xarray.", hint='pip install "planet-assets[cube]"') from None
    return xarray


def _place(path: Path) -> _Place:
    with open_raster(path) as dataset:
        return _Place(grid_of(dataset), dataset.count)


def _offset(first: _Place, place: _Place, layer: Layer) -> tuple[int, int]:
    """Columns and rows from the first raster's corner."""
    a, b, c, d, e, f = place.grid.transform
    a0, _, c0, _, e0, f0 = first.grid.transform
    col, row = (c - c0) / a0, (f - f0) / e0
    whole = abs(col - round(col)) < SAME_PX and abs(row - round(row)) < SAME_PX
    same = (place.grid.crs, place.bands, a, e) == (first.grid.crs, first.bands, a0, e0)
    if not (same and whole and b == d == 0):
        raise Misused(
            f"{layer.path.name} is on another grid than the first raster.",
            hint="Stack files of one UTM zone and one kind of satellite, clipped with extent='window'.",
            argument="scenes",
        )
    return round(col), round(row)


def _extent(
    grid: Grid, places: Sequence[_Place], offsets: Sequence[tuple[int, int]], roi: BaseGeometry | None
) -> tuple[int, int, int, int]:
    """First and last column and row of the array, on the first raster's grid."""
    left, top = (min(offset[axis] for offset in offsets) for axis in (0, 1))
    right = max(col + place.grid.width for place, (col, _) in zip(places, offsets, strict=True))
    bottom = max(row + place.grid.height for place, (_, row) in zip(places, offsets, strict=True))
    if roi is None:
        return left, top, right, bottom
    a, b, c, d, e, f = grid.transform
    moved = (a, b, c + a * left, d, e, f + e * top)
    whole = Grid(width=right - left, height=bottom - top, transform=moved, crs=grid.crs)
    window = window_of(whole, roi_on(whole, roi))
    if window is None:
        raise Misused("The ROI does not touch the stack.", argument="roi")
    col, row = left + window.col_off, top + window.row_off
    return col, row, col + window.width, row + window.height


def _fill(target: np.ndarray, path: Path, grid: Grid, col: int, row: int) -> None:
    """Read what of a raster lies within the array (band, row, col)."""
    height, width = target.shape[1:]
    left, top = max(0, col), max(0, row)
    right, bottom = min(width, col + grid.width), min(height, row + grid.height)
    if left >= right or top >= bottom:
        return
    window = Window(col_off=left - col, row_off=top - row, width=right - left, height=bottom - top)
    with open_raster(path) as dataset:
        pixels = read_window(dataset, window).astype("float32")
        nodata = nodata_of(dataset)
    if nodata is not None:
        pixels[pixels == nodata] = np.nan
    target[:, top:bottom, left:right] = pixels

"""From an ROI and a raster's grid to a window of pixels. Pure arithmetic; pixels are read elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from planet_assets.model.geometry import only_areas

Transform = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f: x = a col + b row + c, y = d col + e row + f (Affine's order)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The pixel grid of a raster."""

    width: int
    """Columns."""
    height: int
    """Rows."""
    transform: Transform
    """From pixel corners to CRS coordinates."""
    block: tuple[int, int] = (1, 1)
    """Rows and columns of a tile or strip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A rectangle of pixels."""

    col: int
    """First column."""
    row: int
    """First row."""
    width: int
    """Columns."""
    height: int
    """Rows."""

    @property
    def pixels(self) -> int:
        """How many pixels it holds."""
        return self.width * self.height


def in_crs(roi: BaseGeometry, crs: str) -> BaseGeometry:
    """An ROI in lon/lat as a polygon in a raster's CRS (WKT or authority code).

    Long edges get points in between first, since a straight edge in degrees is a curve in metres.
    """
    target = CRS.from_user_input(crs)
    if target.equals(CRS.from_epsg(4326), ignore_axis_order=True):
        return roi
    span = max(roi.bounds[2] - roi.bounds[0], roi.bounds[3] - roi.bounds[1])
    dense = shapely.segmentize(roi, max(span / 64, 1e-4))
    there = Transformer.from_crs("EPSG:4326", target, always_xy=True)
    flat = shapely.transform(dense, lambda xy: np.column_stack(there.transform(xy[:, 0], xy[:, 1])))
    return flat if flat.is_valid else only_areas(shapely.make_valid(flat))


def window_of(grid: Grid, shape: BaseGeometry) -> Window | None:
    """The smallest window that holds a shape given in the raster's CRS; None when they do not overlap.

    The rule is that of `rasterio.features.geometry_window`: floor of the first, ceiling of the last corner, within the
    raster.
    """
    coordinates = shapely.get_coordinates(shape)
    if not len(coordinates) or not np.isfinite(coordinates).all():
        return None
    columns, rows = to_pixels(grid.transform, coordinates)
    left, right = max(0, math.floor(columns.min())), min(grid.width, math.ceil(columns.max()))
    top, bottom = max(0, math.floor(rows.min())), min(grid.height, math.ceil(rows.max()))
    if right <= left or bottom <= top:
        return None
    return Window(col=left, row=top, width=right - left, height=bottom - top)


def snapped(window: Window, grid: Grid) -> Window:
    """The window grown outward to whole blocks of the grid, within the raster."""
    rows, columns = grid.block
    left, top = window.col // columns * columns, window.row // rows * rows
    right = min(grid.width, -(-(window.col + window.width) // columns) * columns)
    bottom = min(grid.height, -(-(window.row + window.height) // rows) * rows)
    return Window(col=left, row=top, width=right - left, height=bottom - top)


def moved(transform: Transform, window: Window) -> Transform:
    """The transform of the window's own pixels."""
    a, b, c, d, e, f = transform
    return (a, b, a * window.col + b * window.row + c, d, e, d * window.col + e * window.row + f)


def to_pixels(transform: Transform, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """CRS coordinates, shape (n, 2), as columns and rows, shape (n,) each."""
    a, b, c, d, e, f = transform
    determinant = a * e - b * d
    x, y = coordinates[:, 0] - c, coordinates[:, 1] - f
    return (e * x - b * y) / determinant, (a * y - d * x) / determinant


def strips(window: Window, rows: int) -> list[Window]:
    """The window cut into strips of `rows` rows, top to bottom."""
    return [
        Window(col=window.col, row=top, width=window.width, height=min(rows, window.row + window.height - top))
        for top in range(window.row, window.row + window.height, rows)
    ]

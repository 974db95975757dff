"""From an ROI to a window of a raster's pixels and a mask of them; pure arithmetic, pixels are read elsewhere.

Columns and rows count from the upper left corner of the upper left pixel, so the centre of pixel (row, col) lies at
(col + 0.5, row + 0.5). Windows follow `rasterio.features.geometry_window`, masks the polygon fill of GDAL's rasterizer
(alg/llrasterize.cpp), both to the last bit: a pixel is inside when its centre is. Masks are made a few
rows at a time, from edges that were put into pixels once, so that a strip never differs from the whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from planet_assets.model.geometry import on_the_globe, only_areas

Transform = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f: x = a col + b row + c, y = d col + e row + f (Affine's order)."""

STRAIGHT_DEG = 0.01
"""A straight edge in degrees is a curve in metres; followed in steps this long it strays 2 cm at latitude 60."""
WORLD = shapely.box(-180, -90, 180, 90)
OUTLINE_POINTS = 21
"""Points along each side of a raster, to find where on Earth it lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The pixel grid of a raster."""

    width: int
    """Columns."""
    height: int
    """Rows."""
    transform: Transform
    """From columns and rows to CRS coordinates."""
    crs: str
    """Coordinate reference system: WKT or an authority code."""
    block: tuple[int, int] = (1, 1)
    """Rows and columns of a tile or strip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A rectangle of pixels."""

    col_off: int
    """First column."""
    row_off: int
    """First row."""
    width: int
    """Columns."""
    height: int
    """Rows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """The edges of an ROI in the columns and rows of a window, ready to be filled."""

    width: int
    """Columns of the window."""
    slopes: np.ndarray
    """Shape (edge, 4): x and y of the upper end, x and y of the lower end; y grows downward and is never equal."""
    ledges: np.ndarray
    """Shape (edge, 3): y, first x and last x of the level edges that GDAL fills by themselves."""

    def inside(self, top: int, rows: int) -> np.ndarray:
        """True where the centre of a pixel lies in the ROI; shape (rows, width), from row `top` of the window."""
        flips = np.zeros((rows, self.width + 1), dtype=np.uint8)
        x1, y1, x2, y2 = self.slopes.T
        first = np.maximum(np.ceil(y1 - 0.5), top).astype(np.int64)
        stop = np.minimum(np.ceil(y2 - 0.5), top + rows).astype(np.int64)
        counts = np.maximum(stop - first, 0)
        edge = np.repeat(np.arange(len(counts)), counts)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts - first, counts)
        crossing = (row + 0.5 - y1[edge]) * (x2[edge] - x1[edge]) / (y2[edge] - y1[edge]) + x1[edge]
        np.bitwise_xor.at(flips, (row - top, self._column(crossing)), 1)
        mask = np.bitwise_xor.accumulate(flips, axis=1)[:, :-1].astype(bool)
        for y, left, right in self.ledges:
            if top <= y - 0.5 < top + rows:
                mask[int(y - 0.5) - top, self._column(left) : self._column(right)] = True
        return mask

    def _column(self, x: Any) -> Any:
        """The first column whose centre lies right of x."""
        return np.clip(np.floor(x + 0.5), 0, self.width).astype(np.int64)


def roi_on(grid: Grid, roi: BaseGeometry) -> BaseGeometry:
    """An ROI (lon/lat) in the CRS of a grid; empty when it lies elsewhere.

    Of a large ROI only the part near the raster is taken, since projections have no meaning far from their zone. Long
    edges get points in between, since they are straight in lon/lat.

    Raises:
        pyproj.exceptions.ProjError: the CRS is unknown, or has no way from lon/lat.
    """
    crs = CRS.from_user_input(grid.crs)
    if crs.equals(CRS.from_epsg(4326), ignore_axis_order=True):
        return roi
    there = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    near = _surroundings(grid, there)
    if not near.covers(roi):
        roi = only_areas(roi.intersection(near))
    if roi.is_empty:
        return roi
    dense = shapely.segmentize(roi, STRAIGHT_DEG)
    return shapely.transform(dense, lambda lonlat: np.column_stack(there.transform(lonlat[:, 0], lonlat[:, 1])))


def window_of(grid: Grid, shape: BaseGeometry) -> Window | None:
    """The smallest window that holds a shape in the grid's CRS, within the raster; None when they do not overlap."""
    if shape.is_empty:
        return None
    pixels = shapely.transform(shape, lambda xy: to_pixels(grid.transform, xy))
    left, top, right, bottom = pixels.bounds
    first_col, stop_col = max(0, math.floor(left)), min(grid.width, math.ceil(right))
    first_row, stop_row = max(0, math.floor(top)), min(grid.height, math.ceil(bottom))
    if stop_col <= first_col or stop_row <= first_row:
        return None
    if not shapely.intersects(shapely.make_valid(pixels), shapely.box(0, 0, grid.width, grid.height)):
        return None  # only their bounding boxes overlap
    return Window(col_off=first_col, row_off=first_row, width=stop_col - first_col, height=stop_row - first_row)


def snapped(grid: Grid, window: Window) -> Window:
    """The window grown outward to whole blocks of the grid, within the raster."""
    rows, columns = grid.block
    left, top = window.col_off // columns * columns, window.row_off // rows * rows
    right = min(grid.width, -(-(window.col_off + window.width) // columns) * columns)
    bottom = min(grid.height, -(-(window.row_off + window.height) // rows) * rows)
    return Window(col_off=left, row_off=top, width=right - left, height=bottom - top)


def moved(transform: Transform, window: Window) -> Transform:
    """The transform of the window's own columns and rows, rounded as `rasterio.windows.transform` rounds it."""
    a, b, c, d, e, f = transform
    x, y = a * window.col_off + b * window.row_off + c, d * window.col_off + e * window.row_off + f
    return (a, b, c + (x - c), d, e, f + (y - f))


def to_pixels(transform: Transform, coordinates: np.ndarray) -> np.ndarray:
    """CRS coordinates, shape (n, 2), as columns and rows, shape (n, 2), rounded as Affine's inverse rounds."""
    a, b, c, d, e, f = transform
    unit = 1 / (a * e - b * d)
    p, q, r, s = e * unit, -b * unit, -d * unit, a * unit
    x, y = coordinates.T
    return np.column_stack([x * p + y * q + (-c * p - f * q), x * r + y * s + (-c * r - f * s)])


def outline_of(grid: Grid, window: Window, shape: BaseGeometry) -> Outline:
    """The edges of a shape (grid's CRS) in the columns and rows of a window."""
    rings = shapely.get_rings(shapely.get_parts(shape))
    coordinates, ring_of = shapely.get_coordinates(rings, return_index=True)
    pixels = _rasterizer_pixels(moved(grid.transform, window), coordinates)
    same = ring_of[:-1] == ring_of[1:]
    edges = np.hstack([pixels[:-1][same], pixels[1:][same]])
    counter = shapely.is_ccw(rings)[ring_of[:-1][same]]
    edges[counter] = edges[counter][:, [2, 3, 0, 1]]  # GDAL turns every ring clockwise on the map
    level = edges[:, 1] == edges[:, 3]
    on_centres = level & ((edges[:, 1] - 0.5) % 1 == 0) & (edges[:, 0] > edges[:, 2])
    slopes = edges[~level]
    rising = slopes[:, 1] > slopes[:, 3]
    slopes[rising] = slopes[rising][:, [2, 3, 0, 1]]
    return Outline(width=window.width, slopes=slopes, ledges=edges[on_centres][:, [1, 2, 0]])


def strips(window: Window, rows: int) -> Iterator[tuple[int, int]]:
    """First row (counted within the window) and number of rows of each strip, top to bottom."""
    for top in range(0, window.height, rows):
        yield top, min(rows, window.height - top)


def _rasterizer_pixels(transform: Transform, coordinates: np.ndarray) -> np.ndarray:
    """The same as `to_pixels`, rounded as GDAL's rasterizer rounds: it decides for centres exactly on an edge."""
    a, b, c, d, e, f = transform
    x, y = coordinates.T
    if b == d == 0:
        return np.column_stack([-c / a + x * (1 / a), -f / e + y * (1 / e)])
    unit = 1 / (a * e - b * d)
    columns = (b * f - c * e) * unit + x * (e * unit) + y * (-b * unit)
    return np.column_stack([columns, (-a * f + c * d) * unit + x * (-d * unit) + y * (a * unit)])


def _surroundings(grid: Grid, there: Transformer) -> BaseGeometry:
    """Where on Earth a raster lies, lon/lat, with a margin."""
    along = np.linspace(0, 1, OUTLINE_POINTS)[:-1]
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)], dtype=float)
    unit = np.vstack([a + along[:, None] * (b - a) for a, b in pairwise(corners)])
    columns, rows = (unit * [grid.width, grid.height]).T
    a, b, c, d, e, f = grid.transform
    lon, lat = there.transform(a * columns + b * rows + c, d * columns + e * rows + f, direction="INVERSE")
    if not np.isfinite([lon, lat]).all():
        return WORLD  # its corners lie beside the Earth, as those of a full disc do
    place = on_the_globe(shapely.Polygon(np.column_stack([lon, lat])))
    grown = place.buffer(max(0.1, 0.1 * math.sqrt(place.area)))
    return shapely.union_all([translate(grown, xoff=turn) for turn in (-360, 0, 360)]).intersection(WORLD)

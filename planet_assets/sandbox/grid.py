"""Where the pixels of a picture lie in the world: an orthorectified UTM raster, or the sensor's own frame.

World coordinates are metres of a spherical Mercator projection: conformal, so that fields keep their shape, and one
for the whole Earth, so that neighbouring scenes and UTM zones continue each other. World metres are longer than
metres on the ground by 1 / cos(latitude).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from pyproj import Transformer
from rasterio import Affine
from shapely import affinity
from shapely.geometry import MultiPolygon, Polygon, box, shape
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from .noise import Array, gradient_noise, hash64
from .orbit import GEOD

EARTH_M = 6378137.0
NODES = 17  # along each side of a picture; between them bilinear interpolation errs by some centimetres

SAMPLES_IN_WAVE = 8  # with fewer, linear interpolation between them would show
SMALL = 4096  # samples, below which a coarser view saves nothing


def unwrapped(geometry: BaseGeometry) -> BaseGeometry:
    """A lon/lat footprint in one piece: parts beyond the antimeridian are moved next to the first part."""
    if not isinstance(geometry, MultiPolygon):
        return geometry
    west = geometry.geoms[0].bounds[0]
    parts = [affinity.translate(p, xoff=360 * round((west - p.bounds[0]) / 360)) for p in geometry.geoms]
    return unary_union([p.buffer(1e-9) for p in parts]) if len(parts) > 1 else parts[0]


def split_at_antimeridian(polygon: Polygon) -> BaseGeometry:
    """A lon/lat polygon that may reach beyond +-180 degrees, as RFC 7946 wants it: cut there into two."""
    west, _, east, _ = polygon.bounds
    if west >= -180 and east <= 180:
        return polygon
    edge = 180 if east > 180 else -180
    within, beyond = box(-180, -90, 180, 90), box(min(edge, 2 * edge), -90, max(edge, 2 * edge), 90)
    pieces = [polygon.intersection(within), affinity.translate(polygon.intersection(beyond), xoff=-2 * edge)]
    kept = [part for piece in pieces for part in getattr(piece, "geoms", [piece]) if part.area > 0]
    return MultiPolygon(kept) if len(kept) > 1 else kept[0]


@lru_cache(maxsize=64)
def _from_utm(epsg: int) -> Transformer:
    return Transformer.from_crs(epsg, 4326, always_xy=True)


def mercator(lon: Array, lat: Array) -> tuple[Array, Array]:
    """World metres of degrees."""
    return EARTH_M * np.radians(lon), EARTH_M * np.arcsinh(np.tan(np.radians(lat)))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The pixels of one picture."""

    rows: int
    columns: int
    pixel: float
    """Size of a pixel in world metres."""
    nodes_x: Array
    """World x at NODES x NODES evenly spaced points from edge to edge, (row, column)."""
    nodes_y: Array
    epsg: int | None = None
    """UTM zone, or None in the sensor's frame."""
    transform: Affine | None = None
    edges: Array | None = None
    """Edges of the footprint in the UTM zone, (edge, 4): x, y, x, y; no data outside. None: data everywhere."""

    def view(self, row: int, column: int, rows: int, columns: int) -> View:
        """A window of the picture at full resolution."""
        return View(self, row, column, rows, columns, 1, self.pixel)

    def covered(self, row: int, column: int, rows: int, columns: int) -> Array:
        """Which pixels of a window have their centre in the footprint, bool, (row, column)."""
        if self.edges is None or self.transform is None:
            return np.ones((rows, columns), bool)
        size = self.transform.a
        x = self.transform.c + size * (column + 0.5 + np.arange(columns))
        y = (self.transform.f - size * (row + 0.5 + np.arange(rows)))[:, None]
        x0, y0, x1, y1 = self.edges.T
        crossed = (y0 <= y) != (y1 <= y)
        # In a row of pixels the footprint lies between the first and second crossing of an edge, third and fourth, ...
        at = np.where(crossed, x0 + (y - y0) * (x1 - x0) / np.where(y0 == y1, 1.0, y1 - y0), np.inf)
        at = np.sort(at, axis=1)[:, : int(crossed.sum(axis=1).max(initial=0))]
        inside = np.zeros((rows, columns), bool)
        for index in range(0, at.shape[1] - 1, 2):
            inside |= (x >= at[:, index, None]) & (x < at[:, index + 1, None])
        return inside

    def sample(self, rows: int, columns: int, pixel: float) -> View:
        """About rows x columns points spread over the whole picture, with the detail of the given pixel."""
        coarse = replace(self, rows=rows, columns=columns, pixel=self.pixel * self.rows / rows)
        return View(coarse, 0, 0, rows, columns, 1, pixel)


@dataclass(frozen=True)
class View:
    """Evenly spaced sample points of a grid: a window at full or reduced resolution."""

    grid: Grid
    row: int
    column: int
    rows: int
    columns: int
    step: int
    pixel: float
    """Size of the picture's pixel in world metres: finer waves are left out, so that nothing flickers."""
    shift: tuple[float, float] = (0.0, 0.0)

    @cached_property
    def x(self) -> Array:
        """World x of the samples, (row, column), float64."""
        return self._located(self.grid.nodes_x) + self.shift[0]

    @cached_property
    def y(self) -> Array:
        """World y of the samples, (row, column), float64."""
        return self._located(self.grid.nodes_y) + self.shift[1]

    def _located(self, nodes: Array) -> Array:
        """The grid's nodes interpolated to the samples; without BLAS, whose own threads get in each other's way."""
        across, column = _place(self.column, self.columns, self.step, self.grid.columns)
        down, row = _place(self.row, self.rows, self.step, self.grid.rows)
        line = nodes[:, column] + (nodes[:, column + 1] - nodes[:, column]) * across
        return np.asarray(line[row] + (line[row + 1] - line[row]) * down[:, None])

    @property
    def spacing(self) -> float:
        """World metres between samples."""
        return self.grid.pixel * self.step

    def moved(self, dx: float, dy: float) -> View:
        """The same samples, looked up elsewhere in the world."""
        return replace(self, shift=(self.shift[0] + dx, self.shift[1] + dy))

    def fractal(self, wavelength: float, octaves: int, seed: int, gain: float = 0.5) -> Array:
        """A sum of gradient noises, each half as long and `gain` times as high as the one before; about -1..1.

        Long waves are evaluated on coarser views and enlarged, which is what makes large pictures affordable.
        """
        sums: dict[int, Array] = {}
        height, whole = 1.0, 0.0
        for octave in range(octaves):
            length = wavelength / 2**octave
            whole += height
            if octave == 0 or length >= 2 * self.pixel:
                step = self.step_within(length / SAMPLES_IN_WAVE)
                at = self.coarser(step)
                wave = gradient_noise(at.x, at.y, length, hash64(seed, octave)) * np.float32(height)
                sums[step] = sums[step] + wave if step in sums else wave
            height *= gain
        total = np.zeros((self.rows, self.columns), np.float32)
        for step, values in sums.items():
            total += self.enlarge(values, step)
        return total * np.float32(1.5 / whole)

    def step_within(self, spacing: float) -> int:
        """The largest power of two by which this view may be coarser and keep its samples that close (world metres)."""
        if self.rows * self.columns <= SMALL:
            return 1
        return 1 << int(np.clip(math.floor(math.log2(max(spacing / self.spacing, 1))), 0, 6))

    def coarser(self, step: int) -> View:
        """Every step-th sample, and one more so that all of this view lies between samples."""
        if step == 1:
            return self
        rows, columns = -(-(self.rows - 1) // step) + 1, -(-(self.columns - 1) // step) + 1
        return replace(self, rows=rows, columns=columns, step=self.step * step)

    def enlarge(self, values: Array, step: int) -> Array:
        """Values of `coarser(step)` interpolated bilinearly to this view."""
        if step == 1:
            return values
        values = _between(values, self.columns, step, axis=1)
        return _between(values, self.rows, step, axis=0)


def _place(first: int, count: int, step: int, length: int) -> tuple[Array, Array]:
    """How far the centres of pixels first, first + step, ... lie behind which node; beyond the edges, outside 0..1."""
    at = (first + 0.5 + step * np.arange(count)) * (NODES - 1) / length
    left = np.clip(np.floor(at).astype(int), 0, NODES - 2)
    return at - left, left


def _between(values: Array, count: int, step: int, *, axis: int) -> Array:
    """Linear interpolation along one axis from every step-th sample to `count` samples, float32."""
    at = np.arange(count)
    left = at // step
    fraction = ((at % step) / step).astype(np.float32)
    right = np.minimum(left + 1, values.shape[axis] - 1)
    fraction = fraction[:, None] if axis == 0 else fraction[None, :]
    low = values.take(left, axis=axis)
    return np.asarray(low + (values.take(right, axis=axis) - low) * fraction)


def ortho_grid(geometry: Mapping[str, Any], pixel_size_m: float) -> Grid:
    """The north-up UTM raster around a lon/lat footprint (GeoJSON), its origin on a multiple of the pixel."""
    footprint = unwrapped(shape(geometry))
    centre = footprint.centroid
    lon = (centre.x + 180) % 360 - 180
    epsg = (32600 if centre.y >= 0 else 32700) + int((lon + 180) // 6) + 1
    to_degrees = _from_utm(epsg)
    edges = _projected_edges(footprint, to_degrees)
    west, east = edges[:, 0].min(), edges[:, 0].max()
    south, north = edges[:, 1].min(), edges[:, 1].max()
    left, top = math.floor(west / pixel_size_m) * pixel_size_m, math.ceil(north / pixel_size_m) * pixel_size_m
    columns, rows = math.ceil((east - left) / pixel_size_m), math.ceil((top - south) / pixel_size_m)
    eastings = np.linspace(left, left + columns * pixel_size_m, NODES)
    northings = np.linspace(top, top - rows * pixel_size_m, NODES)
    lons, lats = to_degrees.transform(*np.meshgrid(eastings, northings))
    nodes_x, nodes_y = mercator(lon + (lons - lon + 180) % 360 - 180, lats)
    return Grid(
        rows=rows, columns=columns, pixel=pixel_size_m / math.cos(math.radians(centre.y)), nodes_x=nodes_x,
        nodes_y=nodes_y, epsg=epsg, transform=Affine(pixel_size_m, 0, left, 0, -pixel_size_m, top), edges=edges,
    )  # fmt: skip


def sensor_grid(geometry: Mapping[str, Any], pixel_size_m: float) -> Grid:
    """The raster of a footprint as the camera saw it: rows along the track, all pixels valid, no CRS."""
    corners = sensor_corners(geometry)
    nw, sw, _, ne = corners
    across, along = GEOD.inv(*nw, *ne)[2], GEOD.inv(*nw, *sw)[2]
    lat = sum(c[1] for c in corners) / 4
    x, y = mercator(np.array([c[0] for c in corners]), np.array([c[1] for c in corners]))
    s, t = np.meshgrid(np.linspace(0, 1, NODES), np.linspace(0, 1, NODES))

    def spread(corner: Array) -> Array:
        west, east = corner[0] + (corner[1] - corner[0]) * t, corner[3] + (corner[2] - corner[3]) * t
        return np.asarray(west + (east - west) * s)

    return Grid(
        rows=max(1, round(along / pixel_size_m)), columns=max(1, round(across / pixel_size_m)),
        pixel=pixel_size_m / math.cos(math.radians(lat)), nodes_x=spread(x), nodes_y=spread(y),
    )  # fmt: skip


def sensor_corners(geometry: Mapping[str, Any]) -> list[tuple[float, float]]:
    """The four corners NW, SW, SE, NE of a footprint (lon, lat), of its tightest rectangle if it has more."""
    footprint = unwrapped(shape(geometry))
    ring = list(footprint.exterior.coords) if isinstance(footprint, Polygon) else []
    if len(ring) != 5:
        ring = list(footprint.minimum_rotated_rectangle.exterior.coords)
    points = [(p[0], p[1]) for p in ring[:4]]
    lon, lat = (sum(p[i] for p in points) / 4 for i in (0, 1))
    # Counter-clockwise from the north-west, whichever way the ring runs and wherever it starts.
    turning = sorted(points, key=lambda p: math.atan2(p[1] - lat, p[0] - lon))
    start = min(range(4), key=lambda i: turning[i][0] - lon - (turning[i][1] - lat))
    return turning[start:] + turning[:start]


def _projected_edges(footprint: BaseGeometry, to_degrees: Transformer) -> Array:
    """The edges of a lon/lat footprint in UTM metres, (edge, 4), divided so that they stay straight in degrees."""
    edges = []
    for part in getattr(footprint, "geoms", [footprint]):
        for ring in (part.exterior, *part.interiors):
            lons, lats = np.asarray(ring.segmentize(0.05).coords)[:, :2].T
            points = np.column_stack(to_degrees.transform(lons, lats, direction="INVERSE"))
            edges.append(np.column_stack([points[:-1], points[1:]]))
    return np.concatenate(edges)

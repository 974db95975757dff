"""Chance without state: hashes and gradient noise that give the same world wherever and whenever they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # the finaliser of SplitMix64
_COLUMN, _ROW = 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9


def hash64(*keys: int) -> int:
    """64 well-mixed bits that depend on every key and on their order."""
    state = 0
    for key in keys:
        state = (state ^ (key & _MASK)) + _GOLDEN & _MASK
        state = (state ^ state >> 30) * _MIX_1 & _MASK
        state = (state ^ state >> 27) * _MIX_2 & _MASK
        state ^= state >> 31
    return state


def chance(*keys: int) -> float:
    """A number in [0, 1) that the keys determine."""
    return (hash64(*keys) >> 11) / (1 << 53)


def lattice(column: Array, row: Array, seed: int) -> Array:
    """Uniform numbers in [0, 1), float32, one for each pair of whole numbers (any broadcastable int64 arrays)."""
    state = column.astype(np.uint64) * np.uint64(_COLUMN) + row.astype(np.uint64) * np.uint64(_ROW)
    state += np.uint64(hash64(seed))
    state ^= state >> np.uint64(30)
    state *= np.uint64(_MIX_1)
    state ^= state >> np.uint64(27)
    state *= np.uint64(_MIX_2)
    return (state >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def gradient_noise(x: Array, y: Array, wavelength: float, seed: int) -> Array:
    """Perlin's gradient noise, float32, about -1..1; x, y and wavelength in one unit, any equal shapes."""
    u, v = x / wavelength, y / wavelength
    left, low = np.floor(u), np.floor(v)
    s, t = (u - left).astype(np.float32), (v - low).astype(np.float32)
    first_column, first_row = int(left.min()), int(low.min())
    columns = int(left.max()) - first_column + 2
    rows = int(low.max()) - first_row + 2
    angle = lattice(
        np.arange(first_column, first_column + columns), np.arange(first_row, first_row + rows)[:, None], seed
    ) * np.float32(2 * np.pi)
    gradient_x, gradient_y = np.cos(angle).ravel(), np.sin(angle).ravel()
    corner = ((low - first_row) * columns + (left - first_column)).astype(np.int32)

    def slope(offset: int, ds: Array, dt: Array) -> Array:
        at = corner + np.int32(offset)
        return np.asarray(gradient_x.take(at) * ds + gradient_y.take(at) * dt)

    ease_s, ease_t = s * s * s * (s * (s * 6 - 15) + 10), t * t * t * (t * (t * 6 - 15) + 10)
    lower, upper = slope(0, s, t), slope(columns, s, t - 1)
    lower += ease_s * (slope(1, s - 1, t) - lower)
    upper += ease_s * (slope(columns + 1, s - 1, t - 1) - upper)
    lower += ease_t * (upper - lower)
    return lower * np.float32(1.6)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below low, 1 above high, a smooth rise between."""
    t = np.clip((value - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


@dataclass(frozen=True, slots=True)
class Cells:
    """Irregular cells (Voronoi) around jittered points of a lattice; float32 arrays of the view's shape."""

    chance: Array
    """A number in [0, 1) of the cell."""
    east: Array
    """World metres from the cell's point."""
    north: Array
    border: Array
    """World metres to the nearest border between cells."""


def cells(x: Array, y: Array, size: float, seed: int, jitter: float = 0.65) -> Cells:
    """The cells at world points. With so little jitter the four points around a sample almost always decide."""
    column, row = np.floor(x / size - 0.5).astype(np.int64), np.floor(y / size - 0.5).astype(np.int64)
    first_column, first_row = int(column.min()), int(row.min())
    columns, rows = int(column.max()) - first_column + 2, int(row.max()) - first_row + 2
    grid_x, grid_y = np.arange(first_column, first_column + columns), np.arange(first_row, first_row + rows)[:, None]
    jolt_x, jolt_y = lattice(grid_x, grid_y, seed) - 0.5, lattice(grid_x, grid_y, seed + 1) - 0.5
    points_x = np.ravel((0.5 + jitter * jolt_x + np.arange(columns)) * size).astype(np.float32)
    points_y = np.ravel((0.5 + jitter * jolt_y + np.arange(rows)[:, None]) * size).astype(np.float32)
    at = ((row - first_row) * columns + (column - first_column)).astype(np.int32)
    local_x, local_y = (x - first_column * size).astype(np.float32), (y - first_row * size).astype(np.float32)

    near_x, near_y, near_at, near_d = local_x, local_y, at, np.full(x.shape, np.inf, np.float32)
    steps = []
    for offset in (0, 1, columns, columns + 1):
        index = at + np.int32(offset)
        dx, dy = local_x - points_x.take(index), local_y - points_y.take(index)
        distance = dx * dx + dy * dy
        closer = distance < near_d
        near_x, near_y = np.where(closer, dx, near_x), np.where(closer, dy, near_y)
        near_at, near_d = np.where(closer, index, near_at), np.minimum(distance, near_d)
        steps.append((dx, dy, distance))
    border = np.full(x.shape, np.float32(size))
    for dx, dy, distance in steps:
        apart = np.sqrt((dx - near_x) ** 2 + (dy - near_y) ** 2)
        other = apart > 1
        np.minimum(border, (distance - near_d) / (2 * np.where(other, apart, 1)), out=border, where=other)
    names = lattice(grid_x, grid_y, seed + 2).ravel()
    return Cells(names.take(near_at), near_x, near_y, border)

"""The best of all subsets of a few shapes, compared over the cells into which their outlines cut the ground.

A cell is the ground that exactly one set of shapes covers. With n shapes there are at most 2^n of them, and the ground
that each of the 2^n subsets misses is the sum over the cells whose shapes all lie outside the subset: one fast zeta
transform (Yates 1937; Bjorklund et al. 2007, "Fourier meets Moebius") gives all of these sums in n * 2^n additions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from planet_assets.model.geometry import only_areas
from planet_assets.rules.area import areas_km2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subsets:
    """All subsets of n shapes; subset number s holds shape k when bit k of s is set."""

    cost_km2: NDArray[np.float64]
    """Charge of each subset, shape (2^n,)."""
    covered_km2: NDArray[np.float64]
    """Ground each covers, shape (groups, 2^n)."""

    def least(self, need_km2: Sequence[float] | NDArray[np.float64], tolerance_km2: float) -> list[int]:
        """The cheapest subset that covers what is needed of every group, or all that can be where that is less.

        Args:
            need_km2: ground to cover, one figure a group.
            tolerance_km2: ground that may be missing, and difference in cost that counts as none.
        """
        most = self.covered_km2[:, -1]
        needed = np.minimum(np.asarray(need_km2, dtype=float), most) - tolerance_km2
        enough = np.flatnonzero((self.covered_km2 >= needed[:, None]).all(axis=0))
        cost = self.cost_km2[enough]
        return _first(enough[cost <= cost.min() + tolerance_km2])

    def most(
        self, need_km2: Sequence[float] | NDArray[np.float64], budget_km2: float, tolerance_km2: float
    ) -> list[int]:
        """The subset that covers most of the need within the budget, and the cheapest of those."""
        affordable = np.flatnonzero(self.cost_km2 <= budget_km2)
        if not len(affordable):
            return []
        useful = np.minimum(self.covered_km2, np.asarray(need_km2, dtype=float)[:, None]).sum(axis=0)[affordable]
        best = affordable[useful >= useful.max() - tolerance_km2]
        cost = self.cost_km2[best]
        return _first(best[cost <= cost.min() + tolerance_km2])


def all_subsets(
    shapes: Sequence[BaseGeometry], costs_km2: NDArray[np.float64], groups: NDArray[np.int64], order: NDArray[np.int64]
) -> Subsets:
    """Cost and cover of every subset.

    Args:
        shapes: polygons in lon/lat degrees (EPSG:4326), in order of preference; a dozen at most.
        costs_km2: charge for each.
        groups: group of each; shapes of different groups cover different ground.
        order: the groups, in the order of the rows of the result.
    """
    count = len(shapes)
    numbers = np.arange(2**count)
    cost = ((numbers[:, None] >> np.arange(count)) & 1) @ costs_km2
    rows = [_covered(shapes, np.flatnonzero(groups == group).tolist()) for group in order]
    return Subsets(cost_km2=cost, covered_km2=np.array(rows).reshape(len(rows), 2**count))


def _covered(shapes: Sequence[BaseGeometry], members: Sequence[int]) -> NDArray[np.float64]:
    """Ground that every subset of all shapes covers through these members, km², shape (2^n,)."""
    weight = np.zeros(2 ** len(shapes))
    cells = _cells(shapes, members)
    np.add.at(weight, np.array([mask for mask, _ in cells], dtype=np.int64), areas_km2([cell for _, cell in cells]))
    within = weight.copy()  # becomes, for each s, the ground of the cells whose shapes all lie in s
    for bit in range(len(shapes)):
        halves = within.reshape(-1, 2, 2**bit)
        halves[:, 1] += halves[:, 0]
    missed: NDArray[np.float64] = within[::-1]  # the complement of s is 2^n - 1 - s
    return np.asarray(weight.sum() - missed)


def _cells(shapes: Sequence[BaseGeometry], members: Sequence[int]) -> list[tuple[int, BaseGeometry]]:
    """The ground cut along the outlines: (bits of the shapes that cover it, where it is)."""
    cells: list[tuple[int, BaseGeometry]] = []
    for one in members:
        shape, fresh, cut = shapes[one], shapes[one], []
        for mask, cell in cells:
            if not shape.intersects(cell):
                cut.append((mask, cell))
                continue
            cut.append((mask, only_areas(cell.difference(shape))))
            cut.append((mask | 1 << one, only_areas(cell.intersection(shape))))
            fresh = only_areas(fresh.difference(cell))
        cells = [(mask, cell) for mask, cell in [*cut, (1 << one, fresh)] if not cell.is_empty]
    return cells


def _first(subsets: NDArray[np.int64]) -> list[int]:
    """Of equally good subsets the one with the most preferred shapes."""
    return min([bit for bit in range(int(one).bit_length()) if int(one) >> bit & 1] for one in subsets)

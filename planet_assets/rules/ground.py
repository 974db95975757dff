"""Ground that several footprints can supply: who offers what, and what each would still add as others are taken.

*Ground* is the ROI once for every group (a day, a week, or everything). A candidate lies in one group and offers its
clip, the part of its footprint inside the ROI. What each would add is kept as a geometry of its own and is cut only by
the pieces that touch it, and only when somebody asks; no union of everything taken is ever made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from planet_assets.model.geometry import only_areas
from planet_assets.rules.area import areas_km2

Shapes: TypeAlias = BaseGeometry | NDArray[np.object_]
POLYGON, MULTIPOLYGON = 3, 6

GRID_DEGREES = 1e-9
"""A tenth of a millimetre: where plain overlay fails on nearly coincident edges, coordinates are snapped to this."""

PIXEL_KM2 = 9e-6
"""Ground smaller than one pixel of 3 m is neither worth a scene nor missed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """What there is to choose from: arrays of shape (n,); of equals, the earlier is preferred."""

    clips: NDArray[np.object_]
    """Ground each can supply, polygons in lon/lat degrees (EPSG:4326)."""
    km2: NDArray[np.float64]
    """Areas of the clips."""
    costs_km2: NDArray[np.float64] | None
    """Charge for each; None where each is charged for just the ground it adds."""
    scores: NDArray[np.float64]
    """Which to prefer among equally cheap ones: the higher."""
    groups: NDArray[np.int64]
    """Group of each, 0 upward; candidates of different groups supply different ground."""
    tiers: NDArray[np.int64]
    """Candidates of a tier only fill what the lower tiers left open."""
    region: BaseGeometry
    """What all the clips lie in."""

    def __len__(self) -> int:
        return len(self.clips)

    def only(self, members: Sequence[int]) -> Candidates:
        """These candidates alone, in this order."""
        at = np.asarray(members, dtype=np.int64)
        return Candidates(
            clips=self.clips[at],
            km2=self.km2[at],
            costs_km2=None if self.costs_km2 is None else self.costs_km2[at],
            scores=self.scores[at],
            groups=self.groups[at],
            tiers=self.tiers[at],
            region=self.region,
        )


def robust_union(geometries: NDArray[np.object_]) -> BaseGeometry:
    """The union of polygons, nearly coincident edges or not."""
    try:
        return shapely.union_all(geometries)
    except shapely.errors.GEOSException:
        return shapely.union_all(geometries, grid_size=GRID_DEGREES)


def robust_difference(minuend: Shapes, subtrahend: Shapes) -> Any:
    """What is left of each, nearly coincident edges or not; of the shape of the arguments."""
    try:
        return shapely.difference(minuend, subtrahend)
    except shapely.errors.GEOSException:
        return shapely.difference(minuend, subtrahend, grid_size=GRID_DEGREES)


def robust_intersection(geometries: Shapes, other: Shapes) -> Any:
    """What each has in common with the other, as polygons, nearly coincident edges or not."""
    try:
        common = shapely.intersection(geometries, other)
    except shapely.errors.GEOSException:
        common = shapely.intersection(geometries, other, grid_size=GRID_DEGREES)
    return only_areas(common) if isinstance(common, BaseGeometry) else _all_areas(common)


def _all_areas(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    mixed = np.flatnonzero(~np.isin(shapely.get_type_id(geometries), (POLYGON, MULTIPOLYGON)))
    for at in mixed:
        geometries[at] = only_areas(geometries[at])
    return geometries


class Ground:
    """What every candidate would still add, given what was taken so far."""

    def __init__(self, candidates: Candidates) -> None:
        groups = int(candidates.groups.max(initial=-1)) + 1
        self.candidates = candidates
        self.left = candidates.clips.copy()
        self.gain_km2 = candidates.km2.copy()
        self.covered_km2 = np.zeros(groups)
        self.taken: list[int] = []
        self.pieces: list[BaseGeometry] = []
        self._pending: list[list[int]] = [[] for _ in range(len(candidates))]
        by_group = np.argsort(candidates.groups, kind="stable")
        self._members = np.split(by_group, np.searchsorted(candidates.groups[by_group], np.arange(1, groups)))
        self._trees = [shapely.STRtree(candidates.clips[members]) for members in self._members]

    def is_stale(self, one: int) -> bool:
        """True when something was taken that may lessen what this candidate adds; its gain is then an upper bound."""
        return bool(self._pending[one])

    def refresh(self, some: Sequence[int] | NDArray[np.int64]) -> None:
        """Work out anew what these candidates would add."""
        stale = [int(one) for one in some if self._pending[one]]
        if not stale:
            return
        cuts = np.empty(len(stale), dtype=object)
        for position, one in enumerate(stale):
            takers = self._pending[one]
            clips = self.candidates.clips[takers]
            cuts[position] = clips[0] if len(takers) == 1 else robust_union(clips)
            self._pending[one] = []
        self.left[stale] = robust_difference(self.left[stale], cuts)
        # Rounding may make a remainder a hair larger; a gain that never grows keeps a lazy queue in order.
        self.gain_km2[stale] = np.minimum(areas_km2(self.left[stale]), self.gain_km2[stale])

    def price_km2(self, one: int) -> float:
        """The charge for taking a candidate now."""
        costs = self.candidates.costs_km2
        return float(self.gain_km2[one] if costs is None else costs[one])

    def take(self, one: int) -> None:
        """Let a candidate supply all it adds; those it overlaps have that much less to add."""
        self.refresh([one])
        piece, group = self.left[one], int(self.candidates.groups[one])
        self.covered_km2[group] += self.gain_km2[one]
        self.taken.append(one)
        self.pieces.append(piece)
        near = self._members[group][self._trees[group].query(piece, predicate="intersects")]
        for other in near[self.gain_km2[near] > PIXEL_KM2].tolist():
            self._pending[other].append(one)
        self._pending[one] = []
        self.gain_km2[one] = 0.0

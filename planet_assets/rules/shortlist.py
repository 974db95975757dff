"""Greedy cover over sample points: from very many candidates the few worth a closer look, in the order to take them.

Once it is known which candidate holds which point, greedy needs no geometry, and every such pair is looked at once.
Ground between the points is not lost: what the picked leave open is sampled again inside of those that could still
supply it, until nothing is open. So the shortlist covers all that the candidates cover, up to a pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from planet_assets.rules.area import areas_km2
from planet_assets.rules.ground import PIXEL_KM2, robust_difference, robust_intersection, robust_union

MOST_PAIRS = 4_000_000
"""Pairs of a candidate and a point to work with, about."""

POINTS_EACH = 400
"""Points of the lattice in a candidate of middling size, where `MOST_PAIRS` leaves room for so many."""

FEWEST_POINTS = 50.0
"""Points there are in any case."""

INNER_POINTS = 4_000
"""Candidates that get a point inside of them for certain, so that none too small for the lattice is missed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Offers:
    """What some candidates would add: arrays of shape (n,)."""

    clips: NDArray[np.object_]
    """Ground each would add, lon/lat degrees (EPSG:4326)."""
    km2: NDArray[np.float64]
    """Areas of the clips."""
    costs_km2: NDArray[np.float64] | None
    """Charge for each; None where only the ground it adds is charged."""
    scores: NDArray[np.float64]
    """Which to prefer among equally cheap ones: the higher."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Samples:
    """Which candidate holds which point, both ways; the entries of number k lie from start k to start k + 1."""

    points: NDArray[np.int64]
    point_starts: NDArray[np.int64]
    holders: NDArray[np.int64]
    holder_starts: NDArray[np.int64]


def shortlist(offers: Offers, region: BaseGeometry, *, largest_first: bool = False) -> NDArray[np.int64]:
    """Positions of offers that together cover all that the offers cover, in the order in which greedy takes them.

    Args:
        offers: what there is to choose from.
        region: ground that holds all the clips, lon/lat degrees.
        largest_first: among equally cheap ones the largest comes before the preferred.
    """
    pool, km2 = np.arange(len(offers.clips)), offers.km2
    points, listed = np.concatenate([_lattice(offers.clips), _inner(offers.clips, offers.clips)]), [pool[:0]]
    while len(pool):
        clips = offers.clips[pool]
        costs = None if offers.costs_km2 is None else offers.costs_km2[pool]
        rest = Offers(clips=clips, km2=km2, costs_km2=costs, scores=offers.scores[pool])
        new = _picked(rest, _sampled(clips, points), largest_first=largest_first)
        listed.append(pool[new])
        region = _above_a_pixel(robust_difference(region, robust_union(clips[new])))
        pool = np.delete(pool, new)
        near, km2, shreds = _touching(offers.clips[pool], region)
        pool = pool[near]
        points = _inner(shreds, offers.clips[pool])
    return np.concatenate(listed)


def _lattice(clips: NDArray[np.object_]) -> NDArray[np.object_]:
    """Evenly spaced points over the clips' bounds."""
    west, south, east, north = shapely.total_bounds(clips)
    step = 1 / math.sqrt(
        min(_points_held(clips) / ((east - west) * (north - south)), POINTS_EACH / np.median(shapely.area(clips)))
    )
    x, y = np.meshgrid(np.arange(west + step / 2, east, step), np.arange(south + step / 2, north, step))
    points: NDArray[np.object_] = shapely.points(x.ravel(), y.ravel())
    return points


def _inner(shapes: NDArray[np.object_], clips: NDArray[np.object_]) -> NDArray[np.object_]:
    """A point inside of each shape, or of some when there are many shapes or many clips hold each point."""
    if not len(shapes):
        return shapes
    most = min(INNER_POINTS, _points_held(clips))
    points: NDArray[np.object_] = shapely.point_on_surface(shapes[:: 1 + int(len(shapes) / most)])
    return points


def _points_held(clips: NDArray[np.object_]) -> float:
    """How many points there may be, given how many clips lie over one another."""
    west, south, east, north = shapely.total_bounds(clips)
    depth = float(shapely.area(clips).sum() / ((east - west) * (north - south)))
    return max(FEWEST_POINTS, MOST_PAIRS / max(depth, 1.0))


def _sampled(clips: NDArray[np.object_], points: NDArray[np.object_]) -> _Samples:
    holder, point = shapely.STRtree(points).query(clips, predicate="intersects")
    by_point = np.argsort(point, kind="stable")
    return _Samples(
        points=point,
        point_starts=np.searchsorted(holder, np.arange(len(clips) + 1)),
        holders=holder[by_point],
        holder_starts=np.searchsorted(point[by_point], np.arange(len(points) + 1)),
    )


def _picked(offers: Offers, samples: _Samples, *, largest_first: bool) -> NDArray[np.int64]:
    """Greedy until every point that somebody holds is held by one that was picked."""
    left = np.diff(samples.point_starts)
    km2_a_point = offers.km2 / np.maximum(left, 1)
    is_open, picked = np.ones(len(samples.holder_starts) - 1, dtype=bool), []
    while left.any():
        gain = left * km2_a_point
        worth = np.sign(left) if offers.costs_km2 is None else gain / offers.costs_km2
        best = np.flatnonzero(worth >= worth.max() - 1e-9)
        for merit in (gain, offers.scores) if largest_first else (offers.scores, gain):
            best = best[merit[best] >= merit[best].max() - 1e-9]
        one = int(best[0])
        picked.append(one)
        held = samples.points[samples.point_starts[one] : samples.point_starts[one + 1]]
        held = held[is_open[held]]
        is_open[held] = False
        losers = [samples.holders[samples.holder_starts[at] : samples.holder_starts[at + 1]] for at in held.tolist()]
        left -= np.bincount(np.concatenate(losers), minlength=len(left))
    return np.array(picked, dtype=np.int64)


def _touching(
    clips: NDArray[np.object_], region: BaseGeometry
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.object_]]:
    """Positions of the clips that hold more than a pixel of the region, how much in km², and what, part by part."""
    parts = shapely.get_parts(region)
    part, clip = shapely.STRtree(clips).query(parts, predicate="intersects")
    shreds: NDArray[np.object_] = robust_intersection(parts[part], clips[clip])
    areas = areas_km2(shreds)
    km2 = np.asarray(np.bincount(clip, weights=areas, minlength=len(clips)), dtype=np.float64)
    enough = np.flatnonzero(km2 > PIXEL_KM2)
    return enough, km2[enough], shreds[(areas > 0) & (km2[clip] > PIXEL_KM2)]


def _above_a_pixel(region: BaseGeometry) -> BaseGeometry:
    parts = shapely.get_parts(region)
    return shapely.multipolygons(parts[areas_km2(parts) > PIXEL_KM2])

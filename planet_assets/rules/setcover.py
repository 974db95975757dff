"""Covering ground for the least charge, or the most of it within a budget: exact where candidates are few, else greedy.

Which set costs least is weighted set cover, NP-hard in general, so:

* Up to `EXACT_UP_TO` candidates of a group: all their subsets are compared (`rules.subsets`).
* More: greedy by new ground per km² charged; then scenes that the others made needless are dropped. The cost stays
  within 1 + ln(largest gain / smallest gain) of the least (Wolsey 1982, Combinatorica 2:385-393).
* Within a budget: the better of greedy by new ground and greedy by new ground per km² charged. It covers at least
  (1 - 1/e)/2 of the most that is possible (Khuller, Moss, Naor 1999, Inf. Process. Lett. 70:39-45; Leskovec et al.
  2007, KDD, algorithm CELF).
* More than `FEW`: greedy over sample points thins the candidates out first (`rules.shortlist`), so that the bounds hold
  up to what lies between the points.

Greedy is lazy, as in CELF: what a candidate adds can only shrink, so an old figure is an upper bound, and only the head
of the queue is worked out again. The guarantees hold within one tier; a higher tier only fills gaps.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from planet_assets.rules.area import geodesic_km2
from planet_assets.rules.ground import PIXEL_KM2, Candidates, Ground, robust_difference, robust_union
from planet_assets.rules.shortlist import Offers, shortlist
from planet_assets.rules.subsets import all_subsets

EXACT_UP_TO = 12
"""Candidates among which all subsets are compared."""

FEW = 300
"""Candidates that greedy looks at one by one, as polygons; more are thinned out by sample points first."""

WORTH_A_PREFERENCE = 0.02
"""Share of the cost that greedy may add for preferred scenes: its own distance from the least cost is larger."""

LARGEST_BATCH = 512
"""Stale candidates worked out again at once; numpy and GEOS are quicker on many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """A set of candidates and what each of them supplies."""

    chosen: tuple[int, ...]
    """Positions of the candidates, in the order in which they take their pieces."""
    pieces: tuple[BaseGeometry, ...]
    """What each adds to those before it: pieces of a group are disjoint and together the ground it covers."""
    covered_km2: float
    """Ground covered, summed over groups."""
    cost_km2: float
    """What is charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What a cover is to reach, and how greedy orders its queue."""

    need_km2: float
    """Ground to cover in each group; infinite for all that can be."""
    budget_km2: float
    """What may be charged over all groups."""
    by_gain: bool = False
    """Take first what adds most, instead of what adds most per km² charged."""
    largest_first: bool = False
    """Among equals the largest comes before the preferred."""


def best_cover(candidates: Candidates, *, need_km2: float = math.inf, budget_km2: float = math.inf) -> Cover:
    """The candidates that cover `need_km2` of each group for the least charge; the most ground if that is over budget.

    Args:
        candidates: what there is to choose from.
        need_km2: ground to cover in each group; infinite for all that can be.
        budget_km2: what may be charged over all groups.
    """
    orders = (False,) if candidates.costs_km2 is None else (False, True)
    free = [Aim(need_km2=need_km2, budget_km2=math.inf, largest_first=first) for first in orders]
    preferred, *others = [_in_tiers(candidates, aim) for aim in free]
    cheapest = min([preferred, *others], key=lambda cover: cover.cost_km2)
    if preferred.cost_km2 <= min(budget_km2, cheapest.cost_km2 * (1 + WORTH_A_PREFERENCE)):
        return preferred
    if cheapest.cost_km2 <= budget_km2:
        return cheapest
    bound = [Aim(need_km2=need_km2, budget_km2=budget_km2, by_gain=by_gain) for by_gain in (False, True)]
    return max((_in_tiers(candidates, aim) for aim in bound), key=lambda cover: round(cover.covered_km2, 5))


def _in_tiers(candidates: Candidates, aim: Aim) -> Cover:
    """One tier after the other, each over the ground that is still open."""
    ground = Ground(candidates)
    chosen: list[int] = []
    for tier in np.unique(candidates.tiers):
        members = np.flatnonzero(candidates.tiers == tier)
        ground.refresh(members)
        members = members[ground.gain_km2[members] > PIXEL_KM2]
        already, left_km2 = len(ground.taken), aim.budget_km2 - _charge_km2(ground, chosen)
        for some in _parts(candidates, members, aim):
            if candidates.costs_km2 is not None and len(some) <= EXACT_UP_TO:
                _take_best_subset(ground, some, aim.need_km2, left_km2)
            elif len(some) <= FEW:
                _take_greedily(ground, some, aim, left_km2)
            else:
                _take_of_many(ground, some, aim, left_km2)
        chosen += _needed(candidates, chosen, ground.taken[already:], aim.need_km2)
    return _as_cover(ground, chosen)


def _charge_km2(ground: Ground, chosen: Sequence[int]) -> float:
    """What the chosen are charged: their costs, or the ground they supply."""
    costs = ground.candidates.costs_km2
    return math.fsum(ground.covered_km2 if costs is None else costs[list(chosen)])


def _parts(candidates: Candidates, members: NDArray[np.int64], aim: Aim) -> list[NDArray[np.int64]]:
    """What can be solved by itself: each group, unless all of them share a budget."""
    if aim.budget_km2 < math.inf or not len(members):
        return [members]
    by_group = members[np.argsort(candidates.groups[members], kind="stable")]
    return np.split(by_group, np.flatnonzero(np.diff(candidates.groups[by_group])) + 1)


def _take_best_subset(ground: Ground, members: NDArray[np.int64], need_km2: float, budget_km2: float) -> None:
    given = ground.candidates
    members = members[np.argsort(-given.scores[members], kind="stable")]
    groups = np.unique(given.groups[members])
    costs = np.array([ground.price_km2(one) for one in members])
    subsets = all_subsets(list(ground.left[members]), costs, given.groups[members], groups)
    open_km2 = need_km2 - ground.covered_km2[groups]
    best = (
        subsets.least(open_km2, PIXEL_KM2) if budget_km2 == math.inf else subsets.most(open_km2, budget_km2, PIXEL_KM2)
    )
    for one in members[best].tolist():
        ground.take(one)


def _take_of_many(ground: Ground, members: NDArray[np.int64], aim: Aim, budget_km2: float) -> None:
    """Greedy over sample points chooses; what it chose is then taken exactly."""
    given, listed = ground.candidates, [members[:0]]
    # What is dearer than the whole budget would push what can be had off the list.
    prices = ground.gain_km2[members] if given.costs_km2 is None else given.costs_km2[members]
    members = members[prices <= budget_km2]
    for group in np.unique(given.groups[members]):
        some = members[given.groups[members] == group]
        taken = [one for one in ground.taken if given.groups[one] == group]
        offers = Offers(
            clips=ground.left[some],
            km2=ground.gain_km2[some],
            costs_km2=None if given.costs_km2 is None else given.costs_km2[some],
            scores=given.scores[some],
        )
        region = robust_difference(given.region, robust_union(given.clips[taken]))
        listed.append(some[shortlist(offers, region, largest_first=aim.largest_first or aim.by_gain)])
    if budget_km2 < math.inf:
        _take_greedily(ground, np.concatenate(listed), aim, budget_km2)
        return
    for one in np.concatenate(listed).tolist():
        ground.refresh([one])
        if _key(ground, one, aim):
            ground.take(one)


def _take_greedily(ground: Ground, members: NDArray[np.int64], aim: Aim, budget_km2: float) -> None:
    """Take candidates, the worthiest first, until the need is met, the budget is used up or nothing is left to add."""
    queue = [key for key in (_key(ground, one, aim) for one in members.tolist()) if key]
    heapq.heapify(queue)
    too_dear: list[int] = []
    batch = 1
    while queue:
        key = heapq.heappop(queue)
        one = key[-1]
        if ground.is_stale(one):
            stale = [one, *_more_stale(ground, queue, batch - 1)]
            ground.refresh(stale)
            batch = min(2 * batch, LARGEST_BATCH)
            _push(queue, ground, stale, aim)
        elif _key(ground, one, aim) != key:  # the need has shrunk since
            _push(queue, ground, [one], aim)
        elif ground.price_km2(one) > budget_km2:
            too_dear.append(one)
        else:
            budget_km2 -= ground.price_km2(one)
            ground.take(one)
            batch = 1
        if not queue and ground.candidates.costs_km2 is None:  # a piece that has shrunk may be affordable by now
            shrunk = [one for one in too_dear if ground.is_stale(one)]
            too_dear = [one for one in too_dear if not ground.is_stale(one)]
            ground.refresh(shrunk)
            _push(queue, ground, shrunk, aim)


Key = tuple[float, float, float, int]
"""Place in the queue, the smallest first; it never moves forward as ground is taken."""


def _key(ground: Ground, one: int, aim: Aim) -> Key | None:
    """Where a candidate stands in the queue; None when it has nothing to add."""
    open_km2 = aim.need_km2 - ground.covered_km2[ground.candidates.groups[one]]
    gain_km2 = min(float(ground.gain_km2[one]), float(open_km2))
    if gain_km2 <= PIXEL_KM2:
        return None
    worth = gain_km2 if aim.by_gain else gain_km2 / ground.price_km2(one)
    score = float(ground.candidates.scores[one])
    first, second = (gain_km2, score) if aim.largest_first else (score, gain_km2)
    return -round(worth, 9), -first, -second, one


def _push(queue: list[Key], ground: Ground, some: Sequence[int], aim: Aim) -> None:
    for one in some:
        if key := _key(ground, one, aim):
            heapq.heappush(queue, key)


def _more_stale(ground: Ground, queue: list[Key], most: int) -> list[int]:
    """Stale candidates from the head of the queue."""
    found: list[int] = []
    while queue and len(found) < most and ground.is_stale(queue[0][-1]):
        found.append(heapq.heappop(queue)[-1])
    return found


def _needed(candidates: Candidates, kept: Sequence[int], new: Sequence[int], need_km2: float) -> list[int]:
    """The new ones without those that the others make needless; the dearest are looked at first.

    Where only the piece is charged nothing is saved by dropping one, and all stay.
    """
    if candidates.costs_km2 is None:
        return list(new)
    needed: list[int] = []
    for group in np.unique(candidates.groups[list(new)]) if new else ():
        mine = [one for one in new if candidates.groups[one] == group]
        others = [one for one in kept if candidates.groups[one] == group]
        needed += _needed_in_group(candidates, others, mine, need_km2)
    return needed


def _needed_in_group(candidates: Candidates, kept: list[int], new: list[int], need_km2: float) -> list[int]:
    costs, everyone = candidates.costs_km2, np.array([*kept, *new])
    assert costs is not None
    clips = candidates.clips[everyone]
    tree, stays = shapely.STRtree(clips), np.ones(len(everyone), dtype=bool)
    spare_km2 = max(0.0, geodesic_km2(robust_union(clips)) - need_km2)
    for at in sorted(range(len(kept), len(everyone)), key=lambda at: (-costs[everyone[at]], -at)):
        near = tree.query(clips[at], predicate="intersects")
        others = robust_union(clips[near[stays[near] & (near != at)]])
        alone_km2 = geodesic_km2(robust_difference(clips[at], others))
        if alone_km2 <= max(spare_km2, PIXEL_KM2):
            stays[at] = False
            spare_km2 = max(0.0, spare_km2 - alone_km2)
    return [int(one) for one, stay in zip(everyone[len(kept) :], stays[len(kept) :], strict=True) if stay]


def _as_cover(ground: Ground, chosen: Sequence[int]) -> Cover:
    """The chosen with their pieces; where clips are charged whole, ground goes to the preferred that sees it."""
    given = ground.candidates
    if given.costs_km2 is not None:
        chosen = sorted(chosen, key=lambda one: (given.tiers[one], -given.scores[one], one))
        ground = Ground(given.only(chosen))
        for position in range(len(chosen)):
            ground.take(position)
    cost_km2 = math.fsum(ground.covered_km2) if given.costs_km2 is None else math.fsum(given.costs_km2[list(chosen)])
    return Cover(
        chosen=tuple(chosen),
        pieces=tuple(ground.pieces),
        covered_km2=math.fsum(ground.covered_km2),
        cost_km2=cost_km2,
    )

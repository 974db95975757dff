"""Which plans wait for a person of the team: what costs more than agreed on, exceeds a budget, or cannot be priced.

A budget of a person or a project bounds what passes unasked in a calendar month (UTC). It refuses nothing: a plan
beyond it waits, and an editor decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from shapely import make_valid, union_all
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import Misused
from planet_assets.model.approval import TeamRule
from planet_assets.rules.charges import TOLERANCE_KM2

SURE = ("fits",)
"""Verdicts that need no second look."""


def month_begin(now: datetime) -> datetime:
    """The moment from which budgets count, UTC."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def budget_names(person: str, project: str) -> tuple[str, ...]:
    """The budgets that a plan is counted in."""
    return (f"person:{person}", f"project:{project}") if project else (f"person:{person}",)


def why_wait(
    rule: TeamRule,
    *,
    km2: float,
    verdict: str,
    person: str,
    project: str = "",
    spent_km2: Mapping[str, float],
    asked_above_km2: float | None = None,
) -> tuple[str, ...]:
    """Why a plan waits for a person; empty when it may go on unasked.

    Args:
        rule: what the team has agreed on.
        km2: what the plan is charged; NaN when nobody can tell.
        verdict: fits, near_limit, over or unknown, as the plan says of the quota.
        person: whose script asks.
        project: what it is for.
        spent_km2: budget's name -> what is spent or approved in this month.
        asked_above_km2: a bound of the script's own; it can make the team's stricter, never wider.
    """
    if km2 == 0:
        return ()
    reasons = []
    above_km2 = rule.above_km2 if asked_above_km2 is None else min(rule.above_km2, asked_above_km2)
    if math.isnan(km2):
        reasons.append("Nobody can tell what it costs.")
    elif km2 > above_km2 + TOLERANCE_KM2:
        passes = f"up to {above_km2:,.2f} km² pass" if above_km2 else "nothing that costs passes"
        reasons.append(f"It costs {km2:,.2f} km²; {passes} unasked.")
    if verdict not in SURE:
        words = {"near_limit": "The quota is near its limit.", "over": "It exceeds the quota."}
        reasons.append(words.get(verdict, "The quota is unknown."))
    for name in budget_names(person, project):
        if name in rule.budgets and not spent_km2.get(name, 0.0) + km2 <= rule.budgets[name] + TOLERANCE_KM2:
            left_km2 = max(0.0, rule.budgets[name] - spent_km2.get(name, 0.0))
            kind, _, whose = name.partition(":")
            reasons.append(f"The budget of {kind} {whose} leaves {left_km2:,.2f} km² this month.")
    return tuple(reasons)


def covered_share(region: BaseGeometry, footprints: Sequence[BaseGeometry]) -> float:
    """Share of a region that footprints cover, 0 to 1; NaN where there is no area.

    Shapes are lon/lat degrees; a degree is shorter in the north of a region than in its south, which is let pass here.
    """
    whole = make_valid(region)
    if not whole.area > 0:
        return math.nan
    ground = union_all([make_valid(one) for one in footprints])
    return float(min(1.0, whole.intersection(ground).area / whole.area))


def checked_rule(rule: TeamRule) -> TeamRule:
    """The rule itself.

    Raises:
        Misused: a bound that is no area, a budget of nobody, or no time to wait.
    """
    for name, km2 in [("above_km2", rule.above_km2), *rule.budgets.items()]:
        if not 0 <= km2 < math.inf:
            raise Misused(f"{name} is {km2}.", hint="Give an area of 0 or more.", argument="above_km2")
    for name in rule.budgets:
        kind, _, whose = name.partition(":")
        if kind not in ("person", "project") or not whose:
            raise Misused(f"{name!r} has no budget.", hint="Write person:NAME or project:NAME.", argument="budgets")
    if not 60 <= rule.waits_for_s <= 366 * 86_400:
        raise Misused("A plan waits from a minute to a year.", argument="waits_for_s")
    return rule

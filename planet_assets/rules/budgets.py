"""Budgets across runs: what all scripts on a library may spend in a day or a week, and what of a month is kept back.

A budget is ours, not Planet's. Several may be stated for one account, by a settings file and by scripts; the strictest
holds for everyone. A day is a UTC day, a week begins on Monday. What is held counts wherever spends count, so that jobs
side by side cannot pass a bound together. Spends that are not ours count in the month's reserve alone: a colleague's
order must not stop a nightly script, but it does lower what the month leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from planet_assets.model.quota import Budget, QuotaInfo, Room


def strictest(stated: Mapping[str, Budget]) -> dict[str, tuple[float, str]]:
    """Name of each budget -> its figure (km², or the share kept back) and who stated it."""
    found: dict[str, tuple[float, str]] = {}
    for who, budget in sorted(stated.items()):
        for name, figure in _figures(budget):
            harder = name not in found or (figure > found[name][0] if name == "reserve" else figure < found[name][0])
            if harder:
                found[name] = (figure, who)
    return found


def _figures(budget: Budget) -> Iterable[tuple[str, float]]:
    named = (("daily", budget.daily_km2), ("weekly", budget.weekly_km2), ("reserve", budget.reserve_share))
    return [(name, figure) for name, figure in named if figure is not None]


def starts(now: datetime) -> dict[str, datetime]:
    """The moment from which each budget counts, UTC."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {"daily": day, "weekly": day - timedelta(days=day.weekday())}


def rooms(
    stated: Mapping[str, Budget], quota: QuotaInfo, held_km2: float, spent_km2: Mapping[str, float]
) -> tuple[Room, ...]:
    """What each budget leaves.

    Args:
        stated: budgets by who stated them.
        quota: the quota with its pending spend; a reserve of an unknown limit bounds nothing.
        held_km2: what the ledger holds.
        spent_km2: what our scripts have spent since `starts`, by name of the budget.
    """
    left = []
    for name, (figure, who) in strictest(stated).items():
        if name == "reserve":
            if not quota.is_known:
                continue
            limit = figure * quota.limit_km2
            rest = quota.limit_km2 - limit - quota.used_km2 - quota.pending_km2
        else:
            limit, rest = figure, figure - max(0.0, held_km2) - max(0.0, spent_km2[name])
        left.append(Room(name=name, limit_km2=limit, left_km2=rest, stated_by=who))
    return tuple(left)


def refusing(quota: QuotaInfo, km2: float) -> Room | None:
    """The budget that km2 exceeds by most; None when all admit it."""
    over = [room for room in quota.budgets if km2 > max(0.0, room.left_km2)]
    return min(over, key=lambda room: room.left_km2) if over else None


def words(room: Room) -> str:
    """`the daily budget of 500 km² leaves 120 km²`."""
    limit, left = f"{room.limit_km2:,.2f}".removesuffix(".00"), f"{max(0.0, room.left_km2):,.2f}".removesuffix(".00")
    kind = "monthly reserve" if room.name == "reserve" else f"{room.name} budget"
    return f"the {kind} of {limit} km² leaves {left} km²"

"""What remains: Planet's figure, its age, and our ledger.

remaining = limit - used - pending, never below 0. *used* is what Planet has posted; it is posted once a day after 00:00
UTC (Source: confirmed, support 4408257291793) and was seen to lag a day more (reported). So a spend of ours counts as
pending until 36 h after the UTC midnight that follows it (assumed, the safe side): in that time it may be counted
twice, never not at all. At a month's end the used figure starts again at zero while late spend may still be posted to
the old month, so pending spend counts in both.

A declared quota is never posted to: everything our ledger has spent since the declaration is pending, within the
interval.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

from planet_assets.model.plan import DownloadImpact, Verdict
from planet_assets.model.quota import QuotaInfo
from planet_assets.rules import budgets

POSTING_LAG = timedelta(hours=36)
"""How long after the midnight that follows a spend it may be missing from Planet's figure. Source: assumed."""

SKEW = timedelta(minutes=10)
"""By how much clocks of machines on one library may differ."""

YEAR = timedelta(days=365)
"""Annual plans run 365 days. Source: confirmed (support 4408257291793)."""


def pending_since(quota: QuotaInfo, now: datetime) -> datetime:
    """The moment from which spends of our ledger are not in `quota.used_km2` for certain.

    A figure from the future was read by a clock that was wrong, so nobody knows when: then the whole interval counts.
    """
    if quota.as_of is not None and quota.as_of > now + SKEW:
        return now - YEAR if quota.interval == "annual" else interval_start(now) - POSTING_LAG
    if quota.source == "declared" and quota.as_of is not None:
        return max(quota.as_of, interval_start(now)) if quota.interval == "monthly" else quota.as_of
    cut = (quota.as_of or now) - POSTING_LAG
    return datetime(cut.year, cut.month, cut.day, tzinfo=now.tzinfo)


def interval_start(now: datetime) -> datetime:
    """First moment of the calendar month, UTC. Source: confirmed (monthly plans run over calendar months)."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_interval(now: datetime) -> datetime:
    """First moment of the next calendar month, UTC."""
    first = interval_start(now)
    return first.replace(year=first.year + (first.month == 12), month=first.month % 12 + 1)


def renewed(quota: QuotaInfo, now: datetime) -> QuotaInfo:
    """A declared monthly quota of an earlier month: the same limit, nothing used."""
    stale = quota.source == "declared" and quota.interval == "monthly" and quota.as_of is not None
    if not stale or quota.as_of is None or quota.as_of >= interval_start(now):
        return quota
    return replace(quota, used_km2=0.0, resets_at=next_interval(now))


def with_pending(quota: QuotaInfo, held_km2: float, spent_km2: float) -> QuotaInfo:
    """The quota with what our ledger holds and has spent since `pending_since`."""
    return replace(quota, pending_km2=max(0.0, held_km2) + max(0.0, spent_km2))


def judge(quota: QuotaInfo, km2: float) -> Verdict:
    """Whether `km2` may be spent; a figure that is not a number is never allowed."""
    if math.isnan(km2) or km2 < 0:
        return Verdict(word="over", shortfall_km2=math.nan, reasons=("The price could not be worked out.",))
    if km2 == 0:
        return Verdict(word="fits", reasons=("Nothing is charged.",))
    remaining = quota.remaining_area_km2
    if km2 > remaining or budgets.refusing(quota, km2) is not None:
        return _too_much(quota, km2)
    if not quota.is_known:
        reason = quota.why_unknown or "Planet does not say what this account may use."
        return Verdict(word="unknown", shortfall_km2=math.nan, reasons=(reason,))
    after = quota.used_km2 + quota.pending_km2 + km2
    if after >= quota.near_limit_share * quota.limit_km2:
        share = after / quota.limit_km2
        return Verdict(word="near_limit", reasons=(f"Afterwards {share:.0%} of the limit are used.",))
    return Verdict(word="fits", reasons=(f"{remaining - km2:,.2f} km² remain afterwards.",))


def _too_much(quota: QuotaInfo, km2: float) -> Verdict:
    """Why it does not fit: by the quota, by a budget of ours, or by both."""
    remaining, tight = quota.remaining_area_km2, budgets.refusing(quota, km2)
    short, reasons = 0.0, []
    if km2 > remaining:
        short = km2 - remaining
        reasons.append(
            f"quota exceeded: {km2:,.2f} km² are needed, {remaining:,.2f} km² remain, {short:,.2f} km² are missing."
        )
    if tight is not None:
        lacking = km2 - max(0.0, tight.left_km2)
        asked = f" (asked for by {tight.stated_by})" if tight.stated_by else ""
        said = f"{km2:,.2f} km² are needed and {budgets.words(tight)}{asked}; {lacking:,.2f} km² are missing."
        reasons.append(said if reasons else f"quota exceeded: {said}")
        short = max(short, lacking)
    return Verdict(word="over", shortfall_km2=short, reasons=tuple(reasons), budget="" if tight is None else tight.name)


def judge_impact(quota: QuotaInfo, impact: DownloadImpact) -> Verdict:
    """Whether a whole impact may be spent by its route."""
    return judge(quota, impact.area_km2)

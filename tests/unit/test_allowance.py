"""What remains: Planet's figure, our ledger, and a clock that jumps over midnight and the month's end."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from making import NOW, quota

from planet_assets.model.quota import QuotaInfo
from planet_assets.rules import allowance


def test_remaining_is_limit_less_used_less_pending() -> None:
    seen = allowance.with_pending(quota(), held_km2=100.0, spent_km2=88.0)
    assert (seen.pending_km2, seen.remaining_area_km2) == (188.0, 2000.0)
    assert seen.usage_percentage == pytest.approx(1000 / 3000)
    assert allowance.with_pending(quota(), 5000.0, 0.0).remaining_area_km2 == 0.0


@pytest.mark.parametrize(
    ("km2", "word"), [(0, "fits"), (100, "fits"), (1888, "near_limit"), (2188, "near_limit"), (2188.1, "over")]
)
def test_verdicts(km2: float, word: str) -> None:
    verdict = allowance.judge(quota(), km2)
    assert verdict.word == word
    assert verdict.allows == (word != "over")


def test_over_says_what_is_missing() -> None:
    verdict = allowance.judge(quota(), 2288.0)
    assert verdict.shortfall_km2 == pytest.approx(100.0)
    assert verdict.reasons[0].startswith("quota exceeded: 2,288.00 km² are needed, 2,188.00 km² remain")


@pytest.mark.parametrize("km2", [math.nan, -1.0])
def test_a_price_that_is_no_area_is_never_allowed(km2: float) -> None:
    assert allowance.judge(quota(), km2).word == "over"
    assert not quota().can_download(km2)


def test_unknown_is_neither_zero_nor_endless() -> None:
    unknown = quota(limit_km2=math.nan, why_unknown="Planet says nothing.")
    verdict = allowance.judge(unknown, 1.0)
    assert (verdict.word, verdict.allows, verdict.reasons) == ("unknown", False, ("Planet says nothing.",))
    assert math.isnan(unknown.remaining_area_km2)


@pytest.mark.parametrize(
    ("spent_at", "still_pending"),
    [
        (NOW, True),
        (NOW - timedelta(days=1), True),
        (datetime(2025, 1, 14, tzinfo=UTC), True),
        (datetime(2025, 1, 13, 23, 59, tzinfo=UTC), False),
        (NOW - timedelta(days=9), False),
    ],
)
def test_a_spend_is_pending_until_36_hours_after_its_midnight(spent_at: datetime, still_pending: bool) -> None:
    assert (spent_at >= allowance.pending_since(quota(), NOW)) is still_pending


def test_every_hour_of_the_rule() -> None:
    """posted for certain at (midnight after the spend) + 36 h, never a minute earlier."""
    for hours in range(120):
        spent_at = NOW - timedelta(hours=hours)
        midnight = (spent_at + timedelta(days=1)).replace(hour=0)
        posted = midnight + timedelta(hours=36) <= NOW
        assert (spent_at < allowance.pending_since(quota(), NOW)) is posted


def test_an_old_figure_leaves_more_pending() -> None:
    old = quota(as_of=NOW - timedelta(days=5))
    assert allowance.pending_since(old, NOW) == allowance.pending_since(quota(as_of=NOW), NOW) - timedelta(days=5)


@pytest.mark.parametrize("hour", [0, 11, 12, 23])
def test_the_months_end_forgets_nothing_of_planets_lag(hour: int) -> None:
    first = datetime(2025, 2, 1, hour, tzinfo=UTC)
    assert allowance.pending_since(quota(as_of=first, used_km2=0.0), first) <= datetime(2025, 1, 31, tzinfo=UTC)


def test_a_declared_quota_counts_from_the_declaration() -> None:
    declared = quota(source="declared", interval="monthly", as_of=NOW)
    assert allowance.pending_since(declared, NOW + timedelta(days=2)) == NOW
    annual = quota(source="declared", interval="annual", as_of=NOW)
    assert allowance.pending_since(annual, NOW + timedelta(days=200)) == NOW


def test_a_declared_month_is_renewed() -> None:
    declared = quota(source="declared", interval="monthly", as_of=NOW)
    last = datetime(2025, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert allowance.renewed(declared, last) == declared
    first = last + timedelta(seconds=1)
    anew = allowance.renewed(declared, first)
    assert (anew.used_km2, anew.resets_at) == (0.0, datetime(2025, 3, 1, tzinfo=UTC))
    assert allowance.pending_since(anew, first) == datetime(2025, 2, 1, tzinfo=UTC)
    assert allowance.renewed(quota(interval="monthly"), first).used_km2 == 812.0, "Planet renews its own figure"


def test_december_is_followed_by_january() -> None:
    assert allowance.next_interval(datetime(2025, 12, 31, 23, tzinfo=UTC)) == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_limit_of_zero_is_used_up() -> None:
    nothing = QuotaInfo(limit_km2=0.0, used_km2=0.0, source="planet", as_of=NOW)
    assert nothing.usage_percentage == 1.0 and not nothing.can_download(0.1)


@pytest.mark.parametrize("source", ["planet", "declared"])
@pytest.mark.parametrize("interval", ["monthly", "annual"])
def test_a_figure_from_the_future_counts_the_whole_interval(source: str, interval: str) -> None:
    """The clock was wrong when it was read, so what was spent since may be all that the ledger has."""
    ahead = quota(source=source, interval=interval, as_of=NOW + timedelta(days=3))
    begin = datetime(2025, 1, 1, tzinfo=UTC) if interval == "monthly" else NOW - timedelta(days=365)
    assert allowance.pending_since(ahead, NOW) <= begin
    skewed = quota(source="planet", interval=interval, as_of=NOW + timedelta(minutes=2))
    assert allowance.pending_since(skewed, NOW) == allowance.pending_since(quota(interval=interval), NOW)

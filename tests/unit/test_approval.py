"""Which plans wait for a person of the team."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from shapely.geometry import Polygon, box

from planet_assets.exceptions import Misused
from planet_assets.model.approval import TeamRule
from planet_assets.rules.approval import checked_rule, covered_share, month_begin, why_wait

RULE = TeamRule(above_km2=100.0, budgets={"person:ann": 300.0, "project:milan": 150.0})


def why(km2, *, rule=RULE, verdict="fits", person="ann", project="", spent=None, asked=None):
    told = {"person": person, "project": project, "spent_km2": spent or {}, "asked_above_km2": asked}
    return " ".join(why_wait(rule, km2=km2, verdict=verdict, **told))


def test_cheap_plans_pass_and_dear_ones_wait():
    assert why(100.0) == "" and why(0.0, rule=TeamRule()) == ""
    assert why(100.01) == "It costs 100.01 km²; up to 100.00 km² pass unasked."
    assert why(0.5, rule=TeamRule()) == "It costs 0.50 km²; nothing that costs passes unasked."


def test_a_script_may_be_stricter_and_never_wider():
    assert why(50.0, asked=40.0) and not why(50.0, asked=60.0) and why(150.0, asked=1e9)


def test_what_nobody_can_tell_waits():
    assert "Nobody can tell" in why(math.nan) and "unknown" in why(1.0, verdict="unknown")
    assert "near its limit" in why(1.0, verdict="near_limit") and "exceeds" in why(1.0, verdict="over")
    assert why(1.0, verdict="a word of tomorrow")


def test_budgets_of_people_and_projects():
    assert why(50.0, spent={"person:ann": 260.0}) == "The budget of person ann leaves 40.00 km² this month."
    assert not why(50.0, spent={"person:ann": 260.0}, person="ben"), "nobody's budget"
    assert "project milan" in why(60.0, project="milan", spent={"project:milan": 100.0})
    assert "person ann" in why(math.nan) and not why(50.0, project="milan", spent={"project:milan": 100.0})


def test_rules_that_cannot_be_meant():
    for bad in (
        TeamRule(above_km2=-1.0),
        TeamRule(above_km2=math.nan),
        TeamRule(budgets={"ann": 1.0}),
        TeamRule(budgets={"person:": 1.0}),
        TeamRule(waits_for_s=1.0),
    ):
        with pytest.raises(Misused):
            checked_rule(bad)
    assert checked_rule(RULE) is RULE


def test_the_share_of_a_region_that_is_covered():
    region, bow = box(0, 0, 2, 1), Polygon([(0, 0), (2, 1), (2, 0), (0, 1)])
    assert covered_share(region, [box(0, 0, 1, 1), box(0, 0, 1, 1)]) == pytest.approx(0.5)
    assert covered_share(region, []) == 0.0 and covered_share(region, [box(-9, -9, 9, 9)]) == 1.0
    assert 0.4 < covered_share(region, [bow]) < 0.6 and math.isnan(covered_share(Polygon(), [region]))


def test_a_month_begins_at_midnight():
    assert month_begin(datetime(2025, 3, 9, 7, 5, 1, 3, tzinfo=UTC)) == datetime(2025, 3, 1, tzinfo=UTC)

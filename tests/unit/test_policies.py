"""Policies: who refuses, by how much, and who is asked."""

import asyncio
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from planet_assets import policies
from planet_assets.exceptions import Misused
from planet_assets.flow.consent import call_hook
from planet_assets.model.plan import Decision, DownloadImpact, Plan, Verdict, WantImpact
from planet_assets.model.quota import QuotaInfo
from planet_assets.rules.policies import settled

NOW = datetime(2025, 1, 15, 9, 30, tzinfo=UTC)
QUOTA = QuotaInfo(limit_km2=3000, used_km2=1200, pending_km2=34, interval="monthly", source="planet", as_of=NOW)


def plan(km2=100.0, *, route="orders", quota=QUOTA, at=NOW, data_km2=650.0):
    want = WantImpact(
        item_id="s1",
        asset_type="ortho_analytic_4b",
        data_km2=data_km2,
        orders_km2=km2,
        overlap_km2=km2,
        route=route,
        bytes_low=1,
        bytes_high=2,
    )
    impact = DownloadImpact(route=route, wants=(want,), scene_count=1, data_km2=data_km2, orders_km2=km2)
    return Plan(
        id="plan-1",
        made_at=at,
        wants=(),
        impact=impact,
        verdict=Verdict(word="fits" if quota.is_known else "unknown"),
        quota=quota,
        asset_types=("ortho_analytic_4b",),
    )


def answers(*words):
    """A person who gives these answers, and how often they were asked."""
    given = list(words)

    def person(plan):
        return given.pop(0)

    person.left = given
    return person


def settle(policy, for_plan, person=None):
    """What a policy decides when its questions are put as the flow puts them."""

    async def put(hook):
        return await call_hook(hook or person, for_plan, NOW)

    return asyncio.run(settled(policy(for_plan), put))


def test_always_and_never():
    yes, no = policies.always(plan()), policies.never(plan())
    assert (yes.proceed, yes.by, yes.at, yes.limit_km2) == (True, "always", NOW, 100)
    assert not no.proceed
    assert not yes.allow_unknown_quota


def test_policies_are_hooks():
    decision = asyncio.run(call_hook(policies.max_area(50), plan(), NOW))
    assert isinstance(decision, Decision)
    assert decision.reason == "max_area(50): the plan costs 100.00 km², 50.00 km² are allowed, 50.00 km² too much"
    assert asyncio.run(call_hook(policies.max_area(100), plan(), NOW)).proceed


def test_a_price_that_is_no_number_is_refused():
    for policy in (policies.max_area(1e9), policies.cheaper_route_required, policies.max_per("day", 1e9)):
        assert "could not be worked out" in policy(plan(math.nan)).reason


def test_a_share_of_the_quota_is_kept():
    assert policies.keep_share(0.5)(plan(266)).proceed
    refusal = policies.keep_share(0.5)(plan(300))
    assert refusal.reason == (
        "keep_share(0.5): 1,466.00 km² would remain, 1,500.00 km² (50% of the limit) are to be kept, "
        "34.00 km² are missing"
    )
    assert "nobody can tell" in policies.keep_share(0)(plan(quota=QuotaInfo())).reason


@pytest.mark.parametrize(
    ("start", "end", "tz", "proceed"),
    [
        ("08:00", "18:00", "Europe/Rome", True),
        ("10:30", "11:00", "Europe/Rome", True),
        ("08:00", "10:30", "Europe/Rome", False),
        ("08:00", "09:30", "UTC", False),
        ("22:00", "10:00", "UTC", True),
        ("22:00", "06:00", "UTC", False),
    ],
)
def test_hours_are_those_of_the_zone(start, end, tz, proceed):
    assert policies.only_between(start, end, tz)(plan()).proceed is proceed


def test_a_refusal_says_how_long_to_wait():
    before, after = policies.only_between("12:00", "13:00"), policies.only_between("08:00", "09:00")
    assert before(plan()).reason == (
        "only_between(12:00, 13:00, UTC): it is 09:30 in UTC, downloads may start from 12:00 to 13:00, "
        "2 h 30 min too early"
    )
    assert "22 h 30 min" in after(plan()).reason
    spring = datetime(2025, 3, 29, 22, 0, tzinfo=UTC)  # 23:00 in Rome; the clocks lose an hour that night
    assert "8 h 0 min" in policies.only_between("08:00", "18:00", "Europe/Rome")(plan(at=spring)).reason


def test_what_was_spent_in_a_period_counts():
    asked = []

    def spent_since(moment):
        asked.append(moment)
        return 120.0

    assert policies.max_per("day", 220, spent_since)(plan()).proceed
    refusal = policies.max_per("day", 200, spent_since)(plan())
    assert refusal.reason == (
        "max_per(day, 200): 220.00 km² with the 120.00 km² spent this day, 200.00 km² are allowed, 20.00 km² too much"
    )
    policies.max_per("week", 200, spent_since)(plan())
    policies.max_per("month", 200, spent_since, tz="Asia/Tokyo")(plan(at=datetime(2025, 1, 31, 16, tzinfo=UTC)))
    assert asked == [
        datetime(2025, 1, 15, tzinfo=UTC),
        datetime(2025, 1, 15, tzinfo=UTC),
        datetime(2025, 1, 13, tzinfo=UTC),
        datetime(2025, 1, 31, 15, tzinfo=UTC),  # in Tokyo it is February already
    ]
    assert all(moment.utcoffset() == timedelta(0) for moment in asked)


def test_without_the_ledger_the_quota_tells_what_it_can():
    assert policies.max_per("day", 134)(plan()).proceed
    assert "34.00 km² spent this day" in policies.max_per("day", 133)(plan()).reason
    assert policies.max_per("month", 1334)(plan()).proceed
    assert not policies.max_per("month", 1333)(plan()).proceed
    yearly = replace(QUOTA, interval="annual")
    assert "nobody can tell" in policies.max_per("month", 1e6)(plan(quota=yearly)).reason
    assert "nobody can tell" in policies.max_per("day", 1e6, lambda _: math.nan)(plan()).reason
    with pytest.raises(Misused):
        policies.max_per("week", 100)


def test_the_cheaper_route_is_required():
    assert policies.cheaper_route_required(plan()).proceed
    assert "550.00 km² less" in policies.cheaper_route_required(plan(route="data")).reason
    assert policies.cheaper_route_required(plan(route="data", data_km2=100)).proceed


def test_all_of_names_every_rule_that_refused():
    policy = policies.all_of(policies.max_area(50), policies.keep_share(0.1), policies.never)
    refusal = policy(plan())
    assert not refusal.proceed
    assert refusal.reason.startswith("max_area(50): ")
    assert "never: " in refusal.reason
    assert "keep_share" not in refusal.reason
    assert policies.all_of(policies.max_area(100), policies.always)(plan()).proceed


def test_any_of_needs_one():
    policy = policies.any_of(policies.max_area(50), policies.cheaper_route_required)
    assert policy(plan()).proceed
    refusal = policy(plan(route="data"))
    assert "max_area(50)" in refusal.reason
    assert "cheaper_route_required" in refusal.reason


def test_not_turns_a_decision_and_says_why():
    assert policies.not_(policies.never)(plan()).proceed
    assert policies.not_(policies.max_area(100))(plan()).reason == "not_(max_area(100)): max_area(100) agrees"
    assert not settle(policies.not_(policies.ask), plan(), answers(True)).proceed


def test_ask_is_a_question_to_the_person():
    answer = policies.ask(plan())
    assert isinstance(answer, policies.Question)
    assert answer.hook is None
    assert settle(policies.ask, plan(), answers(True)).proceed
    assert not settle(policies.ask, plan(), answers(False)).proceed


def test_nobody_is_asked_where_a_rule_has_decided():
    policy = policies.all_of(policies.ask, policies.max_area(500), policies.any_of(policies.max_area(50), policies.ask))
    assert isinstance(policy(plan(501)), Decision)
    person = answers(True, False)
    assert settle(policy, plan(100), person).proceed
    assert person.left == [False]  # asked once for both
    small = policies.any_of(policies.ask, policies.max_area(50))
    assert settle(small, plan(50), answers()).proceed
    assert "said no" in settle(policies.any_of(policies.ask, policies.never), plan(), answers(False)).reason


def test_hooks_of_ones_own_are_rules_plain_or_async_old_form_or_new():
    async def slow(plan):
        await asyncio.sleep(0)
        return plan.impact.area_km2 < 200

    def as_in_the_wiki(quota_info, download_impact):
        return quota_info.can_download(download_impact["area_km2"])

    policy = policies.all_of(policies.max_area(500), slow, as_in_the_wiki)
    assert repr(policy) == "all_of(max_area(500), slow, as_in_the_wiki)"
    assert settle(policy, plan(100)).proceed
    refusal = settle(policy, plan(300))
    assert (refusal.proceed, refusal.reason) == (False, "slow said no")
    assert not settle(policy, plan(501)).proceed


def test_a_yes_holds_for_the_least_that_was_agreed_to():
    def up_to(km2):
        return lambda plan: Decision(
            proceed=True, by="me", at=NOW, limit_km2=km2, allow_unknown_quota=km2 > 150, reason=f"up to {km2}"
        )

    decision = settle(policies.all_of(policies.always, up_to(140), up_to(160)), plan(100))
    assert decision.limit_km2 == 100
    assert decision.allow_unknown_quota
    assert decision.reason == "up to 140; up to 160"
    assert not settle(policies.all_of(up_to(160), policies.never), plan()).allow_unknown_quota


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: policies.max_area(-1),
        lambda: policies.max_area(math.nan),
        lambda: policies.keep_share(20),
        lambda: policies.only_between("8 o'clock", "18:00"),
        lambda: policies.only_between("08:00", "08:00"),
        lambda: policies.only_between("08:00+01:00", "18:00"),
        lambda: policies.only_between("08:00", "18:00", "Europe/Milan"),
        lambda: policies.only_between("08:00", "18:00", "/etc"),
        lambda: policies.max_per("year", 100),
        lambda: policies.max_per("day", -1),
        policies.all_of,
        policies.any_of,
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_made(wrong):
    with pytest.raises(Misused):
        wrong()

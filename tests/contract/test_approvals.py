"""Plans that wait for a yes, over both engines: put once, decided once, and what counts against a budget."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from planet_assets.exceptions import Conflict, Gone, Misused
from planet_assets.library import approvals, ledger
from planet_assets.library.engine import Library
from planet_assets.model.approval import Approval, TeamRule
from planet_assets.rules.charges import Entry

NOW = datetime(2025, 1, 9, 12, tzinfo=UTC)
FITS = {"verdict": {"word": "fits"}}


@pytest.fixture
def library(library_address):
    made = Library(library_address)
    yield made
    made.close()


def asked(number=1, km2=40.0, by="ann", project="", document=FITS):
    times = {"posted_at": NOW, "expires_at": NOW}
    names = {"id": f"q{number:08}", "plan_id": f"p{number:08}", "account": "sub"}
    return Approval(**names, by=by, project=project, km2=km2, document=document, **times)


def put(library, *what, now=NOW, **how):
    return approvals.post(library, asked(*what, **how), now=now)


def test_put_once_and_answered(library):
    first = put(library)
    assert first.state == "waiting" and "40.00 km²" in first.why[0]
    assert put(library) == first == approvals.get(library, first.id), "the same question is one"
    with pytest.raises(Conflict):
        put(library, by="ben")
    with pytest.raises(Conflict):
        put(library, km2=1.0)
    done = approvals.decide(library, first.id, approve=True, by="eve", reason="go", now=NOW + timedelta(hours=1))
    assert (done.state, done.decided_by, done.reason, done.by_rule) == ("approved", "eve", "go", False)
    for again in (True, False):
        with pytest.raises(Conflict, match="was approved by eve already"):
            approvals.decide(library, first.id, approve=again, by="bob", now=NOW)
    with pytest.raises(Conflict):
        approvals.withdraw(library, first.id, by="ann", now=NOW)
    with pytest.raises(Gone):
        approvals.decide(library, "nothing", approve=True, by="eve", now=NOW)
    second = put(library, 2, km2=math.nan)
    assert math.isnan(second.km2) and put(library, 2, km2=math.nan).id == second.id
    assert [one.id for one in approvals.listed(library, states=["waiting"])] == [second.id]
    assert approvals.withdraw(library, second.id, by="ann", now=NOW).state == "withdrawn"
    assert approvals.listed(library, by="ben") == [] and len(approvals.listed(library)) == 2


def test_of_many_editors_one_has_the_word(library):
    plan = put(library)

    def say(number):
        try:
            return approvals.decide(library, plan.id, approve=bool(number % 2), by=f"e{number}", now=NOW).decided_by
        except Conflict:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [name for name in pool.map(say, range(8)) if name]
    assert won == [approvals.get(library, plan.id).decided_by]


def test_a_question_lapses(library):
    plan = put(library)
    late = plan.expires_at
    assert late == NOW + timedelta(days=7)
    with pytest.raises(Conflict, match="was expired"):
        approvals.decide(library, plan.id, approve=True, by="eve", now=late)
    assert approvals.get(library, plan.id).state == "expired"


def test_the_rule_lets_pass_and_budgets_hold(library):
    with pytest.raises(Misused):
        approvals.agree(library, TeamRule(above_km2=-1))
    rule = approvals.agree(library, TeamRule(above_km2=100.0, budgets={"person:ann": 90.0, "project:x": 100.0}))
    assert approvals.rule_of(library) == rule
    first = put(library, 1, project="x")
    assert (first.state, first.by_rule, first.decided_by) == ("approved", True, approvals.BY_RULE)
    assert put(library, 2).by_rule and approvals.spent_km2(library, NOW) == {"person:ann": 80.0, "project:x": 40.0}
    third = put(library, 3)
    assert third.state == "waiting" and "leaves 10.00 km²" in third.why[0]
    assert put(library, 4, by="ben").by_rule and not put(library, 5, by="ben", km2=30.0, project="x").why
    with library.write() as connection:
        entry = Entry(kind="commit", held_km2=0.0, spent_km2=15.0, rule="test")
        ledger.write(connection, "sub", [entry], at=NOW, job_id=None, batch_id="p00000001", by="ann")
    assert approvals.spent_km2(library, NOW)["person:ann"] == 55.0, "what the ledger knows counts instead"
    assert approvals.spent_km2(library, NOW + timedelta(days=31)) == {}
    again = replace(asked(6, km2=20.0), plan_id="p00000001")
    assert approvals.post(library, again, now=NOW).by_rule
    assert approvals.spent_km2(library, NOW)["person:ann"] == 55.0, "asked about twice, booked once"


def test_two_scripts_do_not_pass_one_budget_together(library):
    approvals.agree(library, TeamRule(above_km2=100.0, budgets={"person:ann": 100.0}))
    with ThreadPoolExecutor(4) as pool:
        states = [one.state for one in pool.map(lambda number: put(library, number), range(4))]
    assert sorted(states) == ["approved", "approved", "waiting", "waiting"]

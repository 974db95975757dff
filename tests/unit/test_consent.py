"""Asking: hooks of every form, answers of every kind, and nobody to ask."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from making import NOW, plan, quota

from planet_assets.exceptions import CannotAsk, Misused, OverQuota, QuotaUnknown
from planet_assets.flow.consent import ask_on_terminal, call_hook, decide, refuse_unpaid
from planet_assets.model.plan import Decision, Plan


def answer(hook: Any, asked: Plan | None = None) -> Decision:
    """What a hook's answer amounts to."""
    return asyncio.run(call_hook(hook, asked or plan(), NOW))


def wiki(quota_info: Any, download_impact: Any) -> bool:
    """As the wiki writes it."""
    return bool(download_impact["area_km2"] <= quota_info.remaining_area_km2)


async def later(given: Plan) -> bool:
    """A plain yes, after a while."""
    return given.id == "p1"


def with_option(given: Plan, *, verbose: bool = False) -> bool:
    """One argument is needed, the other is the hook's own."""
    return isinstance(given, Plan)


def second_optional(given: Plan, verbose: bool = False) -> bool:
    """One argument is needed."""
    return isinstance(given, Plan)


def wrapper(*given: Any, **named: Any) -> bool:
    """What a decorator leaves of a hook of the wiki's form."""
    return wiki(*given, **named)


class Stateful:
    """A hook with a memory."""

    def __call__(self, quota_info: Any, download_impact: Any) -> bool:
        return wiki(quota_info, download_impact)


@pytest.mark.parametrize("hook", [wiki, later, with_option, second_optional, wrapper, Stateful(), lambda given: True])
def test_hooks_of_every_form(hook: Any) -> None:
    assert answer(hook).proceed


@pytest.mark.parametrize("said", [False, None])
def test_no_is_no(said: Any) -> None:
    decision = answer(lambda given: said)
    assert not decision.proceed and decision.by == "<lambda>"


@pytest.mark.parametrize("said", ["yes", 1, [True]])
def test_an_answer_that_is_no_yes_or_no_is_refused(said: Any) -> None:
    with pytest.raises(Misused, match="answered"):
        answer(lambda given: said)


@pytest.mark.parametrize("hook", [lambda: True, lambda a, b, c: True])
def test_a_hook_of_another_form_is_refused(hook: Any) -> None:
    with pytest.raises(Misused, match="takes neither"):
        answer(hook)


@pytest.mark.parametrize(("limit", "proceeds"), [(100.0, True), (99.0, False), (float("nan"), False)])
def test_a_yes_up_to_some_area_is_a_no_to_more(limit: float, proceeds: bool) -> None:
    decision = answer(lambda given: Decision(proceed=True, by="policy", at=NOW, limit_km2=limit))
    assert decision.proceed is proceeds
    assert proceeds or "were agreed to" in decision.reason


def test_nobody_is_asked_when_nothing_is_fetched_or_nobody_is_to_be() -> None:
    assert asyncio.run(decide(plan(0.0, wants=()), lambda given: pytest.fail("asked"), NOW)).proceed
    assert asyncio.run(decide(plan(), None, NOW)).by == "nobody was asked"


def test_without_a_terminal_it_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.delitem(sys.modules, "ipykernel.kernelapp", raising=False)
    with pytest.raises(CannotAsk, match="confirm_download=False"):
        ask_on_terminal(plan())


@pytest.mark.parametrize(("typed", "proceeds"), [("y", True), ("YES ", True), ("", False), ("n", False), ("j", False)])
def test_answers_on_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str, proceeds: bool) -> None:
    shown: list[str] = []
    monkeypatch.setattr("planet_assets.flow.consent.can_ask", lambda: True)
    monkeypatch.setattr("builtins.input", lambda text: shown.append(text) or typed)
    decision = answer(ask_on_terminal)
    assert (decision.proceed, decision.by) == (proceeds, "the person at the terminal")
    assert "100" in shown[0] and shown[0].endswith("(y/n): ")


def test_an_input_that_ends_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(text: str) -> str:
        raise EOFError

    monkeypatch.setattr("planet_assets.flow.consent.can_ask", lambda: True)
    monkeypatch.setattr("builtins.input", ended)
    with pytest.raises(CannotAsk, match="has ended"):
        answer(ask_on_terminal)


def test_a_persons_yes_covers_an_unknown_quota_and_a_hooks_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = plan(seen=quota(limit_km2=float("nan")))
    monkeypatch.setattr("planet_assets.flow.consent.can_ask", lambda: True)
    monkeypatch.setattr("builtins.input", lambda text: "y")
    assert answer(ask_on_terminal, unknown).allow_unknown_quota
    assert not answer(lambda given: True, unknown).allow_unknown_quota


def test_what_the_quota_does_not_cover_is_refused() -> None:
    with pytest.raises(OverQuota, match="quota exceeded") as refused:
        refuse_unpaid(plan(9999.0), allow_unknown=True)
    assert refused.value.shortfall_km2 == pytest.approx(9999 - 2188)
    unknown = plan(seen=quota(limit_km2=float("nan")))
    with pytest.raises(QuotaUnknown, match=r"quota set .*allow_unknown_quota=True"):
        refuse_unpaid(unknown, allow_unknown=False)
    refuse_unpaid(unknown, allow_unknown=True)
    refuse_unpaid(plan(), allow_unknown=False)

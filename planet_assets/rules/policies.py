"""Confirmation policies: rules that answer a plan instead of a person, alone or combined.

A policy is called with a plan and answers with a decision; a refusal says which rule refused and by how much. Policies
are pure: the time is that of the plan, and where others have a say (`ask`, a hook of the user's own) the answer is a
`Question`, which the caller puts and `settled` follows to its end. Nobody is asked where a rule has refused already.

>>> policy = all_of(max_area(500), keep_share(0.2), any_of(max_area(50), ask))
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from planet_assets.exceptions import Misused
from planet_assets.model.plan import Decision, Plan
from planet_assets.model.quota import QuotaInfo

SpentSince = Callable[[datetime], float]
"""km² that the ledger holds or has spent since a moment (aware, UTC)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What has to be asked outside before a policy can answer."""

    hook: Callable[..., Any] | None
    """The user's own hook to call with the plan; None for the person at the terminal."""
    then: Callable[[Decision], Answer]
    """Takes what was decided and goes on: to the policy's decision, or to the next question."""


Answer: TypeAlias = Decision | Question


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule that answers a plan; called like any confirmation hook."""

    name: str
    """How it is named in decisions, with its arguments."""
    rule: Callable[[Plan], Answer]
    """What it answers."""

    def __call__(self, plan: Plan) -> Answer:
        return self.rule(plan)

    def __repr__(self) -> str:
        return self.name


Rule = Policy | Callable[..., Any]
"""A policy, or a hook of the user's own: plain or async, of `(plan)` or `(quota_info, download_impact)`."""


def max_area(km2: float) -> Policy:
    """Refuses plans that are charged more than `km2`.

    Raises:
        Misused: `km2` is no area.
    """
    _refuse_no_area(km2, "km2")
    name = f"max_area({km2:g})"

    def excess(plan: Plan) -> str:
        return _beyond(plan.impact.area_km2, km2, "the plan costs {now}, {most} are allowed, {over} too much")

    return _refusing(name, excess)


def keep_share(share: float) -> Policy:
    """Refuses plans after which less than `share` (0 to 1) of the quota's limit would remain, or when that is unknown.

    Raises:
        Misused: `share` is not within 0 to 1.
    """
    if not 0 <= share <= 1:
        raise Misused(f"The share to keep is {share}.", hint="Give 0 to 1: 0.2 for 20 %.", argument="share")

    def excess(plan: Plan) -> str:
        if not plan.quota.is_known:
            return "nobody can tell what remains of the quota"
        kept_km2 = share * plan.quota.limit_km2
        left_km2 = plan.quota.limit_km2 - plan.quota.current_usage_km2 - plan.impact.area_km2
        if left_km2 >= kept_km2:
            return ""
        return (
            f"{_km2(left_km2)} would remain, {_km2(kept_km2)} ({share:.0%} of the limit) are to be kept, "
            f"{_km2(kept_km2 - left_km2)} are missing"
        )

    return _refusing(f"keep_share({share:g})", excess)


def only_between(start: str, end: str, tz: str = "UTC") -> Policy:
    """Refuses plans made outside of hours, `start` included and `end` not; from 22:00 to 06:00 goes over midnight.

    Args:
        start: for example 08:00.
        end: for example 18:00.
        tz: name of the time zone the hours are told in, for example Europe/Rome.

    Raises:
        Misused: an hour cannot be read, both are the same, or the time zone is not known.
    """
    zone, first, last = _zone(tz), _hour(start, "start"), _hour(end, "end")
    if first == last:
        raise Misused(f"From {start} to {end} is no span of time.", argument="end")

    def excess(plan: Plan) -> str:
        now = plan.made_at.astimezone(zone)
        clock = now.time()
        if first <= clock < last if first < last else clock >= first or clock < last:
            return ""
        opens = datetime.combine(now.date() + timedelta(days=clock >= first), first, zone)
        wait_min = math.ceil((opens.astimezone(UTC) - plan.made_at).total_seconds() / 60)
        words = f"it is {now:%H:%M} in {tz}, downloads may start from {start} to {end}"
        return f"{words}, {wait_min // 60} h {wait_min % 60} min too early"

    return _refusing(f"only_between({start}, {end}, {tz})", excess)


def max_per(period: str, km2: float, spent_since: SpentSince | None = None, tz: str = "UTC") -> Policy:
    """Refuses plans with which more than `km2` would be spent in the current day, week or month.

    Without `spent_since` the plan's quota says what was spent, on the safe side: for a day all that the ledger holds or
    has spent and Planet has not posted yet, which reaches back a day and a half or more; for a month all that a monthly
    quota counts, the spend of others included. For a week it cannot say.

    Args:
        period: day, week (from Monday) or month.
        km2: what may be spent in it.
        spent_since: tells what the ledger holds or has spent since a moment.
        tz: name of the time zone in which the period begins.

    Raises:
        Misused: an unknown period or time zone, `km2` is no area, or a week without `spent_since`.
    """
    _refuse_no_area(km2, "km2")
    if period not in ("day", "week", "month"):
        raise Misused(f"The period is {period!r}.", hint="Known: day, week, month.", argument="period")
    if period == "week" and spent_since is None:
        raise Misused(
            "A quota does not say what was spent in a week.", hint="Give spent_since.", argument="spent_since"
        )
    zone = _zone(tz)

    def excess(plan: Plan) -> str:
        begin = _begin(plan.made_at.astimezone(zone), period).astimezone(UTC)
        spent_km2 = _spent_by(plan.quota, period) if spent_since is None else float(spent_since(begin))
        if math.isnan(spent_km2):
            return f"nobody can tell what was spent this {period}"
        words = f"{{now}} with the {_km2(spent_km2)} spent this {period}, {{most}} are allowed, {{over}} too much"
        return _beyond(spent_km2 + plan.impact.area_km2, km2, words)

    return _refusing(f"max_per({period}, {km2:g})", excess)


def all_of(*rules: Rule) -> Policy:
    """Agrees when every rule agrees; a refusal names all that refused. Hooks of the user's own are rules, too."""
    _refuse_no_rules(rules, "all_of")
    name = f"all_of({', '.join(map(_name, rules))})"
    return Policy(name, lambda plan: _every(name, [_asked(rule, plan) for rule in rules]))


def any_of(*rules: Rule) -> Policy:
    """Agrees when one of the rules agrees; a refusal names all of them."""
    _refuse_no_rules(rules, "any_of")
    name = f"any_of({', '.join(map(_name, rules))})"
    return Policy(name, lambda plan: _some(name, [_asked(rule, plan) for rule in rules]))


def not_(rule: Rule) -> Policy:
    """Agrees when the rule refuses, and refuses when it agrees."""
    name = f"not_({_name(rule)})"
    return Policy(name, lambda plan: _turned(name, plan, _asked(rule, plan)))


async def settled(answer: Answer, put: Callable[[Callable[..., Any] | None], Awaitable[Decision]]) -> Decision:
    """The decision behind an answer: its questions are put one after the other, the same one only once.

    Args:
        answer: what a policy answered.
        put: calls a hook, or asks the person at the terminal where it is None.
    """
    said: list[tuple[Callable[..., Any] | None, Decision]] = []
    while isinstance(answer, Question):
        hook = answer.hook
        decision = next((decision for known, decision in said if known is hook), None)
        if decision is None:
            decision = await put(hook)
            said.append((hook, decision))
        answer = answer.then(decision)
    return answer


def _every(name: str, answers: Sequence[Answer]) -> Answer:
    decisions = [answer for answer in answers if isinstance(answer, Decision)]
    if refusals := [decision for decision in decisions if not decision.proceed]:
        return _refused(name, refusals)
    if len(decisions) < len(answers):
        return _first_question(answers, lambda known: _every(name, known))
    return replace(
        decisions[0],
        by=name,
        reason="; ".join(decision.reason for decision in decisions if decision.reason),
        limit_km2=min(decision.limit_km2 for decision in decisions),
        allow_unknown_quota=any(decision.allow_unknown_quota for decision in decisions),
    )


def _some(name: str, answers: Sequence[Answer]) -> Answer:
    decisions = [answer for answer in answers if isinstance(answer, Decision)]
    for decision in decisions:
        if decision.proceed:
            return replace(decision, by=f"{name}: {decision.by}")
    if len(decisions) < len(answers):
        return _first_question(answers, lambda known: _some(name, known))
    return _refused(name, decisions)


def _turned(name: str, plan: Plan, answer: Answer) -> Answer:
    if isinstance(answer, Question):
        return Question(hook=answer.hook, then=lambda decision: _turned(name, plan, answer.then(decision)))
    reason = answer.reason if not answer.proceed else f"{name}: {answer.by} agrees"
    return _decision(plan, not answer.proceed, name, reason)


def _first_question(answers: Sequence[Answer], go_on: Callable[[list[Answer]], Answer]) -> Question:
    """The first question among the answers; what is decided takes its place among them."""
    at, question = next((at, answer) for at, answer in enumerate(answers) if isinstance(answer, Question))

    def then(decision: Decision) -> Answer:
        return go_on([*answers[:at], question.then(decision), *answers[at + 1 :]])

    return Question(hook=question.hook, then=then)


def _refused(name: str, refusals: Sequence[Decision]) -> Decision:
    reasons = [refusal.reason or f"{refusal.by} said no" for refusal in refusals]
    return replace(refusals[0], by=name, reason="; ".join(reasons), allow_unknown_quota=False)


def _asked(rule: Rule, plan: Plan) -> Answer:
    """The answer of a policy; of any other hook the question to call it."""
    return rule(plan) if isinstance(rule, Policy) else _question_to(rule)


def _question_to(hook: Callable[..., Any] | None) -> Question:
    return Question(hook=hook, then=lambda decision: decision)


def _refusing(name: str, excess: Callable[[Plan], str]) -> Policy:
    """A policy that refuses when there is something to say against a plan."""

    def rule(plan: Plan) -> Decision:
        why = excess(plan)
        return _decision(plan, not why, name, f"{name}: {why}" if why else "")

    return Policy(name, rule)


def _decision(plan: Plan, proceed: bool, name: str, reason: str = "") -> Decision:
    return Decision(proceed=proceed, by=name, at=plan.made_at, limit_km2=plan.impact.area_km2, reason=reason)


def _dearer(plan: Plan) -> str:
    cheapest_km2 = math.fsum(min(want.data_km2, want.orders_km2) for want in plan.impact.wants)
    words = "the plan costs {now}, by the cheaper route of each file it would cost {most}, {over} less"
    return _beyond(plan.impact.area_km2, cheapest_km2, words)


def _beyond(now_km2: float, most_km2: float, words: str) -> str:
    """The words with the figures where `now` is more than the most; empty where it is not."""
    if math.isnan(now_km2) or math.isnan(most_km2):
        return "the price could not be worked out"
    if now_km2 <= most_km2 + 1e-9:
        return ""
    return words.format(now=_km2(now_km2), most=_km2(most_km2), over=_km2(now_km2 - most_km2))


def _km2(value: float) -> str:
    return f"{value:,.2f} km²"


def _spent_by(quota: QuotaInfo, period: str) -> float:
    if period == "day":
        return quota.pending_km2
    return quota.current_usage_km2 if quota.is_known and quota.interval == "monthly" else math.nan


def _begin(now: datetime, period: str) -> datetime:
    """Midnight at which the day, week or month of a moment began, in the moment's zone."""
    back = {"day": 0, "week": now.weekday(), "month": now.day - 1}[period]
    return datetime.combine(now.date() - timedelta(days=back), time(), now.tzinfo)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "Give a name such as Europe/Rome; on Windows the package tzdata must be installed."
        raise Misused(f"The time zone {name!r} is not known.", hint=hint, argument="tz") from None


def _hour(text: str, argument: str) -> time:
    try:
        hour = time.fromisoformat(text)
    except (ValueError, TypeError):
        raise Misused(f"{text!r} is no hour.", hint="Give it as 08:00.", argument=argument) from None
    if hour.tzinfo is not None:
        raise Misused(f"{text!r} names a time zone.", hint="Give it as 08:00, and the zone by tz.", argument=argument)
    return hour


def _refuse_no_area(km2: float, argument: str) -> None:
    if not km2 >= 0:
        raise Misused(f"{argument} is {km2}.", hint="Give an area of 0 or more.", argument=argument)


def _refuse_no_rules(rules: Sequence[Rule], name: str) -> None:
    if not rules:
        raise Misused(f"{name} was given no rule.", argument="rules")


def _name(rule: Rule) -> str:
    return rule.name if isinstance(rule, Policy) else getattr(rule, "__name__", type(rule).__name__)


always = Policy("always", lambda plan: _decision(plan, True, "always"))
"""Agrees to every plan that the quota covers."""

never = Policy("never", lambda plan: _decision(plan, False, "never", "never: nothing is to be downloaded"))
"""Refuses every plan."""

ask = Policy("ask", lambda _: _question_to(None))
"""Leaves it to the person at the terminal."""

cheaper_route_required = _refusing("cheaper_route_required", _dearer)
"""Refuses plans with files for which Planet would charge less by the other route, permitted to the account or not."""

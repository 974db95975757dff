"""Asking: the default dialog, and calling a user's own hook, plain or async, old form or new."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from planet_assets.exceptions import CannotAsk, Misused, OverQuota, QuotaUnknown
from planet_assets.model.plan import Decision, Plan
from planet_assets.rules.policies import Policy, Question, settled
from planet_assets.view.text import confirmation_dialog

Answer = bool | Decision
Hook = Callable[..., Answer | Question | Awaitable[Answer]]
"""Called with `(plan)` or, as in the wiki, `(quota_info, download_impact)`; plain or async."""

QUESTION = "Proceed with download? (y/n): "


def ask_on_terminal(plan: Plan) -> bool:
    """Print the dialog and wait for a yes or no.

    Raises:
        CannotAsk: there is no terminal and no notebook to answer.
    """
    if not can_ask():
        raise CannotAsk(
            "The download must be confirmed and there is nobody to ask.",
            hint="Set manager.get_user_confirmation to a function of yours, or pass confirm_download=False.",
        )
    try:
        answer = input(f"{confirmation_dialog(plan)}\n{QUESTION}")
    except EOFError:
        raise CannotAsk("The question was not answered: the input has ended.") from None
    return answer.strip().lower() in ("y", "yes")


def can_ask() -> bool:
    """True on a terminal and in a notebook."""
    if "ipykernel.kernelapp" in sys.modules:
        kernel = sys.modules["ipykernel.kernelapp"].IPKernelApp
        return bool(kernel.initialized() and getattr(kernel.instance().kernel, "_allow_stdin", True))
    return sys.stdin is not None and sys.stdin.isatty()


async def call_hook(hook: Hook, plan: Plan, now: datetime) -> Decision:
    """Call a hook and make its answer a decision.

    Raises:
        Misused: the hook takes neither one nor two arguments, or its answer is no yes or no.
    """
    if isinstance(hook, Policy):
        plan = replace(plan, made_at=now)  # a policy takes its time from the plan it is asked about
    arguments = (plan,) if _takes(hook) == 1 else (plan.quota, plan.impact)
    answer: Any = hook(*arguments)
    if inspect.isawaitable(answer):
        answer = await answer
    if isinstance(answer, Question):
        answer = await settled(answer, lambda asked: call_hook(asked or ask_on_terminal, plan, now))
    if isinstance(answer, Decision):
        return _within_limit(answer, plan)
    if not isinstance(answer, bool) and answer is not None:
        raise Misused(
            f"The confirmation hook answered {answer!r}.", hint="Return True, False or a Decision.", argument="confirm"
        )
    unknown = plan.verdict.word == "unknown"
    asked_person = hook is ask_on_terminal
    return Decision(
        proceed=bool(answer),
        by="the person at the terminal" if asked_person else getattr(hook, "__name__", type(hook).__name__),
        at=now,
        limit_km2=plan.impact.area_km2,
        allow_unknown_quota=bool(answer) and unknown and asked_person,
    )


def _within_limit(decision: Decision, plan: Plan) -> Decision:
    """A yes that was given up to some area is a no to more."""
    if not decision.proceed or plan.impact.area_km2 <= decision.limit_km2:
        return decision
    words = f"{plan.impact.area_km2:,.2f} km² would be charged, {decision.limit_km2:,.2f} km² were agreed to."
    return replace(decision, proceed=False, reason=f"{decision.reason} {words}".strip())


def _takes(hook: Hook) -> int:
    """How many arguments the hook wants: one that it needs, or two; a wrapper that takes any number is given two."""
    try:
        signature = inspect.signature(hook)
    except ValueError:  # a builtin without a signature
        return 1
    any_number = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in signature.parameters.values())
    for arguments in ((None, None), (None,)) if any_number else ((None,), (None, None)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return len(arguments)
    raise Misused("The confirmation hook takes neither (plan) nor (quota_info, download_impact).", argument="confirm")


def may_ask_a_person(hook: Hook | None) -> bool:
    """True when a yes may come from a person, who is shown that the quota is unknown and may agree all the same."""
    return hook is ask_on_terminal or isinstance(hook, Policy)


async def decide(plan: Plan, hook: Hook | None, now: datetime) -> Decision:
    """The answer to a plan: asked of the hook, or given at once when nobody is to be asked or nothing is fetched."""
    if hook is None or not plan.wants:
        return Decision(proceed=True, by="nobody was asked", at=now, limit_km2=plan.impact.area_km2)
    return await call_hook(hook, plan, now)


def refuse_unpaid(plan: Plan, *, allow_unknown: bool) -> None:
    """Stop a plan that the quota does not cover, before any request that could cost.

    Raises:
        OverQuota: it costs more than remains.
        QuotaUnknown: nobody can tell what remains, and that was not allowed.
    """
    verdict = plan.verdict
    if verdict.word == "over":
        raise OverQuota(
            " ".join(verdict.reasons),
            hint="Take fewer scenes, or wait for the reset.",
            shortfall_km2=verdict.shortfall_km2,
            budget=verdict.budget,
        )
    if verdict.word == "unknown" and not allow_unknown:
        raise QuotaUnknown(
            f"The quota is unknown: {' '.join(verdict.reasons)}",
            hint="Declare it with `planet-assets quota set --limit 3000 --monthly --used 812`, "
            "or pass allow_unknown_quota=True.",
        )

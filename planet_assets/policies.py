"""Confirmation policies: rules that answer a plan instead of a person. Usable wherever a confirmation hook is.

>>> from planet_assets import policies
>>> policies.all_of(policies.max_area(500), policies.keep_share(0.2))
all_of(max_area(500), keep_share(0.2))
"""

from __future__ import annotations

from planet_assets.flow.clock import RealClock
from planet_assets.model.plan import Decision, Plan
from planet_assets.model.ports import Clock
from planet_assets.rules.policies import (
    Policy,
    Question,
    all_of,
    always,
    any_of,
    ask,
    cheaper_route_required,
    keep_share,
    max_area,
    max_per,
    never,
    not_,
    only_between,
)


def ask_team(
    url: str,
    *,
    token: str = "",
    above_km2: float | None = None,
    project: str = "",
    wait_s: float | None = None,
    clock: Clock | None = None,
) -> Policy:
    """Puts the plan to a team's tracker, and waits until an editor approves or refuses it on its page.

    What the team's rule lets pass is agreed to at once. The wait outlasts a tracker that is started anew; one that is
    lost for good raises, and is never a yes. An approval of a plan whose quota is unknown covers that, too.

    Args:
        url: address of the tracker; https, or this machine.
        token: what one signs in by.
        above_km2: plans that are charged more wait for a person, even where the team's rule would let them pass.
        project: what it is for; its budget is counted beside one's own.
        wait_s: how long an answer is waited for; the plan is taken back then, and not carried out.
        clock: time; the computer's where not given.

    Raises:
        Misused: an address or bound that cannot be meant.
    """
    from planet_assets.sites import team as teams

    asked = teams.Team(url=url, token=token, above_km2=above_km2, project=project, wait_s=wait_s)
    teams.checked_team(asked)

    async def ask_the_team(plan: Plan) -> Decision:
        return await teams.ask(asked, plan, clock or RealClock())

    return Policy(f"ask_team({url})", lambda _: Question(hook=ask_the_team, then=lambda decision: decision))


__all__ = [
    "Policy",
    "Question",
    "all_of",
    "always",
    "any_of",
    "ask",
    "ask_team",
    "cheaper_route_required",
    "keep_share",
    "max_area",
    "max_per",
    "never",
    "not_",
    "only_between",
]

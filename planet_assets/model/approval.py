"""Plans that wait for a yes: what a team is asked, and what was answered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class ApprovalState(StrEnum):
    """How far a question has come; all but the first are final."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One plan that was put to the team."""

    id: str
    """Names the question; who asks chooses it, so that a question sent twice is one."""
    plan_id: str
    """The plan, by which its jobs and their ledger rows are known too."""
    account: str
    """Whose quota it would spend."""
    by: str
    """The person whose script asks."""
    project: str = ""
    """What it is for; empty for nothing in particular."""
    km2: float = math.nan
    """What it would be charged at the most; NaN when nobody can tell."""
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What a person is shown: prices of both routes, the quota that was seen, footprints and region."""
    state: ApprovalState = ApprovalState.WAITING
    """How far it has come."""
    why: tuple[str, ...] = ()
    """Why it may not go on unasked, in words."""
    posted_at: datetime
    """When it was put, UTC."""
    expires_at: datetime
    """When nobody waits for an answer any more, UTC."""
    decided_by: str = ""
    """Who answered; empty while it waits."""
    decided_at: datetime | None = None
    """When, UTC."""
    reason: str = ""
    """Why, in the words of who answered."""
    by_rule: bool = False
    """True when no person was asked, since the team's rule lets it pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamRule:
    """Which plans a team wants to be asked about."""

    above_km2: float = 0.0
    """Plans that are charged more than this wait for a person."""
    budgets: Mapping[str, float] = field(default_factory=dict)
    """`person:NAME` or `project:NAME` -> km² in a month (UTC) that may be spent unasked."""
    waits_for_s: float = 7 * 86_400.0
    """How long a plan waits before the question lapses."""

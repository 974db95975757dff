"""The queue: what is to be fetched as soon as quota and budgets allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PRIORITIES = {"high": 10, "normal": 0, "low": -10}
"""Words for priorities; any whole number may stand beside and between them."""

WAITING, RUNNING, DONE, DROPPED, FAILED = "waiting", "running", "done", "dropped", "failed"
STATES = (RUNNING, WAITING, FAILED, DONE, DROPPED)
"""In the order they are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """Scenes that wait for their turn, or had it."""

    id: int
    """Names the entry."""
    account: str
    """Whose quota it is to spend."""
    priority: int
    """The higher goes first."""
    state: str
    """waiting, running, done, dropped or failed."""
    reason: str = ""
    """Why it stands so, in words."""
    scene_count: int
    """Scenes it asks for."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """How they are to be fetched: arguments of `AssetManager.plan`."""
    batch_id: str | None = None
    """The plan that carries it out, and so the batch of its jobs; None before it ran."""
    by: str = ""
    """Who added it."""
    added_at: datetime
    """When, UTC."""
    updated_at: datetime
    """When it last changed, UTC."""
    not_before: datetime | None = None
    """Not to be looked at before, UTC."""
    lease_owner: str | None = None
    """Which run works on it."""
    lease_until: datetime | None = None
    """How long that run may be silent, UTC."""

    @property
    def priority_word(self) -> str:
        """high, normal or low, or the number."""
        return next((word for word, number in PRIORITIES.items() if number == self.priority), str(self.priority))

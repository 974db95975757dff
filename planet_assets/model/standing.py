"""How an element stands at one site: wanted there, on its way, there, or failed; and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

WANTED, PRESENT, FAILED = "wanted", "present", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One element at one site."""

    element_id: str
    """Of what."""
    site: str
    """Where."""
    state: str
    """wanted, present or failed."""
    rank: int = 0
    """Minus the element's priority: the smallest goes first."""
    wanted_at: datetime
    """Since when it is to be there as it is now."""
    syncing_at: datetime | None = None
    """Since when somebody brings it; None while nobody does."""
    synced_at: datetime | None = None
    """When it came there last; older than what it is now where it has changed since."""
    tried_at: datetime | None = None
    """When it was tried last."""
    modified_at: datetime | None = None
    """When it was found changed at this site."""
    error: str | None = None
    """Why the last try failed."""
    error_code: int | None = None
    """The same as a number; 23 is a file that was not found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCount:
    """What is where, in numbers, for one site."""

    site: str
    """Which."""
    wanted: int = 0
    """To be brought, tried or not."""
    failed: int = 0
    """Of those, how many failed at the last try."""
    present: int = 0
    """Elements that are there as they are now."""

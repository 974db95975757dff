"""What a team says about a thing: a file, a folder, an edge between two, a comment, or anything else, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element of the tracker."""

    id: str
    """Unique and lasting; a file's is its path, from a slash."""
    kind: str
    """file, package, edge, comment, version, publication or note."""
    document: Mapping[str, Any]
    """Its keys and their values; `author` and `time` are among them."""
    rev: int
    """Counts changes, from 1; who changes it may say which one was read."""
    created_at: datetime
    """Since when it is there."""
    updated_at: datetime
    """When it was last changed."""
    lock_owner: str | None = None
    """Who is editing it; None when nobody is, or the lease has run out."""
    lock_until: datetime | None = None
    """Until when that one has it."""
    shown: Mapping[str, Any] = field(default_factory=dict)
    """How it stands at sites, as keys: `synced_<site>` and so on; they are kept elsewhere."""

    def as_dict(self) -> dict[str, Any]:
        """As the other tracker shows it: one object, with `_id`, and `lock` when somebody is editing it."""
        shown = {"_id": self.id, **self.document, **self.shown}
        if self.lock_owner is not None:
            shown["lock"] = self.lock_owner
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementEvent:
    """Something that happened to an element."""

    sequence: int
    """Grows with each event."""
    at: datetime
    """When."""
    actor: str
    """Who did it."""
    verb: str
    """create, update, delete, lock, unlock, publish, comment or version."""
    element_id: str
    """Which element."""
    rev: int
    """What it became."""
    data: Mapping[str, Any]
    """The keys that were changed; what was removed is null."""

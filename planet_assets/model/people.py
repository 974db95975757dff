"""The people of a team, what class each is of, and the tokens that they sign in by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """The class of a person; each may do what the one before may."""

    GUEST = "guest"
    USER = "user"
    EDITOR = "editor"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0 for a guest, 3 for an admin."""
        return list(Role).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may sign in. The password is not here: it never leaves the library."""

    name: str
    """Unique: a small letter, then small letters, digits, - and _."""
    role: Role
    """What the person may do."""
    email: str | None = None
    """Unique as well; may be given instead of the name at sign-in."""
    full_name: str = ""
    """As people write it."""
    disabled: bool = False
    """True when the person may not sign in, and no token of theirs is good."""
    must_change: bool = False
    """True while the password is one that somebody else has set."""
    made_at: datetime | None = None
    """Since when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a program or a browser signs in by; the secret itself is known to its holder only."""

    id: str
    """Ours; it is no secret."""
    person: str
    """Whose it is."""
    scope: str = ""
    """Empty for all that the person may do, `read` for reading only."""
    made_at: datetime
    """Since when."""
    expires_at: datetime | None = None
    """Until when; None for one that does not end by itself."""
    revoked_at: datetime | None = None
    """When it was revoked."""
    last_used_at: datetime | None = None
    """About when it was last used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks."""

    name: str
    """The person's name; empty for somebody who is not known."""
    role: Role
    """What the caller may do."""
    token_id: str = ""
    """The token that was shown; empty when sign-in is switched off."""
    scope: str = ""
    """That of the token."""

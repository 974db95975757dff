"""How a service is to behave: what the command `serve` was told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """What may be chosen when a service is started."""

    auth: bool = True
    """False to take everybody for an admin named lab; only on loopback."""
    author_mode: bool = False
    """True to hide from all but admins what somebody else wrote."""
    secure: bool = False
    """True when it is reached by https, so that cookies are for https alone."""
    hosts: frozenset[str] = frozenset()
    """Names that a request may be addressed to; empty for any."""
    sign_in_for: timedelta = timedelta(days=1)
    """How long a sign-in lasts that does not say."""
    body_bytes: int = 50 * 10**6
    """The longest JSON that is read."""
    upload_bytes: int = 20 * 10**9
    """The longest file that is taken."""
    stall_s: float = 30.0
    """Seconds after which a client that sends nothing of what it announced is let go."""
    files: Path | None = None
    """Folder of the files that people upload; None to take none."""
    site: str = "hub"
    """Name of the site that the folder of files is."""
    create_returns_ids: bool = False
    """True for a reply to create as the later tracker gives it: ids, not elements."""
    created_first: bool = False
    """True for a reply to upsert as the other tracker gives it: what was created, then what was updated."""

"""Who may do what: a table of actions and the least class for each, and what author mode takes away.

Author mode never gives a right: it hides from all but admins what somebody else wrote, so that they can neither read,
find nor change it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from planet_assets.exceptions import Misused
from planet_assets.model.people import Caller, Role

LEAST: Mapping[str, Role] = {
    "read": Role.GUEST,
    "create": Role.USER,
    "publish": Role.USER,
    "comment": Role.USER,
    "version": Role.USER,
    "lock": Role.USER,
    "upload": Role.USER,
    "update": Role.EDITOR,
    "delete": Role.EDITOR,
    "approve": Role.EDITOR,
    "administer": Role.ADMIN,
}
"""Action -> the least class that may do it. Reading includes searches, graphs and events; unlocking is locking; an
upsert is an update."""

RESERVED = frozenset({"author", "class", "time", "lock", "username"})
"""Keys of an element that only an admin may set."""

_NAME = re.compile(r"[a-z][-a-z0-9_]{0,63}")


def allowed(action: str, caller: Caller) -> bool:
    """True when a person of this class may do it; a token of scope `read` may only read."""
    return caller.role.rank >= LEAST[action].rank and (caller.scope != "read" or action == "read")


def sees_all(caller: Caller, *, author_mode: bool) -> bool:
    """True when nothing is hidden from the caller."""
    return not author_mode or caller.role is Role.ADMIN


def is_author(name: str, document: Mapping[str, Any]) -> bool:
    """True when the element's `author` is this person, or a list with them in it."""
    author = document.get("author")
    return bool(name) and (name in author if isinstance(author, list) else name == author)


def settable(caller: Caller, document: Mapping[str, Any]) -> dict[str, Any]:
    """What of a document the caller may set: the keys that belong to admins are left out for all others."""
    if caller.role is Role.ADMIN:
        return dict(document)
    return {key: value for key, value in document.items() if key not in RESERVED}


def checked_person_name(name: str) -> str:
    """A name that a person may have.

    Raises:
        Misused: it may not be one.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Misused(
            "A person's name is a small letter, then small letters, digits, - and _, 64 at the most.", argument="name"
        )
    return name


def is_person_name(name: str) -> bool:
    """True for a name rather than an e-mail address."""
    return _NAME.fullmatch(name) is not None

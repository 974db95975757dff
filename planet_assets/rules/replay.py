"""What an element is, from everything that is known to have happened to it: the same in whatever order it became known.

Of each key the latest value counts. A deletion counts unless the element was changed later. Who creates an element anew
after a deletion begins from nothing: what was said before does not come back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

BIRTHS = ("create", "publish", "comment", "version")
DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened to an element."""

    at: datetime
    """When, where it happened."""
    verb: str
    """create, update, delete, publish, comment or version."""
    rev: int
    """What the element became there; a birth of more than 1 is one after a deletion."""
    data: Mapping[str, Any]
    """The keys that were changed; null for what was removed."""


def document_of(element_id: str, known: Iterable[Happening]) -> tuple[dict[str, Any] | None, str]:
    """An element's document, None when it is deleted; and its kind, empty for what its id and keys say."""
    happened = list(known)
    changes = [one for one in happened if one.verb != DELETE]
    again = max((one.at for one in changes if _is_birth(one) and one.rev > 1), default=None)
    counted = [one for one in changes if again is None or one.at >= again]
    deleted = max((one.at for one in happened if one.verb == DELETE), default=None)
    kind = next((found for one in counted if (found := _kind(element_id, one))), "")
    if not counted or (deleted is not None and max(one.at for one in counted) <= deleted):
        return None, kind
    best: dict[str, tuple[datetime, str, Any]] = {}
    for one in counted:
        for key, value in one.data.items():
            mark = (one.at, json.dumps(value, sort_keys=True))
            if key not in best or mark > best[key][:2]:
                best[key] = (*mark, value)
    return {key: value for key, (_, _, value) in sorted(best.items()) if value is not None}, kind


def _is_birth(one: Happening) -> bool:
    return one.verb in BIRTHS and not (one.verb == "version" and "#parent" not in one.data)


def _kind(element_id: str, one: Happening) -> str:
    if one.verb == "publish" and not element_id.startswith("/"):
        return "publication"
    if one.verb == "version" and "#parent" in one.data:
        return "version"
    return "comment" if one.verb == "comment" else ""

"""Ids in a path: split before they are decoded, so that an id may hold slashes, commas and # when they come encoded."""

from __future__ import annotations

from urllib.parse import unquote

from fastapi import Request

from planet_assets.exceptions import Misused


def tail(request: Request, prefix: str) -> str:
    """What stands after a prefix in the path, as it was sent."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    sent = raw.split(b"?")[0].decode("latin-1")
    return sent[len(prefix) :].removeprefix("/") if sent.startswith(prefix) else ""


def ids(sent: str) -> list[str]:
    """Ids that were sent with commas between them; empty when there are none."""
    return [decoded(one) for one in sent.split(",") if one]


def decoded(sent: str, times: int = 1) -> str:
    """Text without its percent signs.

    Raises:
        Misused: it is no text then.
    """
    try:
        for _ in range(times):
            sent = unquote(sent, errors="strict")
        sent.encode()
    except (UnicodeDecodeError, UnicodeEncodeError):
        raise Misused("The path is no text.") from None
    return sent

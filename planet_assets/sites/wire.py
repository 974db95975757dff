"""How a tracker is spoken to, and what an answer that refuses means. Redirects are not followed: a token goes nowhere
that it was not given for.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import httpx

from planet_assets import exceptions
from planet_assets.exceptions import (
    AssetError,
    Changed,
    Conflict,
    Corrupt,
    DiskProblem,
    Gone,
    Misused,
    NetworkError,
    NotAllowed,
    ServerError,
    SignInNeeded,
    Throttled,
    TryLater,
    Unsafe,
)
from planet_assets.sites.addresses import is_here

BY_STATUS: dict[int, type[AssetError]] = {
    400: Misused,
    401: SignInNeeded,
    403: NotAllowed,
    404: Gone,
    409: Conflict,
    410: Gone,
    412: Changed,
    413: Misused,
    422: Corrupt,
    429: Throttled,
    501: Misused,
    507: DiskProblem,
}
"""What a status means where the answer does not name an error."""

CONNECT_S = 10.0


def settings(url: str, token: str | None, *, timeout_s: float, verify: Any) -> dict[str, Any]:
    """Arguments of an httpx client for one tracker."""
    headers = {"User-Agent": "planet-assets", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return {
        "base_url": url,
        "headers": headers,
        "timeout": httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S)),
        "verify": verify,
        "follow_redirects": False,
        "trust_env": not is_here(urlsplit(url).hostname or ""),
    }


def no_answer(error: httpx.HTTPError, where: str) -> NetworkError:
    """What it means that no answer came."""
    reached = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol)
    words = type(error).__name__ if not str(error) else str(error).splitlines()[0][:200]
    return NetworkError(f"The tracker {where} does not answer: {words}.", hint="Try again.", reached_server=reached)


def refusal(status: int, headers: Any, body: bytes, where: str) -> AssetError:
    """The error that an answer tells of."""
    kind, message, hint = "", "", ""
    told = _json(body)
    if isinstance(told, dict) and isinstance(told.get("error"), dict):
        kind, message, hint = (str(told["error"].get(key, "")) for key in ("kind", "message", "hint"))
    elif isinstance(told, str):
        message = told
    elif told is None:
        message = body[:300].decode("utf-8", "replace")
    message = f"The tracker {where} says: {' '.join(message.split())[:500] or status}"
    if 300 <= status < 400:
        return Unsafe(f"{where} answers with a redirect, which is not followed.", hint="Give the address itself.")
    known = getattr(exceptions, kind, None)
    if not (isinstance(known, type) and issubclass(known, AssetError)):
        known = BY_STATUS.get(status, ServerError if status >= 500 else AssetError)
    if issubclass(known, TryLater):
        return known(message, hint=hint, after_s=_seconds(headers.get("retry-after")))
    return known(message, hint=hint)


def answer_of(response: httpx.Response, where: str) -> Any:
    """The JSON of an answer that grants.

    Raises:
        AssetError: it refuses, or is no JSON.
    """
    if not 200 <= response.status_code < 300:
        raise refusal(response.status_code, response.headers, response.content, where)
    if not response.content:
        return None
    told = _json(response.content)
    if told is None and response.content.strip() != b"null":
        raise ServerError(f"The tracker {where} did not answer with JSON.", hint="Is it a tracker?")
    return told


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdigit() else None

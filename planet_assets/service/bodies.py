"""Reads what a request carries: strict JSON, within limits, off the event loop."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from planet_assets.exceptions import Misused

DEEPEST = 64
"""Levels of lists and objects within one another."""
QUICK_BYTES = 100_000
"""Up to here it is parsed at once; longer bodies would keep the other requests waiting."""


async def json_body(request: Request) -> Any:
    """The body as JSON; None when there is none.

    Raises:
        Misused: it is no JSON, or holds what JSON does not know.
    """
    raw = await request.body()
    if not raw.strip():
        return None
    return parsed(raw) if len(raw) <= QUICK_BYTES else await run_in_threadpool(parsed, raw)


async def form_or_json(request: Request) -> dict[str, Any]:
    """The fields of a form, or of a JSON object; empty for anything else.

    Raises:
        Misused: it claims to be JSON and is none.
    """
    if "json" in request.headers.get("content-type", ""):
        found = await json_body(request)
        return found if isinstance(found, dict) else {}
    raw = (await request.body())[:QUICK_BYTES]
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        return {}


def parsed(raw: bytes) -> Any:
    """Strict JSON: no NaN, no numbers beyond floats, no broken characters, no towers.

    Raises:
        Misused: it is none.
    """
    try:
        found = json.loads(raw.decode("utf-8"), parse_constant=_refused, parse_float=_finite)
    except (ValueError, RecursionError):
        raise Misused("The body is not JSON.") from None
    if b"\\u" in raw or b"\\U" in raw:
        _whole_characters(found)
    _shallow(found)
    return found


def _refused(word: str) -> Any:
    raise ValueError(word)


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError(digits)
    return value


def _whole_characters(found: Any) -> None:
    try:
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise Misused("The body holds half a character.") from None


def _shallow(found: Any) -> None:
    level = [found]
    for _ in range(DEEPEST):
        level = [part for one in level for part in _parts(one) if isinstance(part, dict | list)]
        if not level:
            return
    raise Misused(f"The body is nested more than {DEEPEST} levels deep.")


def _parts(one: Any) -> Iterable[Any]:
    if isinstance(one, dict):
        return one.values()
    return one if isinstance(one, list) else ()

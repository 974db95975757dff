"""The shapes of Planet's answers: JSON, the five kinds of error, and addresses built from the Host header."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response


def as_json(content: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(json.dumps(content), status, media_type="application/json")


def refusal(status: int, message: str | None = None, field: dict[str, list[str]] | None = None) -> Response:
    """Shape 1, the Data API's own errors. Source: Planet notebooks, confirmed."""
    general = [{"message": message}] if message else []
    fields = {name: [{"message": text} for text in texts] for name, texts in (field or {}).items()}
    return as_json({"field": fields, "general": general}, status)


def no_key() -> Response:
    """Shape 2, the gateway's answer to a missing or bad key. Source: Planet's documentation, confirmed."""
    return as_json({"message": "Please enter your API key.", "errors": []}, 401)


def message(status: int, text: str) -> Response:
    """Shape 3, the orders and account services. Source: SDK tests, confirmed."""
    return as_json({"message": text}, status)


def too_fast(wait_s: float, retry_after: str | None = None) -> Response:
    """Shape 4, the rate limiter's plain text. Source: SDK issue 580, confirmed; the header, assumed."""
    wait = f"{max(1, round(wait_s * 1000))}ms"
    headers = {"X-Retry-In": wait}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return Response(f"max rate reached: retry-in {wait}", 429, headers, media_type="text/plain")


def storage_error(status: int, code: str, text: str) -> Response:
    """Shape 5, the object store behind the redirect, in its own XML. Source: reported status, assumed body."""
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{escape(text)}</Message></Error>"
    return Response(body, status, media_type="application/xml")


def html(status: int, title: str) -> Response:
    """A page as a proxy or a captive portal sends it."""
    body = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(body, status, media_type="text/html")


def origin(request: Request) -> str:
    """Scheme and host as the client wrote them: every link in an answer begins with it."""
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"


def other_origin(request: Request, port: int | None) -> str:
    """The second origin, where the bytes lie: another name for this machine and another port if it has one."""
    name, here = request.url.hostname or "127.0.0.1", request.url.port
    other = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}.get(name, name)
    shown = port or here
    return f"{request.url.scheme}://{other}" + (f":{shown}" if shown else "")


def stamp(moment: datetime) -> str:
    """A moment as Planet writes it: `2022-04-04T18:57:56.123456Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """A moment as Planet writes it; without a zone it is UTC.

    Raises:
        ValueError: the text is no RFC 3339 moment.
    """
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)

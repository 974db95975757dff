"""How errors are said: on `/api` in the tracker's own words, elsewhere as JSON of kind, message and hint."""

from __future__ import annotations

import html
import json
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from planet_assets.exceptions import (
    AssetError,
    Changed,
    Conflict,
    Corrupt,
    Declined,
    DiskProblem,
    Gone,
    Misused,
    NotAllowed,
    QuotaError,
    SignInNeeded,
    Throttled,
    TryLater,
    Unsafe,
)

log = logging.getLogger(__name__)

STATUS: dict[type[AssetError], int] = {
    Misused: 400,
    Unsafe: 400,
    SignInNeeded: 401,
    Declined: 403,
    NotAllowed: 403,
    Gone: 404,
    Changed: 412,
    Conflict: 409,
    QuotaError: 409,
    Corrupt: 422,
    Throttled: 429,
    TryLater: 503,
    DiskProblem: 507,
    AssetError: 500,
}
"""The nearest of an error's classes that stands here decides."""

KIND = {400: "Misused", 401: "SignInNeeded", 403: "NotAllowed", 404: "Gone", 405: "Misused", 408: "TryLater"}


class Json(Response):
    """JSON that any client reads: what is not ASCII goes escaped, so that no odd character can break the reply."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of it."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def text(words: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """One line, as the other tracker says what is wrong."""
    return Response(html.escape(words), status, headers, media_type="text/html")


def status_of(error: AssetError) -> int:
    """The HTTP status of an error."""
    return next(STATUS[each] for each in type(error).__mro__ if each in STATUS)


def said(
    request: Request, status: int, kind: str, message: str, hint: str = "", after_s: float | None = None
) -> Response:
    """An error in the words of the API that was asked."""
    headers = {"Retry-After": str(max(1, round(after_s)))} if after_s is not None else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if request.url.path.startswith("/api"):
        if status == 401:
            return Json(message, status, headers)
        return text(message, status, headers)
    return Json({"error": {"kind": kind, "message": message, "hint": hint}}, status, headers)


OURS = ("The server cannot do it; its log says more.", "The library is busy or away.")


def _after_s(error: AssetError) -> float | None:
    """When to ask again; a library that is busy or away may be back in a second."""
    if not isinstance(error, TryLater):
        return None
    return 1.0 if error.after_s is None else error.after_s


def install(app: FastAPI) -> None:
    """Say every error of ours, of FastAPI and of nobody's foresight."""

    def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, AssetError)
        status, kind = status_of(error), type(error).__name__
        if status >= 500:  # addresses and folders of the server are nobody's business
            log.error("%s %s: %s", request.method, request.url.path, error)
            return said(
                request, status, kind, OURS[status == 503], "Try again." if status == 503 else "", _after_s(error)
            )
        return said(request, status, kind, error.message, error.hint, _after_s(error))

    def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = KIND.get(error.status_code, "AssetError")
        return said(request, error.status_code, kind, str(error.detail))

    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return said(request, 400, "Misused", f"{where}: {first['msg']}.")

    def unforeseen(request: Request, error: Exception) -> Response:
        log.error("%s %s: %s", request.method, request.url.path, type(error).__name__)
        return said(request, 500, "AssetError", "The server made a mistake; its log says more.")

    app.add_exception_handler(AssetError, ours)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unforeseen)

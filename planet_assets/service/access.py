"""Who asks, and may they: a bearer token or a session's cookie, checked before every route.

A cookie is sent by any page that the browser shows, so what a cookie may change takes a second word that only our own
page can read: the header X-CSRF-Token.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from fastapi import Request
from starlette.requests import HTTPConnection

from planet_assets.exceptions import NotAllowed, SignInNeeded
from planet_assets.library import tokens
from planet_assets.model.people import Caller, Role
from planet_assets.rules.permissions import allowed

SESSION, CSRF = "planet_assets_session", "planet_assets_csrf"
"""Names of the cookies; pages may read the second only."""
SAFE = ("GET", "HEAD", "OPTIONS")
LAB = Caller(name="lab", role=Role.ADMIN)
"""Who everybody is where sign-in is switched off."""


def caller(request: HTTPConnection) -> Caller:
    """Who asks.

    Raises:
        SignInNeeded: nobody that is known.
        NotAllowed: a cookie alone is to change something.
    """
    if not request.app.state.options.auth:
        return LAB
    secret, by_cookie = shown(request)
    asking = known(request.app.state, secret)
    if by_cookie and request.scope.get("method", "GET") not in SAFE and not _confirmed(request, secret):
        raise NotAllowed("The header X-CSRF-Token is missing or wrong.", hint="Load the page again.")
    return asking


def known(state: Any, secret: str) -> Caller:
    """Whose token this is.

    Raises:
        SignInNeeded: nobody's.
    """
    found = tokens.holder(state.library, secret, now=state.clock.now()) if secret else None
    if found is None:
        raise SignInNeeded("Unauthorized", hint="Sign in, or ask for a new token.")
    person, token = found
    return Caller(name=person.name, role=person.role, token_id=token.id, scope=token.scope)


def needs(action: str) -> Callable[[Request], Caller]:
    """A dependency that gives the caller, if they may do this."""

    def checked(request: Request) -> Caller:
        asking = caller(request)
        if not allowed(action, asking):
            raise NotAllowed("Forbidden", hint=f"A {asking.role} may not {action}.")
        return asking

    return checked


def csrf_of(secret: str) -> str:
    """The second word that belongs to a session."""
    return hashlib.sha256(b"csrf:" + secret.encode("utf-8", "replace")).hexdigest()


def shown(request: HTTPConnection) -> tuple[str, bool]:
    """The token that is shown, and whether by a cookie."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return secret.strip(), False
    return request.cookies.get(SESSION, ""), True


def _confirmed(request: HTTPConnection, secret: str) -> bool:
    given = request.headers.get("x-csrf-token", "")
    return hmac.compare_digest(given.encode("utf-8", "replace"), csrf_of(secret).encode())

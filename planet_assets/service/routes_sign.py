"""The routes about oneself: sign in and out, one's tokens, one's password."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from planet_assets.exceptions import Gone
from planet_assets.library import people, tokens
from planet_assets.model.people import Caller, Token
from planet_assets.service import signing
from planet_assets.service.access import CSRF, LAB, SESSION, csrf_of, needs
from planet_assets.service.answers import Json
from planet_assets.service.bodies import form_or_json
from planet_assets.service.showing import person_element

router = APIRouter(default_response_class=Json)


def _takes(*names: str) -> dict[str, Any]:
    """What the description of a route says about its form."""
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    kinds = ("application/x-www-form-urlencoded", "application/json")
    return {"requestBody": {"content": {kind: {"schema": schema} for kind in kinds}}}


SIGN_IN = _takes("username", "password", "expiresIn")
TOKEN = _takes("expiresIn", "scope")
PASSWORDS = _takes("old", "new")
Fields = Annotated[dict[str, Any], Depends(form_or_json)]
Reader = Annotated[Caller, Depends(needs("read"))]


@router.post("/api/signIn", tags=["sign-in"], openapi_extra=SIGN_IN)
@router.post("/api/signIn/", include_in_schema=False)
def sign_in(request: Request, fields: Fields) -> Response:
    """Check a name (or e-mail address) and a password; gives out a token, and a session's cookies."""
    state = request.app.state
    if not state.options.auth:
        raise Gone("Sign-in is switched off here.")
    found = signing.sign_in(
        state.library,
        fields.get("username"),
        fields.get("password"),
        address=_address(request),
        lasts=fields.get("expiresIn"),
        default=state.options.sign_in_for,
        now=state.clock.now(),
    )
    name = found.person.name
    caller = Caller(name=name, role=found.person.role)
    reply = {"_id": name, "user": person_element(found.person, caller), "token": found.secret}
    answer = Json({**reply, "csrf": csrf_of(found.secret), "must_change": found.person.must_change})
    ends_at = found.token.expires_at
    lasts_s = None if ends_at is None else int((ends_at - state.clock.now()).total_seconds())
    for cookie, value in ((SESSION, found.secret), (CSRF, csrf_of(found.secret))):
        answer.set_cookie(
            cookie,
            value,
            max_age=lasts_s,
            httponly=cookie == SESSION,
            samesite="strict",
            secure=state.options.secure,
        )
    return answer


@router.post("/api/signOut", tags=["sign-in"])
@router.post("/api/signOut/", include_in_schema=False)
def sign_out(request: Request, caller: Reader) -> Response:
    """Revoke the token that was shown; it is no good from now on."""
    state = request.app.state
    if caller.token_id:
        tokens.revoke(state.library, caller.token_id, now=state.clock.now())
    answer = Json(True)
    for cookie in (SESSION, CSRF):
        answer.delete_cookie(cookie, httponly=cookie == SESSION, samesite="strict", secure=state.options.secure)
    return answer


@router.get("/api/verify", tags=["sign-in"])
@router.get("/api/verify/", include_in_schema=False)
def verify(request: Request, caller: Reader) -> Response:
    """Who I am; an empty object where sign-in is switched off."""
    return Json({} if caller is LAB else person_element(people.get(request.app.state.library, caller.name), caller))


@router.post("/api/createToken", tags=["sign-in"], openapi_extra=TOKEN)
@router.post("/api/createToken/", include_in_schema=False)
def create_token(request: Request, caller: Reader, fields: Fields) -> Response:
    """A token of one's own for a program: `expiresIn` says how long it lasts, `scope` may be `read`."""
    state = request.app.state
    if caller is LAB:
        raise Gone("Sign-in is switched off here.")
    now = state.clock.now()
    expires_at = signing.ends(fields.get("expiresIn"), role=caller.role, default=state.options.sign_in_for, now=now)
    scope = "read" if "read" in (caller.scope, fields.get("scope")) else ""
    _, secret = tokens.issue(state.library, caller.name, expires_at=expires_at, now=now, scope=scope)
    return Json(secret, 201)


@router.post("/api/changePassword", tags=["sign-in"], openapi_extra=PASSWORDS)
@router.post("/api/changePassword/", include_in_schema=False)
def change_password(request: Request, caller: Reader, fields: Fields) -> Response:
    """Give oneself a new password (`old`, `new`); every token of one's own is revoked."""
    state = request.app.state
    if caller is LAB:
        raise Gone("Sign-in is switched off here.")
    old, new = fields.get("old", fields.get("password")), fields.get("new", fields.get("newPassword"))
    signing.change_password(state.library, caller, old, new, address=_address(request), now=state.clock.now())
    return Json(True)


@router.get("/v1/me", tags=["people"])
def me(request: Request, caller: Reader) -> Response:
    """Who I am, and what I may do."""
    if caller is LAB:
        return Json({"name": caller.name, "role": str(caller.role), "auth": False, "must_change": False})
    person = people.get(request.app.state.library, caller.name)
    known = {"name": person.name, "role": str(person.role), "email": person.email, "full_name": person.full_name}
    return Json({**known, "auth": True, "must_change": person.must_change, "scope": caller.scope})


@router.get("/v1/tokens", tags=["people"])
def my_tokens(request: Request, caller: Reader) -> Response:
    """One's own tokens, without their secrets."""
    return Json({"tokens": [token_document(one) for one in tokens.listed(request.app.state.library, caller.name)]})


@router.delete("/v1/tokens/{token_id}", tags=["people"], status_code=204)
def revoke(token_id: str, request: Request, caller: Reader) -> Response:
    """Revoke one of one's own tokens; an admin may revoke anybody's."""
    state = request.app.state
    of = None if caller.role == "admin" else caller.name
    tokens.revoke(state.library, token_id, now=state.clock.now(), of=of)
    return Response(status_code=204)


def token_document(token: Token) -> dict[str, Any]:
    """A token as others may see it."""
    times = {name: getattr(token, name) for name in ("made_at", "expires_at", "revoked_at", "last_used_at")}
    shown = {name: at.isoformat() if at else None for name, at in times.items()}
    return {"id": token.id, "person": token.person, "scope": token.scope, **shown}


def _address(request: Request) -> str:
    return request.client.host if request.client else ""

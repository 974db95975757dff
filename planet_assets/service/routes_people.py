"""The people of the team: who there is, and what an admin may do about them."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from planet_assets.exceptions import Gone
from planet_assets.library import people, tokens
from planet_assets.model.people import Caller, Person, Role
from planet_assets.service import passwords, signing
from planet_assets.service.access import LAB, needs
from planet_assets.service.answers import Json
from planet_assets.service.routes_sign import token_document

router = APIRouter(default_response_class=Json, tags=["people"])

Admin = Annotated[Caller, Depends(needs("administer"))]
Reader = Annotated[Caller, Depends(needs("read"))]
Line = Annotated[str, Field(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
Secret = Annotated[str, Field(min_length=passwords.SHORTEST, max_length=passwords.LONGEST)]


class Changes(BaseModel):
    """What may be changed of somebody."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    email: Line | None = None
    full_name: Line | None = None
    disabled: bool | None = None
    password: Secret | None = None


class NewPerson(Changes):
    """Somebody to add; without a password, one is made and told once."""

    name: Annotated[str, Field(pattern=r"^[a-z][-a-z0-9_]{0,63}$")]
    role: Role = Role.USER


class NewPassword(BaseModel):
    """One's own new password."""

    model_config = ConfigDict(extra="forbid")

    old: str
    new: Secret


@router.get("/v1/people")
def listed(request: Request, caller: Reader) -> Response:
    """Everybody; e-mail addresses are for admins."""
    found = people.listed(request.app.state.library)
    return Json({"people": [document(one, caller) for one in found]})


@router.post("/v1/people", status_code=201)
def add(request: Request, caller: Admin, asked: NewPerson) -> Response:
    """Add somebody."""
    state = request.app.state
    secret = asked.password or passwords.made()
    new = Person(name=asked.name, role=asked.role, email=asked.email or None, full_name=asked.full_name or "")
    made = people.add(state.library, new, secret=passwords.hashed(secret), kind=people.FIRST, now=state.clock.now())
    told = {} if asked.password else {"password": secret}
    return Json(document(made, caller) | told, 201)


@router.patch("/v1/people/{name}")
def change(name: str, request: Request, caller: Admin, asked: Changes) -> Response:
    """Change somebody; a new password or being disabled ends all their sign-ins."""
    state = request.app.state
    person = people.get(state.library, _name(name))
    values = asked.model_dump(exclude_unset=True, exclude={"password"})
    values = {key: value for key, value in values.items() if value is not None or key == "email"}
    if values:
        person = people.change(state.library, name, values, now=state.clock.now())
    if asked.password:
        kept = passwords.hashed(asked.password)
        people.set_secret(state.library, name, secret=kept, kind=people.FIRST, now=state.clock.now())
        person = people.get(state.library, name)
    return Json(document(person, caller))


@router.delete("/v1/people/{name}", status_code=204)
def remove(name: str, request: Request, caller: Admin) -> Response:
    """Forget somebody and their tokens; what they wrote stays."""
    state = request.app.state
    people.remove(state.library, _name(name), now=state.clock.now())
    return Response(status_code=204)


@router.get("/v1/people/{name}/tokens")
def tokens_of(name: str, request: Request, caller: Admin) -> Response:
    """Somebody's tokens, without their secrets."""
    found = tokens.listed(request.app.state.library, _name(name))
    return Json({"tokens": [token_document(one) for one in found]})


@router.put("/v1/me/password", status_code=204)
def my_password(request: Request, caller: Reader, asked: NewPassword) -> Response:
    """Give oneself a new password; every token of one's own is revoked."""
    state = request.app.state
    if caller is LAB:
        raise Gone("Sign-in is switched off here.")
    address = request.client.host if request.client else ""
    signing.change_password(state.library, caller, asked.old, asked.new, address=address, now=state.clock.now())
    return Response(status_code=204)


def document(person: Person, caller: Caller) -> dict[str, Any]:
    """Somebody as others may see them."""
    shown: dict[str, Any] = {"name": person.name, "role": str(person.role), "full_name": person.full_name}
    if caller.role is Role.ADMIN or caller.name == person.name:
        made_at = person.made_at.isoformat() if person.made_at else None
        shown |= {"email": person.email, "must_change": person.must_change, "made_at": made_at}
    return shown | {"disabled": person.disabled}


def _name(sent: str) -> str:
    """A name that somebody may have.

    Raises:
        Gone: nobody can be called so.
    """
    return sent if sent.isprintable() and len(sent) < 100 else _nobody()


def _nobody() -> NoReturn:
    raise Gone("There is no such person.")

"""The tracker's routes about elements: create, read, update, upsert, delete, lock, unlock; one, or several at once.

What is asked for one at a time is answered with an object, a list with a list. 207 says that some could not be had:
they are null in the list.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from planet_assets.exceptions import Conflict, Misused
from planet_assets.library import elements, people
from planet_assets.rules import elements as rules
from planet_assets.service import paths
from planet_assets.service.access import needs
from planet_assets.service.answers import Json
from planet_assets.service.bodies import json_body
from planet_assets.service.desk import Desk, parted, reply, shown

router = APIRouter(default_response_class=Json, tags=["elements"])

Asked = Annotated[Any, Depends(json_body)]
IDS = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
ELEMENTS = {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]}


def takes(schema: dict[str, Any]) -> dict[str, Any]:
    """What the description of a route says about its body."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def asks(action: str) -> Any:
    """The desk of a caller who may do this."""

    checked = needs(action)

    def opened(request: Request) -> Desk:
        return Desk(request, checked(request))

    return Depends(opened)


@router.post("/api/create", openapi_extra=takes(ELEMENTS))
@router.post("/api/create/", include_in_schema=False)
def create(desk: Annotated[Desk, asks("create")], asked: Asked) -> Response:
    """Add elements. An `_id` may be a list, `{#}` in it becomes a ULID; without one, an id is made."""
    documents = [desk.allowed(one) for one in rules.unfolded(asked)]
    is_person = (lambda one: "username" in one) if desk.is_admin else (lambda one: False)
    taken = desk.are_people(documents)

    def add(some: list[Any]) -> list[Any]:
        free = [one for one in some if one.get("_id") not in taken]
        made = iter(shown(elements.create(desk.library, free, by=desk.caller.name, now=desk.now)))
        return [None if one.get("_id") in taken else next(made) for one in some]

    found = parted(documents, is_person, desk.add_person, add)
    if desk.options.create_returns_ids:
        found = [None if one is None else one["_id"] for one in found]
    return reply(found, as_list=rules.is_list(asked, found), status=201, none=409)


@router.get("/api/read/{ids:path}")
def read_path(ids: str, request: Request, desk: Annotated[Desk, asks("read")]) -> Response:
    """Elements by their ids, with commas between them; a comma, a slash or a # in an id comes percent-encoded."""
    sent = paths.tail(request, "/api/read")
    ids_sent = paths.ids(sent)
    if sent.endswith("/") and ids_sent and desk.read(ids_sent[-1:]) == [None]:
        ids_sent = paths.ids(sent.rstrip("/"))  # a slash at the end may be a folder's, or nothing
    return _read(desk, ids_sent)


@router.get("/api/read", include_in_schema=False)
def read_nothing(desk: Annotated[Desk, asks("read")]) -> Response:
    """Nothing was asked for."""
    return _read(desk, [])


@router.post("/api/read", openapi_extra=takes(IDS))
@router.post("/api/read/", include_in_schema=False)
def read(desk: Annotated[Desk, asks("read")], asked: Asked) -> Response:
    """Elements by id, in the order of the ids."""
    return reply(desk.read(rules.ids_of(asked)), as_list=isinstance(asked, list))


@router.put("/api/update", openapi_extra=takes(ELEMENTS))
@router.put("/api/update/", include_in_schema=False)
def update(desk: Annotated[Desk, asks("update")], asked: Asked) -> Response:
    """Change keys of elements, each named by its `_id`; null removes a key."""
    given = rules.unfolded(asked)
    for one in given:
        if len(one) < 2:
            raise Misused("An update names an _id and a key at least.")
    documents = [{**desk.allowed(one), "_id": rules.ids_of(one.get("_id"))[0]} for one in given]
    named = desk.are_people(documents)

    def change(some: list[Any]) -> list[Any]:
        if desk.is_admin:
            _lock_by_hand(desk, some)
        found = elements.update(desk.library, some, by=desk.caller.name, now=desk.now, seen_by=desk.seen_by)
        return shown(found)

    person = desk.change_person if desk.is_admin else lambda _: None
    found = parted(documents, lambda one: one["_id"] in named, person, change)
    return reply(found, as_list=len(found) > 1)


@router.post("/api/upsert", openapi_extra=takes(ELEMENTS))
@router.post("/api/upsert/", include_in_schema=False)
def upsert(desk: Annotated[Desk, asks("update")], asked: Asked) -> Response:
    """Add what is new and change what is there, in one step; without an `_id`, or with "null", it is new."""
    documents = [desk.allowed(one) for one in rules.unfolded(asked)]
    if desk.are_people(documents) or (desk.is_admin and any("username" in one for one in documents)):
        raise Misused("People are created and updated, not upserted.")
    done = elements.upsert(desk.library, documents, by=desk.caller.name, now=desk.now, seen_by=desk.seen_by)
    if desk.options.created_first:
        done = sorted(done, key=lambda one: not one[1])
    return reply(shown([one for one, _ in done]), as_list=rules.is_list(asked, done))


@router.delete("/api/delete", openapi_extra=takes(IDS))
@router.delete("/api/delete/", include_in_schema=False)
def delete(desk: Annotated[Desk, asks("delete")], asked: Asked) -> Response:
    """Delete elements by id; the reply holds the ids."""
    ids = rules.ids_of(asked)
    gone = elements.delete(desk.library, ids, by=desk.caller.name, now=desk.now, seen_by=desk.seen_by)
    if desk.is_admin:
        names = desk.are_people([{"_id": one} for one, each in zip(ids, gone, strict=True) if each is None])
        for name in names:
            people.remove(desk.library, name, now=desk.now)
        gone = [one if one in names else each for one, each in zip(ids, gone, strict=True)]
    return reply(gone, as_list=isinstance(asked, list))


@router.put("/api/lock", openapi_extra=takes(IDS))
@router.put("/api/lock/", include_in_schema=False)
def lock(desk: Annotated[Desk, asks("lock")], asked: Asked) -> Response:
    """Take elements for oneself for eight hours, or renew that; all of them, or none when another has one."""
    ids = rules.ids_of(asked)
    found = elements.lock(desk.library, ids, by=desk.caller.name, now=desk.now, seen_by=desk.seen_by)
    return reply(shown(found), as_list=isinstance(asked, list))


@router.put("/api/unlock", openapi_extra=takes(IDS))
@router.put("/api/unlock/", include_in_schema=False)
def unlock(desk: Annotated[Desk, asks("lock")], asked: Asked) -> Response:
    """Give elements back; an admin may break the lock of another."""
    ids = rules.ids_of(asked)
    found = elements.unlock(
        desk.library, ids, by=desk.caller.name, now=desk.now, seen_by=desk.seen_by, breaks=desk.is_admin
    )
    return reply(shown(found), as_list=isinstance(asked, list))


def _read(desk: Desk, ids: list[str]) -> Response:
    if not ids:
        raise Misused("Bad Request: no id is given.", argument="_id")
    return reply(desk.read(rules.checked_number(ids)), as_list=len(ids) > 1)


def _lock_by_hand(desk: Desk, documents: list[Any]) -> None:
    """An admin may set whose lock it is, as a key."""
    for one in [each for each in documents if "lock" in each]:
        owner = one["lock"]
        elements.unlock(desk.library, [one["_id"]], by=desk.caller.name, now=desk.now, breaks=True)
        if owner is not None:
            if not isinstance(owner, str) or not people.among(desk.library, [owner]):
                raise Conflict("A lock belongs to a person.")
            elements.lock(desk.library, [one["_id"]], by=owner, now=desk.now)

"""The modern routes about elements: one at a time, with revisions that can be insisted on, and typed errors.

An id stands percent-encoded at the end of the path. `ETag` is an element's revision; with `If-Match`, a change is made
only if the element is still what was read, else 412.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from planet_assets.exceptions import Conflict, Gone, Misused
from planet_assets.library import element_events, elements, publishing
from planet_assets.library import search as library_search
from planet_assets.model.element import Element, ElementEvent
from planet_assets.model.query import Compare, Every
from planet_assets.rules import elements as rules
from planet_assets.rules import query
from planet_assets.service import paths
from planet_assets.service.answers import Json
from planet_assets.service.desk import Desk
from planet_assets.service.routes_elements import Asked, asks, takes

router = APIRouter(default_response_class=Json, prefix="/v1", tags=["elements"])

Reading = Annotated[Desk, asks("read")]
Creating = Annotated[Desk, asks("create")]
Updating = Annotated[Desk, asks("update")]
Deleting = Annotated[Desk, asks("delete")]
Locking = Annotated[Desk, asks("lock")]
Commenting = Annotated[Desk, asks("comment")]
Found = TypeVar("Found")
IfMatch = Annotated[str | None, Header(max_length=100)]
LONGEST_LEASE_S = 7 * 86_400
OBJECT = takes({"type": "object", "minProperties": 1})
COMMENT = takes({"type": "object", "properties": {"comment": {"type": "string"}}, "required": ["comment"]})
LEASE = {
    "requestBody": {
        "content": {"application/json": {"schema": {"type": "object", "properties": {"lease_s": {"type": "integer"}}}}}
    }
}


@router.get("/elements")
def listed(
    desk: Reading,
    q: Annotated[str, Query(max_length=10_000)] = "*",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Response:
    """Elements that answer a search, by id, and how many there are."""
    node = query.parsed(q)
    page = library_search.search(desk.library, node, now=desk.now, seen_by=desk.seen_by, limit=limit, offset=offset)
    found = elements.read(desk.library, page.ids, now=desk.now, seen_by=desk.seen_by)
    return Json({"elements": [document(one) for one in found if one], "total": page.total})


@router.post("/elements", status_code=201, openapi_extra=OBJECT)
def create(desk: Creating, asked: Asked) -> Response:
    """Add an element: its keys, and `_id` if it has one."""
    allowed = desk.allowed(_object(asked))
    if isinstance(allowed.get("_id"), list) or desk.are_people([allowed]):
        raise Conflict("The id is taken, or is a list.", hint="One element at a time, by an id of its own.")
    [made] = elements.create(desk.library, [allowed], by=desk.caller.name, now=desk.now)
    if made is None:
        raise Conflict(f"{allowed['_id']} exists already.", hint="Change it with PATCH.")
    return _told(made, 201)


@router.get("/elements/{id:path}")
def read(id: str, request: Request, desk: Reading) -> Response:
    """One element."""
    return _told(_read(desk, _id(request, "/v1/elements")))


@router.patch("/elements/{id:path}", openapi_extra=OBJECT)
def update(id: str, request: Request, desk: Updating, asked: Asked, if_match: IfMatch = None) -> Response:
    """Change keys of an element; null removes one."""
    element_id = _id(request, "/v1/elements")
    change = {**desk.allowed(_object(asked)), "_id": element_id}
    [found] = elements.update(
        desk.library,
        [change],
        by=desk.caller.name,
        now=desk.now,
        seen_by=desk.seen_by,
        revisions=_revision(element_id, if_match),
    )
    return _told(_there(found, element_id))


@router.delete("/elements/{id:path}", status_code=204)
def delete(id: str, request: Request, desk: Deleting, if_match: IfMatch = None) -> Response:
    """Delete an element; its history stays."""
    element_id = _id(request, "/v1/elements")
    [gone] = elements.delete(
        desk.library,
        [element_id],
        by=desk.caller.name,
        now=desk.now,
        seen_by=desk.seen_by,
        revisions=_revision(element_id, if_match),
    )
    _there(gone, element_id)
    return Response(status_code=204)


@router.get("/locks")
def locks(desk: Reading, owner: Annotated[str, Query(max_length=300, pattern=r"^[^\x00]*$")] = "") -> Response:
    """Elements that somebody is editing; of one person, if named."""
    node = Compare("lock", "=", text=owner) if owner else Compare("lock", ">", text="")
    page = library_search.search(desk.library, node, now=desk.now, seen_by=desk.seen_by, limit=1000)
    found = elements.read(desk.library, page.ids, now=desk.now, seen_by=desk.seen_by)
    return Json({"locks": [{"id": one.id, **_lock(one)} for one in found if one], "total": page.total})


@router.put("/locks/{id:path}", openapi_extra=LEASE)
def lock(id: str, request: Request, desk: Locking, asked: Asked) -> Response:
    """Take an element for oneself, or renew that; for eight hours, or `lease_s` seconds."""
    element_id = _id(request, "/v1/locks")
    lease_s = asked.get("lease_s", elements.LEASE.total_seconds()) if isinstance(asked, dict) else None
    if asked is None:
        lease_s = elements.LEASE.total_seconds()
    if isinstance(lease_s, bool) or not isinstance(lease_s, int | float) or not 1 <= lease_s <= LONGEST_LEASE_S:
        raise Misused(f"lease_s is a number of seconds up to {LONGEST_LEASE_S}.", argument="lease_s")
    [found] = elements.lock(
        desk.library,
        [element_id],
        by=desk.caller.name,
        now=desk.now,
        seen_by=desk.seen_by,
        lease=timedelta(seconds=lease_s),
    )
    return Json({"id": element_id, **_lock(_there(found, element_id))})


@router.delete("/locks/{id:path}", status_code=204)
def unlock(id: str, request: Request, desk: Locking) -> Response:
    """Give an element back; an admin may break the lock of another."""
    element_id = _id(request, "/v1/locks")
    [found] = elements.unlock(
        desk.library, [element_id], by=desk.caller.name, now=desk.now, seen_by=desk.seen_by, breaks=desk.is_admin
    )
    _there(found, element_id)
    return Response(status_code=204)


@router.get("/comments/{id:path}")
def comments(id: str, request: Request, desk: Reading) -> Response:
    """What was said about an element, the oldest first."""
    element_id = _id(request, "/v1/comments")
    node = Every((Compare("#parent", "=", text=element_id), query.parsed("comment>=")))
    page = library_search.search(
        desk.library, node, now=desk.now, seen_by=desk.seen_by, sort=[("time", False)], limit=1000
    )
    found = elements.read(desk.library, page.ids, now=desk.now, seen_by=desk.seen_by)
    return Json({"comments": [document(one) for one in found if one and one.kind == "comment"]})


@router.post("/comments/{id:path}", status_code=201, openapi_extra=COMMENT)
def comment(id: str, request: Request, desk: Commenting, asked: Asked) -> Response:
    """Say something about an element: `comment`, which is text and never markup."""
    element_id, given = _id(request, "/v1/comments"), _object(asked)
    if not isinstance(given.get("comment"), str) or not given["comment"].strip():
        raise Misused("A comment is text.", argument="comment")
    [made] = publishing.comment(
        desk.library, [element_id], desk.allowed(given), by=desk.caller.name, now=desk.now, seen_by=desk.seen_by
    )
    return _told(_there(made, element_id), 201)


@router.get("/history/{id:path}")
def history(id: str, request: Request, desk: Reading, after: Annotated[int, Query(ge=0, le=2**62)] = 0) -> Response:
    """Everything that happened to an element, in order, a thousand at a time; it may be deleted by now."""
    element_id = _id(request, "/v1/history")
    if desk.seen_by is not None:
        _read(desk, element_id)
    found = element_events.after(desk.library, after, element_id=element_id)
    if not found and not after:
        raise _gone(element_id)
    return Json({"events": [event_document(one) for one in found]})


def document(one: Element) -> dict[str, Any]:
    """An element as these routes show it."""
    return {
        "id": one.id,
        "kind": one.kind,
        "rev": one.rev,
        "document": dict(one.document),
        "created_at": one.created_at.isoformat(),
        "updated_at": one.updated_at.isoformat(),
        "lock": _lock(one) if one.lock_owner else None,
    }


def event_document(one: ElementEvent) -> dict[str, Any]:
    """An event as these routes show it."""
    return {
        "sequence": one.sequence,
        "at": one.at.isoformat(),
        "actor": one.actor,
        "verb": one.verb,
        "id": one.element_id,
        "rev": one.rev,
        "changed": dict(one.data),
    }


def _lock(one: Element) -> dict[str, Any]:
    return {"owner": one.lock_owner, "until": one.lock_until.isoformat() if one.lock_until else None}


def _told(one: Element, status: int = 200) -> Response:
    return Json(document(one), status, headers={"ETag": f'"{one.rev}"'})


def _read(desk: Desk, element_id: str) -> Element:
    [found] = elements.read(desk.library, [element_id], now=desk.now, seen_by=desk.seen_by)
    return _there(found, element_id)


def _there(found: Found | None, element_id: str) -> Found:
    if found is None:
        raise _gone(element_id)
    return found


def _gone(element_id: str) -> Gone:
    return Gone(f"There is no element {element_id[:200]}.")


def _id(request: Request, prefix: str) -> str:
    return rules.checked_id(paths.decoded(paths.tail(request, prefix)))


def _object(asked: Any) -> dict[str, Any]:
    if not isinstance(asked, dict) or not asked:
        raise Misused("The body is a JSON object with at least one key.")
    return asked


def _revision(element_id: str, if_match: str | None) -> dict[str, int]:
    """Which revision a change is meant for; none when any will do."""
    sent = (if_match or "*").strip().removeprefix("W/").strip('"')
    if sent == "*":
        return {}
    if not (sent.isascii() and sent.isdigit() and len(sent) < 10):
        raise Misused('If-Match holds an ETag of ours: "3".', argument="If-Match")
    return {element_id: int(sent)}

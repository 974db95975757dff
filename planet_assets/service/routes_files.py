"""The tracker's routes about files: publish, comment, make a new version."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from planet_assets.exceptions import Gone, Misused
from planet_assets.library import publishing
from planet_assets.rules import elements as rules
from planet_assets.service import paths
from planet_assets.service.answers import Json, text
from planet_assets.service.desk import Desk, reply, shown
from planet_assets.service.routes_elements import ELEMENTS, Asked, asks, takes

router = APIRouter(default_response_class=Json, tags=["elements"])


@router.post("/api/publish", openapi_extra=takes(ELEMENTS))
@router.post("/api/publish/", include_in_schema=False)
def publish(desk: Annotated[Desk, asks("publish")], asked: Asked) -> Response:
    """Add files to what is shared: `_id` (a path), `comment`, `origin`; each gets a child that says how it was."""
    documents = [desk.allowed(one) for one in rules.unfolded(asked)]
    parents, children = publishing.publish(desk.library, documents, by=desk.caller.name, now=desk.now)
    return reply(shown([*parents, *children]), as_list=True, status=201, none=409)


@router.post("/api/comment", openapi_extra=takes({"type": "object"}))
@router.post("/api/comment/", include_in_schema=False)
def comment(desk: Annotated[Desk, asks("comment")], asked: Asked) -> Response:
    """Say something about elements: `#parent` (an id or several) and `comment`, which is text and never markup."""
    if not isinstance(asked, dict) or not isinstance(asked.get("comment"), str) or not asked["comment"].strip():
        raise Misused("A comment has a #parent and a comment, which is text.", argument="comment")
    parents = rules.ids_of(asked.get("#parent"))
    found = publishing.comment(
        desk.library, parents, desk.allowed(asked), by=desk.caller.name, now=desk.now, seen_by=desk.seen_by
    )
    return reply(shown(found), as_list=True, status=201)


@router.post("/api/version/{head:path}", openapi_extra=takes({"type": "object"}))
def version(head: str, request: Request, desk: Annotated[Desk, asks("version")], asked: Asked) -> Response:
    """Make a new version of a file: `file` says where it lies; what it was before stays as a child."""
    if not isinstance(asked, dict):
        raise Misused("A version is an object with a file.", argument="file")
    head_id = paths.decoded(paths.tail(request, "/api/version"))
    if not head_id:
        raise Misused("A version is of an element.", argument="_id")
    try:
        made = publishing.version(
            desk.library, head_id, desk.allowed(asked), by=desk.caller.name, now=desk.now, seen_by=desk.seen_by
        )
    except Gone:
        return text("Not Found", 404)
    return Json(made.as_dict(), 201)

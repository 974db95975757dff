"""The tracker's routes that find elements: by a line of text, or by a query as MongoDB takes it."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from planet_assets.exceptions import Misused
from planet_assets.library import search as library_search
from planet_assets.rules import query, query_mongo
from planet_assets.service import paths
from planet_assets.service.answers import Json
from planet_assets.service.desk import Desk
from planet_assets.service.routes_elements import Asked, asks, takes

router = APIRouter(default_response_class=Json, tags=["elements"])

Limit = Annotated[int | None, Query(ge=0, le=library_search.MOST_IDS)]
Offset = Annotated[int, Query(ge=0, le=10**9)]
Reading = Annotated[Desk, asks("read")]

MONGO = {
    "type": "object",
    "properties": {
        "query": {"type": "object"},
        "sort": {"type": "object"},
        "limit": {"type": "integer", "minimum": 0},
        "skip": {"type": "integer", "minimum": 0},
    },
}


@router.get("/api/search/{text:path}")
def search(text: str, request: Request, desk: Reading, limit: Limit = None, offset: Offset = 0) -> Response:
    """Ids of the elements that answer all terms: `type:scene cloud<0.2`. X-Total-Count says how many there are."""
    node = query.parsed(paths.decoded(paths.tail(request, "/api/search"), times=2))
    page = library_search.search(
        desk.library, node, now=desk.now, seen_by=desk.seen_by, limit=limit or None, offset=offset
    )
    return Json(page.ids, headers={"X-Total-Count": str(page.total)})


@router.get("/api/search", include_in_schema=False)
def search_nothing(desk: Reading) -> Response:
    """Nothing was asked for."""
    raise Misused("The search is empty.", argument="query")


@router.get("/api/search_one/{text:path}")
def search_one(text: str, request: Request, desk: Reading) -> Response:
    """The first element that answers all terms; null when none does."""
    node = query.parsed(paths.decoded(paths.tail(request, "/api/search_one"), times=2))
    found = library_search.first(desk.library, node, now=desk.now, seen_by=desk.seen_by)
    return Json(None if found is None else found.as_dict())


@router.get("/api/search_one", include_in_schema=False)
def search_one_nothing(desk: Reading) -> Response:
    """Nothing was asked for."""
    raise Misused("The search is empty.", argument="query")


@router.post("/api/search_mongo", openapi_extra=takes(MONGO))
@router.post("/api/search_mongo/", include_in_schema=False)
def search_mongo(desk: Reading, asked: Asked) -> Response:
    """How many elements answer, and their ids: `query`, `sort`, `limit` (0 is all), `skip`."""
    given = _object(asked)
    page = library_search.search(
        desk.library,
        query_mongo.parsed(given.get("query", {})),
        now=desk.now,
        seen_by=desk.seen_by,
        sort=query_mongo.sort_of(given.get("sort")),
        limit=_number(given, "limit") or None,
        offset=_number(given, "skip"),
    )
    return Json({"count": page.total, "ids": page.ids})


def _object(asked: Any) -> dict[str, Any]:
    if isinstance(asked, dict) and isinstance(asked.get("queryobj"), str):
        try:
            asked = json.loads(asked["queryobj"])
        except (ValueError, RecursionError):
            raise Misused("queryobj is not JSON.", argument="queryobj") from None
    if not isinstance(asked, dict):
        raise Misused("A search is an object with a query.", argument="query")
    return asked


def _number(given: dict[str, Any], name: str) -> int:
    value = given.get(name) or 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**9:
        raise Misused(f"{name} is a whole number.", argument=name)
    return value

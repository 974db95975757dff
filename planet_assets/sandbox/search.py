"""Searches: quick and saved, their pages by keyset tokens, and the statistics.

Source: contract 2.1 and 2.7; the token's form was decoded from Planet's notebooks, confirmed, and is opaque to clients.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from shapely.geometry import box, shape
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import answers, filters
from .life import Feature
from .products import ITEM_TYPE
from .world import World

_DEFAULT_PAGE = 250
_SORTS = {f"{name} {way}" for name in ("published", "acquired") for way in ("asc", "desc")}
_OTHER_ITEM_TYPES = {"SkySatCollect", "SkySatScene", "REOrthoTile", "REScene", "Landsat8L1G", "Sentinel2L1C"}
_INTERVALS = ("hour", "day", "week", "month", "year")
_ANYWHERE = box(-180, -90, 180, 90)


def matches(world: World, search: dict[str, Any]) -> list[Feature]:
    """Every record that matches now, unsorted."""
    if ITEM_TYPE not in search["item_types"]:
        return []
    test, where = filters.compiled(search["filter"]), filters.reach(search["filter"])
    area = filters.geometry(search["geometry"]) if search.get("geometry") else None
    if area:
        where = filters.narrowed(filters.Reach(area=area), where)
    wanted = set(search.get("asset_types") or ())
    shown = (world.show(feature) for feature in world.candidates(where, _ANYWHERE))
    return [
        feature
        for feature in shown
        if feature is not None
        and (area is None or shape(feature["geometry"]).intersects(area))
        and (not wanted or not wanted.isdisjoint(feature["assets"]))
        and test(feature)
    ]


def checked(body: Any, *, name: bool = False) -> dict[str, Any]:
    """A search request as it is kept.

    Raises:
        BadFilter: something is missing or malformed.
    """
    if not isinstance(body, dict):
        raise filters.BadFilter("filter", "The body is not a JSON object")
    for field in ("item_types", "filter", *(["name"] if name else [])):
        if not body.get(field):
            raise filters.BadFilter(field, "This field is required.")
    unknown = set(body["item_types"]) - _OTHER_ITEM_TYPES - {ITEM_TYPE}
    if unknown:
        raise filters.BadFilter("item_types", f"{', '.join(sorted(unknown))} is not a valid item type")
    filters.compiled(body["filter"])
    if body.get("geometry"):
        filters.geometry(body["geometry"])
    kept = ("name", "filter", "item_types", "geometry", "asset_types", "__daily_email_enabled")
    return {field: body[field] for field in kept if field in body}


def bad(error: filters.BadFilter) -> Response:
    """The 400 for a malformed search."""
    return answers.refusal(400, field={error.field: [str(error)]})


async def quick_search(request: Request) -> Response:
    """`POST /quick-search`: keeps the search and answers its first page."""
    world: World = request.app.state.world
    try:
        search = checked(await _body(request))
        size, sort = _page_parameters(request)
    except filters.BadFilter as error:
        return bad(error)
    identity = _keep(world, search, "quick")
    return await _page(request, identity, _token(size, sort))


async def results(request: Request) -> Response:
    """`GET /searches/{id}/results`: a page of a search."""
    world: World = request.app.state.world
    identity = request.path_params["id"]
    if identity not in world.kept.searches:
        return _no_search()
    try:
        token = request.query_params.get("_page") or _token(*_page_parameters(request))
        return await _page(request, identity, token)
    except filters.BadFilter as error:
        return bad(error)


async def searches(request: Request) -> Response:
    """`GET` and `POST /searches`: list the searches, or save one."""
    world: World = request.app.state.world
    if request.method == "POST":
        try:
            identity = _keep(world, checked(await _body(request), name=True), "saved")
        except filters.BadFilter as error:
            return bad(error)
        return answers.as_json(_shown(request, identity))
    kind = request.query_params.get("search_type", "any")
    rows = [_shown(request, i) for i, s in world.kept.searches.items() if kind in ("any", s["search_type"])]
    rows.sort(key=lambda row: str(row["created"]), reverse=not request.query_params.get("_sort", "").endswith("asc"))
    return answers.as_json({"_links": {"_self": str(request.url)}, "searches": rows})


async def one_search(request: Request) -> Response:
    """`GET`, `PUT` and `DELETE /searches/{id}`."""
    world: World = request.app.state.world
    identity = request.path_params["id"]
    if identity not in world.kept.searches:
        return _no_search()
    if request.method == "DELETE":
        del world.kept.searches[identity]
        world.save()
        return Response(status_code=204)
    if request.method == "PUT":
        try:
            changed = checked(await _body(request), name=True)
        except filters.BadFilter as error:
            return bad(error)
        world.kept.searches[identity] |= changed | {"updated": answers.stamp(world.now())}
        world.save()
    return answers.as_json(_shown(request, identity))


async def stats(request: Request) -> Response:
    """`POST /stats`: how many items match, by interval of acquisition."""
    world: World = request.app.state.world
    body = await _body(request)
    interval = body.get("interval") if isinstance(body, dict) else None
    if interval not in _INTERVALS:
        return answers.refusal(400, field={"interval": [f"Must be one of {', '.join(_INTERVALS)}"]})
    try:
        found = await asyncio.to_thread(matches, world, checked(body))
    except filters.BadFilter as error:
        return bad(error)
    counts = Counter(_bucket(answers.moment(f["properties"]["acquired"]), interval) for f in found)
    buckets = [{"start_time": f"{start:%Y-%m-%dT%H:%M:%S.%f}Z", "count": n} for start, n in sorted(counts.items())]
    return answers.as_json({"interval": interval, "utc_offset": body.get("utc_offset", "+0h"), "buckets": buckets})


async def _page(request: Request, identity: str, token: str) -> Response:
    """One page after the place the token names; `_next` is absent on the last one."""
    world: World = request.app.state.world
    search = world.kept.searches[identity]
    place = _read(token)
    name, descending, size = place["sort_by"], place["sort_desc"], place["page_size"]
    found = await asyncio.to_thread(matches, world, search)

    def key(feature: Feature) -> tuple[datetime, str]:
        return answers.moment(feature["properties"][name]), feature["id"]

    found.sort(key=key, reverse=descending)
    if place["sort_last_id"]:
        last = (answers.moment(place["sort_start"]), place["sort_last_id"])
        found = [f for f in found if (key(f) < last if descending else key(f) > last)]
    base = answers.origin(request)
    address = f"{base}/data/v1/searches/{identity}/results?_page="
    links = {"_first": address + _token(size, (name, descending)), "_self": address + token}
    if len(found) > size:
        end = found[size - 1]
        links["_next"] = address + _token(size, (name, descending), end["properties"][name], end["id"])
    search["last_executed"] = answers.stamp(world.now())
    features = [with_links(feature, base) for feature in found[:size]]
    return answers.as_json({"_links": links, "features": features, "type": "FeatureCollection"})


def with_links(feature: Feature, base: str) -> Feature:
    """The record with the links of its answer."""
    item = f"{base}/data/v1/item-types/{ITEM_TYPE}/items/{feature['id']}"
    return {"_links": {"_self": item, "assets": f"{item}/assets/", "thumbnail": f"{item}/thumb"}, **_without(feature)}


def _without(feature: Feature) -> Feature:
    return {name: value for name, value in feature.items() if name != "_links"}


def _token(size: int, sort: tuple[str, bool], start: str | None = None, last_id: str | None = None) -> str:
    place = {
        "page_size": size,
        "sort_by": sort[0],
        "sort_desc": sort[1],
        "sort_start": start,
        "sort_last_id": last_id,
        "sort_prev": False,
        "query_params": {},
    }
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read(token: str) -> dict[str, Any]:
    try:
        place = json.loads(base64.urlsafe_b64decode(token))
        return {name: place[name] for name in ("page_size", "sort_by", "sort_desc", "sort_start", "sort_last_id")}
    except (ValueError, KeyError, TypeError):
        raise filters.BadFilter("_page", "Not a valid page token")


def _page_parameters(request: Request) -> tuple[int, tuple[str, bool]]:
    sort = request.query_params.get("_sort", "published desc")
    if sort not in _SORTS:
        raise filters.BadFilter("_sort", f"{sort} is not a valid sort")
    size = request.query_params.get("_page_size", str(_DEFAULT_PAGE))
    if not size.isdigit() or int(size) < 1:
        raise filters.BadFilter("_page_size", "Must be a positive number")
    name, way = sort.split()
    return int(size), (name, way == "desc")


def _keep(world: World, search: dict[str, Any], kind: str) -> str:
    identity, now = secrets.token_hex(16), answers.stamp(world.now())
    times = {"created": now, "updated": now, "last_executed": None, "search_type": kind}
    with world.lock:
        world.kept.searches[identity] = {"__daily_email_enabled": False, **search, **times}
        world.save()
    return identity


def _shown(request: Request, identity: str) -> dict[str, Any]:
    search = request.app.state.world.kept.searches[identity]
    address = f"{answers.origin(request)}/data/v1/searches/{identity}"
    return {"id": identity, "_links": {"_self": address, "thumbnail": f"{address}/thumb"}, **search}


def _no_search() -> Response:
    return answers.refusal(404, "The requested search id does not exist")


async def _body(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        return None


def _bucket(when: datetime, interval: str) -> datetime:
    hour = when.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    starts = {
        "hour": hour,
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "year": day.replace(month=1, day=1),
    }
    return starts[interval]


routes = [
    Route("/data/v1/quick-search", quick_search, methods=["POST"]),
    Route("/data/v1/searches", searches, methods=["GET", "POST"]),
    Route("/data/v1/searches/{id}", one_search, methods=["GET", "PUT", "DELETE"]),
    Route("/data/v1/searches/{id}/results", results, methods=["GET"]),
    Route("/data/v1/stats", stats, methods=["POST"]),
]

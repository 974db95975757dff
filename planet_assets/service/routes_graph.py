"""The tracker's routes about edges: what leads to an element, what it leads to, and deleting it with them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from planet_assets.exceptions import Misused
from planet_assets.library import graphs
from planet_assets.library.graphs import Graph
from planet_assets.rules import elements as rules
from planet_assets.service import paths
from planet_assets.service.answers import Json
from planet_assets.service.desk import Desk, reply, shown
from planet_assets.service.routes_elements import IDS, Asked, asks, takes

router = APIRouter(default_response_class=Json, tags=["elements"])

Reading = Annotated[Desk, asks("read")]


@router.get("/api/graph/{depth}/{ids:path}")
def graph_path(depth: str, ids: str, request: Request, desk: Reading) -> Response:
    """Elements, the sources of edges that lead to them so many steps far (0: without end), and those edges."""
    return _whole(desk, *_asked(request, "/api/graph"))


@router.post("/api/graph/{depth}", openapi_extra=takes(IDS))
@router.post("/api/graph/{depth}/", include_in_schema=False)
def graph(depth: str, desk: Reading, asked: Asked) -> Response:
    """The same, with the ids in the body."""
    return _whole(desk, _depth(depth), rules.ids_of(asked))


@router.get("/api/graph_backwards/{depth}/{ids:path}")
def graph_backwards(depth: str, ids: str, request: Request, desk: Reading) -> Response:
    """Ids: the elements, the sources of edges that lead to them, and those edges."""
    return _ids_only(desk, *_asked(request, "/api/graph_backwards"), forwards=False)


@router.post("/api/graph_backwards/{depth}", openapi_extra=takes(IDS))
@router.post("/api/graph_backwards/{depth}/", include_in_schema=False)
def graph_backwards_of(depth: str, desk: Reading, asked: Asked) -> Response:
    """The same, with the ids in the body."""
    return _ids_only(desk, _depth(depth), rules.ids_of(asked), forwards=False)


@router.get("/api/graph_forwards/{depth}/{ids:path}")
def graph_forwards(depth: str, ids: str, request: Request, desk: Reading) -> Response:
    """Ids: the elements, the targets of edges that begin at them, and those edges."""
    return _ids_only(desk, *_asked(request, "/api/graph_forwards"), forwards=True)


@router.post("/api/graph_forwards/{depth}", openapi_extra=takes(IDS))
@router.post("/api/graph_forwards/{depth}/", include_in_schema=False)
def graph_forwards_of(depth: str, desk: Reading, asked: Asked) -> Response:
    """The same, with the ids in the body."""
    return _ids_only(desk, _depth(depth), rules.ids_of(asked), forwards=True)


@router.delete("/api/graphDelete", openapi_extra=takes(IDS))
@router.delete("/api/graphDelete/", include_in_schema=False)
def graph_delete(desk: Annotated[Desk, asks("delete")], asked: Asked) -> Response:
    """Delete elements and the edges that touch them; the reply holds all ids."""
    ids = rules.ids_of(asked)
    gone = graphs.delete(desk.library, ids, by=desk.caller.name, now=desk.now, seen_by=desk.seen_by)
    return reply(gone, as_list=True)


def _asked(request: Request, prefix: str) -> tuple[int, list[str]]:
    depth, _, sent = paths.tail(request, prefix).partition("/")
    ids = paths.ids(sent)
    if not ids:
        raise Misused("A graph begins at an element.", argument="_id")
    return _depth(depth), rules.checked_number(ids)


def _depth(sent: str) -> int:
    if not (sent.isascii() and sent.isdigit() and len(sent) < 10):
        raise Misused("The depth of a graph is a whole number; 0 is without end.", argument="depth")
    return int(sent)


def _walked(desk: Desk, depth: int, ids: list[str], *, forwards: bool) -> Graph:
    return graphs.walk(desk.library, ids, depth, forwards=forwards, now=desk.now, seen_by=desk.seen_by)


def _whole(desk: Desk, depth: int, ids: list[str]) -> Response:
    return _reply(_walked(desk, depth, ids, forwards=False), shown)


def _ids_only(desk: Desk, depth: int, ids: list[str], *, forwards: bool) -> Response:
    return _reply(_walked(desk, depth, ids, forwards=forwards), lambda found: [one and one.id for one in found])


def _reply(found: Graph, told: Any) -> Response:
    if all(one is None for one in found.asked):
        return reply([None], as_list=True)
    return reply(told([*found.asked, *found.nodes, *found.edges]), as_list=True)

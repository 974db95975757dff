"""Orders v2: create, get, list, cancel, statistics, and the download of results.

Source: contract 3 and 7b. Confirmed: states, links that live 24 hours and are made anew by each GET, the two hops of a
download, the messages of 404 and 409, a PUT that cancels only what is queued. Reported: 202, and 409 for too many
orders. Assumed: `error_hints` are said when the order is final; a cancelled order's charge stays.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from . import answers, order_list, order_rules, order_work, storage, tokens
from .order_asks import Refused
from .order_book import Order, State
from .world import World

ORDERS = "/compute/ops/orders/v2"
_LINK_LIFE = timedelta(hours=24)
_STORE = storage.PREFIX + "compute-orders-live"
_TOKEN_TYPE = "download-asset-stack"
_MESSAGES = {
    "queued": "Preparing order",
    "running": "Running order",
    "success": "Manifest delivery completed",
    "partial": "Manifest delivery completed",
    "failed": "Order failed",
    "cancelled": "Order cancelled",
}
_ECHOED = ("products", "tools", "metadata", "hosting", "subscription_id")


class _Lost(Response):
    """An answer that never arrives: the connection ends instead."""

    def __init__(self, world: World) -> None:
        super().__init__(status_code=202)
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        storage.hang_up(self._world, scope, reset=False)
        while (await receive())["type"] != "http.disconnect":
            pass


async def create(request: Request) -> Response:
    """`POST /orders/v2`: 202 and charged, or 400, or 409 when too many are under way."""
    world: World = request.app.state.world
    try:
        body = await request.json()
    except ValueError:
        body = None
    try:
        found = await asyncio.to_thread(order_rules.accepted, world, body)
    except Refused as refused:
        return refused.answer()
    with world.lock:
        if world.config.max_orders is not None and sum(world.orders.active().values()) >= world.config.max_orders:
            return answers.message(409, "Too many concurrent orders")
        refusal = order_rules.over_quota(world, found.pieces)
        if refusal:
            return refusal
        key = request.scope["state"]["key"]
        order = world.orders.place(body, found, key=key, user=world.user(key))
        world.bill.place(found.pieces, order_id=order.id, key=key, at=datetime.fromtimestamp(order.created, UTC))
    if world.orders.struck("answer-lost-on-create", [line["item_id"] for line in found.lines]) is not None:
        return _Lost(world)
    return answers.as_json(_shown(request, order, "queued"), 202)


async def one_order(request: Request) -> Response:
    """`GET /orders/v2/{id}`: the order, with links to its results once it is final."""
    order = _found(request)
    if order is None:
        return answers.message(404, f"Could not load order ID: {request.path_params['order_id']}.")
    world: World = request.app.state.world
    state = await world.orders.look(order)
    shown = _shown(request, order, state)
    if state in ("success", "partial"):
        shown["_links"]["results"] = await _results(request, order)
    return answers.as_json(shown)


async def listing(request: Request) -> Response:
    """`GET /orders/v2`: a page of orders, without results; `next` is absent on the last page."""
    world: World = request.app.state.world
    now = world.now().timestamp()
    orders = [order for order in list(world.orders.orders.values()) if order.listed <= now]
    rows = [_shown(request, order, world.orders.glance(order)) for order in orders]
    users = {order.id: order.user for order in orders}
    parameters = dict(request.query_params)
    try:
        found, marker = order_list.page(rows, parameters, users)
    except Refused as refused:
        return refused.answer()
    base = f"{answers.origin(request)}{ORDERS}"
    links = {"_self": f"{base}?{urlencode(parameters)}" if parameters else base}
    if marker:
        links["next"] = f"{base}?{urlencode(parameters | {'page_marker': marker})}"
    return answers.as_json({"_links": links, "orders": found})


async def cancel(request: Request) -> Response:
    """`PUT /orders/v2/{id}`: 200, 404, or 409 when it is no longer queued."""
    world: World = request.app.state.world
    order = _found(request)
    if order is None:
        return answers.message(404, f"No such order ID: {request.path_params['order_id']}.")
    if not world.orders.cancel(order):
        return answers.message(409, "Order not in a cancellable state")
    return answers.as_json(_shown(request, order, "cancelled"))


async def bulk_cancel(request: Request) -> Response:
    """`POST /bulk/orders/v2/cancel`: the orders named, or all that the user has queued."""
    world: World = request.app.state.world
    try:
        body = await request.json() if await request.body() else {}
        wanted = list(body.get("order_ids") or ())
    except (ValueError, AttributeError, TypeError):
        return Refused(order_ids="Must be a list of order ids").answer()
    user = world.user(request.scope["state"]["key"])
    mine = [order for order in list(world.orders.orders.values()) if order.user == user]
    wanted = wanted or [order.id for order in mine if world.orders.clocked(order) == "queued"]
    count, failures = 0, []
    for order_id in wanted:
        order = world.orders.orders.get(order_id)
        if order is None:
            failures.append({"order_id": order_id, "message": f"No such order ID: {order_id}."})
        elif not world.orders.cancel(order):
            failures.append({"order_id": order_id, "message": "Order not in a cancellable state"})
        else:
            count += 1
    failed = {"count": len(failures), "failures": failures}
    return answers.as_json({"result": {"succeeded": {"count": count}, "failed": failed}})


async def stats(request: Request) -> Response:
    """`GET /stats/orders/v2`: how many are under way."""
    world: World = request.app.state.world
    user = world.user(request.scope["state"]["key"])
    return answers.as_json({"organization": world.orders.active(), "user": world.orders.active(user)})


async def download(request: Request) -> Response:
    """`GET location`: 302 to the object store. Needs no key but the token."""
    world: World = request.app.state.world
    claims = tokens.claims(world, request.query_params.get("token", ""))
    if claims is None or claims["token_type"] != _TOKEN_TYPE:
        return answers.refusal(401, "Invalid token")
    about = {"place": "location", "path": request.url.path, "item": claims["assets"][0]}
    if claims["exp"] < world.now().timestamp() or world.faults.strike("expired-link", **about):
        return answers.refusal(403, "Token has expired")
    if world.faults.strike("redirect-loop", **about):
        return RedirectResponse(str(request.url), 302)
    return RedirectResponse(claims["url"], 302)


async def stored(world: World, request: Request) -> storage.Object | Response:
    """A file of an order in the store; reading it is free (confirmed)."""
    order_id, path = request.path_params["order_id"], request.path_params["path"]
    order = world.orders.orders.get(order_id)
    if order is None or world.orders.gone(order):
        return storage.no_such_key()
    files = await asyncio.wrap_future(world.orders.work(order))
    named = [file for file in files if file.path == path]
    if not named:
        return storage.no_such_key()
    annotations = named[0].annotations
    return storage.Object(
        path=world.orders.folder / order_id / "files" / path,
        md5=named[0].md5,
        name=path.rpartition("/")[2],
        modified=datetime.fromtimestamp(order.ends, UTC),
        about={
            "place": "storage",
            "path": request.url.path,
            "item": annotations.get("planet/item_id", ""),
            "asset_type": annotations.get("planet/asset_type", ""),
        },
    )


def _found(request: Request) -> Order | None:
    world: World = request.app.state.world
    return world.orders.orders.get(request.path_params["order_id"])


def _shown(request: Request, order: Order, state: State) -> dict[str, Any]:
    """An order as the API shows it, without results."""
    body = order.request
    final = state not in ("queued", "running", "cancelled")
    changed = {"queued": order.created, "running": order.starts, "cancelled": order.cancelled}.get(state, order.ends)
    return {
        "_links": {"_self": f"{answers.origin(request)}{ORDERS}/{order.id}"},
        "created_on": _moment(order.created),
        "delivery": body.get("delivery") or {},
        "error_hints": order.hints if final else [],
        "id": order.id,
        "last_message": _MESSAGES[state],
        "last_modified": _moment(changed or order.created),
        "name": body["name"],
        "notifications": body.get("notifications") or {},
        "order_type": body.get("order_type", "full"),
        "source_type": body.get("source_type", "scenes"),
        "state": state,
        **{name: body[name] for name in _ECHOED if name in body},
    }


async def _results(request: Request, order: Order) -> list[dict[str, Any]]:
    """Links to an order's files, made anew; their order is not fixed (reported)."""
    world: World = request.app.state.world
    if world.orders.gone(order) or not order.lines:
        return []
    files = [file for file in await asyncio.wrap_future(world.orders.work(order)) if not file.missing]
    random.Random(order.id).shuffle(files)
    expires = world.now() + _LINK_LIFE
    elsewhere = (order.request.get("delivery") or {}).get("destination")
    results = []
    for file in files:
        result: dict[str, Any] = {"name": f"{order.id}/{file.shown}", "delivery": "success"}
        if not elsewhere:
            result |= {"expires_at": answers.stamp(expires), "location": _location(request, order, file, expires)}
        results.append(result)
    return results


def _location(request: Request, order: Order, file: order_work.File, expires: datetime) -> str:
    world: World = request.app.state.world
    key = request.scope["state"]["key"]
    path = f"{_STORE}/{order.id}/{quote(file.path)}"
    life_s = _LINK_LIFE.total_seconds() - 1  # as the X-Goog-Expires of Planet's links says
    address = storage.signed(world, path, key=key, life_s=life_s)
    claims = {
        "aoi": "",
        "assets": [file.annotations.get("planet/item_id", "")],
        "exp": expires.timestamp(),
        "source": "Orders Service",
        "sub": key,
        "token_type": _TOKEN_TYPE,
        "url": answers.other_origin(request, world.storage_port) + address,
    }
    return f"{answers.origin(request)}/compute/ops/download/?token={tokens.minted(world, claims)}"


def _moment(seconds: float) -> str:
    return answers.stamp(datetime.fromtimestamp(seconds, UTC))


def routes(world: World) -> list[BaseRoute]:
    """The routes of the service and of its part of the store."""
    return [
        Route(ORDERS, create, methods=["POST"]),
        Route(ORDERS, listing, methods=["GET"]),
        Route(ORDERS + "/{order_id}", one_order, methods=["GET"]),
        Route(ORDERS + "/{order_id}", cancel, methods=["PUT"]),
        Route("/compute/ops/bulk/orders/v2/cancel", bulk_cancel, methods=["POST"]),
        Route("/compute/ops/stats/orders/v2", stats, methods=["GET"]),
        Route("/compute/ops/download", download, methods=["GET"]),
        Route("/compute/ops/download/", download, methods=["GET"]),
        Route(_STORE + "/{order_id}/{path:path}", storage.Storage(world, stored)),
    ]

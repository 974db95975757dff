"""The sandbox's own endpoints, under /sandbox: for tests and other processes, no key needed. Not Planet's."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import answers
from .faults import FAULTS
from .world import World

PREFIX = "/sandbox/"


def charges(world: World) -> list[dict[str, Any]]:
    """Every charge, in order."""
    return [asdict(charge) for charge in world.bill]


def state(world: World) -> dict[str, Any]:
    """The whole state at a glance."""
    now = world.now()
    return {
        "now": answers.stamp(now),
        "offset_s": world.kept.offset_s,
        "quota_km2": world.config.quota_km2,
        "used_km2": world.account.used_km2(now),
        "posted_km2": world.account.posted_km2(now),
        "billed_km2": world.bill.total_km2(),
        "activations": {name: asdict(each) for name, each in world.kept.activations.items()},
        "spends": world.account.spends,
        "orders": {each.id: world.orders.clocked(each) for each in list(world.orders.orders.values())},
        "faults": world.faults.listing(),
        "requests": len(world.requests),
    }


async def get_charges(request: Request) -> Response:
    """`GET /sandbox/charges`."""
    return answers.as_json(charges(request.app.state.world))


async def get_requests(request: Request) -> Response:
    """`GET /sandbox/requests`."""
    return answers.as_json(list(request.app.state.world.requests))


async def get_state(request: Request) -> Response:
    """`GET /sandbox/state`."""
    return answers.as_json(state(request.app.state.world))


async def post_clock(request: Request) -> Response:
    """`POST /sandbox/clock {"advance_s": 86400}`."""
    world: World = request.app.state.world
    world.advance(float((await request.json())["advance_s"]))
    return answers.as_json({"now": answers.stamp(world.now())})


async def faults(request: Request) -> Response:
    """`GET` lists, `POST {"name": ..., option: ...}` switches on, `DELETE` with or without a name switches off."""
    world: World = request.app.state.world
    if request.method == "GET":
        return answers.as_json({"on": world.faults.listing(), "known": FAULTS})
    body = await request.json() if await request.body() else {}
    if request.method == "DELETE":
        world.faults.switch_off(body.get("name"))
        return Response(status_code=204)
    try:
        world.faults.switch_on(body.pop("name", ""), **body)
    except ValueError as error:
        return answers.message(400, str(error))
    return answers.as_json({"on": world.faults.listing()})


async def post_reset(request: Request) -> Response:
    """`POST /sandbox/reset`."""
    request.app.state.world.reset()
    return Response(status_code=204)


async def post_spend(request: Request) -> Response:
    """`POST /sandbox/spend {"km2": 120, "name": "Explorer"}`: somebody else on the subscription spends."""
    world: World = request.app.state.world
    return answers.as_json(world.spend(**(await request.json())))


async def post_feature(request: Request) -> Response:
    """`POST /sandbox/features {"ref": "pl:features/my/C/F", "geometry": ...}`: an area for reservations and clips."""
    body = await request.json()
    request.app.state.world.feature(body["ref"], body["geometry"])
    return Response(status_code=204)


async def post_republish(request: Request) -> Response:
    """`POST /sandbox/republish {"item": ID}`: the item's files are made anew."""
    request.app.state.world.republish((await request.json())["item"])
    return Response(status_code=204)


async def post_key(request: Request) -> Response:
    """`POST /sandbox/key`: the first key is reset; the answer holds the new one."""
    return answers.as_json({"key": request.app.state.world.reset_key()})


routes = [
    Route("/sandbox/charges", get_charges, methods=["GET"]),
    Route("/sandbox/requests", get_requests, methods=["GET"]),
    Route("/sandbox/state", get_state, methods=["GET"]),
    Route("/sandbox/clock", post_clock, methods=["POST"]),
    Route("/sandbox/faults", faults, methods=["GET", "POST", "DELETE"]),
    Route("/sandbox/reset", post_reset, methods=["POST"]),
    Route("/sandbox/spend", post_spend, methods=["POST"]),
    Route("/sandbox/features", post_feature, methods=["POST"]),
    Route("/sandbox/republish", post_republish, methods=["POST"]),
    Route("/sandbox/key", post_key, methods=["POST"]),
]

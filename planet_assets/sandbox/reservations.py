"""Products and quota reservations, the newer half of the account service.

Source: contract 4.2. Confirmed by outputs in Planet's notebooks: `create` answers in m² and says `quota_remaining` as a
string, `estimate` answers in km² and does not take its own cost off; `aoi_refs` and `collection_id` exclude each other
and neither may be null; a reservation is never undone. Assumed: reserving an area again costs nothing more, an unknown
reference and too little quota are 400, the words for a job's progress.
"""

from __future__ import annotations

import calendar
from datetime import datetime
from typing import Any

from shapely.geometry import shape
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from . import account_pages as pages
from . import answers
from .billing import area_km2
from .world import World

PRODUCT_ID = 290378
LEAST_KM2 = 25.0
"""The product's minimum for one area."""
_ORGANIZATION = 776979
_BASE = "/account/v1/quota-reservations"
_JOB_S = 30.0
_M2_PER_KM2 = 1e6


class _Bad(Exception):
    """A request that is refused by 400."""


def used_km2(world: World) -> float:
    """Reserved by now, jobs that have ended included."""
    _settle(world)
    return float(sum(row["amount"] for row in world.kept.reservations))


async def my_products(request: Request) -> Response:
    """`GET my/products`: one product that takes reservations, and PlanetScope where it is a product."""
    world: World = request.app.state.world
    rows = products(world)
    wanted = request.query_params.get("supports_reservation")
    if wanted is not None:
        rows = [row for row in rows if row["supports_reservation"] == (wanted.lower() == "true")]
    return pages.page(request, rows, {})


def products(world: World) -> list[dict[str, Any]]:
    """The rows of `my/products`; newer accounts find PlanetScope's quota there, as posted."""
    now, config = world.now(), world.config
    last = calendar.monthrange(now.year, now.month)[1]
    found = [
        _product(
            now, PRODUCT_ID, "PS_ARPS_SR_DAILY_ALL_TIME", ["PS_ARD_SR_DAILY"], title="Analysis-Ready PlanetScope",
            quota_total=config.reservable_km2, quota_used=used_km2(world), supports_reservation=True,
            area={"op": "gte", "units": "sqkm", "value": LEAST_KM2, "description": "minimum area of one AOI"},
        )
    ]  # fmt: skip
    if config.scene_product:
        month = {
            "term_start_date": f"{now:%Y-%m}-01T00:00:00",
            "term_end_date": f"{now:%Y-%m}-{last}T23:59:59.999999",
        }
        row = _product(
            now, PRODUCT_ID + 12, "PS_SCENE_STANDARD", ["PSScene"], title="PlanetScope scenes",
            quota_total=config.quota_km2, quota_used=round(world.account.posted_km2(now), 6),
            unlimited_quota=config.quota_km2 is None, area=None, **month,
        )  # fmt: skip
        found.append(row)
    return found


def _product(
    now: datetime, number: int, name: str, resources: list[str], *, title: str, **values: Any
) -> dict[str, Any]:
    row = {
        "id": number,
        "name": name,
        "title": title,
        "description": title,
        "product_family": "planetscope",
        "state": "active",
        "organization_id": _ORGANIZATION,
        "resource_ids": resources,
        "quota_units": "sqkm",
        "unlimited_quota": False,
        "supports_reservation": False,
        "billable_id": f"prn:usage-api:bucket:{number}",
        "term_start_date": f"{now:%Y}-01-01T00:00:00",
        "term_end_date": f"{now.year + 1}-01-01T23:59:59.999999",
        "created_at": "2024-07-30T09:12:45.218000",
        "updated_at": f"{now:%Y-%m-%d}T00:00:00",
    }
    return row | values


async def reservations(request: Request) -> Response:
    """`GET` lists the reservations, `POST` makes some."""
    world: World = request.app.state.world
    if request.method == "GET":
        _settle(world)
        return pages.page(request, [_shown(request, row) for row in world.kept.reservations], request.query_params)
    try:
        references, _ = await _wanted(request)
        with world.lock:
            rows = _reserved(world, references, request.scope["state"]["key"])
    except _Bad as error:
        return answers.message(400, str(error))
    used, total = used_km2(world), world.config.reservable_km2
    return answers.as_json(
        {
            "quota_reservations": [{name: row[name] for name in ("id", "aoi_ref", "state")} for row in rows],
            "quota_remaining": str((total - used) * _M2_PER_KM2),
            "quota_total": total * _M2_PER_KM2,
            "quota_used": used * _M2_PER_KM2,
            "quota_units": "sqm",
            "url": f"{answers.origin(request)}{_BASE}/",
        }
    )


async def reservation(request: Request) -> Response:
    """`GET /quota-reservations/{id}`."""
    world: World = request.app.state.world
    _settle(world)
    found = [row for row in world.kept.reservations if row["id"] == request.path_params["id"]]
    return answers.as_json(_shown(request, found[0])) if found else answers.message(404, "Reservation not found")


async def estimate(request: Request) -> Response:
    """`POST /quota-reservations/estimate`: what a reservation would cost."""
    world: World = request.app.state.world
    try:
        references, _ = await _wanted(request)
    except _Bad as error:
        return answers.message(400, str(error))
    used = used_km2(world)
    held = {row["aoi_ref"] for row in world.kept.reservations}
    costs = [{"aoi_ref": r, "cost": _cost(world, r), "reserved": r in held} for r in references]
    return answers.as_json(
        {
            "estimated_costs": costs,
            "total_cost": sum(_cost(world, r) for r in references),
            "quota_remaining": world.config.reservable_km2 - used,
            "quota_total": world.config.reservable_km2,
            "quota_units": "sqkm",
        }
    )


async def bulk_reserve(request: Request) -> Response:
    """`POST /quota-reservations/bulk-reserve`: 201 and a job that reserves later."""
    world: World = request.app.state.world
    try:
        references, collection = await _wanted(request)
    except _Bad as error:
        return answers.message(400, str(error))
    asked = world.now().timestamp()
    with world.lock:
        job = {
            "id": str(8016 + len(world.kept.jobs)),
            "asked": asked,
            "ends": asked + _JOB_S * world.config.latency,
            "references": references,
            "collection_id": collection,
            "key": request.scope["state"]["key"],
            "outcome": None,
        }
        world.kept.jobs.append(job)
        world.save()
    return answers.as_json({"job_id": job["id"], "status": "pending"}, 201)


async def jobs(request: Request) -> Response:
    """`GET /quota-reservations/jobs`."""
    world: World = request.app.state.world
    _settle(world)
    return pages.page(request, [_job(world, job) for job in world.kept.jobs], request.query_params)


async def one_job(request: Request) -> Response:
    """`GET /quota-reservations/jobs/{id}`."""
    world: World = request.app.state.world
    _settle(world)
    found = [job for job in world.kept.jobs if job["id"] == request.path_params["id"]]
    return answers.as_json(_job(world, found[0])) if found else answers.message(404, "Job not found")


async def _wanted(request: Request) -> tuple[list[str], str | None]:
    """The references a request means, and the collection it named."""
    world: World = request.app.state.world
    try:
        body = await request.json()
        product = body.get("product_id")
    except (ValueError, AttributeError):
        raise _Bad("The body is not a JSON object")
    if product != PRODUCT_ID:
        raise _Bad(f"Product {product} does not support reservations")
    given = [name for name in ("aoi_refs", "collection_id") if name in body]
    if len(given) != 1 or not body[given[0]]:
        raise _Bad("Exactly one of aoi_refs and collection_id is required, and it may not be null")
    asked = body["aoi_refs"] if given == ["aoi_refs"] else [f"pl:features/my/{body['collection_id']}"]
    if not isinstance(asked, list):
        raise _Bad("aoi_refs is a list of references")
    found: list[str] = []
    for reference in map(str, asked):
        of_collection = [known for known in world.kept.features if known.startswith(f"{reference}/")]
        known = [reference] if reference in world.kept.features else of_collection
        if not known:
            raise _Bad(f"AOI {reference} could not be resolved")
        found += [each for each in known if each not in found]
    return found, body.get("collection_id")


def _cost(world: World, reference: str) -> float:
    return float(max(LEAST_KM2, area_km2(shape(world.kept.features[reference]))))


def _reserved(world: World, references: list[str], key: str, collection: str | None = None) -> list[dict[str, Any]]:
    """Reserve what is not reserved yet, all of it or nothing."""
    held = {row["aoi_ref"]: row for row in world.kept.reservations}
    new = {r: _cost(world, r) for r in references if r not in held}
    used = float(sum(row["amount"] for row in world.kept.reservations))
    if used + sum(new.values()) > world.config.reservable_km2:
        raise _Bad("Insufficient quota for this reservation")
    for reference, cost in new.items():
        now = _naive(world)
        held[reference] = {
            "id": 51200 + len(world.kept.reservations),
            "aoi_ref": reference,
            "collection_id": collection or reference.split("/")[2],
            "product_id": PRODUCT_ID,
            "organization_id": _ORGANIZATION,
            "user_id": world.user(key),
            "amount": cost,
            "state": "reserved",
            "created_at": now,
            "updated_at": now,
        }
        world.kept.reservations.append(held[reference])
    world.save()
    return [held[reference] for reference in references]


def _settle(world: World) -> None:
    """Let the jobs whose time has come do their reserving."""
    now = world.now().timestamp()
    with world.lock:
        for job in world.kept.jobs:
            if job["outcome"] is None and job["ends"] <= now:
                try:
                    _reserved(world, job["references"], job["key"], job["collection_id"])
                    job["outcome"] = "completed"
                except _Bad:
                    job["outcome"] = "failed"
                world.save()


def _job(world: World, job: dict[str, Any]) -> dict[str, Any]:
    total, now = len(job["references"]), world.now().timestamp()
    share = 1.0 if job["outcome"] else (now - job["asked"]) / max(job["ends"] - job["asked"], 1e-9)
    done = 0 if job["outcome"] == "failed" else int(total * share)
    return {
        "id": job["id"],
        "type": "quota:reserve",
        "status": job["outcome"] or ("in_progress" if done else "pending"),
        "percentage": round(100 * done / total, 1),
        "processed_items": done,
        "total_items": total,
        "collection_id": job["collection_id"],
        "organization_id": _ORGANIZATION,
        "product_access_id": PRODUCT_ID,
    }


def _shown(request: Request, row: dict[str, Any]) -> dict[str, Any]:
    return row | {"url": f"{answers.origin(request)}{_BASE}/{row['id']}"}


def _naive(world: World) -> str:
    return world.now().replace(tzinfo=None).isoformat()


def _both(path: str, handler: Any, methods: list[str]) -> list[BaseRoute]:
    """With and without a trailing slash (confirmed)."""
    return [Route(path, handler, methods=methods), Route(path + "/", handler, methods=methods)]


routes: list[BaseRoute] = [
    *_both("/account/v1/my/products", my_products, ["GET"]),
    *_both(_BASE, reservations, ["GET", "POST"]),
    *_both(_BASE + "/estimate", estimate, ["POST"]),
    *_both(_BASE + "/bulk-reserve", bulk_reserve, ["POST"]),
    *_both(_BASE + "/jobs", jobs, ["GET"]),
    *_both(_BASE + "/jobs/{id}", one_job, ["GET"]),
    *_both(_BASE + "/{id:int}", reservation, ["GET"]),
]

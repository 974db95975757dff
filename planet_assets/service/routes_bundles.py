"""Bundles over HTTP: declare what is sealed, send its components from where they stopped, finalize, fetch by ranges."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, Response

from planet_assets.exceptions import Conflict, Gone
from planet_assets.library import receiving
from planet_assets.model.bundle import Bundle, Component
from planet_assets.model.people import Caller
from planet_assets.rules.sealing import described
from planet_assets.service import shapes
from planet_assets.service.access import needs
from planet_assets.service.answers import Json
from planet_assets.service.bodies import json_body
from planet_assets.service.shapes import takes
from planet_assets.service.store import Store, store_of
from planet_assets.sites.incoming import Arrival, held_bytes, is_here

router = APIRouter(default_response_class=Json, tags=["bundles"])

Reader = Annotated[Caller, Depends(needs("read"))]
Sender = Annotated[Caller, Depends(needs("upload"))]
Body = Annotated[Any, Depends(json_body)]

_WRITE_BYTES = 1 << 20


@router.get("/v1/bundles")
def list_bundles(
    request: Request,
    caller: Reader,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    name: str | None = None,
) -> Response:
    """Bundles that are ready here, in the order of becoming so; `next` is the `after` of the next page."""
    store = store_of(request.app.state)
    rows = receiving.ready_at(store.library, store.site.id, after=after, limit=limit, name=_storable(name))
    found = [
        {"sequence": sequence, "ready_at": at.isoformat(), **store.document(bundle)} for sequence, at, bundle in rows
    ]
    return Json({"bundles": found, "next": rows[-1][0] if len(rows) == limit else None})


@router.post("/v1/bundles", openapi_extra=takes(shapes.BUNDLE))
def declare(request: Request, caller: Sender, body: Body) -> Response:
    """Say what a sealed bundle is made of; the reply says how much of it is here."""
    store, told = store_of(request.app.state), described(body)
    return Json(store.document(store.declare(told, by=caller.name)))


@router.get("/v1/bundles/{bundle_id}")
def show(bundle_id: str, request: Request, caller: Reader) -> Response:
    """One bundle, and how much of each component is here."""
    store = store_of(request.app.state)
    return Json(store.document(_found(store, bundle_id)))


@router.post("/v1/bundles/{bundle_id}/finalize")
def finalize(bundle_id: str, request: Request, caller: Sender) -> Response:
    """Make a bundle visible that has come whole; doing it twice is doing it once."""
    store = store_of(request.app.state)
    bundle = _found(store, bundle_id)
    store.finish(bundle)
    return Json(store.document(bundle))


@router.get("/v1/bundles/{bundle_id}/files/{component}")
def fetch(bundle_id: str, component: str, request: Request, caller: Reader) -> Response:
    """The bytes of a component of a bundle that is ready; ranges are answered."""
    store = store_of(request.app.state)
    bundle = _found(store, bundle_id)
    return file_of(store, bundle, store.component(bundle, component))


@router.put("/v1/uploads/{bundle_id}/{component}", openapi_extra=shapes.BYTES)
async def send(
    bundle_id: str,
    component: str,
    request: Request,
    caller: Sender,
    offset: Annotated[int, Query(ge=0, lt=2**63)] = 0,
) -> Response:
    """Take the bytes of a component from an offset on; what came stays when the connection ends early."""
    store = store_of(request.app.state)
    bundle = await run_in_threadpool(_found, store, bundle_id)
    one = store.component(bundle, component)
    if not await run_in_threadpool(_is_here, store, bundle, one):
        await take(store, bundle, one, request, offset)
    return Json({"held_bytes": await run_in_threadpool(held_bytes, store.folder, bundle, one)})


async def take(store: Store, bundle: Bundle, one: Component, request: Request, offset: int) -> None:
    """Write a request's body into a component.

    Raises:
        Conflict: the offset is beyond what is here, or the connection ended early.
        Corrupt: other bytes came than were sealed.
    """
    arrival = await run_in_threadpool(Arrival(store.folder, bundle, one, offset).__enter__)
    try:
        waiting = bytearray()
        async for block in request.stream():
            waiting += block
            if len(waiting) >= _WRITE_BYTES:
                await run_in_threadpool(arrival.take, bytes(waiting))
                waiting.clear()
        await run_in_threadpool(arrival.take, bytes(waiting))
        await run_in_threadpool(arrival.end)
    except ClientDisconnect:
        await run_in_threadpool(arrival.take, bytes(waiting))
        raise Conflict("The connection ended early.", hint="Go on at what is here.") from None
    finally:
        await run_in_threadpool(arrival.__exit__, None, None, None)


def file_of(store: Store, bundle: Bundle, one: Component) -> Response:
    """The bytes of a component.

    Raises:
        Gone: the bundle is not ready, or its file was taken away.
    """
    if not store.is_ready(bundle):
        raise Gone(f"{bundle.name} is not ready.", hint="It becomes visible when it has come whole.")
    path = store.folder.placed(bundle, one.name)
    if not path.is_file():
        raise Gone(f"{one.name} of {bundle.name} is not on the disk any more.")
    headers = {"ETag": f'"{one.sha256}"', "Content-Disposition": "attachment", "Cache-Control": "no-store"}
    return FileResponse(path, headers=headers, media_type="application/octet-stream")


def _found(store: Store, bundle_id: str) -> Bundle:
    if not (bundle_id.isascii() and bundle_id.isalnum()):
        raise Gone("There is no such bundle.")
    return receiving.find(store.library, bundle_id)


def _is_here(store: Store, bundle: Bundle, one: Component) -> bool:
    return is_here(store.folder, bundle, one)


def _storable(text: str | None) -> str | None:
    return None if text is None else text.replace("\0", "")

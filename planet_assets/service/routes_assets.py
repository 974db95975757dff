"""Assets as clients of methodic-research publish them: create, put bytes by links, finalize, approve, fetch by links.

The links are signed and need no token; they end after a day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from planet_assets.exceptions import Conflict, DiskProblem, Gone, Misused
from planet_assets.library import assets as records
from planet_assets.library.assets import Record
from planet_assets.model.people import Caller
from planet_assets.rules.permissions import sees_all
from planet_assets.service import assets, shapes
from planet_assets.service.access import needs
from planet_assets.service.answers import Json
from planet_assets.service.bodies import json_body
from planet_assets.service.routes_bundles import file_of
from planet_assets.service.shapes import takes
from planet_assets.service.store import Store, store_of

router = APIRouter(default_response_class=Json, tags=["assets"])

Reader = Annotated[Caller, Depends(needs("read"))]
Sender = Annotated[Caller, Depends(needs("upload"))]
Judge = Annotated[Caller, Depends(needs("approve"))]
Body = Annotated[Any, Depends(json_body)]
Expires = Annotated[int, Query(ge=0, lt=2**53)]

_WRITE_BYTES = 1 << 20


@router.get("/v1/public/client-config")
def client_config() -> Response:
    """Nothing that a client has to know beforehand."""
    return Json({})


@router.post("/v1/assets", openapi_extra=takes(shapes.ASSET))
def create(request: Request, caller: Sender, body: Body) -> Response:
    """Note an asset, and give out a link for each of its files."""
    store = store_of(request.app.state)
    record = assets.create(store, body, by=caller.name, now=store.clock.now())
    links = [
        {"component": None if record["is_single"] else name, "url": _link(request, store, record, "write", name)}
        for name in record["components"]
    ]
    return Json({"asset": assets.document(record), "upload_urls": links}, 201)


@router.get("/v1/assets")
def list_assets(
    request: Request,
    caller: Reader,
    asset_type: str | None = None,
    state: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Assets, the newest first."""
    store = store_of(request.app.state)
    wanted = {key: value for key, value in (("asset_type", asset_type), ("state", state)) if value is not None}
    found = [
        assets.document(one)
        for one in records.every(store.library)
        if all(one[key] == value for key, value in wanted.items()) and _may_see(request, caller, one)
    ]
    return Json({"assets": found[:limit]})


@router.get("/v1/assets/{asset_id}")
def show(asset_id: str, request: Request, caller: Reader, include_presigned: bool = False) -> Response:
    """One asset; with links to its files where that is asked and it is ready."""
    store, record = _seen(request, caller, asset_id)
    document = assets.document(record)
    if include_presigned and record["state"] == "ready":
        document["presigned_urls"] = _links(request, store, record, "read", record["components"])
    return Json(document)


@router.post("/v1/assets/{asset_id}/presign", openapi_extra=takes(shapes.PRESIGN, required=False))
def presign(asset_id: str, request: Request, caller: Reader, body: Body) -> Response:
    """Fresh links to read, or to write while the asset is not sealed."""
    store, record = _seen(request, caller, asset_id)
    told: Mapping[str, Any] = body if isinstance(body, dict) else {}
    operation, names = told.get("operation", "read"), told.get("components") or record["components"]
    if operation not in ("read", "write") or not isinstance(names, list):
        raise Misused("operation is read or write, components a list of names.")
    if unknown := [one for one in names if one not in record["components"]]:
        raise Gone(f"The asset has no {str(unknown[0])[:60]!r}.")
    if operation == "write":
        needs("upload")(request)
    elif record["state"] != "ready":
        raise Conflict("The asset is not ready.")
    return Json({"presigned_urls": _links(request, store, record, operation, names)})


@router.put("/v1/assets/{asset_id}/finalize", openapi_extra=takes(shapes.FILES, required=False))
def finalize(asset_id: str, request: Request, caller: Sender, body: Body) -> Response:
    """All files have come: ready, unless a reason is left. Asking twice is asking once."""
    store, record = _seen(request, caller, asset_id)
    return Json(assets.document(assets.finalize(store, record["id"], body)))


@router.put("/v1/assets/{asset_id}/approve")
def approve(asset_id: str, request: Request, caller: Judge) -> Response:
    """The review is done."""
    store, record = _seen(request, caller, asset_id)
    return Json(assets.document(assets.clear(store, record["id"], ["review_required"])))


@router.put("/v1/assets/{asset_id}/compiled")
def compiled(asset_id: str, request: Request, caller: Sender) -> Response:
    """What was to be compiled is compiled."""
    store, record = _seen(request, caller, asset_id)
    return Json(assets.document(assets.clear(store, record["id"], ["compile_pending"])))


@router.put("/v1/assets/{asset_id}/reject", openapi_extra=takes(shapes.REASON))
def reject(asset_id: str, request: Request, caller: Judge, body: Body) -> Response:
    """Give the asset up, with a reason."""
    reason = body.get("reason") if isinstance(body, dict) else None
    if not isinstance(reason, str) or not reason.strip():
        raise Misused("A rejection has a reason.", argument="reason")
    store, record = _seen(request, caller, asset_id)
    return Json(assets.document(assets.reject(store, record["id"], reason, now=store.clock.now())))


@router.put("/v1/uploads/asset/{asset_id}/{component:path}", openapi_extra=shapes.BYTES)
async def put_file(asset_id: str, component: str, request: Request, expires: Expires, signature: str) -> Response:
    """Take the bytes of a file by a link; sending them again is safe."""
    store = store_of(request.app.state)
    now = store.clock.now()
    record = await run_in_threadpool(assets.checked_link, store, asset_id, component, "write", expires, signature, now)
    upload = await run_in_threadpool(assets.begin, store, record, component)
    try:
        sha256 = await _received(upload, request)
        await run_in_threadpool(assets.end, store, record, component, upload, sha256)
    finally:
        upload.path.unlink(missing_ok=True)
    return Json({"component": component, "sha256": sha256})


@router.get("/v1/uploads/asset/{asset_id}/{component:path}")
def get_file(asset_id: str, component: str, request: Request, expires: Expires, signature: str) -> Response:
    """The bytes of a file by a link; ranges are answered."""
    store = store_of(request.app.state)
    record = assets.checked_link(store, asset_id, component, "read", expires, signature, store.clock.now())
    bundle, by_name = assets.bundle_of(store, record)
    return file_of(store, bundle, by_name[component])


async def _received(upload: assets.Upload, request: Request) -> str:
    digest, out = hashlib.sha256(), await run_in_threadpool(upload.path.open, "xb")
    try:
        waiting = bytearray()
        async for block in request.stream():
            digest.update(block)
            waiting += block
            if len(waiting) >= _WRITE_BYTES:
                await run_in_threadpool(out.write, bytes(waiting))
                waiting.clear()
        await run_in_threadpool(out.write, bytes(waiting))
    except ClientDisconnect:
        raise Conflict("The connection ended early.", hint="Send the file again.") from None
    except OSError as error:
        raise DiskProblem(f"The file cannot be kept: {error.strerror}.") from None
    finally:
        await run_in_threadpool(out.close)
    return digest.hexdigest()


def _seen(request: Request, caller: Caller, asset_id: str) -> tuple[Store, Record]:
    store = store_of(request.app.state)
    if not (asset_id.isascii() and asset_id.isalnum()):
        raise Gone("There is no such asset.")
    record = records.get(store.library, asset_id)
    if not _may_see(request, caller, record):
        raise Gone("There is no such asset.")
    return store, record


def _may_see(request: Request, caller: Caller, record: Record) -> bool:
    return sees_all(caller, author_mode=request.app.state.options.author_mode) or record["by"] == caller.name


def _links(
    request: Request, store: Store, record: Record, operation: str, names: Sequence[str]
) -> dict[str, dict[str, str]]:
    return {name: {"url": _link(request, store, record, operation, name)} for name in names}


def _link(request: Request, store: Store, record: Record, operation: str, component: str) -> str:
    expires = int(store.clock.now().timestamp()) + assets.LINK_S
    signed = assets.signature(record, operation, component, expires)
    path = f"v1/uploads/asset/{record['id']}/{quote(component, safe='/')}"
    return f"{request.base_url}{path}?{urlencode({'expires': expires, 'signature': signed})}"

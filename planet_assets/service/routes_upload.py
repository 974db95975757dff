"""The tracker's routes for the bytes of files: take them, and give them out; each is a blob behind an element."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

from planet_assets.exceptions import Misused, NotAllowed
from planet_assets.library import elements
from planet_assets.rules.permissions import allowed
from planet_assets.service import paths
from planet_assets.service.answers import Json, text
from planet_assets.service.desk import Desk
from planet_assets.service.routes_elements import asks
from planet_assets.transfer import blobs

router = APIRouter(default_response_class=Json, tags=["files"])

BYTES: dict[str, Any] = {
    "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}
NONE = "No files are taken here: the service was started without --files."


@router.put("/api/upload/{path:path}", openapi_extra=BYTES)
@router.post("/api/upload/{path:path}", include_in_schema=False)
async def upload(path: str, request: Request, desk: Annotated[Desk, asks("upload")]) -> Response:
    """Take a file: as the body, or as the field `file` of a form. Its element gets `file_size` and `sha256`."""
    return await _take(request, desk, paths.decoded(paths.tail(request, "/api/upload")))


@router.post("/api/upload", include_in_schema=False)
async def upload_form(request: Request, desk: Annotated[Desk, asks("upload")]) -> Response:
    """Take a file of a form, whose field `path` (or `_id`) names it."""
    return await _take(request, desk, "")


@router.get("/api/file/{path:path}")
def download(path: str, request: Request, desk: Annotated[Desk, asks("read")]) -> Response:
    """The bytes of a file that was uploaded."""
    folder = desk.options.files
    if folder is None:
        return text(NONE, 501)
    element_id = paths.decoded(paths.tail(request, "/api/file"))
    [found] = elements.read(desk.library, [element_id], now=desk.now, seen_by=desk.seen_by)
    sha256 = found.document.get("sha256") if found else None
    if not isinstance(sha256, str) or len(sha256) != 64 or not sha256.isalnum():
        return text("Not Found", 404)
    blob = blobs.path_of(folder, sha256)
    if not blob.is_file():
        return text("Not Found", 404)
    name = element_id.rstrip("/").rsplit("/", 1)[-1]
    return FileResponse(blob, media_type="application/octet-stream", filename=name, headers={"ETag": f'"{sha256}"'})


@router.get("/api/lostPassword/{email}", include_in_schema=False)
@router.post("/api/resetPassword/{token}", include_in_schema=False)
def by_mail() -> Response:
    """No mail is sent from here; an admin gives new passwords."""
    return text("Passwords are not sent by mail here; ask an admin for a new one.", 501)


async def _take(request: Request, desk: Desk, element_id: str) -> Response:
    folder = desk.options.files
    if folder is None:
        return text(NONE, 501)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _received(request, desk, folder, element_id)
    async with request.form(max_files=1, max_fields=10) as form:
        sent = form.get("file")
        named = element_id or form.get("path") or form.get("_id")
        if not isinstance(sent, UploadFile) or not isinstance(named, str):
            raise Misused("A form has a file and the path it is to have.", argument="file")
        return await run_in_threadpool(_copied, sent, desk, folder, named)


async def _received(request: Request, desk: Desk, folder: Path, element_id: str) -> Response:
    await run_in_threadpool(_checked, desk, element_id)
    with blobs.receiving(folder) as incoming:
        async for block in request.stream():
            await run_in_threadpool(incoming.write, block)
        sha256 = await run_in_threadpool(incoming.keep)
    return await run_in_threadpool(_noted, desk, element_id, sha256, incoming.size_bytes)


def _copied(sent: UploadFile, desk: Desk, folder: Path, element_id: str) -> Response:
    _checked(desk, element_id)
    with blobs.receiving(folder) as incoming:
        while block := sent.file.read(1 << 20):
            incoming.write(block)
        sha256 = incoming.keep()
    return _noted(desk, element_id, sha256, incoming.size_bytes)


def _checked(desk: Desk, element_id: str) -> None:
    """Refuse before anything is written what could not be noted afterwards."""
    if not element_id.startswith("/") or element_id.endswith("/"):
        raise Misused("An uploaded file has a path, from a slash.", argument="path")
    [known] = elements.read(desk.library, [element_id], now=desk.now)
    if known is not None:
        if not allowed("update", desk.caller):
            raise NotAllowed("Forbidden", hint="The file is there already; replacing it takes an editor.")
        elements.refuse_locked({element_id: known}, desk.caller.name)


def _noted(desk: Desk, element_id: str, sha256: str, size_bytes: int) -> Response:
    document = {"_id": element_id, "file": element_id, "file_size": size_bytes, "sha256": sha256}
    [(element, created)] = elements.upsert(
        desk.library, [document], by=desk.caller.name, now=desk.now, seen_by=desk.seen_by
    )
    return Json(element.as_dict(), 201 if created else 200)

"""The object store behind the redirect, on an origin of its own: bytes, ranges, and all that can go wrong with them.

Source: status 206 on the storage address, the headers and the refusal of HEAD are reported; the signed address has the
form of Google Cloud Storage, whose ETag of a plain object is its md5 in quotes (Google's documentation, confirmed).
A charge falls due with the first byte of a body: see billing.py.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hmac
import re
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import urlencode

from shapely.geometry import shape
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from . import activation, answers
from .billing import Start
from .faults import Fault
from .imagery import file_name
from .products import ITEM_TYPE
from .world import World

PREFIX = "/storage/"
_CHUNK_BYTES = 1 << 20
_BUCKET = PREFIX + "planet-ondemand/{item_type}/{item_id}/{asset_type}"
_STAMP = "%Y%m%dT%H%M%SZ"
_TYPES = {
    ".tif": "image/tiff",
    ".xml": "application/xml",
    ".json": "application/json",
    ".zip": "application/zip",
}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_IN_BODY = ("cut", "stall", "reset", "flip", "slow", "truncate-no-length")


def asset_path(item_id: str, asset_type: str) -> str:
    """Where an asset's file lies in the store."""
    return _BUCKET.format(item_type=ITEM_TYPE, item_id=item_id, asset_type=asset_type)


def signed(world: World, path: str, *, key: str, life_s: float) -> str:
    """A path of the store and its query: a fresh storage link."""
    query = {
        "X-Goog-Algorithm": "GOOG4-HMAC-SHA256",
        "X-Goog-Date": world.now().strftime(_STAMP),
        "X-Goog-Expires": str(int(life_s)),
        "user": key,
        "link": secrets.token_hex(8),
    }
    return f"{path}?{urlencode(query | {'X-Goog-Signature': _signature(world, path, query)})}"


@dataclass(kw_only=True)
class Object:
    """A file in the store, as a link names it."""

    path: Path
    md5: str
    name: str
    """What Content-Disposition calls it."""
    modified: datetime
    about: dict[str, str]
    """Where faults find it."""
    start: Start | None = None
    """What its first byte may cost; None is nothing."""


Find = Callable[[World, Request], Awaitable[Object | Response]]
"""From a request whose signature is good to the object, or to the store's refusal."""


@dataclass(kw_only=True)
class _Body:
    """An answer that is about to flow."""

    status: int
    path: Path
    start: int
    """First byte of the file to send."""
    length: int
    """How many bytes to send."""
    headers: dict[str, str]
    faults: dict[str, Fault] = field(default_factory=dict)
    """What strikes in mid-body, by name."""

    def stop_at(self, name: str) -> int | None:
        """After how many bytes a fault strikes, None when it does not."""
        fault = self.faults.get(name)
        if fault is None:
            return None
        return self.length // 2 if fault.after is None else min(fault.after, self.length)


class Storage:
    """Serves one object. An ASGI application, because faults need the connection itself."""

    def __init__(self, world: World, find: Find) -> None:
        self._world = world
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or charge and pour."""
        request, world = Request(scope, receive), self._world
        found = self._refused(request) or await self._find(world, request)
        if isinstance(found, Object) and world.faults.strike("html-200", **found.about):
            found = answers.html(200, "Welcome to the guest network")
        if isinstance(found, Response):
            await found(scope, receive, send)
            return
        body = await self._body(request, found)
        if isinstance(body, Response):
            await body(scope, receive, send)
            return
        for name in _IN_BODY:
            fault = world.faults.strike(name, **found.about)
            if fault:
                body.faults[name] = fault
        resumes = body.start > 0 and request.headers.get("if-range") == body.headers["ETag"]
        start = replace(found.start, resumes=resumes) if found.start else None
        await self._pour(scope, send, body, start)

    def _refused(self, request: Request) -> Response | None:
        """The object store's refusals of a link, in its own words."""
        world, query = self._world, dict(request.query_params)
        signature = query.pop("X-Goog-Signature", "")
        if request.method != "GET" or not hmac.compare_digest(signature, _signature(world, request.url.path, query)):
            return answers.storage_error(403, "SignatureDoesNotMatch", "The signature does not match the request.")
        minted = datetime.strptime(query["X-Goog-Date"], _STAMP).replace(tzinfo=UTC)
        if (world.now() - minted).total_seconds() > float(query["X-Goog-Expires"]):
            return answers.storage_error(400, "ExpiredToken", "The provided token has expired.")
        return None

    async def _body(self, request: Request, found: Object) -> _Body | Response:
        """Which bytes are due: all (200), a part (206), or none (416)."""
        world, about, path, headers = self._world, found.about, found.path, _object_headers(found)
        size = path.stat().st_size
        if world.faults.strike("hostile-name", **about):
            headers["Content-Disposition"] = 'attachment; filename="../../hostile.tif"'
        if world.faults.strike("gzip", **about):
            packed = await asyncio.to_thread(_gzipped, path)
            headers |= {"Content-Encoding": "gzip"}
            return _Body(status=200, path=packed, start=0, length=packed.stat().st_size, headers=headers)
        wanted = _range(request, size, headers)
        if wanted is None or world.faults.strike("range-ignored", **about):
            return _Body(status=200, path=path, start=0, length=size, headers=headers)
        first, last = wanted
        if first > last:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
        if world.faults.strike("wrong-content-range", **about) and first > 0:
            first, last = first - 1, last - 1
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        return _Body(status=206, path=path, start=first, length=last - first + 1, headers=headers)

    async def _pour(self, scope: Scope, send: Send, body: _Body, start: Start | None) -> None:
        """Send the head and the bytes; the charge falls between them."""
        headers = dict(body.headers)
        truncated = body.stop_at("truncate-no-length")
        if truncated is None:
            headers["Content-Length"] = str(body.length)
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": body.status, "headers": raw})
        if start:
            self._world.bill.start(start)
        sent, flip = 0, body.stop_at("flip")
        stops = {name: body.stop_at(name) for name in ("cut", "stall", "reset")}
        end = min([body.length, *(at for at in (truncated, *stops.values()) if at is not None)])
        for chunk in _chunks(body.path, body.start, end, small="slow" in body.faults):
            if flip is not None and sent <= flip < sent + len(chunk):
                chunk = chunk[: flip - sent] + bytes([chunk[flip - sent] ^ 0xFF]) + chunk[flip - sent + 1 :]
            if "slow" in body.faults:
                await asyncio.sleep(len(chunk) / body.faults["slow"].rate)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            sent += len(chunk)
        if stops["stall"] is not None:
            await asyncio.sleep(body.faults["stall"].seconds)
        if any(at is not None for at in stops.values()):
            hang_up(self._world, scope, reset=stops["reset"] is not None)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def hang_up(world: World, scope: Scope, *, reset: bool) -> None:
    """End the connection before the answer is whole: politely (FIN), or by RST."""
    wire = world.wires.get(tuple(scope.get("client") or ()))
    if wire is None:
        raise ConnectionError("cut by a fault")
    if not reset:
        wire.close()
        return
    wire.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.abort()


async def asset_object(world: World, request: Request) -> Object | Response:
    """The file of an asset; its first byte costs."""
    item_id, asset_type = request.path_params["item_id"], request.path_params["asset_type"]
    feature = world.item(item_id)
    if feature is None or asset_type not in feature["assets"]:
        return no_such_key()
    about = {"place": "storage", "path": request.url.path, "item": item_id, "asset_type": asset_type}
    held = world.kept.activations.get(activation.key(feature, asset_type))
    if held and (held.sick or world.faults.strike("link-400", **about)):
        held.sick = True
        return answers.storage_error(400, "InvalidArgument", "Invalid argument.")
    path, md5 = await asyncio.wrap_future(world.file(feature, asset_type))
    start = Start(
        item_id=item_id,
        asset_type=asset_type,
        edition=world.edition(feature),
        footprint=shape(feature["geometry"]),
        link_id=request.query_params["link"],
        resumes=False,
        key=request.query_params["user"],
        at=world.now(),
    )
    modified = answers.moment(feature["properties"]["published"])
    name = file_name(item_id, asset_type)
    return Object(path=path, md5=md5, name=name, modified=modified, about=about, start=start)


def no_such_key() -> Response:
    """The store's 404."""
    return answers.storage_error(404, "NoSuchKey", "The specified key does not exist.")


def _object_headers(found: Object) -> dict[str, str]:
    return {
        "Content-Type": _TYPES.get(Path(found.name).suffix, "application/octet-stream"),
        "Content-Disposition": f'attachment; filename="{found.name}"',
        "Accept-Ranges": "bytes",
        "ETag": f'"{found.md5}"',
        "x-goog-hash": f"md5={base64.b64encode(bytes.fromhex(found.md5)).decode()}",
        "Last-Modified": format_datetime(found.modified.astimezone(UTC), usegmt=True),
    }


def _range(request: Request, size: int, headers: dict[str, str]) -> tuple[int, int] | None:
    """First and last byte asked for, reversed when there are none such; None for the whole file."""
    condition = request.headers.get("if-range")
    if condition is not None and condition not in (headers["ETag"], headers["Last-Modified"]):
        return None
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if not found or found[0] == "bytes=-":
        return None
    if not found[1]:
        first, last = max(0, size - int(found[2])), size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
        if found[2] and int(found[2]) < first:
            return None
    return first, last


def _chunks(path: Path, start: int, length: int, *, small: bool) -> Iterator[bytes]:
    """`length` bytes of a file from `start`, piece by piece."""
    step = 8192 if small else _CHUNK_BYTES
    with path.open("rb", buffering=0) as body:
        body.seek(start)
        while length > 0:
            chunk = body.read(min(step, length))
            if not chunk:
                return
            length -= len(chunk)
            yield chunk


def _gzipped(path: Path) -> Path:
    """The file packed, made beside it once."""
    packed = path.with_name(path.name + ".gz")
    if not packed.exists():
        part = packed.with_name(packed.name + secrets.token_hex(4))
        part.write_bytes(gzip.compress(path.read_bytes(), 1))
        part.replace(packed)
    return packed


def _signature(world: World, path: str, query: dict[str, str]) -> str:
    return hmac.new(world.kept.secret.encode(), f"{path}?{urlencode(query)}".encode(), "sha256").hexdigest()


async def foreign(request: Request) -> Response:
    """Another host that a redirect leads to. The request log says whether credentials came along."""
    return answers.as_json({"message": "a foreign host"})


def routes(world: World) -> list[BaseRoute]:
    """The routes of the second origin."""
    return [Route(_BUCKET, Storage(world, asset_object)), Route("/foreign", foreign)]

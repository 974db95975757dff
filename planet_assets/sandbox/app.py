"""The sandbox as an ASGI application: the routes, and the gate that every request passes (log, faults, key, pace)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import account, answers, control, coverage, data, delivery, orders, reservations, search, storage, tokens
from .config import SandboxConfig
from .world import World

__all__ = ["SandboxConfig", "create_app"]

_DOWNLOADS = ("/data/v1/download", "/compute/ops/download", "/compute/ops/download/")
_OPEN = ("/compute/ops/bundles/spec", "/foreign", *_DOWNLOADS)
_PACES = (
    # requests per second and key, by "METHOD path". Source: Planet notebook and orders documentation, confirmed;
    # quota reservations have no limit (confirmed)
    ("activation", 5.0, re.compile(r"\w+ /data/v1/assets/[^/]+/activate")),
    ("download", 15.0, re.compile(r"\w+ /data/v1/download")),
    ("order create", 3.0, re.compile(r"POST /compute/ops/orders/v2")),
    ("order list", 3.0, re.compile(r"GET /compute/ops/orders/v2")),
    ("order get", 3.0, re.compile(r"GET /compute/ops/orders/v2/.*")),
    ("order cancel", 3.0, re.compile(r"PUT /compute/ops/orders/v2/.*")),
    ("order download", 5.0, re.compile(r"\w+ /compute/ops/download/?")),
    ("order bulk", 5.0, re.compile(r"\w+ /compute/ops/bulk/.*")),
    ("order stats", 5.0, re.compile(r"\w+ /compute/ops/stats/.*")),
    ("other", 10.0, re.compile(r"\w+ /((data|auth|compute)/.*|account/v1/my/.*)")),
)
_PROXY_PAGES = {"502": "Bad Gateway", "503": "Service Unavailable", "504": "Gateway Timeout"}


def create_app(config: SandboxConfig) -> Starlette:
    """The application of one sandbox. Its `state.world` is to be closed by the caller."""
    world = World(config)
    routes = [
        *data.routes,
        *coverage.routes,
        *search.routes,
        *delivery.routes,
        *account.routes,
        *reservations.routes,
        *control.routes,
        *orders.routes(world),
        *storage.routes(world),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Gate, world=world)])
    app.router.redirect_slashes = False
    app.state.world = world
    return app


class Gate:
    """What stands before every request."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log the request, and either refuse it or pass it on."""
        if scope["type"] != "http" or scope["path"].startswith(control.PREFIX):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        key = _key(request)
        digest = hashlib.sha256((key or "").encode()).hexdigest()[:12] if key else ""
        scope.setdefault("state", {})["key"] = digest
        entry = self._entry(request, digest)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
            else:
                entry["bytes"] += len(message.get("body", b""))
            await send(message)

        answer = self._refused(request, key, digest) or self._struck(request)
        await (answer or self._app)(scope, receive, noted)

    def _entry(self, request: Request, digest: str) -> dict[str, Any]:
        entry = {
            "time": answers.stamp(self._world.now()),
            "method": request.method,
            "path": request.url.path,
            "origin": f"{request.url.hostname}:{request.url.port}",
            "status": None,
            "bytes": 0,
            "range": request.headers.get("range"),
            "key": digest,
            "credentials": "authorization" in request.headers,
        }
        self._world.requests.append(entry)
        return entry

    def _refused(self, request: Request, key: str | None, digest: str) -> Response | None:
        """The gateway's refusals: no key, too fast."""
        path = request.url.path
        if request.method == "HEAD" and path in _DOWNLOADS:
            return Response(status_code=405)
        if path.startswith(storage.PREFIX):
            return None
        if path not in _OPEN and not self._world.admits(key):
            return answers.no_key()
        who = digest or tokens.owner(self._world, request.query_params.get("token", ""))
        for kind, per_second, paths in _PACES:
            if paths.fullmatch(f"{request.method} {path}"):
                wait = self._world.wait_s(who, kind, per_second)
                later = str(math.floor(wait)) if self._world.config.retry_after else None
                return answers.too_fast(wait, later) if wait else None
        return None

    def _struck(self, request: Request) -> Response | None:
        """The faults that strike before a request is even looked at."""
        path, strike = request.url.path, self._world.faults.strike
        stored = path.startswith(storage.PREFIX)
        where = {"place": "storage" if stored else "location" if path in _DOWNLOADS else "api", "path": path}
        if path == "/foreign":
            return None
        if fault := strike("429-storm", **where):
            return answers.too_fast(0.2, fault.retry_after)
        if fault := strike("status", **where):
            later = {"Retry-After": fault.retry_after} if fault.retry_after else None
            return Response("", fault.status, later)
        if strike("http-500", **where):
            return answers.message(500, "Internal Server Error")
        for name, title in _PROXY_PAGES.items():
            if strike(name, **where):
                return answers.html(int(name), title)
        if not stored and strike("html-200", **where):
            return answers.html(200, "Welcome to the guest network")
        if strike("malformed-json", **where):
            return Response('{"type": "FeatureCollection", "features": [{"id": "2022', media_type="application/json")
        if strike("redirect-foreign", **where):
            return RedirectResponse(answers.other_origin(request, self._world.storage_port) + "/foreign", 302)
        return None


def _key(request: Request) -> str | None:
    """The API key of a request, in any of its forms. Source: contract 1, confirmed."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return None
    if scheme.lower() in ("api-key", "bearer"):
        return value.strip()
    if request.url.path.endswith("/thumb"):
        return request.query_params.get("api_key")
    return None

"""What stands before every route: limits of a body, a clock for stalled clients, foreign pages, and safe headers."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from planet_assets.service.options import ServiceOptions

UPLOADS = ("/api/upload", "/v1/upload")
"""Paths that take the bytes of files."""

HEADERS = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        b"font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
"""Set where a route has not said otherwise."""


class Guard:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp, options: ServiceOptions) -> None:
        self.app = app
        self.options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it before anything has read it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if reason := self._stranger(headers):
            await _refuse(scope, send, 403, reason)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        most = self.options.upload_bytes if scope["path"].startswith(UPLOADS) else self.options.body_bytes
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > most:
            await _refuse(scope, send, 413, f"A body may have {most:,} bytes.")
            return
        await self.app(scope, self._measured(receive, most), _with_headers(send))

    def _stranger(self, headers: MutableMapping[bytes, bytes]) -> str:
        """Why a request comes from somebody else's page; empty when it does not."""
        host = headers.get(b"host", b"").decode("latin-1")
        if self.options.hosts and _name(host) not in self.options.hosts:
            return "This address is not served here."
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and urlsplit(origin).netloc.lower() != host.lower():
            return "A page of another site may not ask here."
        return ""

    def _measured(self, receive: Receive, most: int) -> Receive:
        """Reads on while the client sends, to the limit and not beyond."""
        read_bytes, done = 0, False

        async def measured() -> Message:
            nonlocal read_bytes, done
            if done:
                return await receive()  # waits for the end of the connection
            try:
                async with asyncio.timeout(self.options.stall_s):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The body did not come.") from None
            if message["type"] == "http.request":
                read_bytes += len(message.get("body", b""))
                done = not message.get("more_body", False)
                if read_bytes > most:
                    raise HTTPException(413, f"A body may have {most:,} bytes.")
            return message

        return measured


def _name(host: str) -> str:
    return (urlsplit(f"//{host}").hostname or "") if "/" not in host else ""


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = {name.lower() for name, _ in message["headers"]}
            more = [(name, value) for name, value in HEADERS.items() if name not in said]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sending


async def _refuse(scope: Scope, send: Send, status: int, words: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = words.encode()
    headers: list[tuple[bytes, Any]] = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await _with_headers(send)({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

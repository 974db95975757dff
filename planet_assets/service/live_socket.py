"""Socket.IO as the clients of the other tracker listen to it: `create` and `update` with elements, `remove` with ids.

A token is needed, in `auth` or as a bearer header, and is looked at again before every message; each listener gets what
they may read. One task a process follows the events of the library while anybody listens.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import socketio
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from planet_assets.exceptions import AssetError, SignInNeeded
from planet_assets.flow.clock import RealClock
from planet_assets.library import element_events, elements
from planet_assets.library.engine import Library
from planet_assets.model.element import ElementEvent
from planet_assets.model.people import Caller
from planet_assets.rules.permissions import allowed, is_author, sees_all
from planet_assets.service import access

PATH = "/socket.io"
LOOK_S = 0.3
PING_S = 20
"""Seconds between two signs of life, and until one is missed."""
MOST_LISTENERS = 500
CREATED = ("create", "publish", "comment")

Messages = list[tuple[str, list[Any]]]


class State(Protocol):
    """What the application has."""

    library: Library
    options: Any
    clock: Any


class Sockets:
    """Middleware that answers below `/socket.io` and passes everything else on."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self._state = state
        self._secrets: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._server = socketio.AsyncServer(async_mode="asgi", ping_interval=PING_S, ping_timeout=PING_S)
        self._server.on("connect", self._connect)
        self._server.on("disconnect", self._disconnect)
        self._own = socketio.ASGIApp(self._server, socketio_path=PATH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        is_own = scope["type"] in ("http", "websocket") and scope["path"].startswith(f"{PATH}/")
        await (self._own if is_own else self.app)(scope, receive, send)

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        try:
            secret = _secret(environ["asgi.scope"], auth)
            await run_in_threadpool(self._caller, secret)
        except AssetError:
            raise socketio.exceptions.ConnectionRefusedError("Unauthorized") from None
        if len(self._secrets) >= MOST_LISTENERS:
            raise socketio.exceptions.ConnectionRefusedError("Too many are listening")
        begin = await run_in_threadpool(element_events.last, self._state.library)
        self._secrets[sid] = secret
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow(begin))

    async def _disconnect(self, sid: str, *_: object) -> None:
        self._secrets.pop(sid, None)

    def _caller(self, secret: str) -> Caller:
        if not self._state.options.auth:
            return access.LAB
        found = access.known(self._state, secret)
        if not allowed("read", found):
            raise SignInNeeded("Unauthorized")
        return found

    async def _follow(self, sequence: int) -> None:
        """Tell what happens until nobody listens."""
        clock = RealClock()
        while self._secrets:
            await clock.sleep(LOOK_S)
            with contextlib.suppress(AssetError):  # a server that is away comes back
                happened = await run_in_threadpool(element_events.after, self._state.library, sequence)
                if not happened:
                    continue
                for sid, secret in list(self._secrets.items()):
                    await self._tell(sid, secret, happened)
                sequence = happened[-1].sequence

    async def _tell(self, sid: str, secret: str, happened: Sequence[ElementEvent]) -> None:
        try:
            messages = await run_in_threadpool(self._messages, secret, happened)
        except SignInNeeded:
            self._secrets.pop(sid, None)
            await self._server.disconnect(sid)
            return
        for name, payload in messages:
            await self._server.emit(name, payload, to=sid)

    def _messages(self, secret: str, happened: Sequence[ElementEvent]) -> Messages:
        """What this listener is told of it."""
        caller, now = self._caller(secret), self._now()
        all_of_it = sees_all(caller, author_mode=self._state.options.author_mode)
        ids = list(dict.fromkeys(one.element_id for one in happened))
        seen_by = None if all_of_it else caller.name
        found = elements.read(self._state.library, ids, now=now, seen_by=seen_by)
        shown = {one.id: one.as_dict() for one in found if one is not None}
        messages: Messages = []
        for one in happened:
            name = _name_of(one)
            if name == "remove":
                told: Any = one.element_id if all_of_it or is_author(caller.name, one.data) else None
            else:
                told = shown.get(one.element_id)
            if told is None:
                continue
            if messages and messages[-1][0] == name:
                messages[-1][1].append(told)
            else:
                messages.append((name, [told]))
        return messages

    def _now(self) -> datetime:
        now: datetime = self._state.clock.now()
        return now


def _name_of(event: ElementEvent) -> str:
    if event.verb == "delete":
        return "remove"
    return "create" if event.verb in CREATED or (event.verb == "version" and "#parent" in event.data) else "update"


def _secret(scope: Scope, auth: Any) -> str:
    """The token that a listener shows.

    Raises:
        SignInNeeded: there is none.
    """
    if isinstance(auth, dict) and isinstance(auth.get("token"), str):
        return str(auth["token"])
    secret, _ = access.shown(HTTPConnection(scope))
    return secret

"""Servers that misbehave as they are told to, and conversations with them that never wait in real time."""

from __future__ import annotations

import asyncio
import socketserver
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from planet_assets.flow.clock import VirtualClock
from planet_assets.planet.auth import PlanetAuth
from planet_assets.planet.session import Session
from planet_assets.sandbox import RunningSandbox

CANARY = "PLAKcafe0000canary0000cafe0000canary"
"""A key that must not turn up in any text."""
RATE_LIMIT = "max rate reached: retry-in 200ms"
OVER_QUOTA = '{"general":[{"message":"Download quota has been exceeded."}],"field":{}}'

Talk = Callable[[Session], Awaitable[Any]]


class Counting(VirtualClock):
    """A virtual clock that remembers how long anyone wanted to wait."""

    def __init__(self) -> None:
        super().__init__(datetime(2026, 1, 5, 12, tzinfo=UTC))
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await super().sleep(seconds)


class Scripted:
    """A server that gives raw answers in turn, the last one for ever, and notes what it was asked."""

    def __init__(self, *answers: str, tls: ssl.SSLContext | None = None, delay_s: float = 0.0) -> None:
        self.asked: list[str] = []
        script = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                head = b""
                while line := self.rfile.readline():
                    head += line
                    if line == b"\r\n":
                        break
                if head:
                    script.asked.append(head.decode())
                    time.sleep(delay_s)
                    self.wfile.write(answers[min(len(script.asked), len(answers)) - 1].encode())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Scripted:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def answer(status: int, body: str = "{}", **headers: str) -> str:
    """A well-formed answer."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *lines, "", body])


def session(url: str, key: str | None, **settings: Any) -> Session:
    """A session that never waits in real time, unless it is told to."""
    quick: dict[str, Any] = {"clock": Counting(), "trust_env": False, "chance": lambda: 0.0, "timeout_s": 5.0}
    return Session(PlanetAuth(key) if key else None, api_url=url, **(quick | settings))


def talk(server: RunningSandbox | Scripted, what: Talk, *, key: str | None = None, **settings: Any) -> Any:
    """The outcome of one conversation."""

    async def main() -> Any:
        async with session(server.url, key or getattr(server, "key", CANARY), **settings) as conversation:
            return await what(conversation)

    return asyncio.run(main())

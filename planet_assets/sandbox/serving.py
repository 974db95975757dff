"""A sandbox on real sockets: in the background of a test, or in the foreground of a command."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from . import control
from .app import create_app
from .config import SandboxConfig
from .world import World

_START_S = 30.0


class RunningSandbox:
    """A sandbox that is being served; also a context manager. Times and areas as its clock and its bill have them."""

    def __init__(
        self,
        config: SandboxConfig,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        """Bind the two sockets; `certificate` (chain, key) makes it https."""
        self.app: Starlette = create_app(config)
        self.world: World = self.app.state.world
        self._sockets = [_bound(host, port), _neighbour(host, port)]
        self.port: int = self._sockets[0].getsockname()[1]
        self.world.storage_port = self._sockets[1].getsockname()[1]
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://{host}:{self.port}"
        self.storage_url = f"{scheme}://{'localhost' if host == '127.0.0.1' else host}:{self.world.storage_port}"
        self._server = uvicorn.Server(_uvicorn_config(self.app, self.world, certificate))
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Serve from a thread until the end of the block."""
        run = self._server.run
        self._thread = threading.Thread(target=run, args=(self._sockets,), name="planet-sandbox", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_S
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop at once, whatever is still flowing."""
        self._server.should_exit = True
        self._server.force_exit = True
        if self._thread:
            self._thread.join(_START_S)
        self.world.close()

    def run(self) -> None:
        """Serve in this thread until SIGTERM or ctrl-C, and end as if nothing had happened."""
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.signal(each, lambda *_: None) for each in signals}
        try:
            self._server.run(self._sockets)
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
            self.world.close()

    @property
    def key(self) -> str:
        """An API key that is accepted."""
        return self.world.kept.keys[0]

    def charges(self) -> list[dict[str, Any]]:
        """Every charge, in order."""
        return control.charges(self.world)

    def requests(self) -> list[dict[str, Any]]:
        """Every request to either origin, in order; control requests are not among them."""
        return list(self.world.requests)

    def billed_km2(self) -> float:
        """The sum of all charges, km²."""
        return self.world.bill.total_km2()

    def state(self) -> dict[str, Any]:
        """Clock, quota, activations, faults."""
        return control.state(self.world)

    def fault(self, name: str, **options: Any) -> None:
        """Switch a fault on; the options are the fields of `faults.Fault`."""
        self.world.faults.switch_on(name, **options)

    def mend(self, name: str | None = None) -> None:
        """Switch one fault off, or all."""
        self.world.faults.switch_off(name)

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.world.advance(seconds)

    def spend(self, km2: float, name: str = "Explorer") -> None:
        """Somebody else on the subscription spends."""
        self.world.spend(km2, name)

    def feature(self, reference: str, geometry: dict[str, Any]) -> None:
        """Keep an area under a reference (pl:features/my/C/F), for reservations and clips."""
        self.world.feature(reference, geometry)

    def republish(self, item_id: str) -> None:
        """Make the files of an item anew: other bytes under the same names."""
        self.world.republish(item_id)

    def reset_key(self) -> str:
        """Replace the key; the old one is refused from now on."""
        return self.world.reset_key()

    def reset(self) -> None:
        """Forget charges, orders, activations, faults, searches and requests; clock and keys stay."""
        self.world.reset()


@contextlib.contextmanager
def serve(
    config: SandboxConfig | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    certificate: tuple[Path, Path] | None = None,
    **settings: Any,
) -> Iterator[RunningSandbox]:
    """Run a sandbox in the background of a block; settings replace those of the config. Port 0 is any free one."""
    chosen = replace(config or SandboxConfig(), **settings)
    with RunningSandbox(chosen, host, port, certificate=certificate) as sandbox:
        yield sandbox


def run(config: SandboxConfig, host: str = "127.0.0.1", port: int = 8765, *, say: Callable[[str], object]) -> None:
    """Run a sandbox until it is told to stop; `say` is given the lines a person needs to use it."""
    sandbox = RunningSandbox(config, host, port)
    say(f"sandbox: {sandbox.url}")
    say(f"storage: {sandbox.storage_url}")
    say(f"key: {sandbox.key}")
    say(f"export PL_API_KEY={sandbox.key}")
    say(f"export PLANET_ASSETS__PLANET__API_URL={sandbox.url}")
    sandbox.run()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol must be named: asyncio switches Nagle's delay off only where it reads TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _neighbour(host: str, port: int) -> socket.socket:
    """The storage's socket: on the next port, so that links outlive a restart, or on any when that one is taken."""
    try:
        return _bound(host, port + 1 if port else 0)
    except OSError:
        return _bound(host, 0)


def _uvicorn_config(app: Starlette, world: World, certificate: tuple[Path, Path] | None) -> uvicorn.Config:
    class Wire(H11Protocol):
        """HTTP as uvicorn speaks it, with its connections noted so that a fault can cut them."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if self.client:
                world.wires[self.client] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            if self.client:
                world.wires.pop(self.client, None)
            super().connection_lost(exc)

    chain, secret = certificate or (None, None)
    return uvicorn.Config(
        app,
        http=Wire,
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        ssl_certfile=chain,
        ssl_keyfile=secret,
    )

"""Runs the service on a socket: in the foreground until it is told to stop, or in the background of a block."""

from __future__ import annotations

import os
import signal
import socket
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from planet_assets.exceptions import Misused

if TYPE_CHECKING:
    from pathlib import Path

GRACE_S = 1
"""How long open requests and streams may take to end when the service stops."""
LAST_S = 2.5
"""After this the process ends whatever still runs; a transaction that is not committed is not there."""


class _Server(uvicorn.Server):
    """Ends the process when it was told to by a signal and something does not let go."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        last = threading.Timer(LAST_S, os._exit, (0,))
        last.daemon = True
        last.start()
        super().handle_exit(sig, frame)


class Serving:
    """A service on a socket of its own."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        certificate: tuple[Path, Path] | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        """Bind the address, so that it is known and others are refused; or take a socket that is bound already.

        Raises:
            OSError: it cannot be bound.
        """
        self._socket = listener or bound(host, port)
        chain, secret = certificate or (None, None)
        self._server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="auto",
                timeout_graceful_shutdown=GRACE_S,
                timeout_keep_alive=30,
                ssl_certfile=chain,
                ssl_keyfile=secret,
            )
        )
        named = self._socket.getsockname()
        shown = f"[{named[0]}]" if ":" in named[0] else named[0]
        self.url = f"{'https' if chain else 'http'}://{shown}:{named[1]}"
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Serve in this thread until SIGTERM or Ctrl-C."""
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.signal(each, lambda *_: None) for each in signals}
        try:
            self._server.run([self._socket])
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
            self._socket.close()

    def __enter__(self) -> Serving:
        """Serve in the background."""
        started = threading.Event()
        main_loop = self._server.startup

        async def startup(sockets: list[socket.socket] | None = None) -> None:
            await main_loop(sockets)
            started.set()

        self._server.startup = startup  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        if not started.wait(30):
            raise RuntimeError("the service did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait until it has."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(30)
        self._socket.close()


def bound(host: str, port: int) -> socket.socket:
    """A listening socket's address, taken.

    Raises:
        OSError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)  # whoever is told the address may connect, even before the service has begun to answer
    except OSError:
        listener.close()
        raise
    return listener


class Workers:
    """Other processes that serve on the same socket, and end with this one however it ends."""

    def __init__(self, number: int) -> None:
        """Fork them; there must be no thread and no connection yet.

        Raises:
            Misused: this system cannot fork.
        """
        if number and not hasattr(os, "fork"):
            raise Misused("This system cannot start workers.", hint="Leave --workers out.", argument="workers")
        self.pids: list[int] = []
        self.is_first = True
        read, self._write = os.pipe()
        for _ in range(number):
            if (pid := os.fork()) == 0:
                self.pids, self.is_first = [], False
                os.close(self._write)
                threading.Thread(target=_end_with, args=(read,), daemon=True).start()
                return
            self.pids.append(pid)
        os.close(read)

    def end(self) -> None:
        """Tell them to stop, and wait until they have; in one of them, be gone."""
        if not self.is_first:
            os._exit(0)
        os.close(self._write)
        for pid in self.pids:
            os.waitpid(pid, 0)


def _end_with(pipe: int) -> None:
    """Stop this process when the other end of a pipe is closed."""
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGTERM)

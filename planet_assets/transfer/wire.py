"""The socket under httpx: every wait is short, so that a stop is seen at once and a stall is judged in one place.

httpx waits for a connection and for the headers of an answer in single blocking calls that nobody can interrupt. Its
transport httpcore takes a network backend, a documented seam; ours cuts each wait into slices and asks the `Watch` of
the calling thread between them. It also lets a body be read straight into a buffer, past the parser.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpcore

from planet_assets.transfer.dial import dial, shake_hands
from planet_assets.transfer.watch import Cut, Watch


class Wire(httpcore.NetworkStream):
    """One connection, plain or TLS."""

    def __init__(self, sock: socket.socket, wires: Wires) -> None:
        self._sock = sock
        self._wires = wires

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What is there, at most `max_bytes`; empty at the end of the stream. The watch sets the time limit."""
        buffer = memoryview(bytearray(min(max_bytes, self._wires.chunk_bytes)))
        try:
            return bytes(buffer[: self._receive(buffer)])
        except OSError:
            raise httpcore.ReadError("the connection broke") from None

    def read_into(self, buffer: memoryview) -> int:
        """Read what is there, waiting for the first of it only; 0 at the end of the stream.

        TLS hands out 16 KiB at a time: to hash and write so little at once costs more than the bytes do.

        Raises:
            Cut: the connection broke.
            Stopped, Stalled: see `Watch.look`.
        """
        try:
            filled = self._receive(buffer)
        except OSError:
            raise Cut from None
        if not 0 < filled < len(buffer):
            return filled
        self._sock.settimeout(0)
        with suppress(OSError):  # nothing more is there, or it broke, which the next read will hear
            while filled < len(buffer) and (more := self._sock.recv_into(buffer[filled:])):
                self._wires.watch.waited(0.0, more)
                filled += more
        return filled

    def _receive(self, buffer: memoryview) -> int:
        watch = self._wires.watch
        if self._sock.gettimeout() != watch.slice_s:
            self._sock.settimeout(watch.slice_s)
        while True:
            watch.look()
            began = time.monotonic()
            try:
                count = self._sock.recv_into(buffer)
            except TimeoutError:
                watch.waited(time.monotonic() - began, 0)
                continue
            watch.waited(time.monotonic() - began, count)
            return count

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it; a request is small and fits into the system's buffers."""
        self._sock.settimeout(timeout)
        try:
            self._sock.sendall(buffer)
        except OSError:
            raise httpcore.WriteError("the connection broke") from None

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Encrypt from here on.

        Raises:
            httpcore.ConnectError, httpcore.ConnectTimeout: the other side could not or would not.
            Stopped: see `Watch.look`.
        """
        if isinstance(self._sock, ssl.SSLSocket):
            # Through a proxy that is itself reached by TLS: rare, slow and not to be stopped in slices, but it works.
            from httpcore._backends.sync import SyncStream

            return SyncStream(self._sock).start_tls(ssl_context, server_hostname, timeout)
        try:
            with _refusals():
                tls = ssl_context.wrap_socket(
                    self._sock, server_hostname=server_hostname, do_handshake_on_connect=False
                )
                self._sock = tls
                shake_hands(tls, timeout, self._wires.watch.look)
        except BaseException:
            self.close()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        """The facts httpcore asks for."""
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        if info == "is_readable":  # asked of an idle connection, where it means that the server has left
            return _readable(self._sock)
        return self._sock if info == "socket" else None


class Wires(httpcore.NetworkBackend):
    """Makes connections whose waits obey the watch of the thread that uses them."""

    def __init__(self, chunk_bytes: int) -> None:
        self.chunk_bytes = chunk_bytes
        self._thread = threading.local()

    @property
    def watch(self) -> Watch:
        """The watch of the fetch that runs on this thread."""
        watch: Watch = self._thread.watch
        return watch

    @contextmanager
    def watched(self, watch: Watch) -> Iterator[None]:
        """Let `watch` judge every wait of this thread."""
        before, self._thread.watch = getattr(self._thread, "watch", None), watch
        try:
            yield
        finally:
            self._thread.watch = before

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host.

        Raises:
            httpcore.ConnectError, httpcore.ConnectTimeout: it cannot be reached.
            Stopped: see `Watch.look`.
        """
        with _refusals():
            return Wire(dial(host, port, timeout, self.watch.look), self)


@contextmanager
def _refusals() -> Iterator[None]:
    """Say in httpcore's words that a connection was not made."""
    try:
        yield
    except TimeoutError:
        raise httpcore.ConnectTimeout("timed out") from None
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from None


def _readable(sock: socket.socket) -> bool:
    if sock.fileno() < 0:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(0))

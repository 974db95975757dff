"""The socket under httpx: every wait is short, so that a stop is seen at once and a stall is judged in one place.

httpx waits for the headers of an answer in a single blocking read that nobody can interrupt. Its transport httpcore
takes a network backend, a documented seam; ours cuts each read into slices and asks the `Watch` of the calling thread
between them. It also lets a body be read straight into a buffer, past the parser.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore

from planet_assets.transfer.watch import Cut, Watch


class Wire(httpcore.NetworkStream):
    """One connection."""

    def __init__(self, inner: httpcore.NetworkStream, wires: Wires, layers: int = 0) -> None:
        self._inner = inner
        self._wires = wires
        self._layers = layers  # of TLS; two of them (TLS through a TLS proxy) have no socket to read plain bytes from

    @property
    def can_read_into(self) -> bool:
        """True when the socket itself yields the bytes of the body."""
        return self._layers < 2 and isinstance(self._inner.get_extra_info("socket"), socket.socket)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        watch = self._wires.watch
        if watch is None:
            return self._inner.read(max_bytes, timeout)
        while True:
            watch.look()
            began = time.monotonic()
            try:
                data = self._inner.read(min(max_bytes, self._wires.chunk_bytes), watch.slice_s)
            except httpcore.ReadTimeout:
                watch.waited(time.monotonic() - began, 0)
                continue
            watch.waited(time.monotonic() - began, len(data))
            return data

    def read_into(self, buffer: memoryview, watch: Watch) -> int:
        """Read what is there into the buffer; 0 at the end of the stream.

        Raises:
            Cut: the connection broke.
            Stopped, Stalled: see `Watch.look`.
        """
        sock: socket.socket = self._inner.get_extra_info("socket")
        sock.settimeout(watch.slice_s)
        while True:
            watch.look()
            began = time.monotonic()
            try:
                count = sock.recv_into(buffer)
            except (TimeoutError, ssl.SSLWantReadError):
                watch.waited(time.monotonic() - began, 0)
                continue
            except OSError:
                raise Cut from None
            watch.waited(time.monotonic() - began, count)
            return count

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return Wire(self._inner.start_tls(ssl_context, server_hostname, timeout), self._wires, self._layers + 1)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class Wires(httpcore.NetworkBackend):
    """Opens connections whose reads obey the watch of the thread that uses them."""

    def __init__(self, chunk_bytes: int) -> None:
        self.chunk_bytes = chunk_bytes
        self._backend = httpcore.SyncBackend()
        self._thread = threading.local()

    @property
    def watch(self) -> Watch | None:
        """The watch of the fetch that runs on this thread."""
        return getattr(self._thread, "watch", None)

    @contextmanager
    def watched(self, watch: Watch) -> Iterator[None]:
        """Let `watch` judge every read of this thread."""
        before, self._thread.watch = self.watch, watch
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
        return Wire(self._backend.connect_tcp(host, port, timeout, local_address, socket_options), self)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        return Wire(self._backend.connect_unix_socket(path, timeout, socket_options), self)

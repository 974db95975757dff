"""A raw TCP server on loopback that answers by script, so that every way an answer can go wrong is real on a socket.

A script is a list of acts, one for each request in order of arrival; the last one is used for all that follow. An act
is a function of a `Talk`; the makers below cover the usual ones:

    with FaultServer(cut(data, after=1000), whole(data)) as server:
        fetch(server.url("/scene.tif"))
        server.requests[1].headers["range"] == "bytes=1000-"
"""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

ETAG = '"v1"'


@dataclass
class Request:
    """One request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def offset(self) -> int:
        """Where its Range starts; 0 without one."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(found[1]) if found else 0


@dataclass
class Talk:
    """The server's side of one request."""

    sock: socket.socket
    request: Request
    over: threading.Event
    open: bool = True
    base: str = ""
    notes: list[str] = field(default_factory=list)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def head(self, status: int, headers: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def fin(self) -> None:
        """End the stream in an orderly way."""
        self.open = False

    def rst(self) -> None:
        """Break the connection; the peer gets a reset."""
        time.sleep(0.05)  # let what was sent arrive first, for a reset overtakes it
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.open = False

    def stall(self, seconds: float = 60) -> None:
        """Say nothing until the server ends, or for some seconds."""
        self.over.wait(seconds)


Act = Callable[[Talk], None]


class FaultServer:
    """Listens on a free port of 127.0.0.1 until the block ends."""

    def __init__(self, *acts: Act, tls: ssl.SSLContext | None = None) -> None:
        self._acts = list(acts)
        self._tls = tls
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self.requests: list[Request] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    @property
    def base(self) -> str:
        return f"{'https' if self._tls else 'http'}://{'localhost' if self._tls else '127.0.0.1'}:{self.port}"

    def url(self, path: str = "/scene.tif") -> str:
        return self.base + path

    def __enter__(self) -> FaultServer:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            with suppress(OSError):
                if self._tls is not None:
                    sock.settimeout(5)
                    sock = self._tls.wrap_socket(sock, server_side=True)
                while not self._over.is_set():
                    request = self._read(sock)
                    if request is None:
                        break
                    talk = Talk(sock, request, self._over, base=self.base)
                    self._next_act(request)(talk)
                    if not talk.open:
                        break
            sock.close()

    def _next_act(self, request: Request) -> Act:
        with self._lock:
            self.requests.append(request)
            return self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]

    def _read(self, sock: socket.socket) -> Request | None:
        sock.settimeout(0.1)
        data = b""
        while b"\r\n\r\n" not in data:
            try:
                more = sock.recv(65536)
            except TimeoutError:
                if self._over.is_set():
                    return None
                continue
            if not more:
                return None
            data += more
        sock.settimeout(30)
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        while len(body) < int(headers.get("content-length", 0)) and (more := sock.recv(65536)):
            body += more
        return Request(method, target, headers, body)


# Acts


def said(status: int, body: bytes | str = b"", **headers: str) -> Act:
    """A complete small answer; `_` in a header's name stands for `-`."""
    data = body.encode() if isinstance(body, str) else body
    named = {"Content-Length": str(len(data))} | {name.replace("_", "-"): value for name, value in headers.items()}

    def act(talk: Talk) -> None:
        talk.head(status, named)
        talk.send(data)

    return act


def moved(target: str, status: int = 302) -> Act:
    """A redirect; a target that starts with / stays on this server."""
    return lambda talk: said(status, b"moved", Location=target)(talk)


def _opening(talk: Talk, data: bytes, etag: str | None, media: str) -> tuple[int, dict[str, str]]:
    """Where the body starts, and status line and headers of a storage that knows Range and If-Range."""
    offset = talk.request.offset
    if offset and (etag is None or talk.request.headers.get("if-range", etag) != etag):
        offset = 0
    headers = {"Content-Type": media, "Accept-Ranges": "bytes", "Content-Length": str(len(data) - offset)}
    if etag:
        headers["ETag"] = etag
    if offset:
        headers["Content-Range"] = f"bytes {offset}-{len(data) - 1}/{len(data)}"
    return offset, headers


def whole(data: bytes, *, etag: str | None = ETAG, media: str = "image/tiff", **changed: str | None) -> Act:
    """The file, as a good storage gives it. `changed` replaces headers, None leaves one out."""

    def act(talk: Talk) -> None:
        offset, headers = _opening(talk, data, etag, media)
        if offset >= len(data):
            return said(416, Content_Range=f"bytes */{len(data)}")(talk)
        for name, value in changed.items():
            headers.pop(name.replace("_", "-"), None)
            if value is not None:
                headers[name.replace("_", "-")] = value
        talk.head(206 if offset else 200, headers)
        talk.send(data[offset:])
        if "Content_Length" in changed:
            talk.fin()
        return None

    return act


def cut(data: bytes, after: int, *, then: str = "fin", etag: str | None = ETAG, drip: float = 0.0) -> Act:
    """The file up to byte `after`, then "fin", "rst" or "stall"; `drip` seconds between single bytes from there on."""

    def act(talk: Talk) -> None:
        offset, headers = _opening(talk, data, etag, "image/tiff")
        talk.head(206 if offset else 200, headers)
        talk.send(data[offset:after])
        rest = data[max(after, offset) :] if drip else b""
        for index in range(len(rest)):
            if talk.over.wait(drip):
                break
            talk.send(rest[index : index + 1])
        getattr(talk, then)()

    return act


def ignoring_range(data: bytes, *, etag: str | None = ETAG) -> Act:
    """The whole file with 200, whatever was asked."""

    def act(talk: Talk) -> None:
        talk.request = Request(talk.request.method, talk.request.target, {})
        whole(data, etag=etag)(talk)

    return act


def chunked(data: bytes, *, size: int = 5000, bad_at: int | None = None, end: bool = True) -> Act:
    """The file in HTTP chunks; the one at index `bad_at` has no valid length, without `end` the last one is missing."""

    def act(talk: Talk) -> None:
        talk.head(200, {"Content-Type": "image/tiff", "Transfer-Encoding": "chunked", "ETag": ETAG})
        for index, start in enumerate(range(0, len(data), size)):
            piece = data[start : start + size]
            length = b"zzz" if index == bad_at else f"{len(piece):x}".encode()
            talk.send(length + b"\r\n" + piece + b"\r\n")
        if end:
            talk.send(b"0\r\n\r\n")
        else:
            talk.fin()

    return act


def gzipped(data: bytes) -> Act:
    """The file compressed, although nobody asked for that."""
    small = gzip.compress(data)
    return said(200, small, Content_Type="image/tiff", Content_Encoding="gzip", ETag=ETAG)


def silent(seconds: float = 60) -> Act:
    """No answer at all."""
    return lambda talk: talk.stall(seconds)


def hung_up(then: str = "fin") -> Act:
    """The connection ends or breaks before a single byte."""
    return lambda talk: getattr(talk, then)()


def slow_headers(interval: float = 0.05) -> Act:
    """Headers that never end, one byte at a time."""

    def act(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\n")
        while not talk.over.wait(interval):
            talk.send(b"X-A: b\r\n"[:1])

    return act


def tunnel(talk: Talk) -> None:
    """What a proxy does with CONNECT: join the two sides and pass bytes on, whatever host was asked for."""
    port = int(talk.request.target.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as far:
        talk.head(200)

        def forth() -> None:
            with suppress(OSError):
                while data := talk.sock.recv(65536):
                    far.sendall(data)
                far.shutdown(socket.SHUT_WR)

        talk.sock.settimeout(30)
        thread = threading.Thread(target=forth, daemon=True)
        thread.start()
        with suppress(OSError):
            while data := far.recv(65536):
                talk.sock.sendall(data)
            talk.sock.shutdown(socket.SHUT_WR)
        thread.join(5)
    talk.fin()

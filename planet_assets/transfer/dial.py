"""Makes a connection to whichever address of a host answers first, so that one dead address costs no time."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from planet_assets.transfer.watch import LOOK_S

_HEAD_START_S = 0.25
"""How long an address is alone before the next one is tried beside it (RFC 8305, section 8)."""

_UNDER_WAY = {
    0,
    errno.EINPROGRESS,
    errno.EWOULDBLOCK,
    errno.EALREADY,
    errno.EISCONN,
    getattr(errno, "WSAEWOULDBLOCK", 0),
}


def dial(host: str, port: int, timeout_s: float | None, look: Callable[[], None]) -> socket.socket:
    """Connect.

    Args:
        host: name or address.
        port: TCP port.
        timeout_s: for all addresses together; None waits as long as the system does.
        look: called every `LOOK_S` seconds; may raise to give up.

    Raises:
        TimeoutError: nobody answered.
        OSError: the name is not known, or every address refused.
    """
    waiting = [(family, address) for family, *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    pending: list[socket.socket] = []
    began = time.monotonic()
    next_at = began
    refused = OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    try:
        with selectors.DefaultSelector() as selector:
            while waiting or pending:
                look()
                now = time.monotonic()
                if timeout_s is not None and now - began >= timeout_s:
                    raise TimeoutError
                if waiting and (now >= next_at or not pending):
                    next_at = now + _HEAD_START_S
                    try:
                        pending.append(_start(*waiting.pop(0)))
                    except OSError as error:
                        refused = error
                        continue
                    selector.register(pending[-1], selectors.EVENT_WRITE)
                for key, _ in selector.select(LOOK_S / 4 if waiting else LOOK_S):
                    sock = key.fileobj
                    assert isinstance(sock, socket.socket)
                    selector.unregister(sock)
                    pending.remove(sock)
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if code == 0:
                        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        return sock
                    sock.close()
                    refused = OSError(code, os.strerror(code))
        raise refused
    finally:
        for sock in pending:
            sock.close()


def shake_hands(sock: ssl.SSLSocket, timeout_s: float | None, look: Callable[[], None]) -> None:
    """Do the TLS handshake.

    Args:
        sock: connected.
        timeout_s: for all of it; None has no limit.
        look: called every `LOOK_S` seconds; may raise to give up.

    Raises:
        TimeoutError: the other side fell silent.
        OSError: it broke off, or its certificate is not good.
    """
    began = time.monotonic()
    sock.settimeout(LOOK_S)
    while timeout_s is None or time.monotonic() - began < timeout_s:
        look()
        with suppress(TimeoutError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return sock.do_handshake()
    raise TimeoutError


def _start(family: int, address: tuple[object, ...]) -> socket.socket:
    """A socket that is on its way to the address."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        code = sock.connect_ex(address)
        if code not in _UNDER_WAY:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock

"""Decides how long to wait for a server: the stall clock, the slow-drip guard and the caller's stop.

Only time spent waiting is counted. Seconds that go into writing, hashing or asking a person are ours, so a slow disk
is never mistaken for a slow server. There is no total deadline: a large file on a thin line may take all night.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LOOK_S = 0.2
"""Seconds between two looks at `stopped()`, also the longest single wait on a socket."""


class Stopped(Exception):
    """The caller's `stopped()` said so. What was received is kept and the next fetch goes on from there."""


class Stalled(Exception):
    """The server kept us waiting for longer than was allowed."""


class Cut(Exception):
    """The connection broke while bytes were still due."""


class Watch:
    """The patience of one fetch."""

    def __init__(self, *, stall_s: float, floor_bytes_s: float, stopped: Callable[[], bool] | None) -> None:
        """Start with nothing awaited.

        Args:
            stall_s: seconds without a byte, and seconds for a complete set of headers, after which it is a stall.
            floor_bytes_s: a mean rate below this over `stall_s` seconds is a stall too.
            stopped: asked about every `LOOK_S` seconds; None never stops.
        """
        self.slice_s = min(LOOK_S, max(0.01, stall_s / 4))
        self._stall_s = stall_s
        self._limit_s = stall_s
        self._least_bytes = max(1.0, floor_bytes_s * stall_s)
        self._stopped = stopped
        self._looked_at = float("-inf")
        self._body = False
        self._silent_s = self._window_s = 0.0
        self._window_bytes = 0

    def expect_answer(self, limit_s: float | None = None) -> None:
        """A request goes out: all of its headers are due within `limit_s` waiting seconds, however they drip."""
        self._limit_s = self._stall_s if limit_s is None else min(limit_s, self._stall_s)
        self._restart(body=False)

    def expect_body(self) -> None:
        """The headers are in: from now on every byte buys more time."""
        self._limit_s = self._stall_s
        self._restart(body=True)

    def _restart(self, *, body: bool) -> None:
        self._body = body
        self._silent_s = self._window_s = 0.0
        self._window_bytes = 0

    def waited(self, seconds: float, received_bytes: int) -> None:
        """Count one wait on the socket and what it brought."""
        self._window_s += seconds
        self._window_bytes += received_bytes
        self._silent_s = 0.0 if received_bytes and self._body else self._silent_s + seconds

    def look(self) -> None:
        """Go on, or not.

        Raises:
            Stopped: the caller wants no more.
            Stalled: the server was too slow for too long.
        """
        now = time.monotonic()
        if self._stopped is not None and now - self._looked_at >= LOOK_S * 0.9:
            self._looked_at = now
            if self._stopped():
                raise Stopped
        if self._silent_s >= self._limit_s:
            raise Stalled
        if self._body and self._window_s >= self._stall_s:
            if self._window_bytes < self._least_bytes:
                raise Stalled
            self._window_s, self._window_bytes = 0.0, 0

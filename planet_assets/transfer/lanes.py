"""Whether more connections would bring more: tried, not guessed.

A server or a long line may cap each connection; then eight of them bring eight times as much. Where the line itself is
full, another connection only takes from the others. The two look alike from one connection, so now and then one body
is let open some more, and what arrives over all bodies together is compared before and after.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MOST = 8
"""Connections for one body."""

LEAST_BYTES = 4 << 20
"""A stretch shorter than this is not worth a connection."""

REST_S = 60.0
"""Seconds without another trial after one that brought nothing."""


@dataclass(frozen=True, slots=True)
class _Trial:
    body: object
    ends_at: float
    needed_bytes_s: float


class Lanes:
    """Counts what all bodies of a fetcher receive, and says when one of them may open more connections; thread-safe."""

    def __init__(
        self,
        *,
        window_s: float = 1.0,
        most: int = MOST,
        least_bytes: int = LEAST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing flows yet.

        Args:
            window_s: seconds over which a rate is measured; a trial lasts one and a half.
            most: connections for one body; 1 never opens another.
            least_bytes: the shortest stretch that gets a connection.
            clock: seconds that only grow.
        """
        self.window_s = window_s
        self.most = most
        self.least_bytes = least_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._open = 0
        self._total_bytes = 0
        self._seen: deque[tuple[float, int]] = deque()
        self._trial: _Trial | None = None
        self._rests_until = float("-inf")

    def join(self) -> None:
        """One more connection brings bytes."""
        with self._lock:
            self._open += 1

    def leave(self, body: object = None) -> None:
        """A connection has ended; with `body`, its last one."""
        with self._lock:
            self._open -= 1
            if self._trial is not None and self._trial.body is body:
                self._trial = None

    def arrived(self, count: int) -> None:
        """Bytes came in, on any connection."""
        with self._lock:
            self._total_bytes += count
            now = self._clock()
            if not self._seen or now - self._seen[-1][0] >= self.window_s / 20:
                self._seen.append((now, self._total_bytes))

    def more(self, body: object, mine: int) -> int:
        """How many connections a body that has `mine` may open now; it opens them, and asks again."""
        with self._lock:
            now = self._clock()
            rate = self._bytes_s(now)
            if not rate:
                return 0
            if self._trial is not None:
                if self._trial.body is not body or now < self._trial.ends_at:
                    return 0
                if rate < self._trial.needed_bytes_s:
                    self._rests_until = now + REST_S
                self._trial = None
            added = min(mine, self.most - mine)
            if now < self._rests_until or added <= 0:
                return 0
            needed = rate * (1 + added / max(1, self._open) / 2)
            self._trial = _Trial(body, now + 1.5 * self.window_s, needed)
            return added

    def _bytes_s(self, now: float) -> float:
        """Mean rate over the last window; 0 while less than that has been seen."""
        while len(self._seen) > 1 and self._seen[1][0] <= now - self.window_s:
            self._seen.popleft()
        if not self._seen or self._seen[0][0] > now - self.window_s:
            return 0.0
        since, bytes_then = self._seen[0]
        return (self._total_bytes - bytes_then) / (now - since)

"""Whether more connections would bring more: tried, not guessed.

A server or a long line may cap each connection; then eight of them bring eight times as much. Where the line itself is
full, another connection only takes from the others. The two look alike from one connection, so now and then one body
is let open another one, and what arrives over all bodies together is compared before and after. What is learned so
holds for the bodies that follow, until a trial says otherwise.
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
    connections: int


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
        self._capped = False
        """Whether the last trial showed that connections are slower than the line."""
        self._each_bytes_s = 0.0
        """What a connection brought in the last trial."""

    def join(self) -> None:
        """One more connection brings bytes."""
        with self._lock:
            self._open += 1
            self._seen.clear()  # a rate is that of so many connections

    def leave(self, body: object = None) -> None:
        """A connection has ended; with `body`, its last one."""
        with self._lock:
            if self._trial is not None and self._trial.body is body:
                self._judge(self._clock())
                self._trial = None
            self._open -= 1
            self._seen.clear()

    def arrived(self, count: int) -> None:
        """Bytes came in, on any connection."""
        with self._lock:
            self._total_bytes += count
            now = self._clock()
            if not self._seen or now - self._seen[-1][0] >= self.window_s / 20:
                self._seen.append((now, self._total_bytes))

    def more(self, body: object, mine: int, *, worth: bool = True) -> int:
        """How many connections a body that has `mine` may open now; it opens them, and asks again.

        Not `worth` it asks all the same, so that its last trial is judged.
        """
        with self._lock:
            now = self._clock()
            if self._trial is not None and self._trial.body is body:
                self._judge(now)
            rate = self._bytes_s(now) or (self._each_bytes_s * self._open if self._capped else 0.0)
            if self._trial is not None or not rate or not worth:
                return 0
            added = self.most - mine if self._capped else min(mine, self.most - mine)
            if now < self._rests_until or added <= 0:
                return 0
            needed = rate * (1 + added / max(1, self._open) / 2)
            self._trial = _Trial(body, now + 1.5 * self.window_s, needed, self._open + added)
            return added

    def _judge(self, now: float) -> None:
        """End a trial that has lasted long enough."""
        if self._trial is None or now < self._trial.ends_at:
            return
        rate = self._bytes_s(now)
        if rate and self._open >= self._trial.connections:  # else some have ended meanwhile, and nothing can be said
            self._capped = rate >= self._trial.needed_bytes_s
            self._each_bytes_s = rate / self._open
            if not self._capped:
                self._rests_until = now + REST_S
        self._trial = None

    def _bytes_s(self, now: float) -> float:
        """Mean rate over the last window; 0 while less than that has been seen."""
        while len(self._seen) > 1 and self._seen[1][0] <= now - self.window_s:
            self._seen.popleft()
        if not self._seen or self._seen[0][0] > now - self.window_s:
            return 0.0
        since, bytes_then = self._seen[0]
        return (self._total_bytes - bytes_then) / (now - since)

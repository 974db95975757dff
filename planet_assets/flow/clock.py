"""Time at the edge: the real clock, and a virtual one that tests turn by hand."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta


def pause(seconds: float) -> None:
    """Let a thread wait."""
    time.sleep(max(0.0, seconds))


class RealClock:
    """The computer's time."""

    def now(self) -> datetime:
        """The moment, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from some start; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        await asyncio.sleep(max(0.0, seconds))


class VirtualClock:
    """A clock that jumps ahead instead of waiting."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._passed_s = 0.0

    def now(self) -> datetime:
        """The moment, aware UTC."""
        return self._start + timedelta(seconds=self._passed_s)

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._passed_s

    async def sleep(self, seconds: float) -> None:
        """Jump ahead, and let other tasks run."""
        self._passed_s += max(0.0, seconds)
        await asyncio.sleep(0)

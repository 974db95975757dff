"""The seams where more than one implementation exists."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time as an argument: a real one at the edge, a virtual one in tests."""

    def now(self) -> datetime:
        """The moment, aware UTC; may jump when the computer's clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds from some start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...

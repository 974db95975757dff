"""How many downloads run, and how many may be ready and waiting for one.

Activations are asked for early and take minutes; links live for a while only. So a job is polled when a place for its
download is in sight: there are twice as many places as downloads, given to the oldest activation first.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping
from datetime import datetime

from planet_assets.model.ports import Clock
from planet_assets.rules.pacing import Pace


class Turnstile:
    """Places for jobs that are about to be downloaded. Belongs to one event loop."""

    def __init__(self, downloads: int, starts_per_s: Mapping[str, float]) -> None:
        """`downloads` bodies at once; `starts_per_s` of them by route, data and orders."""
        self._paces = {route: Pace(rate) for route, rate in starts_per_s.items()}
        self._places = 2 * downloads
        self._inside: set[str] = set()
        self._waiting: list[tuple[datetime, str, asyncio.Future[None]]] = []
        self._bodies = asyncio.Semaphore(downloads)
        self._flowing: set[str] = set()

    def try_enter(self, job_id: str) -> bool:
        """Take a place if one is free; True when the job has one."""
        if job_id not in self._inside and len(self._inside) >= self._places:
            return False
        self._inside.add(job_id)
        return True

    async def enter(self, job_id: str, since: datetime) -> None:
        """Wait for a place; who has waited since longest comes first."""
        if self.try_enter(job_id):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (since, job_id, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(job_id)
            raise

    def leave(self, job_id: str) -> None:
        """Give the place back; without one, nothing happens."""
        if job_id not in self._inside:
            return
        self._inside.remove(job_id)
        while self._waiting and len(self._inside) < self._places:
            _, next_id, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._inside.add(next_id)
                turn.set_result(None)

    async def start(self, route: str, clock: Clock) -> None:
        """Wait until a request for bytes may start: evenly spaced, as Planet demands."""
        pace = self._paces[route]
        while (pause := pace.wait_s(clock.monotonic())) > 0:
            await clock.sleep(pause)
        pace.started(clock.monotonic())

    async def board(self, job_id: str) -> None:
        """Wait for room for one body; who has it already goes on at once."""
        if job_id not in self._flowing:
            await self._bodies.acquire()
            self._flowing.add(job_id)

    def land(self, job_id: str) -> None:
        """Give the room for a body back; without it, nothing happens."""
        if job_id in self._flowing:
            self._flowing.remove(job_id)
            self._bodies.release()

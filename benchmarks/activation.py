"""Requests per asset when 2,000 assets are activated, in virtual time: our own asking, pacing and turnstile beside
pollers that ask at fixed intervals, all in the same simulated world.

Limits: 5 activations and 10 other requests a second, evenly spaced; latencies lognormal, median 4 minutes, sigma 0.6.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import math
import random
import selectors
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from benchmarks.runs import told
from benchmarks.table import Row

TYPES = ("ortho_analytic_4b", "ortho_udm2")
DOWNLOADS = 3
DOWNLOAD_S = 3.6
"""Of one body, when as many as `DOWNLOADS` share a link of 1 Gbit/s."""
ANSWER_S = 0.1
LEAST_S = 1e-7
"""Passes in every turn of the loop; without it a wait that is shorter than what a loop can tell would never end."""
START = datetime(2025, 6, 1, tzinfo=UTC)
POLLERS = {"every 30 s, each asset": (30.0, 5.0), "planet SDK's way: every 5 s, each asset": (5.0, 10.0)}
"""Name -> seconds between questions, activations a second."""


def rows(quick: bool) -> list[Row]:
    """Simulate in fresh processes, with three seeds."""
    items, seeds = (50, "1") if quick else (1000, "123")
    got = [told("activation", str(items), seed) for seed in seeds]
    mine = median(one["ours"]["requests"] for one in got)
    what = f"requests per asset, {items * len(TYPES):,} assets"
    lines = [
        Row(
            section="activation",
            what=what,
            ours=f"{mine:.2f}",
            peer="the floor is 2.0",
            ratio=mine,
            target=2.3,
            at_most=True,
            unit="",
        )
    ]
    for name in POLLERS:
        theirs = median(one[name]["requests"] for one in got)
        shown = {"ours": f"{mine:.2f}", "peer": name, "theirs": f"{theirs:.2f}"}
        lines.append(Row(section="activation", what=what, **shown, ratio=theirs / mine))
    return [*lines, *_makespans(got)]


def _makespans(got: list[dict[str, Any]]) -> list[Row]:
    ours, oracle = (median(one[name]["makespan_s"] for one in got) for name in ("ours", "oracle"))
    gap = min(one["ours"]["least_gap_s"] for one in got)
    return [
        Row(
            section="activation",
            what="time until the last download is done",
            ours=f"{ours / 60:.1f} min",
            peer="oracle that knows every latency",
            theirs=f"{oracle / 60:.1f} min",
            ratio=ours / oracle,
            target=1.03,
            at_most=True,
        ),
        Row(
            section="activation",
            what="shortest gap between two activations, in the server's log",
            ours=f"{gap * 1000:.0f} ms",
            ratio=round(gap * 5, 3),
            target=1.0,
            unit=" of 1/5 s",
        ),
    ]


# What the workers do


class _Jumping(selectors.DefaultSelector):
    """Lets an event loop's time jump to whatever is due next."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        self.passed_s += (timeout or 0.0) + LEAST_S
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.passed_s


class _Clock:
    """The loop's time, as planet_assets asks for it."""

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class _World:
    """Planet, as far as activations go: counts and paces what is asked of it."""

    def __init__(self, seed: int, activations_per_s: float) -> None:
        from planet_assets.rules.pacing import Pace

        self.clock = _Clock()
        self.asked_at: list[float] = []
        self.requests = 0
        self._chance = random.Random(seed)
        self._latencies: dict[tuple[str, str], float] = {}
        self._ready: dict[tuple[str, str], float] = {}
        self._paces = {"data": Pace(10.0), "activation": Pace(activations_per_s)}
        self._queues = {kind: asyncio.Lock() for kind in self._paces}

    def plan(self, items: int) -> list[tuple[str, str]]:
        """All assets, each with the time it will take."""
        wants = [(f"20250601_{number:06d}_00_2400", kind) for number in range(items) for kind in TYPES]
        self._latencies = {want: self._chance.lognormvariate(math.log(240), 0.6) for want in wants}
        return wants

    async def _request(self, kind: str) -> float:
        pace = self._paces[kind]
        async with self._queues[kind]:
            while (pause := pace.wait_s(self.clock.monotonic())) > 0:
                await asyncio.sleep(pause)
            now = self.clock.monotonic()
            pace.started(now)
        self.requests += 1
        await asyncio.sleep(ANSWER_S)
        return now

    async def assets(self, item_type: str, item_id: str) -> dict[str, Any]:
        """All assets of an item."""
        await self._request("data")
        return {kind: self._asset(item_type, item_id, kind) for kind in TYPES}

    def _asset(self, item_type: str, item_id: str, kind: str) -> Any:
        from planet_assets.model.asset import Asset, Link

        ready, now = self._ready.get((item_id, kind)), self.clock.monotonic()
        status = "inactive" if ready is None else "active" if ready <= now else "activating"
        link = Link(url="https://storage.example/x") if status == "active" else None
        names = {"item_type": item_type, "item_id": item_id, "asset_type": kind}
        return Asset(**names, status=status, permitted=True, link=link, activate_url="x")

    async def activate(self, asset: Any) -> str:
        """Begin to make an asset ready."""
        at = await self._request("activation")
        key = asset.item_id, asset.asset_type
        self.asked_at.append(at)
        self._ready.setdefault(key, at + self._latencies[key])
        return "accepted"

    def done_at_best(self) -> float:
        """When the last download ends if each begins the moment its asset is ready and a place is free."""
        free = [0.0] * DOWNLOADS
        for ready in sorted(self._ready.values()):
            heapq.heappush(free, max(ready, heapq.heappop(free)) + DOWNLOAD_S)
        return max(free)

    def least_gap_s(self) -> float:
        """Between two activations."""
        return min(later - earlier for earlier, later in zip(self.asked_at, self.asked_at[1:], strict=False))


async def _ours(world: _World, items: int) -> None:
    """The Data route's questions as the flow asks them: rules.lifecycle decides, flow.asking does."""
    from planet_assets.flow.asking import Asking
    from planet_assets.flow.turnstile import Turnstile

    turnstile = Turnstile(DOWNLOADS, {"data": 15.0})
    asking = Asking(api=world, clock=world.clock, turnstile=turnstile)
    await asyncio.gather(*(_moved(_job(*want), asking, turnstile, world.clock) for want in world.plan(items)))
    await asking.close()


async def _moved(job: Any, asking: Any, turnstile: Any, clock: _Clock) -> None:
    from planet_assets.model.event import Activate, AskAsset, WaitUntil
    from planet_assets.rules import lifecycle

    while True:
        match lifecycle.next_step(job, clock.now()):
            case WaitUntil(moment=moment):
                await clock.sleep((moment - clock.now()).total_seconds())
            case AskAsset():
                job = lifecycle.apply(job, await asking.ask(job))
            case Activate():
                job = lifecycle.apply(job, await asking.activate(job))
            case _:
                break
    await turnstile.board(job.id)
    await turnstile.start("data", clock)
    await clock.sleep(DOWNLOAD_S)
    turnstile.land(job.id)
    turnstile.leave(job.id)


def _job(item_id: str, kind: str) -> Any:
    from planet_assets.model.event import Created
    from planet_assets.model.job import DownloadJob, Terms
    from planet_assets.rules import lifecycle

    nothing: dict[str, Any] = {"clipped_path": None, "roi_wkt": None, "clipping": None, "km2": 0.0}
    names = {"id": f"{item_id}/{kind}", "batch_id": "b", "account": "a", "item_type": "PSScene", "scene_id": item_id}
    job = DownloadJob(
        **names, asset_type=kind, route="data", path="/x", terms=Terms(), created_at=START, updated_at=START, **nothing
    )
    return lifecycle.apply(job, Created(at=START, km2=0.0))


def _poller(every_s: float) -> Callable[[_World, int], Awaitable[None]]:
    async def one(world: _World, gate: asyncio.Semaphore, item_id: str, kind: str) -> None:
        asset = (await world.assets("PSScene", item_id))[kind]
        await world.activate(asset)
        while asset.status != "active":
            await asyncio.sleep(every_s)
            asset = (await world.assets("PSScene", item_id))[kind]
        async with gate:
            await asyncio.sleep(DOWNLOAD_S)

    async def all_of_them(world: _World, items: int) -> None:
        gate = asyncio.Semaphore(DOWNLOADS)
        await asyncio.gather(*(one(world, gate, *want) for want in world.plan(items)))

    return all_of_them


def simulate(run: Callable[[_World, int], Awaitable[None]], items: int, seed: int, rate: float) -> dict[str, float]:
    """Requests per asset, and when all was done."""
    with asyncio.Runner(loop_factory=_Loop) as runner:

        async def through() -> dict[str, float]:
            world = _World(seed, rate)
            await run(world, items)
            return {
                "requests": world.requests / (items * len(TYPES)),
                "makespan_s": world.clock.monotonic(),
                "oracle_s": world.done_at_best(),
                "least_gap_s": world.least_gap_s(),
            }

        return runner.run(through())


def work(items: int, seed: int) -> dict[str, dict[str, float]]:
    """Runs in the worker."""
    got = {"ours": simulate(_ours, items, seed, 5.0)}
    got |= {name: simulate(_poller(every_s), items, seed, rate) for name, (every_s, rate) in POLLERS.items()}
    return {**got, "oracle": {"makespan_s": got["ours"]["oracle_s"]}}


if __name__ == "__main__":
    print(json.dumps(work(int(sys.argv[1]), int(sys.argv[2]))))

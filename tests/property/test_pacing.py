"""The pace is kept whatever comes, and polls are few."""

from __future__ import annotations

import asyncio
import heapq
import math
import random
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planet_assets.exceptions import Misused, Throttled
from planet_assets.planet.transports import Paced
from planet_assets.rules.pacing import LONGEST_PENALTY_S, Pace, poll_after_s

EPSILON = 1e-6
rates = st.floats(0.05, 200)
arrivals = st.lists(st.floats(0, 1000), min_size=1, max_size=60).map(sorted)
seconds = st.floats(0, 5000)
latencies = st.lists(seconds, max_size=60)


class Timeline:
    """A virtual clock whose sleepers wake in the order of their times."""

    def __init__(self) -> None:
        self.time = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.time)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self.time + seconds, self._count, waiting))
        await waiting

    async def run(self, *tasks: asyncio.Task[None]) -> None:
        while not all(task.done() for task in tasks):
            for _ in range(20):
                await asyncio.sleep(0)
            if self._sleepers:
                self.time, _, waiting = heapq.heappop(self._sleepers)
                waiting.set_result(None)
        await asyncio.gather(*tasks)


def starts_of(pace: Pace, asked: list[float]) -> list[float]:
    """When requests that come at given moments start, one after the other."""
    now, starts = 0.0, []
    for moment in asked:
        now = max(now, moment)
        while (wait := pace.wait_s(now)) > 0:
            now += wait
        pace.started(now)
        starts.append(now)
    return starts


@given(rates, arrivals)
def test_starts_keep_their_distance_and_wait_no_longer_than_that(rate: float, asked: list[float]) -> None:
    starts = starts_of(Pace(rate), asked)
    previous = -math.inf
    for moment, start in zip(asked, starts, strict=True):
        assert start == pytest.approx(max(moment, previous + 1 / rate), abs=EPSILON)
        assert start >= previous + 1 / rate - EPSILON
        previous = start


@given(rates, arrivals, st.floats(0.01, 500))
def test_no_window_holds_more_than_the_rate(rate: float, asked: list[float], window: float) -> None:
    starts = starts_of(Pace(rate), asked)
    for first in starts:
        inside = [start for start in starts if first <= start < first + window - EPSILON]
        assert len(inside) <= math.floor(window * rate) + 1


@given(rates, st.lists(st.tuples(seconds, st.floats(0, 2000)), min_size=1, max_size=8))
def test_silence_the_server_asked_for_is_kept_and_never_shortened(
    rate: float, words: list[tuple[float, float]]
) -> None:
    pace, until = Pace(rate), 0.0
    for now, after_s in sorted(words):
        pace.penalised(now, after_s)
        until = max(until, now + min(after_s, LONGEST_PENALTY_S))
        assert now + pace.wait_s(now) == pytest.approx(max(until, now))


@pytest.mark.parametrize("rate", [0, -1, math.inf, math.nan])
def test_a_rate_that_cannot_be_kept_is_refused(rate: float) -> None:
    with pytest.raises(Misused):
        Pace(rate)


@given(seconds, latencies)
def test_a_poll_is_neither_at_once_nor_far_away(age_s: float, seen: list[float]) -> None:
    assert 1.0 <= poll_after_s(age_s, seen) <= 60.0
    assert 0.1 <= poll_after_s(age_s, seen, first_s=0.1, longest_s=5.0) <= 5.0


def test_a_poll_waits_for_the_conditional_median() -> None:
    seen = [10.0] * 50 + [float(latency) for latency in range(100, 120)]
    assert poll_after_s(0, seen) == 10.0
    assert poll_after_s(70, seen) == pytest.approx(109.5 - 70)
    assert poll_after_s(500, seen) == 60.0
    assert poll_after_s(0, []) == 1.0


def test_of_many_activations_each_is_asked_about_seldom() -> None:
    assert poll_after_s(0, [], waiting=13) == 60.0
    assert poll_after_s(0, [], waiting=400) == 180.0
    quick = [10.0] * 50
    assert poll_after_s(20, quick, waiting=400) > 100.0, "what was seen to end so far are the quick ones"


def test_a_storm_of_activations_needs_few_polls() -> None:
    """1,000 scenes of two assets, the oldest asked for first and for want of files only. The floor is 2.0 an asset."""
    chance = random.Random(7)
    ready = [[n / 2.5 + chance.lognormvariate(math.log(240), 0.6) for _ in range(2)] for n in range(1000)]
    waiting = {n: n / 2.5 + 1.0 for n in range(1000)}  # two activations a scene at five a second; value: when to ask
    requests, seen, now, stock = 1000 + 2000, [], 0.0, 0
    while waiting:
        if stock >= 4:
            stock, now = stock - 1, now + 12.0  # a download takes 12 s; polls are sent only for want of files
            continue
        known = list(waiting) if len(seen) >= 10 else [next(iter(waiting))]
        due = [n for n in known if waiting[n] <= now]
        oldest = due[0] if due else min(known, key=lambda n: waiting[n])
        now = max(now, waiting[oldest]) + 0.1
        requests += 1
        done = [moment for moment in ready[oldest] if moment <= now]
        if len(done) == 2:
            del waiting[oldest]
            stock += 2
            seen.append(now - oldest / 2.5)
        else:
            waiting[oldest] = now + poll_after_s(now - oldest / 2.5, seen)
    assert requests / 2000 <= 2.3


class Answering(httpx.AsyncBaseTransport):
    """Notes when requests start; refuses the ones it is told to."""

    def __init__(self, clock: Timeline, refuse: dict[int, float]) -> None:
        self.starts: list[float] = []
        self._clock = clock
        self._refuse = refuse

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.starts.append(self._clock.time)
        after_s = self._refuse.get(len(self.starts))
        await self._clock.sleep(0.5)
        if after_s is not None:
            raise Throttled("slower", after_s=after_s)
        return httpx.Response(200)


def paced(many: int, rate: float, refuse: dict[int, float]) -> tuple[list[float], list[BaseException]]:
    """Starts of many tasks that all ask at once, and what they were refused with."""
    clock = Timeline()
    wire = Answering(clock, refuse)
    errors: list[BaseException] = []

    async def main() -> None:
        transport = Paced(wire, {"data": Pace(rate)}, clock)

        async def one() -> None:
            try:
                await transport.handle_async_request(httpx.Request("GET", "http://api/x"))
            except Throttled as error:
                errors.append(error)

        await clock.run(*(asyncio.create_task(one()) for _ in range(many)))

    asyncio.run(main())
    return wire.starts, errors


def test_many_tasks_share_one_pace() -> None:
    starts, errors = paced(100, 10.0, {})
    assert not errors
    assert starts == pytest.approx([n / 10 for n in range(100)])


def test_a_refusal_holds_back_everyone() -> None:
    starts, errors = paced(20, 10.0, {3: 30.0})
    assert len(errors) == 1
    before = [start for start in starts if start < 0.75]
    after = [start for start in starts if start >= 0.75]
    assert min(after) >= 30.0
    assert len(before) + len(after) == 20


def test_a_refusal_for_a_day_is_told_at_once_and_nothing_more_is_sent() -> None:
    starts, errors = paced(20, 10.0, {1: 86400.0})
    assert len(starts) < 20
    assert len(errors) == 1 + 20 - len(starts)
    assert all(isinstance(error, Throttled) and (error.after_s or 0) > 60 for error in errors)

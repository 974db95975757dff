"""Random histories of orders: crashes, lost answers, late lists, refusals, two processes, cancels; the ledger holds.

Each history drives the jobs of one group through the real loop, lifecycle, library and `Ordering`, against a model of
Planet that charges an item once for each order it accepts.
"""

from __future__ import annotations

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planet_assets.exceptions import LibraryLocked, NetworkError, OverQuota, ServerError, Throttled
from planet_assets.flow.clock import VirtualClock
from planet_assets.flow.drive import Track, drive
from planet_assets.flow.ordering import Ordering
from planet_assets.library import jobs as job_rows
from planet_assets.library import ledger
from planet_assets.library.engine import Library
from planet_assets.model.asset import AssetStatus
from planet_assets.model.event import Cancelled, Created, PlaceOrder, TakenOver
from planet_assets.model.job import DownloadJob, Terms
from planet_assets.model.order import Order
from planet_assets.rules.lifecycle import may_end

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
GRACE = timedelta(seconds=60)
KM2 = 20.0
OUTCOMES = ("accept", "lose", "lose", "late", "never", "server", "busy", "refuse", "unreached", "crash", "crash-after")
outcomes_lists = st.lists(st.sampled_from(OUTCOMES), max_size=5)
ERRORS = {"busy": Throttled("busy"), "refuse": OverQuota("quota exceeded"), "server": ServerError("500")}
ERRORS |= {"lose": NetworkError("lost"), "late": NetworkError("lost"), "never": NetworkError("lost")}
ERRORS |= {"unreached": NetworkError("refused", reached_server=False)}


class Crash(BaseException):
    """The process ends here."""


class Planet:
    """Orders that stand, and what they charge."""

    def __init__(self, clock, outcomes):
        self.clock, self.outcomes, self.orders, self.bill = clock, list(outcomes), [], 0.0

    async def create(self, body):
        outcome = self.outcomes.pop(0) if self.outcomes else "accept"
        await asyncio.sleep(0)
        if outcome == "crash":
            raise Crash
        if outcome in ("accept", "lose", "late", "crash-after", "server"):
            delay = GRACE * 0.8 if outcome == "late" else timedelta()
            order = Order(id=f"{len(self.orders):032x}", name=body["name"], state="failed")
            self.orders.append((order, self.clock.now() + delay))
            self.bill += KM2 * len(body["products"][0]["item_ids"])
        if outcome == "crash-after":
            raise Crash
        if outcome in ERRORS:
            raise ERRORS[outcome]
        return self.orders[-1][0]

    async def named(self, name):
        return [order for order, listed in self.orders if order.name == name and listed <= self.clock.now()]

    async def get(self, order_id):
        return next(order for order, _ in self.orders if order.id == order_id)


def new_jobs(items, types):
    made = []
    for item in range(items):
        for position in range(types):
            about = {"item_type": "PSScene", "scene_id": f"s{item}", "asset_type": f"t{position}", "bundle": "visual"}
            made.append(
                DownloadJob(
                    id=f"{item}{position}", batch_id="b", account="a", route="orders", order_group="g",
                    path=f"/x{item}{position}",
                    clipped_path=None, roi_wkt=None, clipping=None, terms=Terms(allow_unknown_quota=True),
                    km2=0.0 if position else KM2, order_km2=KM2, created_at=NOW, updated_at=NOW, **about,
                )
            )  # fmt: skip
    return made


async def one_process(library, clock, planet, jobs, threads):
    """Drive jobs until they end or the process crashes."""

    async def agrees(job, km2):
        return True

    async def there(job, asset_types):
        return None

    tracks = [Track(job, library, by="test", tell=lambda job: None) for job in jobs]
    ordering = Ordering(
        api=planet, library=library, clock=clock, fetcher=None, threads=threads, tracks=tracks, links={},
        consent=agrees, look=there, grace=GRACE, first_look_s=0.01,
    )  # fmt: skip

    async def perform(step, track):
        if isinstance(step, PlaceOrder):
            return await ordering.place(track)
        return await (ordering.find(track) if track.job.order_id is None else ordering.poll(track))

    workers = [asyncio.ensure_future(drive(track, perform, clock)) for track in tracks]
    try:
        await asyncio.gather(*workers)
    except (Crash, LibraryLocked):
        pass
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await ordering.close()


def holds(library, planet):
    held, spent = ledger.balance(library)
    assert held + spent >= planet.bill - 1e-6
    jobs = job_rows.listed(library)
    assert sum(job.held_km2 for job in jobs) == pytest.approx(held, abs=1e-6)
    assert sum(job.spent_km2 for job in jobs) == pytest.approx(spent, abs=1e-6)
    known = {job.order_id for job in jobs}
    unknown = [order for order, _ in planet.orders if order.id not in known]
    sought = {job.order_name for job in jobs if not job.status.is_final}
    assert all(order.name in sought for order in unknown)


async def history(folder, items, types, outcomes, cancels):
    clock, library, threads = VirtualClock(NOW), Library(folder / "library.db"), ThreadPoolExecutor(2)
    planet = Planet(clock, outcomes)
    jobs = job_rows.add(
        library,
        [(job, [Created(at=NOW, km2=job.km2)]) for job in new_jobs(items, types)],
        owner="p0", by="test", now=NOW, allow_unknown=True,
    )  # fmt: skip
    for round_ in range(12):
        await one_process(library, clock, planet, jobs, threads)
        holds(library, planet)
        for job in job_rows.unfinished(library):
            job_rows.record(library, job, TakenOver(at=clock.now(), by=f"p{round_}"))
        left = job_rows.unfinished(library)
        if cancels and left and may_end(left[0]) and cancels.pop():
            job_rows.record(library, left[0], Cancelled(at=clock.now(), by="test"))
        jobs = job_rows.unfinished(library)
        if not jobs:
            break
    threads.shutdown()
    held, spent = ledger.balance(library)
    everything = job_rows.listed(library)
    assert all(job.status.is_final for job in everything), [job.status for job in everything]
    assert held == pytest.approx(0, abs=1e-6)
    assert spent == pytest.approx(planet.bill, abs=1e-6)
    assert len(planet.orders) <= 1
    assert all(job.status in (AssetStatus.FAILED, AssetStatus.USER_CANCELLED) for job in everything)
    library.close()


def story(examples):
    @settings(max_examples=examples, deadline=None, print_blob=True)
    @given(
        st.integers(1, 2),
        st.integers(1, 3),
        st.lists(st.sampled_from(OUTCOMES), max_size=5),
        st.lists(st.booleans(), max_size=2),
    )
    def told(items, types, outcomes, cancels):
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(history(Path(folder), items, types, outcomes, cancels))

    return told


test_no_history_costs_what_the_ledger_does_not_hold = story(80)
test_no_history_for_long = pytest.mark.soak(story(5000))

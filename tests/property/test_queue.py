"""The queue: highest priority first, oldest first among equals, and what does not fit never blocks what does."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planet_assets.exceptions import Misused
from planet_assets.flow.clock import VirtualClock
from planet_assets.flow.queue import DownloadQueue
from planet_assets.library import accounts
from planet_assets.library.engine import Library
from planet_assets.model.job import JobList
from planet_assets.model.plan import DownloadImpact, Plan, Verdict, Want
from planet_assets.model.queue import QueueEntry
from planet_assets.model.quota import QuotaInfo
from planet_assets.rules import allowance
from planet_assets.rules.queueing import due, in_turn, read_priority

NOW = datetime(2026, 11, 18, 10, tzinfo=UTC)

entries = st.lists(
    st.builds(
        dict,
        priority=st.sampled_from([-10, 0, 0, 7, 10]),
        state=st.sampled_from(["waiting", "waiting", "running", "done", "failed", "dropped"]),
        late=st.sampled_from([None, -1, 1]),
    ),
    max_size=8,
)


def made(rows):
    return [
        QueueEntry(
            id=number,
            account="a",
            priority=row["priority"],
            state=row["state"],
            scene_count=1,
            added_at=NOW,
            updated_at=NOW,
            not_before=None if row["late"] is None else NOW + timedelta(hours=row["late"]),
        )
        for number, row in enumerate(rows)
    ]


@given(entries, st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)))
def test_the_next_entry_is_the_best_of_those_that_may_go(rows, left, seen):
    queue = made(rows)
    found = due(queue, NOW, left_behind=left, seen=seen)
    ready = [
        entry
        for entry in queue
        if entry.id not in seen
        and (entry.not_before is None or entry.not_before <= NOW)
        and (entry.state == "waiting" or (entry.state == "running" and entry.id in left))
    ]
    assert (found is None) == (not ready)
    for other in ready:
        mine, theirs = ((one.state == "waiting", -one.priority, one.id) for one in (found, other))
        assert mine <= theirs
    assert sorted(entry.id for entry in in_turn(queue)) == [entry.id for entry in queue]


@pytest.mark.parametrize(("said", "meant"), [("high", 10), (" Low ", -10), ("normal", 0), ("7", 7), (-3, -3)])
def test_priorities(said, meant):
    assert read_priority(said) == meant


@pytest.mark.parametrize("said", ["urgent", True, 1.5, 10**7, None])
def test_no_priority(said):
    with pytest.raises(Misused, match="priority"):
        read_priority(said)


class Shop:
    """A manager that sells scenes at the price in their id, out of a purse."""

    def __init__(self, library, purse_km2):
        self.library, self.purse_km2, self.sold, self.prices = library, purse_km2, [], {}
        self.settings = SimpleNamespace(
            asset_types=("ortho_analytic_4b",), output_dir=".", quota=SimpleNamespace(allow_unknown=False)
        )
        self.auth, self.name, self.clock = SimpleNamespace(digest="d"), "night.py", VirtualClock(NOW)
        self.get_user_confirmation = lambda plan: True
        self._numbers = itertools.count()

    async def plan(self, scenes, asset_types=None, **options):
        km2 = float(scenes[0]["properties"]["price"])
        quota = QuotaInfo(limit_km2=self.purse_km2, used_km2=0.0, source="planet")
        impact = DownloadImpact(route="data", wants=(), scene_count=1, data_km2=km2, orders_km2=km2)
        plan_id = f"plan{next(self._numbers)}"
        self.prices[plan_id] = km2
        return Plan(
            id=plan_id,
            made_at=NOW,
            wants=(Want(item=scenes[0], asset_type="x"),),
            impact=impact,
            verdict=allowance.judge(quota, km2) if km2 else Verdict(word="fits"),
            quota=quota,
            asset_types=("x",),
        )

    async def run(self, plan, **options):
        self.purse_km2 -= self.prices[plan.id]
        self.sold.append(plan.wants[0].item["id"])
        return JobList()


def scene(number, km2):
    ring = [[9.0, 45.0], [9.1, 45.0], [9.1, 45.1], [9.0, 45.1], [9.0, 45.0]]
    return {
        "type": "Feature",
        "id": f"s{number}",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"acquired": "2026-01-01T00:00:00Z", "price": km2},
    }


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["high", "normal", "low"]), st.integers(1, 60)), max_size=7), st.integers(0, 120)
)
def test_what_does_not_fit_waits_while_smaller_work_goes_on(tmp_path_factory, wishes, purse):
    library = Library(tmp_path_factory.mktemp("queue") / "library.db")
    accounts.link_key(library, "d", "account")
    shop = Shop(library, float(purse))
    queue = DownloadQueue(shop)

    async def story():
        for number, (priority, km2) in enumerate(wishes):
            await queue.add([scene(number, km2)], priority)
        await queue.process(confirm=False)

    asyncio.run(story())
    left, expected = purse, []
    for number, (_, km2) in sorted(enumerate(wishes), key=lambda one: (-read_priority(one[1][0]), one[0])):
        if km2 <= left:
            left -= km2
            expected.append(f"s{number}")
    assert shop.sold == expected
    states = {entry.id: entry.state for entry in queue.list()}
    waiting = queue.list(open_only=True)
    assert list(states.values()).count("done") == len(expected)
    assert all("quota exceeded" in entry.reason for entry in waiting)
    library.close()

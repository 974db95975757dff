"""The stream of everything that happens, and the overview of scenes, over both engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from planet_assets.exceptions import Misused
from planet_assets.library import approvals, bundles, feed, items, overview
from planet_assets.library.engine import Library
from planet_assets.library.team_schema import approval_event
from planet_assets.model.approval import Approval
from planet_assets.model.item import item_from_feature

NOW = datetime(2025, 1, 9, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def library(library_address):
    made = Library(library_address)
    yield made
    made.close()


def put(library, number):
    times = {"posted_at": NOW, "expires_at": NOW}
    one = Approval(id=f"q{number:08}", plan_id="p", account="a", by="ann", km2=1.0, document={}, **times)
    approvals.post(library, one, now=NOW)


def test_read_again_from_a_cursor(library):
    begin = feed.read_cursor("")
    assert feed.heads(library) == begin and feed.written(begin) == ""
    put(library, 1)
    bundles.open_one(library, "scene", kind="scene", by="me", now=NOW)
    put(library, 2)
    found = feed.after(library, begin, LATER)
    assert [(one.source, one.verb) for one in found] == [("bundle", "opened"), ("plan", "waiting"), ("plan", "waiting")]
    middle = feed.moved(feed.moved(begin, found[0]), found[1])
    assert feed.read_cursor(feed.written(middle)) == middle
    assert [one.subject for one in feed.after(library, middle, LATER)] == ["q00000002"]
    assert feed.after(library, feed.heads(library), LATER) == []
    for bad in ("x", "job", "job:x", "job:-1", "job:1;", "job:1" + "0" * 30):
        with pytest.raises(Misused):
            feed.read_cursor(bad)


def test_a_young_gap_is_waited_for_and_an_old_one_passed(library):
    """PostgreSQL gives out numbers before their transaction ends."""
    for number in range(3):
        put(library, number)
    with library.write() as connection:
        connection.execute(sa.delete(approval_event).where(approval_event.c.sequence == 2))
    begin = feed.read_cursor("")
    assert [one.sequence for one in feed.after(library, begin, NOW + timedelta(seconds=1))] == [1]
    assert [one.sequence for one in feed.after(library, begin, NOW + timedelta(seconds=6))] == [1, 3]


def test_scenes_a_page_at_a_time(library):
    square = {"type": "Polygon", "coordinates": [[[9, 45], [9.1, 45], [9.1, 45.1], [9, 45.1], [9, 45]]]}
    known = []
    for number in range(7):
        moment = f"2025-01-0{1 + number // 2}T10:00:00Z"
        properties = {"acquired": moment, "item_type": "PSScene"}
        feature = {"type": "Feature", "id": f"2025_{number}", "geometry": square, "properties": properties}
        known.append((item_from_feature(feature), f'{{"id": "2025_{number}"}}'))
    items.remember(library, known, now=NOW)
    seen, mark = [], None
    while page := overview.page(library, limit=3, after=mark):
        seen += [row["id"] for row in page]
        mark = overview.Mark(acquired=page[-1]["acquired"], item_id=page[-1]["id"])
    assert seen == [f"2025_{number}" for number in reversed(range(7))]
    assert [row["id"] for row in overview.page(library, limit=9, begins="2025_3")] == ["2025_3"]
    assert overview.page(library, limit=9, begins="%") == []
    assert {row["state"] for row in overview.page(library, limit=9, ids=["2025_1", "2025_2"])} == {"known"}
    assert overview.counts(library)["items"] == {"known": 7} and overview.job_ids_of(library, "2025_1") == []
    assert overview.features_of(library, "2025_1") == [{"id": "2025_1"}]

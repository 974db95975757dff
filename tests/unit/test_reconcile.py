"""The ledger against Planet: drift, orders of others, usage reports; by rules alone."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import pytest
from shapely.geometry import box, mapping

from planet_assets.exceptions import Misused
from planet_assets.model.order import Order
from planet_assets.model.quota import QuotaInfo
from planet_assets.model.spend import ReportLine, Spend
from planet_assets.model.tariff import Tariff
from planet_assets.rules.area import geodesic_km2
from planet_assets.rules.reconcile import (
    adjustment,
    drift,
    order_spends,
    period_start,
    report_differences,
    report_spends,
)
from planet_assets.rules.reports import read_report

NOW = datetime(2026, 11, 18, 10, tzinfo=UTC)
QUOTA = QuotaInfo(account="a", limit_km2=3000.0, used_km2=500.0, source="planet", interval="monthly", as_of=NOW)
SQUARE = box(9.0, 45.0, 9.2, 45.2)
HALF = box(9.0, 45.0, 9.1, 45.2)


def spend(km2, at=NOW - timedelta(days=9), **more):
    values = {"sequence": 1, "account": "a", "kind": "commit", "held_km2": 0.0, "rule": "x (assumed)", "by": "me"}
    return Spend(at=at, spent_km2=km2, **values | more)


def order(*item_ids, state="success", tools=(), item_type="PSScene", **more):
    values = {"id": "o1", "name": "Explorer", "created_on": NOW}
    types = (item_type,) * len(item_ids)
    return Order(state=state, item_ids=item_ids, item_types=types, tools=tools, **values | more)


def clip(area):
    return ({"clip": {"aoi": mapping(area)}},)


@pytest.mark.parametrize(
    ("posted", "word", "km2"),
    [(300.0, "agrees", 0.0), (380.0, "agrees", 0.0), (420.0, "planet_more", 20.0), (250.0, "planet_less", -50.0)],
)
def test_drift_is_what_the_ledger_cannot_explain(posted, word, km2):
    rows = [spend(300.0), spend(100.0, at=NOW - timedelta(hours=1)), spend(77.0, at=NOW - timedelta(days=40))]
    found = drift(QuotaInfo(**{**fields(QUOTA), "used_km2": posted}), rows, NOW)
    assert (found.word, found.km2) == (word, pytest.approx(km2))
    assert (found.certain_km2, found.possible_km2) == (300.0, 400.0)


def fields(quota):
    return {name: getattr(quota, name) for name in type(quota).__dataclass_fields__}


def test_a_declared_figure_compares_with_nothing():
    found = drift(QuotaInfo(**{**fields(QUOTA), "source": "declared"}), [spend(300.0)], NOW)
    assert found.word == "unknown"
    assert math.isnan(found.km2)
    with pytest.raises(Misused, match="no drift"):
        adjustment(found, "because", NOW)


def test_an_accepted_drift_lies_among_what_is_posted():
    found = drift(QUOTA, [spend(300.0)], NOW)
    row = adjustment(found, " spent before the library existed ", NOW)
    assert row.km2 == pytest.approx(200.0)
    assert found.since <= row.at < found.settled_before
    assert row.note == "spent before the library existed"
    with pytest.raises(Misused, match="Why"):
        adjustment(found, " ", NOW)
    first = NOW.replace(day=1)
    with pytest.raises(Misused, match="just begun"):
        adjustment(drift(QuotaInfo(**{**fields(QUOTA), "as_of": first}), [], first), "because", first)


def test_an_annual_interval_begins_a_year_before_its_reset():
    quota = QuotaInfo(**{**fields(QUOTA), "interval": "annual", "resets_at": datetime(2027, 3, 1, tzinfo=UTC)})
    assert period_start(quota, NOW) == datetime(2026, 3, 1, tzinfo=UTC)


def test_an_order_is_priced_item_by_item_by_its_clip():
    footprints = {"a": SQUARE, "b": box(20, 20, 21, 21)}
    found, problems = order_spends(order("a", "b", "a", tools=clip(HALF)), footprints, Tariff())
    assert not problems
    assert [one.key for one in found] == ["order:o1/a/0", "order:o1/a/1"]  # b lies outside the clip
    assert [one.km2 for one in found] == pytest.approx([geodesic_km2(HALF)] * 2)
    assert {one.rule for one in found} == {"foreign order o1 (confirmed)"}


@pytest.mark.parametrize("state", ["queued", "failed", "cancelled", "partial"])
def test_an_order_that_did_not_simply_succeed_is_assumed_to_charge(state):
    (one,), _ = order_spends(order("a", state=state), {"a": SQUARE}, Tariff())
    assert one.rule == "foreign order o1 (assumed)"
    assert one.km2 == pytest.approx(geodesic_km2(SQUARE))


def test_a_clip_that_cannot_be_read_counts_the_whole_scene_as_assumed():
    (one,), _ = order_spends(order("a", tools=({"clip": {"aoi": "pl:features/my/x"}},)), {"a": SQUARE}, Tariff())
    assert (one.km2, one.rule) == (pytest.approx(geodesic_km2(SQUARE)), "foreign order o1 (assumed)")


def test_what_cannot_be_priced_is_named_and_what_is_free_is_not():
    found, problems = order_spends(order("a"), {}, Tariff())
    assert not found
    assert "footprint of a" in problems[0]
    assert "names no items" in order_spends(order(), {}, Tariff())[1][0]
    assert "when it was placed" in order_spends(order("a", created_on=None), {}, Tariff())[1][0]
    assert order_spends(order("s", item_type="Sentinel2L1C"), {}, Tariff()) == ([], [])


def test_an_item_that_a_report_told_of_is_not_counted_again():
    told = spend(9.0, kind="adjust", key="report:2026-11-18/a/9.000")
    assert order_spends(order("a"), {"a": SQUARE}, Tariff(), [told]) == ([], [])


def test_a_report_is_compared_scene_by_scene_and_counts_once():
    lines = [
        ReportLine(day=date(2026, 11, 3), km2=10.0, item_id="a"),
        ReportLine(day=date(2026, 11, 5), km2=20.0, item_id="a"),
        ReportLine(day=date(2026, 11, 5), km2=7.0, item_id="b"),
    ]
    rows = [
        spend(10.0, item_id="a", at=datetime(2026, 11, 3, tzinfo=UTC)),
        spend(4.0, item_id="c", at=datetime(2026, 11, 4, tzinfo=UTC)),
        spend(7.0, item_id="b", at=datetime(2026, 11, 6, 1, tzinfo=UTC)),  # past midnight
    ]
    found = report_differences(lines, rows)
    assert [(one.name, one.report_km2, one.ledger_km2) for one in found] == [("a", 30.0, 10.0), ("c", 0.0, 4.0)]
    (one,) = report_spends(lines, found)
    assert (one.key, one.km2, one.at.date()) == ("report:2026-11-05/a/30.000", 20.0, date(2026, 11, 5))
    booked = spend(20.0, item_id="a", kind="adjust", at=one.at, key=one.key)
    assert [one.name for one in report_differences(lines, [*rows, booked])] == ["c"]


def test_a_report_without_scenes_is_compared_day_by_day():
    lines = [ReportLine(day=date(2026, 11, 3), km2=10.0), ReportLine(day=date(2026, 11, 4), km2=5.0)]
    found = report_differences(lines, [spend(10.0, at=datetime(2026, 11, 3, 5, tzinfo=UTC))])
    assert [(one.name, one.report_km2, one.ledger_km2) for one in found] == [("2026-11-04", 5.0, 0.0)]
    assert [one.km2 for one in report_spends(lines, found)] == [5.0]
    assert report_differences([], []) == []


@pytest.mark.parametrize(
    "text",
    [
        "Date,Item ID,Area (sq km)\n2026-11-03,a,1234.5\n,total,1234.5\n",
        '\ufeffdownload_date;scene_id;area_sqkm\n2026-11-03T08:00:00Z;a;"1.234,5"\n',
        "\nday\titem\tarea_m2\n11/03/2026\ta\t1234500000\n",
        'Item,Created At,Hectares\na,20261103,"123,450"\n',
    ],
)
def test_reports_are_read_by_what_their_columns_say(text):
    (line,) = read_report(text)
    assert (line.day, line.item_id, line.km2) == (date(2026, 11, 3), "a", pytest.approx(1234.5))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("item,area\na,1\n", "tells the date"),
        ("date,item\n2026-11-03,a\n", "tells the area"),
        ("date,area\nyesterday,1\n", "Line 2.*no date"),
        ("date,area\n2026-11-03,much\n", "Line 2"),
        ("date,area\n2026-11-03,-4\n", "no area"),
        ("date,area\n2026-11-03,nan\n", "no area"),
    ],
)
def test_a_report_that_cannot_be_read_says_where(text, words):
    with pytest.raises(Misused, match=words):
        read_report(text)

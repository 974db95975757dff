"""The month as a picture: well-formed, to scale, and honest where something is not known."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from planet_assets.exceptions import Misused
from planet_assets.model.quota import QuotaInfo
from planet_assets.model.spend import Spend
from planet_assets.rules.months import month_report, read_month
from planet_assets.view.month import month_svg, month_words

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
QUOTA = QuotaInfo(limit_km2=3000.0, used_km2=900.0, pending_km2=100.0, source="planet", interval="monthly", as_of=NOW)


def row(day, km2, *, held=0.0, kind="commit", month=11):
    return Spend(
        sequence=1,
        account="a",
        at=datetime(2026, month, day, 9, tzinfo=UTC),
        kind=kind,
        held_km2=held,
        spent_km2=km2,
        rule="r (assumed)",
        by="x",
    )


ROWS = [row(3, 400.0), row(3, 100.0), row(9, 250.0, kind="adjust"), row(17, 50.0), row(18, 0.0, held=60.0)]


def report(rows=ROWS, quota=QUOTA, now=NOW, first=NOVEMBER):
    return month_report(rows, quota, first, now)


def drawn(found):
    return ElementTree.fromstring(month_svg(found))


def texts(root):
    return [element.text for element in root.iter() if element.tag.endswith("text")]


def test_days_add_up_and_what_is_held_counts_now():
    found = report([*ROWS, row(30, 7.0, month=10), row(1, 9.0, month=12)])
    assert len(found.days) == 30
    assert (found.spent_km2, found.foreign_km2, found.held_km2) == (800.0, 250.0, 60.0)
    assert found.days[2].ours_km2 == 500.0
    assert found.gone_days == 17.5
    assert found.pace_km2 == pytest.approx(3000 * 17.5 / 30)


def test_the_picture_says_what_is_spent_held_left_and_the_pace():
    root = drawn(report())
    words = " ".join(texts(root))
    assert "November 2026" in words
    for part in ("spent 550 km²", "not ours 250 km²", "held 60 km²", "left 2,000 km²", "limit 3,000 km²"):
        assert part in words
    assert "750 km² below an even pace" in root.get("aria-label")
    titles = [element.text for element in root.iter() if element.tag.endswith("title")]
    assert "2026-11-03: 500 km²" in titles
    assert "2026-11-09: 0 km² and 250 km² not ours" in titles


def test_everything_lies_within_the_picture():
    for found in (report(), report([row(3, 9000.0)]), report([]), report([row(3, -20.0)])):
        root = drawn(found)
        width, height = (float(root.get(name)) for name in ("width", "height"))
        for element in root.iter():
            if element.tag.endswith("rect"):
                x, y, wide, high = (float(element.get(name)) for name in ("x", "y", "width", "height"))
                assert 0 <= x <= x + wide <= width + 0.1
                assert 0 <= y <= y + high <= height + 0.1


def test_a_month_that_is_over_shows_neither_held_nor_left():
    words = " ".join(texts(drawn(report([row(3, 40.0, month=10)], first=datetime(2026, 10, 1, tzinfo=UTC)))))
    assert "October 2026" in words
    assert "held" not in words and "left" not in words


def test_without_a_limit_there_is_no_pace():
    unknown = QuotaInfo(source="unknown")
    found = report(quota=unknown)
    assert math.isnan(found.pace_km2)
    words = " ".join(texts(drawn(found)))
    assert "limit" not in words and "pace" not in words
    assert "left unknown" in words
    assert "pace" not in month_words(found)


def test_an_annual_limit_is_no_month_s_limit():
    annual = QuotaInfo(limit_km2=3000.0, used_km2=0.0, source="planet", interval="annual")
    assert not report(quota=annual).has_limit


def test_it_shows_itself_in_a_notebook():
    html = report()._repr_html_()
    assert "<svg" in html and "800 km² spent by the ledger" in html


def test_the_first_second_and_the_last_of_a_month():
    for now in (NOVEMBER, NOVEMBER + timedelta(days=30) - timedelta(microseconds=1)):
        assert "November 2026" in " ".join(texts(drawn(report(now=now))))


@pytest.mark.parametrize(("text", "month"), [("2026-10", 10), (" 2026-2", 2), (None, 11)])
def test_months_are_read(text, month):
    assert read_month(text, NOW).month == month


@pytest.mark.parametrize("text", ["2026", "2026-13", "November", "2026-11-01", "0000-01"])
def test_what_is_no_month(text):
    with pytest.raises(Misused, match="no month"):
        read_month(text, NOW)

"""Listings over both engines: compared and remembered in one transaction, with tombstones that come back."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from planet_assets.library import listings, saving
from planet_assets.library.engine import Library

NOW = datetime(2025, 6, 1, tzinfo=UTC)


@pytest.fixture
def library(library_address):
    made = Library(library_address)
    yield made
    made.close()


def test_four_weeks_of_a_listing(library):
    def week(number, listing, **how):
        return listings.remember(library, "site", listing, now=NOW + timedelta(weeks=number), **how)

    assert week(0, {"a": "1", "b": "1", "20220617_100823_37_2465": ""}).new == ("a", "b", "20220617_100823_37_2465")
    assert week(1, {"a": "1", "b": "2"}).modified == ("b",)
    second = week(2, {"a": "1"}, complete=True)
    assert second.gone == ("20220617_100823_37_2465", "b") and listings.names(library) == {"site": (1, 2)}
    assert week(3, {"a": "1"}, complete=True).is_empty
    back = week(4, {"a": "1", "b": "2"})
    assert back.returned == ("b",) and not back.modified and not back.new
    alive = list(listings.entries(library, "site"))
    assert [(one.id, one.first_seen, one.changed_at) for one in alive] == [
        ("a", NOW, NOW),
        ("b", NOW, NOW + timedelta(weeks=4)),
    ]
    assert [one.gone_at for one in listings.entries(library, "site", gone=True)] == [NOW + timedelta(weeks=2)]


def test_text_is_kept_as_it_is(library):
    odd = {
        "tab\there": "1",
        "line\nbreak": "a\\tb",
        "back\\slash\\": "\\N",
        "0123": "0",
        "naïve ☃": "\r",
        "unit\x1f": "\x1f",
    }
    listings.remember(library, "odd", odd, now=NOW, describe=lambda key: f'{{"of": "{len(key)}"}}')
    assert dict(listings.remembered(library, "odd").alive) == odd
    assert listings.remember(library, "odd", odd, now=NOW).is_empty
    assert next(listings.entries(library, "odd")).document is not None


def test_listings_do_not_disturb_one_another(library):
    listings.remember(library, "one", {"a": "1"}, now=NOW)
    assert listings.remember(library, "two", {"a": "1"}, now=NOW, complete=True).new == ("a",)
    assert listings.remember(library, "two", {}, now=NOW, complete=True).gone == ("a",)
    assert listings.remember(library, "one", {"a": "1"}, now=NOW).is_empty
    assert listings.forget(library, "two") == 1 and listings.names(library) == {"one": (1, 0)}


def test_a_new_id_is_new_to_one_of_those_who_race(library):
    listing = {f"s{number}": "1" for number in range(200)}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: listings.remember(library, "race", listing, now=NOW), range(8)))
    assert sum(len(one.new) for one in found) == 200


def test_listings_of_another_library_come_in_and_the_later_word_stays(library, tmp_path):
    other = Library(tmp_path / "other.db")
    listings.remember(other, "site", {"a": "1", "b": "1", "c": "1"}, now=NOW)
    listings.remember(library, "site", {"a": "2", "d": "1"}, now=NOW + timedelta(weeks=1))
    listings.remember(other, "site", {"a": "1", "b": "2"}, now=NOW + timedelta(weeks=2), complete=True)
    other.close()
    saving.merge(library, tmp_path / "other.db")
    assert listings.remembered(library, "site").alive == {"a": "2", "b": "2", "d": "1"}
    assert listings.remembered(library, "site").gone == {"c": "1"}
    assert next(listings.entries(library, "site")).first_seen == NOW
    assert saving.merge(library, tmp_path / "other.db")["listed"] == 0


@pytest.mark.parametrize("limits", [{"LOOSE": 5}, {"MOST_SEGMENTS": 3}])
def test_a_listing_written_anew_says_the_same(library, monkeypatch, limits):
    for name, value in limits.items():
        monkeypatch.setattr(listings, name, value)
    monkeypatch.setattr(listings, "SEGMENT", 3)
    chance = random.Random(7)
    known: dict[str, dict[str, object]] = {}
    for week in range(60):
        now, complete = NOW + timedelta(weeks=week), chance.random() < 0.6
        listing = {f"i{number}": chance.choice("123") for number in chance.sample(range(12), chance.randrange(12))}
        listings.remember(
            library, "site", listing, now=now, complete=complete, describe=lambda key, week=week: f"{key} {week}"
        )
        for key, value in listing.items():
            before = known.get(key, {"first": now, "gone": None})
            moved = before.get("print") != value
            if moved or before["gone"]:
                before |= {"print": value, "changed": now, "gone": None}
            if moved:
                before["document"] = f"{key} {week}"
            known[key] = before
        for key in known.keys() - listing.keys() if complete else ():
            if known[key]["gone"] is None:
                known[key] |= {"gone": now, "changed": now}
        for gone in (False, True):
            expected = [
                (key, one["print"], one["document"], one["first"], one["changed"], one["gone"])
                for key, one in sorted(known.items())
                if (one["gone"] is not None) is gone
            ]
            found = listings.entries(library, "site", gone=gone)
            assert [(e.id, e.fingerprint, e.document, e.first_seen, e.changed_at, e.gone_at) for e in found] == expected
        alive = {key: one["print"] for key, one in known.items() if one["gone"] is None}
        assert listings.remembered(library, "site").alive == alive
        assert listings.names(library).get("site", (0, 0)) == (len(alive), len(known) - len(alive))

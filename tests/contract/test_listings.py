"""Listings over both engines: compared and remembered in one transaction, with tombstones that come back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from planet_assets.library import listings
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

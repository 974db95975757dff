"""Where elements go, how their standings are shown, and how their files become bundles."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planet_assets.exceptions import Misused, Unsafe
from planet_assets.model.standing import Standing
from planet_assets.rules import destinations as rules
from planet_assets.rules import packages, sealing

NOW = datetime(2025, 1, 1, tzinfo=UTC)
SITES = ["hub", "paris", "rome"]


@pytest.mark.parametrize(
    ("document", "everywhere", "expected"),
    [
        ({"origin": "paris"}, True, ["hub", "rome"]),
        ({"origin": "paris"}, False, []),
        ({"origin": "paris", "syncEverywhere": False}, True, []),
        ({"origin": "paris", "syncEverywhere": True, "sync_rome": False}, False, ["hub"]),
        ({"origin": "paris", "syncEverywhere": False, "sync_rome": True, "sync_oslo": True}, True, ["oslo", "rome"]),
        ({"origin": "paris", "sync_paris": True, "sync_priority": 3, "sync_rome": None}, False, []),
        ({}, True, SITES),
    ],
)
def test_the_destination_rule(document, everywhere, expected):
    assert rules.destinations("/a/b.tif", document, SITES, everywhere) == expected


def test_what_is_no_file_goes_nowhere():
    for name in ("note", "/", rules.GLOBAL):
        assert rules.destinations(name, {"syncEverywhere": True}, SITES, True) == []


@pytest.mark.parametrize(
    ("priority", "rank"), [(5, -5), (-2.7, 2), (True, 0), ("9", 0), (float("nan"), 0), (1e300, -(10**9))]
)
def test_priorities(priority, rank):
    assert rules.rank_of({"sync_priority": priority}) == rank


def test_standings_as_keys_and_colours():
    def one(site, state, **told):
        return Standing(element_id="/x", site=site, state=state, wanted_at=NOW, **told)

    come, ms = NOW + timedelta(seconds=1), 1735689601000
    green = one("a", "present", synced_at=come)
    red = one("b", "failed", tried_at=come, error_code=23)
    old = one("c", "wanted", synced_at=come, modified_at=come)
    under_way = one("d", "wanted", syncing_at=come)
    assert rules.shown([green, red, old, under_way]) == {
        "synced_a": ms,
        "syncLastAttempt_b": ms,
        "syncError_b": 23,
        "synced_c": ms,
        "modified_c": ms,
        "syncing_d": ms,
    }
    assert [rules.status(each) for each in (green, red, old, under_way, one("e", "wanted"))] == [
        "delivered",
        "failed",
        "outdated",
        "syncing",
        "wanted",
    ]
    assert (rules.colour([green]), rules.colour([green, old]), rules.colour([old, red])) == ("green", "yellow", "red")
    assert rules.without_shown({"synced_a": 1, "syncing_b": 2, "sync_a": True, "x": 1}) == {"sync_a": True, "x": 1}


def test_names_of_sites():
    assert rules.checked_site("sit/inthebox/amopix") and rules.checked_site("studio1")
    for wrong in ("", "a b", "../x", "priority", "x" * 65):
        with pytest.raises(Misused):
            rules.checked_site(wrong)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
def test_any_file_name_becomes_a_component_and_comes_back(name):
    coded = packages.coded(name)
    assert sealing.checked_name(coded, "name") == coded
    assert packages.decoded(coded) == name


@given(st.text(max_size=30))
def test_an_element_has_a_bundle_of_its_own_or_is_refused(path):
    try:
        name = packages.bundle_name(f"/{path}")
    except Unsafe:
        return
    assert sealing.checked_name(name, "name") == name
    assert packages.bundle_name(f"/{path}/../x" if ".." in path else f"/{path}x") != name or path == ""


def test_paths_that_lead_out_are_refused():
    for wrong in ("/../x", "/a/../b", "/a//b", "x", "/", "/a\\b", "/a\nb", "/./a"):
        with pytest.raises(Unsafe):
            packages.checked_path(wrong)
    assert str(packages.checked_path("/a/b c/")) == "a/b c"
    with pytest.raises(Unsafe):
        packages.file_names("/a/", [packages.coded("../x")])


def test_patterns():
    names = ["/a/x.tif", "/a/x.tmp", "/b/.git/y.tif", "/b/deep/z.tif"]
    assert packages.chosen(names, ["*.tif"]) == ["/a/x.tif", "/b/.git/y.tif", "/b/deep/z.tif"]
    assert packages.chosen(names, [], [".git", "*.tmp"]) == ["/a/x.tif", "/b/deep/z.tif"]
    assert packages.chosen(names, ["b/*"], ["/b/d??p/*"]) == ["/b/.git/y.tif"]
    assert packages.patterns("*.tif, b/*\n.git") == ["*.tif", "b/*", ".git"] and packages.patterns(None) == []
    begun = time.process_time()
    assert packages.chosen(["/" + "a" * 5000], ["*a" * 60 + "b"]) == []
    assert time.process_time() - begun < 5, "no pattern runs away"

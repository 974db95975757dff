"""Bundles of another library, taken over on both engines: nothing is lost, nothing is told twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from planet_assets.library import bundles, saving
from planet_assets.library.engine import Library
from planet_assets.model.bundle import Component

NOW = datetime(2025, 1, 1, tzinfo=UTC)
BY = {"by": "me", "now": NOW}


@pytest.fixture
def library(tmp_path):
    made = Library(tmp_path / "library.db")
    yield made
    made.close()


@pytest.fixture
def on_each(library_address):
    """A library on each engine in turn."""
    made = Library(library_address)
    yield made
    made.close()


@pytest.fixture
def other(tmp_path):
    made = Library(tmp_path / "other.db")
    yield made
    made.close()


def file(name, sha="a"):
    return Component(name=name, path=Path(f"/x/{name}"), size_bytes=1, sha256=sha * 64)


def sealed(library, name="s", sha="a"):
    return bundles.assemble(library, name, [file("a.tif", sha), file("b.xml", sha)], kind="scene", **BY)


def ship(library, bundle, site, parts=("a.tif", "b.xml"), finish=True):
    bundles.want(library, bundle.id, site.id, now=NOW)
    assert bundles.claim(library, bundle.id, site.id, owner="o", now=NOW)
    for part in parts:
        bundles.arrived(library, bundle.id, site.id, part, owner="o", now=NOW)
    return finish and bundles.ready(library, bundle.id, site.id, owner="o", now=NOW)


def merged(library, other):
    counts = saving.merge(library, other.path)
    assert not any(saving.merge(library, other.path).values()), "twice changes nothing"
    return {name: counts[name] for name in ("bundle", "shipment", "shipped", "bundle_event")}


def test_bundles_shipments_and_events_come_over(on_each, other):
    library = on_each
    bundles.add_site(library, "unrelated", "/u", {})  # so that the numbers of sites differ
    there = bundles.add_site(other, "team", "/team", {})
    done, half = sealed(other, "done"), sealed(other, "half", "b")
    assert ship(other, done, there)
    ship(other, half, there, parts=("a.tif",), finish=False)
    opened = bundles.open_one(other, "opened", kind="scene", **BY)
    bundles.add(other, opened.id, [file("c")])
    assert merged(library, other) == {"bundle": 3, "shipment": 2, "shipped": 3, "bundle_event": 6}
    here = bundles.site_named(library, "team")
    assert here.address == "/team" and bundles.is_ready(library, done.id, here.id)
    assert bundles.get(library, done.id) == bundles.get(other, done.id)
    assert bundles.get(library, opened.id).components == (file("c"),)
    assert [one.id for one in bundles.outstanding(library, here.id)] == [half.id]
    assert ship(library, half, here, parts=("b.xml",)), "the lease stayed behind, what arrived came over"
    assert [event[2] for event in bundles.events(library)].count("ready") == 2


def test_what_is_ready_anywhere_is_ready_and_told_once(on_each, other, tmp_path):
    library = on_each
    made = sealed(library)
    for which in (library, other):
        site = bundles.add_site(which, "team", "/team", {})
        bundles.want(which, sealed(which).id, site.id, now=NOW)
    theirs = sealed(other)
    assert theirs.id != made.id and ship(other, theirs, bundles.site_named(other, "team"))
    assert merged(library, other) == {"bundle": 0, "shipment": 0, "shipped": 2, "bundle_event": 1}
    site = bundles.site_named(library, "team")
    assert bundles.is_ready(library, made.id, site.id) and not bundles.outstanding(library, site.id)
    kept = saving.backup(library, tmp_path / "kept.db")
    assert not any(saving.merge(library, kept).values())
    assert [event[2] for event in bundles.events(library)] == ["opened", "sealed", "ready"]


def test_other_contents_of_a_name_become_a_later_revision(library, other):
    ours, theirs = sealed(library, sha="a"), sealed(other, sha="b")
    opened = bundles.open_one(library, "s", kind="scene", **BY)
    assert opened.revision == 2
    merged(library, other)
    assert bundles.get(library, ours.id).revision == 1
    assert bundles.get(library, theirs.id).revision == 2 and bundles.get(library, theirs.id).seal == theirs.seal
    assert bundles.get(library, opened.id).revision == 3, "the open one stays the latest"
    assert bundles.open_one(library, "s", kind="scene", **BY).id == opened.id


def test_one_bundle_that_went_on_in_a_backup(library, tmp_path):
    opened = bundles.open_one(library, "s", kind="scene", **BY)
    bundles.add(library, opened.id, [file("a.tif")])
    saved = saving.backup(library, tmp_path / "saved.db")
    bundles.add(library, opened.id, [file("stray")])
    copied = Library(saved)
    bundles.add(copied, opened.id, [file("b.xml")])
    done = bundles.seal(copied, opened.id, by="them", now=NOW + timedelta(1))
    copied.close()
    saving.merge(library, saved)
    assert bundles.get(library, opened.id) == done, "sealed there: those members and no others"


def test_open_bundles_of_one_name_become_one(library, other):
    ours = bundles.open_one(library, "s", kind="scene", **BY)
    bundles.add(library, ours.id, [file("a.tif", "a")])
    theirs = bundles.open_one(other, "s", kind="scene", **BY)
    bundles.add(other, theirs.id, [file("a.tif", "b"), file("b.xml")])
    merged(library, other)
    assert bundles.open_one(library, "s", kind="scene", **BY).components == (file("a.tif", "a"), file("b.xml"))


def test_a_site_of_the_same_name_elsewhere_stays_another(library, other):
    bundles.add_site(library, "team", "/here", {})
    there = bundles.add_site(other, "team", "/there", {})
    made = sealed(other)
    assert ship(other, made, there)
    merged(library, other)
    assert [(one.name, one.address) for one in bundles.sites(library)] == [("team", "/here"), ("team-2", "/there")]
    assert not bundles.is_ready(library, made.id, bundles.site_named(library, "team").id)
    assert bundles.is_ready(library, made.id, bundles.site_named(library, "team-2").id)

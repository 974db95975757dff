"""New, modified, unchanged, gone: the rules, without a database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planet_assets.exceptions import Misused
from planet_assets.model.changes import Remembered, Version
from planet_assets.rules import changes

PRINTS = st.dictionaries(st.text("abc", max_size=2), st.sampled_from(["", "1", "2"]), max_size=8)


def test_every_kind_of_change():
    before = Remembered.of({"same": "1", "moved": "1", "lost": "1"}, {"back": "1"})
    found = changes.compare(before, {"moved": "2", "same": "1", "fresh": "1", "back": "1"}, complete=True)
    assert (found.new, found.modified, found.gone, found.returned) == (("fresh",), ("moved",), ("lost",), ("back",))
    assert found.unchanged == ("same", "back") and found.unchanged_count == 2
    assert str(found) == "1 new, 1 modified, 2 unchanged, 1 gone (1 came back)"


def test_a_partial_listing_declares_nothing_gone():
    assert changes.compare(Remembered.of({"a": "1"}), {}).gone == ()


@pytest.mark.parametrize(("was", "now"), [("", "1"), ("1", ""), ("", "")])
def test_what_is_unknown_is_no_change(was, now):
    before = Remembered.of({"a": was})
    found = changes.compare(before, {"a": now})
    assert found.modified == () and found.unchanged == ("a",)


@given(bulk=PRINTS, later=PRINTS, gone=PRINTS, listing=PRINTS, complete=st.booleans())
def test_every_id_has_one_fate(bulk, later, gone, listing, complete):
    gone = {key: value for key, value in gone.items() if key not in later}
    alive = {key: value for key, value in (bulk | later).items() if key not in gone}
    before = Remembered(ids=[*bulk], prints=[*bulk.values()], later=later, gone=gone, count=len(alive))
    assert before.alive == alive and before.prints_of(alive) == alive
    found = changes.compare(before, listing, complete=complete)
    fates = [*found.new, *found.modified, *found.unchanged, *found.gone]
    assert sorted(fates) == sorted(set(fates)) and set(fates) >= set(listing)
    assert set(found.gone) == (alive.keys() - listing.keys() if complete else set())
    assert found.new == tuple(key for key in listing if key not in alive and key not in gone)
    assert found.returned == tuple(key for key in listing if key in gone)
    had = gone | alive
    assert found.learned == tuple(key for key in listing if had.get(key) == "" != listing[key])
    assert found.modified == tuple(key for key in listing if had.get(key) and listing[key] not in ("", had[key]))


def test_a_fingerprint_ignores_what_is_no_change():
    record = {"id": 1, "etag": "x", "size": 0, "name": "a"}
    assert changes.fingerprint(record) == changes.fingerprint({"size": 0, "etag": "x", "name": "b"})
    assert changes.fingerprint(record) != changes.fingerprint({**record, "size": 1})
    assert changes.fingerprint({"a": 1, "url": "x"}) == changes.fingerprint({"url": "y", "a": 1})
    assert changes.fingerprint({"a": 1}) != changes.fingerprint({"a": 2})


def test_keys_stay_text():
    assert changes.key_of({"uuid": "u", "id": 7}) == "7"
    assert changes.key_of({"id": "20220617_100823_37_2465"}) == "20220617_100823_37_2465"
    with pytest.raises(Misused, match="no id or assetId or uuid"):
        changes.key_of({"name": "x"})


def test_only_proof_makes_a_republished_asset():
    why = changes.why_republished
    assert "md5 moved" in why(Version(md5="a" * 32), Version(md5="b" * 32))
    assert "finalized" in why(Version(stage="preview"), Version(stage="finalized"))
    assert not why(Version(), Version(md5="b" * 32, stage="finalized"))
    assert not why(Version(md5="a" * 32, stage="standard"), Version(stage="finalized"))
    assert not why(Version(md5="a" * 32, stage="preview"), Version(md5="a" * 32, stage="finalized"))

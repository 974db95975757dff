"""A key signs and never shows itself."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import traceback

import pytest

from planet_assets.exceptions import KeyMissing, Misused
from planet_assets.planet.auth import PlanetAuth

KEY = "PLAKc0ffee5a5a5a5a5a5a5a5a5a5a5a5a"


def test_the_header_is_signed_with_the_key() -> None:
    assert PlanetAuth(f" {KEY}\n").header() == ("Authorization", f"api-key {KEY}")


def test_no_text_made_of_it_holds_the_key() -> None:
    auth = PlanetAuth(KEY, source="PL_API_KEY")
    for text in (repr(auth), str(auth), f"{auth}", f"{[auth]}", json.dumps(auth, default=str)):
        assert KEY not in text
        assert "PL_API_KEY" in text
    assert not hasattr(auth, "__dict__")


def test_it_is_not_pickled_but_may_be_copied() -> None:
    auth = PlanetAuth(KEY)
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(auth)
    assert copy.copy(auth) is auth
    assert copy.deepcopy({"auth": auth})["auth"] is auth


def test_the_digest_names_the_key_and_not_its_source() -> None:
    assert PlanetAuth(KEY).digest == PlanetAuth(KEY, source="~/.planet.json").digest
    assert hashlib.sha256(KEY.encode()).hexdigest().startswith(PlanetAuth(KEY).digest)
    assert PlanetAuth(KEY) == PlanetAuth(KEY, source="PL_API_KEY")
    assert len({PlanetAuth(KEY), PlanetAuth(KEY), PlanetAuth("other")}) == 2


@pytest.mark.parametrize("key", ["", "  \n"])
def test_an_empty_key_is_missing(key: str) -> None:
    with pytest.raises(KeyMissing, match="PL_API_KEY"):
        PlanetAuth(key, source="PL_API_KEY")


@pytest.mark.parametrize("key", [f"{KEY}\r\nX-Evil: 1", f"{KEY} {KEY}", f"{KEY}é", f"{KEY}\x00"])
def test_a_key_with_impossible_characters_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(Misused) as caught:
        PlanetAuth(key)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(Misused, match="NoneType"):
        PlanetAuth(None)  # type: ignore[arg-type]

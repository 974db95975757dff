"""Again, ask anew, or stop."""

from __future__ import annotations

import pytest

from planet_assets import exceptions
from planet_assets.rules import retry


def test_every_error_of_the_tree_has_an_answer() -> None:
    again = {"TryLater", "NetworkError", "Throttled", "ServerError", "NotYet", "LibraryLocked", "LibraryAway"}
    anew = {"LinkExpired", "Corrupt"}
    classes = [each for each in vars(exceptions).values() if isinstance(each, type)]
    for each in classes:
        wanted = "again" if each.__name__ in again else "anew" if each.__name__ in anew else "stop"
        assert retry.kind(each("x")) == wanted, each
    assert retry.kind(ValueError("x")) == "stop"


def test_the_pause_doubles_up_to_the_cap() -> None:
    pauses = [retry.delay_s(attempt, base_s=5, jitter01=0) for attempt in range(6)]
    assert pauses == [5, 10, 20, 40, 64, 64]
    assert retry.delay_s(10**6, base_s=5, jitter01=0) == 64


def test_chance_adds_up_to_a_quarter_and_never_takes_away() -> None:
    assert retry.delay_s(0, base_s=4, jitter01=1) == 5
    assert retry.delay_s(0, base_s=4, jitter01=0.5) == 4.5


@pytest.mark.parametrize("attempt", [0, 3, 9])
@pytest.mark.parametrize("server_s", [0.2, 7.0, 64.0, 86400.0])
def test_never_sooner_than_the_server_asks(attempt: int, server_s: float) -> None:
    assert retry.delay_s(attempt, base_s=1, jitter01=0, server_s=server_s) >= server_s


def test_a_short_word_of_the_server_is_taken_at_first_and_then_doubled() -> None:
    assert [retry.delay_s(n, base_s=5, jitter01=0, server_s=0.2) for n in range(3)] == [0.2, 0.4, 0.8]


@pytest.mark.parametrize("attempt", [0, 2])
@pytest.mark.parametrize("server_s", [None, 0.0])
def test_a_server_that_asks_for_nothing_gets_our_own_pause(attempt: int, server_s: float | None) -> None:
    assert retry.delay_s(attempt, base_s=2, jitter01=0, server_s=server_s) == 2 * 2**attempt

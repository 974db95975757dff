"""What the ledger counts: committed before a byte is asked for, taken back only on proof."""

from __future__ import annotations

from datetime import timedelta

import pytest
from making import NOW, PRICE_KM2, after, job

from planet_assets.model.event import (
    Cancelled,
    Created,
    Delayed,
    Event,
    Failed,
    FetchAnswered,
    FetchRefused,
    FetchStarting,
    LinkLost,
    LinkReady,
    Placed,
    Spoiled,
    TakenOver,
)
from planet_assets.model.job import DownloadJob, Terms
from planet_assets.rules import charges

BEGIN: list[Event] = [Created(at=NOW, km2=PRICE_KM2), LinkReady(at=NOW, md5=None, expires_at=None)]
START, RESUME = FetchStarting(at=NOW, resuming=False), FetchStarting(at=NOW, resuming=True)
BEGAN, WENT_ON = FetchAnswered(at=NOW, offset=0), FetchAnswered(at=NOW, offset=7)
REFUSED = FetchRefused(at=NOW, reason="", link_gone=True, not_before=NOW)
LOST = LinkLost(at=NOW, reason="")
BROKE = Delayed(at=NOW, error_kind="NetworkError", message="", not_before=NOW)
TAKEN = TakenOver(at=NOW, by="")
SPOILED = Spoiled(at=NOW, error_kind="", message="", not_before=NOW)
PLACED = Placed(at=NOW, size_bytes=1, digest="", how="fetched")
READY = BEGIN[1]
ONCE = Terms(repeat="once")


def figures(made: DownloadJob) -> tuple[float, float]:
    """What is held and what is spent."""
    return made.held_km2, made.spent_km2


@pytest.mark.parametrize(
    ("events", "held", "spent"),
    [
        ([], 100, 0),
        ([START], 0, 100),
        ([START, REFUSED], 100, 0),
        ([START, BROKE, REFUSED], 0, 100),
        ([START, TAKEN, REFUSED], 0, 100),
        ([START, BEGAN, LOST], 0, 100),
        ([START, BEGAN, LOST, READY, START], 0, 200),
        ([START, BEGAN, LOST, READY, RESUME], 100, 100),
        ([START, BEGAN, LOST, READY, RESUME, WENT_ON], 100, 100),
        ([START, BEGAN, LOST, READY, RESUME, WENT_ON, PLACED], 0, 100),
        ([START, BEGAN, LOST, READY, RESUME, WENT_ON, LOST], 0, 100),
        ([START, BEGAN, LOST, READY, RESUME, WENT_ON, SPOILED], 0, 100),
        ([START, BEGAN, LOST, READY, RESUME, WENT_ON, BEGAN], 0, 200),
        ([START, BEGAN, LOST, READY, RESUME, WENT_ON, TAKEN], 0, 200),
        ([START, BEGAN, LOST, READY, RESUME, REFUSED], 0, 100),
        ([START, BEGAN, LOST, READY, RESUME, BEGAN], 0, 200),
        ([START, BEGAN, LOST, READY, RESUME, BROKE], 100, 100),
        ([START, BEGAN, LOST, READY, RESUME, BROKE, LOST], 0, 200),
        ([START, BEGAN, LOST, READY, RESUME, TAKEN], 0, 200),
        ([START, Failed(at=NOW, error_kind="", message="")], 0, 100),
        ([Cancelled(at=NOW, by="me")], 0, 0),
        ([PLACED], 0, 0),
    ],
)
def test_held_and_spent(events: list[Event], held: float, spent: float) -> None:
    assert figures(job(*BEGIN, *events)) == (held, spent)


def test_a_body_that_goes_on_leaves_no_doubt() -> None:
    """A break after an answer that was heard is not an answer that was lost."""
    heard = Delayed(at=NOW, error_kind="NetworkError", message="", not_before=NOW, heard=True)
    resumed = job(*BEGIN, START, BEGAN, LOST, READY, RESUME, WENT_ON)
    assert figures(after(resumed, heard, LOST)) == (0, 100)
    assert figures(after(resumed, BROKE, LOST)) == (0, 200)


@pytest.mark.parametrize("events", [[START, BEGAN, LOST, READY, START], [START, BEGAN, LOST, READY, RESUME, BEGAN]])
def test_declared_once_an_asset_charges_once(events: list[Event]) -> None:
    assert figures(job(*BEGIN, *events, terms=ONCE)) == (0, 100)


def test_free_types() -> None:
    assert not charges.is_charged("ortho_analytic_4b_xml") and not charges.is_charged("basic_analytic_4b_rpc")
    assert charges.is_charged("ortho_udm2")


def test_what_was_not_confirmed_is_asked_for() -> None:
    lost = job(*BEGIN, START, BEGAN, LOST, READY)
    assert charges.unconfirmed_km2(job(*BEGIN), resuming=False) == 0
    assert charges.unconfirmed_km2(lost, resuming=False) == 100
    assert charges.unconfirmed_km2(lost, resuming=True) == 0, "a resume is expected to be free"
    consented = after(lost, FetchStarting(at=NOW, resuming=False, consented_km2=100))
    assert (consented.agreed_km2, consented.spent_km2) == (200, 200)


def test_a_server_that_began_over_is_not_trusted_twice() -> None:
    unlucky = job(*BEGIN, START, BEGAN, LOST, READY, RESUME, BEGAN, LOST, READY)
    assert (unlucky.agreed_km2, unlucky.spent_km2) == (100, 200)
    assert charges.unconfirmed_km2(unlucky, resuming=True) == 200


def test_nothing_is_asked_where_nothing_is_charged() -> None:
    lost = job(*BEGIN, START, BEGAN, LOST, READY, terms=ONCE)
    assert charges.unconfirmed_km2(lost, resuming=False) == 0


def test_room_is_needed_only_for_what_nothing_had_set_aside() -> None:
    assert charges.needs_room_km2(job(), BEGIN[0]) == 100
    assert charges.needs_room_km2(job(*BEGIN), START) == 0
    assert charges.needs_room_km2(job(*BEGIN, START, BEGAN, LOST, READY), START) == 100


def test_what_is_taken_back_counts_on_the_day_of_its_start() -> None:
    later = NOW + timedelta(days=3)
    refusal = FetchRefused(at=later, reason="", link_gone=True, not_before=later)
    [entry] = charges.entries(job(*BEGIN, START), refusal)
    assert (entry.at, entry.held_km2, entry.spent_km2) == (NOW, 100, -100)


def test_every_row_says_by_which_rule() -> None:
    for made, event in ((job(), BEGIN[0]), (job(*BEGIN), START), (job(*BEGIN, START), REFUSED)):
        for entry in charges.entries(made, event):
            assert "confirmed" in entry.rule or "assumed" in entry.rule

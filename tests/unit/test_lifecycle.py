"""The life of a job: what may follow what, what to do next, and when it is given up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from making import NOW, after, job, statuses

from planet_assets.model.asset import AssetStatus as S
from planet_assets.model.event import (
    Activate,
    ActivationAsked,
    AskAsset,
    AssetInactive,
    BeginFetch,
    Cancelled,
    Check,
    Checked,
    Clip,
    Clipped,
    Created,
    Delayed,
    Done,
    Failed,
    Fetch,
    FetchAnswered,
    Fetched,
    FetchRefused,
    FetchStarting,
    LinkLost,
    LinkReady,
    NotThereYet,
    Place,
    Placed,
    Spoiled,
    StillActivating,
    TakenOver,
    UseHeld,
    Vanished,
    WaitUntil,
    event_from_json,
    event_to_json,
)
from planet_assets.model.job import Clipping, Terms
from planet_assets.rules import lifecycle

CREATED = Created(at=NOW, km2=100.0)
INACTIVE = AssetInactive(at=NOW)
ASKED = ActivationAsked(at=NOW, look_again_at=NOW)
READY = LinkReady(at=NOW, md5="0" * 32, expires_at=None)
START = FetchStarting(at=NOW, resuming=False)
RESUME = FetchStarting(at=NOW, resuming=True)
BEGAN, WENT_ON = FetchAnswered(at=NOW, offset=0), FetchAnswered(at=NOW, offset=5)
FETCHED = Fetched(at=NOW, size_bytes=9, digest="0" * 32)
CHECKED = Checked(at=NOW, how="md5")
PLACED = Placed(at=NOW, size_bytes=9, digest="0" * 32, how="fetched")
SPOILED = Spoiled(at=NOW, error_kind="Corrupt", message="md5 differs", not_before=NOW)
BROKE = Delayed(at=NOW, error_kind="NetworkError", message="broke", not_before=NOW)
EXPIRED = FetchRefused(at=NOW, reason="400", link_gone=True, not_before=NOW)
TAKEN = TakenOver(at=NOW, by="me")
FAILED = Failed(at=NOW, error_kind="DiskProblem", message="full")
CANCELLED = Cancelled(at=NOW, by="a person")

ALL_THE_WAY = (CREATED, INACTIVE, ASKED, READY, START, BEGAN, FETCHED, CHECKED, PLACED)
CUT = {"clipping": Clipping(), "clipped_path": "/x/cut.tif", "roi_wkt": "POLYGON"}


def test_the_statuses_of_a_whole_life() -> None:
    want = [S.PENDING, S.ACTIVATING, S.ACTIVATING, S.ACTIVE, *[S.DOWNLOADING] * 4, S.CLIPPING, S.COMPLETED]
    assert statuses([*ALL_THE_WAY, Clipped(at=NOW, size_bytes=3)], job(**CUT)) == want


def test_without_a_cut_it_is_completed_when_placed() -> None:
    done = job(*ALL_THE_WAY)
    assert done.status is S.COMPLETED
    assert (done.file_bytes, done.md5, done.verified_by) == (9, "0" * 32, "md5")


@pytest.mark.parametrize(
    ("events", "step"),
    [
        ([CREATED], AskAsset),
        ([CREATED, INACTIVE], Activate),
        ([CREATED, INACTIVE, ASKED], AskAsset),
        ([CREATED, READY], BeginFetch),
        ([CREATED, READY, START], Fetch),
        ([CREATED, READY, START, BEGAN, FETCHED], Check),
        ([CREATED, READY, START, BEGAN, FETCHED, CHECKED], Place),
        ([*ALL_THE_WAY], Clip),
        ([CREATED, READY, START, EXPIRED], Activate),
        ([CREATED, READY, START, BEGAN, LinkLost(at=NOW, reason="")], AskAsset),
        ([CREATED, FAILED], Done),
    ],
)
def test_what_to_do_next(events: list[object], step: type) -> None:
    assert type(lifecycle.next_step(job(*events, **CUT), NOW)) is step


def test_a_held_file_is_used_and_nothing_is_asked() -> None:
    assert type(lifecycle.next_step(job(CREATED, held_copy="/y/scene.tif"), NOW)) is UseHeld


def test_it_waits_for_the_moment_that_was_named() -> None:
    later = NOW + timedelta(minutes=5)
    waiting = job(CREATED, NotThereYet(at=NOW, reason="embargo", look_again_at=later))
    assert waiting.status is S.WAITING and waiting.error_message == "embargo"
    assert lifecycle.next_step(waiting, NOW) == WaitUntil(later)
    assert type(lifecycle.next_step(waiting, later)) is AskAsset


@pytest.mark.parametrize("end", [FAILED, CANCELLED, Vanished(at=NOW, message="gone")])
@pytest.mark.parametrize("length", range(1, 9))
def test_a_job_may_end_at_any_time_and_then_moves_no_more(length: int, end: object) -> None:
    ended = job(*ALL_THE_WAY[:length], end)
    assert ended.status.is_final and ended.held_km2 == 0.0
    for event in (READY, START, TAKEN, CANCELLED, FAILED, PLACED):
        with pytest.raises(ValueError, match="may not happen"):
            lifecycle.apply(ended, event)


def test_an_event_out_of_place_is_refused() -> None:
    with pytest.raises(ValueError, match="Fetched may not happen to a job that is pending"):
        job(CREATED, FETCHED)


def test_tries_are_counted_and_end() -> None:
    tried = job(CREATED, *[BROKE] * 3)
    assert lifecycle.exhausted(tried) is None
    assert lifecycle.exhausted(after(tried, BROKE)) == "activation failed after 4 tries: broke"
    begun = job(CREATED, READY, START, BEGAN, *[BROKE] * 4)
    assert lifecycle.exhausted(begun) == "download failed after 4 tries: broke"


def test_progress_starts_the_count_anew() -> None:
    moved = Delayed(at=NOW, error_kind="NetworkError", message="broke", not_before=NOW, progressed=True)
    assert lifecycle.exhausted(job(CREATED, READY, START, BEGAN, *[BROKE] * 3, moved, *[BROKE] * 2)) is None


def test_wrong_bytes_use_up_the_tries_though_each_download_succeeds() -> None:
    spoiled = job(CREATED, READY, START, BEGAN, *[FETCHED, SPOILED] * 4)
    assert "the bytes were wrong 4 times" in str(lifecycle.exhausted(spoiled))


def test_links_that_lead_nowhere_end_it() -> None:
    refused = job(CREATED, *[READY, START, EXPIRED] * (lifecycle.MAX_RENEWALS + 1))
    assert "led to no bytes" in str(lifecycle.exhausted(refused))


def test_an_activation_that_is_taken_back_again_and_again_ends_it() -> None:
    undone = job(CREATED, INACTIVE, *[ASKED, INACTIVE] * (lifecycle.MAX_RENEWALS + 1))
    assert "activation failed" in str(lifecycle.exhausted(undone))


def test_a_long_download_may_need_many_links() -> None:
    moved = Delayed(at=NOW, error_kind="NetworkError", message="broke", not_before=NOW, progressed=True)
    lost = LinkLost(at=NOW, reason="an hour is over")
    going = job(CREATED, READY, START, BEGAN, *[moved, lost, READY, RESUME, WENT_ON] * 20)
    assert lifecycle.exhausted(going) is None


def test_a_link_that_grew_old_in_the_queue_was_not_refused() -> None:
    assert lifecycle.exhausted(job(CREATED, *[READY, LinkLost(at=NOW, reason="")] * 20)) is None


def test_retries_can_be_switched_off() -> None:
    assert lifecycle.exhausted(job(CREATED, BROKE, terms=Terms(retry_attempts=0))) is not None


def test_whoever_takes_over_asks_at_once_but_keeps_the_day_to_look_again() -> None:
    pause = Delayed(at=NOW, error_kind="ServerError", message="503", not_before=NOW + timedelta(hours=1))
    assert job(CREATED, pause, TAKEN).not_before is None
    later = NOW + timedelta(days=1)
    assert job(CREATED, NotThereYet(at=NOW, reason="", look_again_at=later), TAKEN).not_before == later
    assert job(CREATED, READY, TAKEN).status is S.ACTIVATING, "the link went with the process that held it"


def test_a_file_that_proves_wrong_on_a_link_not_paid_for_is_begun_anew() -> None:
    resumed = job(CREATED, READY, START, BEGAN, LinkLost(at=NOW, reason=""), READY, RESUME, WENT_ON)
    assert after(resumed, SPOILED).status is S.ACTIVATING
    paid = job(CREATED, READY, START, BEGAN)
    assert after(paid, SPOILED).status is S.DOWNLOADING


def test_polling_begins_the_clock_of_an_activation_of_somebody_else() -> None:
    seen = job(CREATED, StillActivating(at=NOW, look_again_at=NOW))
    assert seen.activation_asked_at == NOW


@pytest.mark.parametrize("event", [*ALL_THE_WAY, SPOILED, BROKE, EXPIRED, TAKEN, CANCELLED])
def test_events_come_back_from_json(event: object) -> None:
    assert event_from_json(type(event).__name__, event_to_json(event)) == event  # type: ignore[arg-type]

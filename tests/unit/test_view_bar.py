"""The total bar: its words, its sums, and its silence."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from planet_assets.model.asset import AssetStatus
from planet_assets.model.job import DownloadJob, Terms
from planet_assets.view.bar import Bar, bytes_of, layout_of, words_of

NOW = datetime(2025, 1, 2, tzinfo=UTC)
JOB = DownloadJob(
    id="a",
    batch_id="b",
    account="1",
    item_type="PSScene",
    scene_id="20250101_100000_00_2440",
    asset_type="ortho_analytic_4b",
    route="data",
    path="/files/a.tif",
    clipped_path=None,
    roi_wkt=None,
    clipping=None,
    terms=Terms(),
    km2=100.0,
    created_at=NOW,
    updated_at=NOW,
)
LOADING = replace(JOB, id="l", status=AssetStatus.DOWNLOADING, size_bytes=1000, bytes_done=400, spent_km2=100.0)
DONE = replace(
    JOB, id="d", status=AssetStatus.COMPLETED, size_bytes=1000, bytes_done=1000, spent_km2=1268.0, verified_by="md5"
)


def test_words_count_files_km2_and_what_is_waited_for() -> None:
    waiting = replace(JOB, status=AssetStatus.ACTIVATING)
    assert words_of([DONE, waiting, waiting, LOADING]) == "1/4 files, 1,368 km², 2 activating, 1 downloading"
    assert words_of([DONE]) == "1/1 files, 1,268 km²"


def test_unknown_sizes_are_taken_to_be_like_their_fellows() -> None:
    assert bytes_of([DONE, LOADING, JOB]) == (1400, 3000)
    assert bytes_of([DONE, replace(JOB, asset_type="ortho_udm2")]) == (1000, None)
    assert bytes_of([replace(DONE, held_copy="/files/held.tif")]) == (0, None)


def test_a_time_left_is_told_only_when_nothing_waits_for_planet() -> None:
    assert "left" in layout_of([DONE, LOADING])
    assert "left" not in layout_of([LOADING, JOB])
    assert "rate" not in layout_of([DONE, JOB])
    assert "bar" not in layout_of([JOB])


def test_it_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar([JOB])
    bar.tell(LOADING)
    bar.close()
    assert capsys.readouterr() == ("", "")


def test_it_draws_and_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    bar = Bar([replace(LOADING, bytes_done=0)], enabled=True)
    bar.tell(LOADING)
    bar.tell(replace(LOADING, status=AssetStatus.COMPLETED, bytes_done=1000))
    bar.close()
    bar.tell(LOADING)
    assert "1/1 files, 100 km²" in screen.getvalue()
    assert "1.00kB of 1.00kB" in screen.getvalue()

"""Searching, planning, downloading and clipping from the command line, against a sandbox on a socket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import COMMAND, WEEK, Desk
from sandboxes import running

from planet_assets.sandbox import RunningSandbox

needs_terminals = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running() as started:
        yield started


@pytest.fixture
def desk(tmp_path: Path, sandbox: RunningSandbox) -> Desk:
    sandbox.reset()
    return Desk(tmp_path, sandbox)


@pytest.fixture
def scenes(desk: Desk) -> Path:
    return desk.saved(desk.scenes("--limit", 2))


def test_search_is_geojson_in_a_pipe_and_a_table_for_a_person(desk: Desk) -> None:
    found = desk.run("search", "--roi", desk.roi, *WEEK, "--cloud", 0.9, "--limit", 3)
    assert found.code == 0
    assert found.json()["type"] == "FeatureCollection"
    ids = [feature["id"] for feature in found.json()["features"]]
    assert len(ids) == 3
    table = desk.run("search", "--roi", desk.roi.read_text(), *WEEK, "--cloud", 0.9, "--limit", 3, "--text")
    assert all(scene in table.out for scene in ids)


def test_search_reads_its_region_from_stdin(desk: Desk) -> None:
    assert desk.run("search", "--roi", "-", *WEEK, "--limit", 1, given=desk.roi.read_text()).code == 0


def test_nothing_found_is_4(desk: Desk) -> None:
    found = desk.run("search", "--roi", desk.roi, "--from", "2099-01-01", "--to", "2099-01-02")
    assert found.code == 4
    assert found.json()["features"] == []


def test_no_scenes_in_the_pipe_is_4(desk: Desk) -> None:
    assert desk.run("download", "-", "--yes", given='{"type": "FeatureCollection", "features": []}').code == 4


def test_plan_says_both_prices_verdict_and_quota(desk: Desk, scenes: Path) -> None:
    planned = desk.run("plan", scenes, "--clip", desk.roi, "--assets", "ortho_analytic_4b,ortho_udm2")
    document = planned.json()
    assert planned.code == 0
    assert document["impact"]["data_km2"] > document["impact"]["orders_km2"] > 0
    assert document["verdict"]["word"] == "fits"
    assert document["quota"]["remaining_km2"] == pytest.approx(100_000)
    assert len(document["files"]) == 4
    text = desk.run("plan", scenes, "--clip", desk.roi, "--text").out
    assert "The data route would charge" in text
    assert "Remaining" in text
    assert desk.sandbox and desk.sandbox.billed_km2() == 0


def test_search_pipes_into_download(desk: Desk) -> None:
    assert desk.sandbox is not None
    search = desk.start("search", "--roi", desk.roi, *WEEK, "--limit", 2)
    download = subprocess.run(
        [*COMMAND, "download", "-", "--clip", desk.roi, "--yes", "--cog", "--buffer-m", "50", "-d", "out"],
        stdin=search.stdout,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=desk.folder,
        env=desk.environment,
    )
    assert search.stdin and search.stdout and search.stderr
    for stream in (search.stdin, search.stdout, search.stderr):
        stream.close()
    assert search.wait() == 0
    answer = desk.checked(download.returncode, download.stdout, download.stderr)
    assert answer.code == 0, answer.err
    jobs = answer.json()["jobs"]
    assert [job["status"] for job in jobs] == ["completed"] * 2
    assert all(Path(job["clipped_file"]).is_file() and job["original_file"] is None for job in jobs)
    assert {Path(job["file"]).parent for job in jobs} == {desk.folder / "out"}
    assert answer.json()["spent_km2"] == pytest.approx(desk.sandbox.billed_km2(), rel=1e-3)


def test_what_is_held_is_not_bought_again_and_clips_without_network(desk: Desk) -> None:
    assert desk.sandbox is not None
    [scene] = [feature["id"] for feature in desk.scenes("--limit", 1)]
    first = desk.run("download", scene, "--yes", "--naming", "asset")
    assert first.code == 0, first.err
    billed = desk.sandbox.billed_km2()
    again = desk.run("download", scene)  # nothing is spent, so nobody is asked
    assert again.code == 0, again.err
    assert again.json()["jobs"][0]["held_already"]
    assert desk.sandbox.billed_km2() == billed > 0

    [whole] = [job["file"] for job in first.json()["jobs"]]
    lonely = Desk(desk.folder)
    cut = lonely.run("clip", whole, "--roi", desk.roi, "--output", "cut.tif", "--compression", "lzw", "--overviews")
    assert cut.code == 0, cut.err
    assert cut.json()["width_px"] > 10
    assert lonely.run("clip", whole, "--roi", desk.roi, "-o", "cut.tif").code == 1  # it stands there already
    assert lonely.run("clip", whole, "--roi", desk.roi, "-o", "cut.tif", "--overwrite", "--text").code == 0
    far = "POLYGON ((0 0, 0.1 0, 0.1 0.1, 0 0))"
    assert "does not touch" in lonely.run("clip", whole, "--roi", far, "-o", "far.tif").err
    assert not (desk.folder / "far.tif").exists()


def test_a_dry_run_and_an_unanswered_question_spend_nothing(desk: Desk, scenes: Path) -> None:
    assert desk.sandbox is not None
    assert desk.run("download", scenes, "--dry-run").json()["verdict"]["word"] == "fits"
    refused = desk.run("download", scenes)
    assert refused.code == 8
    assert "--yes" in refused.err
    assert desk.sandbox.billed_km2() == 0
    assert not (desk.folder / "downloads").exists()


@needs_terminals
@pytest.mark.parametrize(("answer", "code", "status"), [("n", 8, "user_cancelled"), ("y", 0, "completed")])
def test_the_question_goes_to_the_terminal_when_stdin_carries_scenes(
    desk: Desk, scenes: Path, answer: str, code: int, status: str
) -> None:
    """A child with a terminal of its own, whose stdin and stdout are pipes all the same."""
    import pty

    with scenes.open() as piped, (desk.folder / "out.json").open("w") as out:
        pid, terminal = pty.fork()
        if pid == 0:
            os.dup2(piped.fileno(), 0)
            os.dup2(out.fileno(), 1)
            os.chdir(desk.folder)
            os.execve(COMMAND[0], [*COMMAND, "download", "-", "--quiet"], desk.environment)
        seen = _until(terminal, "(y/n): ")
        assert "DOWNLOAD CONFIRMATION" in seen
        assert "Required" in seen
        os.write(terminal, f"{answer}\n".encode())
        _drain(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
    jobs = json.loads((desk.folder / "out.json").read_text())["jobs"]
    assert {job["status"] for job in jobs} == {status}


@needs_terminals
def test_interrupted_says_how_to_go_on_and_resume_finishes(desk: Desk, scenes: Path) -> None:
    sandbox = desk.sandbox
    assert sandbox is not None
    sandbox.fault("slow", rate=20_000)
    with desk.start("download", scenes, "--yes") as process:
        _wait(lambda: any("/download" in one["path"] and one["status"] == 302 for one in sandbox.requests()))
        [first, _] = [job["id"] for job in desk.run("jobs", "list").json()["jobs"]]
        assert desk.run("jobs", "cancel", first).code == 11  # that process works on it
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    stopped = desk.checked(process.returncode, out, err)
    assert stopped.code == 130
    assert "planet-assets resume" in stopped.err
    assert "Under way: 2 files" in stopped.err

    left = desk.run("resume", "--dry-run").json()["jobs"]
    assert len(left) == 2
    sandbox.mend()
    finished = desk.run("resume", "--yes")
    assert finished.code == 0, finished.err
    assert {job["status"] for job in finished.json()["jobs"]} == {"completed"}
    held, spent = finished.json()["held_km2"], finished.json()["spent_km2"]
    assert held == 0
    assert spent >= sandbox.billed_km2() * 0.999
    assert desk.run("resume").json()["jobs"] == []


def test_jobs_are_listed_shown_exported_cancelled_and_tried_again(desk: Desk, scenes: Path) -> None:
    assert desk.sandbox is not None
    desk.sandbox.fault("wrong-md5")
    failed = desk.run("download", scenes, "--yes", PLANET_ASSETS__RETRY_ATTEMPTS="0")
    assert failed.code == 12, failed.err
    desk.sandbox.mend()

    listed = desk.run("jobs", "list", "--status", "failed", PL_API_KEY=None)
    ids = [job["id"] for job in listed.json()["jobs"]]
    assert len(ids) == 2
    assert ids[0][:8] in desk.run("jobs", "list", "--text").out
    shown = desk.run("jobs", "show", ids[0][:10]).json()
    assert shown["events"][0]["kind"] == "Created"
    assert "What happened" in desk.run("jobs", "show", ids[0], "--text").out
    assert desk.run("jobs", "export").out.count("\n") == 3
    assert desk.run("jobs", "export", "--format", "json", "-o", "jobs.json").code == 0
    assert len(json.loads((desk.folder / "jobs.json").read_text())["jobs"]) == 2

    assert len(desk.run("jobs", "retry", "--failed", "--dry-run").json()["jobs"]) == 2
    assert desk.run("jobs", "retry", ids[0]).code == 8
    again = desk.run("jobs", "retry", "--failed", "--yes")
    assert again.code == 0, again.err
    assert desk.run("jobs", "retry", "--failed", "--yes").json()["jobs"] == []
    assert desk.run("jobs", "cancel", ids[0]).json()["jobs"] == []  # it is over
    assert desk.run("jobs", "list", "--status", "expired").code == 4


def test_partly_done_is_3(desk: Desk, scenes: Path) -> None:
    assert desk.sandbox is not None
    first = json.loads(scenes.read_text())["features"][0]["id"]
    desk.sandbox.fault("wrong-md5", item=first)
    assert desk.run("download", scenes, "--yes", PLANET_ASSETS__RETRY_ATTEMPTS="0").code == 3


def _until(terminal: int, text: str) -> str:
    seen = ""
    while text not in seen:
        seen += os.read(terminal, 4096).decode(errors="replace")
    return seen


def _drain(terminal: int) -> None:
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:  # the child has closed its side
        os.close(terminal)


def _wait(done: object, seconds: float = 30) -> None:
    assert callable(done)
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)

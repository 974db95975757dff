"""Every example runs as a person runs it: in a process of its own, told of the sandbox by environment variables."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest
import sandboxes
from wikipage import ROOT

EXAMPLES = ROOT / "examples"


def environment(sandbox, folder):
    """What a user of this sandbox exports."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PL_", "PLANET_"))}
    return kept | {
        "HOME": str(folder),
        "PL_API_KEY": sandbox.key,
        "PLANET_ASSETS__PLANET__API_URL": sandbox.url,
        "PLANET_ASSETS_LIBRARY": str(folder / "library.db"),
        "PLANET_ASSETS__RATE_LIMITS__SEARCH": "1000",
        "PLANET_ASSETS__RATE_LIMITS__ACTIVATION": "1000",
    }


def command(name, *arguments):
    return [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]


def run(name, *arguments, sandbox, folder, code=0, delivery="auto"):
    done = subprocess.run(
        command(name, *arguments),
        cwd=folder,
        env=environment(sandbox, folder) | {"PLANET_ASSETS__DELIVERY": delivery},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def run_at_terminal(name, answer, *, sandbox, folder):
    """Run with a terminal to ask on; the answer is typed in advance."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    try:
        done = subprocess.run(
            command(name),
            cwd=folder,
            env=environment(sandbox, folder),
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def sandbox():
    with sandboxes.running() as running:
        yield running


def test_minimal_asks_and_fetches(sandbox, tmp_path):
    output = run_at_terminal("minimal.py", "y", sandbox=sandbox, folder=tmp_path)
    assert "DOWNLOAD CONFIRMATION" in output and output.count("completed") == 3
    assert len(list((tmp_path / "milan").glob("*_clip.tif"))) == 3


def test_minimal_spends_nothing_after_a_no(sandbox, tmp_path):
    output = run_at_terminal("minimal.py", "n", sandbox=sandbox, folder=tmp_path)
    assert output.count("user_cancelled") == 3
    assert sandbox.billed_km2() == 0


def test_minimal_never_hangs_where_nobody_can_answer(sandbox, tmp_path):
    done = subprocess.run(
        command("minimal.py"),
        cwd=tmp_path,
        env=environment(sandbox, tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0 and "nobody to ask" in done.stderr
    assert sandbox.billed_km2() == 0


def test_automation_agrees_and_declines(sandbox, tmp_path):
    declined = run("confirm_in_automation.py", "10", sandbox=sandbox, folder=tmp_path, code=8)
    assert declined.count("user_cancelled") == 2 and sandbox.billed_km2() == 0
    agreed = run("confirm_in_automation.py", "5000", sandbox=sandbox, folder=tmp_path)
    assert agreed.count("completed") == 2 and 0 < sandbox.billed_km2() <= 5000


def test_robust_tries_again(sandbox, tmp_path):
    sandbox.fault("assets-empty", count=1)
    output = run("robust.py", sandbox=sandbox, folder=tmp_path, delivery="data")
    assert "Trying 1 of 4 again" in output and output.count("completed") == 4
    again = run("robust.py", sandbox=sandbox, folder=tmp_path, delivery="data")
    assert again.count("completed") == 4
    assert len(sandbox.charges()) == 4, "what is held is not fetched twice"


def test_robust_takes_what_the_quota_allows(tmp_path):
    with sandboxes.running(quota_km2=150.0) as poor:
        output = run("robust.py", sandbox=poor, folder=tmp_path)
        assert "The quota allows" in output and "completed" in output
        assert 0 < poor.billed_km2() <= 150


def test_batches_stop_before_the_quota_is_used_up(tmp_path):
    with sandboxes.running(quota_km2=2500.0) as poor:
        output = run("batches.py", sandbox=poor, folder=tmp_path)
        first, second = output.splitlines()
        assert first.startswith("Batch 1: 3 completed") and second.startswith("Batch 2 would use more than 80%")
        assert 0 < poor.billed_km2() <= 0.8 * 2500


def test_every_example_is_tried():
    tried = (ROOT / "tests" / "docs" / "test_examples.py").read_text(encoding="utf-8")
    assert all(f'"{path.name}"' in tried for path in EXAMPLES.glob("*.py"))

"""The benchmarks can be run; their figures are not judged here."""

from __future__ import annotations

import subprocess
import sys

from wikipage import ROOT


def ran(*arguments):
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def test_quick_areas_are_measured():
    done = ran("--quick", "areas")
    assert done.returncode == 0, done.stderr
    assert "loop of pyproj.Geod" in done.stdout and "largest error" in done.stdout


def test_an_unknown_section_is_refused():
    done = ran("--quick", "speed")
    assert done.returncode == 2 and "no section speed" in done.stderr


def test_a_part_of_the_run_is_not_kept():
    assert ran("--quick", "--write", "areas").returncode == 2

"""Each point at which a download writes, flushes or names a file: killed there, or failed by the disk, then resumed."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from forge import MISTAKE
from stage import Stage
from sweep import Point, points, struck

SAMPLE = 10


def check_point(stage: Stage, point: Point) -> str:
    """Strike there, look at what is left, go on, and look again; how the struck run ended."""
    code, said = struck(stage, point)
    assert code != MISTAKE and "our mistake" not in said, said
    stage.check_secrets(said)
    stage.check_no_wrong_file()
    stage.check_money()
    ended = "unharmed" if code == 0 else "killed" if code < 0 else "said so"
    if stage.unfinished():
        code, said = stage.go("cli", "resume")
        assert code == 0, said
    else:
        code, said = stage.go("cli")
        assert code == 0, said
    stage.check_right()
    stage.check_money()
    assert len(stage.sandbox.charges()) == 1
    assert stage.unfinished() == []
    return ended


def sweep(stage: Stage, empty: Path, choose: Callable[[list[Point]], list[Point]]) -> None:
    """Strike at the chosen ones of all points."""
    every = points(stage, stage.folder / "trace.log")
    ends, failed = Counter[str](), []
    for point in choose(every):
        _fresh(stage, empty)
        try:
            ends[f"{point.mode}: {check_point(stage, point)}"] += 1
        except AssertionError as error:
            failed.append(f"{point}: {error}")
    print(f"{len(every)} points, {sum(ends.values())} struck and put right: {dict(ends)}")
    assert failed == [], "\n\n".join(failed)


def _fresh(stage: Stage, empty: Path) -> None:
    for left in (*stage.folder.glob("library.db*"), stage.folder / "trace.log"):
        left.unlink(missing_ok=True)
    shutil.rmtree(stage.folder / "out", ignore_errors=True)
    shutil.copy(empty, stage.folder / "library.db")
    stage.sandbox.reset()
    stage.front.script()


def test_a_few_points(stage: Stage, empty: Path) -> None:
    sweep(stage, empty, _spread)


def _spread(every: list[Point]) -> list[Point]:
    """Ten points: each another call or another file."""
    chance, kinds = random.Random(8), dict[tuple[str, str], list[Point]]()
    for point in every:
        kinds.setdefault((point.call, point.path), []).append(point)
    return [chance.choice(kind) for kind in chance.sample(list(kinds.values()), SAMPLE)]


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_every_point(stage: Stage, empty: Path) -> None:
    sweep(stage, empty, lambda every: every)

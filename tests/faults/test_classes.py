"""Each of the 48 classes of faults, by name, met by each face: recovered, or a clean end that `resume` puts right."""

from __future__ import annotations

import re

import classes
import pytest
from forge import FACES, MISTAKE
from stage import Stage

VARIANTS = classes.load()
SOAK = pytest.mark.soak
FIRST = {variant.fault: number for number, variant in reversed(list(enumerate(VARIANTS)))}
PLAYS = [
    pytest.param(
        variant,
        face,
        id=f"{variant.name}-{face}",
        marks=[] if FIRST[variant.fault] == number and (number + turn) % 3 == 0 else [SOAK],
    )
    for number, variant in enumerate(VARIANTS)
    for turn, face in enumerate(FACES)
]
"""Every way with every face; where time is short, each class in its first way with one face in turn."""


def test_the_classes_are_forty_eight() -> None:
    assert {group: len(classes.faults_of(group)) for group in classes.GROUPS} == {
        group: count for group, (_, count) in classes.GROUPS.items()
    }


@pytest.mark.parametrize(("variant", "face"), PLAYS)
def test_a_fault_is_survived(stage: Stage, variant: classes.Variant, face: str) -> None:
    variant.play(stage)
    code, said = stage.go(face)
    assert code != MISTAKE, said
    stage.check_secrets(said)
    stage.check_no_wrong_file()
    if face == "cli":
        assert code == variant.code, said
    if variant.ending == "clean":
        assert code != 0, said
        assert re.search(variant.words, said), said
        if variant.name != "database locked or corrupt/corrupt":
            stage.check_money()
        code, said = _put_right(stage, face)
    assert code == 0, said
    stage.check_secrets(said)
    stage.check_right()
    stage.check_money()


def _put_right(stage: Stage, face: str) -> tuple[int, str]:
    """The fault is over: `resume`, and the same again where nothing was left to resume."""
    stage.mend()
    if stage.unfinished():
        return stage.go(face, "resume")
    return stage.go(face)

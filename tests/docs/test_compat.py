"""The page on other tools' names: every line is proved by tests that exist, and no line of the list is left out."""

from __future__ import annotations

import ast
import os
import re

import pytest
from wikipage import ROOT

PAGE = ROOT / "docs" / "reference" / "compat.md"
LIST = ROOT.parent / "shared" / "contracts" / "tracking_systems.md"
SECTIONS = {
    "000": "AssetTracker and ImageDownloader",
    "001": "mmmeta",
    "002": "UploadTracker",
    "003": "damas-core and SyncPlanet",
}


def rows(heading):
    """What a section's table lists -> the cell that proves it."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {what.strip(): proof.strip() for what, proof in cells if what.strip() != "what"}


def named_in(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if hasattr(node, "name")}


@pytest.mark.parametrize("heading", SECTIONS.values())
def test_every_line_names_tests_that_exist(heading):
    for what, proof in rows(heading).items():
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", proof)
        assert named, f"{what} is proved by nothing"
        for file, name in named:
            assert name in named_in(ROOT / file), f"{what}: {file} has no {name}"


@pytest.mark.parametrize("number", SECTIONS)
def test_no_line_of_the_list_is_left_out(number):
    if not LIST.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{LIST} is absent; in CI it has to be there")
        pytest.skip("../shared is not part of a public clone")
    listed = LIST.read_text(encoding="utf-8").split("## 7. Coverage list")[1]
    [line] = re.findall(rf"^\*\*{number}\*\* (.*)\.$", listed, re.MULTILINE)
    assert list(rows(SECTIONS[number])) == line.split(" · ")

"""The page about faults says what the tests hold."""

from __future__ import annotations

from classes.__main__ import page
from wikipage import ROOT


def test_the_page_is_written_from_the_classes():
    told = (ROOT / "docs" / "why" / "faults.md").read_text(encoding="utf-8")
    assert told == page(), "write it anew: PYTHONPATH=tests python -m classes > docs/why/faults.md"

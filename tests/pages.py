"""The documentation's code blocks: what a page says is run, and what it shows is what came out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from wikipage import ROOT

DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    kind: str
    text: str
    line: int
    shown: str | None
    """What the page shows as its output: the text block that follows at once."""


def blocks(path: Path) -> list[Block]:
    """The blocks of a page that are run, in order: python and sh."""
    page = path.read_text(encoding="utf-8")
    found = list(FENCE.finditer(page))
    result = []
    for here, below in zip_longest(found, found[1:]):
        if here[1] not in ("python", "sh"):
            continue
        follows = below is not None and below[1] == "text" and not page[here.end() : below.start()].strip()
        line = page[: here.start()].count("\n") + 1
        result.append(Block(here[1], here[2], line, below[2] if below is not None and follows else None))
    return result


def pages_with_code() -> list[Path]:
    """Every page that has something to run, README included."""
    pages = sorted(DOCS.rglob("*.md"))
    return [path for path in [ROOT / "README.md", *pages] if "_build" not in path.parts and blocks(path)]

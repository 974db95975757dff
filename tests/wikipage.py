"""The wiki page that gave the public names: where its snippets stand, and where the page itself is wrong.

The text has no code fences, so every snippet is named by its heading, its first and its last line. `stray` finds lines
outside that look like code, so that none can be passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT.parent / "shared" / "seeds" / "asset_management_wiki.txt"


@dataclass(frozen=True)
class Snippet:
    """One piece of Python on the page; lines count from 1, both ends included."""

    heading: str
    first: int
    last: int


SNIPPETS = (
    Snippet("Basic Asset Management", 23, 44),
    Snippet("Checking Quota Usage", 50, 68),
    Snippet("Download Impact Calculation", 72, 87),
    Snippet("Basic Download Workflow", 93, 108),
    Snippet("Advanced Download Configuration", 112, 133),
    Snippet("Progress Tracking", 137, 149),
    Snippet("Interactive Confirmation", 155, 179),
    Snippet("Custom Confirmation Logic", 183, 207),
    Snippet("Available Asset Types", 213, 238),
    Snippet("Automatic Clipping During Download", 244, 261),
    Snippet("Custom Clipping Configuration", 265, 279),
    Snippet("DownloadJob Status Tracking", 285, 300),
    Snippet("Retry Failed Downloads", 304, 315),
    Snippet("Common Download Errors", 321, 338),
    Snippet("Robust Download with Error Recovery", 342, 379),
    Snippet("Concurrent Download Management", 385, 403),
    Snippet("Memory Management", 407, 431),
    Snippet("With Scene Discovery", 437, 462),
    Snippet("With GeoPackage Export", 466, 484),
    Snippet("1. Monitor Quota Usage", 490, 503),
    Snippet("2. Efficient Scene Selection", 507, 540),
    Snippet("3. Automated Download Management", 544, 593),
    Snippet("1. Quota exceeded errors", 601, 604),
    Snippet("2. Download timeouts", 608, 614),
    Snippet("3. Asset activation failures", 618, 631),
    Snippet("4. Network connection issues", 635, 655),
)


@dataclass(frozen=True)
class Mending:
    """A place where the page is wrong whatever library it is run with."""

    heading: str
    wrong: str
    right: str
    why: str


MENDINGS = (
    Mending(
        "Robust Download with Error Recovery",
        "if failed:",
        "retry_successful = []\n        if failed:",
        "The name is bound only when something failed, and read in every case: NameError.",
    ),
    Mending(
        "Memory Management",
        "def batch_download(scenes, batch_size=50):",
        "async def batch_download(scenes, batch_size=50):",
        "`await` in a plain function: SyntaxError.",
    ),
    Mending(
        "3. Automated Download Management",
        "key=lambda x: (x['priority'] == 'high', -x['added_at'].timestamp())",
        "key=lambda x: (x['priority'] != 'high', x['added_at'].timestamp())",
        "True sorts after False: high priority came last, and the newest before the oldest.",
    ),
    Mending(
        "3. Asset activation failures",
        "return asset_info['status'] in ['active', 'activating']",
        "return asset_info['available']",
        "An inactive asset is available, it only has to be activated; the filter dropped nearly every scene.",
    ),
)

_CODE = re.compile(r"^\s|^(#|from |import |async |await |def |class |for |if |try:|except|print\()|^\w+ = |[)\]}:]$")
_PROSE = re.compile(r"^  • |^The AssetManager handles the complete asset lifecycle including:$")


def page_lines() -> list[str]:
    """The page as published."""
    return PAGE.read_text(encoding="utf-8").splitlines()


def heading_above(lines: list[str], snippet: Snippet) -> str:
    """The last line of prose before a snippet."""
    return next(line for line in reversed(lines[: snippet.first - 1]) if line.strip())


def source(lines: list[str], snippet: Snippet) -> str:
    """A snippet with nothing changed but the name of the package."""
    return "\n".join(lines[snippet.first - 1 : snippet.last]).replace("planetscope_py", "planet_assets") + "\n"


def mended(text: str, heading: str) -> str:
    """A snippet's text with the mendings of its heading."""
    for mending in MENDINGS:
        if mending.heading == heading:
            assert text.count(mending.wrong) == 1, f"{heading}: {mending.wrong!r} must stand there once"
            text = text.replace(mending.wrong, mending.right)
    return text


def stray(lines: list[str]) -> list[str]:
    """Lines outside the snippets that look like code."""
    inside = {number for snippet in SNIPPETS for number in range(snippet.first, snippet.last + 1)}
    outside = [line for number, line in enumerate(lines, 1) if number not in inside and line.strip()]
    return [line for line in outside if _CODE.search(line) and not _PROSE.search(line)]

"""The table of ratios: what was measured, beside what, whether the target is met, and on which machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.runs import Broken, Ran

HEADS = ("what", "ours", "peer", "its figure", "ratio", "target", "", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line."""

    section: str
    what: str
    """What was done."""
    ours: str
    """Our figure, with its unit."""
    peer: str = ""
    """Beside whom."""
    theirs: str = ""
    """The peer's figure."""
    ratio: float | None = None
    """How the target counts it; None when there is nothing to compare."""
    target: float | None = None
    """The bound."""
    at_most: bool = False
    """True when less is better."""
    unit: str = "x"
    """Of ratio and target."""
    note: str = ""

    @property
    def verdict(self) -> str:
        """Met, or missed and by how much, or why there is nothing to say."""
        if self.target is None:
            return "" if self.ratio is not None else "not measured"
        if self.ratio is None:
            return "not measured"
        met = self.ratio <= self.target if self.at_most else self.ratio >= self.target
        if met:
            return "met"
        by = f"{abs(self.ratio / self.target - 1):.0%}" if self.target else f"{self.ratio:,.0f}"
        return f"missed by {by}"

    def cells(self) -> tuple[str, ...]:
        """The line as text."""
        ratio = "" if self.ratio is None else f"{self.ratio:.3g}{self.unit}"
        bound = "" if self.target is None else f"{'≤' if self.at_most else '≥'} {self.target:g}{self.unit}"
        return self.what, self.ours, self.peer, self.theirs, ratio, bound, self.verdict, self.note


def faster(
    section: str,
    what: str,
    ours: Ran | Broken,
    peer: str,
    theirs: Ran | Broken,
    target: float | None = None,
    note: str = "",
) -> Row:
    """How many times as fast as a peer we are; what broke is said."""
    if isinstance(ours, Broken) or isinstance(theirs, Broken):
        why = "; ".join(str(one) for one in (ours, theirs) if isinstance(one, Broken))
        shown = "" if isinstance(ours, Broken) else f"{ours.wall_s:.3g} s"
        return Row(section=section, what=what, ours=shown, peer=peer, target=target, note=why)
    return Row(
        section=section,
        what=what,
        ours=f"{ours.wall_s:.3g} s",
        peer=peer,
        theirs=f"{theirs.wall_s:.3g} s",
        ratio=theirs.wall_s / ours.wall_s,
        target=target,
        note=note,
    )


def missing(section: str, what: str, peer: str, why: str, target: float | None = None) -> Row:
    """A peer that cannot be had, or a thing that cannot be measured here."""
    return Row(section=section, what=what, ours="", peer=peer, target=target, note=why)


def machine() -> str:
    """The date and what it ran on."""
    system = f"{platform.system()} {platform.machine()}"
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {system}, Python {platform.python_version()}"


def as_text(rows: Sequence[Row]) -> str:
    """For a terminal: one block a section."""
    lines: list[str] = []
    for section, some in _by_section(rows):
        table = [HEADS, *(row.cells() for row in some)]
        widths = [max(len(cells[column]) for cells in table) for column in range(len(HEADS))]
        lines += ["", section]
        for cells in table:
            line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True) if width)
            lines.append("  " + line.rstrip())
    return "\n".join(lines[1:])


def as_markdown(rows: Sequence[Row], versions: Sequence[str], before: str) -> str:
    """For RESULTS.md; sections of the table before that were not measured now stay, each with its day."""
    day = machine().partition(",")[0]
    lines = [
        "# Results of `make bench`",
        "",
        f"{machine()}. Medians of runs in turns, on loopback; only ratios count. Versions: {', '.join(versions)}.",
    ]
    sections = {block.split("\n", 1)[0].split(",")[0]: block.rstrip() for block in before.split("\n## ")[1:]}
    for section, some in _by_section(rows):
        table = [_line(HEADS), _line(["---"] * len(HEADS)), *(_line(row.cells()) for row in some)]
        sections[section.capitalize()] = "\n".join([f"{section.capitalize()}, {day}", "", *table])
    return "\n".join(lines) + "".join(f"\n\n## {block}" for block in sections.values()) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _by_section(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    names = list(dict.fromkeys(row.section for row in rows))
    return [(name, [row for row in rows if row.section == name]) for name in names]

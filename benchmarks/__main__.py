"""`python -m benchmarks [--quick] [--write] [SECTION ...]`; `make bench ONLY=clips` gives the sections in ONLY."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from benchmarks.peers import bring
from benchmarks.runs import ROOT, Broken
from benchmarks.table import Row, as_markdown, as_text, machine, missing
from benchmarks.versions import versions

SECTIONS = ("areas", "clips", "remote", "startup", "activation", "library", "tracking", "tracker", "transfer")


def main() -> int:
    """Measure, print, and keep the table where asked."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    asked.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all when none")
    asked.add_argument("--quick", action="store_true", help="small sizes, to see that it works; the figures say little")
    asked.add_argument("--write", action="store_true", help="keep the table in benchmarks/RESULTS.md")
    given = asked.parse_args()
    wanted = given.sections or os.environ.get("ONLY", "").replace(",", " ").split() or list(SECTIONS)
    if unknown := sorted(set(wanted) - set(SECTIONS)):
        asked.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    if given.write and given.quick:
        asked.error("only a full run is kept: no --quick")
    if not given.quick:
        bring()
    rows: list[Row] = []
    for name in wanted:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        rows += _measured(name, given.quick)
        if given.write:  # after each section, so that a run that is broken off leaves what it has measured
            results = ROOT / "benchmarks" / "RESULTS.md"
            results.write_text(as_markdown(rows, versions(), results.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{machine()}\n{', '.join(versions())}\n\n{as_text(rows)}")
    return 0


def _measured(name: str, quick: bool) -> list[Row]:
    """A section's rows; one that cannot run at all says why."""
    section = importlib.import_module(f"benchmarks.{name}")
    try:
        rows: list[Row] = section.rows(quick)
    except (Broken, OSError) as error:
        return [missing(name, "the whole section", "", str(error))]
    return rows


if __name__ == "__main__":
    sys.exit(main())

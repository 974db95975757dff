"""Draws the picture of the README with the package's own map: run it against a sandbox.

The map takes the colour of the text around it; a file of its own has none, so it gets a sheet of paper.
"""

from __future__ import annotations

from pathlib import Path

from shapely.geometry import box

from planet_assets.blocking import AssetManager
from planet_assets.model.item import items_from
from planet_assets.view.footprints import footprints_svg

MILAN = box(9.12, 45.42, 9.25, 45.51)
PAPER = '<rect width="100%" height="100%" rx="6" fill="#ffffff"/>'


def main() -> None:
    with AssetManager() as manager:
        found = manager.search(MILAN, "2025-01-01", "2025-01-31", cloud_cover_max=0.2, limit=8)
    svg = footprints_svg(items_from(found), MILAN, width=720)
    head, rest = svg.split(">", 1)
    if "xmlns=" not in head:
        head = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    Path(__file__).with_name("footprints.svg").write_text(f"{head}>{PAPER}{rest}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

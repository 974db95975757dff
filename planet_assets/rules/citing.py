"""How held imagery is cited: attribution, a BibTeX entry, and the line for a methods section."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from planet_assets.model.held_scene import HeldScene

CITATION = "Planet Labs PBC, Planet Application Program Interface: In Space for Life on Earth, https://api.planet.com"
"""Source: reported (Planet's wording for publications, with the present name of the company)."""

LICENCE = "The files stay under Planet's licence; look at its terms before you pass them on."


def cite(scenes: Sequence[HeldScene], now: datetime, version: str) -> str:
    """Attribution, BibTeX and a methods line for what is held."""
    years = sorted({scene.item.acquired.year for scene in scenes})
    span = f"{years[0]}" if len(years) == 1 else f"{years[0]}-{years[-1]}"
    return "\n\n".join([f"Includes imagery © {span} Planet Labs PBC.", _bibtex(now), methods(scenes, version), LICENCE])


def methods(scenes: Sequence[HeldScene], version: str) -> str:
    """What was used, from when, by which bundle and tools, fetched when, and every id."""
    files = [file for scene in scenes for file in scene.files]
    days = sorted(scene.item.acquired for scene in scenes)
    fetched = sorted(file.fetched_at for file in files if file.fetched_at is not None)
    text = (
        f"We used {len(scenes)} PlanetScope scenes acquired {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d} (Planet Labs PBC)"
    )
    text += f", assets {', '.join(sorted({file.asset_type for file in files}))}"
    if bundles := sorted({file.bundle for file in files if file.bundle}):
        text += f", bundles {', '.join(bundles)}"
    if tools := sorted({tool for file in files for tool in file.tools}):
        text += f", tools {', '.join(tools)}"
    if fetched:
        text += f", fetched {fetched[0]:%Y-%m-%d} to {fetched[-1]:%Y-%m-%d} with planet-assets {version}"
    return f"{text}. Scene ids: {', '.join(sorted(scene.item.id for scene in scenes))}."


def _bibtex(now: datetime) -> str:
    return "\n".join(
        [
            "@misc{planet,",
            "  author       = {{Planet Labs PBC}},",
            "  title        = {Planet Application Program Interface: In Space for Life on Earth},",
            f"  year         = {{{now.year}}},",
            "  howpublished = {\\url{https://api.planet.com}},",
            f"  note         = {{Accessed {now:%Y-%m-%d}}}",
            "}",
        ]
    )

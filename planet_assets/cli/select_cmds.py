"""The command `select`: which scenes cover a region for the least quota, written so that plan and download read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli import scenes
from planet_assets.cli.codes import Code
from planet_assets.cli.fetch_cmds import SCENES, open_manager
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.options import REGION, Command, clear_option, picture_option
from planet_assets.cli.output import Face, save_picture

if TYPE_CHECKING:
    from planet_assets.model.clearness import ClearShare
    from planet_assets.model.selection import Selection


@click.command(cls=Command)
@click.argument("what", nargs=-1, required=True, metavar=SCENES)
@click.option("--roi", required=True, metavar="ROI", help=REGION)
@click.option(
    "--per", type=click.Choice(["all", "day", "week", "month"]), default="all", help="One cover for each [all]."
)
@click.option("--pieces", is_flag=True, help="Each scene supplies its own piece only: an order for each.")
@click.option("--budget", "budget_km2", type=float, metavar="KM2", help="Quota that may be spent; else what it takes.")
@click.option("--coverage", type=float, default=1.0, metavar="SHARE", help="Share of the region to cover [1].")
@click.option("--prefer", type=click.Choice(["clear", "recent"]), default="clear", help="Between equals [clear].")
@click.option(
    "--quality",
    type=click.Choice(["preferential", "standard", "any"]),
    default="preferential",
    help="Test quality and previews: only in gaps, never, or as any other [preferential].",
)
@click.option("--max-cloud", type=float, metavar="SHARE", help="Refuse scenes with a larger cloud_cover.")
@click.option("--min-clear", type=float, metavar="SHARE", help="Refuse scenes with a smaller clear share.")
@click.option(
    "--route", type=click.Choice(["orders", "data"]), default="orders", help="Whose price is the least [orders]."
)
@clear_option
@picture_option
def select(what: tuple[str, ...], roi: str, clear_over_roi: str | None, picture: str | None, **wish: Any) -> int:
    """The scenes that cover a region for the least quota, or most of it within a budget; nothing is spent.

    SCENES are GeoJSON files, or - for stdin. A table in a terminal; when piped a FeatureCollection that carries region
    and pieces, so that `plan -` and `download -` cut as selected.
    """
    from planet_assets.export.vector import roi_of
    from planet_assets.rules.cover import select_scenes

    face = Face.current()
    if scenes.STDIN in what and roi == scenes.STDIN:
        raise click.UsageError("Only one thing can come from stdin.")
    region = roi_of(scenes.read_region(roi))
    if clear_over_roi:
        with open_manager(face) as manager:
            given = scenes.read_scenes(what, manager, ("PSScene",))
            known: Mapping[str, ClearShare] = manager.clear_over_roi(given, region, mode=clear_over_roi)
    else:
        given = scenes.read_files(what)
        known = _remembered(given, region)
    chosen = select_scenes(given, region, clear=known, **wish)
    if picture:
        from planet_assets.view.page import selection_svg

        save_picture(face, Path(picture), selection_svg(chosen))
    face.show(selection_document(chosen), lambda: _text(chosen))
    for note in _notes(known):
        face.say(note)
    return Code.OK if len(chosen) else Code.NOTHING_FOUND


def selection_document(chosen: Selection) -> dict[str, Any]:
    """A selection as GeoJSON that commands read again, with its figures beside."""
    from planet_assets.flow.given import collection_of
    from planet_assets.model.geometry import to_geojson

    figures = {
        "in_pieces": chosen.in_pieces,
        "coverage": chosen.coverage,
        "charge_km2": chosen.charge_km2,
        "candidates_km2": chosen.candidates_km2,
        "gaps": to_geojson(chosen.gaps),
        "clear": {item.id: asdict(chosen.clear[item.id]) for item in chosen.items},
        "periods": [
            {"period": one.period, "ids": one.ids, "coverage": one.coverage, "charge_km2": one.charge_km2}
            for one in chosen.periods
        ],
        "left_out": chosen.left_out,
    }
    return {**collection_of(chosen), "selection": figures}


def _remembered(given: Any, region: Any) -> Mapping[str, ClearShare]:
    """What Planet said earlier of these scenes over the region."""
    from planet_assets.flow.given import read_scenes
    from planet_assets.library import clearness
    from planet_assets.rules.clearness import region_digest

    refs = [item.ref for item in read_scenes(given).items]
    with open_library() as library:
        return {ref[1]: said for ref, said in clearness.known(library, region_digest(region), refs).items()}


def _text(chosen: Selection) -> str:
    from planet_assets.view.tables import selection_table
    from planet_assets.view.text import selection_lines

    return "\n".join([*([selection_table(chosen), ""] if chosen.items else []), *selection_lines(chosen)])


def _notes(known: Mapping[str, ClearShare]) -> list[str]:
    """Why Planet could not be asked, each reason once."""
    from planet_assets.view.units import count, plain

    reasons: dict[str, int] = {}
    for said in known.values():
        if said.note:
            reasons[said.note] = reasons.get(said.note, 0) + 1
    return [
        f"The whole scene's clear share counts for {count(number, 'scene')}: {plain(why)}"
        for why, number in reasons.items()
    ]

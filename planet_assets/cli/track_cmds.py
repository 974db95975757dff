"""The command `track`: a listing against what was listed before. It needs neither a key nor the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli import asking, scenes
from planet_assets.cli.codes import Code, code_of_jobs
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.options import (
    REGION,
    Command,
    clipping_options,
    dry_run_option,
    project_option,
    team_option,
    yes_option,
)
from planet_assets.cli.output import Face
from planet_assets.view.documents import jobs_document, plan_document

if TYPE_CHECKING:
    from planet_assets.flow.sync import Synced
    from planet_assets.model.changes import Changes

SHOWN = 20
"""Ids of a kind that a person is shown."""


@click.command(cls=Command)
@click.argument("listing", metavar="LISTING|-")
@click.option("--name", metavar="NAME", help="Name of the listing: one does not disturb another [scenes].")
@click.option("--complete", is_flag=True, help="The listing holds all that belongs to its name: what it lacks is gone.")
@click.option("--key", metavar="FIELD", help="Field that names a record [id, assetId or uuid].")
@click.option("--changes", metavar="A,B", help="Fields whose change counts [those of a scene, or six usual ones].")
@dry_run_option
def track(listing: str, name: str | None, complete: bool, key: str | None, changes: str | None, dry_run: bool) -> int:
    """What is new, modified, unchanged or gone in a listing since the last time; and remember it.

    LISTING is a file of scenes or of any JSON records. Metadata of a scene that drifts is no change.
    """
    from planet_assets.flow.clock import RealClock
    from planet_assets.flow.track import track as compare

    face = Face.current()
    records = scenes.read_records(listing)
    with open_library() as library:
        found = compare(
            library,
            records,
            name=name,
            complete=complete,
            key=key,
            change_keys=scenes.asset_types(changes),
            now=RealClock().now(),
            dry_run=dry_run,
        )
    face.show(changes_document(found), lambda: changes_text(found))
    return Code.OK


@click.command(cls=Command)
@click.option("--search", "saved", required=True, type=click.Path(), metavar="FILE", help="A saved search, as JSON.")
@click.option("--clip", metavar="ROI", help=f"Cut files to this region. {REGION}")
@click.option("--directory", "-d", metavar="D", help="Folder for the files [the setting output_dir].")
@click.option("--assets", metavar="A,B", help="Asset types [those of the search, or the setting asset_types].")
@clipping_options
@click.option("--delivery", type=click.Choice(["data", "orders", "auto"]), help="As in download.")
@click.option("--naming", type=click.Choice(["planet", "asset"]), help="File names: Planet's, or <scene>_<asset>.")
@click.option("--refetch-republished", is_flag=True, help="Fetch anew what Planet has republished; at a price.")
@click.option("--max-concurrent", type=int, metavar="N", help="Downloads side by side.")
@click.option("--allow-unknown-quota", is_flag=True, help="Go on when nobody can tell the quota.")
@yes_option
@team_option
@project_option
@dry_run_option
def sync(saved: str, clip: str | None, directory: str | None, **typed: Any) -> int:
    """The weekly job: search, compare, fetch only what is new. What is held is never bought again.

    Republished assets are listed with their price, and fetched only with --refetch-republished.
    """
    from planet_assets.cli import fetch_cmds

    face = Face.current()
    names = ("buffer_m", "compression", "output_format", "overviews", "extent")
    flags = {name: typed[name] for name in ("cog", "mask_unusable")}
    clipping = scenes.clipping_config(*(typed[name] for name in names), **flags)
    if clipping and not clip:
        raise click.UsageError("Options for cutting need --clip.")
    hook = asking.asked_of(yes=typed["yes"], team=typed["ask_team"], project=typed["project"])
    asks_here = hook is asking.ask_person
    with fetch_cmds.open_manager(face) as manager:
        try:
            done = manager.sync(
                saved,
                clip=scenes.read_region(clip),
                output_dir=directory,
                asset_types=scenes.asset_types(typed["assets"]),
                refetch_republished=typed["refetch_republished"],
                confirm=hook,
                dry_run=typed["dry_run"],
                # the dialog says that the quota is unknown, so a person's yes covers it
                allow_unknown_quota=True if typed["allow_unknown_quota"] or (asks_here and asking.can_ask()) else None,
                max_concurrent=typed["max_concurrent"],
                clipping_config=clipping,
                delivery=typed["delivery"],
                naming=typed["naming"],
            )
        except KeyboardInterrupt:
            return fetch_cmds.interrupted(face, manager, None)
    face.show(_synced_document(done), lambda: _synced_text(done))
    return code_of_jobs(done.jobs) if done.jobs else Code.OK


def _synced_document(done: Synced) -> dict[str, Any]:
    return {
        "changes": changes_document(done.changes),
        "held_count": done.held_count,
        "plan": None if done.plan is None else plan_document(done.plan),
        "charged_km2": done.km2,
        **jobs_document(done.jobs),
        "republished": [
            {"scene": one.item_id, "asset_type": one.asset_type, "path": one.path, "why": one.why}
            for one in done.republished
        ],
        "refetch_km2": 0.0 if done.price is None else done.price.impact.area_km2,
        "lacking": [{"scene": scene, "asset_type": name, "reason": why} for scene, name, why in done.lacking],
    }


def _synced_text(done: Synced) -> str:
    from planet_assets.view.tables import jobs_table
    from planet_assets.view.text import plan_text
    from planet_assets.view.units import exact_km2

    lines = [f"{done}."]
    if done.jobs:
        lines.append(jobs_table(done.jobs))
    elif done.plan is not None:
        lines.append(plan_text(done.plan))
    if done.republished and done.price is not None:
        price = exact_km2(done.price.impact.area_km2)
        lines.append(f"Republished by Planet; --refetch-republished fetches them anew for {price}:")
        lines += [f"  {one.item_id} {one.asset_type}: {one.why}" for one in done.republished[:SHOWN]]
    if done.lacking:
        lines.append("Not to be had now:")
        lines += [f"  {scene} {name}: {why}" for scene, name, why in done.lacking[:SHOWN]]
    return "\n".join(lines)


def changes_document(found: Changes) -> dict[str, Any]:
    """Ids by what happened to them."""
    return {
        "new": found.new,
        "modified": found.modified,
        "gone": found.gone,
        "returned": found.returned,
        "unchanged_count": found.unchanged_count,
    }


def changes_text(found: Changes) -> str:
    """A line of figures, and the first ids of each kind."""
    lines = [f"{found}."]
    for word, ids in (("new", found.new), ("modified", found.modified), ("gone", found.gone), ("back", found.returned)):
        lines += [f"  {word:<9} {one}" for one in ids[:SHOWN]]
        if len(ids) > SHOWN:
            lines.append(f"  {word:<9} ... and {len(ids) - SHOWN} more")
    return "\n".join(lines)

"""The command `track`: a listing against what was listed before. It needs neither a key nor the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli import scenes
from planet_assets.cli.codes import Code
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.options import Command, dry_run_option
from planet_assets.cli.output import Face

if TYPE_CHECKING:
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

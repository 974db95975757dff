"""The commands `publish` and `site`: held scenes, whole, to other places. None needs a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.options import Command, Group
from planet_assets.cli.output import Face

if TYPE_CHECKING:
    from planet_assets.model.bundle import Published, Site


@click.command(cls=Command)
@click.argument("scenes", nargs=-1, metavar="[SCENE]...")
@click.option("--to", "to", required=True, metavar="SITE", help="Name of a site.")
def publish(scenes: tuple[str, ...], to: str) -> int:
    """Seal all that is held of each scene, and ship it: visible at the site when whole, exactly once.

    Without scenes, what is still outstanding for the site is finished. Killed anywhere, it goes on when run again.
    """
    from planet_assets.cli.holdings_cmds import open_holdings
    from planet_assets.rules.citing import LICENCE

    face = Face.current()
    with open_holdings() as held:
        ended = held.publish(scenes, to=to)
    if ended:
        face.say(LICENCE)
    face.show([_document(one) for one in ended], lambda: "\n".join(map(_line, ended)) or "Nothing is outstanding.")
    states = [one.state for one in ended]
    if "failed" in states:
        return Code.PARTLY if any("ready" in state for state in states) else Code.ERROR
    return Code.LOCKED if "under way elsewhere" in states else Code.OK


@click.group(cls=Group)
def site() -> None:
    """Places that bundles are shipped to: folders and object stores."""


@site.command()
@click.argument("name")
@click.argument("address")
@click.option("--option", "options", multiple=True, metavar="A=B", help="How a store is reached: endpoint=...")
def add(name: str, address: str, options: tuple[str, ...]) -> int:
    """Name a place: a folder, or s3://bucket/prefix. Credentials stay in the environment."""
    from planet_assets.flow.publish import depot_of, read_address
    from planet_assets.library import bundles

    if wrong := [word for word in options if "=" not in word]:
        raise click.UsageError(f"--option {wrong[0]}: write it as A=B.")
    told = dict(word.split("=", 1) for word in options)
    face, where = Face.current(), read_address(address, told)
    with open_library() as library:
        made = bundles.add_site(library, name, where, told)
    depot_of(made)
    face.show(_site_document(made), lambda: f"{made.name}: {made.address}")
    return Code.OK


@site.command(name="list")
def list_sites() -> int:
    """Every place, and how many bundles are still outstanding for it."""
    from planet_assets.library import bundles

    face = Face.current()
    with open_library() as library:
        found = [(one, len(bundles.outstanding(library, one.id))) for one in bundles.sites(library)]
    documents = [_site_document(one) | {"outstanding": count} for one, count in found]
    face.show(documents, lambda: "\n".join(f"{one.name}: {one.address}, {count} outstanding" for one, count in found))
    return Code.OK


def _site_document(one: Site) -> dict[str, Any]:
    return {"name": one.name, "address": one.address, "options": dict(one.options)}


def _document(one: Published) -> dict[str, Any]:
    return {
        "bundle": one.bundle.name,
        "revision": one.bundle.revision,
        "seal": one.bundle.seal,
        "components": [component.name for component in one.bundle.components],
        "site": one.site,
        "state": one.state,
        "address": one.address or None,
        "error": one.error or None,
    }


def _line(one: Published) -> str:
    count = len(one.bundle.components)
    return f"{one.bundle.name}: {one.state}" + (f", {count} files, {one.address}" if one.address else f". {one.error}")

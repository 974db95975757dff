"""The commands `publish` and `site`: held scenes, whole, to other places and from them. None needs a key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.options import Command, Group, together
from planet_assets.cli.output import Face
from planet_assets.view.shipments import NOTHING, published_document, published_line

if TYPE_CHECKING:
    from planet_assets.model.bundle import Site

every = click.option(
    "--every", "every_s", default=30.0, show_default=True, type=click.FloatRange(min=0.1), help="Seconds between looks."
)
carrying = together(
    click.option("--tracker", required=True, metavar="SITE", help="The tracker: the name of a site."),
    click.option(
        "--hub", default="hub", show_default=True, metavar="NAME", help="What the tracker's own site is called."
    ),
    click.option("--include", multiple=True, metavar="PATTERN", help="Only such paths: *.tif, aoi/*."),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="No such paths."),
    click.option("--package", "package", multiple=True, metavar="PATTERN", help="Such folders are one unit each."),
    click.option("--quiet-for", "quiet_s", default=5.0, show_default=True, help="Seconds since a file was written."),
)


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
    face.show([published_document(one) for one in ended], lambda: "\n".join(map(published_line, ended)) or NOTHING)
    states = [one.state for one in ended]
    if "failed" in states:
        return Code.PARTLY if any("ready" in state for state in states) else Code.ERROR
    return Code.LOCKED if "under way elsewhere" in states else Code.OK


@click.group(cls=Group)
def site() -> None:
    """Places that bundles are at: folders, object stores and other trackers."""


@site.command()
@click.argument("name")
@click.argument("address")
@click.option("--option", "options", multiple=True, metavar="A=B", help="How a store is reached: endpoint=...")
def add(name: str, address: str, options: tuple[str, ...]) -> int:
    """Name a place: a folder, s3://bucket/prefix, or a tracker's https://HOST. Credentials stay where they are."""
    from planet_assets.flow.publish import depot_of, read_address
    from planet_assets.library import bundles

    if wrong := [word for word in options if "=" not in word]:
        raise click.UsageError(f"--option {wrong[0]}: write it as A=B.")
    told = dict(word.split("=", 1) for word in options)
    face, where = Face.current(), read_address(address, told)
    with open_library() as library:
        made = bundles.add_site(library, name, where, told)
    depot_of(made).close()
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


@site.command()
@click.argument("to", metavar="SITE")
@click.option("--all", "everything", is_flag=True, help="All bundles that are held here, not only what is outstanding.")
def push(to: str, everything: bool) -> int:
    """Bring bundles to a site: what was interrupted goes on, and becomes visible there when it is whole."""
    return _one_pass(pulls=(), pushes=(to,), into=None, everything=everything)


@site.command()
@click.argument("source", metavar="SITE")
@click.option("--into", required=True, metavar="SITE", help="A folder site of this machine.")
def pull(source: str, into: str) -> int:
    """Fetch the bundles that a site has and the library does not; resumed, compared, visible when whole."""
    return _one_pass(pulls=(source,), pushes=(), into=into, everything=False)


@site.command()
@click.option("--from", "pulls", multiple=True, metavar="SITE", help="Fetch from here.")
@click.option("--into", metavar="SITE", help="The folder site that is fetched into.")
@click.option("--to", "pushes", multiple=True, metavar="SITE", help="Bring everything that is held here there.")
@every
@click.option("--once", is_flag=True, help="One pass, then end.")
def agent(pulls: tuple[str, ...], into: str | None, pushes: tuple[str, ...], every_s: float, once: bool) -> int:
    """Keep the bundles of sites alike until SIGTERM or Ctrl-C: fetch, then bring; killed anywhere, it goes on.

    Without --to, it works on what is outstanding for any site.
    """
    if not once:
        from planet_assets.cli.agents import run_agent

        return run_agent(Face.current(), pulls=pulls, pushes=pushes, into=into, every_s=every_s)
    return _one_pass(pulls=pulls, pushes=pushes, into=into, everything=True)


@site.command()
@click.argument("name", metavar="SITE")
@carrying
def scan(name: str, tracker: str, **what: Any) -> int:
    """Tell a tracker which files lie in a folder site: new ones are published, changed ones go out again."""
    from planet_assets.cli.carrying import run_scan

    return run_scan(Face.current(), name, tracker, **what)


@site.command()
@click.argument("name", metavar="SITE")
@carrying
@every
@click.option("--once", is_flag=True, help="One pass, then end.")
def carry(name: str, tracker: str, every_s: float, once: bool, **what: Any) -> int:
    """Work the waiting lists of a folder site at a tracker: scan, send, fetch, until SIGTERM or Ctrl-C."""
    from planet_assets.cli.carrying import run_carrier

    return run_carrier(Face.current(), name, tracker, every_s=None if once else every_s, **what)


@site.command(name="export")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--as", "name", required=True, metavar="NAME", help="What this library is called among the others.")
def export_events(folder: Path, name: str) -> int:
    """Write what happened to elements here as segments, for a library that cannot be reached; only what is new."""
    from planet_assets.flow.clock import RealClock
    from planet_assets.library import offline

    face = Face.current()
    with open_library() as library:
        made = offline.export(library, folder, name, now=RealClock().now())
    documents = [{"segment": one.path.name, "first": one.first, "last": one.last} for one in made]
    face.show(documents, lambda: "\n".join(one.path.name for one in made) or "Nothing new.")
    return Code.OK


@site.command(name="import")
@click.argument("folder", type=click.Path(path_type=Path))
def import_events(folder: Path) -> int:
    """Take over what happened elsewhere from the segments in a folder; doing it twice changes nothing."""
    from planet_assets.library import offline

    face = Face.current()
    with open_library() as library:
        done = offline.read_in(library, folder)
    face.show(done, lambda: "\n".join(f"{site}: {count} events" for site, count in done.items()) or "No segments.")
    return Code.OK


def _one_pass(*, pulls: Sequence[str], pushes: Sequence[str], into: str | None, everything: bool) -> int:
    from planet_assets.cli.agents import run_once

    done = run_once(Face.current(), pulls=pulls, pushes=pushes, into=into, everything=everything)
    if done.is_good:
        return Code.OK
    return Code.PARTLY if any("ready" in one.state for one in done.ended) else Code.TRY_LATER


def _site_document(one: Site) -> dict[str, Any]:
    return {"name": one.name, "address": one.address, "options": dict(one.options)}

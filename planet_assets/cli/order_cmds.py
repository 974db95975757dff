"""The commands about orders: `order`, `collect`, `orders list`, `orders adopt`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli import asking, scenes
from planet_assets.cli.codes import Code, code_of_jobs
from planet_assets.cli.fetch_cmds import SCENES, interrupted, open_manager, show_jobs, show_plan
from planet_assets.cli.options import Command, Group, dry_run_option, request_options, yes_option
from planet_assets.cli.output import Face

if TYPE_CHECKING:
    from planet_assets.model.job import DownloadJob
    from planet_assets.model.order import Order


@click.command(cls=Command)
@click.argument("what", nargs=-1, metavar=SCENES)
@request_options
@yes_option
@dry_run_option
@click.option("--allow-unknown-quota", is_flag=True, help="Go on when nobody can tell the quota.")
def order(what: tuple[str, ...], yes: bool, dry_run: bool, allow_unknown_quota: bool, **typed: Any) -> int:
    """Place orders, after a yes, and return at once; `collect` fetches what they bring.

    SCENES are GeoJSON files, scene ids, or - for stdin; without them, --from and --to search.
    """
    face = Face.current()
    wish = scenes.Wish(scenes=what, **(typed | {"delivery": typed["delivery"] or "orders"}))
    wish.check()
    if wish.delivery != "orders":
        raise click.UsageError("`order` places orders; `download` takes --delivery data or auto.")
    with open_manager(face) as manager:
        made = wish.plan(manager)
        if made is None or dry_run:
            return show_plan(face, made)
        asked = not yes and bool(made.wants)
        try:
            jobs = manager.order(
                made,
                confirm=asking.ask_person if asked else False,
                allow_unknown_quota=True if allow_unknown_quota or (asked and asking.can_ask()) else None,
            )
        except KeyboardInterrupt:
            return interrupted(face, manager, made.id)
    show_jobs(face, jobs)
    if any(not job.status.is_final for job in jobs):
        face.say("Fetch it with: planet-assets collect")
    return _code(jobs)


@click.command(cls=Command)
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@yes_option
@click.option("--max-concurrent", type=int, metavar="N", help="Downloads side by side.")
def collect(jobs: tuple[str, ...], yes: bool, max_concurrent: int | None) -> int:
    """Fetch what orders have brought by now, all of it or of the jobs named; free. Ends with 5 when some is not ready.

    Scenes that waited and can be ordered now are asked about, unless --yes agrees.
    """
    from planet_assets.library import jobs as job_rows

    face = Face.current()
    with open_manager(face) as manager:
        wanted = [job_rows.get(manager.asynchronous.library, job) for job in jobs] or None
        try:
            done = manager.collect(wanted, confirm=False if yes else asking.ask_person, max_concurrent=max_concurrent)
        except KeyboardInterrupt:
            return interrupted(face, manager, None)
    show_jobs(face, done)
    left = sum(not job.status.is_final for job in done)
    if left:
        face.say(f"{left} of {len(done)} are not ready yet.")
    return Code.TRY_LATER if left else code_of_jobs(done)


@click.group(cls=Group)
def orders() -> None:
    """The orders of the account, whoever placed them."""


@orders.command(name="list")
def list_orders() -> int:
    """Orders of the last 90 days, Explorer's included, newest first; their results are free to fetch again."""
    from planet_assets.library.orders import known_ids

    face = Face.current()
    with open_manager(face) as manager:
        found = manager.list_orders()
        known = known_ids(manager.asynchronous.library)
    face.show({"orders": [_document(one, known) for one in found]}, lambda: _table(found, known))
    return Code.OK if found else Code.NOTHING_FOUND


@orders.command()
@click.argument("which", nargs=-1, metavar="[NAME|ID]...")
@click.option("--all", "everything", is_flag=True, help="Every finished order of the last 90 days.")
@click.option("--directory", "-d", metavar="D", help="Folder for the files [the setting output_dir].")
@click.option("--max-concurrent", type=int, metavar="N", help="Downloads side by side.")
def adopt(which: tuple[str, ...], everything: bool, directory: str | None, max_concurrent: int | None) -> int:
    """Fetch what finished orders brought, and know it as held; free, and what is held already is left out."""
    if bool(which) == everything:
        raise click.UsageError("Which orders? Give names or ids, or --all.")
    face = Face.current()
    with open_manager(face) as manager:
        try:
            done = manager.adopt_orders(
                None if everything else list(which),
                output_dir=directory,
                max_concurrent=max_concurrent,
                skipped=lambda words: face.say(f"Left out: {words}"),
            )
        except KeyboardInterrupt:
            return interrupted(face, manager, None)
    if not done:
        face.say("Everything is held already, or there is nothing to adopt.")
    show_jobs(face, done)
    return code_of_jobs(done)


def _code(jobs: Sequence[DownloadJob]) -> Code:
    """A placed order is what was asked for."""
    return code_of_jobs([job for job in jobs if job.status.is_final])


def _document(one: Order, known: set[str]) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "state": one.state,
        "created_on": one.created_on,
        "scenes": sorted(set(one.item_ids)),
        "bundles": sorted(set(one.bundles)),
        "tools": [name for tool in one.tools for name in tool],
        "known": one.id in known,
        "message": one.message,
    }


def _table(found: Sequence[Order], known: set[str]) -> str:
    from planet_assets.view.tables import orders_table

    return orders_table(found, known)

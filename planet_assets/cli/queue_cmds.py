"""The commands about the queue: `queue add`, `list`, `move`, `drop`, `run`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli import asking, scenes
from planet_assets.cli.codes import Code, code_of_jobs
from planet_assets.cli.fetch_cmds import SCENES, interrupted, open_manager
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.options import Group, request_options, yes_option
from planet_assets.cli.output import Face
from planet_assets.exceptions import TryLater
from planet_assets.view.documents import jobs_document

if TYPE_CHECKING:
    from planet_assets.blocking import AssetManager
    from planet_assets.flow.queue import DownloadQueue
    from planet_assets.model.job import JobList
    from planet_assets.model.queue import QueueEntry

EVERY_S = 300.0
"""Seconds between two looks at the queue."""


@click.group(cls=Group)
def queue() -> None:
    """What to fetch as soon as quota and budgets allow, kept in the library."""


@queue.command()
@click.argument("what", nargs=-1, metavar=SCENES)
@request_options
@click.option("--priority", default="normal", show_default=True, metavar="P", help="high, normal, low or a number.")
@click.option("--not-before", metavar="TIME", help="Not to be looked at before, UTC: 2026-11-18T06:00.")
def add(what: tuple[str, ...], priority: str, not_before: str | None, **typed: Any) -> int:
    """Put scenes into the queue; nothing is spent.

    SCENES are GeoJSON files, scene ids, or - for stdin; without them, --from and --to search.
    """
    face = Face.current()
    wish = scenes.Wish(scenes=what, **typed)
    wish.check()
    with open_manager(face) as manager:
        found, options = wish.request(manager)
        if not found:
            face.say("No scenes, nothing to do.")
            return Code.NOTHING_FOUND
        waiting = _queue(manager)
        number = manager.wait(waiting.add(found, priority, not_before, **options))
        entry = next(one for one in waiting.list() if one.id == number)
    _show(face, [entry])
    return Code.OK


@queue.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Also what is done or dropped.")
def list_entries(everything: bool) -> int:
    """The entries in order of their turn, and why each stands as it does."""
    from planet_assets.library import queue as rows
    from planet_assets.rules.queueing import in_turn

    face = Face.current()
    with open_library() as library:
        entries = in_turn(rows.listed(library))
    _show(face, [entry for entry in entries if everything or entry.state not in ("done", "dropped")])
    return Code.OK


@queue.command()
@click.argument("entry", type=int)
@click.argument("priority")
def move(entry: int, priority: str) -> int:
    """Give an entry another priority: high, normal, low or a number. One that failed waits again."""
    from planet_assets.flow.clock import RealClock
    from planet_assets.library import queue as rows
    from planet_assets.rules.queueing import read_priority

    face = Face.current()
    with open_library() as library:
        moved = rows.move(library, entry, read_priority(priority), now=RealClock().now())
    _show(face, [moved])
    return Code.OK


@queue.command()
@click.argument("entries", type=int, nargs=-1, required=True, metavar="ENTRY...")
def drop(entries: tuple[int, ...]) -> int:
    """Take entries out of the queue."""
    from planet_assets.flow.clock import RealClock
    from planet_assets.library import queue as rows

    face = Face.current()
    with open_library() as library:
        dropped = [rows.drop(library, entry, by="planet-assets", now=RealClock().now()) for entry in entries]
    _show(face, dropped)
    return Code.OK


@queue.command()
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Entries at the most.")
@click.option("--watch", is_flag=True, help="Look again and again until Ctrl-C.")
@click.option("--every", "every_s", type=click.FloatRange(min=1), default=EVERY_S, metavar="S", help="Seconds [300].")
@click.option("--allow-unknown-quota", is_flag=True, help="Go on when nobody can tell the quota.")
@yes_option
def run(limit: int | None, watch: bool, every_s: float, allow_unknown_quota: bool, yes: bool) -> int:
    """Fetch what quota and budgets allow: highest priority first, oldest first among equals.

    What does not fit is left for later while smaller work goes on. Every entry is asked about unless --yes agrees.
    """
    from planet_assets.flow.clock import RealClock

    face = Face.current()
    how = {
        "confirm": False if yes else asking.ask_person,
        "limit": limit,
        "allow_unknown_quota": True if allow_unknown_quota else None,
    }
    with open_manager(face) as manager:
        try:
            while True:
                done = _round(face, manager, how, patient=watch)
                if not watch:
                    break
                manager.wait(RealClock().sleep(every_s))
        except KeyboardInterrupt:
            return interrupted(face, manager, None)
    return code_of_jobs(done)


def _round(face: Face, manager: AssetManager, how: dict[str, Any], *, patient: bool) -> JobList:
    """One look at the queue; a network that is down is no reason to stop watching."""
    from planet_assets.model.job import JobList
    from planet_assets.view.tables import jobs_table

    waiting = _queue(manager)
    try:
        done = manager.wait(waiting.process(**how))
    except TryLater as error:
        if not patient:
            raise
        face.say(str(error))
        return JobList()
    if done or not patient:
        face.show(jobs_document(done), lambda: jobs_table(done), compact=patient)
    left = [entry for entry in waiting.list(open_only=True) if entry.reason]
    for entry in left if not patient else ():
        face.say(f"Entry {entry.id} is {entry.state}: {entry.reason}")
    return done


def _queue(manager: AssetManager) -> DownloadQueue:
    from planet_assets.flow.queue import DownloadQueue

    return DownloadQueue(manager)


def _show(face: Face, entries: Sequence[QueueEntry]) -> None:
    from planet_assets.view.queue import queue_table

    face.show({"entries": [asdict(entry) for entry in entries]}, lambda: queue_table(entries))

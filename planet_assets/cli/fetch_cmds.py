"""The commands of the straight path: `search`, `plan`, `download`, `resume`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli import asking, scenes
from planet_assets.cli.codes import Code, code_of_jobs
from planet_assets.cli.options import (
    REGION,
    Command,
    clear_option,
    dry_run_option,
    picture_option,
    project_option,
    request_options,
    search_options,
    team_option,
    tracking_options,
    yes_option,
)
from planet_assets.cli.output import Face, save_picture
from planet_assets.view.documents import jobs_document, plan_document

if TYPE_CHECKING:
    from planet_assets.blocking import AssetManager
    from planet_assets.flow.consent import Hook
    from planet_assets.model.job import DownloadJob
    from planet_assets.model.plan import Plan

SCENES = "[SCENES|-]..."


@click.command(cls=Command)
@click.option("--roi", required=True, metavar="ROI", help=REGION)
@search_options
@click.option("--having", metavar="A,B", help="Scenes that have at least one of these asset types.")
@clear_option
def search(
    roi: str,
    start: str | None,
    end: str | None,
    cloud: float | None,
    item_types: tuple[str, ...],
    limit: int | None,
    having: str | None,
    clear_over_roi: str | None,
) -> int:
    """Find scenes over a region, newest first; costs no quota.

    A table in a terminal; a GeoJSON FeatureCollection when piped, which `plan -` and `download -` read.
    """
    face = Face.current()
    first, last = scenes.dates(start, end)
    region = scenes.read_region(roi)
    with open_manager(face) as manager:
        found = manager.search(
            region,
            first,
            last,
            cloud_cover_max=cloud,
            item_types=item_types,
            asset_types=scenes.asset_types(having) or (),
            limit=limit,
            clear_over_roi=clear_over_roi or False,
        )
    face.show(found, lambda: _search_text(found["features"]), compact=True)
    return Code.OK if found["features"] else Code.NOTHING_FOUND


@click.command(cls=Command)
@click.argument("what", nargs=-1, metavar=SCENES)
@request_options
@picture_option
def plan(what: tuple[str, ...], picture: str | None, **typed: Any) -> int:
    """What a download would cost, by both routes, and whether the quota covers it; nothing is spent.

    SCENES are GeoJSON files, scene ids, or - for stdin; without them, --from and --to search.
    """
    face = Face.current()
    wish = scenes.Wish(scenes=what, **typed)
    wish.check()
    with open_manager(face) as manager:
        made = wish.plan(manager)
    if picture and made is not None:
        from planet_assets.view.page import plan_svg

        save_picture(face, Path(picture), plan_svg(made))
    return show_plan(face, made)


@click.command(cls=Command)
@click.argument("what", nargs=-1, metavar=SCENES)
@request_options
@yes_option
@team_option
@project_option
@dry_run_option
@click.option("--allow-unknown-quota", is_flag=True, help="Go on when nobody can tell the quota.")
@tracking_options
def download(
    what: tuple[str, ...],
    yes: bool,
    ask_team: str | None,
    project: str | None,
    dry_run: bool,
    allow_unknown_quota: bool,
    **typed: Any,
) -> int:
    """Check the quota, ask, activate, download, verify and clip.

    SCENES are GeoJSON files, scene ids, or - for stdin; without them, --from and --to search.
    """
    from planet_assets.cli.tracking import Tracking

    face = Face.current()
    hook = asking.asked_of(yes=yes, team=ask_team, project=project)
    tracking = Tracking.taken_from(typed, dry_run=dry_run)
    wish = scenes.Wish(scenes=what, **typed)
    if tracking.is_all_that_is_asked(wish):
        return tracking.alone(face)
    wish.check()
    tracking.begin(face)
    with open_manager(face) as manager:
        made = tracking.plan(wish, manager)
        if made is None or dry_run:
            return show_plan(face, made)
        if ask_team:
            face.say(f"The plan waits for an editor at {ask_team}.")
        code = _carried_out(face, manager, made, wish.max_concurrent, hook=hook, allow_unknown=allow_unknown_quota)
        tracking.end(face, manager, made)
    return code


@click.command(cls=Command)
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@yes_option
@dry_run_option
@click.option("--max-concurrent", type=int, metavar="N", help="Downloads side by side.")
def resume(jobs: tuple[str, ...], yes: bool, dry_run: bool, max_concurrent: int | None) -> int:
    """Finish what was interrupted: all of it, or the jobs named.

    Nothing is asked unless going on costs more than was confirmed; --yes agrees to that too.
    """
    from planet_assets.library import jobs as job_rows

    face = Face.current()
    with open_manager(face) as manager:
        library = manager.asynchronous.library
        left = [job_rows.get(library, job) for job in jobs] if jobs else job_rows.unfinished(library)
        left = [job for job in left if not job.status.is_final]
        if not left:
            face.say("Nothing is left to resume.")
        if not left or dry_run:
            return show_jobs(face, left)
        face.say(f"Going on with {_counted(left)}.")
        try:
            done = manager.resume(left, confirm=False if yes else asking.ask_person, max_concurrent=max_concurrent)
        except KeyboardInterrupt:
            return interrupted(face, manager, left[0].batch_id if len({job.batch_id for job in left}) == 1 else None)
        if busy := len(left) - len(done):
            face.say(f"{busy} more are worked on by another process.")
    show_jobs(face, done)
    return code_of_jobs(done)


def open_manager(face: Face) -> AssetManager:
    """The door, speaking as this run does."""
    from planet_assets.blocking import AssetManager

    manager = AssetManager(name="planet-assets")
    if face.quiet:
        manager.asynchronous.show_progress = False
    return manager


def show_jobs(face: Face, jobs: Sequence[DownloadJob]) -> int:
    """Jobs as a table or as JSON."""
    from planet_assets.view.tables import jobs_table

    face.show(jobs_document(jobs), lambda: jobs_table(jobs))
    return Code.OK


def interrupted(face: Face, manager: AssetManager, batch_id: str | None) -> int:
    """What stands after Ctrl-C, what is under way, and how to go on."""
    from planet_assets.library import jobs as job_rows
    from planet_assets.view.units import exact_km2

    library = manager.asynchronous.library
    mine = job_rows.listed(library, batch_id=batch_id) if batch_id else job_rows.unfinished(library)
    if not mine:
        face.say("\nInterrupted before anything began; nothing was spent.")
        return Code.INTERRUPTED
    done = [job for job in mine if job.downloaded_file_path is not None]
    left = [job for job in mine if not job.status.is_final]
    spent, held = sum(job.spent_km2 for job in mine), sum(job.held_km2 for job in left)
    face.say(f"\nInterrupted. Held: {_counted(done)}. Under way: {_counted(left)}.")
    face.say(f"Charged so far: {exact_km2(spent)}; reserved for the rest: {exact_km2(held)}.")
    if left:
        face.say("Nothing is lost. Go on with: planet-assets resume")
    return Code.INTERRUPTED


def _carried_out(
    face: Face, manager: AssetManager, plan: Plan, max_concurrent: int | None, *, hook: Hook | bool, allow_unknown: bool
) -> int:
    from planet_assets.view.text import confirmation_dialog

    asked = hook is not False and bool(plan.wants)
    if hook is not asking.ask_person or not asked:
        face.say(confirmation_dialog(plan))
    here = asked and hook is asking.ask_person
    try:
        jobs = manager.run(
            plan,
            confirm=hook if asked else False,
            # the dialog says that the quota is unknown, so a person's yes covers it
            allow_unknown_quota=True if allow_unknown or (here and asking.can_ask()) else None,
            max_concurrent=max_concurrent,
        )
    except KeyboardInterrupt:
        return interrupted(face, manager, plan.id)
    show_jobs(face, jobs)
    return code_of_jobs(jobs)


def show_plan(face: Face, plan: Plan | None) -> int:
    """A plan, and as exit code whether it may be done."""
    from planet_assets.view.text import plan_text

    if plan is None:
        face.say("No scenes, nothing to do.")
        face.show(jobs_document([]), lambda: "")
        return Code.NOTHING_FOUND
    face.show(plan_document(plan), lambda: plan_text(plan))
    return Code.QUOTA if plan.verdict.word in ("over", "unknown") else Code.OK


def _search_text(features: Sequence[Any]) -> str:
    from planet_assets.model.item import items_from
    from planet_assets.view.tables import search_table

    return search_table(items_from(features))


def _counted(jobs: Sequence[DownloadJob]) -> str:
    """`3 files (1 activating, 2 downloading)`."""
    from planet_assets.view.units import count

    words = [job.status.value for job in jobs]
    details = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words) if word != "completed")
    return count(len(jobs), "file") + (f" ({details})" if details else "")

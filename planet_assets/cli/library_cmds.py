"""The commands about jobs. Listing needs neither a key nor the libraries that talk to Planet or open rasters."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli.codes import Code, code_of_jobs
from planet_assets.cli.options import Group, dry_run_option, yes_option
from planet_assets.cli.output import Face, as_json
from planet_assets.exceptions import DiskProblem
from planet_assets.view.documents import event_document, job_document, jobs_document
from planet_assets.view.units import plain

if TYPE_CHECKING:
    from planet_assets.library.engine import Library
    from planet_assets.model.job import DownloadJob

ENDED_WITHOUT_FILE = ("failed", "expired", "user_cancelled")
STATUSES = (
    "pending",
    "waiting",
    "ordering",
    "activating",
    "active",
    "downloading",
    "clipping",
    "completed",
    *ENDED_WITHOUT_FILE,
)


@click.group(cls=Group)
def jobs() -> None:
    """List, show, retry, cancel and export download jobs."""


selection = click.option("--status", multiple=True, type=click.Choice(STATUSES), help="Only jobs that stand so.")
batch = click.option("--batch", metavar="ID", help="Only jobs of this plan.")
limit = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the latest N.")


@jobs.command(name="list")
@selection
@batch
@limit
def list_jobs(status: tuple[str, ...], batch: str | None, limit: int | None) -> int:
    """Jobs with their status, size, quota and file or error; the newest last."""
    from planet_assets.library import jobs as job_rows
    from planet_assets.view.tables import jobs_table

    face = Face.current()
    with open_library() as library:
        found = job_rows.listed(library, status=status, batch_id=batch, limit=limit)
    face.show(jobs_document(found), lambda: jobs_table(found, ids=True))
    return Code.OK if found or not (status or batch) else Code.NOTHING_FOUND


@jobs.command()
@click.argument("job_id", metavar="JOB")
def show(job_id: str) -> int:
    """One job, and everything that happened to it. A beginning of its id is enough."""
    from planet_assets.library import jobs as job_rows

    face = Face.current()
    with open_library() as library:
        job = job_rows.get(library, job_id)
        events = [event_document(event) for event in job_rows.history(library, job.id)]
    face.show({**job_document(job), "events": events}, lambda: _details(job, events))
    return Code.OK


@jobs.command()
@click.argument("ids", nargs=-1, metavar="[JOB]...")
@click.option("--failed", is_flag=True, help="All that failed or expired and were not fetched since.")
@click.option("--max-concurrent", type=int, metavar="N", help="Downloads side by side.")
@yes_option
@dry_run_option
def retry(ids: tuple[str, ...], failed: bool, max_concurrent: int | None, yes: bool, dry_run: bool) -> int:
    """Try jobs that ended without a file again, as new jobs; asks before anything is spent."""
    from planet_assets.cli import asking, fetch_cmds

    face = Face.current()
    if bool(ids) == failed:
        raise click.UsageError("Which jobs? Give ids, or --failed.")
    with open_library() as library:
        chosen = _to_retry(library, ids)
    if not chosen:
        face.say("Nothing to try again.")
    if not chosen or dry_run:
        return fetch_cmds.show_jobs(face, chosen)
    with fetch_cmds.open_manager(face) as manager:
        try:
            done = manager.retry_failed_downloads(
                chosen, confirm=False if yes else asking.ask_person, max_concurrent=max_concurrent
            )
        except KeyboardInterrupt:
            return fetch_cmds.interrupted(face, manager, None)
    fetch_cmds.show_jobs(face, done)
    return code_of_jobs(done)


@jobs.command()
@click.argument("ids", nargs=-1, required=True, metavar="JOB...")
@dry_run_option
def cancel(ids: tuple[str, ...], dry_run: bool) -> int:
    """End jobs that nobody works on: what they had reserved is free again, what is spent stays spent."""
    from planet_assets.cli import fetch_cmds
    from planet_assets.library import jobs as job_rows

    face = Face.current()
    with open_library() as library:
        chosen = [job_rows.get(library, job_id) for job_id in ids]
    left = [job for job in chosen if not job.status.is_final]
    if dry_run:
        return fetch_cmds.show_jobs(face, left)
    with fetch_cmds.open_manager(face) as manager:
        ended = manager.cancel(left)
    fetch_cmds.show_jobs(face, ended)
    if busy := len(left) - len(ended):
        face.say(f"{busy} could not be ended: another process works on them.")
        return Code.LOCKED if not ended else Code.PARTLY
    return Code.OK


@jobs.command()
@selection
@batch
@limit
@click.option("--format", "kind", type=click.Choice(["csv", "json"]), default="csv", show_default=True, help="Of what.")
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Into a file [stdout].")
def export(status: tuple[str, ...], batch: str | None, limit: int | None, kind: str, output: Path | None) -> int:
    """Jobs as CSV or JSON, for spreadsheets and reports."""
    from planet_assets.library import jobs as job_rows

    face = Face.current()
    with open_library() as library:
        found = job_rows.listed(library, status=status, batch_id=batch, limit=limit)
    text = as_json(jobs_document(found)) + "\n" if kind == "json" else _csv(found)
    if output is None:
        click.echo(text, nl=False)
        return Code.OK
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DiskProblem(f"{output} cannot be written: {error.strerror}.", hint="Choose another file.") from None
    face.say(f"{len(found)} jobs are in {output}.")
    return Code.OK


@contextmanager
def open_library() -> Iterator[Library]:
    """The library alone: no key is needed, and nothing heavy is loaded."""
    from planet_assets import config
    from planet_assets.library.engine import Library

    library = Library(config.library_address(config.load()))
    try:
        yield library
    finally:
        library.close()


def _to_retry(library: Library, ids: Sequence[str]) -> list[DownloadJob]:
    """The jobs named; without names, the latest of each asset that ended badly and is neither held nor under way."""
    from planet_assets.library import jobs as job_rows

    if ids:
        named = [job_rows.get(library, job_id) for job_id in ids]
        return [job for job in named if job.status.value in ENDED_WITHOUT_FILE]
    latest = {(*job.key, job.path): job for job in job_rows.listed(library)}
    return [job for job in latest.values() if job.status.value in ("failed", "expired")]


def _details(job: DownloadJob, events: Sequence[dict[str, Any]]) -> str:
    facts = {name: _words(value) for name, value in job_document(job).items() if value not in (None, "", 0)}
    width = max(len(name) for name in facts)
    lines = [f"{name:<{width}}  {words}" for name, words in facts.items()]
    return "\n".join([*lines, "", "What happened:", *map(_event_line, events)])


def _event_line(event: dict[str, Any]) -> str:
    said = {name: value for name, value in event.items() if name not in ("at", "kind") and value not in (None, "")}
    details = ", ".join(f"{name}={_words(value)}" for name, value in said.items())
    return f"  {_words(event['at'])}  {event['kind']:<16} {details}".rstrip()


def _words(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:,.2f}" if isinstance(value, float) else plain(value)


def _csv(found: Sequence[DownloadJob]) -> str:
    rows = [job_document(job) for job in found]
    out = io.StringIO()
    names = list(rows[0]) if rows else ["id"]
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()

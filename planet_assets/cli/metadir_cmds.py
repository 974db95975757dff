"""The commands `metadir`: those of mmmeta. None needs a key, a library or the network."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.options import Group
from planet_assets.cli.output import Face

if TYPE_CHECKING:
    from planet_assets.compat.metadir import Five, Metadir

FIGURES = ("updated", "added", "invalid", "deleted", "skipped")


@click.group(cls=Group)
@click.option("--metadir", "base", metavar="P", help="Folder that holds `_mmmeta` [MMMETA, else the working folder].")
@click.option("--files-root", metavar="P", help="Where files and their metadata are [MMMETA_FILES_ROOT, else metadir].")
@click.option("--log-level", metavar="L", help="Least weight of what is told on stderr [LOGGING, else INFO].")
@click.pass_context
def metadir(context: click.Context, base: str | None, files_root: str | None, log_level: str | None) -> None:
    """Metadata of remote files and local state, as mmmeta keeps them."""
    from planet_assets.compat import environment
    from planet_assets.compat.metadir import mmmeta

    level = (log_level or environment.metadir_log_level()).upper()
    if level not in logging.getLevelNamesMapping():
        raise click.UsageError(f"There is no log level {level}.")
    _log_to_stderr(level, as_json=environment.metadir_logs_json())
    context.obj = mmmeta(base, files_root or environment.metadir_files_root())


@metadir.command()
@click.option("--replace", is_flag=True, help="Forget all that was published before.")
@click.option("--ensure", is_flag=True, help="Note as gone what has no metadata file any more.")
@click.option("--ensure-files", is_flag=True, help="Note as gone what has no file any more.")
@click.option("--no-meta", is_flag=True, help="Describe the files themselves; they need no metadata.")
@click.pass_obj
def generate(found: Metadir, replace: bool, ensure: bool, ensure_files: bool, no_meta: bool) -> int:
    """Publish what the metadata files say; only what has changed is written."""
    return _show(found.generate(None, replace, ensure, ensure_files, no_meta))


@metadir.command()
@click.option("--replace", is_flag=True, help="Forget this machine's own keys.")
@click.option("--cleanup", is_flag=True, help="Drop keys that are neither configured nor set here.")
@click.pass_obj
def update(found: Metadir, replace: bool, cleanup: bool) -> int:
    """Merge what was published into what this machine knows."""
    return _show(found.update(replace, cleanup))


@metadir.command()
@click.pass_obj
def inspect(found: Metadir) -> int:
    """How many files are known, where, and what is in the store."""
    face, about = Face.current(), found.inspect()
    lines = [*(f"{key}: {value}" for key, value in about.items()), *found.store.to_string().splitlines()]
    face.show({**about, "store": found.store.serialize()}, lambda: "\n".join(lines))
    return Code.OK


@metadir.command()
@click.option("--prune", is_flag=True, help="Remove the segments it replaces.")
@click.pass_obj
def squash(found: Metadir, prune: bool) -> int:
    """Write one segment that holds the whole history."""
    found.squash(prune)
    return Code.OK


@metadir.command()
@click.pass_obj
def dump(found: Metadir) -> int:
    """Every file with its remote addresses, as CSV."""
    found.dump(sys.stdout)
    return Code.OK


def _show(five: Five) -> int:
    figures = dict(zip(FIGURES, five, strict=True))
    Face.current().show(figures, lambda: ", ".join(f"{count} {word}" for word, count in figures.items()))
    return Code.OK


def _log_to_stderr(level: str, *, as_json: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if as_json else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("planet_assets")
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


class _JsonLines(logging.Formatter):
    """A line of JSON each, with the keys that Stackdriver reads."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told = {"message": record.getMessage(), "severity": record.levelname, "logger": record.name}
        return json.dumps({**told, "timestamp": self.formatTime(record)}, ensure_ascii=False)

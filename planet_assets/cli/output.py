"""Two voices: data on stdout, as text for a person and as JSON for a program, and talk on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from planet_assets.cli.options import HOME
from planet_assets.view.documents import plain


@dataclass(frozen=True, slots=True)
class Face:
    """How this run speaks."""

    as_json: bool
    """True when data goes out as JSON."""
    quiet: bool
    """True when nothing but errors goes to stderr."""

    @classmethod
    def current(cls) -> Face:
        """As the flags before and after the command's name say; without one, JSON when stdout is no terminal."""
        meta = click.get_current_context().meta
        asked = meta.get(f"{HOME}.as_json")
        return cls(as_json=not sys.stdout.isatty() if asked is None else asked, quiet=meta.get(f"{HOME}.quiet", False))

    def show(self, document: Any, text: Callable[[], str], *, compact: bool = False) -> None:
        """The answer of the command."""
        click.echo(as_json(document, compact=compact) if self.as_json else text())

    def say(self, text: str) -> None:
        """Something said beside the answer."""
        if not self.quiet:
            click.echo(text, err=True)


def save_picture(face: Face, path: Path, svg: str) -> None:
    """Write a map as a file of its own.

    Raises:
        DiskProblem: it cannot be written.
    """
    from planet_assets.exceptions import DiskProblem
    from planet_assets.view.footprints import on_paper

    try:
        path.write_text(on_paper(svg), encoding="utf-8")
    except OSError as error:
        raise DiskProblem(f"The picture {path} cannot be written: {error.strerror}.") from None
    face.say(f"The picture is in {path}.")


def as_json(document: Any, *, compact: bool = False) -> str:
    """JSON text; what nobody knows (NaN) is null."""
    return json.dumps(plain(document), ensure_ascii=False, allow_nan=False, indent=None if compact else 2)


def bar_signs() -> str:
    """What a quota bar is drawn with on this stdout."""
    try:
        "█▒·".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "#+."
    return "█▒·"

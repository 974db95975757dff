"""The commands about settings: `config init` and `config show`."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.options import Group
from planet_assets.cli.output import Face
from planet_assets.exceptions import DiskProblem, Misused

HEAD = """\
# Settings of planet-assets. Lines like "# key = value" hold the defaults: take the sign away to change one.
# Stronger than this file are environment variables (PLANET_ASSETS__SECTION__KEY) and what a command or script says.
"""


@click.group(cls=Group)
def config() -> None:
    """Write or show the settings."""


@config.command()
@click.option("--file", "path", type=click.Path(path_type=Path), metavar="FILE", help="Where to [the usual place].")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
def init(path: Path | None, force: bool) -> int:
    """Write a configuration file with every setting, its meaning and its default, all commented out."""
    from planet_assets import config as settings

    face = Face.current()
    target = (path or settings.config_path()).expanduser().absolute()
    if target.exists() and not force:
        raise Misused(f"{target} is there already.", hint="--force replaces it.", argument="file")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(commented(settings.described()), encoding="utf-8")
    except OSError as error:
        raise DiskProblem(f"{target} cannot be written: {error.strerror}.", hint="Name another --file.") from None
    face.show({"file": target}, lambda: f"{target} is written; every setting in it is commented out.")
    return Code.OK


@config.command()
def show() -> int:
    """Every setting, its value and where that came from; passwords in addresses are left out."""
    from planet_assets import config as settings

    face = Face.current()
    rows = [(key, _safe(value), source) for key, value, source in settings.origins()]
    library, where = settings.library_address(settings.load()), str(settings.config_path())
    document = {
        "settings": {key: {"value": value, "source": source} for key, value, source in rows},
        "config_file": where,
        "library": _safe(library),
    }
    face.show(document, lambda: _text(rows, where, str(_safe(library))))
    return Code.OK


def commented(described: list[tuple[str, Any, str]]) -> str:
    """TOML with every setting as a comment; the keys of a section follow its heading."""
    plain, sections = [], []
    for key, default, words in described:
        section, _, name = key.rpartition(".")
        inner = any(other.startswith(f"{key}.") for other, _, _ in described)
        lines = [f"# {line}" for line in textwrap.wrap(words, 116)]
        if inner:
            sections += ["", *lines, f"[{key}]"]
        elif section:
            sections += [*lines, _assigned(name, default)]
        else:
            plain += ["", *lines, _assigned(name, default)]
    return "\n".join([HEAD.rstrip(), *plain, *sections]) + "\n"


def _assigned(name: str, default: Any) -> str:
    """A default as TOML; JSON's text is TOML's for strings, numbers, booleans and lists of them."""
    if default is None:
        return f"# {name} =  # unset"
    return f"# {name} = {json.dumps(default)}"


def _words(value: Any) -> str:
    if value is None:
        return "unset"
    return value if isinstance(value, str) else json.dumps(value)


def _safe(value: Any) -> Any:
    from planet_assets.config import without_password

    return without_password(value) if isinstance(value, str) else value


def _text(rows: list[tuple[str, Any, str]], where: str, library: str) -> str:
    width = max(len(key) for key, _, _ in rows)
    shown = [_words(value) for _, value, _ in rows]
    room = max(len(text) for text in shown)
    lines = [f"{key:<{width}}  {text:<{room}}  {source}" for (key, _, source), text in zip(rows, shown, strict=True)]
    there = "" if Path(where).exists() else " (not there)"
    return "\n".join([*lines, "", f"Configuration file: {where}{there}", f"Library: {library}"])

"""Renders the reference pages from the code: settings, events, errors, commands and public names.

Sphinx calls `write_all` before it reads the pages, so the reference cannot fall behind; the tests read the same pages.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
from pydantic import BaseModel

import planet_assets
from planet_assets import config, exceptions
from planet_assets.cli import codes, main
from planet_assets.model import event

WIDTH = 96

MORE_NAMES = {
    "planet_assets.blocking": ["AssetManager", "TrackerClient"],
    "planet_assets.sites.remote": ["TrackerClient"],
    "planet_assets.policies": [
        "max_area",
        "keep_share",
        "only_between",
        "max_per",
        "ask_team",
        "cheaper_route_required",
        "all_of",
        "any_of",
        "not_",
        "always",
        "never",
        "ask",
        "Policy",
        "Question",
    ],
    "planet_assets.raster.clip": ["clip", "Cut"],
    "planet_assets.raster.quicklook": ["quicklook"],
    "planet_assets.raster.usable": ["UsableMask"],
    "planet_assets.model.job": ["JobList"],
    "planet_assets.model.plan": ["Verdict", "Want", "WantImpact"],
    "planet_assets.model.selection": ["PeriodCover"],
    "planet_assets.model.month": ["MonthReport"],
    "planet_assets.model.spend": ["Reconciliation", "Drift", "Spend"],
    "planet_assets.model.queue": ["QueueEntry"],
}
"""Names people use beside those of the package itself."""

CODES = {
    "OK": "everything asked for is there",
    "ERROR": "an error that is none of the others",
    "USAGE": "the command or an argument is wrong; nothing was done",
    "PARTLY": "some of it is there, some failed",
    "NOTHING_FOUND": "nothing was found, or Planet has it no more",
    "TRY_LATER": "the same command may succeed later",
    "AUTH": "the key is missing, refused, or may not do this",
    "QUOTA": "quota exceeded or unknown; nothing was spent",
    "DECLINED": "the answer was no, or there was nobody to ask",
    "LOCKED": "another process holds the library, or another person was first",
    "VERIFICATION": "bytes differ from what Planet promised",
    "INTERRUPTED": "Ctrl-C; `planet-assets resume` goes on",
}
"""Exit code -> meaning."""


def attribute_docs(module: object) -> dict[str, dict[str, str]]:
    """Class -> attribute -> the sentence that stands under it in the source."""
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
    return {node.name: dict(_documented(node)) for node in tree.body if isinstance(node, ast.ClassDef)}


def _documented(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for here, below in zip(node.body, node.body[1:], strict=False):
        names = isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name)
        if names and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            yield here.target.id, " ".join(str(below.value.value).split())


def settings() -> list[tuple[str, object, str]]:
    """(dotted name, default, meaning) of every setting, in the order of the code."""
    docs = attribute_docs(config)

    def walk(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, object, str]]:
        for name, field in model.model_fields.items():
            if isinstance(field.default, BaseModel):
                yield from walk(type(field.default), f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}", field.default, docs[model.__name__].get(name, "")

    return list(walk(config.Settings, ""))


def settings_page() -> str:
    """Every setting with its default, its environment variable and what it does."""
    lines = [
        "# Settings",
        "",
        "Strongest first: the `config` argument of `AssetManager`, environment variables, a TOML file. Unknown names",
        "are refused. `planet-assets config show` prints each value and where it came from;",
        "`planet-assets config init` writes the file, which is looked for where `PLANET_ASSETS_CONFIG` says, else in",
        "the user's configuration folder.",
        "",
    ]
    for name, default, meaning in settings():
        variable = config.PREFIX + name.upper().replace(".", "__")
        value = "unset" if default is None else f"`{list(default) if isinstance(default, tuple) else default}`"
        lines += [f"`{name}`", f": {meaning}", "", f"  Default: {value} · `{variable}`", ""]
    lines += [
        "## Beside the settings",
        "",
        "| variable | meaning |",
        "|---|---|",
        "| `PL_API_KEY` | the key; looked for before `~/.planet.json` and Planet's own profiles |",
        "| `PLANET_ASSETS_LIBRARY` | the library, where the setting `library` is unset |",
        "| `PLANET_ASSETS_CONFIG` | the configuration file |",
        "| `SSL_CERT_FILE`, `SSL_CERT_DIR` | certificates to trust |",
        "| `HTTPS_PROXY`, `NO_PROXY` and their kin | the system's proxy, where the setting `proxy` is unset |",
        "",
    ]
    return "\n".join(lines)


def events_page() -> str:
    """Every event with its fields."""
    docs = attribute_docs(event)
    lines = [
        "# Events",
        "",
        "An event is something that happened to a job. It moves the job, and it stands in the library beside the job's",
        "row with its time and who caused it. `planet-assets jobs show ID` lists the events of a job. Every event has",
        "`at`, UTC.",
        "",
    ]
    for name, kind in event.EVENTS.items():
        lines += [f"## {name}", "", _prose(inspect.getdoc(kind)), ""]
        for field in fields(kind):
            if field.name != "at":
                lines += [f"`{field.name}`", f": {docs[name].get(field.name, '')}", ""]
    return "\n".join(lines)


def _prose(text: str | None) -> str:
    return " ".join((text or "").split())


def drawing() -> str:
    """The error tree as it is drawn at the top of `exceptions`."""
    lines = (exceptions.__doc__ or "").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("AssetError"))
    return "\n".join(lines[start:]).rstrip()


def errors() -> list[type[BaseException]]:
    """Every error class, in the order of the code."""
    return [
        each for each in vars(exceptions).values() if inspect.isclass(each) and each.__module__ == exceptions.__name__
    ]


def errors_page() -> str:
    """The tree, and every class with what it carries."""
    lines = [
        "# Errors",
        "",
        "Errors branch by what the caller can do. `str(error)` says what is wrong and what to do; `error.message` and",
        "`error.hint` are its two halves. A failed job keeps the name of its error in `error_kind`.",
        "",
        "```text",
        drawing(),
        "```",
        "",
    ]
    for each in errors():
        own = [name for name in inspect.signature(each).parameters if name not in ("message", "hint")]
        carried = f" Carries {', '.join(f'`{name}`' for name in own)}." if own else ""
        lines += [f"`{each.__name__}`", f": {_prose(inspect.getdoc(each))}{carried}", ""]
    return "\n".join(lines)


def commands() -> list[tuple[str, click.Command]]:
    """(what is typed, command) of every command and group below `planet-assets`."""
    found: list[tuple[str, click.Command]] = []

    def walk(path: str, command: click.Command) -> None:
        found.append((path, command))
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=path)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None, f"{path} {name} leads nowhere"
                walk(f"{path} {name}", below)

    walk("planet-assets", main.main)
    return found


def commands_page() -> str:
    """Every command as `--help` shows it, and the exit codes."""
    lines = ["# Command line", "", "Data goes to stdout, talk to stderr; stdout is JSON when it is no terminal.", ""]
    for path, command in commands():
        flags = command.context_settings.get("help_option_names")
        context = click.Context(command, info_name=path, terminal_width=WIDTH, help_option_names=flags)
        level = "#" * min(len(path.split()) + 1, 4)
        lines += [f"{level} {path}", "", "```text", command.get_help(context), "```", ""]
    lines += ["## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code.value} | {CODES[code.name]} |" for code in codes.Code]
    return "\n".join([*lines, ""])


def names_page() -> str:
    """Every public name, for autodoc."""
    lines = ["# Public names", ""]
    for name in planet_assets.__all__:
        if name == "__version__":
            continue
        lines += [f"## {name}", "", *_documentation(planet_assets, name)]
    for module, names in MORE_NAMES.items():
        for name in names:
            lines += [f"## {module}.{name}", "", *_documentation(__import__(module, fromlist=[name]), name)]
    return "\n".join(lines)


def _documentation(module: object, name: str) -> list[str]:
    thing = getattr(module, name)
    directive = "autofunction" if inspect.isroutine(thing) else "autodata"
    options = [] if inspect.isroutine(thing) else ["   :no-value:"]
    if inspect.isclass(thing):
        directive, options = "autoclass", ["   :members:", "   :member-order: bysource"]
    return ["```{eval-rst}", f".. {directive}:: {thing.__module__}.{name}", *options, "```", ""]


PAGES = {
    "settings": settings_page,
    "events": events_page,
    "errors": errors_page,
    "commands": commands_page,
    "names": names_page,
}
"""Page -> what renders it."""


def write_all(folder: Path) -> None:
    """Write every page that differs from what stands there."""
    folder.mkdir(exist_ok=True)
    for name, render in PAGES.items():
        path, text = folder / f"{name}.md", render()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")

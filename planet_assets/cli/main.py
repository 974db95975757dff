"""The command `planet-assets`: finds a command, runs it, and turns every ending into one line and one exit code.

The folder, in the order of a command's life: `main` starts it, `options` says what may be typed, `scenes` reads what is
given, `asking` puts a question to a person, `output` writes text or JSON. The
commands themselves are in the files that end in `_cmds`; none is imported before it is called.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

import click

from planet_assets.cli.codes import Code, code_of
from planet_assets.cli.options import Group
from planet_assets.exceptions import AssetError

COMMANDS = {
    "demo": ("serve_cmds:demo", "The whole path on a local sandbox: search to clipped files. Spends nothing."),
    "search": ("fetch_cmds:search", "Find scenes over a region; costs no quota."),
    "plan": ("fetch_cmds:plan", "What a download would cost, by both routes; nothing is spent."),
    "select": ("select_cmds:select", "The scenes that cover a region for the least quota; nothing is spent."),
    "download": ("fetch_cmds:download", "Activate, download, verify and clip scenes, after a yes."),
    "sync": ("track_cmds:sync", "The weekly job: search, compare, fetch only what is new."),
    "resume": ("fetch_cmds:resume", "Finish what was interrupted."),
    "track": ("track_cmds:track", "What is new, modified or gone in a listing since the last time."),
    "metadir": (
        "metadir_cmds:metadir",
        "Metadata of remote files and local state, as mmmeta keeps them.",
    ),
    "clip": ("clip_cmds:clip", "Clip any raster to a region; no library, no network."),
    "quicklook": ("clip_cmds:quicklook", "A small picture of any raster, as PNG; no library, no network."),
    "order": ("order_cmds:order", "Place orders, after a yes, and return; collect fetches."),
    "collect": ("order_cmds:collect", "Fetch what orders have brought by now."),
    "orders": ("order_cmds:orders", "List the account's orders, adopt what they brought."),
    "jobs": ("library_cmds:jobs", "List, show, retry, cancel and export download jobs."),
    "library": ("holdings_cmds:library", "Verify, clean up, move, adopt, remove held files; back the library up."),
    "export": ("export_cmds:export", "What is held as STAC, GeoParquet, GeoJSON, CSV or GeoPackage."),
    "cite": ("export_cmds:cite", "Attribution, BibTeX and a methods line for what is held."),
    "publish": ("site_cmds:publish", "Held scenes as sealed bundles to a site: whole or not at all, exactly once."),
    "site": ("site_cmds:site", "Folders, object stores and trackers: push, pull, scan, and the agent."),
    "tracker": ("team_cmds:tracker", "Elements of a team's tracker: read, search, lock, publish, comment."),
    "queue": ("queue_cmds:queue", "What to fetch as soon as quota and budgets allow."),
    "quota": ("quota_cmds:quota", "Show what may still be used, or declare it."),
    "ledger": ("ledger_cmds:ledger", "What was spent on what, when and by which script; compare it with Planet."),
    "auth": ("quota_cmds:auth", "Check the API key."),
    "config": ("setup_cmds:config", "Write or show the settings."),
    "doctor": ("doctor_cmds:doctor", "Test every hop from the key to the disk."),
    "serve": ("tracker_cmds:serve", "The library for a team: elements, people, plans and a page, over HTTP."),
    "people": ("people_cmds:people", "Who may sign in to the tracker, and what each may do."),
    "sandbox": ("serve_cmds:sandbox", "A local Planet to try things on."),
}
"""Command -> where it lives, and its line of help; `--help` must not import them."""


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from planet_assets import __version__

        click.echo(f"planet-assets {__version__}")
        context.exit()


@click.group(cls=Group, elsewhere=COMMANDS)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def main() -> None:
    """Fetch PlanetScope scenes without spending quota unseen."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors become one line on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that knows no ² still shows the rest
    try:
        return int(main.main(given, prog_name="planet-assets", standalone_mode=False) or Code.OK)
    except click.Abort:
        complain("Interrupted.")
        return Code.INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return Code.USAGE
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "planet-assets"
        complain(f"{error.format_message()} See `{path} --help`.")
        return Code.USAGE
    except click.ClickException as error:
        complain(error.format_message())
        return Code.ERROR
    except AssetError as error:
        if "--debug" in given:
            traceback.print_exc()
        complain(str(error))
        return code_of(type(error))
    except Exception as error:  # noqa: BLE001  the last line of defence: a mistake of ours must not look like a crash
        if "--debug" in given:
            traceback.print_exc()
        complain(f"unexpected {type(error).__name__}: {error} This is our mistake; --debug shows where.")
        return Code.ERROR


def complain(message: str) -> None:
    """One line on stderr."""
    click.echo(f"planet-assets: {' '.join(message.split())}", err=True)

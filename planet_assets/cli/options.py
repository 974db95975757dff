"""What may be typed: commands that are found late, the flags every command has, and options that several share."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
HOME = "planet_assets.cli"


def common_flags() -> list[click.Parameter]:
    """Flags that may stand before and after a command's name; `output.Face` reads them."""

    def note(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is not None and parameter.name:
            context.meta[f"{HOME}.{parameter.name}"] = value

    shared: dict[str, Any] = {"is_flag": True, "default": None, "expose_value": False, "callback": note}
    return [
        click.Option(["--json/--text", "as_json"], help="Data as JSON or as text (JSON when piped).", **shared),
        click.Option(["--quiet", "-q"], help="No talk on stderr, only errors.", **shared),
        click.Option(["--debug"], help="Show where an error came from.", **shared),
    ]


class Command(click.Command):
    """A command with the common flags."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **kwargs)
        self.params += common_flags()


class Group(click.Group):
    """Commands under one name, in the order they were written; those named in `elsewhere` are imported when called."""

    command_class = Command

    def __init__(self, *args: Any, elsewhere: Mapping[str, tuple[str, str]] | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **kwargs)
        self.params += common_flags()
        self.elsewhere = dict(elsewhere or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands."""
        return [*self.elsewhere, *self.commands]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """A command by name."""
        if name not in self.elsewhere:
            return super().get_command(ctx, name)
        module, _, attribute = self.elsewhere[name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(f"{HOME}.{module}"), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any that lives elsewhere."""
        own = [(name, command.get_short_help_str(90)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.elsewhere.items()] + own)


def together(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several options as one decorator, shown in the order given."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


REGION = "Vector file, GeoJSON or WKT text, or - for stdin; lon/lat."

search_options = together(
    click.option("--from", "start", metavar="DATE", help="First day, UTC: 2025-01-01."),
    click.option("--to", "end", metavar="DATE", help="Last day (included), UTC."),
    click.option("--cloud", "cloud", type=float, metavar="SHARE", help="Share of cloud at the most, 0 to 1."),
    click.option("--item-type", "item_types", multiple=True, default=("PSScene",), help="Kind of scene [PSScene]."),
    click.option("--limit", type=int, metavar="N", help="Scenes at the most."),
)

clipping_options = together(
    click.option("--buffer-m", type=float, metavar="M", help="Metres on the ground to add around the region."),
    click.option("--compression", metavar="NAME", help="lzw, deflate, zstd or none [deflate]."),
    click.option("--format", "output_format", metavar="NAME", help="GTiff or COG [GTiff]."),
    click.option("--cog", is_flag=True, help="The same as --format COG."),
    click.option("--overviews", is_flag=True, help="Add overviews."),
    click.option("--extent", type=click.Choice(["window", "tiles"]), help="Exact pixels, or whole source tiles."),
    click.option("--mask-unusable", is_flag=True, help="Set to nodata what the scene's UDM2 does not call clear."),
)

request_options = together(
    click.option("--assets", metavar="A,B", help="Asset types [the setting asset_types]."),
    click.option("--clip", metavar="ROI", help=f"Cut files to this region. {REGION}"),
    click.option("--roi", metavar="ROI", help="Leave out scenes outside this region; files stay whole."),
    clipping_options,
    click.option("--partial-read", is_flag=True, help="Read only the region's tiles; whole scenes are charged still."),
    click.option("--directory", "-d", metavar="D", help="Folder for the files [the setting output_dir]."),
    click.option(
        "--delivery",
        type=click.Choice(["data", "orders", "auto"]),
        help="data: whole scenes are charged; orders: Planet clips and charges the clip; auto: the cheaper.",
    ),
    click.option(
        "--tool",
        "tools",
        multiple=True,
        metavar="TOOL",
        help="What else Planet does, by orders: harmonize=Sentinel-2, toar, reproject=EPSG:32632,resolution=3, "
        "coregister=SCENE, file_format=COG. Several times for several.",
    ),
    click.option(
        "--fallback",
        "fallbacks",
        multiple=True,
        metavar="A=B",
        help="Take B of scenes that lack A: ortho_analytic_8b=ortho_analytic_4b. The plan says of which.",
    ),
    click.option("--naming", type=click.Choice(["planet", "asset"]), help="File names: Planet's, or <scene>_<asset>."),
    click.option("--max-concurrent", type=int, metavar="N", help="Downloads side by side."),
    search_options,
)

tracking_options = together(
    click.option("--no-tracking", is_flag=True, help="As --force-redownload, noting no file [DISABLE_ASSET_TRACKING]."),
    click.option(
        "--force-redownload",
        is_flag=True,
        help="Fetch what is held again, charged again, unless Planet's md5 proves it.",
    ),
    click.option("--show-stats", is_flag=True, help="At the end, how much is held; without scenes, only that."),
    click.option("--cleanup", is_flag=True, help="First drop records of files that are gone, as `library clean` does."),
)

clear_option = click.option(
    "--clear-over-roi",
    is_flag=False,
    flag_value="estimate",
    type=click.Choice(["estimate", "UDM2"]),
    metavar="[MODE]",
    help="Ask Planet how clear each scene is over the region: estimate [default], or UDM2 (exact, slower). "
    "Not known to cost quota.",
)

picture_option = click.option(
    "--picture", metavar="FILE", help="Write the map as SVG: scenes chosen and not, pieces, gaps."
)

team_option = click.option("--ask-team", metavar="URL", help="Ask the editors of the team at this tracker, and wait.")
project_option = click.option("--project", metavar="NAME", help="With --ask-team: what it is for.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Agree without being asked; the quota is still checked.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would be done, and stop.")

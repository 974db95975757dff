"""The commands that start a local Planet: `sandbox serve` and `demo`. Nobody else imports the sandbox."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.options import Command, Group
from planet_assets.cli.output import Face
from planet_assets.exceptions import DiskProblem, Misused

DEMO_LATENCY = 0.006
"""Share of Planet's own activation times: some seconds, so that one sees the waiting and does not wait."""

DEMO_PIXEL_M = 25.0
"""Ground size of the demo's pixels: files of some MB."""


@click.group(cls=Group)
def sandbox() -> None:
    """A local Planet to try things on."""


@sandbox.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8765, show_default=True, help="Port; storage takes the next one. 0 is any free one.")
@click.option("--state", type=click.Path(path_type=Path), metavar="DIR", help="Remember charges and files here.")
@click.option("--catalog", type=click.Path(path_type=Path), metavar="FILE", help="Serve the scenes of a saved search.")
@click.option("--imagery", type=click.Path(path_type=Path), metavar="DIR", help="Serve these GeoTIFFs.")
@click.option("--pixel-size", "pixel_size_m", type=float, metavar="M", help="Size of made pixels; 3 is true [30].")
@click.option("--latency", type=float, metavar="S", help="Scale of activation times; 0 activates at once [1].")
@click.option("--rate-scale", type=float, metavar="X", help="Scale of request rates; 0 is no limit [1].")
@click.option("--quota", "quota_km2", type=float, metavar="KM2", help="Monthly quota [3000].")
@click.option("--used", "used_km2", type=float, metavar="KM2", help="Posted as used this month [0].")
@click.option("--repeat", type=click.Choice(["each", "once"]), help="Is the same file charged each time? [each]")
@click.option(
    "--quota-style", type=click.Choice(["consumption", "aum"]), help="Per image, or per ground [consumption]."
)
@click.option("--fault", "faults", multiple=True, metavar="NAME", help="Switch a fault on; --fault list shows them.")
def serve(host: str, port: int, **typed: Any) -> int:
    """Serve until Ctrl-C; prints its address, a key, and the two lines to export."""
    need_sandbox()
    from planet_assets import sandbox as planet

    face = Face.current()
    if "list" in typed["faults"]:
        face.show(planet.FAULTS, lambda: "\n".join(f"{name:<26} {line}" for name, line in planet.FAULTS.items()))
        return Code.OK
    for name in ("catalog", "imagery"):
        if typed[name] is not None and not typed[name].exists():
            raise Misused(f"--{name} {typed[name]} does not exist.", argument=name)
    try:
        config = planet.SandboxConfig(**{name: value for name, value in typed.items() if value not in (None, ())})
        planet.run(config, host, port, say=click.echo)
    except ValueError as error:
        raise Misused(f"The sandbox cannot start: {error}.") from None
    except OSError as error:
        hint = "Another sandbox may be running; choose another --port." if error.errno else ""
        raise DiskProblem(
            f"The sandbox cannot listen on {host}:{port}: {error.strerror or error}.", hint=hint
        ) from None
    return Code.OK


@click.command(cls=Command)
@click.option(
    "--directory",
    "-d",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="D",
    help="Folder for the library and all files.",
)
@click.option("--pixel-size", "pixel_size_m", default=DEMO_PIXEL_M, show_default=True, metavar="M", help="3 is true.")
@click.option("--latency", default=DEMO_LATENCY, show_default=True, metavar="S", help="Scale of activation times.")
def demo(directory: Path, pixel_size_m: float, latency: float) -> int:
    """The whole path on a local sandbox: search, plan, confirm, activate, download, verify, clip.

    It has a library and a folder of its own; your key, your quota and your library are not touched.
    """
    need_sandbox()
    from planet_assets.cli.demo import Show
    from planet_assets.sandbox import SandboxConfig
    from planet_assets.sandbox import serve as serving
    from planet_assets.transfer.place import ensure_folder

    folder = directory.expanduser().absolute()
    ensure_folder(folder)
    config = SandboxConfig(
        state=folder / "sandbox", latency=latency, pixel_size_m=pixel_size_m, quota_km2=6000.0, used_km2=812.0
    )
    with serving(config) as planet:
        return Show(url=planet.url, key=planet.key, folder=folder, bill=planet.billed_km2).run()


def need_sandbox() -> None:
    """Refuse clearly where the sandbox's web server is not installed.

    Raises:
        Misused: it is missing.
    """
    missing = [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise Misused(
            f"The sandbox needs {' and '.join(missing)}, which are not installed.",
            hint='pip install "planet-assets[sandbox]"',
        )

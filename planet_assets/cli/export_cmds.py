"""The commands `export` and `cite`: what is held, as others read it and as papers name it. None needs a key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.options import Command
from planet_assets.cli.output import Face

if TYPE_CHECKING:
    from planet_assets.model.held_scene import HeldScene

KINDS = ("stac", "geoparquet", "geojson", "csv", "geopackage")


@click.command(cls=Command)
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Into one file.")
@click.option("--directory", "-d", type=click.Path(path_type=Path), metavar="D", help="Only files in this folder.")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def export(kind: str, output: Path | None, directory: Path | None, overwrite: bool) -> int:
    """What is held, as other tools read it.

    stac without --output writes an Item per scene beside its files; csv has a row a file, the others a row a scene.
    """
    from planet_assets.export import geopackage, stac, tables

    face = Face.current()
    if output is None and kind != "stac":
        raise click.UsageError(f"{kind} needs --output.")
    scenes = _scenes(directory)
    if output is None:
        written = stac.write_items(scenes)
    elif kind == "geopackage":
        files = {scene.item.id: [file.path for file in scene.files] for scene in scenes}
        written = [geopackage.write_scenes(output, [scene.item for scene in scenes], None, files, overwrite=overwrite)]
    else:
        written = [tables.write_table(scenes, output, kind, overwrite=overwrite)]
    face.show({"scenes": len(scenes), "written": written}, lambda: "\n".join(map(str, written)))
    return Code.OK if scenes else Code.NOTHING_FOUND


@click.command(cls=Command)
@click.argument("ids", nargs=-1, metavar="[SCENE]...")
@click.option("--directory", "-d", type=click.Path(path_type=Path), metavar="D", help="Only files in this folder.")
def cite(ids: tuple[str, ...], directory: Path | None) -> int:
    """Attribution, BibTeX and a methods line for what is held: ids, bundles, tools, dates."""
    from planet_assets import __version__
    from planet_assets.flow.clock import RealClock
    from planet_assets.rules import citing

    face = Face.current()
    scenes = _scenes(directory, ids, digests=False)
    if not scenes:
        face.say("Nothing is held, so there is nothing to cite.")
        return Code.NOTHING_FOUND
    text = citing.cite(scenes, RealClock().now(), __version__)
    face.show({"text": text, "scenes": [scene.item.id for scene in scenes]}, lambda: text)
    return Code.OK


def _scenes(directory: Path | None, ids: tuple[str, ...] = (), *, digests: bool = True) -> list[HeldScene]:
    from planet_assets.flow.exporting import held_scenes

    folder = None if directory is None else directory.expanduser().absolute()
    with open_library() as library:
        return held_scenes(library, folder=folder, ids=ids, digests=digests)

"""The commands `clip` and `quicklook`: any raster, without library, key or network."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from planet_assets.cli import scenes
from planet_assets.cli.codes import Code
from planet_assets.cli.options import REGION, Command, clipping_options
from planet_assets.cli.output import Face


@click.command(cls=Command)
@click.argument("source", metavar="FILE")
@click.option("--roi", required=True, metavar="ROI", help=REGION)
@click.option("--output", "-o", required=True, metavar="OUT", help="The file to make.")
@clipping_options
@click.option("--udm2", metavar="FILE", help="The UDM2 to mask by; else it is looked for beside the file.")
@click.option("--overwrite", is_flag=True, help="Replace the output file when it is there already.")
def clip(source: str, roi: str, output: str, overwrite: bool, udm2: str | None, **typed: Any) -> int:
    """Clip a GeoTIFF to a region, on its own grid: no library, no key, no network."""
    from planet_assets.export.vector import roi_of
    from planet_assets.flow.cutting import read_clipping
    from planet_assets.raster.clip import clip as cut_raster
    from planet_assets.view.units import human_bytes

    face = Face.current()
    how = read_clipping(scenes.clipping_config(**typed))
    cut = cut_raster(source, Path(output), roi_of(scenes.read_region(roi)), how, udm2=udm2, overwrite=overwrite)
    clear = "" if math.isnan(cut.clear_share) else f", {cut.clear_share:.0%} of that clear"
    face.show(
        asdict(cut),
        lambda: (
            f"{cut.path}: {cut.width_px} x {cut.height_px} pixels, {human_bytes(cut.bytes)}, "
            f"{cut.inside_share:.0%} inside the region{clear}"
        ),
    )
    return Code.OK


@click.command(cls=Command)
@click.argument("source", metavar="FILE")
@click.option("--output", "-o", required=True, metavar="PNG", help="The picture to make.")
@click.option("--roi", metavar="ROI", help=f"Outline this region. {REGION}")
@click.option("--style", type=click.Choice(["rgb", "false"]), default="rgb", help="False: near infrared, red, green.")
@click.option("--max-px", type=int, default=1024, metavar="N", help="Longer side, pixels [1024].")
@click.option("--overwrite", is_flag=True, help="Replace the picture when it is there already.")
def quicklook(source: str, output: str, roi: str | None, style: str, max_px: int, overwrite: bool) -> int:
    """A small picture of a GeoTIFF, as PNG: stretched, transparent where there is nothing.

    A UDM2 is drawn by its classes, a raster of one band in grey.
    """
    from planet_assets.exceptions import DiskProblem
    from planet_assets.export.vector import roi_of
    from planet_assets.raster.quicklook import quicklook as look_at

    face, target = Face.current(), Path(output)
    if target.exists() and not overwrite:
        raise DiskProblem(f"{target} is there already.", hint="Choose another name, or give --overwrite.")
    region = None if roi is None else roi_of(scenes.read_region(roi))
    png = look_at(source, target, max_px=max_px, roi=region, style=style)
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    document = {"path": target, "width_px": width, "height_px": height, "bytes": len(png)}
    face.show(document, lambda: f"{target}: {width} x {height} pixels")
    return Code.OK

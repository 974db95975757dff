"""The command `clip`: any raster, without library, key or network."""

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

"""Cuts of a 9000 x 4500 x 4 uint16 tiled COG, beside rasterio.mask and gdalwarp: whole processes, pixels compared."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.runs import Broken, Ran, in_turns, run, scratch, told, worker
from benchmarks.table import Row, faster

SHARES = (15, 90)
"""Share of the raster that the ROI covers, %."""

# (extent, compression, share, least times rasterio.mask, least times gdalwarp)
CASES = (
    ("window", "deflate", 15, 2.0, 1.5),
    ("window", "deflate", 90, 2.7, 2.2),
    ("window", "zstd", 90, 5.0, None),
    ("tiles", "deflate", 90, 6.0, 4.0),
)
MOST_RSS_SHARE = 0.4
"""Of what rasterio.mask holds."""


def rows(quick: bool) -> list[Row]:
    """Measure whole processes, each writing one file."""
    width, height = (1800, 900) if quick else (9000, 4500)
    with scratch(2 * 10**9) as folder:
        source = told("clips", "make", folder, str(width), str(height))
        took: dict[str, Ran | Broken] = {}
        for share in SHARES:
            took |= in_turns(_runs(folder, share), 1 if quick else 3)
        same = told("clips", "compare", folder)
    lines = [line for case in CASES for line in _lines(case, took)]
    return [*lines, _sameness(same, source["mb"])]


def _runs(folder: Path, share: int) -> dict[str, Any]:
    """Name -> a run that cuts, with what it made before removed."""
    commands: dict[str, list[str | Path]] = {f"mask {share}": worker("clips", "mask", folder, str(share))}
    if shutil.which("gdalwarp"):
        commands[f"gdalwarp {share}"] = _gdalwarp(folder, share)
    for extent, compression, wanted, *_ in CASES:
        if wanted == share:
            name = f"{extent} {compression} {share}"
            commands[name] = worker("clips", "ours", folder, str(share), extent, compression)
    return {
        name: (lambda name=name, command=command: _once(folder, name, command)) for name, command in commands.items()
    }


def _once(folder: Path, name: str, command: list[str | Path]) -> Ran:
    return run(command, before=lambda: _made(folder, name).unlink(missing_ok=True))


def _made(folder: Path, name: str) -> Path:
    return folder / f"{name.replace(' ', '-')}.tif"


def _gdalwarp(folder: Path, share: int) -> list[str | Path]:
    options = ["-q", "-overwrite", "-multi", "-crop_to_cutline", "-co", "TILED=YES", "-co", "COMPRESS=DEFLATE"]
    target = _made(folder, f"gdalwarp {share}")
    return ["gdalwarp", *options, "-cutline", folder / f"roi-{share}.geojson", folder / "scene.tif", target]


def _lines(case: tuple[str, str, int, float, float | None], took: dict[str, Ran | Broken]) -> list[Row]:
    extent, compression, share, over_mask, over_warp = case
    what = f"{extent}, {compression}, {share} % ROI"
    ours, mask = took[f"{extent} {compression} {share}"], took[f"mask {share}"]
    warp = took.get(f"gdalwarp {share}", Broken("gdalwarp is not installed"))
    return [
        faster("clips", what, ours, "rasterio.mask + write", mask, over_mask),
        faster("clips", what, ours, "gdalwarp -multi", warp, over_warp),
        _memory(what, ours, mask),
    ]


def _memory(what: str, ours: Ran | Broken, mask: Ran | Broken) -> Row:
    known = isinstance(ours, Ran) and isinstance(mask, Ran)
    return Row(
        section="clips",
        what=f"{what}: memory",
        ours=f"{ours.rss_mib:.0f} MiB" if isinstance(ours, Ran) else "",
        peer="rasterio.mask + write",
        theirs=f"{mask.rss_mib:.0f} MiB" if isinstance(mask, Ran) else "",
        ratio=ours.rss_mib / mask.rss_mib if known else None,
        target=MOST_RSS_SHARE,
        at_most=True,
    )


def _sameness(same: dict[str, Any], source_mb: float) -> Row:
    return Row(
        section="clips",
        what="pixels that differ from rasterio.mask",
        ours=f"{same['differing']:,}",
        peer="rasterio.mask",
        ratio=same["differing"],
        target=0,
        at_most=True,
        unit="",
        note=f"of {same['compared']:,} in {same['files']} files; the source has {source_mb:.0f} MB",
    )


# What the workers do


def make(folder: Path, width: int, height: int) -> dict[str, float]:
    """A COG that packs like a scene, and the ROIs as GeoJSON in lon/lat."""
    import numpy as np
    import rasterio
    from affine import Affine
    from rasterio.shutil import copy

    random = np.random.default_rng(3)
    profile = {"width": width, "height": height, "count": 4, "dtype": "uint16", "nodata": 0, "crs": "EPSG:32632"}
    draft, scene = folder / "draft.tif", folder / "scene.tif"
    slope = np.linspace(0, 9, width)[None, :] + np.linspace(0, 7, height)[:, None]
    with rasterio.open(draft, "w", driver="GTiff", transform=Affine(3, 0, 5e5, 0, -3, 5.04e6), **profile) as out:
        for band in range(1, 5):
            land = 2000 + 400 * band * (1 + np.sin(slope * band))
            out.write((land + random.normal(0, 50, (height, width))).astype("uint16"), band)
    copy(draft, scene, driver="COG", COMPRESS="DEFLATE", PREDICTOR="YES", BLOCKSIZE=512, OVERVIEWS="NONE")
    draft.unlink()
    for share in SHARES:
        _write_roi(folder, share, width, height)
        _write_projected(folder, share)
    return {"mb": scene.stat().st_size / 1e6}


def _write_roi(folder: Path, share: int, width: int, height: int) -> None:
    """A many-sided field around the middle of the raster that covers so much of it, cut at its edges."""
    import numpy as np
    import shapely
    from pyproj import Transformer

    power = 8 if share > 78 else 2  # a plain ellipse cannot fill a rectangle
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    cosine, sine = np.cos(angles), np.sin(angles)
    radius = (np.abs(cosine) ** power + np.abs(sine) ** power) ** (-1 / power)
    unit = np.column_stack([cosine * radius, sine * radius])
    scale = np.sqrt(share / 100 * 4 / shapely.Polygon(unit).area)
    centre = np.array([5e5 + 1.5 * width, 5.04e6 - 1.5 * height])
    x, y = (centre + unit * scale * np.array([1.5 * width, 1.5 * height])).T
    lon, lat = Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True).transform(x, y)
    shape = shapely.Polygon(np.column_stack([lon, lat]))
    (folder / f"roi-{share}.geojson").write_text(shapely.to_geojson(shape))


def _write_projected(folder: Path, share: int) -> None:
    """The same ROI on the raster's CRS, so that both cut to the very same outline."""
    import rasterio
    import shapely

    from planet_assets.raster.reading import grid_of
    from planet_assets.rules.window import roi_on

    with rasterio.open(folder / "scene.tif") as dataset:
        shape = roi_on(grid_of(dataset), _roi(folder, share))
    (folder / f"roi-{share}-utm.geojson").write_text(shapely.to_geojson(shape))


def _roi(folder: Path, share: int) -> Any:
    import shapely

    return shapely.from_geojson((folder / f"roi-{share}.geojson").read_text())


def ours(folder: Path, share: int, extent: str, compression: str) -> None:
    """Cut by planet_assets."""
    from planet_assets.model.job import Clipping
    from planet_assets.raster.clip import clip

    target = _made(folder, f"{extent} {compression} {share}")
    clip(folder / "scene.tif", target, _roi(folder, share), Clipping(extent=extent, compression=compression))


def mask(folder: Path, share: int) -> None:
    """Cut by rasterio.mask, as its manual shows, and write with the source's profile."""
    import rasterio
    from rasterio.mask import mask as cut

    shape = json.loads((folder / f"roi-{share}-utm.geojson").read_text())
    with rasterio.open(folder / "scene.tif") as dataset:
        pixels, transform = cut(dataset, [shape], crop=True)
        profile = dataset.profile | {"driver": "GTiff", "transform": transform, "compress": "deflate"}
    profile |= {"height": pixels.shape[1], "width": pixels.shape[2]}
    with rasterio.open(_made(folder, f"mask {share}"), "w", **profile) as out:
        out.write(pixels)


def compare(folder: Path) -> dict[str, int]:
    """How many pixels of our cuts differ from rasterio.mask's; where ours reaches farther, it must be nodata."""
    import numpy as np
    import rasterio

    differing = compared = 0
    for extent, compression, share, *_ in CASES:
        with (
            rasterio.open(_made(folder, f"{extent} {compression} {share}")) as mine,
            rasterio.open(_made(folder, f"mask {share}")) as theirs,
        ):
            expected = np.zeros((mine.count, mine.height, mine.width), "uint16")
            corner = ~mine.transform * (theirs.transform.c, theirs.transform.f)
            column, row = round(corner[0]), round(corner[1])
            expected[:, row : row + theirs.height, column : column + theirs.width] = theirs.read()
            differing += int((mine.read() != expected).sum())
            compared += expected.size
    return {"differing": differing, "compared": compared, "files": len(CASES)}


def work(task: str, folder: Path, arguments: list[str]) -> dict[str, Any] | None:
    """Runs in the worker."""
    if task == "make":
        return make(folder, *map(int, arguments))
    if task == "compare":
        return compare(folder)
    if task == "mask":
        return mask(folder, int(arguments[0]))
    return ours(folder, int(arguments[0]), *arguments[1:])


if __name__ == "__main__":
    if (answer := work(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])) is not None:
        print(json.dumps(answer))

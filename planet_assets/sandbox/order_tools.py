"""Planet's raster tools on files: clip, TOA reflectance, reprojection, harmonisation, format, composites.

Each step reads one GeoTIFF and writes another, strip by strip, so that memory is bounded whatever the size. The same
input always gives the same bytes. Clipping and reprojection are real; toar scales by the metadata's coefficients;
harmonize and coregister only say in a tag that they were asked for.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.features import geometry_mask
from rasterio.shutil import copy as copy_raster
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from . import radiometry
from .imagery import CACHE_BYTES, TILE, Product
from .life import Feature
from .noise import Array

_STRIP = 2 * TILE
_EDGE_DEG = 0.05  # longer edges of an AOI bend when projected, so they are divided
_UDM1 = 7
_KERNELS = {"near": "nearest", "cubicspline": "cubic_spline"}
Steps = list[tuple[str, dict[str, Any]]]


def suffix(name: str, wanted: Product) -> str | None:
    """What a tool adds to a file's name; None when it leaves this kind of file alone.

    Source: `_clip`, `_reproject`, `_toar` are confirmed, the others inferred.
    """
    image = wanted.kind in ("sr", "radiance")
    acts = {
        "clip": wanted.kind != "rpc",
        "coregister": wanted.kind not in ("xml", "rpc"),
        "file_format": wanted.kind not in ("xml", "rpc"),
        "harmonize": image,
        "reproject": wanted.kind not in ("xml", "rpc"),
        "toar": wanted.kind == "radiance",
    }
    names = {"coregister": "_coreg", "harmonize": "_harmonized"}
    return names.get(name, f"_{name}") if acts.get(name) else None


def applied(
    source: Path, folder: Path, steps: Steps, wanted: Product, feature: Feature, aoi: BaseGeometry | None
) -> Path:
    """The file after the tools that change rasters of this kind; the source itself when there are none."""
    path = source
    for number, (name, options) in enumerate(steps):
        if suffix(name, wanted) is None or wanted.kind in ("xml", "rpc"):
            continue
        target = folder / f"step{number}-{source.name}"
        with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
            if name == "clip" and aoi is not None:
                clip(path, target, aoi, wanted)
            elif name == "reproject":
                reproject(path, target, options, wanted)
            elif name == "toar":
                reflectance(path, target, feature, wanted, float(options.get("scale_factor", 10000)))
            elif name == "file_format":
                cloud_optimised(path, target, wanted)
            else:
                tagged(path, target, {name.upper(): str(options.get("target_sensor") or options.get("anchor_item"))})
        if path != source:
            path.unlink()
        path = target
    return path


def clip(source: Path, target: Path, aoi: BaseGeometry, wanted: Product) -> None:
    """The raster inside an AOI (lon/lat), cropped; pixels count whose centre lies inside (assumed)."""
    with rasterio.open(source) as raster:
        ground = _projected(aoi, raster.crs)
        window = _window(ground, raster)
        left, top, size = raster.transform.c, raster.transform.f, raster.transform.a
        west, north = left + window.col_off * size, top - window.row_off * size

        def inside(strip: Window) -> Array:
            taken = Window(window.col_off, window.row_off + strip.row_off, strip.width, strip.height)
            pixels: Array = raster.read(window=taken)
            here = Affine(size, 0, west, 0, -size, north - strip.row_off * size)
            pixels[:, geometry_mask([ground], (strip.height, strip.width), here)] = 0
            return pixels

        grid = {"height": window.height, "width": window.width, "transform": Affine(size, 0, west, 0, -size, north)}
        _write(target, raster, grid, inside, wanted)


def reproject(source: Path, target: Path, options: dict[str, Any], wanted: Product) -> None:
    """The raster in another projection; masks always by the nearest pixel."""
    kernel = "near" if wanted.kind == "udm2" else options.get("kernel", "near")
    chosen = Resampling[_KERNELS.get(kernel, kernel)]
    with rasterio.open(source) as raster:
        crs = rasterio.crs.CRS.from_user_input(options["projection"])
        bounds = transform_bounds(raster.crs, crs, *raster.bounds)
        across = math.hypot(bounds[2] - bounds[0], bounds[3] - bounds[1])
        size = options.get("resolution") or across / math.hypot(raster.width, raster.height)
        grid = _grid(crs, bounds, size)
        with WarpedVRT(raster, resampling=chosen, **grid) as warped:
            _write(target, raster, grid, lambda strip: warped.read(window=strip), wanted)


def reflectance(source: Path, target: Path, feature: Feature, wanted: Product, scale: float) -> None:
    """Radiance to reflectance at the top of the atmosphere, times the scale."""
    factors = np.array(radiometry.coefficients(radiometry.indices(wanted.bands), feature["properties"]))
    with rasterio.open(source) as raster:

        def scaled(strip: Window) -> Array:
            pixels = raster.read(window=strip)
            values = np.clip(np.rint(pixels * factors[:, None, None] * scale), 1, 65535)
            return np.where(pixels > 0, values, 0).astype(np.uint16)

        _write(target, raster, {}, scaled, wanted)


def tagged(source: Path, target: Path, tags: dict[str, str]) -> None:
    """The same pixels with more tags."""
    with rasterio.open(source) as raster:
        _write(target, raster, {}, lambda strip: raster.read(window=strip), None, tags)


def cloud_optimised(source: Path, target: Path, wanted: Product) -> None:
    """The raster as a COG."""
    overviews = "NEAREST" if wanted.kind == "udm2" else "AVERAGE"
    copy_raster(
        source, target, driver="COG", compress="DEFLATE", predictor="YES", blocksize=TILE, overview_resampling=overviews
    )


def composite(sources: Sequence[Path], target: Path, wanted: Product) -> None:
    """Several rasters as one in the projection of the first; where they overlap the first one with data wins."""
    with contextlib.ExitStack() as stack:
        rasters = [stack.enter_context(rasterio.open(path)) for path in sources]
        first = rasters[0]
        boxes = np.array([transform_bounds(raster.crs, first.crs, *raster.bounds) for raster in rasters])
        (west, south), (east, north) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        grid = _grid(first.crs, (west, south, east, north), first.res[0])
        views = [stack.enter_context(WarpedVRT(raster, resampling=Resampling.nearest, **grid)) for raster in rasters]

        def merged(strip: Window) -> Array:
            pixels: Array = views[0].read(window=strip)
            for view in views[1:]:
                more = view.read(window=strip)
                empty = ~_with_data(pixels, wanted)
                pixels[:, empty] = more[:, empty]
            return pixels

        _write(target, first, grid, merged, wanted)


def percents(mask: Path) -> dict[str, int]:
    """What a UDM2 file says of its valid pixels, as the properties of an item name it; nothing when there are none."""
    counts, confidence, valid = np.zeros(6), 0.0, 0
    with rasterio.open(mask) as raster:
        for strip in _strips(raster.height, raster.width):
            pixels = raster.read(window=strip)
            covered = (pixels[_UDM1] & 1) == 0
            counts += pixels[:6, covered].sum(axis=1, dtype=float)
            confidence += float(pixels[6, covered].sum(dtype=float))
            valid += int(covered.sum())
    if not valid:
        return {}
    names = ("clear", "snow_ice", "shadow", "light_haze", "heavy_haze", "cloud")
    found = {f"{name}_percent": round(100 * float(count) / valid) for name, count in zip(names, counts, strict=True)}
    found["visible_percent"] = 100 - found["cloud_percent"] - found["heavy_haze_percent"]
    return found | {"clear_confidence_percent": round(confidence / valid)}


def _grid(crs: Any, bounds: tuple[float, float, float, float], size: float) -> dict[str, Any]:
    """Square pixels of this size over the bounds, from their north-west corner."""
    west, south, east, north = bounds
    least = 1e-6  # of a pixel: what rounding leaves beyond the last one
    return {
        "crs": crs,
        "transform": Affine(size, 0, west, 0, -size, north),
        "width": max(1, math.ceil((east - west) / size - least)),
        "height": max(1, math.ceil((north - south) / size - least)),
    }


def _projected(aoi: BaseGeometry, crs: Any) -> BaseGeometry:
    there = Transformer.from_crs("EPSG:4326", crs.to_wkt(), always_xy=True)

    def moved(points: Array) -> Array:
        return np.column_stack(there.transform(points[:, 0], points[:, 1]))

    return shapely.transform(shapely.segmentize(aoi, _EDGE_DEG), moved)


def _window(ground: BaseGeometry, raster: Any) -> Window:
    """The pixels of a north-up raster that the bounds of a geometry touch."""
    west, south, east, north = ground.bounds
    left, top, size = raster.transform.c, raster.transform.f, raster.transform.a
    first, last = _within((west - left) / size, (east - left) / size, raster.width)
    upper, lower = _within((top - north) / size, (top - south) / size, raster.height)
    return Window(first, upper, last - first, lower - upper)


def _within(start: float, end: float, size: int) -> tuple[int, int]:
    """Whole pixels from start to end, at least one: a user's own raster may lie elsewhere than its item says."""
    first = min(max(0, math.floor(start)), size - 1)
    return first, max(first + 1, min(size, math.ceil(end)))


def _with_data(pixels: Array, wanted: Product) -> Array:
    """Which pixels hold anything; a mask's last band alone says nothing."""
    held = pixels[:_UDM1] if wanted.kind == "udm2" else pixels[-1:] if wanted.kind == "visual" else pixels
    return np.asarray((held > 0).any(axis=0))


def _strips(height: int, width: int) -> Iterator[Window]:
    for row in range(0, height, _STRIP):
        yield Window(0, row, width, min(_STRIP, height - row))


def _write(
    target: Path,
    like: Any,
    changes: dict[str, Any],
    read: Callable[[Window], Array],
    wanted: Product | None,
    tags: dict[str, str] | None = None,
) -> None:
    """A tiled GeoTIFF with the bands, colours and tags of another raster."""
    profile = {
        "driver": "GTiff", "dtype": like.dtypes[0], "count": like.count, "height": like.height, "width": like.width,
        "crs": like.crs, "transform": like.transform, "nodata": like.nodata, "tiled": True, "blockxsize": TILE,
        "blockysize": TILE, "compress": "DEFLATE", "predictor": 2, "zlevel": 1, "bigtiff": "IF_SAFER",
    } | changes  # fmt: skip
    with rasterio.open(target, "w", **profile) as file:
        file.descriptions = like.descriptions
        file.colorinterp = like.colorinterp
        file.update_tags(**like.tags() | (tags or {}))
        for strip in _strips(profile["height"], profile["width"]):
            pixels = read(strip)
            if wanted is not None and wanted.kind == "udm2":
                pixels[_UDM1][~_with_data(pixels, wanted)] |= 1
            file.write(pixels, window=strip)

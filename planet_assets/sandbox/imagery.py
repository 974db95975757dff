"""The files of the sandbox's assets, drawn when they are first wanted and kept: GeoTIFFs, metadata and RPC text.

A picture is drawn window by window from the world (landcover), the weather (sky) and the item's own percents, so its
size on disk is the only limit. The same item, asset and edition always give the same bytes.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window
from shapely.geometry import shape

from . import radiometry, sky
from .documents import metadata_xml, rational_model, rpc_text, sr_description
from .given import GivenFiles
from .grid import Grid, ortho_grid, sensor_grid, unwrapped
from .landcover import reflectance
from .noise import Array
from .spectra import SUPERDOVE_BANDS

WORLD_SEED = 0
"""The ground is the same whatever scenes a sandbox invents above it."""
WINDOW = 512
"""Pixels drawn at once: small enough for a processor's cache."""
TILE = 256
"""Of the files. A row of tiles of the largest scene must fit into GDAL's cache, or every overview reads them anew."""
CACHE_BYTES = 64_000_000
"""GDAL's own cache while a file is written; its default is a share of the machine's memory."""
LEVEL_SAMPLES = (64, 96)
"""Points from which the levels of clouds and haze are found."""
UDM2_BANDS = ("clear", "snow", "shadow", "light_haze", "heavy_haze", "cloud", "confidence", "udm1")
_COLOURS = {"blue": ColorInterp.blue, "green": ColorInterp.green, "red": ColorInterp.red}
_TAILS = {
    "analytic_3b": "Analytic", "analytic_4b": "AnalyticMS", "analytic_8b": "AnalyticMS_8b",
    "analytic_4b_sr": "AnalyticMS_SR", "analytic_8b_sr": "AnalyticMS_SR_8b", "visual": "Visual", "udm2": "udm2",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Product:
    """What one asset type is made of."""

    kind: str
    """sr, radiance, visual, udm2, xml or rpc."""
    bands: tuple[str, ...]
    ortho: bool

    @property
    def dtype(self) -> str:
        """Of its pixels."""
        return "uint8" if self.kind in ("visual", "udm2") else "uint16"

    @property
    def nodata(self) -> int | None:
        """0 in images; the mask has none, and the picture has an alpha band instead."""
        return 0 if self.dtype == "uint16" and self.ortho else None


def file_name(item_id: str, asset_type: str) -> str:
    """Planet's own name of an asset's file, as in 20221221_084022_18_2414_3B_AnalyticMS_SR.tif."""
    level, _, rest = asset_type.partition("_")
    side = next((word for word in ("xml", "rpc") if rest.endswith(f"_{word}")), "")
    tail = _TAILS.get(rest.removesuffix(f"_{side}") if side else rest)
    if level not in ("ortho", "basic") or tail is None:
        return f"{item_id}_{asset_type}.tif"
    ending = {"": ".tif", "xml": "_metadata.xml", "rpc": "_RPC.TXT"}[side]
    return f"{item_id}_{'3B' if level == 'ortho' else '1B'}_{tail}{ending}"


def product_of(asset_type: str) -> Product:
    """What to draw for an asset type; ValueError if it is not one of PSScene's."""
    level, _, rest = asset_type.partition("_")
    words = rest.split("_")
    if level not in ("ortho", "basic") or file_name("", asset_type) == f"_{asset_type}.tif":
        raise ValueError(f"no PSScene asset type: {asset_type}")
    bands: tuple[str, ...] = radiometry.FOUR_BANDS
    if "8b" in words:
        bands = SUPERDOVE_BANDS
    elif "3b" in words or words[0] == "visual":
        bands = radiometry.THREE_BANDS
    elif words[0] == "udm2":
        bands = UDM2_BANDS
    kind = "radiance" if words[0] == "analytic" else words[0]
    if words[-1] in ("sr", "xml", "rpc"):
        kind = words[-1]
    return Product(kind, bands, level == "ortho")


class Imagery:
    """Files of assets, made on demand in a folder; or a user's own GeoTIFFs in their place."""

    def __init__(self, folder: Path, *, pixel_size_m: float = 30.0, given: Path | None = None) -> None:
        self._folder = folder
        self._pixel_size_m = pixel_size_m
        self._given = GivenFiles(given) if given else None
        self._guard = threading.Lock()
        self._locks: dict[Path, threading.Lock] = {}

    def path(self, feature: Mapping[str, Any], asset_type: str, edition: int = 0) -> Path:
        """The file of an asset; a republished one is a new edition with other bytes. Blocks while it is made."""
        wanted = product_of(asset_type)
        name = file_name(feature["id"], asset_type)
        if self._given:
            found = self._given.find(feature["id"], name, len(wanted.bands), wanted.dtype)
            if found:
                return found
        target = self._folder / f"{self._pixel_size_m:g}m" / f"edition{edition}" / name
        with self._guard:
            lock = self._locks.setdefault(target, threading.Lock())
        with lock:
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                # Another process may share the folder: both make the same bytes, and the last rename wins.
                part = target.with_name(f".{os.getpid()}-{name}")
                try:
                    self._make(part, feature, wanted, name, edition)
                    part.replace(target)
                finally:
                    part.unlink(missing_ok=True)
        return target

    def _make(self, part: Path, feature: Mapping[str, Any], wanted: Product, name: str, edition: int) -> None:
        grid = (ortho_grid if wanted.ortho else sensor_grid)(feature["geometry"], self._pixel_size_m)
        if wanted.kind == "xml":
            text = metadata_xml(feature, name, wanted.bands, grid, self._pixel_size_m, wanted.ortho, edition)
            part.write_text(text, encoding="utf-8", newline="\n")
        elif wanted.kind == "rpc":
            part.write_text(rpc_text(rational_model(grid), edition), encoding="utf-8", newline="\n")
        else:
            _write(part, _Artist(feature, wanted, grid, edition))


class _Artist:
    """Draws any window of one picture."""

    def __init__(self, feature: Mapping[str, Any], wanted: Product, grid: Grid, edition: int) -> None:
        self.feature, self.product, self.grid = feature, wanted, grid
        properties = feature["properties"]
        self.acquired = datetime.fromisoformat(properties["acquired"])
        centre = unwrapped(shape(feature["geometry"])).centroid
        self.when = sky.moment(self.acquired, centre.x, centre.y, WORLD_SEED)
        # Each edition is calibrated a little differently, by up to three per cent.
        self.gain = np.float32(1 + 0.03 * (edition * 0.618034 % 1))
        # Levels are always found in the sensor's frame: all its points lie in the footprint, and the mask agrees with
        # every picture of the item.
        points = sensor_grid(feature["geometry"], 100.0).sample(*LEVEL_SAMPLES, grid.pixel)
        self.levels = sky.levels_for(properties, sky.fields(points, self.when))
        self.edition = edition
        self.chosen = [] if wanted.kind == "udm2" else radiometry.indices(wanted.bands)
        self.coefficients = radiometry.coefficients(self.chosen, properties)

    def windows(self) -> Iterator[Window]:
        """Blocks of the file, row by row."""
        for row, column in product(range(0, self.grid.rows, WINDOW), range(0, self.grid.columns, WINDOW)):
            width, height = min(WINDOW, self.grid.columns - column), min(WINDOW, self.grid.rows - row)
            yield Window(column, row, width, height)

    def draw(self, window: Window) -> Array | None:
        """The pixels of a window, (band, row, column), or None if it lies outside the footprint."""
        valid = self.grid.covered(window.row_off, window.col_off, window.height, window.width)
        if not valid.any():
            return radiometry.blackfill(valid.shape) if self.product.kind == "udm2" else None
        view = self.grid.view(window.row_off, window.col_off, window.height, window.width)
        weather = sky.fields(view, self.when, self.levels)
        if self.product.kind == "udm2":
            return self._edited(radiometry.mask_numbers(weather, self.levels, valid))
        light = (self.when.sun_azimuth, self.when.sun_elevation)
        land, shade = reflectance(view, self.acquired, self.when.latitude, light, WORLD_SEED)
        seen = radiometry.weathered(land * self.gain, shade, weather, self.levels)
        if self.product.kind == "visual":
            alpha = np.full((1, *valid.shape), 255, np.uint8)
            return np.concatenate([radiometry.visual_numbers(seen), alpha]) * valid.astype(np.uint8)
        if self.product.kind == "sr":
            numbers = radiometry.surface_numbers(seen, self.chosen)
        else:
            numbers = radiometry.radiance_numbers(seen, self.chosen, self.coefficients)
        return np.asarray(numbers * valid)

    def _edited(self, mask: Array) -> Array:
        """A later edition of a mask differs in its confidence, as a retrained model's does."""
        less = 1 + self.edition % 39 if self.edition else 0
        mask[6] = np.where(mask[6] > 0, mask[6] - np.uint8(less), 0)
        return mask


def _write(part: Path, artist: _Artist) -> None:
    """Draw all windows into a plain file beside the target, then order it as a cloud-optimised GeoTIFF."""
    plain = part.with_name(part.name + ".plain")
    wanted, grid = artist.product, artist.grid
    bands = len(wanted.bands) + (wanted.kind == "visual")
    options: dict[str, Any] = {
        "driver": "GTiff", "dtype": wanted.dtype, "count": bands, "height": grid.rows, "width": grid.columns,
        "tiled": True, "blockxsize": TILE, "blockysize": TILE, "sparse_ok": True, "nodata": wanted.nodata,
        "bigtiff": "IF_SAFER",
    }  # fmt: skip
    if grid.epsg is None:
        options["rpcs"] = rational_model(grid)
    else:
        options |= {"crs": f"EPSG:{grid.epsg}", "transform": grid.transform}
    try:
        with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES, GDAL_NUM_THREADS="ALL_CPUS"):
            with rasterio.open(plain, "w", **options) as file:
                _describe(file, artist)
                for window, pixels in _drawn(artist):
                    if pixels is not None:
                        file.write(pixels, window=window)
            copy_raster(
                plain, part, driver="COG", compress="DEFLATE", level=6 if wanted.kind == "udm2" else 1, predictor="YES",
                blocksize=TILE, bigtiff="IF_SAFER",
                overview_resampling="NEAREST" if wanted.kind == "udm2" else "AVERAGE",
            )  # fmt: skip
    finally:
        plain.unlink(missing_ok=True)


def _describe(file: Any, artist: _Artist) -> None:
    """Band names, colours and the tags of Planet's files."""
    wanted = artist.product
    alpha = ("alpha",) if wanted.kind == "visual" else ()
    file.descriptions = wanted.bands + alpha
    if wanted.kind == "udm2":
        file.colorinterp = [ColorInterp.gray] + [ColorInterp.undefined] * (len(wanted.bands) - 1)
    else:
        colours = [_COLOURS.get(band, ColorInterp.undefined) for band in wanted.bands]
        file.colorinterp = colours + [ColorInterp.alpha] * len(alpha)
    tags = {"TIFFTAG_DATETIME": f"{artist.acquired:%Y:%m:%d %H:%M:%S}"}
    if wanted.kind == "sr":
        light = sr_description(artist.when.sun_azimuth, artist.when.sun_elevation)
        tags["TIFFTAG_IMAGEDESCRIPTION"] = json.dumps(light)
    file.update_tags(**tags)


def _drawn(artist: _Artist) -> Iterator[tuple[Window, Array | None]]:
    """Windows in order, drawn on a few threads, and never many more of them than are being written."""
    threads = min(4, os.cpu_count() or 1)
    windows = artist.windows()
    with ThreadPoolExecutor(threads) as pool:
        waiting = [(window, pool.submit(artist.draw, window)) for window in islice(windows, threads + 1)]
        while waiting:
            window, drawing = waiting.pop(0)
            yield window, drawing.result()
            waiting.extend((following, pool.submit(artist.draw, following)) for following in islice(windows, 1))

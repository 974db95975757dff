"""The only opener of rasters: GeoTIFF by name, nothing fetched, nothing beside the file read, nothing absurd believed.

A raster file is hostile until proven otherwise: a VRT text called scene.tif, opened by a guessing driver, returns
/etc/passwd as pixels.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError

from planet_assets.exceptions import Corrupt, DiskProblem, Unsafe
from planet_assets.rules.window import Grid

DRIVER = "GTiff"
MOST_BANDS = 64
MOST_SIDE_PX = 200_000
MOST_EXPANSION = 2000
"""Pixels' bytes over file's bytes. DEFLATE reaches 1032 at the most; sparse files are allowed twice that."""

FREE_EXPANSION_BYTES = 2**30
"""Below this many bytes of pixels nobody asks how they are packed."""

CACHE_BYTES = 96 * 2**20
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

OPTIONS: dict[str, Any] = {
    "GDAL_CACHEMAX": CACHE_BYTES,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_HTTP_MAX_RETRY": "0",
    "GDAL_NUM_THREADS": "2",
}
"""No siblings, no sidecars, no network, a bounded cache."""


@contextmanager
def open_raster(path: str | os.PathLike[str]) -> Iterator[Any]:
    """A GeoTIFF opened for reading, as a rasterio dataset.

    Raises:
        Unsafe: it is no TIFF, a path of GDAL's virtual file systems, or its header declares absurd sizes.
        Corrupt: it is a TIFF that cannot be read.
        DiskProblem: there is no such file.
    """
    file = _plain_file(path)
    with environment():
        try:
            dataset = rasterio.open(file, driver=DRIVER)
        except RasterioError as error:
            raise Corrupt(
                f"{file.name} cannot be read as a GeoTIFF: {_cause(error)}.", hint="Fetch it again."
            ) from None
        with dataset:
            _refuse_absurd(dataset, file)
            try:
                yield dataset
            except RasterioIOError as error:
                raise Corrupt(f"{file.name} cannot be read: {_cause(error)}.", hint="Fetch it again.") from None


@contextmanager
def environment() -> Iterator[None]:
    """GDAL's settings for reading and writing."""
    with rasterio.Env(**OPTIONS), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def grid_of(dataset: Any) -> Grid:
    """The pixel grid of an open dataset."""
    return Grid(
        width=dataset.width,
        height=dataset.height,
        transform=tuple(dataset.transform)[:6],
        block=tuple(dataset.block_shapes[0]),
    )


def _plain_file(path: str | os.PathLike[str]) -> Path:
    text = os.fspath(path)
    if text.startswith("/vsi") or "://" in text or text.upper().startswith(("GTIFF_DIR:", "GTIFF_RAW:")):
        raise Unsafe(f"{text!r} is not the path of a file.", hint="Download it first.")
    file = Path(text)
    try:
        with file.open("rb") as stream:
            head = stream.read(4)
    except OSError as error:
        raise DiskProblem(f"{file} cannot be opened: {error.strerror}.") from None
    if head not in _TIFF_MAGIC:
        raise Unsafe(f"{file.name} is not a TIFF file.", hint="Only GeoTIFFs are opened.")
    return file.absolute()


def _refuse_absurd(dataset: Any, file: Path) -> None:
    """Sizes come from the header, which anybody can write."""
    pixels = dataset.width * dataset.height
    sample = max(np.dtype(kind).itemsize for kind in dataset.dtypes)
    declared, stored = pixels * dataset.count * sample, file.stat().st_size
    absurd = declared > FREE_EXPANSION_BYTES and declared > MOST_EXPANSION * stored
    if dataset.count > MOST_BANDS or max(dataset.width, dataset.height) > MOST_SIDE_PX or absurd:
        raise Unsafe(
            f"{file.name} declares {dataset.width} x {dataset.height} pixels in {dataset.count} bands "
            f"and holds {stored} bytes.",
            hint="Such a file is not a scene.",
        )


def _cause(error: BaseException) -> str:
    return str(error.__cause__ or error).split("\n")[0].rstrip(".")

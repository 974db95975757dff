"""The only opener of rasters: GeoTIFF by name, nothing fetched, nothing beside the file read, nothing absurd believed.

A raster file is hostile until proven otherwise: a VRT text called scene.tif, opened by a guessing driver, returns
/etc/passwd as pixels, and a header of a kilobyte can ask for a terabyte.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.dtypes import in_dtype_range
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window as PixelWindow

from planet_assets.exceptions import ClipFailed, Corrupt, DiskProblem, Unsafe
from planet_assets.rules.window import Grid, Window

DRIVER = "GTiff"
MOST_BANDS = 256
MOST_SIDE_PX = 1_000_000
MOST_BLOCK_BYTES = 2**28
"""A tile or strip is decoded as a whole, so its size bounds the memory: 256 MiB."""

MOST_EXPANSION = 2000
"""Pixels' bytes over file's bytes. DEFLATE reaches 1032 at the most; sparse files are allowed twice that."""

FREE_EXPANSION_BYTES = 2**30
"""Below this many bytes of pixels nobody asks how they are packed."""

CACHE_BYTES = 64 * 2**20
GDAL_ERRORS = (RasterioError, CPLE_BaseError, UnicodeDecodeError)
"""What rasterio raises when GDAL fails, or texts in a file are none; some errors of GDAL come through bare."""

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PLAIN_MASKS = {MaskFlags.all_valid, MaskFlags.nodata}

OPTIONS: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_HTTP_MAX_RETRY": "0",
    "GDAL_NUM_THREADS": "2",
}
"""No siblings, no sidecars, no network."""


@contextmanager
def open_raster(path: str | os.PathLike[str], *, cache_bytes: int = CACHE_BYTES) -> Iterator[Any]:
    """A GeoTIFF opened for reading, as a rasterio dataset.

    Args:
        path: of a file, or of a symbolic link to one.
        cache_bytes: how much GDAL keeps of decoded and unwritten pixels meanwhile.

    Raises:
        Unsafe: it is no TIFF, a path of GDAL's virtual file systems, or its header declares absurd sizes.
        Corrupt: it is a TIFF that cannot be read.
        DiskProblem: there is no such file.
    """
    file = _plain_file(path)
    with environment(cache_bytes):
        try:
            with rasterio.open(file, driver=DRIVER) as dataset:
                _refuse_absurd(dataset, file)
                yield dataset
        except GDAL_ERRORS as error:
            raise _corrupt(file.name, error) from None


@contextmanager
def environment(cache_bytes: int | None = None) -> Iterator[None]:
    """GDAL's settings for reading and writing, for this thread.

    The cache belongs to the whole process: where a size is given, the former one is set back afterwards.
    """
    cache = {} if cache_bytes is None else {"GDAL_CACHEMAX": cache_bytes}
    with rasterio.Env(**cache, **OPTIONS):
        yield


def grid_of(dataset: Any) -> Grid:
    """The pixel grid of an open dataset.

    Raises:
        ClipFailed: it has no place on Earth.
    """
    transform = dataset.transform
    placed = np.isfinite(tuple(transform)).all() and not (transform.is_identity or transform.is_degenerate)
    if dataset.crs is None or not placed:
        raise ClipFailed(
            f"{Path(dataset.name).name} does not say where on Earth its pixels lie, so an ROI means nothing on it.",
            hint="Basic assets are not georeferenced; take an ortho asset.",
        )
    return Grid(
        width=dataset.width,
        height=dataset.height,
        transform=tuple(transform)[:6],
        crs=dataset.crs.to_wkt(),
        block=tuple(dataset.block_shapes[0]),
    )


def nodata_of(dataset: Any) -> float | None:
    """The raster's nodata; None when it has none, or one that its pixels cannot hold."""
    nodata = dataset.nodata
    return nodata if nodata is None or in_dtype_range(nodata, dataset.dtypes[0]) else None


def fill_of(dataset: Any) -> float:
    """What stands for nothing: the raster's nodata, or 0 when it has none."""
    nodata = nodata_of(dataset)
    return 0 if nodata is None else nodata


def read_window(dataset: Any, window: Window) -> np.ndarray:
    """Pixels of a window, (band, row, col); what the file's own mask or alpha band hides becomes nodata.

    Raises:
        Corrupt: they cannot be decoded.
    """
    place = PixelWindow(window.col_off, window.row_off, window.width, window.height)
    plain = all(set(flags) <= _PLAIN_MASKS for flags in dataset.mask_flag_enums)
    data = read(dataset, window=place, masked=not plain)
    pixels: np.ndarray = data if plain else data.filled(fill_of(dataset))
    return pixels


def read(dataset: Any, *args: Any, **kwargs: Any) -> Any:
    """`dataset.read`, with the errors of this package.

    Raises:
        Corrupt: the pixels cannot be decoded.
    """
    try:
        return dataset.read(*args, **kwargs)
    except GDAL_ERRORS as error:
        raise _corrupt(Path(dataset.name).name, error) from None


def _plain_file(path: str | os.PathLike[str]) -> Path:
    """The path of a plain file that begins like a TIFF; absolute, so that GDAL sees a path and nothing else."""
    text = os.fspath(path)
    if text.startswith("/vsi") or "://" in text:
        raise Unsafe(f"{text!r} is not the path of a file.", hint="Download it first.")
    file = Path(text).absolute()
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise Unsafe(f"{file.name} is not a plain file.", hint="Give the path of a GeoTIFF.")
        with file.open("rb") as stream:
            head = stream.read(4)
    except OSError as error:
        raise DiskProblem(f"{file} cannot be opened: {error.strerror}.") from None
    if head not in _MAGIC:
        raise Unsafe(f"{file.name} is not a TIFF file.", hint="Only GeoTIFFs are opened.")
    return file


def _refuse_absurd(dataset: Any, file: Path) -> None:
    """Sizes come from the header, which anybody can write."""
    sample = max(np.dtype(kind).itemsize for kind in dataset.dtypes)
    rows, columns = dataset.block_shapes[0]
    declared, stored = dataset.width * dataset.height * dataset.count * sample, file.stat().st_size
    packed = declared > FREE_EXPANSION_BYTES and declared > MOST_EXPANSION * stored
    block = rows * columns * dataset.count * sample > MOST_BLOCK_BYTES
    if dataset.count > MOST_BANDS or max(dataset.width, dataset.height) > MOST_SIDE_PX or packed or block:
        raise Unsafe(
            f"{file.name} declares {dataset.width} x {dataset.height} pixels in {dataset.count} bands, "
            f"blocks of {columns} x {rows}, and holds {stored} bytes.",
            hint="Such a file is not a scene.",
        )


def _corrupt(name: str, error: BaseException) -> Corrupt:
    cause = str(error.__cause__ or error).split("\n")[0].rstrip(".")
    return Corrupt(
        f"{name} cannot be read as a GeoTIFF: {cause}.", hint="Fetch it again.", expected="a whole TIFF", got=cause
    )

"""A user's own GeoTIFFs, served as if Planet had made them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import rasterio
from rasterio.errors import RasterioIOError

from .noise import hash64


class GivenFiles:
    """A folder of rasters and texts, searched once."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise NotADirectoryError(f"not a folder of GeoTIFFs: {folder}")
        self._files = sorted(path for path in folder.rglob("*") if path.is_file())

    def find(self, item_id: str, name: str, bands: int, dtype: str) -> Path | None:
        """The file of this name, else one of this item, else any that fits; None if none does."""
        tail = Path(name).suffix.lower()
        named = [path for path in self._files if path.name == name]
        if named:
            return named[0]
        if tail != ".tif":
            return None
        fitting = [path for path in self._files if _shape(path) == (bands, dtype)]
        own = [path for path in fitting if item_id in path.name]
        candidates = own or fitting
        # By the id and not in turn, so that an item keeps its file after a restart.
        return candidates[hash64(*item_id.encode()) % len(candidates)] if candidates else None


@lru_cache(maxsize=4096)
def _shape(path: Path) -> tuple[int, str] | None:
    """Number of bands and their type, or None if it is no GeoTIFF."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return None
    try:
        with rasterio.open(path, driver="GTiff") as file:
            return int(file.count), str(file.dtypes[0])
    except RasterioIOError:
        return None

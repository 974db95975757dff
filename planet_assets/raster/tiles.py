"""Cuts a tiled GeoTIFF without decoding most of it: the tile pass-through of `extent="tiles"`.

Tiles wholly inside the ROI are copied as compressed bytes, tiles on its edge are decoded, blanked and packed again by
the same codec, tiles outside stay sparse (no bytes; they read as nodata). The extent is snapped outward to tiles, and
the pixels are those of `rasterio.mask` there. What is copied is not looked into: a source is verified before it is cut.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import rasterio
from rasterio.enums import MaskFlags
from rasterio.io import MemoryFile
from rasterio.windows import Window as PixelWindow

from planet_assets.exceptions import ClipFailed, Corrupt
from planet_assets.model.job import Clipping
from planet_assets.raster import directory
from planet_assets.raster.directory import Tag, TileWriter
from planet_assets.raster.reading import GDAL_ERRORS, environment, fill_of, grid_of, read_window
from planet_assets.raster.stream import blank
from planet_assets.raster.usable import Usable
from planet_assets.rules.window import Outline, Window, moved

CODECS: dict[int, dict[str, Any]] = {
    1: {},
    5: {"compress": "LZW"},
    8: {"compress": "DEFLATE", "ZLEVEL": 1},
    32946: {"compress": "DEFLATE", "ZLEVEL": 1},
    50000: {"compress": "ZSTD", "ZSTD_LEVEL": 1},
}
"""TIFF's number of a lossless codec -> how GDAL is asked for it. Others are streamed."""

WORKERS = 2
TASK_TILES = 4
"""Edge tiles that one task packs: the first row and the last may be nothing but edge."""
ROWS_AHEAD = 4
"""Rows of tiles whose edge tiles may be packed and waiting."""

_STATISTICS = re.compile(rb'<Item name="STATISTICS_[^>]*>[^<]*</Item>\s*')


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A source whose tiles can be passed on, and the window they make."""

    tags: dict[int, Tag]
    """The directory of the source."""
    new_tags: dict[int, Tag]
    """The directory of the window."""
    window: Window
    """Whole tiles of the source's grid."""
    tile: tuple[int, int]
    """Rows and columns of a tile."""

    @property
    def columns(self) -> int:
        """Tiles across the window."""
        return -(-self.window.width // self.tile[1])

    @property
    def rows(self) -> int:
        """Tiles down the window."""
        return -(-self.window.height // self.tile[0])

    def source_index(self, row: int, column: int) -> int:
        """The source's number of a tile of the window."""
        across = -(-int(self.tags[directory.WIDTH].numbers[0]) // self.tile[1])
        return (self.window.row_off // self.tile[0] + row) * across + self.window.col_off // self.tile[1] + column

    def place(self, row: int, column: int) -> Window:
        """The pixels of a tile of the window, as far as the image reaches, on the source's grid."""
        down, across = row * self.tile[0], column * self.tile[1]
        return Window(
            col_off=self.window.col_off + across,
            row_off=self.window.row_off + down,
            width=min(self.tile[1], self.window.width - across),
            height=min(self.tile[0], self.window.height - down),
        )


def passage(dataset: Any, window: Window, how: Clipping) -> Passage | None:
    """How tiles can be passed on to a snapped window; None when this source or what is asked does not allow it."""
    hidden = any(not set(flags) <= {MaskFlags.all_valid, MaskFlags.nodata} for flags in dataset.mask_flag_enums)
    if how.output_format != "GTiff" or hidden:
        return None
    source = Path(dataset.name)
    size = source.stat().st_size
    with source.open("rb") as stream:
        tags = directory.read_directory(stream, size, source.name)
    if tags is None or not is_plain(tags, dataset):
        return None
    directory.check_tiles(tags, size, source.name)
    transform = grid_of(dataset).transform
    corner = moved(transform, window)
    shift = corner[2] - transform[2], corner[5] - transform[5]
    new_tags = directory.moved_tags(tags, window.width, window.height, shift)
    if new_tags is None:
        return None
    if directory.GDAL_METADATA in new_tags:
        texts = new_tags[directory.GDAL_METADATA]
        new_tags[directory.GDAL_METADATA] = replace(texts, raw=_STATISTICS.sub(b"", texts.raw))
    return Passage(tags=tags, new_tags=new_tags, window=window, tile=tuple(dataset.block_shapes[0]))


def write_tiles(
    dataset: Any, part: Path, outline: Outline | Usable, way: Passage, tick: Callable[[float], None]
) -> int:
    """Write the window to `part`, a row of tiles at a time.

    Args:
        dataset: the open source.
        part: a new file.
        outline: the ROI in the window's pixels.
        way: from `passage`.
        tick: called with the share done, 0 to 1; may raise to end the work.

    Returns:
        How many pixels lie inside the ROI.

    Raises:
        Corrupt: the source cannot be decoded, or points beyond its end.
        ClipFailed: a tile cannot be packed.
        OSError: the file cannot be written.
    """
    inside, waiting = 0, deque[tuple[int, np.ndarray, list[Future[dict[int, bytes]]]]]()
    lengths = way.tags[directory.LENGTHS].numbers.astype(np.int64)
    touched = [way.source_index(row, column) for row in range(way.rows) for column in range(way.columns)]
    edges = _EdgeTiles(dataset, way)
    with Path(dataset.name).open("rb") as source, part.open("xb") as target, ThreadPoolExecutor(WORKERS) as pool:
        out = TileWriter(target, way.new_tags, way.rows * way.columns, 2 * int(lengths[touched].sum()))

        def finish() -> None:
            row, counts, tasks = waiting.popleft()
            packed = {column: tile for task in tasks for column, tile in task.result().items()}
            for column, tile in _row(source, way, row, counts, packed):
                out.write(row * way.columns + column, tile)
            tick((row + 1) / way.rows)

        try:
            for row in range(way.rows):
                mask = outline.inside(row * way.tile[0], way.place(row, 0).height)
                counts = np.add.reduceat(mask.sum(axis=0), np.arange(0, mask.shape[1], way.tile[1]))
                inside += int(counts.sum())
                edge = edges.columns(row, counts)
                parts = [edge[at : at + TASK_TILES] for at in range(0, len(edge), TASK_TILES)]
                waiting.append((row, counts, [pool.submit(edges.pack, row, mask, part) for part in parts]))
                if len(waiting) > ROWS_AHEAD:
                    finish()
            while waiting:
                finish()
            out.close()
        finally:
            pool.shutdown(cancel_futures=True)
    return inside


class _EdgeTiles:
    """Decodes, blanks and packs tiles on the edge of the ROI; each call opens the source for itself, for threads."""

    def __init__(self, dataset: Any, way: Passage) -> None:
        self._path, self._way, self._fill = dataset.name, way, fill_of(dataset)
        codec = int(way.tags[directory.COMPRESSION].numbers[0])
        predictor = way.tags.get(directory.PREDICTOR)
        self._profile: dict[str, Any] = {
            "driver": "GTiff",
            "count": dataset.count,
            "dtype": dataset.dtypes[0],
            "tiled": True,
            "blockysize": way.tile[0],
            "blockxsize": way.tile[1],
            "interleave": "pixel",
            "BIGTIFF": "NO",
            "NUM_THREADS": 1,
            "transform": dataset.transform,  # of no use, but rasterio warns of rasters without a place
            **CODECS[codec],
        }
        if codec != 1 and predictor is not None:
            self._profile["PREDICTOR"] = int(predictor.numbers[0])

    def columns(self, row: int, counts: np.ndarray) -> list[int]:
        """Which tiles of a row lie on the edge; `counts` are their pixels inside."""
        return [column for column in range(self._way.columns) if 0 < counts[column] < self._whole(row, column)]

    def pack(self, row: int, mask: np.ndarray, edge: Sequence[int]) -> dict[int, bytes]:
        """Edge tiles of a row, packed, by column."""
        tile_rows, tile_columns = self._way.tile
        with environment(None), rasterio.open(self._path, driver="GTiff", NUM_THREADS=1) as dataset:
            shape = (dataset.count, tile_rows, tile_columns * len(edge))
            pixels = np.full(shape, self._fill, dtype=dataset.dtypes[0])
            for number, column in enumerate(edge):
                place = self._way.place(row, column)
                tile = read_window(dataset, place)
                left = column * tile_columns
                blank(tile, mask[:, left : left + place.width], self._fill)
                at = number * tile_columns
                pixels[:, : place.height, at : at + place.width] = tile
            packed = self._packed(pixels)
        return dict(zip(edge, packed, strict=True))

    def _whole(self, row: int, column: int) -> int:
        place = self._way.place(row, column)
        return place.width * place.height

    def _packed(self, pixels: np.ndarray) -> list[bytes]:
        _, height, width = pixels.shape
        try:
            with MemoryFile() as memory:
                with memory.open(height=height, width=width, **self._profile) as out:
                    out.write(pixels, window=PixelWindow(0, 0, width, height))
                memory.seek(0)
                tags = directory.read_directory(memory, len(memory), "a packed tile")
                if tags is None:
                    raise ClipFailed("Tiles cannot be packed on this machine.", hint='Use extent="window".')
                offsets, lengths = (tags[tag].numbers for tag in (directory.OFFSETS, directory.LENGTHS))
                return [_read(memory, int(at), int(length)) for at, length in zip(offsets, lengths, strict=True)]
        except GDAL_ERRORS as error:
            raise ClipFailed(f"A tile cannot be packed: {error}.") from None


def _row(
    source: BinaryIO, way: Passage, row: int, counts: np.ndarray, packed: dict[int, bytes]
) -> Iterator[tuple[int, bytes]]:
    """The tiles of a row that have bytes, with their columns: packed anew on the edge, as they are inside."""
    offsets, lengths = (way.tags[tag].numbers for tag in (directory.OFFSETS, directory.LENGTHS))
    for column in range(way.columns):
        if column in packed:
            yield column, packed[column]
        elif counts[column]:
            index = way.source_index(row, column)
            if lengths[index]:
                yield column, _read(source, int(offsets[index]), int(lengths[index]))


def _read(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    tile = stream.read(length)
    if len(tile) != length:
        raise Corrupt("The raster is damaged: a tile lies beyond its end.", hint="Fetch it again.")
    return tile


def is_plain(tags: dict[int, Tag], dataset: Any) -> bool:
    """True when every tile is a block of all samples, in a lossless codec, and samples are whole bytes."""
    needed = (directory.WIDTH, directory.HEIGHT, directory.COMPRESSION, directory.OFFSETS, directory.LENGTHS)
    if not all(tag in tags and len(tags[tag].numbers) for tag in needed):
        return False
    rows, columns = dataset.block_shapes[0]
    width, height = (int(tags[tag].numbers[0]) for tag in (directory.WIDTH, directory.HEIGHT))
    tiles = -(-height // rows) * -(-width // columns)
    planes = tags.get(directory.PLANES)
    bits = tags.get(258)
    whole = np.dtype(dataset.dtypes[0]).itemsize * 8
    return bool(
        int(tags[directory.COMPRESSION].numbers[0]) in CODECS
        and len(tags[directory.OFFSETS].numbers) == len(tags[directory.LENGTHS].numbers) == tiles
        and (dataset.count == 1 or planes is None or planes.numbers[0] == 1)
        and bits is not None
        and (bits.numbers == whole).all()
        and (266 not in tags or tags[266].numbers[0] == 1)
    )

"""Reads of a remote tiled GeoTIFF only what a region needs: its header and the tiles that the region touches.

What is read becomes a small GeoTIFF of those tiles, byte for byte as they are stored, on the same grid: a cut of it is
the cut of the whole. This module knows no network; it is handed a function that reads bytes.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import AssetError
from planet_assets.raster import directory
from planet_assets.raster.clip import on_grid
from planet_assets.raster.directory import Tag, TileWriter
from planet_assets.raster.reading import grid_of, open_raster
from planet_assets.raster.tiles import is_plain
from planet_assets.rules.area import buffered
from planet_assets.rules.window import Grid, Window, moved, outline_of, snapped, window_of

Read = Callable[[int, int], bytes]
"""Bytes from an offset, exactly as many as are asked for. Tiles are asked for by several threads at once."""

HEADER_BLOCK_BYTES = 8192
MOST_HEADER_BYTES = 8 * 2**20
"""A header that needs more is no scene's."""
SPARE_SHARE = 0.03
"""Share of bytes between tiles that may be read and dropped, for fewer requests."""
MOST_RUN_BYTES = 8 * 2**20
"""Read at once and held in memory."""
READERS = 4
"""Runs that are on their way at once, so that nobody waits for the distance to the server."""


class Unfit(Exception):
    """A file that cannot be read in part, and why; read the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a region needed."""

    tiles: int
    """Tiles that it touches and that hold bytes."""
    tile_bytes: int
    """Their length."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile of the file."""

    index: int
    """Its number in the window."""
    offset: int
    """Where it lies in the file."""
    length: int
    """Bytes as stored."""


def read_region(
    read: Read,
    size: int,
    target: Path,
    region: BaseGeometry,
    *,
    buffer_m: float = 0.0,
    name: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> Touched:
    """Make `target` hold the tiles of a remote file that a region touches; whole under its name, or not at all.

    Args:
        read: reads from the remote file.
        size: length of the remote file.
        target: the file to make; one that stands there is replaced.
        region: Polygon or MultiPolygon, lon/lat degrees.
        buffer_m: metres on the ground to add around it.
        name: of the remote file, for messages.
        on_progress: told tile bytes read, and all that are due.

    Raises:
        Unfit: it is not tiled, packed in a way not known here, masked, not on Earth, or not where the region is.
        Corrupt: the file is damaged.
        OSError: the disk refused.
    """
    remote, part = _Remote(read, size), target.with_name(target.name + "~")
    try:
        tags = directory.read_directory(remote, size, name)  # type: ignore[arg-type]
        if tags is None or directory.TILE_WIDTH not in tags or directory.OFFSETS not in tags:
            raise Unfit("it is not tiled in a way that is known here")
        if directory.has_mask(remote, size, name):  # type: ignore[arg-type]
            raise Unfit("it has a mask of its own")
        grid = _grid(tags, part)
        directory.check_tiles(tags, size, name)
        window, touched = _needed(grid, region, buffer_m, tags)
        new_tags = _window_tags(grid, window, tags)
        _write(read, part, new_tags, window, grid, touched, on_progress)
        os.replace(part, target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return Touched(tiles=len(touched), tile_bytes=sum(tile.length for tile in touched))


class _Remote:
    """A remote file to seek and read in, for its header; what was read is kept."""

    def __init__(self, read: Read, size: int) -> None:
        self._read, self._size, self._at = read, size, 0
        self._blocks: dict[int, bytes] = {}

    def seek(self, at: int) -> None:
        self._at = at

    def read(self, length: int) -> bytes:
        stop = min(self._at + length, self._size)
        first, last = self._at // HEADER_BLOCK_BYTES, (max(stop, self._at + 1) - 1) // HEADER_BLOCK_BYTES
        missing = [block for block in range(first, last + 1) if block not in self._blocks]
        if (len(self._blocks) + len(missing)) * HEADER_BLOCK_BYTES > MOST_HEADER_BYTES:
            raise Unfit("its header is too large")
        for run in _consecutive(missing):
            start = run[0] * HEADER_BLOCK_BYTES
            data = self._read(start, min((run[-1] + 1) * HEADER_BLOCK_BYTES, self._size) - start)
            for number, block in enumerate(run):
                self._blocks[block] = data[number * HEADER_BLOCK_BYTES : (number + 1) * HEADER_BLOCK_BYTES]
        joined = b"".join(self._blocks[block] for block in range(first, last + 1))
        begin = self._at - first * HEADER_BLOCK_BYTES
        found = joined[begin : begin + max(0, stop - self._at)]
        self._at += len(found)
        return found


def _consecutive(numbers: Sequence[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for number in numbers:
        if run and number != run[-1] + 1:
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def _grid(tags: dict[int, Tag], sketch: Path) -> Grid:
    """The grid of the whole, as GDAL reads it from a sketch of one empty tile with the same directory."""
    try:
        columns, rows = (int(tags[tag].numbers[0]) for tag in (directory.TILE_WIDTH, directory.TILE_HEIGHT))
        width, height = (int(tags[tag].numbers[0]) for tag in (directory.WIDTH, directory.HEIGHT))
    except (KeyError, IndexError):
        raise Unfit("its directory does not say how large it is") from None
    first = directory.moved_tags(tags, columns, rows, (0.0, 0.0))
    if first is None or not 0 < columns * rows < 2**26:
        raise Unfit("it is tied to the ground in a way not known here")
    with sketch.open("wb") as out:
        TileWriter(out, first, 1, 0).close()
    try:
        with open_raster(sketch) as dataset:
            if not is_plain(tags, dataset):
                raise Unfit("its tiles are packed in a way not known here")
            return replace(grid_of(dataset), width=width, height=height, block=(rows, columns))
    except AssetError as error:
        raise Unfit(error.message) from None


def _needed(grid: Grid, region: BaseGeometry, buffer_m: float, tags: dict[int, Tag]) -> tuple[Window, list[Tile]]:
    """The window of whole tiles about the region, and those of its tiles that hold one of the region's pixels."""
    shape = on_grid(grid, buffered(region, buffer_m), "the file")
    exact = window_of(grid, shape)
    if exact is None:
        raise Unfit("the region does not touch it")
    window = snapped(grid, exact)
    outline = outline_of(grid, window, shape)
    rows, columns = grid.block
    across, wide = -(-grid.width // columns), -(-window.width // columns)
    offsets, lengths = (tags[tag].numbers for tag in (directory.OFFSETS, directory.LENGTHS))
    found: list[Tile] = []
    for row in range(-(-window.height // rows)):
        inside = outline.inside(row * rows, min(rows, window.height - row * rows)).any(axis=0)
        touched = np.logical_or.reduceat(inside, np.arange(0, window.width, columns))
        source = (window.row_off // rows + row) * across + window.col_off // columns
        for column in np.flatnonzero(touched):
            number = source + int(column)
            if lengths[number] > MOST_RUN_BYTES:
                raise Unfit("its tiles are too large")
            if lengths[number]:
                found.append(Tile(row * wide + int(column), int(offsets[number]), int(lengths[number])))
    return window, found


def _window_tags(grid: Grid, window: Window, tags: dict[int, Tag]) -> dict[int, Tag]:
    corner = moved(grid.transform, window)
    shift = corner[2] - grid.transform[2], corner[5] - grid.transform[5]
    made = directory.moved_tags(tags, window.width, window.height, shift)
    if made is None:
        raise Unfit("it is tied to the ground in a way not known here")
    return made


def _write(
    read: Read,
    part: Path,
    tags: dict[int, Tag],
    window: Window,
    grid: Grid,
    touched: Sequence[Tile],
    on_progress: Callable[[int, int], None] | None,
) -> None:
    rows, columns = grid.block
    count = -(-window.height // rows) * -(-window.width // columns)
    due, done = sum(tile.length for tile in touched), 0
    with part.open("wb") as out, closing(_read_ahead(read, runs(touched))) as coming:
        writer = TileWriter(out, tags, count, due + 16 * len(touched))
        for run, start, data in coming:
            for tile in run:
                writer.write(tile.index, data[tile.offset - start : tile.offset - start + tile.length])
                done += tile.length
            if on_progress is not None:
                on_progress(done, due)
        writer.close()
        out.flush()
        os.fsync(out.fileno())


def _read_ahead(read: Read, wanted: Sequence[list[Tile]]) -> Generator[tuple[list[Tile], int, memoryview], None, None]:
    """Runs in their order, each with where it starts and its bytes; the next ones are on their way meanwhile."""

    def fetch(run: list[Tile]) -> tuple[list[Tile], int, memoryview]:
        start, stop = run[0].offset, max(tile.offset + tile.length for tile in run)
        return run, start, memoryview(read(start, stop - start))

    with ThreadPoolExecutor(READERS) as threads:
        waiting, left = deque[Future[tuple[list[Tile], int, memoryview]]](), iter(wanted)
        try:
            waiting.extend(threads.submit(fetch, run) for run in islice(left, READERS))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(threads.submit(fetch, run) for run in islice(left, 1))
        finally:
            threads.shutdown(cancel_futures=True)


def runs(tiles: Sequence[Tile]) -> list[list[Tile]]:
    """Tiles that are read together: neighbours in the file, and over the smallest gaps as far as the spare goes."""
    ordered = sorted(tiles, key=lambda tile: tile.offset)
    spare = SPARE_SHARE * sum(tile.length for tile in ordered)
    gaps = [max(0, after.offset - before.offset - before.length) for before, after in pairwise(ordered)]
    bridged: set[int] = set()
    for at in sorted(range(len(gaps)), key=gaps.__getitem__):
        spare -= gaps[at]
        if spare < 0:
            break
        bridged.add(at)
    found: list[list[Tile]] = []
    for at, tile in enumerate(ordered):
        together = at - 1 in bridged and tile.offset + tile.length - found[-1][0].offset <= MOST_RUN_BYTES
        if together:
            found[-1].append(tile)
        else:
            found.append([tile])
    return found

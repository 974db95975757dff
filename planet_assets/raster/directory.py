"""The image directory of a tiled TIFF: where its tiles lie, and how to write another with some of them.

Only what passing tiles on needs: the first directory of a little-endian TIFF or BigTIFF, with one list of tiles. Values
that are kept are kept as bytes. Source: TIFF 6.0, section 2; BigTIFF as libtiff writes it; GeoTIFF 1.1 (OGC 19-008).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from planet_assets.exceptions import Corrupt

WIDTH, HEIGHT, COMPRESSION, PLANES, PREDICTOR = 256, 257, 259, 284, 317
TILE_WIDTH, TILE_HEIGHT, OFFSETS, LENGTHS = 322, 323, 324, 325
PIXEL_SCALE, TIE_POINTS, MATRIX, GDAL_METADATA = 33550, 33922, 34264, 42112

_SHORT, _LONG, _DOUBLE, _LONG8 = 3, 4, 12, 16
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "u1", _SHORT: "<u2", _LONG: "<u4", _DOUBLE: "<f8", _LONG8: "<u8"}
_KEPT = {258, COMPRESSION, 262, 266, 274, 277, PLANES, PREDICTOR, 320, TILE_WIDTH, TILE_HEIGHT, 338, 339}
_KEPT |= {269, 270, 280, 281, 282, 283, 296, 305, 306, 315, 316, 700, 33432, 34675}
_KEPT |= {PIXEL_SCALE, TIE_POINTS, MATRIX, 34735, 34736, 34737, GDAL_METADATA, 42113}
"""Samples and packing; texts and profiles; the ground and GDAL's own. Not: sub-images, JPEG tables, sensor models."""
_MOST_TAGS, _MOST_IMAGES = 4096, 64
_SUBFILE, _IS_MASK = struct.pack("<H", 254), 0b100
_CLASSIC_BYTES = 2**32 - 2**24


@dataclass(frozen=True, slots=True)
class Tag:
    """One entry of a directory."""

    kind: int
    """TIFF type of its values."""
    raw: bytes
    """The values, little-endian."""

    @property
    def numbers(self) -> np.ndarray:
        """The values as an array; empty where they are no numbers."""
        return np.frombuffer(self.raw, _NUMBERS[self.kind]) if self.kind in _NUMBERS else np.zeros(0)

    @property
    def count(self) -> int:
        """How many values."""
        return len(self.raw) // _TYPE_BYTES[self.kind]


def read_directory(stream: BinaryIO, size: int, name: str) -> dict[int, Tag] | None:
    """The first directory of a TIFF; None when its numbers are big-endian.

    Args:
        stream: the file, open for reading.
        size: its length in bytes.
        name: the file's name, for messages.

    Raises:
        Corrupt: it points beyond the end of the file.
    """
    head = _at(stream, 0, min(16, size), size, name)
    if head[:2] != b"II":
        return None
    big = head[2] == 43
    (start,) = struct.unpack_from("<Q", head, 8) if big else struct.unpack_from("<I", head, 4)
    count_form, entry_form, inline = ("<Q", "<HHQ", 8) if big else ("<H", "<HHI", 4)
    (count,) = struct.unpack(count_form, _at(stream, start, struct.calcsize(count_form), size, name))
    step = struct.calcsize(entry_form) + inline
    entries = _at(stream, start + struct.calcsize(count_form), min(count, _MOST_TAGS) * step, size, name)
    tags: dict[int, Tag] = {}
    for at in range(0, len(entries), step):
        tag, kind, values = struct.unpack_from(entry_form, entries, at)
        raw = entries[at + step - inline : at + step]
        length = _TYPE_BYTES.get(kind, 1) * values
        if length > inline:
            raw = _at(stream, int.from_bytes(raw, "little"), length, size, name)
        if kind in _TYPE_BYTES:
            tags[tag] = Tag(kind, raw[:length])
    return tags


def has_mask(stream: BinaryIO, size: int, name: str) -> bool:
    """True when one of the images of the file is the mask of another. Arguments and errors are those of the first."""
    head = _at(stream, 0, min(16, size), size, name)
    big = head[2:3] == b"+"
    (at,) = struct.unpack_from("<Q", head, 8) if big else struct.unpack_from("<I", head, 4)
    count_form, entry_form, inline = ("<Q", "<HHQ", 8) if big else ("<H", "<HHI", 4)
    step, seen = struct.calcsize(entry_form) + inline, set[int]()
    while at and at not in seen and len(seen) < _MOST_IMAGES:
        seen.add(at)
        (count,) = struct.unpack(count_form, _at(stream, at, struct.calcsize(count_form), size, name))
        length = min(count, _MOST_TAGS) * step
        raw = _at(stream, at + struct.calcsize(count_form), length + inline, size, name)
        entries = (raw[entry : entry + step] for entry in range(0, length, step))
        if any(entry[:2] == _SUBFILE and entry[-inline] & _IS_MASK for entry in entries):
            return True
        at = int.from_bytes(raw[length:], "little")
    return False


def check_tiles(tags: Mapping[int, Tag], size: int, name: str) -> None:
    """Every tile lies inside the file; empty ones (sparse) are fine.

    Raises:
        Corrupt: one reaches beyond the end.
    """
    offsets, lengths = (tags[tag].numbers.astype(np.uint64) for tag in (OFFSETS, LENGTHS))
    room = np.uint64(size) - np.minimum(offsets, np.uint64(size))
    if (lengths > room).any():
        raise _beyond(name)


class TileWriter:
    """Writes a tiled TIFF: room for the directory first, then tiles one by one, at last where each of them lies."""

    def __init__(self, stream: BinaryIO, tags: Mapping[int, Tag], tiles: int, about_bytes: int) -> None:
        """Reserve room for the directory.

        Args:
            stream: a new file, open for writing.
            tags: what the directory says, without the lists of tiles.
            tiles: how many tiles the image has; those never written stay sparse.
            about_bytes: how long the tiles are together, at most; decides between TIFF and BigTIFF.
        """
        self._stream = stream
        self._tags = dict(tags)
        self._big = about_bytes + 64 * tiles > _CLASSIC_BYTES
        self._offsets = np.zeros(tiles, dtype="<u8")
        self._lengths = np.zeros(tiles, dtype="<u8")
        stream.write(bytes(len(self._directory())))

    def write(self, index: int, tile: bytes | memoryview) -> None:
        """Append a tile, numbered along rows."""
        self._offsets[index], self._lengths[index] = self._stream.tell(), len(tile)
        self._stream.write(tile)
        self._stream.write(bytes(-len(tile) % 16))

    def close(self) -> None:
        """Write the directory into its place."""
        self._stream.seek(0)
        self._stream.write(self._directory())

    def _directory(self) -> bytes:
        kind, form = (_LONG8, "<u8") if self._big else (_LONG, "<u4")
        tags = self._tags | {
            OFFSETS: Tag(kind, self._offsets.astype(form).tobytes()),
            LENGTHS: Tag(kind, self._lengths.astype(form).tobytes()),
        }
        return _pack(tags, big=self._big)


def moved_tags(tags: Mapping[int, Tag], width: int, height: int, shift: tuple[float, float]) -> dict[int, Tag] | None:
    """The directory of a window of the image; None when it is tied to the ground in a way not known here.

    Args:
        tags: of the whole image.
        width: columns of the window.
        height: rows of the window.
        shift: how far its upper left corner lies from that of the whole, in CRS coordinates.
    """
    kept = {tag: value for tag, value in tags.items() if tag in _KEPT}
    kept |= {WIDTH: Tag(_LONG, struct.pack("<I", width)), HEIGHT: Tag(_LONG, struct.pack("<I", height))}
    if MATRIX in kept and TIE_POINTS not in kept and len(kept[MATRIX].numbers) == 16:
        matrix = kept[MATRIX].numbers.copy()
        matrix[[3, 7]] += shift
        return kept | {MATRIX: replace(kept[MATRIX], raw=matrix.tobytes())}
    if MATRIX in kept or PIXEL_SCALE not in kept or TIE_POINTS not in kept or len(kept[TIE_POINTS].numbers) != 6:
        return None
    tie = kept[TIE_POINTS].numbers.copy()
    tie[[3, 4]] += shift
    return kept | {TIE_POINTS: replace(kept[TIE_POINTS], raw=tie.tobytes())}


def _pack(tags: Mapping[int, Tag], *, big: bool) -> bytes:
    """Header and directory as they lie at the beginning of a file; values that do not fit an entry follow it."""
    count_form, entry_form, inline = ("<Q", "<HHQ", 8) if big else ("<H", "<HHI", 4)
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if big else struct.pack("<2sHI", b"II", 42, 8)
    head += struct.pack(count_form, len(tags))
    after = len(head) + len(tags) * (struct.calcsize(entry_form) + inline) + inline
    after += -after % 16
    entries, values = bytearray(head), bytearray()
    for tag, value in sorted(tags.items()):
        entries += struct.pack(entry_form, tag, value.kind, value.count)
        if len(value.raw) <= inline:
            entries += value.raw.ljust(inline, b"\0")
            continue
        entries += (after + len(values)).to_bytes(inline, "little")
        values += value.raw + bytes(-len(value.raw) % 16)
    return bytes(entries).ljust(after, b"\0") + bytes(values)


def _at(stream: BinaryIO, offset: int, length: int, size: int, name: str) -> bytes:
    if offset + length > size:
        raise _beyond(name)
    stream.seek(offset)
    return stream.read(length)


def _beyond(name: str) -> Corrupt:
    return Corrupt(f"{name} is damaged: it points beyond its end.", hint="Fetch it again.", expected="a whole TIFF")

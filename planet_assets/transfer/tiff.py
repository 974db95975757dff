"""Reads the skeleton of a TIFF or BigTIFF in pure Python and insists that all it points to lies inside the file.

Hostile input is expected: loops, giant counts and offsets beyond the end are refused before anything is read for them,
and never more is read than the file is long. Source: TIFF 6.0, section 2; BigTIFF as libtiff writes it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from planet_assets.exceptions import Corrupt, Unsafe

_MOST_IFDS = 1024
_MOST_TAGS = 4096
_HINT = "The part is dropped; the next attempt fetches the file anew."
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {3: "H", 4: "I", 13: "I", 16: "Q"}
_PAIRS = {273: 279, 324: 325}
"""Tags that hold offsets of strips or tiles -> the tag that holds their lengths."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How numbers are written in this file."""

    order: str
    big: bool

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        return self.order + ("HHQ" if self.big else "HHI")

    @property
    def inline(self) -> int:
        return 8 if self.big else 4


@dataclass(frozen=True, slots=True)
class Extents:
    """Where one image of the file keeps the offsets and lengths of its strips or tiles."""

    layout: _Layout
    offsets: tuple[int, int, int]
    """TIFF type, how many, where the numbers lie."""
    lengths: tuple[int, int, int]
    """The same of the lengths."""


def check_tiff(stream: BinaryIO, size: int, name: str) -> list[Extents]:
    """Walk the chain of image directories.

    Args:
        stream: the file, open for reading.
        size: its length in bytes.
        name: the file's name, for messages.

    Returns:
        Where strips and tiles are listed, for `check_extents`.

    Raises:
        Corrupt: it is no TIFF, or points beyond its end.
        Unsafe: it loops, or holds absurd counts.
    """
    layout, at = _header(stream, name)
    seen: set[int] = set()
    found: list[Extents] = []
    while at:
        if at in seen or len(seen) >= _MOST_IFDS:
            raise Unsafe(f"{name}: its image directories run in a circle or are too many.", hint=_HINT)
        seen.add(at)
        tags, at = _directory(stream, size, name, layout, at)
        found += [Extents(layout, tags[a], tags[b]) for a, b in _PAIRS.items() if a in tags and b in tags]
    if not seen:
        raise _corrupt(name, "it has no image directory")
    return found


def check_extents(stream: BinaryIO, size: int, name: str, extents: list[Extents]) -> None:
    """Every strip and tile lies inside the file; empty ones (sparse) are fine.

    Raises:
        Corrupt: one reaches beyond the end, so the file is cut.
        Unsafe: the lists themselves are absurd.
    """
    read = 0
    for extent in extents:
        read += sum(_TYPE_BYTES.get(kind, 1) * count for kind, count, _ in (extent.offsets, extent.lengths))
        if extent.offsets[1] != extent.lengths[1] or read > size:
            raise Unsafe(f"{name}: its lists of tiles do not agree.", hint=_HINT)
        pairs = zip(_numbers(stream, name, extent, 0), _numbers(stream, name, extent, 1), strict=True)
        if any(start + length > size for start, length in pairs if length):
            raise _corrupt(name, "a strip or tile lies beyond the end of the file")


def _header(stream: BinaryIO, name: str) -> tuple[_Layout, int]:
    stream.seek(0)
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise _corrupt(name, "it has no TIFF header")
    version, first = struct.unpack_from(order + "HI", head, 2)
    if version == 42:
        return _Layout(order, big=False), first
    if version != 43 or len(head) < 16 or struct.unpack_from(order + "HH", head, 4) != (8, 0):
        raise _corrupt(name, "its TIFF header is damaged")
    return _Layout(order, big=True), struct.unpack_from(order + "Q", head, 8)[0]


def _directory(
    stream: BinaryIO, size: int, name: str, layout: _Layout, at: int
) -> tuple[dict[int, tuple[int, int, int]], int]:
    """The tags of one image directory (tag -> type, count, where) and where the next one lies."""
    head, entry = struct.calcsize(layout.count), struct.calcsize(layout.entry) + layout.inline
    if at + head > size:
        raise _corrupt(name, "an image directory lies beyond the end of the file")
    stream.seek(at)
    (count,) = struct.unpack(layout.count, stream.read(head))
    if not 0 < count <= _MOST_TAGS:
        raise Unsafe(f"{name}: an image directory claims {count} tags.", hint=_HINT)
    if at + head + count * entry + layout.inline > size:
        raise _corrupt(name, "an image directory reaches beyond the end of the file")
    raw = stream.read(count * entry + layout.inline)
    tags: dict[int, tuple[int, int, int]] = {}
    for index in range(count):
        tag, kind, many = struct.unpack_from(layout.entry, raw, index * entry)
        length = _TYPE_BYTES.get(kind, 1) * many
        where = at + head + (index + 1) * entry - layout.inline
        if length > layout.inline:
            (where,) = struct.unpack_from(layout.offset, raw, (index + 1) * entry - layout.inline)
        if where + length > size:
            raise _corrupt(name, f"tag {tag} lies beyond the end of the file")
        tags[tag] = (kind, many, where)
    return tags, struct.unpack_from(layout.offset, raw, count * entry)[0]


def _numbers(stream: BinaryIO, name: str, extent: Extents, which: int) -> list[int]:
    kind, count, where = extent.lengths if which else extent.offsets
    if kind not in _INTEGERS:
        raise Unsafe(f"{name}: its lists of tiles are not numbers.", hint=_HINT)
    stream.seek(where)
    return list(struct.unpack(f"{extent.layout.order}{count}{_INTEGERS[kind]}", stream.read(count * _TYPE_BYTES[kind])))


def _corrupt(name: str, what: str) -> Corrupt:
    return Corrupt(f"{name} is damaged: {what}.", hint=_HINT, expected="a whole TIFF", got=what)

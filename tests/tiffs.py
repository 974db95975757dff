"""Makes small true TIFF files in pure Python, with noise for pixels, for tests that need bytes and not pictures."""

from __future__ import annotations

import random
import struct


def tiff_bytes(length: int = 300_000, *, seed: int = 1, big: bool = False, order: str = "<") -> bytes:
    """A one-strip grey TIFF of exactly `length` bytes; `big` makes a BigTIFF, `order` ">" a Motorola one."""
    mark = b"II" if order == "<" else b"MM"
    start, offset, count, entry = (16, "Q", "Q", "HHQ") if big else (8, "I", "H", "HHI")
    head = mark + (struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8))
    tags = 9
    at = (
        start
        + struct.calcsize(order + count)
        + tags * (struct.calcsize(order + entry + offset))
        + len(struct.pack(order + offset, 0))
    )
    size = length - at
    values = {256: size, 257: 1, 258: 8, 259: 1, 262: 1, 273: at, 277: 1, 278: 1, 279: size}
    kind = 16 if big else 4
    ifd = struct.pack(order + count, tags)
    for tag, value in values.items():
        ifd += struct.pack(order + entry + offset, tag, kind, 1, value)
    ifd += struct.pack(order + offset, 0)
    return head + ifd + random.Random(seed).randbytes(size)

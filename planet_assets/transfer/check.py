"""Compares a received file with what was promised, before it may have a name."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from planet_assets.exceptions import Corrupt
from planet_assets.model.asset import Part, Promise
from planet_assets.transfer import disk
from planet_assets.transfer.tiff import check_extents, check_tiff

HEAD_BYTES = 512
"""How much of a file's start tells its kind."""

_TAIL_BYTES = 65557  # a zip's end record (22 bytes) and the longest comment after it
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_PAGE = re.compile(rb"(?i)<(!doctype\s+html|html|head|body|script)\b")
_AGAIN = "Delete nothing: the part is dropped, and the next attempt fetches the file anew."


def kind_of(head: bytes) -> str:
    """What the start of a file looks like: tiff, zip, html, xml, json, text, empty or binary."""
    if head.startswith(_TIFF):
        return "tiff"
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return "zip"
    for bom in _BOMS:
        head = head.removeprefix(bom)
    text = head.replace(b"\0", b"").lstrip() if b"<\0" in head or b"\0<" in head else head.lstrip()
    if not text:
        return "empty"
    if text.startswith(b"<"):
        return "html" if _PAGE.search(text) else "xml"
    if text.startswith((b"{", b"[")):
        return "json"
    return "binary" if b"\0" in head else "text"


def starts_like(head: bytes, media: str) -> bool:
    """True when a file of the media type may begin so; `head` holds at least four bytes or all there is."""
    kind = kind_of(head)
    if media == "any":
        return kind != "html"
    if media == "text":
        return kind in ("text", "xml", "json")
    return kind == media


def check(part: Part, promise: Promise) -> str:
    """Hold a complete part against its promise.

    Args:
        part: the file, with the digest that was taken as its bytes passed.
        promise: what Planet said it would be.

    Returns:
        How it was verified: "md5", or "length" where only a length was promised, or "structure" where nothing was.

    Raises:
        Corrupt: it differs; `expected` and `got` say how. Discard the part before the next fetch.
        Unsafe: its structure is hostile.
        DiskProblem: it cannot be read.
    """
    path = Path(part.path)
    fd = disk.open_regular(path)
    if fd is None:
        raise Corrupt(f"{path.name} is gone from {path.parent}.", hint=_AGAIN, expected="a file", got="nothing")
    try:
        with disk.doing("read", path):
            size = os.fstat(fd).st_size
            _same("bytes", path, str(part.size_bytes), str(size))
            if promise.size_bytes is not None:
                _same("bytes", path, str(promise.size_bytes), str(size))
            if promise.md5:
                _same("md5", path, promise.md5.lower(), part.md5.lower())
            _structure(fd, size, path, promise)
    finally:
        os.close(fd)
    if promise.md5:
        return "md5"
    return "length" if promise.size_bytes is not None else "structure"


def free_bytes(folder: str | Path) -> int:
    """Bytes that may still be written below a folder, which need not exist yet.

    A quota of your own on the share is not seen here, only when it is hit.

    Raises:
        DiskProblem: the disk cannot be asked.
    """
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    with disk.doing("look at the free space of", place):
        return shutil.disk_usage(place).free


def _same(what: str, path: Path, expected: str, got: str) -> None:
    if expected != got:
        raise Corrupt(
            f"{path.name}: {what} {got}, but {expected} was promised.", hint=_AGAIN, expected=expected, got=got
        )


def _structure(fd: int, size: int, path: Path, promise: Promise) -> None:
    os.lseek(fd, 0, os.SEEK_SET)
    head = os.read(fd, HEAD_BYTES)
    if not starts_like(head, promise.media):
        kind = kind_of(head)
        raise Corrupt(
            f"{path.name} begins like {kind}, not like {promise.media}.", hint=_AGAIN, expected=promise.media, got=kind
        )
    os.lseek(fd, max(0, size - _TAIL_BYTES), os.SEEK_SET)
    tail = os.read(fd, _TAIL_BYTES)
    if promise.media == "tiff":
        with open(fd, "rb", closefd=False) as stream:
            extents = check_tiff(stream, size, path.name)
            if not promise.md5:  # equal digests already say that every tile is there
                check_extents(stream, size, path.name, extents)
    elif not _ends_like(tail, promise.media):
        raise Corrupt(
            f"{path.name} breaks off: it does not end like {promise.media}.",
            hint=_AGAIN,
            expected=f"the end of {promise.media}",
            got="a cut",
        )


def _ends_like(tail: bytes, media: str) -> bool:
    if media == "zip":
        return b"PK\5\6" in tail
    text = tail.rstrip(b"\0\t\r\n ")  # NUL: the second half of a UTF-16 character
    if media == "xml":
        return text.endswith(b">")
    return text.endswith((b"}", b"]")) if media == "json" else True

"""The unfinished file on disk: written and hashed in one pass, taken up again where an earlier attempt left it.

Beside a part lies its mark (`<part>.json`): to which version of the remote file the bytes belong. A part without a
mark cannot be continued, because nothing would notice that the file changed in between.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from errno import EIO
from pathlib import Path

from planet_assets.exceptions import DiskProblem
from planet_assets.model.asset import Part, Promise
from planet_assets.transfer import disk

_STRONG = re.compile(r'"[\x21\x23-\x7e]{1,512}"')


def strong_etag(value: object) -> str | None:
    """The version mark if it is a strong one (RFC 9110, 8.8.3); a weak one does not promise equal bytes."""
    return value if isinstance(value, str) and _STRONG.fullmatch(value) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Which version of the remote file the bytes of a part belong to."""

    etag: str | None = None
    """Strong version mark of the storage."""
    size_bytes: int | None = None
    """Length of the whole file."""
    md5: str | None = None
    """Digest that was promised when the part was begun."""

    def fits(self, promise: Promise) -> bool:
        """True unless the promise speaks of another version."""
        pairs = ((self.md5, promise.md5), (self.size_bytes, promise.size_bytes), (self.etag, strong_etag(promise.etag)))
        return all(a is None or b is None or a == b for a, b in pairs)


def mark_path(part: Path) -> Path:
    """Where the mark of a part lies."""
    return part.with_name(part.name + ".json")


def write_mark(part: Path, mark: Mark) -> None:
    """Remember the version; must happen before the first byte of it is written.

    Raises:
        DiskProblem: it cannot be written.
    """
    disk.write_private(mark_path(part), json.dumps(asdict(mark)))


def read_mark(part: Path, promise: Promise) -> Mark | None:
    """The mark of a part; None when there is none, it is damaged, or the promise speaks of another version.

    Without a mark, a version mark in the promise will do if there is a digest that tells in the end.

    Raises:
        DiskProblem: it cannot be read.
    """
    text = disk.read_private(mark_path(part))
    if text is None and promise.md5:
        return Mark(etag=strong_etag(promise.etag), size_bytes=promise.size_bytes, md5=promise.md5)
    try:
        raw = json.loads(text or "null")
        size, md5 = raw["size_bytes"], raw["md5"]
        if not isinstance(size, int | None) or not isinstance(md5, str | None):
            return None
        mark = Mark(etag=strong_etag(raw["etag"]), size_bytes=size, md5=md5)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return mark if mark.fits(promise) else None


def drop(part: Path) -> None:
    """Remove the bytes of a part and then its mark; a kept storage address stays.

    Raises:
        DiskProblem: something cannot be removed.
    """
    for ahead in ahead_paths(part):
        disk.remove(ahead)
    disk.remove(
        part
    )  # before its mark: a part without its mark cannot be continued, a mark without its part is harmless
    disk.remove(mark_path(part))
    disk.remove(disk.fresh_path(mark_path(part)))


def ahead_paths(part: Path) -> list[Path]:
    """Stretches of the file that came ahead of a part (see `spread`); they are worth nothing without its mark."""
    return sorted(part.parent.glob(f"{glob.escape(part.name)}.at-[0-9]*"))


def title(part: Path) -> str:
    """The name a person knows a part by: that of the file it will be."""
    found = re.fullmatch(r"\.(.+)\.[A-Za-z0-9_-]+\.part", part.name)
    return found[1] if found else part.name


class PartFile:
    """An open part. Each write goes to disk and into the digest; what failed to be written is in neither."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.size_bytes = 0
        self._fd = fd
        self._md5 = hashlib.md5(usedforsecurity=False)

    @classmethod
    def create(cls, path: Path) -> PartFile:
        """Begin a part where none is.

        Raises:
            DiskProblem: something stands there, or the disk refuses.
        """
        return cls(path, disk.open_new(path))

    @classmethod
    def reopen(cls, path: Path, pause: Callable[[], None]) -> PartFile | None:
        """Take up a part and hash what it holds; None when there is none.

        Args:
            path: the part.
            pause: called between blocks; may raise to give up.

        Raises:
            DiskProblem: what stands there is no plain file, or cannot be read.
        """
        fd = disk.open_regular(path, write=True)
        if fd is None:
            return None
        part = cls(path, fd)
        try:
            with disk.doing("read", path):
                for block in disk.blocks(fd):
                    pause()
                    part._md5.update(block)
                    part.size_bytes += len(block)
        except BaseException:
            part.close()
            raise
        return part

    @property
    def md5(self) -> str:
        """Digest of all bytes so far, 32 hex digits."""
        return self._md5.hexdigest()

    @property
    def has_other_name(self) -> bool:
        """True when a second name leads to the same bytes, so that writing here would change a file there."""
        return os.fstat(self._fd).st_nlink > 1

    def write(self, data: memoryview) -> None:
        """Append bytes.

        Raises:
            DiskProblem: the disk refused. After an input/output error the part is removed, for nobody knows what it
                holds; after any other error it keeps a good beginning.
        """
        try:
            disk.write_all(self._fd, data)
        except OSError as error:
            if error.errno == EIO:
                self.close()
                disk.remove(self.path)
            raise disk.disk_problem(error, "write", self.path) from None
        self._md5.update(data)
        self.size_bytes += len(data)

    def refuse_other_names(self) -> None:
        """Make sure that writing changes no other file.

        Raises:
            DiskProblem: the part has a second name.
        """
        if self.has_other_name:
            raise DiskProblem(
                f"{self.path.name} in {self.path.parent} is linked to another file and is not written to.",
                hint="Remove that name; the file it is linked to stays.",
            )

    def finished(self, etag: str | None, resumed_from: int) -> Part:
        """What is known of the complete part."""
        return Part(path=str(self.path), size_bytes=self.size_bytes, md5=self.md5, etag=etag, resumed_from=resumed_from)

    def close(self) -> None:
        """Let go of the file; the bytes stay."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


@dataclass(slots=True)
class Kept:
    """What an earlier attempt left and this one can use."""

    file: PartFile
    """Open, its bytes hashed."""
    mark: Mark
    """Which version they belong to."""

    @property
    def complete(self) -> bool:
        """True when nothing is missing."""
        return self.file.size_bytes == self.mark.size_bytes


def take_up(
    part: Path, promise: Promise, *, pause: Callable[[], None], before_restart: Callable[[], None]
) -> Kept | None:
    """What an earlier attempt left; None when there is nothing, or nothing that can be vouched for, and it is dropped.

    Args:
        part: the part.
        promise: what the file will be.
        pause: called while hashing; may raise to give up.
        before_restart: called before bytes are dropped; may raise to refuse.

    Raises:
        DiskProblem: what stands there is no plain file, or cannot be read.
    """
    mark = read_mark(part, promise)
    file = PartFile.reopen(part, pause)
    if file is None:
        return None
    try:
        if mark is not None and file.size_bytes:
            kept = Kept(file, mark)
            if kept.complete and promise.md5 in (None, file.md5):
                return kept
            if mark.etag and (mark.size_bytes is None or file.size_bytes < mark.size_bytes):
                return kept
        if file.size_bytes:
            before_restart()
    except BaseException:
        file.close()
        raise
    file.close()
    drop(part)
    return None

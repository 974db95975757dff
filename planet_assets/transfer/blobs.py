"""A folder of files by their digest: what people upload, each byte sequence once, visible only when it is whole."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from planet_assets.exceptions import DiskProblem
from planet_assets.transfer import disk


class Incoming:
    """A file that is being received."""

    def __init__(self, folder: Path, part: Path, fd: int) -> None:
        """Begin with nothing."""
        self._folder, self._part, self._fd = folder, part, fd
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Take more of it.

        Raises:
            DiskProblem: the disk refused.
        """
        with disk.doing("write", self._part):
            disk.write_all(self._fd, memoryview(data))
        self._digest.update(data)
        self.size_bytes += len(data)

    def keep(self) -> str:
        """Make it durable under its digest, and say that.

        Raises:
            DiskProblem: the disk refused.
        """
        sha256 = self._digest.hexdigest()
        final = path_of(self._folder, sha256)
        with disk.doing("write", final):
            os.fsync(self._fd)
            final.parent.mkdir(exist_ok=True)
            os.replace(self._part, final)
        disk.sync_folder(final.parent)
        disk.sync_folder(self._folder)
        return sha256


@contextmanager
def receiving(folder: Path) -> Iterator[Incoming]:
    """A file to write into; what was not kept leaves nothing behind.

    Raises:
        DiskProblem: the folder cannot be used.
    """
    with disk.doing("make the folder", folder):
        folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{secrets.token_hex(16)}.part"
    fd = disk.open_new(part)
    try:
        yield Incoming(folder, part, fd)
    finally:
        os.close(fd)
        with suppress(DiskProblem):
            disk.remove(part)


def path_of(folder: Path, sha256: str) -> Path:
    """Where a file lies that has this digest."""
    return folder / sha256[:2] / sha256

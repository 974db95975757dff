"""Opens, writes and flushes files so that nothing foreign is followed, and says plainly what a disk refused."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from planet_assets.exceptions import DiskProblem

BLOCK_BYTES = 1 << 20
"""How much of a file is read at once."""

# Absent on Windows, where O_BINARY is needed instead and symbolic links need a privilege to be made.
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # opening a pipe must not wait for its writer
_BINARY = getattr(os, "O_BINARY", 0)

_HINTS = {
    errno.ENOSPC: ("the disk is full", "Free some space, then run again: what was received is used."),
    errno.EDQUOT: ("your disk quota is used up", "Free some of your space, then run again: what was received is used."),
    errno.EIO: ("the disk reports an input/output error", "Check the disk or the share before you run again."),
    errno.EROFS: ("the file system is read-only", "Choose another output folder."),
    errno.EACCES: ("permission was denied", "Choose an output folder you may write to."),
    errno.EPERM: ("the system does not permit it", "Choose an output folder you may write to."),
    errno.ENAMETOOLONG: ("the name or path is too long", "Choose an output folder with a shorter path."),
    errno.ELOOP: ("a symbolic link stands there", "Remove the link; planet_assets never writes through one."),
    errno.ENOENT: ("the folder or file is gone", "Check that the output folder still exists and is mounted."),
    errno.ENOTDIR: ("a part of the path is not a folder", "Choose another output folder."),
    errno.EISDIR: ("a folder stands there", "Move the folder away."),
    errno.EEXIST: ("something already stands there", "Move it away."),
    errno.ESTALE: ("the network share went away", "Mount it again, then run again."),
}


def disk_problem(error: OSError, verb: str, path: str | Path) -> DiskProblem:
    """The error to raise when the disk refused to "write", "open", ... the file at `path`."""
    code = error.errno or 0
    why, hint = _HINTS.get(code, (os.strerror(code) if code else "the system refused", "Check the disk and folder."))
    return DiskProblem(f"Cannot {verb} {Path(path).name} in {Path(path).parent}: {why}.", hint=hint)


@contextmanager
def doing(what: str, path: str | Path) -> Iterator[None]:
    """Turn an OSError of the block into a DiskProblem that says what was being done, and to which file."""
    try:
        yield
    except OSError as error:
        raise disk_problem(error, what, path) from None


def open_new(path: Path) -> int:
    """Create a private file that did not exist and open it for writing.

    Raises:
        DiskProblem: it exists, or cannot be created.
    """
    with doing("create", path):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY, 0o600)


def open_regular(path: Path, *, write: bool = False) -> int | None:
    """Open an existing plain file without following links; None when nothing is there.

    Raises:
        DiskProblem: it is a link, a folder, a pipe or a device, or cannot be opened.
    """
    flags = (os.O_RDWR if write else os.O_RDONLY) | _NOFOLLOW | _NONBLOCK | _BINARY
    try:
        fd = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_problem(error, "open", path) from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise DiskProblem(f"{path.name} in {path.parent} is not a plain file.", hint="Move it away.")
    return fd


def blocks(fd: int) -> Iterator[bytes]:
    """All of an open file from where it stands, in blocks.

    Raises:
        OSError: it cannot be read.
    """
    while block := os.read(fd, BLOCK_BYTES):
        yield block


def write_all(fd: int, data: memoryview) -> None:
    """Write every byte.

    Raises:
        OSError: the disk refused; what fitted is written.
    """
    while data:
        data = data[os.write(fd, data) :]


def fresh_path(path: Path) -> Path:
    """Where the next content of a small file is written before it takes the name."""
    return path.with_name(path.name + "~")


def write_private(path: Path, text: str, *, durable: bool = False) -> None:
    """Replace a small file, readable by its owner only, in one step.

    Raises:
        DiskProblem: it cannot be written.
    """
    fresh = fresh_path(path)
    remove(fresh)  # left by a crash
    fd = open_new(fresh)
    with doing("write", path):
        try:
            write_all(fd, memoryview(text.encode()))
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(fresh, path)


def read_private(path: Path, most_bytes: int = 65536) -> str | None:
    """The text of a small file; None when there is none, or it is no text, or too long to be ours.

    Raises:
        DiskProblem: something else stands there, or it cannot be read.
    """
    fd = open_regular(path)
    if fd is None:
        return None
    with doing("read", path):
        try:
            data = os.read(fd, most_bytes + 1)
        finally:
            os.close(fd)
    try:
        return data.decode() if len(data) <= most_bytes else None
    except UnicodeDecodeError:
        return None


def remove(path: Path) -> None:
    """Remove a file or link; fine when nothing is there.

    Raises:
        DiskProblem: it cannot be removed.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_problem(error, "remove", path) from None


_UNSYNCED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM}
"""What file systems answer that cannot flush a folder at all; there is nothing more to be had from them."""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, as far as the file system can.

    Raises:
        DiskProblem: the disk failed.
    """
    if os.name == "nt":
        return  # Windows cannot open a folder; NTFS journals names by itself
    try:
        fd = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError as error:
        if error.errno in _UNSYNCED:
            return
        raise disk_problem(error, "flush", folder) from None
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise disk_problem(error, "flush", folder) from None
    finally:
        os.close(fd)

"""Gives a verified part its final name: durable, never over another file, and cleans up beside it.

Order of writes: bytes flushed, name made, folder flushed, part name removed. A crash between any two leaves the part,
or the part and the final name of the same bytes, and `place` or `same_bytes` recognises both.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from contextlib import suppress
from errno import EEXIST, EMLINK, ENOSYS, ENOTSUP, EOPNOTSUPP, EPERM, EXDEV
from pathlib import Path

from planet_assets.exceptions import Corrupt, DiskProblem, Misused
from planet_assets.model.asset import Part
from planet_assets.transfer import disk
from planet_assets.transfer.parts import drop

_NAME_BYTES = 255 - len(".at-0123456789012")  # room for the longest name that is put beside a part
_NO_HARD_LINKS = {EPERM, EMLINK, ENOSYS, ENOTSUP, EOPNOTSUPP, EXDEV}

_UMASK = os.umask(0o077)  # it can only be read by setting it; done once, and in the meantime files are too private
os.umask(_UMASK)


def part_path(final: Path, fingerprint: str) -> Path:
    """Where the bytes of `final` gather: a hidden name in the same folder, short enough for every file system.

    Args:
        final: the name the file will get.
        fingerprint: tells this version of the file from others; letters, digits, `_` and `-`, at most 64.

    Raises:
        Misused: the fingerprint cannot be part of a name.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", fingerprint):
        raise Misused(f"{fingerprint!r} cannot be part of a file name.", argument="fingerprint")
    room = _NAME_BYTES - len(f"..{fingerprint}.part")
    name = os.fsencode(final.name)
    if len(name) > room:
        digest = hashlib.sha256(name).hexdigest()[:16]
        name = name[: room - len(digest)].decode(errors="ignore").encode() + digest.encode()
    return final.with_name(f".{os.fsdecode(name)}.{fingerprint}.part")


def kept_bytes(part: Path) -> int:
    """How many bytes an earlier attempt left in a part; 0 when there is none."""
    with suppress(OSError):
        found = os.lstat(part)
        return found.st_size if stat.S_ISREG(found.st_mode) else 0
    return 0


def place(part: Part, final: Path) -> None:
    """Give a verified part its final name, durably, and remove what lies beside it.

    Args:
        part: complete and checked.
        final: the name, in the same folder.

    Raises:
        DiskProblem: another file, a link or a folder stands there, or the disk failed; the part stays, unless its
            bytes could not be flushed: then it is removed, for nobody knows what it holds.
        Corrupt: the part is not the one that was checked.
    """
    source = Path(part.path)
    if _flush(part, source):
        try:
            _name(source, final)
        except FileExistsError:
            _adopt(part, final)
    else:
        _adopt(part, final)  # placed before, by an attempt that could not tell anybody
    disk.sync_folder(final.parent)
    discard(source)


def discard(part: Path) -> None:
    """Remove a part and all that lies beside it; fine when there is nothing.

    Raises:
        DiskProblem: something cannot be removed.
    """
    drop(part)
    disk.remove(_link_path(part))
    disk.remove(disk.fresh_path(_link_path(part)))


def keep_link(part: Path, url: str) -> None:
    """Remember the storage address of a part, for its owner's eyes only; the one place where it is ever stored.

    Raises:
        DiskProblem: it cannot be written.
    """
    disk.write_private(_link_path(part), url, durable=True)


def kept_link(part: Path) -> str | None:
    """The storage address that belongs to a part; None when none is kept.

    Raises:
        DiskProblem: it cannot be read.
    """
    url = (disk.read_private(_link_path(part)) or "").strip()
    return url if url.startswith(("https://", "http://")) and url.isprintable() else None


def drop_link(part: Path) -> None:
    """Forget the storage address of a part.

    Raises:
        DiskProblem: it cannot be removed.
    """
    disk.remove(_link_path(part))


def ensure_folder(path: str | Path) -> None:
    """Make an output folder and prove that files can be made in it.

    Raises:
        DiskProblem: it cannot be made or written to.
    """
    folder = Path(path)
    with disk.doing("make the folder", folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise DiskProblem(f"{folder} is a file, not a folder.", hint="Choose another output folder.") from None
        _probe(folder)


def try_folder(path: str | Path) -> None:
    """Prove that files can be made in an output folder, or that it can be made; nothing stays behind.

    Raises:
        DiskProblem: it cannot be made or written to.
    """
    folder = place = Path(path).absolute()
    with disk.doing("make the folder", folder):
        while not place.exists() and place != place.parent:
            place = place.parent
        if place == folder:
            ensure_folder(folder)
            return
        trial = place / f".probe-{secrets.token_hex(8)}"
        trial.mkdir()
        trial.rmdir()


def _probe(folder: Path) -> None:
    probe = folder / f".probe-{secrets.token_hex(8)}"
    fd = disk.open_new(probe)
    try:
        disk.write_all(fd, memoryview(b"?"))
    finally:
        os.close(fd)
        probe.unlink()


def same_bytes(path: str | Path, md5: str) -> bool:
    """True when a plain file stands at the path and has this digest.

    Raises:
        DiskProblem: something else stands there, or it cannot be read.
    """
    fd = disk.open_regular(Path(path))
    if fd is None:
        return False
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with disk.doing("read", path):
            for block in disk.blocks(fd):
                digest.update(block)
    finally:
        os.close(fd)
    return digest.hexdigest() == md5.lower()


def _link_path(part: Path) -> Path:
    return part.with_name(part.name + ".link")


def _flush(part: Part, source: Path) -> bool:
    """Make the bytes durable and readable as the user's other files are; False when there is no such file."""
    fd = disk.open_regular(source, write=True)
    if fd is None:
        return False
    try:
        size = os.fstat(fd).st_size
        if size != part.size_bytes:
            raise Corrupt(
                f"{source.name} changed after it was checked.",
                hint="Does another program write to this folder? The next attempt fetches the file anew.",
                expected=f"{part.size_bytes} bytes",
                got=f"{size} bytes",
            )
        if hasattr(os, "fchmod"):
            with suppress(OSError):  # FAT and some shares know no modes
                os.fchmod(fd, 0o666 & ~_UMASK)
        try:
            os.fsync(fd)
        except OSError as error:
            disk.remove(source)  # after a failed flush the system forgets which blocks it has lost
            raise disk.disk_problem(error, "flush", source) from None
    finally:
        os.close(fd)
    return True


def _name(source: Path, final: Path) -> None:
    """Make the final name lead to the bytes, or raise FileExistsError; never replaces anything."""
    try:
        if os.name == "nt":
            os.rename(source, final)  # refuses by itself when the name is taken
        else:
            os.link(source, final)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS or os.name == "nt":
            raise disk.disk_problem(error, "name", final) from None
        _rename_alone(source, final)


def _rename_alone(source: Path, final: Path) -> None:
    """Rename where there are no hard links: look, then rename, while a lock file keeps our other processes out.

    A reader still sees the whole file or none, for the rename itself is one step.
    """
    lock = part_path(final, "naming").with_suffix(".lock")
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise DiskProblem(
            f"Another process is naming {final.name} at this moment.",
            hint=f"Run again; if nothing else runs, remove {lock.name} in {lock.parent}.",
        ) from None
    except OSError as error:
        raise disk.disk_problem(error, "lock", final) from None
    try:
        if os.path.lexists(final):
            raise FileExistsError(EEXIST, os.strerror(EEXIST))
        with disk.doing("name", final):
            os.rename(source, final)
    finally:
        disk.remove(lock)


def _adopt(part: Part, final: Path) -> None:
    """Accept what stands at the final name if it is the same file.

    Raises:
        DiskProblem: it is something else.
    """
    try:
        found = os.lstat(final)
    except OSError as error:
        raise disk.disk_problem(error, "find", final) from None
    same = stat.S_ISREG(found.st_mode) and found.st_size == part.size_bytes and same_bytes(final, part.md5)
    if not same:
        what = "A different file" if stat.S_ISREG(found.st_mode) else "A link or folder"
        raise DiskProblem(
            f"{what} named {final.name} already stands in {final.parent} and is not overwritten.",
            hint="Move it away, or choose another output folder, then run again: nothing is fetched twice.",
        )

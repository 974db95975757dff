"""SQLite on a network file system: told by the mount table, and admitted one process at a time by a lease file.

WAL needs memory that processes share, and locks are unsafe there; a hard link and a rename are atomic on all of them.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from contextlib import suppress
from pathlib import Path

from planet_assets.exceptions import LibraryLocked
from planet_assets.library.owners import is_dead, this_process

NETWORK_FILE_SYSTEMS = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "lustre",
        "gpfs",
        "beegfs",
        "glusterfs",
        "ceph",
        "afs",
        "fuse.sshfs",
        "9p",
        "fuse.glusterfs",
        "panfs",
        "wekafs",
    ]
)
MOUNTS = Path("/proc/mounts")

_guard = threading.Lock()
_held: dict[Path, int] = {}
"""Lease -> how often this process holds it."""


def file_system_of(folder: Path) -> str:
    """Type of the file system a folder lies on, for example ext4 or nfs4; empty where nobody says."""
    try:
        mounts = MOUNTS.read_text()
    except OSError:
        return ""
    folder = folder.resolve()
    best, kind = "", ""
    for line in mounts.splitlines():
        _, point, found, *_ = line.split(" ")
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
        if folder.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return kind


def take_lease(library: Path) -> Path:
    """Hold a library for this process alone; it may take it several times.

    Raises:
        LibraryLocked: another process holds it.
    """
    lease = library.with_name(library.name + ".lease")
    with _guard:
        if not _held.get(lease):
            _link(library, lease)
        _held[lease] = _held.get(lease, 0) + 1
    return lease


def give_lease(lease: Path) -> None:
    """Give a lease back; the last one to do so frees it."""
    with _guard:
        _held[lease] -= 1
        if not _held[lease]:
            with suppress(FileNotFoundError):
                lease.unlink()


def _link(library: Path, lease: Path) -> None:
    mine = library.with_name(f"{library.name}.{os.getpid()}.lease")
    mine.write_text(this_process())
    try:
        _inherit(mine, lease)
        if not lease.exists() or lease.read_text() != this_process():
            os.link(mine, lease)
    except (FileExistsError, FileNotFoundError):
        raise _busy(library, lease) from None
    finally:
        mine.unlink(missing_ok=True)


def _inherit(mine: Path, lease: Path) -> None:
    """Replace the lease of a dead process.

    Of several that find it dead, one gets the link that is named after the dead one, and only it may replace.
    """
    try:
        owner = lease.read_text()
    except FileNotFoundError:
        return
    if not is_dead(owner):
        return
    turn = lease.with_name(f"{lease.name}.{hashlib.sha256(owner.encode()).hexdigest()[:12]}")
    os.link(mine, turn)
    try:
        if lease.read_text() == owner:
            mine.rename(lease)
    finally:
        turn.unlink()


def _busy(library: Path, lease: Path) -> LibraryLocked:
    try:
        owner = lease.read_text()
    except OSError:
        owner = "another process"
    return LibraryLocked(
        f"The library {library} lies on a network file system and is in use by {owner}.",
        hint=f"Wait, or remove {lease.name} if that process is gone, or use PostgreSQL for several machines.",
    )

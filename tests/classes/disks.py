"""Seven ways in which the disk fails; the system itself refuses, by strace's injection or a real file system."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from classes import fault

if TYPE_CHECKING:
    from stage import Stage


@fault(
    "ENOSPC", "disk", "clean",
    happens="the disk is full in mid-file",
    seen="that the disk is full and where; what was received is used when there is room",
    words="disk is full", code=1,
)  # fmt: skip
def no_space(stage: Stage) -> None:
    stage.injected("write:error=ENOSPC", path=stage.part)


@fault(
    "EDQUOT", "disk", "clean",
    happens="the user's share of the disk is used up",
    seen="that your disk quota is used up and where",
    words="disk quota is used up", code=1,
)  # fmt: skip
def no_quota(stage: Stage) -> None:
    stage.injected("write:error=EDQUOT", path=stage.part)


@fault(
    "EIO", "disk", "clean",
    happens="the disk fails to write",
    seen="an input/output error and where; what was received is dropped, for nobody knows what it holds",
    words="input/output", code=1,
)  # fmt: skip
def failing(stage: Stage) -> None:
    stage.injected("write:error=EIO", path=stage.part)


@fault(
    "fsync EIO", "disk", "clean",
    happens="the disk fails to flush",
    seen="an input/output error and where; the file gets no name",
    words="input/output", code=1,
)  # fmt: skip
def unflushed(stage: Stage) -> None:
    stage.injected("fsync:error=EIO", path=stage.part)


@fault(
    "read-only", "disk", "clean",
    happens="the output folder is on a read-only file system",
    seen="that the file system is read-only or the folder not writable, before anything is spent",
    words="read-only|permission", code=1,
)  # fmt: skip
def read_only(stage: Stage) -> None:
    folder = stage.final.parent
    folder.mkdir()
    if os.getuid() != 0:
        folder.chmod(0o500)
        stage.mending.append(lambda: folder.chmod(0o700))
        return
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("root may not mount here, and no mode forbids it anything")
    stage.mending.append(lambda: subprocess.run(["umount", str(folder)], check=True) and None)
    stage.ending.append(
        lambda: subprocess.run(["umount", "-q", str(folder)], capture_output=True, check=False) and None
    )


@fault(
    "EXDEV", "disk", "recovered",
    happens="a part cannot be linked to its final name, as between two disks",
    seen="nothing: it is renamed under a lock, never over another file",
)  # fmt: skip
def other_disk(stage: Stage) -> None:
    stage.injected("link,linkat:error=EXDEV", path=stage.part)


@fault(
    "symlink or folder at the target/symlink", "disk", "clean",
    happens="a symbolic link stands at the target",
    seen="that something stands there which is not ours; nothing is written through it; nothing was spent",
    words="is there already|stands", code=1,
)  # fmt: skip
def symlink(stage: Stage) -> None:
    stage.final.parent.mkdir()
    precious = stage.folder / "precious"
    precious.write_bytes(b"mine")
    stage.final.symlink_to(precious)

    def away() -> None:
        assert precious.read_bytes() == b"mine"
        stage.final.unlink()

    stage.mending.append(away)


@fault(
    "symlink or folder at the target/folder", "disk", "clean",
    happens="a folder stands at the target",
    seen="that something stands there which is not ours; nothing was spent",
    words="is there already|stands|folder", code=1,
)  # fmt: skip
def folder(stage: Stage) -> None:
    stage.final.mkdir(parents=True)
    stage.mending.append(stage.final.rmdir)

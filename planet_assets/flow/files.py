"""What a job does among files besides fetching: its part, room on the disk, a second name, and tidying up.

Part files of cancelled jobs are removed; those of failed jobs stay, because a retry goes on with them at no charge.
"""

from __future__ import annotations

import glob
import os
import shutil
from pathlib import Path

from planet_assets.exceptions import Corrupt, DiskProblem
from planet_assets.library import copies
from planet_assets.library.engine import Library
from planet_assets.model.asset import Part
from planet_assets.model.job import DownloadJob
from planet_assets.model.plan import Plan
from planet_assets.transfer import place as placing
from planet_assets.transfer.check import free_bytes

SUPERSEDED = "superseded"
"""Folder beside the files for earlier makings of republished assets."""

HEADROOM_BYTES = 32_000_000
"""Left free on the disk beside a download, for the library and the rest of the world."""


def part_of(job: DownloadJob) -> Path:
    """Where the bytes of a job gather; a retry of the same version gathers there too."""
    return placing.part_path(Path(job.path), (job.md5 or job.id)[:12])


def forget_part(job: DownloadJob) -> None:
    """Remove the part of a job that is done."""
    placing.discard(part_of(job))


def forget_parts(job: DownloadJob) -> None:
    """Remove what a job has left unfinished on disk."""
    sweep_parts(Path(job.path))
    if job.clipped_path is not None:
        sweep_cuts(Path(job.clipped_path))


def sweep_parts(final: Path) -> None:
    """Remove every part of a file; a republished file leaves that of the earlier version behind."""
    for left in final.parent.glob(f".{glob.escape(final.name)}.*.part*"):
        left.unlink(missing_ok=True)


def sweep_cuts(target: Path) -> None:
    """Remove what a killed process had begun to cut; an asset is worked on by one job at a time."""
    for left in target.parent.glob(f".{glob.escape(target.name[:120])}.*.cut*"):
        left.unlink(missing_ok=True)


def forget_bytes(part: Path) -> None:
    """Throw away what was received, but keep the address: starting over on the same link charges nothing."""
    address = placing.kept_link(part)
    placing.discard(part)
    if address is not None:
        placing.keep_link(part, address)


def put_aside(library: Library, job: DownloadJob) -> bool:
    """Make room for a new making of an asset: the held file of an earlier one, and its cut, go to `superseded`.

    Returns:
        False when the file there is not a copy of the same asset that the library knows; then nothing was moved.
    """
    paths = [Path(path) for path in (job.path, job.clipped_path) if path is not None]
    known = copies.at(library, paths)
    whole = known.get(paths[0])
    if whole is None or whole.key != job.key or not whole.is_there or whole.path.is_symlink():
        return False
    mark = (whole.version.md5 or whole.digest or job.id)[:8]
    for one in known.values():
        if one.key == job.key and one.path.exists():
            target = one.path.parent / SUPERSEDED / f"{one.path.stem}_{mark}{one.path.suffix}"
            placing.ensure_folder(target.parent)
            rename(one.path, target)
            copies.move(library, one.path, target)
    return True


def rename(source: Path, target: Path) -> None:
    """Give a file another place on its disk; never over another file.

    Raises:
        DiskProblem: something stands there, or the disk refuses.
    """
    if os.path.lexists(target):
        raise DiskProblem(f"{target} is there already and is not overwritten.", hint="Move it away, then try again.")
    try:
        os.rename(source, target)
    except OSError as error:
        raise DiskProblem(f"{source} cannot be moved to {target}: {error.strerror}.") from None


def refuse_bad_disk(plan: Plan) -> None:
    """Stop a plan that cannot be written or does not fit, before anybody is asked and anything is reserved.

    Raises:
        DiskProblem: no file can be made in its folder, or it may need more than is free.
    """
    wants = [*plan.wants, *plan.already_held, *(want for want, _ in plan.under_way)]
    for folder in dict.fromkeys(Path(want.path).parent for want in wants):
        placing.try_folder(folder)
    if plan.wants:
        _refuse(Path(plan.wants[0].path).parent, plan.impact.bytes_high, f"{len(plan.wants)} files")


def refuse_no_room(job: DownloadJob) -> None:
    """Stop a job before its link is opened, when the disk has filled up meanwhile.

    Raises:
        DiskProblem: what is missing of it, as far as its length is known, does not fit.
    """
    missing = max(0, (job.size_bytes or 0) - placing.kept_bytes(part_of(job)))
    _refuse(Path(job.path).parent, missing, Path(job.path).name)


def _refuse(folder: Path, needed: int, what: str) -> None:
    free = free_bytes(folder)
    if free < needed + HEADROOM_BYTES:
        raise DiskProblem(
            f"The disk of {folder} has {free / 1e6:,.0f} MB left, too little for {what}: up to {needed / 1e6:,.0f} MB, "
            f"and {HEADROOM_BYTES / 1e6:,.0f} MB to spare. Nothing was spent.",
            hint="Free some space or choose another folder, then try again.",
        )


def link_or_copy(source: Path, target: Path, md5: str | None) -> str:
    """Give a held file a second name, or copy it where the file system cannot; never over another file.

    What changed since it was verified gets no second name.
    """
    if target.exists():
        if md5 and placing.same_bytes(target, md5):
            return "present"
        raise DiskProblem(f"{target} is there already and is another file.", hint="Choose another output folder.")
    if md5 and not placing.same_bytes(source, md5):
        raise Corrupt(
            f"{source} is not what it was when it was fetched.", hint="Move it away and plan again to fetch it anew."
        )
    try:
        os.link(source, target)
        return "linked"
    except OSError:
        beside = placing.part_path(target, "copy")
        shutil.copyfile(source, beside)
        if md5 and not placing.same_bytes(beside, md5):
            raise Corrupt(f"The copy of {source} is not the same.", hint="Check the disk, then retry.") from None
        placing.place(Part(path=str(beside), size_bytes=beside.stat().st_size, md5=md5 or ""), target)
        return "copied"

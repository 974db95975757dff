"""Partial reads: of a whole scene that is charged all the same, only the region's tiles cross the network.

One link, opened once; every range holds on to one version by its ETag, since the md5 of the whole says nothing of a
part. Where a part cannot be had, the whole is fetched over the same link, which charges nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from planet_assets.exceptions import Corrupt, Unsafe
from planet_assets.flow import files
from planet_assets.library import copies
from planet_assets.library.engine import Library
from planet_assets.model.asset import Promise
from planet_assets.model.event import PartRead
from planet_assets.model.job import DownloadJob
from planet_assets.rules import naming
from planet_assets.transfer import place as placing
from planet_assets.transfer.ranges import NoRanges, Ranges, VersionChanged

if TYPE_CHECKING:
    from planet_assets.transfer.fetch import Fetcher

VERSIONS = 3
"""Times that a file may change while it is read, before the whole is fetched."""

PROMISE = Promise(media="tiff")


def wanted(job: DownloadJob) -> bool:
    """True when only the region's tiles are to be read."""
    cut = job.clipping if job.clipped_path is not None and job.roi_wkt is not None else None
    return job.route == "data" and cut is not None and cut.partial_read


def tiles_path(job: DownloadJob) -> Path:
    """Where the tiles of a job's region gather: named by the version of the file, and the region."""
    buffer_m = 0.0 if job.clipping is None else job.clipping.buffer_m
    fingerprint = f"{(job.md5 or job.id)[:12]}-{naming.roi_digest(job.roi_wkt or '', buffer_m)}"
    part = placing.part_path(Path(job.path), fingerprint)
    return part.with_name(part.name + ".tiles")


def kept(job: DownloadJob, now: datetime) -> PartRead | None:
    """The tiles that an earlier try read, of the same version and region; None when there are none."""
    path = tiles_path(job)
    if not wanted(job) or path.is_symlink() or not path.is_file():
        return None
    return PartRead(at=now, read_bytes=path.stat().st_size, whole_bytes=None)


def is_held_cut(library: Library, job: DownloadJob, source: Path) -> bool:
    """True when a held file is the very cut that a job is to make, of a scene that is not held whole."""
    known = copies.at(library, [source]).get(source) if wanted(job) else None
    return known is not None and known.cut == naming.roi_digest(job.roi_wkt or "", job.clipping)


def read(
    fetcher: Fetcher,
    job: DownloadJob,
    url: str,
    *,
    began: Callable[[int], None],
    on_progress: Callable[[int, int | None], None],
    stopped: Callable[[], bool],
    now: Callable[[], datetime],
) -> PartRead | str:
    """Read the tiles of a job's region; or why the whole has to be fetched, in words.

    Args:
        fetcher: asks.
        job: whose region.
        url: Planet's link, or the storage address it led to.
        began: told offset 0 when the first answer is in.
        on_progress: told tile bytes read, and all that are due.
        stopped: True ends it.
        now: the time.

    Raises:
        LinkExpired, TryLater, OverQuota, Unsafe: as `Fetcher.fetch`.
        OSError: the disk refused.
    """
    from shapely import from_wkt

    from planet_assets.raster.region import HEADER_BLOCK_BYTES, Unfit, read_region

    part, target, cut, why = files.part_of(job), tiles_path(job), job.clipping, "it changes while it is read"
    region, buffer_m = from_wkt(job.roi_wkt), 0.0 if cut is None else cut.buffer_m
    for _ in range(VERSIONS):
        ranges = fetcher.ranges(
            placing.kept_link(part) or url,
            part,
            PROMISE,
            on_resolved=lambda address: placing.keep_link(part, address),
            on_start=began,
            stopped=stopped,
        )
        with suppress(VersionChanged):
            try:
                head = ranges.read(0, HEADER_BLOCK_BYTES)

                def ask(start: int, length: int, head: bytes = head, ranges: Ranges = ranges) -> bytes:
                    return head if (start, length) == (0, len(head)) else ranges.read(start, length)

                name = Path(job.path).name
                read_region(
                    ask, ranges.size_bytes, target, region, buffer_m=buffer_m, name=name, on_progress=on_progress
                )
            except (NoRanges, Unfit, Corrupt, Unsafe) as error:
                if isinstance(error, Unsafe) and not ranges.size_bytes:
                    raise
                if placing.kept_link(part) is None:
                    placing.keep_link(part, url)  # it led nowhere else: the bytes are there
                return str(error)
            placing.drop_link(part)
            return PartRead(at=now(), read_bytes=ranges.read_bytes, whole_bytes=ranges.size_bytes)
    return why

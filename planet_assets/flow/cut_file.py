"""The last step of a job whose file is cut here: from the placed file, and the UDM2 where one masks, to the cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from planet_assets.exceptions import ClipFailed, Corrupt, OutsideRaster, Unsafe
from planet_assets.flow import files, partial
from planet_assets.flow.masking import clear_share_of, masks_for
from planet_assets.library import copies
from planet_assets.library.engine import Library
from planet_assets.model.event import Clipped, Event, MaskAwaited, NotClipped
from planet_assets.model.job import DownloadJob
from planet_assets.model.ports import Clock
from planet_assets.rules import naming


def cut_file(library: Library, job: DownloadJob, clock: Clock, stopped: Callable[[], bool]) -> Event:
    """Cut the file of a job; blocks.

    Raises:
        ClipFailed: it cannot be cut or masked.
        Corrupt, Unsafe, DiskProblem: a file cannot be trusted, read or written.
    """
    from shapely import from_wkt

    from planet_assets.raster.clip import clip

    if job.clipping is None or job.clipped_path is None or job.roi_wkt is None:
        return NotClipped(at=clock.now(), reason="nothing to cut")
    target = Path(job.clipped_path)
    known = copies.at(library, [target]).get(target)
    if known is not None and known.is_there and known.cut == naming.roi_digest(job.roi_wkt, job.clipping):
        return Clipped(at=clock.now(), size_bytes=known.size_bytes, clear_share=clear_share_of(library, known))
    masks = masks_for(library, job, clock.now()) if job.clipping.mask_unusable else None
    if isinstance(masks, MaskAwaited):
        return masks
    files.sweep_cuts(target)
    region, over, source = from_wkt(job.roi_wkt), target.exists(), _source(job)
    try:
        cut = clip(source, target, region, job.clipping, udm2=masks, overwrite=over, stopped=stopped)
    except OutsideRaster as error:
        return NotClipped(at=clock.now(), reason=error.message)
    except (Corrupt, Unsafe):
        if job.read_bytes is not None:
            source.unlink(missing_ok=True)  # another try must not go on with it
        raise
    return Clipped(at=clock.now(), size_bytes=cut.bytes, clear_share=cut.known_clear_share)


def _source(job: DownloadJob) -> Path:
    """The whole file, or the tiles that were read of it.

    Raises:
        ClipFailed: the tiles are gone.
    """
    if job.read_bytes is None:
        return Path(job.path)
    tiles = partial.tiles_path(job)
    if not tiles.is_file():
        raise ClipFailed(f"What was read of {Path(job.path).name} is gone.", hint="Retry; that is charged again.")
    return tiles

"""The UDM2 by which unusable pixels are masked: whether a plan brings it, and where it is when a file is cut."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from planet_assets.exceptions import ClipFailed, Misused, OutsideRaster
from planet_assets.library import copies
from planet_assets.library import jobs as job_rows
from planet_assets.library.engine import Library
from planet_assets.model.asset import AssetStatus
from planet_assets.model.clearness import ClearShare
from planet_assets.model.event import MaskAwaited
from planet_assets.model.job import DownloadJob
from planet_assets.model.selection import Chosen
from planet_assets.rules import lifecycle, naming, udm2

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from planet_assets.flow.plan import Request

LOOK_AGAIN = timedelta(seconds=1)
PATIENCE = timedelta(minutes=30)
"""How long a cut waits for a UDM2 of which nothing is heard."""


def refuse_unmaskable(library: Library | None, request: Request, chosen: Chosen) -> None:
    """Stop a plan that is to mask by UDM2s which it neither brings nor finds held; before anything is spent.

    Raises:
        Misused: scenes lack theirs, by name.
    """
    if request.clipping is None or not request.clipping.mask_unusable:
        return
    if '"composite"' in request.tools:
        raise Misused("A composite cannot be masked by the UDM2s of its scenes.", argument="clipping_config")
    given = [*chosen.fetch, *chosen.held]
    images = [(item, name) for item, name in given if naming.is_raster(name) and not udm2.is_udm2(name)]
    brought = {(*item.ref, name) for item, name in given}
    needed = {(*item.ref, udm2.udm2_type(name)) for item, name in images} - brought
    held = copies.any_of(library, needed) if library is not None and needed else {}
    missing = sorted(key[1] for key in needed if key not in held)
    if not missing:
        return
    kinds = sorted({key[2] for key in needed if key not in held})
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    raise Misused(
        f"mask_unusable needs the UDM2 of each scene, and that of {missing[0]}{more} is neither held nor asked for.",
        hint=f"Add {', '.join(kinds)} to the asset types (its price is in the plan), or leave out scenes without one.",
        argument="clipping_config",
    )


def masks_for(library: Library, job: DownloadJob, now: datetime) -> list[Path] | MaskAwaited:
    """The UDM2 files that may mask a job's file, whole ones first; or that one is on its way.

    Raises:
        ClipFailed: there is none, and nobody brings it now.
    """
    key = (job.item_type, job.scene_id, udm2.udm2_type(job.asset_type))
    moving = job_rows.unfinished_of(library, key)
    found = [one.path for one in copies.any_of(library, {key}).get(key, []) if one.is_there]
    if found and not moving:
        return found
    alive = job_rows.held_elsewhere(library, [other.id for other in moving], owner="", now=now)
    for other in moving:
        stuck = other.status is AssetStatus.WAITING or lifecycle.is_stuck(other) or now - other.updated_at > PATIENCE
        if other.id in alive and not stuck:
            return MaskAwaited(at=now, look_again_at=now + LOOK_AGAIN)
    if found:
        return found
    raise ClipFailed(
        f"The UDM2 of {job.scene_id} is not there, so what is unusable cannot be masked.",
        hint="Retry when it is there: the file is held, so that costs nothing.",
    )


def clear_share_of(library: Library, cut: copies.Held) -> float | None:
    """The clear share that was found when a file was cut."""
    made_by = job_rows.load(library, [cut.job_id]) if cut.job_id is not None else []
    return made_by[0].clear_share if made_by else None


def clear_shares(
    library: Library,
    roi: BaseGeometry,
    now: datetime,
    *,
    ids: Collection[str] = (),
    classes: Collection[str] = ("clear",),
    min_confidence: int = 0,
) -> dict[str, ClearShare]:
    """Scene id -> clear share over a region, by held UDM2s; of a scene held twice the whole file counts."""
    from planet_assets.raster.usable import usable_mask

    masks = [one for one in copies.every(library) if one.key[2] == "ortho_udm2" and one.is_there]
    best: dict[str, copies.Held] = {}
    for one in sorted(masks, key=lambda one: one.cut == ""):
        if not ids or one.key[1] in ids:
            best[one.key[1]] = one
    shares: dict[str, ClearShare] = {}
    for scene_id, one in sorted(best.items()):
        with suppress(OutsideRaster):
            found = usable_mask(one.path, roi, classes=classes, min_confidence=min_confidence)
            shares[scene_id] = ClearShare(share=found.clear_share, mode="UDM2", as_of=now)
    return shares

"""Download jobs: one want being carried out. Nothing here needs shapely, so that listing jobs starts fast."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from planet_assets.exceptions import Misused
from planet_assets.model import shown
from planet_assets.model.asset import AssetStatus

Purchase = tuple[str, str, str, str]
"""Item type, item id, asset type, and the region Planet clips to (eight hex digits, empty for whole files)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clipping:
    """How a raster is cut to the ROI."""

    buffer_m: float = 0.0
    """Metres on the ground to add around the ROI; negative to shrink it."""
    output_format: str = "GTiff"
    """GTiff or COG."""
    compression: str = "deflate"
    """lzw, deflate, zstd or none."""
    overviews: bool = False
    """True to add overviews."""
    extent: str = "window"
    """window: the exact pixels of the ROI; tiles: snapped outward to the source's tiles."""
    mask_unusable: bool = False
    """True to set to nodata what the scene's UDM2 does not call clear."""
    partial_read: bool = False
    """True to read only the region's tiles of a whole scene; the cut is the same, and so is the charge."""

    def __str__(self) -> str:
        """What makes two cuts the same; names and rows of earlier versions hold a digest of it."""
        before = ("buffer_m", "output_format", "compression", "overviews", "extent")
        words = [f"{name}={getattr(self, name)!r}" for name in before]
        return f"Clipping({', '.join([*words, *(['mask_unusable=True'] if self.mask_unusable else [])])})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed for a job when it was made; a later process keeps to it."""

    retry_attempts: int = 3
    """Tries of a step after the first before the job fails."""
    retry_delay_s: float = 5.0
    """First pause before a step is tried again; it doubles."""
    repeat: str = "each"
    """each: every start at byte 0 on a new link charges; once: an asset charges once. Source: assumed."""
    allow_unknown_quota: bool = False
    """True when the answer covered a quota nobody could tell."""
    style: str = "consumption"
    """consumption or aum: how Planet charges the subscription."""
    term: str = ""
    """aum: the term in which unlocked ground stays free; empty when nobody knows."""
    types: str = "each"
    """each: every raster asset of a scene charges; first: only the first one."""
    keep_whole: bool = True
    """False to remove the whole file once the cut one stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadJob:
    """One want being carried out, as it was at some moment."""

    id: str
    """Names the job, across processes."""
    batch_id: str
    """Names the plan it belongs to."""
    account: str
    """Whose quota it spends: the ledger's account."""
    item_type: str
    """For example PSScene."""
    scene_id: str
    """Planet's id of the item."""
    asset_type: str
    """For example ortho_analytic_4b."""
    route: str
    """data or orders."""
    path: str
    """Absolute path of the whole file."""
    clipped_path: str | None
    """Absolute path of the cut file; None when nothing is cut."""
    roi_wkt: str | None
    """What to cut it to, lon/lat WKT."""
    clipping: Clipping | None
    """How to cut; None when nothing is cut."""
    terms: Terms
    """What was agreed for it."""
    km2: float
    """What one start of the download charges."""
    created_at: datetime
    """When it was made, UTC."""
    updated_at: datetime
    """When it last moved, UTC."""
    status: AssetStatus = AssetStatus.PENDING
    """How far it has come."""
    revision: int = 0
    """Counts the events recorded; guards the row."""
    bundle: str | None = None
    """Product bundle that delivers it; None by the Data route."""
    tools: str = ""
    """What else Planet does to the files, as JSON; empty for nothing."""
    members: tuple[str, ...] = ()
    """Ids of the scenes of a composite; its own id names no scene."""
    order_group: str | None = None
    """Jobs of one group are ordered together; None by the Data route."""
    order_km2: float = 0.0
    """What an order charges for the item and bundle; `km2` is that for one job of them, and 0 for the others."""
    whole_km2: float = 0.0
    """What the Data route would charge instead of an order."""
    order_name: str | None = None
    """Our name of the latest order that was about to be placed for it."""
    order_id: str | None = None
    """Planet's id of the order, once it is known to stand."""
    order_asked_at: datetime | None = None
    """When the order was about to be placed."""
    activation_asked_at: datetime | None = None
    """When Planet was asked to make the asset ready."""
    ground_wkt: str | None = None
    """aum: the ground its charge unlocks, lon/lat WKT; None where the price depends on no ground."""
    counted_wkt: str | None = None
    """aum: the part of that ground which its order counts with this job, lon/lat WKT; empty for none."""
    charged: bool = False
    """True once it is certain that Planet has charged whatever this asset charges: bytes came, or an order's file."""
    starts: int = 0
    """Starts of the download that the ledger counts as charged."""
    agreed_km2: float = 0.0
    """What was confirmed for it, and agreed to since."""
    held_km2: float = 0.0
    """Reserved and not yet committed."""
    spent_km2: float = 0.0
    """Committed to the ledger."""
    charge: str = "none"
    """What is known of the present link's charge: none, intended, unknown (asked, the answer is lost), resumed (by
    Range, so it was free and is not paid for) or answered (paid for)."""
    at_stake_km2: float = 0.0
    """What the present link's start counts: committed for a start at byte 0, held back while resuming."""
    link_opened_at: datetime | None = None
    """When the present link was opened: the day its start counts on."""
    resuming: bool = False
    """True while a kept part is continued on a link that is not paid for; its price is held back meanwhile."""
    held_copy: str | None = None
    """Path of a file the library already holds; nothing is charged then."""
    md5: str | None = None
    """Digest Planet promised."""
    size_bytes: int | None = None
    """Length of the whole file."""
    bytes_done: int = 0
    """Bytes on disk so far."""
    digest: str | None = None
    """md5 of the received file, once it is whole."""
    verified_by: str | None = None
    """How the file was checked: md5, length, or structure; etag where only parts of it were read, all of one version,
    so that its md5 could not be checked; None before."""
    read_bytes: int | None = None
    """Bytes that were read of a file of which only the region's tiles were, 0 where the cut was held; None where it
    was fetched whole."""
    whole_bytes: int | None = None
    """Length of the file of which parts were read."""
    clip_outcome: str | None = None
    """cut, or the reason why nothing was cut; None before."""
    clear_share: float | None = None
    """Of the ROI's pixels that the satellite saw, the share that is usable by the UDM2; None where none was masked."""
    attempts: int = 0
    """Tries of the present step that failed."""
    renewals: int = 0
    """Fresh links that were asked for because one had expired."""
    spoiled: int = 0
    """Times that what was received was not what was promised."""
    not_before: datetime | None = None
    """When to look again; None for now."""
    error_kind: str = ""
    """Name of the exception class that ended or delays it."""
    error_message: str | None = None
    """What is wrong and what to do, in words."""
    file_bytes: int = 0
    """Size of the file under its final name."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Item type, item id and asset type: what names the asset."""
        return self.item_type, self.scene_id, self.asset_type

    @property
    def purchase(self) -> Purchase:
        """What a charge is for: the asset, and by the Orders route the region it is clipped to."""
        return purchase(self.key, self.route, self.roi_wkt, self.tools)

    @property
    def progress_percentage(self) -> float:
        """Share of the bytes that have arrived, 0 to 100; 100 when completed."""
        if self.status is AssetStatus.COMPLETED:
            return 100.0
        if not self.size_bytes:
            return 0.0
        return min(100.0, 100.0 * self.bytes_done / self.size_bytes)

    @property
    def downloaded_file_path(self) -> Path | None:
        """The file to use: the cut one where one was made, else the whole one; None until completed."""
        return self.clipped_file_path or self.original_file_path

    @property
    def original_file_path(self) -> Path | None:
        """The whole file as Planet made it; None until completed, and where it was not kept."""
        if self.status is not AssetStatus.COMPLETED or self.route == "orders" or self.read_bytes is not None:
            return None
        return Path(self.path) if self.terms.keep_whole or self.clip_outcome != "cut" else None

    @property
    def clipped_file_path(self) -> Path | None:
        """The cut file, cut here or at Planet; None until completed, and where nothing was cut."""
        if self.status is not AssetStatus.COMPLETED:
            return None
        if self.route == "orders" and (self.clipped_path is None or self.clip_outcome != "cut"):
            return Path(self.path)
        return Path(self.clipped_path) if self.clip_outcome == "cut" and self.clipped_path else None

    @property
    def file_size_mb(self) -> float:
        """Size of the file to use, in MB of 1,000,000 bytes."""
        return self.file_bytes / 1e6

    def open(self) -> AbstractContextManager[Any]:
        """The file to use as a rasterio dataset, in a `with`; GeoTIFF only, nothing else is opened or fetched.

        Raises:
            Misused: the job has no file yet, or it is no raster.
            Unsafe, Corrupt, DiskProblem: as it is found on disk.
        """
        return shown.opened(self._raster())

    def quicklook(self, *, style: str = "rgb", max_px: int = 512, outline: bool = True) -> bytes:
        """A PNG of the file to use, which a notebook shows as a picture.

        Args:
            style: rgb, or false for near infrared, red, green; a UDM2 is drawn by its classes.
            max_px: longer side, pixels.
            outline: True to draw the region it was cut to.

        Raises:
            Misused: the job has no file yet, or it is no raster.
            Unsafe, Corrupt, DiskProblem: as it is found on disk.
        """
        return shown.looked_at(self._raster(), self.roi_wkt if outline else None, style=style, max_px=max_px)

    def _raster(self) -> Path:
        path = self.downloaded_file_path
        if path is None or path.suffix.lower() not in (".tif", ".tiff"):
            raise Misused(f"Job {self.id} ({self.status.value}) has no raster to open.", argument="job")
        return path

    def _repr_html_(self) -> str:
        return shown.jobs([self])


def purchase(key: tuple[str, str, str], route: str, roi_wkt: str | None, tools: str = "") -> Purchase:
    """What a charge is for: the asset, and by the Orders route the region and the tools, as eight hex digits."""
    region = f"{roi_wkt or ''}{tools}" if route == "orders" else ""
    return *key, hashlib.sha256(region.encode()).hexdigest()[:8] if region else ""


class JobList(list[DownloadJob]):
    """Jobs in the order of the wants; shows itself as a table in a notebook."""

    def _repr_html_(self) -> str:
        return shown.jobs(self)

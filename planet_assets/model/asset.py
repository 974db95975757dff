"""Assets: the files Planet can make of an item, and the short-lived links to their bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class AssetStatus(Enum):
    """How far a download has come; the words of the public API."""

    PENDING = "pending"
    """Recorded and paid for by a reservation; nothing was asked yet."""
    WAITING = "waiting"
    """Not yet to be had; the job says why and when to look again."""
    ORDERING = "ordering"
    """An order at Planet is being placed or carried out."""
    ACTIVATING = "activating"
    """Planet is making the asset ready."""
    ACTIVE = "active"
    """Ready at Planet; the download may start."""
    DOWNLOADING = "downloading"
    """The charge is committed and bytes are on their way."""
    CLIPPING = "clipping"
    """Verified; being cut to the ROI here."""
    COMPLETED = "completed"
    """The files stand under their final names."""
    FAILED = "failed"
    """Ended by an error that retrying did not cure."""
    EXPIRED = "expired"
    """Planet no longer offers what was ordered."""
    USER_CANCELLED = "user_cancelled"
    """Ended by a person, hook or policy."""

    @property
    def is_final(self) -> bool:
        """True when no step can follow."""
        return self in _FINAL


_FINAL = frozenset({AssetStatus.COMPLETED, AssetStatus.FAILED, AssetStatus.EXPIRED, AssetStatus.USER_CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where bytes lie, for a while. The address is a secret and is left out of every repr."""

    url: str = field(repr=False)
    """Address with its token."""
    expires_at: datetime | None = None
    """End of the link's life, UTC; None when Planet gave none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file Planet can make of an item, as the Data API lists it."""

    item_type: str
    """For example PSScene."""
    item_id: str
    """Id of the item the asset belongs to."""
    asset_type: str
    """For example ortho_analytic_4b."""
    status: str
    """Planet's word: inactive, activating or active."""
    permitted: bool
    """True when this key may download it."""
    md5: str | None = None
    """Digest of the file, 32 hex digits; None until Planet has made it."""
    link: Link | None = None
    """Where its bytes lie; only while active."""
    activate_url: str = ""
    """Where to ask for activation."""
    self_url: str = ""
    """Where to ask for this asset alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What is known of a file before its bytes arrive."""

    media: str
    """What it must look like: tiff, xml, json, text or zip; any for whatever is no web page."""
    md5: str | None = None
    """Promised digest, 32 hex digits."""
    size_bytes: int | None = None
    """Promised length."""
    etag: str | None = None
    """Version mark of the storage, from an earlier answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A fully received, not yet named file."""

    path: str
    """Where it lies now, beside its final place."""
    size_bytes: int
    """Its length."""
    md5: str
    """Digest of all its bytes, 32 hex digits."""
    etag: str | None = None
    """Version mark the storage gave."""
    resumed_from: int = 0
    """Bytes that an earlier attempt had already brought."""

"""A scene with the files that are held of it: what exports and citations are made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from planet_assets.model.item import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelGrid:
    """Where a raster's pixels lie."""

    epsg: int | None
    """Its coordinate system; None where it has no number."""
    shape: tuple[int, int]
    """Rows and columns."""
    transform: tuple[float, ...]
    """Six figures from column and row to x and y, as in affine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFile:
    """One file."""

    path: Path
    """Where it lies."""
    asset_type: str
    """Which asset it is."""
    size_bytes: int
    """Its length."""
    md5: str | None = None
    """Digest of its bytes; None where nobody has read them."""
    is_cut: bool = False
    """True when it was cut to a region."""
    grid: PixelGrid | None = None
    """Where its pixels lie; None for what is no raster."""
    bundle: str | None = None
    """Product bundle that brought it, by the Orders route."""
    tools: tuple[str, ...] = ()
    """What was done to it at Planet and here."""
    fetched_at: datetime | None = None
    """When it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldScene:
    """A scene and its files."""

    item: Item
    """The scene."""
    files: tuple[HeldFile, ...]
    """What is held of it, by path."""

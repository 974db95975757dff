"""Orders: one request to Planet's Orders API, which makes files of many items at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from planet_assets.model.asset import Link

FINAL_STATES = frozenset({"success", "partial", "failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One file of a finished order."""

    name: str
    """Planet's path, below the order's id. Untrusted: it names no file of ours."""
    link: Link
    """Where its bytes lie, for 24 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as Planet last described it."""

    id: str
    """Planet's id."""
    name: str
    """The name we chose; it finds the order again when the answer was lost."""
    state: str
    """queued, running, success, partial, failed or cancelled."""
    created_on: datetime | None = None
    """When Planet accepted it, UTC."""
    item_ids: tuple[str, ...] = ()
    """Items that were asked for; one that is in two products stands twice."""
    item_types: tuple[str, ...] = ()
    """The item type of each of them."""
    bundles: tuple[str, ...] = ()
    """Product bundles that were asked for."""
    results: tuple[Result, ...] = ()
    """Files; only when final."""
    hints: tuple[str, ...] = ()
    """Why items are missing, in Planet's words."""
    message: str = ""
    """Planet's last word."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """What Planet does to the files."""

    @property
    def is_final(self) -> bool:
        """True when nothing will change any more."""
        return self.state in FINAL_STATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An order that was charged: what it brings is fetched without another."""

    id: str
    """Planet's id."""
    name: str
    """Its name."""
    placed_at: datetime
    """When it was placed, UTC."""
    bundle: str | None
    """Product bundle; None where several or none is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One file of an order's manifest, matched with its link."""

    item_id: str
    """The item; for a composite a name made of the order's id."""
    asset_type: str
    """The asset type, or composite or composite_udm2; empty for metadata."""
    path: str
    """Planet's path in the order."""
    size_bytes: int | None
    """Its length."""
    md5: str | None
    """Its digest, 32 hex digits."""
    link: Link
    """Where its bytes lie."""
    item_type: str = "PSScene"
    """For example PSScene."""

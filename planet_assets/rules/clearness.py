"""Clear shares: over the region where Planet said it, else of the whole scene."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from planet_assets.model.clearness import ClearShare
from planet_assets.model.item import Item
from planet_assets.rules.naming import roi_digest

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

PROPERTY = "clear_over_roi"
"""The property of a scene in which a search notes what Planet said of it over the region."""


def region_digest(roi: BaseGeometry) -> str:
    """Tells one region from another, whichever way its rings run."""
    return roi_digest(roi.normalize().wkt)


def of_scene(item: Item, why: str = "") -> ClearShare:
    """The clear share of the whole scene; NaN when the record does not say."""
    percent = item.properties.get("clear_percent")
    if not isinstance(percent, int | float) or isinstance(percent, bool):
        percent = math.nan
    return ClearShare(share=percent / 100, mode="scene", note=why)


def noted(said: ClearShare, roi: BaseGeometry) -> dict[str, Any]:
    """What is kept with a scene, for a pipe or a file."""
    at = None if said.as_of is None else said.as_of.isoformat()
    return {"clear_percent": round(100 * said.share, 1), "mode": said.mode, "as_of": at, "roi": region_digest(roi)}


def note_of(item: Item, region: str) -> ClearShare | None:
    """What a scene brings along about the region with this digest; None when nothing, or about another."""
    note = item.properties.get(PROPERTY)
    if not isinstance(note, Mapping) or note.get("roi") != region or note.get("mode") not in ("estimate", "UDM2"):
        return None
    percent, at = note.get("clear_percent"), note.get("as_of")
    if not isinstance(percent, int | float) or not 0 <= percent <= 100:
        return None
    try:
        as_of = datetime.fromisoformat(at) if isinstance(at, str) else None
    except ValueError:
        as_of = None
    return ClearShare(share=percent / 100, mode=str(note["mode"]), as_of=as_of)


def best_known(item: Item, given: Mapping[str, float | ClearShare], region: str) -> ClearShare:
    """What the caller says, else what the scene brings along, else the whole scene's share."""
    said = given.get(item.id)
    if said is not None:
        return said if isinstance(said, ClearShare) else ClearShare(share=float(said), mode="given")
    return note_of(item, region) or of_scene(item)

"""How an item lives: what a catalogue record looks like at a given moment of the sandbox's clock.

The catalogue holds the record as it ends up. Before that, counted back from its own `published` and `updated`:

    acquired .. preview .. published (finalized, other bytes) .. SR assets hours later .. updated (no new bytes)

Source: `publishing_stage` values, `updated` after `published` and SR assets that come hours after the item are
confirmed (SDK; 59 real records); the share of previews and the hours are assumed. The embargo is reported by
Education users.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from .answers import moment, stamp

Feature = dict[str, Any]

PREVIEW_EDITION = 100
"""The edition of a preview's files: made from a poorer geometry, so its bytes are not those of the final file."""

_PREVIEW_SHARE = 0.3


def seen_at(feature: Feature, now: datetime, *, embargo_days: float = 0.0) -> Feature | None:
    """The record as the API shows it now, or None while it is not published. The given record is left alone."""
    properties = dict(feature["properties"])
    acquired = moment(properties["acquired"])
    published = moment(properties.get("published") or stamp(acquired + timedelta(hours=4)))
    updated = moment(properties.get("updated") or stamp(published))
    preview, sr = _preview_at(feature, acquired, published), published + _sr_delay(feature["id"])
    if now < preview:
        return None
    stage_times = [preview if now < published else published]
    stage_times += [sr] if sr <= min(now, updated) else []
    stage_times += [updated] if updated <= now else []
    properties["published"] = stamp(stage_times[0])
    properties["updated"] = stamp(max(stage_times))
    if now < published:
        properties["publishing_stage"] = "preview"
    sr_held = now >= min(sr, max(updated, published))
    assets = [name for name in feature.get("assets", []) if sr_held or not name.endswith("_sr")]
    embargoed = now - acquired < timedelta(days=embargo_days)
    permissions = [] if embargoed else [p for p in feature.get("_permissions", []) if _asset_of(p) in assets]
    return {**feature, "properties": properties, "assets": assets, "_permissions": permissions}


def is_preview(feature: Feature, now: datetime) -> bool:
    """Whether the final files are still to come; a record that the catalogue keeps as a preview has its final ones."""
    published = feature["properties"].get("published")
    return published is not None and now < moment(published)


def _asset_of(permission: str) -> str:
    """`assets.ortho_udm2:download` -> `ortho_udm2`."""
    return permission.removeprefix("assets.").partition(":")[0]


def _preview_at(feature: Feature, acquired: datetime, published: datetime) -> datetime:
    """When the item first appears: some as a preview halfway to publication, the others at publication."""
    final = feature["properties"].get("publishing_stage") == "finalized"
    early = final and _fraction(feature["id"], "preview") < _PREVIEW_SHARE
    return acquired + (published - acquired) / 2 if early else published


def _sr_delay(item_id: str) -> timedelta:
    return timedelta(hours=2 + 8 * _fraction(item_id, "sr"))


def _fraction(item_id: str, what: str) -> float:
    """A number in [0, 1) that belongs to the item for good."""
    digest = hashlib.blake2b(f"{what}:{item_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64

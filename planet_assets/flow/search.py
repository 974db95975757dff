"""Searching: an ROI and dates in, Planet's features out, remembered in the library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from planet_assets.exceptions import Misused
from planet_assets.library import items as item_rows
from planet_assets.library.engine import Library
from planet_assets.model.clearness import ClearShare
from planet_assets.model.item import item_from_feature, parse_time
from planet_assets.planet import filters
from planet_assets.planet.data import DataApi
from planet_assets.rules.choose import wanted_types
from planet_assets.rules.clearness import PROPERTY, noted

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Moment = str | date | datetime
FeatureCollection = dict[str, Any]


async def search(
    api: DataApi,
    library: Library | None,
    *,
    roi: BaseGeometry,
    start: Moment,
    end: Moment,
    cloud_cover_max: float | None,
    item_types: Sequence[str],
    asset_types: Sequence[str],
    limit: int | None,
    now: datetime,
    extra: Mapping[str, Any] | None = None,
) -> FeatureCollection:
    """Scenes that touch the ROI, newest acquisition first.

    Raises:
        Misused: dates reversed or unreadable, cloud cover outside 0 to 1, a limit below 1.
    """
    first, last = read_moment(start, "start_date"), read_moment(end, "end_date", whole_day=True)
    if first >= last:
        raise Misused(f"start_date {start} is not before end_date {end}.", hint="Swap them.", argument="start_date")
    if cloud_cover_max is not None and not 0 <= cloud_cover_max <= 1:
        hint = f"Did you mean {cloud_cover_max / 100:g}?" if 1 < cloud_cover_max <= 100 else "It is a share, 0 to 1."
        raise Misused(f"cloud_cover_max={cloud_cover_max} is outside 0..1.", hint=hint, argument="cloud_cover_max")
    if limit is not None and limit < 1:
        raise Misused(f"limit={limit} finds nothing.", argument="limit")
    body = filters.search_body(
        geometry=roi,
        start=first,
        end=last,
        cloud_cover_max=cloud_cover_max,
        item_types=item_types,
        asset_types=asset_types,
        extra=extra,
    )
    features = []
    async for feature in api.search(body, limit=limit, sort="acquired desc"):
        feature["properties"] = {**feature.get("properties", {}), "id": feature.get("id")}
        features.append(feature)
    if library is not None:
        known = [(item_from_feature(feature, n), json.dumps(feature)) for n, feature in enumerate(features)]
        await asyncio.to_thread(item_rows.remember, library, known, now=now)
    return {"type": "FeatureCollection", "features": features}


def read_moment(value: Moment, name: str, *, whole_day: bool = False) -> datetime:
    """A date or time as aware UTC; a bare end date means the end of that day.

    Raises:
        Misused: it is neither.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise Misused(f"{name} has no time zone.", hint="Use datetime(..., tzinfo=UTC).", argument=name)
        return value.astimezone(UTC)
    if isinstance(value, date):
        value = value.isoformat()
    try:
        moment = parse_time(value)
    except (ValueError, TypeError):
        raise Misused(f"{name}={value!r} is not a date.", hint="Write it as 2025-01-31.", argument=name) from None
    return moment + timedelta(days=1) if whole_day and len(value) <= 10 else moment


def with_clear(found: FeatureCollection, shares: Mapping[str, ClearShare], roi: BaseGeometry) -> FeatureCollection:
    """The scenes, each with what Planet said of it over the region, for a pipe, a file or `select_scenes`."""
    features = []
    for feature in found["features"]:
        said = shares.get(feature["id"])
        note = {PROPERTY: noted(said, roi)} if said is not None and said.is_over_roi else {}
        features.append({**feature, "properties": {**feature["properties"], **note}})
    return {**found, "features": features}


async def asset_info(api: DataApi, item_type: str, scene_id: str, asset_type: str) -> dict[str, Any]:
    """What Planet says of one asset; an inactive asset is available, one that is not listed or permitted is not."""
    [name] = wanted_types(asset_type)
    listed = await api.assets(item_type, scene_id)
    asset = listed.get(name)
    permitted = asset is not None and asset.permitted
    return {
        "scene_id": scene_id,
        "asset_type": name,
        "status": "unavailable" if asset is None else asset.status,
        "available": permitted,
        "permitted": permitted,
        "md5": None if asset is None else asset.md5,
        "expires_at": None if asset is None or asset.link is None else asset.link.expires_at,
        "asset_types": sorted(listed),
    }

"""Builds the bodies of searches: every filter type of the Data API as a small function. Pure.

Source: contract 2.2, all types the official SDK can build; confirmed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from planet_assets.exceptions import Misused

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Filter = dict[str, Any]

_DATE_FIELDS = ("acquired", "published", "updated")
_RELATIONS = ("intersects", "contains", "within", "disjoint")


def search_body(
    *,
    geometry: BaseGeometry | Mapping[str, Any] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    cloud_cover_max: float | None = None,
    item_types: Sequence[str] = ("PSScene",),
    asset_types: Sequence[str] = (),
    downloadable: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of a quick search.

    Args:
        geometry: What the scenes shall touch, lon/lat degrees.
        start: Acquired at this moment or later.
        end: Acquired at this moment or earlier.
        cloud_cover_max: Share of cloud at the most, 0 to 1.
        item_types: What kinds of scene.
        asset_types: Scenes that have at least one of these.
        downloadable: Only scenes this key may download: one of `asset_types`, or anything where none is given.
        extra: A filter of the caller's own, which has to hold too.

    Raises:
        Misused: a value that cannot be meant; nothing was asked.
    """
    types = _names(item_types, "item_types")
    if not types:
        raise Misused("A search needs an item type.", hint='For example item_types=["PSScene"].', argument="item_types")
    wanted = _names(asset_types, "asset_types")
    parts: list[Filter] = []
    if geometry is not None:
        parts.append(geometry_filter(geometry))
    if start is not None or end is not None:
        parts.append(date_range("acquired", gte=start, lte=end))
    if cloud_cover_max is not None:
        parts.append(range_("cloud_cover", lte=_share(cloud_cover_max)))
    if wanted:
        parts.append(asset(wanted))
    if downloadable:
        parts.append(permission(wanted))
    if extra is not None:
        parts.append(_checked(extra))
    return {"item_types": types, "filter": and_(*parts)}


def and_(*filters: Mapping[str, Any]) -> Filter:
    """All of them hold; without any, everything matches."""
    return {"type": "AndFilter", "config": [_checked(each) for each in filters]}


def or_(*filters: Mapping[str, Any]) -> Filter:
    """At least one of them holds."""
    return {"type": "OrFilter", "config": [_checked(each) for each in filters]}


def not_(one: Mapping[str, Any]) -> Filter:
    """It does not hold."""
    return {"type": "NotFilter", "config": _checked(one)}


def date_range(
    field: str,
    *,
    gt: datetime | None = None,
    gte: datetime | None = None,
    lt: datetime | None = None,
    lte: datetime | None = None,
) -> Filter:
    """`acquired`, `published` or `updated` lies within bounds.

    Raises:
        Misused: another field, no bound, a time without a zone, or bounds in the wrong order.
    """
    if field not in _DATE_FIELDS:
        raise Misused(f"{field!r} is no time; there are {', '.join(_DATE_FIELDS)}.", argument="field")
    bounds = {name: _moment(value) for name, value in _given(gt=gt, gte=gte, lt=lt, lte=lte).items()}
    _check_order(bounds, "dates")
    return {
        "type": "DateRangeFilter",
        "field_name": field,
        "config": {name: _stamp(moment) for name, moment in bounds.items()},
    }


def range_(
    field: str,
    *,
    gt: float | None = None,
    gte: float | None = None,
    lt: float | None = None,
    lte: float | None = None,
) -> Filter:
    """A numeric property lies within bounds. `cloud_cover` is 0 to 1, `cloud_percent` and its like 0 to 100.

    Raises:
        Misused: no bound, something that is no number, or bounds in the wrong order.
    """
    bounds = {name: _number(value) for name, value in _given(gt=gt, gte=gte, lt=lt, lte=lte).items()}
    _check_order(bounds, field)
    return {"type": "RangeFilter", "field_name": field, "config": bounds}


def update(field: str, *, gt: datetime | None = None, gte: datetime | None = None) -> Filter:
    """A property was changed by republishing since a moment; knows items published on or after 2020-04-10.

    Raises:
        Misused: no moment, or one without a zone.
    """
    bounds = _given(gt=gt, gte=gte)
    if not bounds:
        raise Misused("An update filter needs a moment.", argument="gt")
    config = {name: _stamp(_moment(value)) for name, value in bounds.items()}
    return {"type": "UpdateFilter", "field_name": field, "config": config}


def geometry_filter(geometry: BaseGeometry | Mapping[str, Any], relation: str = "intersects") -> Filter:
    """The footprint stands in a relation to a geometry, lon/lat degrees.

    Raises:
        Misused: an unknown relation.
    """
    if relation not in _RELATIONS:
        raise Misused(f"{relation!r} is no relation; there are {', '.join(_RELATIONS)}.", argument="relation")
    if not isinstance(geometry, Mapping):
        from planet_assets.model.geometry import to_geojson

        geometry = to_geojson(geometry)
    built: Filter = {"type": "GeometryFilter", "field_name": "geometry", "config": dict(geometry)}
    return built if relation == "intersects" else built | {"relation": relation}


def number_in(field: str, values: Sequence[float]) -> Filter:
    """A numeric property is one of the values."""
    return {"type": "NumberInFilter", "field_name": field, "config": [_number(value) for value in values]}


def string_in(field: str, values: Sequence[str | bool]) -> Filter:
    """A text or boolean property is one of the values; Planet wants booleans as text."""
    texts = [str(value).lower() if isinstance(value, bool) else value for value in values]
    return {"type": "StringInFilter", "field_name": field, "config": _names(texts, field)}


def asset(asset_types: Sequence[str]) -> Filter:
    """The scene has at least one of the asset types. Planet does not check them: a misspelt one finds nothing."""
    return {"type": "AssetFilter", "config": _names(asset_types, "asset_types")}


def permission(asset_types: Sequence[str] = ()) -> Filter:
    """This key may download one of the asset types; any asset when none is given."""
    config = [f"assets.{name}:download" for name in _names(asset_types, "asset_types")]
    return {"type": "PermissionFilter", "config": config or ["assets:download"]}


def _checked(one: Mapping[str, Any]) -> Filter:
    if not isinstance(one, Mapping) or not isinstance(one.get("type"), str) or "config" not in one:
        raise Misused(
            f"{one!r} is no filter.", hint='A filter is a mapping with "type" and "config".', argument="filter"
        )
    return dict(one)


def _names(values: Sequence[str], argument: str) -> list[str]:
    """Texts in their order, each once; a lone text is the usual slip."""
    if isinstance(values, str) or not all(isinstance(value, str) and value for value in values):
        raise Misused(f"{argument} must be a list of texts, not {values!r}.", argument=argument)
    return list(dict.fromkeys(values))


def _given(**bounds: Any) -> dict[str, Any]:
    return {name: value for name, value in bounds.items() if value is not None}


def _check_order(bounds: Mapping[str, Any], what: str) -> None:
    if not bounds:
        raise Misused(f"A range of {what} needs a bound.", hint="Give one of gt, gte, lt, lte.", argument=what)
    low, high = bounds.get("gte", bounds.get("gt")), bounds.get("lte", bounds.get("lt"))
    if low is not None and high is not None and low > high:
        raise Misused(f"The range of {what} is reversed: {low} comes after {high}.", hint="Swap them.", argument=what)


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise Misused(f"{value!r} is no moment.", hint="Give an aware datetime.", argument="dates")
    if value.utcoffset() is None:
        raise Misused(
            f"{value.isoformat()} has no time zone.",
            hint="Say which, for example with tzinfo=datetime.UTC.",
            argument="dates",
        )
    return value


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Misused(f"{value!r} is no number.", argument="filter")
    return value


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Misused(
            f"cloud_cover_max is {value!r}, not within 0 to 1.",
            hint="It is a share: 20 % is 0.2.",
            argument="cloud_cover_max",
        )
    return value

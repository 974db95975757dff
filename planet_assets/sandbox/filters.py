"""Search filters: every type the SDK can build, turned into a test of a record and a part of the catalogue to look in.

Source: SDK `data_filter` and Planet's reference, confirmed. `contains` is *the footprint encloses the area of
interest*, `within` the reverse (SDK pull request 1203).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from .answers import moment
from .life import Feature

Test = Callable[[Feature], bool]

EARLIEST = datetime(2016, 1, 1, tzinfo=UTC)
_DATE_FIELDS = ("acquired", "published", "updated")
_BOUNDS = ("gt", "gte", "lt", "lte")
_RELATIONS = {
    "intersects": shapely.intersects,
    "contains": shapely.contains,
    "within": shapely.within,
    "disjoint": shapely.disjoint,
}


class BadFilter(Exception):
    """A filter that Planet would refuse with 400; says which field is at fault."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def geometry(value: Any, field: str = "geometry") -> BaseGeometry:
    """A GeoJSON geometry, checked.

    Raises:
        BadFilter: it is none, or not a valid one.
    """
    if isinstance(value, dict) and value.get("type") == "ref":
        raise BadFilter(field, "Feature references are not served by this sandbox")
    try:
        found = shape(value)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, shapely.errors.ShapelyError):
        raise BadFilter(field, "Not a valid GeoJSON geometry")
    if found.is_empty or found.geom_type == "GeometryCollection":
        raise BadFilter(field, "Geometry is empty or of a type that is not supported")
    if not found.is_valid:
        raise BadFilter(field, f"Geometry is not valid: {shapely.is_valid_reason(found)}")
    return found


def compiled(node: Any) -> Test:
    """A test of a record for a filter.

    Raises:
        BadFilter: the filter is malformed.
    """
    if not isinstance(node, dict) or "type" not in node:
        raise BadFilter("filter", "Every filter needs a type")
    make = _MAKERS.get(node["type"])
    if make is None:
        raise BadFilter("filter.type", f"{node['type']} is not a valid filter type")
    if "config" not in node:
        raise BadFilter("filter.config", "This field is required.")
    return make(node)


def _and(node: Feature) -> Test:
    tests = [compiled(part) for part in _list(node, "AndFilter")]
    return lambda feature: all(test(feature) for test in tests)


def _or(node: Feature) -> Test:
    tests = [compiled(part) for part in _list(node, "OrFilter")]
    return lambda feature: any(test(feature) for test in tests)


def _not(node: Feature) -> Test:
    test = compiled(node["config"])
    return lambda feature: not test(feature)


def _date_range(node: Feature) -> Test:
    name = _field(node)
    if name not in _DATE_FIELDS:
        raise BadFilter("field_name", f"{name} is not a date field")
    bounds = {op: _moment(value) for op, value in _bounds(node).items()}
    return lambda feature: _within_bounds(moment(feature["properties"][name]), bounds)


def _range(node: Feature) -> Test:
    name, bounds = _field(node), _bounds(node)
    if not all(_is_number(value) for value in bounds.values()):
        raise BadFilter("config", "Bounds must be numbers")

    def test(feature: Feature) -> bool:
        value = feature["properties"].get(name)
        return _is_number(value) and _within_bounds(value, bounds)

    return test


def _update(node: Feature) -> Test:
    """A property changed by republishing after a moment; here: the record's `updated` moved. Assumed."""
    bounds = {op: _moment(value) for op, value in _bounds(node, ("gt", "gte")).items()}
    return lambda feature: _within_bounds(moment(feature["properties"]["updated"]), bounds)


def _geometry(node: Feature) -> Test:
    relation = _RELATIONS.get(node.get("relation") or "intersects")
    if relation is None:
        raise BadFilter("relation", f"{node['relation']} is not a valid relation")
    area = geometry(node["config"], "config")
    return lambda feature: bool(relation(shape(feature["geometry"]), area))


def _number_in(node: Feature) -> Test:
    name, values = _field(node), _list(node, "NumberInFilter")
    if not all(_is_number(value) for value in values):
        raise BadFilter("config", "Values must be numbers")
    return lambda feature: feature["properties"].get(name) in values


def _string_in(node: Feature) -> Test:
    name, values = _field(node), _list(node, "StringInFilter")
    if not all(isinstance(value, str) for value in values):
        raise BadFilter("config", "Values must be strings")
    return lambda feature: _text(feature, name) in values


def _asset(node: Feature) -> Test:
    wanted = set(_list(node, "AssetFilter"))
    return lambda feature: not wanted.isdisjoint(feature.get("assets", []))


def _permission(node: Feature) -> Test:
    wanted = _list(node, "PermissionFilter")

    def test(feature: Feature) -> bool:
        held = feature.get("_permissions", [])
        return any(bool(held) if name == "assets:download" else name in held for name in wanted)

    return test


_MAKERS: dict[str, Callable[[Feature], Test]] = {
    "AndFilter": _and,
    "OrFilter": _or,
    "NotFilter": _not,
    "DateRangeFilter": _date_range,
    "RangeFilter": _range,
    "UpdateFilter": _update,
    "GeometryFilter": _geometry,
    "NumberInFilter": _number_in,
    "StringInFilter": _string_in,
    "AssetFilter": _asset,
    "PermissionFilter": _permission,
}


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What part of the catalogue can hold matches: a superset, so that made catalogues need not make the world."""

    area: BaseGeometry | None = None
    """Footprints outside its bounding box cannot match; None is anywhere."""
    start: datetime = EARLIEST
    end: datetime | None = None
    """Acquired within [start, end]."""
    ids: frozenset[str] | None = None
    """Only these items can match; None is any."""


def reach(node: Any) -> Reach:
    """Where to look for matches of a valid filter. Only conjunctions narrow; anything else may match anywhere."""
    kind, config = node["type"], node["config"]
    if kind == "AndFilter":
        found = Reach()
        for part in config:
            found = narrowed(found, reach(part))
        return found
    if kind == "OrFilter" and len(config) == 1:
        return reach(config[0])
    if kind == "GeometryFilter" and node.get("relation") != "disjoint":
        return Reach(area=geometry(config))
    if kind == "DateRangeFilter" and node["field_name"] == "acquired":
        lows = [_moment(config[op]) for op in ("gt", "gte") if op in config]
        highs = [_moment(config[op]) for op in ("lt", "lte") if op in config]
        return Reach(start=max([EARLIEST, *lows]), end=min(highs, default=None))
    if kind == "StringInFilter" and node["field_name"] == "id":
        return Reach(ids=frozenset(config))
    return Reach()


def narrowed(one: Reach, two: Reach) -> Reach:
    """Both at once. Of two areas the first is kept: a superset is enough."""
    ends = [end for end in (one.end, two.end) if end]
    ids = one.ids & two.ids if one.ids is not None and two.ids is not None else one.ids or two.ids
    return Reach(area=one.area or two.area, start=max(one.start, two.start), end=min(ends, default=None), ids=ids)


def _field(node: Feature) -> str:
    name = node.get("field_name")
    if not isinstance(name, str):
        raise BadFilter("field_name", "This field is required.")
    return name


def _list(node: Feature, kind: str) -> list[Any]:
    if not isinstance(node["config"], list):
        raise BadFilter("config", f"{kind} needs a list")
    return node["config"]


def _bounds(node: Feature, allowed: tuple[str, ...] = _BOUNDS) -> dict[str, Any]:
    config = node["config"]
    if not isinstance(config, dict) or not config or config.keys() - set(allowed):
        raise BadFilter("config", f"Needs one or more of {', '.join(allowed)}")
    return config


def _moment(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadFilter("config", f"{value} is not an RFC 3339 date")
    if found.tzinfo is None:
        raise BadFilter("config", f"{value} has no time zone")
    return found


def _within_bounds(value: Any, bounds: dict[str, Any]) -> bool:
    return (
        ("gt" not in bounds or value > bounds["gt"])
        and ("gte" not in bounds or value >= bounds["gte"])
        and ("lt" not in bounds or value < bounds["lt"])
        and ("lte" not in bounds or value <= bounds["lte"])
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(feature: Feature, name: str) -> str | None:
    """A property as StringInFilter compares it; booleans are `true` and `false`."""
    value = feature["id"] if name == "id" else feature["properties"].get(name)
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)

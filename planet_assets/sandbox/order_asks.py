"""The body of an order request: read, and refused where its form is wrong, before any item is looked up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from starlette.responses import Response

from . import answers
from .billing import area_km2
from .products import ITEM_TYPE, bundle_assets

MAX_ITEMS = 500
MAX_VERTICES = 1500
_LEAST_M2 = 1.0
_TOOLS = ("clip", "composite", "coregister", "file_format", "harmonize", "reproject", "toar")
_UNMADE_TOOLS = ("bandmath", "tile")
_RASTER_TOOLS = ("clip", "composite", "coregister", "reproject", "harmonize", "toar")
KERNELS = ("near", "bilinear", "cubic", "cubicspline", "lanczos", "average", "mode")
_ARCHIVES = ("archive_type", "archive_filename", "single_archive")
_ELSEWHERE = ("destination",)


class Refused(Exception):
    """A request that Planet refuses by 400; keywords are fields of the answer."""

    def __init__(self, general: str = "Unable to accept order", **fields: str | list[str]) -> None:
        super().__init__(general)
        self.general = general
        self.fields = {name: [text] if isinstance(text, str) else text for name, text in fields.items()}

    def answer(self) -> Response:
        """Shape 1 of the errors; without fields `field` is null (confirmed for "AOI too complex")."""
        fields = {name: [{"message": text} for text in texts] for name, texts in self.fields.items()}
        return answers.as_json({"field": fields or None, "general": [{"message": self.general}]}, 400)


@dataclass(frozen=True, kw_only=True)
class Product:
    """One entry of `products`."""

    item_ids: list[str]
    item_type: str
    bundles: list[str]
    """The wanted one and its fallbacks."""


@dataclass(frozen=True, kw_only=True)
class Asks:
    """A request, read."""

    products: list[Product]
    order_type: str
    subscription_id: int | None
    tools: list[tuple[str, dict[str, Any]]]
    aoi: BaseGeometry | None
    """Of the clip tool."""


def read(body: Any, features: Mapping[str, Any]) -> Asks:
    """A request as it is meant; `features` resolves references to an AOI.

    Raises:
        Refused: it is malformed, or asks for what no order gives.
    """
    if not isinstance(body, dict):
        raise Refused(Body="The body is not a JSON object")
    if not isinstance(body.get("name"), str) or not body["name"]:
        raise Refused(Name="This field is required")
    if body.get("source_type", "scenes") != "scenes":
        raise Refused(SourceType=f"This sandbox has no source '{body['source_type']}'")
    if not all(isinstance(body.get(name) or {}, dict) for name in ("delivery", "metadata", "notifications", "hosting")):
        raise Refused(Body="delivery, metadata, notifications and hosting are objects")
    order_type = body.get("order_type", "full")
    if order_type not in ("full", "partial"):
        raise Refused(OrderType=f"Bad order type '{order_type}'")
    products = _products(body.get("products"))
    tools = tools_of(body)
    _check_tools(tools, products, body)
    _check_delivery(body.get("delivery") or {})
    return Asks(
        products=products,
        order_type=order_type,
        subscription_id=body.get("subscription_id"),
        tools=tools,
        aoi=clip_aoi(tools, features),
    )


def tools_of(body: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The tools of a request by name, in their order."""
    listed = body.get("tools") or []
    one_key = isinstance(listed, list) and all(isinstance(tool, dict) and len(tool) == 1 for tool in listed)
    found = [(name, wanted or {}) for tool in listed for name, wanted in tool.items()] if one_key else []
    if not one_key or not all(isinstance(wanted, dict) for _, wanted in found):
        raise Refused(Tools="Each tool is an object with one key, and its options are an object")
    return found


def clip_aoi(tools: list[tuple[str, dict[str, Any]]], features: Mapping[str, Any]) -> BaseGeometry | None:
    """The AOI of the clip tool, None without one.

    Raises:
        Refused: it breaks a rule for AOIs.
    """
    for name, wanted in tools:
        if name == "clip":
            aoi = wanted.get("aoi")
            reference = aoi.get("content") if isinstance(aoi, dict) and aoi.get("type") == "ref" else aoi
            if isinstance(reference, str):
                aoi = features.get(reference)
            return _aoi(aoi)
    return None


def _products(listed: Any) -> list[Product]:
    if not isinstance(listed, list) or not listed:
        raise Refused(Products="This field is required")
    products = []
    for entry in listed:
        if not isinstance(entry, dict):
            raise Refused(Products="Each product is an object")
        item_ids, item_type, bundle = (entry.get(name) for name in ("item_ids", "item_type", "product_bundle"))
        if not isinstance(item_ids, list) or not item_ids or not all(isinstance(each, str) for each in item_ids):
            raise Refused(Products="item_ids is a list of item ids")
        bundles = bundle.split(",") if isinstance(bundle, str) else [""]
        for each in bundles:
            if item_type != ITEM_TYPE or bundle_assets(each) is None:
                raise Refused(Products=f"Bad item type '{item_type}' for bundle type '{each}'")
        products.append(Product(item_ids=item_ids, item_type=str(item_type), bundles=bundles))
    if sum(len(product.item_ids) for product in products) > MAX_ITEMS:
        raise Refused(Products=f"An order may not contain more than {MAX_ITEMS} items")
    return products


def _check_tools(tools: list[tuple[str, dict[str, Any]]], products: list[Product], body: Mapping[str, Any]) -> None:
    names = [name for name, _ in tools]
    for name in names:
        if name in _UNMADE_TOOLS:
            raise Refused(Tools=f"This sandbox has no tool '{name}'")
        if name not in _TOOLS or names.count(name) > 1:
            raise Refused(Tools=f"Bad tool '{name}'")
    bundles = {bundle for product in products for bundle in product.bundles}
    for bundle in sorted(bundles):
        for name in names:
            if bundle.startswith("basic") and name in _RASTER_TOOLS:
                raise Refused(Tools=f"Tool '{name}' is not supported for bundle type '{bundle}'")
    if "composite" in names and (body.get("metadata") or {}).get("stac") is not None:
        raise Refused(Tools="STAC metadata is not supported with the composite tool")
    for name, wanted in tools:
        trouble = _trouble_with(name, wanted, bundles, products)
        if trouble:
            raise Refused(Tools=f"{name}: {trouble}")


def _trouble_with(name: str, wanted: dict[str, Any], bundles: set[str], products: list[Product]) -> str | None:
    """What is wrong with one tool of a request."""
    items = {item for product in products for item in product.item_ids}
    reflectance = {bundle for bundle in bundles if "_sr_" in bundle}
    radiance = {bundle for bundle in bundles if "analytic" in bundle} - reflectance
    sensor, made = wanted.get("target_sensor"), wanted.get("format")
    sensors = {"Sentinel-2": reflectance, "PS2": radiance}
    troubles = {
        "composite": wanted.get("group_by", "order") not in ("order", "strip_id") and "group_by is order or strip_id",
        "coregister": wanted.get("anchor_item") not in items and "anchor_item is not an item of the order",
        "file_format": made != "COG" and f"this sandbox makes no '{made}'",
        "harmonize": not sensors.get(str(sensor)) and f"not possible to '{sensor}'",
        "reproject": name == "reproject" and _bad_projection(wanted),
        "toar": _bad_scale(wanted) or (not radiance and "needs an analytic bundle that is not surface reflectance"),
    }
    return troubles.get(name) or None


def _bad_projection(wanted: dict[str, Any]) -> str | None:
    try:
        CRS.from_user_input(wanted.get("projection"))
    except (CRSError, TypeError):
        return f"bad projection '{wanted.get('projection')}'"
    resolution = wanted.get("resolution", 3.0)
    if not isinstance(resolution, int | float) or resolution <= 0:
        return "resolution is a positive number"
    return None if wanted.get("kernel", "near") in KERNELS else f"bad kernel '{wanted.get('kernel')}'"


def _bad_scale(wanted: dict[str, Any]) -> str | None:
    scale = wanted.get("scale_factor", 10000)
    return None if isinstance(scale, int | float) and scale > 0 else "scale_factor is a positive number"


def _check_delivery(delivery: dict[str, Any]) -> None:
    unknown = sorted(delivery.keys() - {*_ARCHIVES, *_ELSEWHERE})
    if unknown:
        raise Refused(Delivery=f"This sandbox does not deliver to {', '.join(unknown)}")
    if delivery.get("archive_type") not in (None, "", "zip"):
        raise Refused(Delivery=f"Bad archive type '{delivery['archive_type']}'")


def _aoi(value: Any) -> BaseGeometry:
    """An AOI as the clip tool takes it. Source: support 6075850477213 and contract 3, confirmed and reported."""
    if not isinstance(value, dict) or value.get("type") not in ("Polygon", "MultiPolygon"):
        raise Refused(Details="AOI is invalid: not a Polygon or MultiPolygon")
    try:
        found = shapely.force_2d(shape(json.loads(json.dumps(value))))
        rings = _rings(value)
    except (TypeError, ValueError, KeyError, IndexError, shapely.errors.ShapelyError):
        raise Refused(Details="AOI is invalid: not a valid GeoJSON geometry")
    if sum(map(len, rings)) > MAX_VERTICES:
        raise Refused(general="AOI too complex")
    if found.is_empty or any(ring[0] != ring[-1] for ring in rings):
        raise Refused(Details="AOI is invalid: empty, or a ring is not closed")
    west, south, east, north = found.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise Refused(Details="AOI is invalid: beyond the range of longitude and latitude")
    if not found.is_valid:
        raise Refused(Details=f"AOI is invalid: {shapely.is_valid_reason(found)}")
    if any(area_km2(shapely.Polygon(ring)) * 1e6 < _LEAST_M2 for ring in rings):
        raise Refused(Details="AOI is invalid: a polygon or ring is smaller than 1 square metre")
    holed = [bool(part.interiors) for part in shapely.get_parts(found)]
    if holed != sorted(holed, reverse=True):
        raise Refused(Details="AOI is invalid: Polygons with holes first")
    return found


def _rings(value: dict[str, Any]) -> list[list[Any]]:
    """The rings of a Polygon or MultiPolygon as they were written."""
    parts = [value["coordinates"]] if value["type"] == "Polygon" else value["coordinates"]
    return [list(ring) for part in parts for ring in part]

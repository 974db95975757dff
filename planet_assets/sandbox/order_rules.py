"""What an order may ask for: Planet's refusals, and what of a request is accepted.

Source: the messages and the limits of contract 3 and 7b are confirmed or reported there. Assumed: refusals come at once
and not as failed orders; an item outside the clip is refused like one without assets; the wording where no message is
known; that an item listed twice in one product is one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import shapely
from shapely.geometry.base import BaseGeometry
from starlette.responses import Response

from . import answers, order_asks
from .billing import Piece, area_km2
from .life import Feature
from .order_asks import Refused
from .products import ITEM_TYPE, bundle_assets

if TYPE_CHECKING:
    from .world import World

_NOTHING_LEFT = "Order request resulted in no acceptable assets. Likely due to lack of permissions."
_OTHER_SUBSCRIPTION = "Quota check failed - Insufficient quota: /subscriptions do not match all of the events"
_LEAST_KM2 = 1e-6  # an item that the clip touches by less than a square metre has no part in it


@dataclass(kw_only=True)
class Accepted:
    """What will be charged and delivered."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    """One for each item and bundle: item_id, bundle, assets."""
    pieces: list[Piece] = field(default_factory=list)
    """The same, as the bill wants it."""
    hints: list[str] = field(default_factory=list)
    """What a partial order leaves out, and why."""


def accepted(world: World, body: Any) -> Accepted:
    """What Planet accepts of a request.

    Raises:
        Refused: it accepts nothing.
    """
    asks = order_asks.read(body, world.kept.features)
    if asks.subscription_id not in (None, 0, world.bill.subscription_id):
        raise Refused(general=_OTHER_SUBSCRIPTION)
    found = Accepted()
    troubles: list[str] = []
    for product in asks.products:
        for item_id in product.item_ids:
            feature = world.item(item_id) if product.item_type == ITEM_TYPE else None
            if feature is None:
                raise Refused(Details=f"Item ID {item_id} / Item Type {product.item_type} doesn't exist")
            trouble = _taken(world, found, feature, product.bundles, asks)
            troubles += [trouble] if trouble else []
    if troubles and (asks.order_type == "full" or not world.config.orders_permitted):
        raise Refused(Details=troubles)
    if not found.lines:
        raise Refused(general=_NOTHING_LEFT)
    found.hints = troubles
    return found


def over_quota(world: World, pieces: list[Piece]) -> Response | None:
    """The refusal of an order that the quota does not allow. Call it under the world's lock, and charge there too."""
    now, wanted = world.now(), sum(km2 for km2, _ in world.bill.order_prices(pieces))
    forced = world.faults.strike("quota-exhausted", place="quota", path="/compute/ops/orders/v2")
    if not forced and (not wanted or world.account.admits(wanted, now)):
        return None
    text = f"Quota check failed - Insufficient quota: {wanted:.2f} sqkm requested"
    return answers.as_json({"field": {}, "general": [{"message": text}]}, 400)


def _taken(world: World, found: Accepted, feature: Feature, bundles: list[str], asks: order_asks.Asks) -> str | None:
    """Take an item in its first bundle that it has all assets of; what stands in the way when there is none."""
    item_id, trouble = feature["id"], ""
    for bundle in bundles:
        assets = bundle_assets(bundle) or []
        barred = [name for name in assets if not _may(world, feature, name)]
        if barred:
            trouble = trouble or f"no access to assets: {ITEM_TYPE}/{item_id}/[{' '.join(barred)}]"
            continue
        piece = _piece(world, feature, bundle, asks)
        if piece is None:
            return f"no overlap between the clip AOI and {ITEM_TYPE}/{item_id}"
        if not any(line["item_id"] == item_id and line["bundle"] == bundle for line in found.lines):
            found.lines.append({"item_id": item_id, "bundle": bundle, "assets": assets})
            found.pieces.append(piece)
        return None
    return trouble


def _may(world: World, feature: Feature, asset_type: str) -> bool:
    allowed = f"assets.{asset_type}:download" in feature["_permissions"]
    return world.config.orders_permitted and asset_type in feature["assets"] and allowed


def _piece(world: World, feature: Feature, bundle: str, asks: order_asks.Asks) -> Piece | None:
    """What is charged for an item; None when it lies outside the clip."""
    ground, clipped = footprint(feature), None
    if asks.aoi is not None:
        clipped = polygons(ground.intersection(asks.aoi))
        if area_km2(clipped) < _LEAST_KM2:
            return None
    return Piece(
        item_id=feature["id"],
        bundle=bundle,
        edition=world.edition(feature),
        footprint=ground,
        clipped=clipped,
        group=composite_group(asks.tools, feature),
    )


def footprint(feature: Feature) -> BaseGeometry:
    """The ground of an item, valid."""
    return polygons(shapely.make_valid(shapely.geometry.shape(feature["geometry"])))


def polygons(geometry: BaseGeometry) -> BaseGeometry:
    """The parts of a geometry that have area, in one."""
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def composite_group(tools: list[tuple[str, dict[str, Any]]], feature: Feature) -> str | None:
    """Which composite of the order an item goes into: its strip's or the order's one (""); None without composites."""
    for name, wanted in tools:
        if name == "composite":
            by_strip = wanted.get("group_by") == "strip_id"
            return str(feature["properties"].get("strip_id", "")) if by_strip else ""
    return None

"""Others' spending as the orders it was: Explorer, a colleague's program.

A spend is said in km²; the orders that stand for it clip scenes of the catalogue so that their areas add up to it.
"""

from __future__ import annotations

import math
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shapely import affinity
from shapely.geometry import box, mapping, shape
from shapely.geometry.base import BaseGeometry

from .answers import moment
from .billing import area_km2
from .life import Feature
from .order_book import Order
from .products import ITEM_TYPE, bundle_assets

if TYPE_CHECKING:
    from .world import World

USER = 41207
"""Whoever uses Explorer."""
_BUNDLE = "analytic_udm2"
_FULL = 0.95  # share of a footprint that one order takes at most
_MOST = 40  # orders that one spend may become
_SOMEWHERE = box(9.1, 45.4, 9.2, 45.5)  # where to look for a scene when nobody has searched yet


def as_orders(world: World, row: dict[str, Any]) -> None:
    """Put the orders of a spend among the account's."""
    km2, feature = float(row["km2"]), _scene(world)
    whole = area_km2(shape(feature["geometry"])) if feature else math.inf
    count = max(1, math.ceil(km2 / (whole * _FULL)))
    if feature is None or count > _MOST:
        _keep(world, row, row["id"], {"name": row["name"], "products": []}, [])
        return
    aoi = mapping(_shrunk(shape(feature["geometry"]), km2 / count))
    product = {"item_ids": [feature["id"]], "item_type": ITEM_TYPE, "product_bundle": _BUNDLE}
    line = {"item_id": feature["id"], "bundle": _BUNDLE, "assets": bundle_assets(_BUNDLE)}
    for number in range(count):
        order_id = row["id"] if number == 0 else str(uuid.uuid4())
        body = {"name": row["name"], "products": [product], "tools": [{"clip": {"aoi": aoi}}]}
        _keep(world, row, order_id, body, [line])


def _keep(world: World, row: dict[str, Any], order_id: str, body: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    at = moment(row["created_on"]).timestamp()
    body = {"source_type": "scenes", "order_type": "partial", **body}
    order = Order(
        id=order_id, request=body, key="", user=USER, created=at, starts=at, ends=at, lines=lines, listed=at, seen=True
    )
    world.orders.keep(order)


def _scene(world: World) -> Feature | None:
    """A scene that can be ordered, the largest of those that somebody has seen, or else one of last month."""
    now = world.now()
    known = list(world.known.values())
    if not known:
        known = world.catalog.search(_SOMEWHERE, now - timedelta(days=40), now - timedelta(days=10))
    wanted = set(bundle_assets(_BUNDLE) or ())
    usable = [f for f in known if wanted <= set(f["assets"]) and f["geometry"]["type"] == "Polygon"]
    return max(usable, key=lambda f: (area_km2(shape(f["geometry"])), f["id"]), default=None)


def _shrunk(footprint: BaseGeometry, km2: float) -> BaseGeometry:
    """A footprint made smaller about its centre until it has this area."""
    factor = 1.0
    found = footprint
    for _ in range(4):
        factor *= math.sqrt(km2 / area_km2(found))
        found = affinity.scale(footprint, factor, factor, origin="centroid")
    return found

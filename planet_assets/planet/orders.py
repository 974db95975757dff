"""Planet's Orders API: place an order once, find it again by its name, follow it, read what it delivered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from planet_assets.exceptions import ServerError, Unsafe
from planet_assets.model.asset import Link
from planet_assets.model.item import parse_time
from planet_assets.model.order import Delivered, Order, Result
from planet_assets.rules.naming import file_name

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from planet_assets.planet.session import Session

_ORDERS = "/compute/ops/orders/v2"
_UUID = re.compile(r"[0-9a-fA-F-]{32,36}")
MOST_PAGES = 200


class OrdersApi:
    """Calls of `/compute/ops`, 3 a second each. Source: confirmed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def create(self, body: Mapping[str, Any]) -> Order:
        """Place an order; this is the call that costs. It is sent once and never repeated blindly.

        Raises:
            NetworkError: no answer; the order may stand all the same, and its name finds it.
            OverQuota, PermissionMissing, Misused: Planet refused, and nothing was charged.
            Throttled: too many orders at once (409); try later.
        """
        return parse_order(await self._session.post_json(_ORDERS, body=body, kind="orders", repeatable=False))

    async def get(self, order_id: str) -> Order:
        """An order with fresh links, which live for 24 hours.

        Raises:
            Gone: Planet does not know it, or no longer.
        """
        if not _UUID.fullmatch(order_id):
            raise Unsafe(f"{order_id!r} is not an order's id.")
        return parse_order(await self._session.get_json(f"{_ORDERS}/{order_id}", kind="orders"))

    async def named(self, name: str) -> list[Order]:
        """Orders of this account with exactly this name, newest first."""
        return [order for order in await self.listed(name=name) if order.name == name]

    async def listed(self, **filters: str) -> list[Order]:
        """Orders of this account, newest first; filters are those of Planet's list."""
        orders: list[Order] = []
        link: str | None = _ORDERS
        params: Mapping[str, str] | None = filters
        seen: set[str] = set()
        while link is not None and link not in seen and len(seen) < MOST_PAGES:
            seen.add(link)
            page = await self._session.get_json(link, kind="orders", params=params)
            if not isinstance(page, Mapping) or not isinstance(page.get("orders"), list):
                raise ServerError("Planet's list of orders is malformed.", hint="Try again later.")
            orders += [parse_order(document) for document in page["orders"]]
            following = _mapping(page.get("_links")).get("next")
            link, params = (following if isinstance(following, str) else None), None
        return orders

    async def cancel(self, order_id: str) -> None:
        """Cancel an order that is still queued.

        Raises:
            Throttled: it is no longer queued (409).
        """
        await self._session.call("PUT", f"{_ORDERS}/{order_id}", kind="orders")


def order_body(
    *,
    name: str,
    item_type: str,
    item_ids: Sequence[str],
    bundle: str,
    aoi: Mapping[str, Any] | None,
    tools: Sequence[Mapping[str, Any]] = (),
    subscription_id: int | None = None,
) -> dict[str, Any]:
    """The body of an order: always `partial`, so that one item without an asset does not sink the rest.

    Args:
        name: ours, unique, to find the order again.
        item_type: for example PSScene.
        item_ids: items, 500 at the most.
        bundle: product bundle.
        aoi: GeoJSON to clip to; None for whole scenes.
        tools: further tools, in Planet's form.
        subscription_id: the plan that is charged.
    """
    body: dict[str, Any] = {
        "name": name,
        "source_type": "scenes",
        "order_type": "partial",
        "products": [{"item_type": item_type, "item_ids": list(item_ids), "product_bundle": bundle}],
        "tools": [dict(tool) for tool in tools if "harmonize" in tool or "toar" in tool],
    }
    if aoi is not None:
        body["tools"].append({"clip": {"aoi": dict(aoi)}})
    body["tools"] += [dict(tool) for tool in tools if not ("harmonize" in tool or "toar" in tool)]
    if subscription_id is not None:
        body["subscription_id"] = subscription_id
    return body


def parse_order(document: object) -> Order:
    """An order's document.

    Raises:
        ServerError: it is malformed.
    """
    order_id = document.get("id") if isinstance(document, Mapping) else None
    if not isinstance(document, Mapping) or not isinstance(order_id, str) or not _UUID.fullmatch(order_id):
        raise ServerError("Planet's order is malformed.", hint="Try again later.")
    products = [product for product in _list(document.get("products")) if isinstance(product, Mapping)]
    results = _list(_mapping(document.get("_links")).get("results"))
    return Order(
        id=order_id,
        name=str(document.get("name") or ""),
        state=str(document.get("state") or ""),
        created_on=_time(document.get("created_on")),
        item_ids=tuple(str(item) for product in products for item in _list(product.get("item_ids"))),
        item_types=tuple(
            str(product.get("item_type") or "") for product in products for _ in _list(product.get("item_ids"))
        ),
        bundles=tuple(str(product.get("product_bundle") or "") for product in products),
        results=tuple(result for entry in results if (result := _result(entry)) is not None),
        hints=tuple(str(hint) for hint in _list(document.get("error_hints"))),
        message=str(document.get("last_message") or ""),
        tools=tuple(tool for tool in _list(document.get("tools")) if isinstance(tool, Mapping)),
    )


def delivered(order: Order, manifest: object) -> list[Delivered]:
    """The files of an order: what its manifest promises, matched with the links of its results.

    Names are used to match and for nothing else.

    Raises:
        ServerError: the manifest is malformed.
    """
    if not isinstance(manifest, Mapping) or not isinstance(manifest.get("files"), list):
        raise ServerError("The order's manifest is malformed.", hint="Try again later.")
    links = {_below(result.name, order.id): result.link for result in order.results}
    entries = [entry for entry in manifest["files"] if isinstance(entry, Mapping)]
    return [
        _delivered(entry, links[path], order.id)
        for entry in entries
        if isinstance(path := entry.get("path"), str) and path in links
    ]


def brings(order: Order, item_id: str, asset_type: str) -> bool:
    """True when an order holds the file, by its name in the results, or may still bring it."""
    if not order.is_final:
        return True
    names = [result.name.rpartition("/")[2] for result in order.results]
    if item_id.startswith("composite_"):
        kinds = {_composite(name, order.id)[1] for name in names}
        return (
            order.state in ("success", "partial")
            and ("composite_udm2" if "udm2" in asset_type else "composite") in kinds
        )
    stem, _, suffix = file_name(item_id, asset_type).rpartition(".")
    there = any(name.startswith(stem) and name.endswith(f".{suffix}") for name in names)
    return order.state in ("success", "partial") and there


def _composite(path: str, order_id: str) -> tuple[str, str]:
    """Item id and asset type of a composite, which belongs to no item; empty for other files."""
    name = re.fullmatch(r"(?:.*/)?(?:([A-Za-z0-9]{1,40})_)?(composite(?:_udm2?)?)[A-Za-z0-9_]*\.tif", path)
    if name is None:
        return "", ""
    strip, kind = name.groups()
    return "_".join(filter(None, ("order", order_id[:8], strip))), "composite_udm2" if "udm" in kind else "composite"


def _delivered(entry: Mapping[str, Any], link: Link, order_id: str) -> Delivered:
    notes, digests = _mapping(entry.get("annotations")), _mapping(entry.get("digests"))
    size = entry.get("size")
    item_id, asset_type = str(notes.get("planet/item_id") or ""), str(notes.get("planet/asset_type") or "")
    if not item_id:
        item_id, asset_type = _composite(str(entry["path"]), order_id)
    return Delivered(
        item_id=item_id,
        asset_type=asset_type,
        item_type=str(notes.get("planet/item_type") or "PSScene"),
        path=str(entry["path"]),
        size_bytes=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        md5=_md5(digests.get("md5")),
        link=link,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def manifest_link(order: Order) -> Link | None:
    """Where the manifest of a finished order lies."""
    return next((one.link for one in order.results if one.name.rpartition("/")[2] == "manifest.json"), None)


def aoi_of(geometry: BaseGeometry) -> dict[str, Any]:
    """A geometry as the clip tool takes it."""
    from planet_assets.model.geometry import to_geojson

    return to_geojson(geometry)


def _result(entry: object) -> Result | None:
    if not isinstance(entry, Mapping):
        return None
    name, url = entry.get("name"), entry.get("location")
    if not isinstance(name, str) or not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return None
    return Result(name=name, link=Link(url=url, expires_at=_time(entry.get("expires_at"))))


def _below(name: str, order_id: str) -> str:
    return name.removeprefix(f"{order_id}/")


def _md5(value: object) -> str | None:
    return value.lower() if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{32}", value) else None


def _time(value: object) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None

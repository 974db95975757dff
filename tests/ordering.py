"""Orders at a sandbox, as a plain HTTP client places, awaits and fetches them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

import httpx
from sandboxes import MILAN, Visitor

ORDERS = "/compute/ops/orders/v2"
CLIP = {"clip": {"aoi": MILAN}}


def request(*items: str, bundle: str = "analytic_udm2", **more: Any) -> dict[str, Any]:
    """The body of a partial order of whole scenes."""
    product = {"item_ids": list(items), "item_type": "PSScene", "product_bundle": bundle}
    return {"name": "milan", "order_type": "partial", "products": [product]} | more


def placed(planet: Visitor, *items: str, **more: Any) -> dict[str, Any]:
    """A new order."""
    answer = planet.http.post(ORDERS, json=request(*items, **more))
    assert answer.status_code == 202, answer.text
    order: dict[str, Any] = answer.json()
    return order


def read(planet: Visitor, order: dict[str, Any]) -> dict[str, Any]:
    """The order as it stands."""
    found: dict[str, Any] = planet.http.get(order["_links"]["_self"]).raise_for_status().json()
    return found


def done(planet: Visitor, *items: str, **more: Any) -> dict[str, Any]:
    """An order that has come to its end; the sandbox must have no latency."""
    order = placed(planet, *items, **more)
    for _ in range(20):
        order = read(planet, order)
        if order["state"] not in ("queued", "running"):
            return order
    raise AssertionError(order["state"])


def link(planet: Visitor, result: dict[str, Any]) -> str:
    """The storage address behind a result."""
    answer = httpx.get(result["location"])
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def fetched(planet: Visitor, order: dict[str, Any]) -> dict[str, bytes]:
    """Every result by its name without the order's id."""
    bodies = {}
    for result in order["_links"]["results"]:
        answer = planet.fetch(link(planet, result))
        assert answer.status_code == 200
        bodies[result["name"].removeprefix(f"{order['id']}/")] = answer.content
    return bodies


def listed(files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """The entries of the manifest by path."""
    return {entry["path"]: entry for entry in json.loads(files["manifest.json"])["files"]}


def agrees(files: dict[str, bytes]) -> bool:
    """Whether the manifest and the files say the same."""
    entries = listed(files)
    return entries.keys() == files.keys() - {"manifest.json"} and all(
        (len(files[path]), hashlib.md5(files[path]).hexdigest(), hashlib.sha256(files[path]).hexdigest())
        == (entry["size"], entry["digests"]["md5"], entry["digests"]["sha256"])
        for path, entry in entries.items()
    )


def unpacked(archive: bytes) -> dict[str, bytes]:
    """The files of an archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}

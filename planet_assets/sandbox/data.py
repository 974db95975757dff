"""The Data API but for searches and files: items, type lists, thumbnails and the bundles spec."""

from __future__ import annotations

import asyncio
import struct
import zlib
from typing import Any

import numpy as np
from affine import Affine
from rasterio.features import rasterize
from shapely.geometry import shape
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import answers, products, search
from .life import Feature
from .world import World

ITEM = "/data/v1/item-types/{item_type}/items/{item_id}"
_THUMB_PX = 128


async def root(request: Request) -> Response:
    """`GET /data/v1/`: the cheapest check of a key."""
    base = f"{answers.origin(request)}/data/v1"
    names = ("quick-search", "searches", "item-types", "asset-types", "stats")
    return answers.as_json({"_links": {"_self": f"{base}/", **{name: f"{base}/{name}" for name in names}}})


def found_item(request: Request) -> Feature | None:
    """The record that the path names."""
    world: World = request.app.state.world
    if request.path_params["item_type"] != products.ITEM_TYPE:
        return None
    return world.item(request.path_params["item_id"])


def no_item(request: Request) -> Response:
    """The 404 for an item."""
    return answers.refusal(404, f"Item {request.path_params['item_id']} does not exist")


async def item(request: Request) -> Response:
    """`GET /item-types/{t}/items/{id}`."""
    feature = found_item(request)
    if feature is None:
        return no_item(request)
    return answers.as_json(search.with_links(feature, answers.origin(request)))


async def thumbnail(request: Request) -> Response:
    """`GET .../thumb`: a small picture of the footprint, paler the cloudier."""
    feature = found_item(request)
    if feature is None:
        return no_item(request)
    return Response(await asyncio.to_thread(_thumbnail, feature), media_type="image/png")


def _thumbnail(feature: Feature) -> bytes:
    footprint = shape(feature["geometry"])
    west, south, east, north = footprint.bounds
    grid = Affine((east - west) / _THUMB_PX, 0, west, 0, (south - north) / _THUMB_PX, north)
    inside = rasterize([footprint], (_THUMB_PX, _THUMB_PX), transform=grid, default_value=255, dtype="uint8")
    cloud = float(feature["properties"].get("cloud_cover") or 0)
    land, white = np.array([84, 112, 74]), np.array([244, 244, 244])
    colour = (land + (white - land) * cloud).astype("uint8")
    pixels = np.dstack([np.broadcast_to(colour, (_THUMB_PX, _THUMB_PX, 3)), inside])
    return _png(pixels)


def _png(pixels: Any) -> bytes:
    """An RGBA array (row, col, band) as PNG."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


async def item_types(request: Request) -> Response:
    """`GET /item-types` and `/item-types/{id}`."""
    base, name = answers.origin(request), request.path_params.get("name")
    entry = products.item_type(base)
    if name is None:
        return answers.as_json({"_links": {"_self": f"{base}/data/v1/item-types"}, "item_types": [entry]})
    if name != products.ITEM_TYPE:
        return answers.refusal(404, f"Item type {name} does not exist")
    return answers.as_json(entry)


async def asset_types(request: Request) -> Response:
    """`GET /asset-types` and `/asset-types/{id}`."""
    base, name = answers.origin(request), request.path_params.get("name")
    if name is None:
        rows = [products.asset_type(each, base) for each in products.ASSET_TYPES]
        return answers.as_json({"_links": {"_self": f"{base}/data/v1/asset-types"}, "asset_types": rows})
    if name not in products.ASSET_TYPES:
        return answers.refusal(404, f"Asset type {name} does not exist")
    return answers.as_json(products.asset_type(name, base))


async def bundles_spec(request: Request) -> Response:
    """`GET /compute/ops/bundles/spec`, without a key."""
    return answers.as_json(products.bundles_spec())


routes = [
    Route("/data/v1/", root, methods=["GET"]),
    Route("/data/v1", root, methods=["GET"]),
    Route("/data/v1/item-types", item_types, methods=["GET"]),
    Route("/data/v1/item-types/{name}", item_types, methods=["GET"]),
    Route("/data/v1/asset-types", asset_types, methods=["GET"]),
    Route("/data/v1/asset-types/{name}", asset_types, methods=["GET"]),
    Route(ITEM, item, methods=["GET"]),
    Route(ITEM + "/thumb", thumbnail, methods=["GET"]),
    Route("/compute/ops/bundles/spec", bundles_spec, methods=["GET"]),
]

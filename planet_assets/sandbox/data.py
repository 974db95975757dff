"""The Data API but for searches and files: items, type lists, coverage, thumbnails and the bundles spec."""

from __future__ import annotations

import asyncio
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.features import geometry_mask, rasterize
from rasterio.warp import transform_geom
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import activation, answers, filters, products, search
from .life import Feature
from .world import World

ITEM = "/data/v1/item-types/{item_type}/items/{item_id}"
_UDM2_BANDS = {"clear": 1, "snow_ice": 2, "shadow": 3, "light_haze": 4, "heavy_haze": 5, "cloud": 6}
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


async def coverage(request: Request) -> Response:
    """`POST .../coverage`: percent of an area within the item that is clear (or of another UDM2 band).

    Mode UDM2 activates the mask and reads it (confirmed: it activates); `estimate` is the item's own percentage
    (assumed).
    """
    world: World = request.app.state.world
    feature = found_item(request)
    if feature is None:
        return no_item(request)
    try:
        body = await request.json()
        area = filters.geometry(body.get("geometry"))
    except (ValueError, AttributeError):
        return answers.refusal(400, "The body is not a JSON object")
    except filters.BadFilter as error:
        return search.bad(error)
    band = request.query_params.get("band", "clear")
    if band not in _UDM2_BANDS:
        return answers.refusal(400, field={"band": [f"Must be one of {', '.join(_UDM2_BANDS)}"]})
    name = f"{band}_percent"
    if request.query_params.get("mode", "estimate") != "UDM2" or "ortho_udm2" not in feature["assets"]:
        percent = feature["properties"].get(name, 100 if band == "clear" else 0)
        return answers.as_json({name: percent, "status": "complete"})
    activation.activate(world, feature, "ortho_udm2")
    if await activation.status(world, feature, "ortho_udm2") != "active":
        return answers.as_json({"status": "activating"}, 202)
    path, _ = await asyncio.wrap_future(world.file(feature, "ortho_udm2"))
    percent = await asyncio.to_thread(_percent, path, area, _UDM2_BANDS[band])
    return answers.as_json({name: percent, "status": "complete"})


def _percent(path: Path, area: BaseGeometry, band: int) -> int:
    with rasterio.open(path) as mask:
        ground = transform_geom("EPSG:4326", mask.crs, mapping(area))
        inside = geometry_mask([ground], (mask.height, mask.width), mask.transform, invert=True)
        values = mask.read(band)[inside]
    return round(100 * float((values == 1).mean())) if values.size else 0


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
    Route(ITEM + "/coverage", coverage, methods=["POST"]),
    Route("/compute/ops/bundles/spec", bundles_spec, methods=["GET"]),
]

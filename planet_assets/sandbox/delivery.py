"""From an asset to its bytes: the listing of an item's assets, activation, and the link with its token.

Source: contract 2.4 to 2.6. Confirmed: the objects, asset ids, naive UTC `expires_at` that equals the token's
`exp`, both verbs of activation, the 302. Assumed: 403 for an expired token and 401 for a forged one.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from shapely.geometry import shape
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from . import activation, answers, storage, tokens
from .data import ITEM, found_item, no_item
from .life import Feature
from .products import ITEM_TYPE
from .world import World

_ASSET = "/data/v1/assets/{asset_id}"


def asset_id(item_id: str, asset_type: str) -> str:
    """Planet's id of an asset: base64url JSON without padding. Source: decoded from public examples, confirmed."""
    parts = {"i": item_id, "c": ITEM_TYPE, "t": asset_type, "ct": "item-type"}
    return tokens.unpadded(json.dumps(parts).encode())


async def assets(request: Request) -> Response:
    """`GET .../assets`: an object keyed by asset type; `{}` for an item that may not be downloaded (reported)."""
    world: World = request.app.state.world
    feature = found_item(request)
    if feature is None:
        return no_item(request)
    if not feature["_permissions"] or world.faults.strike("assets-empty", **_about(request, feature)):
        return answers.as_json({})
    names = sorted(feature["assets"])
    shown = await asyncio.gather(*(_shown(request, feature, name) for name in names))
    return answers.as_json(dict(zip(names, shown, strict=True)))


async def asset(request: Request) -> Response:
    """`GET /assets/{asset_id}`: one asset, the thing to poll."""
    found = _found_asset(request)
    return answers.as_json(await _shown(request, *found)) if found else _no_asset()


async def activate(request: Request) -> Response:
    """`GET` or `POST /assets/{asset_id}/activate`: 202 begun or under way, 204 active, 403 or 429 refused."""
    world: World = request.app.state.world
    found = _found_asset(request)
    if not found:
        return _no_asset()
    feature, asset_type = found
    refused = _refused(world, request, feature, asset_type)
    if refused:
        return refused
    begun = activation.activate(world, feature, asset_type)
    if begun and world.config.latency <= 0:
        await activation.status(world, feature, asset_type)  # so that whoever reads next finds it active
    return Response(status_code=202 if begun else 204)


async def download(request: Request) -> Response:
    """`GET location`: 302 to the object store. Needs no key but the token."""
    world: World = request.app.state.world
    claims = tokens.claims(world, request.query_params.get("token", ""))
    if claims is None or claims["token_type"] != "typed-item":
        return answers.refusal(401, "Invalid token")
    feature, asset_type = world.item(claims["item_id"]), claims["asset_type"]
    if feature is None or asset_type not in feature["assets"]:
        return _no_asset()
    about = _about(request, feature, asset_type) | {"place": "location"}
    if claims["exp"] < world.now().timestamp() or world.faults.strike("expired-link", **about):
        return answers.refusal(403, "Token has expired")
    refused = _refused(world, request, feature, asset_type)
    if refused:
        return refused
    if world.faults.strike("redirect-loop", **about):
        return RedirectResponse(str(request.url), 302)
    path = storage.asset_path(feature["id"], asset_type)
    address = storage.signed(world, path, key=claims["sub"], life_s=world.config.link_life_s)
    return RedirectResponse(answers.other_origin(request, world.storage_port) + address, 302)


def _refused(world: World, request: Request, feature: Feature, asset_type: str) -> Response | None:
    """The answer to one who may not have this asset, by permission or by quota; None when all is well."""
    if f"assets.{asset_type}:download" not in feature["_permissions"]:
        return answers.refusal(403, "You do not have permission to download this asset")
    forced = world.faults.strike("quota-exhausted", **_about(request, feature, asset_type) | {"place": "quota"})
    if not forced:
        file = (feature["id"], asset_type, world.edition(feature))
        if not world.account.exhausted(world.now()) or not world.bill.price(*file, shape(feature["geometry"]))[0]:
            return None
    return answers.refusal(world.config.quota_refusal, "Download quota has been exceeded.")


async def _shown(request: Request, feature: Feature, asset_type: str) -> dict[str, Any]:
    """One asset as the listing shows it, with a fresh token when it is active."""
    world: World = request.app.state.world
    base, identity = f"{answers.origin(request)}/data/v1", asset_id(feature["id"], asset_type)
    permitted = f"assets.{asset_type}:download" in feature["_permissions"]
    status = await activation.status(world, feature, asset_type)
    shown: dict[str, Any] = {
        "_links": {
            "_self": f"{base}/assets/{identity}",
            "activate": f"{base}/assets/{identity}/activate",
            "type": f"{base}/asset-types/{asset_type}",
        },
        "_permissions": ["download"] if permitted else [],
        "md5_digest": None,
        "status": status,
        "type": asset_type,
    }
    if status != "active":
        return shown
    about = _about(request, feature, asset_type)
    if world.faults.strike("republished", **about):
        world.republish(feature["id"])
    _, md5 = await asyncio.wrap_future(world.file(feature, asset_type))
    if world.faults.strike("wrong-md5", **about):
        md5 = hashlib.md5(md5.encode()).hexdigest()
    expires = world.now().timestamp() + world.config.link_life_s
    claims = {
        "sub": request.scope["state"]["key"],
        "exp": expires,
        "token_type": "typed-item",
        "item_type_id": ITEM_TYPE,
        "item_id": feature["id"],
        "asset_type": asset_type,
    }
    shown["md5_digest"] = md5
    shown["expires_at"] = datetime.fromtimestamp(expires, UTC).replace(tzinfo=None).isoformat()
    shown["location"] = f"{base}/download?token={tokens.minted(world, claims)}"
    if world.faults.strike("location-null", **about):
        shown["location"] = None
    return shown


def _found_asset(request: Request) -> tuple[Feature, str] | None:
    """The item and asset type that an asset id names."""
    world: World = request.app.state.world
    text = request.path_params["asset_id"]
    try:
        parts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        item_id, asset_type = str(parts["i"]), str(parts["t"])
    except (ValueError, KeyError, TypeError):
        return None
    feature = world.item(item_id)
    return (feature, asset_type) if feature and asset_type in feature["assets"] else None


def _no_asset() -> Response:
    return answers.refusal(404, "Asset does not exist")


def _about(request: Request, feature: Feature, asset_type: str = "") -> dict[str, str]:
    return {"place": "assets", "path": request.url.path, "item": feature["id"], "asset_type": asset_type}


routes = [
    Route(ITEM + "/assets", assets, methods=["GET"]),
    Route(ITEM + "/assets/", assets, methods=["GET"]),
    Route(_ASSET, asset, methods=["GET"]),
    Route(_ASSET + "/activate", activate, methods=["GET", "POST"]),
    Route("/data/v1/download", download, methods=["GET"]),
]

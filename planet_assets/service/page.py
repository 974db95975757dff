"""The page to watch and approve: files of this folder, and nothing from the network."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from planet_assets.exceptions import Gone

router = APIRouter(include_in_schema=False)

KINDS = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "geojson": "application/geo+json",
}

LAND = "ne110.geojson"
MODULES = ("app", "api", "dom", "jobs", "look", "map", "plans", "quota", "scenes")
FILES = (
    *(f"{name}.js" for name in MODULES),
    "style.css",
    "icon.svg",
    "leaflet/leaflet-src.esm.js",
    "leaflet/leaflet.css",
)
"""All there is; no other name is looked for on the disk."""


@router.get("/")
def page(if_none_match: Annotated[str, Header()] = "") -> Response:
    """The page itself; what it shows, it asks for by the API, with the sign-in of whoever looks."""
    return _file("index.html", if_none_match)


@router.get("/page/{name:path}")
def part(name: str, if_none_match: Annotated[str, Header()] = "") -> Response:
    """A part of the page."""
    if name not in FILES and name != LAND:
        raise Gone("The page has no such part.")
    return _file(name, if_none_match)


def _file(name: str, known: str) -> Response:
    text, tag = _read(name)
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in known:
        return Response(status_code=304, headers=headers)
    return Response(text, media_type=KINDS[name.rsplit(".", 1)[-1]], headers=headers)


@cache
def _read(name: str) -> tuple[bytes, str]:
    folder = files("planet_assets.view") if name == LAND else files("planet_assets.service").joinpath("static")
    text = folder.joinpath(*name.split("/")).read_bytes()
    return text, f'"{hashlib.sha256(text).hexdigest()[:20]}"'

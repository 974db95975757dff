"""Sites over HTTP: which there are and how they stand, what waits for whom, and the words of their agents.

A site's name may hold slashes, so it is given in the query or the body and not in the path.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from planet_assets.exceptions import Conflict, LibraryLocked, Misused
from planet_assets.library import bundles, scanning, standings
from planet_assets.library.engine import Library
from planet_assets.model.people import Caller
from planet_assets.model.standing import SiteCount
from planet_assets.rules import packages
from planet_assets.rules.destinations import GREEN, OTHER, RED, YELLOW, checked_site
from planet_assets.rules.permissions import is_author, sees_all
from planet_assets.service import shapes
from planet_assets.service.access import needs
from planet_assets.service.answers import Json
from planet_assets.service.bodies import json_body
from planet_assets.service.shapes import takes

router = APIRouter(default_response_class=Json)

Reader = Annotated[Caller, Depends(needs("read"))]
Sender = Annotated[Caller, Depends(needs("upload"))]
Editor = Annotated[Caller, Depends(needs("update"))]
Body = Annotated[Any, Depends(json_body)]
Site = Annotated[str, Query(min_length=1, max_length=64)]
Limit = Annotated[int, Query(ge=1, le=1000)]

ALIVE = timedelta(minutes=3)
"""An agent that was heard of so long ago still counts as alive."""
SCHEMES = ("", "http", "https", "s3", "gs", "az")
SAID = ("status", "agent", "version", "note", *standings.VOLUME)
"""What an agent may say of itself."""


@router.get("/v1/sites", tags=["sites"])
def list_sites(request: Request, caller: Reader) -> Response:
    """Every site: its colour, what waits for it, what failed, and when its agent was heard of."""
    library: Library = request.app.state.library
    now: datetime = request.app.state.clock.now()
    counts, beats = standings.counts(library), standings.beats(library)
    known, members = {one.name: one for one in bundles.sites(library)}, standings.members(library)
    found = []
    for name in sorted({*counts, *beats, *known, *members}):
        site = known.get(name)
        outstanding = len(bundles.outstanding(library, site.id)) if site else 0
        count = counts.get(name, SiteCount(site=name))
        beat = beats.get(name)
        heard = datetime.fromisoformat(beat["at"]) if beat else None
        found.append(
            {
                "name": name,
                "address": members.get(name) or (_shown(site.address) if site else ""),
                "takes_files": name in members,
                "colour": RED if count.failed else YELLOW if count.wanted or outstanding else GREEN,
                "wanted": count.wanted,
                "failed": count.failed,
                "present": count.present,
                "bundles_outstanding": outstanding,
                "heartbeat": beat,
                "is_alive": heard is not None and heard > now - ALIVE and (beat or {}).get("status") != "off",
            }
        )
    return Json({"sites": found})


@router.post("/v1/sites", tags=["sites"], openapi_extra=takes(shapes.SITE))
def add_site(request: Request, caller: Editor, body: Body) -> Response:
    """Name a site; what goes everywhere is wanted there from now on. Nothing is asked of its address by the tracker."""
    library: Library = request.app.state.library
    name, address = checked_site(_text(body, "name")), _text(body, "address", "")
    parts = urlsplit(address) if "://" in address else urlsplit("")
    if parts.scheme not in SCHEMES or "@" in parts.netloc or len(address) > 1000 or "\0" in address:
        raise Misused("An address is a folder, https://..., s3://..., gs://... or az://..., without a password.")
    is_new = standings.join(library, name, address, now=request.app.state.clock.now())
    return Json({"name": name, "address": address}, 201 if is_new else 200)


@router.get("/v1/sites/waiting", tags=["sites"])
def list_waiting(
    request: Request, caller: Reader, target: Site, source: str | None = None, limit: Limit = 100, agent: str = ""
) -> Response:
    """Elements that are to come to a site and nobody brings: by priority, then the oldest wish first."""
    found = _waiting(request, caller, target, source or None, limit, _owner(caller, agent.replace("\0", "")))
    return Json({"elements": found})


@router.get("/api/listup/{source}/{target}/{count}", tags=["tracker"])
@router.get("/api/listup/{source}/{target}/{count}/", include_in_schema=False)
def listup(request: Request, caller: Reader, source: str, target: str, count: int) -> Response:
    """The next elements that a site is to send to another."""
    return Json(_waiting(request, caller, target, source, count))


@router.get("/api/listdown/{source}/{target}/{count}", tags=["tracker"])
@router.get("/api/listdown/{source}/{target}/{count}/", include_in_schema=False)
def listdown(request: Request, caller: Reader, source: str, target: str, count: int) -> Response:
    """The next elements that a site is to fetch from another."""
    return Json(_waiting(request, caller, target, source, count))


@router.post("/v1/sites/claim", tags=["sites"], openapi_extra=takes(shapes.CLAIM))
def claim(request: Request, caller: Sender, body: Body) -> Response:
    """Take an element for one agent alone, or renew that; `claimed` is false when another one has it."""
    state, (element, site, owner) = request.app.state, _whose(body, caller)
    return Json({"claimed": standings.claim(state.library, element, site, owner=owner, now=state.clock.now())})


@router.post("/v1/sites/outcome", tags=["sites"], openapi_extra=takes(shapes.OUTCOME))
def outcome(request: Request, caller: Sender, body: Body) -> Response:
    """Say how it went with an element one had claimed: arrived, failed or given_back."""
    try:
        return Json({"is_newest": _ended(request, caller, body)})
    except LibraryLocked as error:
        raise Conflict(error.message, hint=error.hint) from None


@router.post("/v1/sites/scanned", tags=["sites"], openapi_extra=takes(shapes.SCANNED))
def scanned(request: Request, caller: Editor, body: Body) -> Response:
    """Tell what lies at a site (`id`, `size_bytes`, `mtime_ms`): what is new is published, what changed goes out."""
    state, site = request.app.state, checked_site(_text(body, "site"))
    found = body.get("found")
    if not isinstance(found, list) or len(found) > standings.MOST:
        raise Misused(f"found is a list of {standings.MOST} at the most.", argument="found")
    entries = [_entry(one) for one in found]
    return Json(scanning.scanned(state.library, site, entries, by=caller.name, now=state.clock.now()))


@router.post("/v1/sites/heartbeat", tags=["sites"], openapi_extra=takes(shapes.BEAT))
def heartbeat(request: Request, caller: Sender, body: Body) -> Response:
    """Say that a site's agent lives."""
    state, site = request.app.state, checked_site(_text(body, "site"))
    said = {key: _told(body, key) for key in SAID if isinstance(body, dict) and key in body}
    standings.beat(state.library, site, {**said, "by": caller.name}, now=state.clock.now())
    return Json({"site": site})


def _waiting(
    request: Request, caller: Caller, target: str, source: str | None, count: int, owner: str | None = None
) -> list[dict[str, Any]]:
    state = request.app.state
    if not 0 <= count <= standings.MOST:
        raise Misused(f"How many is a number up to {standings.MOST}.")
    places = [checked_site(one) for one in (target, source) if one is not None]
    now = state.clock.now()
    ids = standings.waiting(state.library, places[0], source=source, limit=count, now=now, owner=owner)
    found = standings.documents(state.library, ids)
    if sees_all(caller, author_mode=state.options.author_mode):
        return found
    return [one for one in found if is_author(caller.name, one)]


def _ended(request: Request, caller: Caller, body: Any) -> bool:
    state, (element, site, owner) = request.app.state, _whose(body, caller)
    how, now = _text(body, "outcome"), state.clock.now()
    if how == "arrived":
        seal, by = _text(body, "seal", "")[:64], caller.name
        return scanning.arrived(state.library, element, site, owner=owner, seal=seal, by=by, now=now)
    if how == "failed":
        code = body.get("code", OTHER)
        code = code if isinstance(code, int) and not isinstance(code, bool) and abs(code) < 10**6 else OTHER
        error = _text(body, "error", "failed")
        standings.failed(state.library, element, site, owner=owner, error=error, code=code, now=now)
    elif how == "given_back":
        standings.give_back(state.library, element, site, owner=owner)
    else:
        raise Misused("An outcome is arrived, failed or given_back.")
    return False


def _whose(body: Any, caller: Caller) -> tuple[str, str, str]:
    agent = _text(body, "agent", "agent")
    return _text(body, "element"), checked_site(_text(body, "site")), _owner(caller, agent)


def _owner(caller: Caller, agent: str) -> str:
    return f"{caller.name}/{agent[:200]}"


def _entry(one: Any) -> scanning.Entry:
    name = _text(one, "id")
    packages.checked_path(name)
    size, mtime = one.get("size_bytes"), one.get("mtime_ms")
    if not all(
        isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**53 for number in (size, mtime)
    ):
        raise Misused("size_bytes and mtime_ms are numbers.")
    return name, size, mtime


def _told(body: Any, key: str) -> str | int:
    if key not in standings.VOLUME:
        return _text(body, key)[:200]
    value = body[key]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise Misused(f"{key} is a time in milliseconds.", argument=key)
    return value


def _text(body: Any, key: str, default: str | None = None) -> str:
    value = body.get(key, default) if isinstance(body, dict) else None
    if not isinstance(value, str) or "\0" in value:
        raise Misused(f"{key} is missing or no text.", argument=key)
    return value


def _shown(address: str) -> str:
    """A folder's path is the business of its own machine."""
    return address if "://" in address else ""

"""Asks a team's tracker about a plan and waits for its word. A tracker that is lost or odd is never a yes.

The question carries an id of ours, so that sending it again after a cut, or after the tracker was started anew, asks
nothing twice.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from shapely import set_precision
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import Conflict, Misused, NetworkError, NotAllowed, ServerError, SignInNeeded
from planet_assets.model.plan import Decision, Plan
from planet_assets.model.ports import Clock

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
LOST_AFTER_S = 900.0
"""How long a tracker may be away before the wait is given up."""
MOST_FOOTPRINTS = 500
GRID_DEG = 1e-5
"""Footprints are sent to about a metre."""
SECRET = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A tracker, and by whose name it is asked."""

    url: str
    """Its address, without a path."""
    token: str = ""
    """What one signs in by; empty where sign-in is switched off."""
    above_km2: float | None = None
    """Plans beyond this wait for a person even where the team's own rule would let them pass."""
    project: str = ""
    """What it is for."""
    wait_s: float | None = None
    """How long an answer is waited for; None for as long as the tracker keeps the question open."""

    def __repr__(self) -> str:
        return f"Team({self.url!r})"


def checked_team(team: Team) -> Team:
    """The team itself.

    Raises:
        Misused: an address that cannot be meant, or that would carry the token in the clear over a network.
    """
    try:
        address = httpx.URL(team.url)
    except (httpx.InvalidURL, TypeError):
        address = httpx.URL("")
    if address.scheme not in ("http", "https") or not address.host or address.userinfo or address.query:
        raise Misused(f"{team.url!r} is no address of a tracker.", hint="Give https://host:port.", argument="url")
    if team.token and address.scheme == "http" and not _is_here(address.host):
        raise Misused(
            f"The token would cross the network to {address.host} in the clear.",
            hint="Serve the tracker by https.",
            argument="url",
        )
    if team.token and not SECRET.fullmatch(team.token):
        raise Misused("The token holds a space or a character that no token has.", argument="token")
    if team.above_km2 is not None and not 0 <= team.above_km2 < math.inf:
        raise Misused(f"above_km2 is {team.above_km2}.", hint="Give an area of 0 or more.", argument="above_km2")
    return team


async def ask(team: Team, plan: Plan, clock: Clock) -> Decision:
    """Put a plan to the team and wait for the answer.

    Raises:
        SignInNeeded, NotAllowed: the tracker does not know the token, or it may not ask.
        NetworkError: the tracker was away for too long; nothing was spent.
        Misused: the tracker does not understand the question.
    """
    question = uuid.uuid4().hex
    headers = {"Authorization": f"Bearer {team.token}"} if team.token else {}
    address = httpx.URL(team.url.rstrip("/"))
    by_environment = address.scheme == "https"  # its certificates and proxies; loopback goes past a proxy
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=20.0, trust_env=by_environment) as http:
        line = _Line(http, clock)
        try:
            return await _answer(line, team, plan, question)
        except asyncio.CancelledError:
            with suppress(Exception):
                await asyncio.shield(http.delete(f"/v1/plans/{question}", timeout=2.0))
            raise


async def _answer(line: _Line, team: Team, plan: Plan, question: str) -> Decision:
    asked = document(plan, question=question, project=team.project, above_km2=team.above_km2)
    said = await line.call("POST", "/v1/plans", asked)
    began, pause_s = line.clock.monotonic(), FIRST_PAUSE_S
    while (state := _state(said, question)) == "waiting":
        if team.wait_s is not None and line.clock.monotonic() - began >= team.wait_s:
            with suppress(Conflict):  # answered in this very moment, which the next look sees
                await line.call("DELETE", f"/v1/plans/{question}")
        else:
            await line.clock.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 1.3)
        said = await line.call("GET", f"/v1/plans/{question}")
    return _decision(said, state, plan, line.clock.now())


class _Line:
    """Calls a tracker again while it is away."""

    def __init__(self, http: httpx.AsyncClient, clock: Clock) -> None:
        self._http = http
        self.clock = clock

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer's JSON; every call may be sent twice."""
        began, pause_s = self.clock.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                return _read(await self._http.request(method, path, json=body))
            except (httpx.TransportError, ServerError) as error:
                if self.clock.monotonic() - began >= LOST_AFTER_S:
                    raise NetworkError(
                        f"The tracker {self._http.base_url} does not answer: {error}.",
                        hint="Nothing was spent. Ask again when it is back.",
                    ) from None
            await self.clock.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 1.6)


def _read(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        said = None
    if answer.is_success and isinstance(said, dict):
        return said
    told = said.get("error") if isinstance(said, dict) else None
    words = told if isinstance(told, dict) else {}
    message, hint = str(words.get("message", "")), str(words.get("hint", ""))
    if answer.status_code == 401:
        raise SignInNeeded("The tracker does not know the token.", hint="Ask it for a new one.")
    if answer.status_code == 403:
        raise NotAllowed(f"The tracker refuses: {message}", hint=hint)
    if answer.status_code == 409:
        raise Conflict(message, hint=hint)
    if answer.status_code in (400, 404, 405, 413, 422):
        raise Misused(f"The tracker does not take the plan ({answer.status_code}): {message}", hint=hint)
    raise ServerError(f"it answered {answer.status_code}")


def _state(said: Mapping[str, Any], question: str) -> str:
    if said.get("id") != question or not isinstance(said.get("state"), str):
        raise Misused("What answers there is no tracker of ours.", argument="url")
    return str(said["state"])


def _decision(said: Mapping[str, Any], state: str, plan: Plan, now: datetime) -> Decision:
    by, reason = str(said.get("decided_by") or "the team"), str(said.get("reason") or "")
    if state != "approved":
        words = reason or {"expired": "Nobody answered in time.", "withdrawn": "It was taken back."}.get(state, "")
        return Decision(proceed=False, by=by, at=now, limit_km2=0.0, reason=words)
    person = said.get("by_rule") is False
    km2 = said.get("km2")
    limit_km2 = float(km2) if isinstance(km2, int | float) else (plan.impact.area_km2 if person else 0.0)
    unknown = plan.verdict.word == "unknown"
    return Decision(
        proceed=True, by=by, at=now, limit_km2=limit_km2, reason=reason, allow_unknown_quota=person and unknown
    )


def document(plan: Plan, *, question: str, project: str, above_km2: float | None) -> dict[str, Any]:
    """What the team is shown of a plan."""
    from shapely import wkt

    impact, quota = plan.impact, plan.quota
    told = {name: _number(getattr(quota, f"{name}_km2")) for name in ("limit", "used", "pending", "remaining")}
    seen = {item.ref: item for item in (*(want.item for want in plan.wants), *plan.items)}
    wanted = {want.item.ref for want in plan.wants}
    scenes = [item for ref, item in seen.items() if ref in wanted or not plan.wants]
    return {
        "id": question,
        "plan_id": plan.id,
        "account": quota.account,
        "project": project,
        "above_km2": above_km2,
        "km2": _number(impact.area_km2),
        "route": impact.route,
        "data_km2": _number(impact.data_km2),
        "orders_km2": _number(impact.orders_km2),
        "bytes": impact.estimated_bytes,
        "scene_count": impact.scene_count,
        "file_count": len(impact.wants),
        "asset_types": list(plan.asset_types),
        "verdict": {"word": plan.verdict.word, "reasons": list(plan.verdict.reasons)},
        "quota": {f"{name}_km2": value for name, value in told.items()},
        "region": _shape(wkt.loads(plan.roi_wkt)) if plan.roi_wkt else None,
        "scenes": [
            {"id": item.id, "acquired": item.acquired.isoformat(), "geometry": _shape(item.footprint)}
            for item in scenes[:MOST_FOOTPRINTS]
        ],
    }


def _shape(geometry: BaseGeometry) -> dict[str, Any] | None:
    """Polygons as GeoJSON; None of what is no area."""
    rough = set_precision(geometry, GRID_DEG)
    if rough.geom_type not in ("Polygon", "MultiPolygon") or rough.is_empty:
        rough = geometry
    return dict(mapping(rough)) if rough.geom_type in ("Polygon", "MultiPolygon") and not rough.is_empty else None


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

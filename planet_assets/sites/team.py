"""Asks a team's tracker about a plan and waits for its word. A tracker that is lost or odd is never a yes.

The question carries an id of ours, so that sending it again after a cut, or after the tracker was started anew, asks
nothing twice.
"""

from __future__ import annotations

import asyncio
import math
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shapely import set_precision
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import Conflict, Misused, NetworkError, TryLater
from planet_assets.model.plan import Decision, Plan
from planet_assets.model.ports import Clock
from planet_assets.sites.addresses import checked_url
from planet_assets.sites.remote import TrackerClient

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
LOST_AFTER_S = 900.0
"""How long a tracker may be away before the wait is given up."""
LEAVE_S = 2.0
"""How long whoever is interrupted takes to say that nobody waits any more."""
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
    checked_url(team.url, has_token=bool(team.token))
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
        Misused, Gone: the tracker does not understand the question, or has forgotten it.
    """
    question = uuid.uuid4().hex
    async with TrackerClient(team.url, team.token or None, clock=clock, timeout_s=20.0) as client:
        try:
            return await _answer(_Line(client, clock), team, plan, question)
        except asyncio.CancelledError:
            with suppress(Exception):
                await asyncio.wait_for(asyncio.shield(client.ask("DELETE", f"/v1/plans/{question}")), LEAVE_S)
            raise


async def _answer(line: _Line, team: Team, plan: Plan, question: str) -> Decision:
    asked = document(plan, question=question, project=team.project, above_km2=team.above_km2)
    said = await line.call("POST", "/v1/plans", json=asked)
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

    def __init__(self, client: TrackerClient, clock: Clock) -> None:
        self._client = client
        self.clock = clock

    async def call(self, method: str, path: str, **more: Any) -> Any:
        """The answer's JSON; every call may be sent twice."""
        began, pause_s = self.clock.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                return await self._client.ask(method, path, again=True, **more)
            except TryLater as error:
                if self.clock.monotonic() - began >= LOST_AFTER_S:
                    raise NetworkError(error.message, hint="Nothing was spent. Ask again when it is back.") from None
            await self.clock.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 1.6)


def _state(said: Any, question: str) -> str:
    if not isinstance(said, dict) or said.get("id") != question or not isinstance(said.get("state"), str):
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

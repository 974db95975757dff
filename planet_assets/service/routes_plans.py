"""The routes by which a plan is put to the team, looked at, and approved or refused."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from shapely.errors import ShapelyError
from shapely.geometry import shape
from starlette.responses import Response

from planet_assets.exceptions import Gone, Misused, NotAllowed
from planet_assets.library import approvals, ledger
from planet_assets.model.approval import Approval, ApprovalState, TeamRule
from planet_assets.model.people import Caller
from planet_assets.rules.approval import covered_share
from planet_assets.rules.permissions import allowed, sees_all
from planet_assets.service.access import needs
from planet_assets.service.answers import Json
from planet_assets.view.documents import approval_document, plain, quota_document

router = APIRouter(prefix="/v1", tags=["plans"], default_response_class=Json)

Reader = Annotated[Caller, Depends(needs("read"))]
Asker = Annotated[Caller, Depends(needs("create"))]
Approver = Annotated[Caller, Depends(needs("approve"))]
Admin = Annotated[Caller, Depends(needs("administer"))]

MOST_BYTES = 4_000_000
"""The longest plan that is kept."""

Km2 = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Number = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
Word = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
Words = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
Position = Annotated[list[Number], Field(min_length=2, max_length=3)]
Ring = Annotated[list[Position], Field(min_length=4, max_length=5000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Shape(_Strict):
    """A GeoJSON polygon, or several."""

    type: Literal["Polygon", "MultiPolygon"]
    coordinates: Annotated[list[Ring] | list[list[Ring]], Field(max_length=500)]


class Scene(_Strict):
    """A scene of a plan, for the picture."""

    id: Word
    acquired: Word = ""
    geometry: Shape | None = None


class Verdict(_Strict):
    """Whether the quota covers it, as the script saw it."""

    word: Word
    reasons: Annotated[list[Words], Field(max_length=20)] = []


class SeenQuota(_Strict):
    """The quota as the script saw it, km²."""

    limit_km2: Number | None = None
    used_km2: Number | None = None
    pending_km2: Number | None = None
    remaining_km2: Number | None = None


class PlanIn(_Strict):
    """A plan that is put to the team."""

    id: Name
    plan_id: Name
    account: Word = ""
    project: Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")] = ""
    above_km2: Km2 | None = None
    km2: Km2 | None
    route: Word
    data_km2: Km2 | None = None
    orders_km2: Km2 | None = None
    bytes: Annotated[int, Field(ge=0, le=10**16)] = 0
    scene_count: Annotated[int, Field(ge=0, le=10**9)] = 0
    file_count: Annotated[int, Field(ge=0, le=10**9)] = 0
    asset_types: Annotated[list[Word], Field(max_length=100)] = []
    verdict: Verdict
    quota: SeenQuota = SeenQuota()
    region: Shape | None = None
    scenes: Annotated[list[Scene], Field(max_length=2000)] = []


class Answer(_Strict):
    """Why."""

    reason: Words = ""


class RuleIn(_Strict):
    """What the team agrees on: budgets are `person:NAME` or `project:NAME` and km² in a month."""

    above_km2: Km2 = 0.0
    budgets: Annotated[dict[Word, Km2], Field(max_length=1000)] = {}
    waits_for_s: Annotated[float, Field(ge=60, le=366 * 86_400)] = 7 * 86_400.0


@router.post("/plans", status_code=201)
def put_plan(body: PlanIn, request: Request, caller: Asker) -> Response:
    """Put a plan to the team. It waits for an editor, or is approved at once where the team's rule lets it pass."""
    state = request.app.state
    now = state.clock.now()
    document = {**body.model_dump(exclude={"id", "above_km2"}), "covered_share": _covered(body)}
    if len(json.dumps(document)) > MOST_BYTES:
        raise Misused(f"A plan may have {MOST_BYTES:,} bytes.", hint="Send fewer or coarser footprints.")
    new = Approval(
        id=body.id,
        plan_id=body.plan_id,
        account=body.account,
        by=caller.name,
        project=body.project,
        km2=math.nan if body.km2 is None else body.km2,
        document=document,
        posted_at=now,
        expires_at=now,
    )
    return _told(request, approvals.post(state.library, new, asked_above_km2=body.above_km2, now=now), 201)


@router.get("/plans")
def plans(
    request: Request,
    caller: Reader,
    state: Annotated[list[ApprovalState] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    brief: bool = False,
) -> Response:
    """Plans that were put to the team, the newest first; `state` may be given several times.

    With `brief`, those that were answered come without their footprints.
    """
    library, now = request.app.state.library, request.app.state.clock.now()
    approvals.expire(library, now)
    mine = None if _may_see_all(request, caller) else caller.name
    found = approvals.listed(library, states=state or (), by=mine, limit=limit)
    told = [approval_document(one) for one in found]
    for one in told if brief else ():
        if one["state"] != ApprovalState.WAITING:
            one["plan"] = {name: value for name, value in one["plan"].items() if name not in ("scenes", "region")}
    return Json({"plans": plain(told)})


@router.get("/plans/{plan}")
def plan(plan: str, request: Request, caller: Reader) -> Response:
    """One plan, and what is left of the quota now by the ledger here."""
    approvals.expire(request.app.state.library, request.app.state.clock.now())
    return _told(request, _seen(request, caller, plan))


@router.post("/plans/{plan}/approve")
def approve(plan: str, body: Answer, request: Request, caller: Approver) -> Response:
    """Say yes to a plan that waits."""
    return _decided(plan, request, caller, approve=True, reason=body.reason)


@router.post("/plans/{plan}/refuse")
def refuse(plan: str, body: Answer, request: Request, caller: Approver) -> Response:
    """Say no to a plan that waits; the reason is what the script is told."""
    if not body.reason.strip():
        raise Misused("A refusal needs a reason.", hint="The script's owner reads it.", argument="reason")
    return _decided(plan, request, caller, approve=False, reason=body.reason)


@router.delete("/plans/{plan}")
def take_back(plan: str, request: Request, caller: Asker) -> Response:
    """Take back a plan of one's own that waits; an editor may take back anybody's."""
    known = _seen(request, caller, plan)
    if known.by != caller.name and not allowed("approve", caller):
        raise NotAllowed("The plan is somebody else's.")
    state = request.app.state
    return _told(request, approvals.withdraw(state.library, known.id, by=caller.name, now=state.clock.now()))


@router.get("/rules")
def rules(request: Request, caller: Reader) -> Response:
    """Which plans pass unasked, and what is spent of the budgets in this month."""
    state = request.app.state
    rule, spent = approvals.rule_of(state.library), approvals.spent_km2(state.library, state.clock.now())
    budgets = dict(rule.budgets)
    return Json({"above_km2": rule.above_km2, "budgets": budgets, "spent_km2": spent, "waits_for_s": rule.waits_for_s})


@router.put("/rules")
def set_rules(body: RuleIn, request: Request, caller: Admin) -> Response:
    """Agree on which plans pass unasked."""
    rule = TeamRule(above_km2=body.above_km2, budgets=body.budgets, waits_for_s=body.waits_for_s)
    approvals.agree(request.app.state.library, rule)
    return rules(request, caller)


def _covered(body: PlanIn) -> float | None:
    """Share of the region that the scenes cover; None without one."""
    if body.region is None or not body.scenes:
        return None
    try:
        shapes = [shape(one.geometry.model_dump()) for one in body.scenes if one.geometry is not None]
        share = covered_share(shape(body.region.model_dump()), shapes)
    except (ValueError, TypeError, ShapelyError):  # a ring that is none
        return None
    return share if math.isfinite(share) else None


def _decided(plan: str, request: Request, caller: Caller, *, approve: bool, reason: str) -> Response:
    state = request.app.state
    known = _seen(request, caller, plan)
    now = state.clock.now()
    done = approvals.decide(state.library, known.id, approve=approve, by=caller.name, reason=reason.strip(), now=now)
    return _told(request, done)


def _seen(request: Request, caller: Caller, plan: str) -> Approval:
    """A plan that the caller may see.

    Raises:
        Gone: there is none that they may see.
    """
    if not plan.isascii() or "\x00" in plan:
        raise Gone("No such plan was put to the team.")
    known = approvals.get(request.app.state.library, plan)
    if known.by != caller.name and not _may_see_all(request, caller):
        raise Gone(f"No plan {plan!r} was put to the team.")
    return known


def _may_see_all(request: Request, caller: Caller) -> bool:
    """Author mode hides others' plans from those who have no say in them."""
    open_to_all = sees_all(caller, author_mode=request.app.state.options.author_mode)
    return open_to_all or allowed("approve", caller)


def _told(request: Request, asked: Approval, status: int = 200) -> Response:
    told: dict[str, Any] = approval_document(asked)
    library = request.app.state.library
    if asked.account and asked.account in ledger.accounts(library):
        told["quota_now"] = quota_document(ledger.quota_of(library, asked.account, request.app.state.clock.now()))
    return Json(plain(told), status)

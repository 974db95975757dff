"""What the JSON of commands and service holds: quotas, plans and jobs under stable names.

Areas in km², sizes in bytes; what nobody knows is null.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planet_assets.model.approval import Approval
    from planet_assets.model.event import Event
    from planet_assets.model.job import DownloadJob
    from planet_assets.model.month import MonthReport
    from planet_assets.model.plan import Plan, Want
    from planet_assets.model.product import Products
    from planet_assets.model.quota import QuotaInfo


def quota_document(quota: QuotaInfo) -> dict[str, Any]:
    """What may be used; what nobody knows is null."""
    return {
        "known": quota.is_known,
        "limit_km2": quota.limit_km2,
        "used_km2": quota.used_km2,
        "pending_km2": quota.pending_km2,
        "remaining_km2": quota.remaining_area_km2,
        "usage": quota.usage_percentage,
        "near_limit": quota.is_near_limit,
        "interval": quota.interval,
        "resets_at": quota.resets_at,
        "source": quota.source,
        "as_of": quota.as_of,
        "account": quota.account,
        "plan": quota.plan,
        "style": quota.style,
        "term": quota.term,
        "why_unknown": quota.why_unknown,
        "not_asked": quota.not_asked,
        "budgets": [asdict(room) for room in quota.budgets],
    }


def products_document(found: Products) -> dict[str, Any]:
    """Products and reservations as Planet tells them; `products_problem` says why some are missing."""
    products = [{**asdict(one), "reserved_km2": found.reserved_km2(one)} for one in found.products]
    reserved = [asdict(one) for one in found.reserved]
    return {"products": products, "reservations": reserved, "products_problem": found.problem or None}


def plan_document(plan: Plan) -> dict[str, Any]:
    """The impact, the verdict and the quota of a plan, and what it leaves out."""
    return {
        "plan": plan.id,
        "made_at": plan.made_at,
        "asset_types": plan.asset_types,
        "in_pieces": plan.in_pieces,
        "order_count": plan.order_count,
        "impact": plan.impact.as_dict(),
        "verdict": asdict(plan.verdict),
        "quota": quota_document(plan.quota),
        "files": [asdict(price) for price in plan.impact.wants],
        "already_held": [{**_want(want), "held_path": want.held_path} for want in plan.already_held],
        "under_way": [{**_want(want), "job": job_id} for want, job_id in plan.under_way],
        "ordered": [{**_want(want), "order": want.standing.id if want.standing else None} for want in plan.ordered],
        "later": None if plan.later is None else plan.later.as_dict(),
        "lacking": [{**_want(want), "reason": reason} for want, reason in plan.lacking],
        "ways": [asdict(way) for way in plan.ways],
        "clear_over_roi": {item_id: asdict(said) for item_id, said in plan.clear.items()},
    }


def job_document(job: DownloadJob) -> dict[str, Any]:
    """A job as it stands; paths only of files that are there."""
    return {
        "id": job.id,
        "batch_id": job.batch_id,
        "status": job.status.value,
        "item_type": job.item_type,
        "scene_id": job.scene_id,
        "asset_type": job.asset_type,
        "route": job.route,
        "account": job.account,
        "file": job.downloaded_file_path,
        "original_file": job.original_file_path,
        "clipped_file": job.clipped_file_path,
        "order": job.order_id,
        "clip_outcome": job.clip_outcome,
        "clear_share": job.clear_share,
        "held_already": job.held_copy is not None,
        "size_bytes": job.size_bytes,
        "bytes_done": job.bytes_done,
        "file_bytes": job.file_bytes,
        "verified_by": job.verified_by,
        "read_bytes": job.read_bytes,
        "whole_bytes": job.whole_bytes,
        "md5": job.digest or job.md5,
        "km2": job.km2,
        "held_km2": job.held_km2,
        "spent_km2": job.spent_km2,
        "attempts": job.attempts,
        "error_kind": job.error_kind or None,
        "error_message": job.error_message,
        "look_again_at": None if job.status.is_final else job.not_before,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
    }


def jobs_document(jobs: Iterable[DownloadJob]) -> dict[str, Any]:
    """Jobs, and what they came to."""
    listed = [job_document(job) for job in jobs]
    counted: dict[str, int] = {}
    for job in listed:
        counted[job["status"]] = counted.get(job["status"], 0) + 1
    spent, held = (sum(job[name] for job in listed) for name in ("spent_km2", "held_km2"))
    return {"jobs": listed, "statuses": counted, "spent_km2": spent, "held_km2": held}


def event_document(event: Event) -> dict[str, Any]:
    """What happened and when, with its facts."""
    return {"at": event.at, "kind": type(event).__name__, **asdict(event)}


def _want(want: Want) -> dict[str, Any]:
    return {"item_type": want.item.item_type, "scene_id": want.item.id, "asset_type": want.asset_type}


def approval_document(asked: Approval) -> dict[str, Any]:
    """A plan that was put to the team, and what was answered."""
    told = {name: getattr(asked, name) for name in asked.__dataclass_fields__ if name != "document"}
    return {**told, "why": list(asked.why), "state": str(asked.state), "plan": dict(asked.document)}


def month_document(report: MonthReport) -> dict[str, Any]:
    """A month of the ledger, day by day."""
    days = [
        {"day": one.day.isoformat(), "ours_km2": one.ours_km2, "foreign_km2": one.foreign_km2} for one in report.days
    ]
    sums = {"spent_km2": report.spent_km2, "foreign_km2": report.foreign_km2, "held_km2": report.held_km2}
    return {"first": report.first, "days": days, **sums, "pace_km2": report.pace_km2}


def plain(value: Any) -> Any:
    """Values as JSON has them; what nobody knows (NaN) is null."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, PurePath) else value

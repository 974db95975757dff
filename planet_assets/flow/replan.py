"""Plans made from plans and jobs: a part of one, one by the other route, what a job costs on top, one like before."""

from __future__ import annotations

import math
import uuid
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from planet_assets.model.item import Item
from planet_assets.model.job import DownloadJob
from planet_assets.model.plan import DownloadImpact, Plan, Want, WantImpact
from planet_assets.model.quota import QuotaInfo
from planet_assets.rules import allowance
from planet_assets.rules.grouping import order_groups
from planet_assets.rules.tools import from_text


def alike(jobs: Sequence[DownloadJob]) -> list[list[DownloadJob]]:
    """Jobs that were asked for in the same way, together: same asset type, route, folder, ROI and cut."""
    groups: dict[tuple[object, ...], list[DownloadJob]] = {}
    for job in jobs:
        way = (job.asset_type, job.route, _folder(job), job.roi_wkt, job.clipping, job.tools, job.members)
        groups.setdefault(way, []).append(job)
    return list(groups.values())


def only(plan: Plan, keys: Collection[tuple[str, str, str]], now: datetime) -> Plan:
    """The part of a plan that is about these assets, priced and judged anew."""
    wants = tuple(want for want in plan.wants if want.key in keys)
    pairs = {(item.id, want.asset_type) for want in wants for item in want.members or [want.item]}
    prices = tuple(_alone(one, plan) for one in plan.impact.wants if (one.item_id, one.asset_type) in pairs)
    impact = replace(
        plan.impact,
        wants=prices,
        scene_count=len({one.item_id for one in prices}),
        data_km2=math.fsum(one.data_km2 for one in prices),
        orders_km2=math.fsum(one.orders_km2 for one in prices),
        bytes_low=sum(one.bytes_low for one in prices),
        bytes_high=sum(one.bytes_high for one in prices),
    )
    return replace(
        plan,
        wants=wants,
        impact=impact,
        order_count=len(set(order_groups(wants).values())),
        verdict=allowance.judge_impact(plan.quota, impact),
        already_held=tuple(want for want in plan.already_held if want.key in keys),
        under_way=tuple((want, job_id) for want, job_id in plan.under_way if want.key in keys),
        ordered=tuple(want for want in plan.ordered if want.key in keys),
        lacking=tuple((want, reason) for want, reason in plan.lacking if want.key in keys),
        made_at=now,
    )


def _alone(price: WantImpact, plan: Plan) -> WantImpact:
    """A price that counts on no other want of the plan, which may not be in the part."""
    if not plan.tariff.is_aum:
        return price
    return replace(price, data_km2=price.data_alone_km2, orders_km2=price.orders_alone_km2)


def by_data(plan: Plan, refused: Collection[DownloadJob], quota: QuotaInfo, now: datetime) -> Plan:
    """What to ask when Planet refuses orders of a plan: the same assets as whole scenes, cut here."""
    keys = {job.key for job in refused}
    wants = tuple(want.other for want in plan.wants if want.key in keys and want.other is not None)
    pairs = {(want.item.id, want.asset_type) for want in wants}
    prices = tuple(
        _alone(replace(one, route="data"), plan) for one in plan.impact.wants if (one.item_id, one.asset_type) in pairs
    )
    offered_km2 = math.fsum(job.km2 for job in refused)
    reasons = dict.fromkeys(job.error_message or "" for job in refused)
    impact = replace(
        plan.impact,
        route="data",
        wants=prices,
        scene_count=len({one.item_id for one in prices}),
        data_km2=math.fsum(one.data_km2 for one in prices),
        orders_km2=offered_km2,
        bytes_low=sum(one.bytes_low for one in prices),
        bytes_high=sum(one.bytes_high for one in prices),
        assumptions=(f"Planet refused to clip, {offered_km2:,.2f} km² were agreed to.", *reasons),
    )
    return replace(
        plan,
        id=uuid.uuid4().hex,
        made_at=now,
        wants=wants,
        impact=impact,
        verdict=allowance.judge_impact(quota, impact),
        quota=quota,
        delivery="data",
        order_count=0,
        already_held=(),
        under_way=(),
        ordered=(),
        lacking=(),
        later=None,
    )


def extra_plan(job: DownloadJob, km2: float, item: Item, quota: QuotaInfo, now: datetime) -> Plan:
    """What to ask when going on with a job costs more than was confirmed."""
    price = WantImpact(
        item_id=job.scene_id,
        asset_type=job.asset_type,
        data_km2=km2,
        orders_km2=km2,
        overlap_km2=math.nan,
        bytes_low=0,
        bytes_high=job.size_bytes or 0,
    )
    impact = DownloadImpact(
        route=job.route,
        wants=(price,),
        scene_count=1,
        data_km2=km2,
        orders_km2=km2,
        bytes_high=job.size_bytes or 0,
        assumptions=(
            f"{job.scene_id} was charged {job.spent_km2:,.2f} km² already; starting over may charge it again."
            if job.spent_km2 > 0
            else f"{job.scene_id} can be had now; nothing has been agreed to for it yet.",
        ),
    )
    want = Want(item=item, asset_type=job.asset_type, route=job.route, path=job.path)
    return Plan(
        id=job.id,
        made_at=now,
        wants=(want,),
        impact=impact,
        verdict=allowance.judge(quota, km2),
        quota=quota,
        asset_types=(job.asset_type,),
        items=(item,),
    )


def same_way(job: DownloadJob) -> dict[str, Any]:
    """The arguments of the public face that ask for a job's asset in the same way again."""
    cut = job.clipping
    options = cut and {
        "buffer_meters": cut.buffer_m,
        "output_format": cut.output_format,
        "compression": cut.compression,
        "create_overview": cut.overviews,
        "extent": cut.extent,
        "mask_unusable": cut.mask_unusable,
        "partial_read": cut.partial_read,
    }
    path = Path(job.path)
    return {
        "output_dir": _folder(job),
        "delivery": job.route,
        "clip_to_roi": job.roi_wkt,
        "clipping_config": options,
        "tools": from_text(job.tools),
        "naming": "asset" if job.asset_type in path.name else "planet",
    }


def _folder(job: DownloadJob) -> Path:
    """Where a job's file was wanted; the one it is cut from may be held elsewhere."""
    return Path(job.clipped_path or job.path).parent

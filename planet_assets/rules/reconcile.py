"""Comparing the ledger with what Planet says: posted usage, orders that are not ours, and usage reports.

Nothing here changes a balance. A foreign spend has a key that names what it stands for, so that reading the same order
or report twice counts it once. Rules about Planet:

* whoever is on the subscription spends the same quota, and their orders are in the list. Source: confirmed (7b).
* an order is charged when it is placed, per item and bundle, by the clipped area or the full footprint. Source:
  confirmed (support 36906909927197); whether a failed or cancelled order is charged: assumed, the safe side.
* Landsat and Sentinel are free. Source: confirmed (support 4408256036881).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from planet_assets.exceptions import Misused
from planet_assets.model.geometry import polygon_from_geojson
from planet_assets.model.order import Order
from planet_assets.model.quota import QuotaInfo
from planet_assets.model.spend import Difference, Drift, Foreign, ReportLine, Spend
from planet_assets.model.tariff import Tariff
from planet_assets.rules.allowance import YEAR, interval_start, pending_since
from planet_assets.rules.area import geodesic_km2, overlap_km2

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

FREE_ITEM_TYPES = ("landsat", "sentinel", "mod09", "myd09")
"""Beginnings of item types that cost nothing."""


def period_start(quota: QuotaInfo, now: datetime) -> datetime:
    """When the interval that Planet's figure is about began, UTC."""
    if quota.interval == "annual" and quota.resets_at is not None:
        return quota.resets_at - YEAR
    return interval_start(now)


def drift(quota: QuotaInfo, spends: Iterable[Spend], now: datetime) -> Drift:
    """Planet's figure against the ledger; a declared figure is not Planet's word and compares with nothing."""
    since = period_start(quota, now)
    cut = max(since, pending_since(quota, now))
    rows = [spend for spend in spends if since <= spend.at <= now]
    known = quota.source == "planet" and quota.is_known
    return Drift(
        posted_km2=quota.used_km2 if known else math.nan,
        certain_km2=math.fsum(row.spent_km2 for row in rows if row.at < cut),
        possible_km2=math.fsum(row.spent_km2 for row in rows),
        since=since,
        settled_before=cut,
    )


def adjustment(found: Drift, reason: str, now: datetime) -> Foreign:
    """The row that makes the ledger say what Planet has posted. It lies among what is posted, so nothing is left less.

    Raises:
        Misused: there is no drift, no reason, or nothing of this interval is posted for certain yet.
    """
    if not found.is_known or found.km2 == 0:
        raise Misused("There is no drift to accept.", argument="accept")
    if not reason.strip():
        raise Misused("Why is the drift accepted?", hint="Give a reason, it is kept.", argument="reason")
    if found.settled_before <= found.since:
        raise Misused(
            "The interval has just begun: Planet has posted nothing of it for certain yet.",
            hint="Reconcile again in two days.",
            argument="accept",
        )
    at = found.settled_before - timedelta(seconds=1)
    rule = "drift from Planet's posted usage (declared)"
    return Foreign(key=f"drift:{now.isoformat()}", at=at, km2=found.km2, rule=rule, note=reason.strip())


def order_spends(
    order: Order, footprints: Mapping[str, BaseGeometry], tariff: Tariff, booked: Iterable[Spend] = ()
) -> tuple[list[Foreign], list[str]]:
    """What an order of somebody else costs, item by item, and what could not be priced, in words.

    Args:
        order: the order.
        footprints: item id -> footprint, lon/lat, of those that are known.
        tariff: by which rules the subscription is charged.
        booked: what the ledger holds from usage reports, which may be about the same items.
    """
    if order.created_on is None:
        return [], [f"Order {order.id} ({order.name}) does not say when it was placed."]
    aoi, clipped = _clip(order)
    certainty = "confirmed" if order.state == "success" and (aoi is not None or not clipped) else "assumed"
    rule = f"foreign order {order.id} ({certainty})"
    reported = {one.key.rpartition("/")[0]: one for one in booked if one.key and one.key.startswith("report:")}
    found, problems, times = [], [], dict[str, int]()
    for item_type, item_id in zip(order.item_types, order.item_ids, strict=True):
        number = times[item_id] = times.get(item_id, -1) + 1
        if item_type.lower().startswith(FREE_ITEM_TYPES) or _is_reported(order, item_id, reported):
            continue
        if item_id not in footprints:
            problems.append(f"Order {order.id} ({order.name}): nobody knows the footprint of {item_id}.")
            continue
        km2 = order_km2(footprints[item_id], aoi, tariff)
        key = f"order:{order.id}/{item_id}/{number}"
        if km2 > 0:
            found.append(Foreign(key=key, at=order.created_on, km2=km2, rule=rule, note=order.name))
    if not order.item_ids:
        problems.append(f"Order {order.id} ({order.name}) names no items; what it costs cannot be told.")
    return found, problems


def order_km2(footprint: BaseGeometry, aoi: BaseGeometry | None, tariff: Tariff) -> float:
    """What an order charges for one item, km²: the part inside the clip, or the whole footprint without one.

    Under AUM the same: what others have unlocked meanwhile is not known, and this is the dear reading.
    """
    if aoi is None or not tariff.clip_lowers:
        return geodesic_km2(footprint)
    inside = float(overlap_km2(np.array([footprint], dtype=object), aoi)[0])
    return max(inside, tariff.clip_minimum_km2) if inside > 0 else 0.0


def report_differences(lines: Sequence[ReportLine], spends: Iterable[Spend]) -> list[Difference]:
    """Where a usage report and the ledger differ by more than rounding, scene by scene, else day by day."""
    if not lines:
        return []
    first, last = min(line.day for line in lines), max(line.day for line in lines)
    margin = timedelta(days=1)
    near = [row for row in spends if first - margin <= row.at.date() <= last + margin and row.spent_km2]
    by_item = any(line.item_id for line in lines)
    said: dict[str, list[float]] = {}
    held: dict[str, list[float]] = {}
    for line in lines:
        said.setdefault(line.item_id if by_item else line.day.isoformat(), []).append(line.km2)
    for row in near:
        within = first <= row.at.date() <= last
        name = row.item_id if by_item else row.at.date().isoformat()
        if name and (name in said or within):
            held.setdefault(name, []).append(row.spent_km2)
    return [
        Difference(name=name, report_km2=report, ledger_km2=ledger)
        for name in sorted(said.keys() | held.keys())
        for report, ledger in [(math.fsum(said.get(name, [])), math.fsum(held.get(name, [])))]
        if abs(report - ledger) > max(0.01, 1e-3 * report)
    ]


def report_spends(lines: Sequence[ReportLine], differences: Iterable[Difference]) -> list[Foreign]:
    """What a usage report knows beyond the ledger, as foreign spends.

    The key holds the report's whole sum, so the same report counts once and a later one adds what is new.
    """
    days: dict[str, ReportLine] = {}
    for line in sorted(lines, key=lambda one: one.day):
        days[line.item_id or line.day.isoformat()] = line
    found = []
    for one in differences:
        if one.report_km2 > one.ledger_km2 and one.name in days:
            line = days[one.name]
            noon = datetime.fromisoformat(f"{line.day.isoformat()}T12:00:00+00:00")
            key = f"report:{line.day.isoformat()}/{line.item_id}/{one.report_km2:.3f}"
            rule = "foreign, by Planet's usage report (confirmed)"
            found.append(Foreign(key=key, at=noon, km2=one.report_km2 - one.ledger_km2, rule=rule))
    return found


def _clip(order: Order) -> tuple[BaseGeometry | None, bool]:
    """The area an order is clipped to and whether it is clipped; a reference to an area elsewhere cannot be read."""
    for tool in order.tools:
        clip = tool.get("clip")
        if clip is not None:
            aoi = clip.get("aoi") if isinstance(clip, Mapping) else None
            try:
                return polygon_from_geojson(aoi, what="the clip of an order") if aoi else None, True
            except (Misused, TypeError, AttributeError, KeyError):
                return None, True
    return None, False


def _is_reported(order: Order, item_id: str, reported: Mapping[str, Spend]) -> bool:
    """True when a usage report has told of this item on the day of the order, or the next, already."""
    if order.created_on is None:
        return False
    days = [(order.created_on + timedelta(days=shift)).date().isoformat() for shift in (-1, 0, 1)]
    return any(f"report:{day}/{item_id}" in reported for day in days)

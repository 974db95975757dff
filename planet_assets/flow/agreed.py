"""What a confirmed plan becomes: jobs with their prices, what is set aside for each, and the orders they share."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from planet_assets.model.job import DownloadJob, Terms
from planet_assets.model.plan import Plan, Want, WantImpact
from planet_assets.model.tariff import Tariff
from planet_assets.rules.grouping import order_groups
from planet_assets.rules.prices import full_km2, ordered_ground, ordered_km2

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


def jobs_of(
    wants: Iterable[Want], plan: Plan, account: str, terms: Terms, now: datetime, *, waiting: bool = False
) -> list[DownloadJob]:
    """A job for every want; what the library holds, or an order brings already, costs nothing.

    What waits is ordered by itself when it is there.
    """
    wants = list(wants)
    groups = order_groups(wants, f"pa-{plan.id[:12]}-{'w' if waiting else ''}")
    prices = _prices(plan)
    terms = replace(terms, style=plan.tariff.style, term=plan.tariff.term, types=plan.tariff.types)
    exact = {want.key: _exact_km2(want, plan.tariff, prices) for want in wants}
    shared = {(want.item.id, want.bundle): exact[want.key] for want in wants if exact[want.key] > 0}
    return [
        DownloadJob(
            id=uuid.uuid4().hex,
            batch_id=plan.id,
            account=account,
            item_type=want.item.item_type,
            scene_id=want.item.id,
            asset_type=want.asset_type,
            route=want.route,
            path=want.path,
            clipped_path=want.clipped_path,
            roi_wkt=want.roi_wkt,
            clipping=want.clipping if want.clipped_path is not None else None,
            terms=terms,
            bundle=want.bundle,
            tools=want.tools,
            order_id=None if want.standing is None else want.standing.id,
            order_name=None if want.standing is None else want.standing.name,
            order_asked_at=None if want.standing is None else want.standing.placed_at,
            order_group=groups.get(want.key),
            order_km2=shared.get((want.item.id, want.bundle), 0.0) if _is_ordered(want) else 0.0,
            whole_km2=full_km2(want.item, want.asset_type, plan.tariff) if want.route == "orders" else 0.0,
            km2=exact[want.key],
            ground_wkt=_ground_wkt(want, plan.tariff),
            members=tuple(item.id for item in want.members),
            created_at=now,
            updated_at=now,
            held_copy=want.held_path,
            md5=want.held_digest,
        )
        for want in wants
    ]


@dataclass(frozen=True, slots=True)
class _Prices:
    """What the plan says its wants cost, now or when they are there; a composite costs what goes in."""

    of: Mapping[tuple[str, str], WantImpact]
    """Item id and asset type -> price."""

    def km2(self, want: Want) -> float:
        """In the order of the plan."""
        return math.fsum(one.km2 for one in self._mine(want))

    def alone_km2(self, want: Want) -> float:
        """If it comes first of all; 0 where another file of its bundle bears the charge."""
        return math.fsum(one.alone_km2 for one in self._mine(want))

    def _mine(self, want: Want) -> list[WantImpact]:
        keys = [(item.id, want.asset_type) for item in want.members or [want.item]]
        return [self.of[key] for key in keys if key in self.of]


def _prices(plan: Plan) -> _Prices:
    impacts = [plan.impact, *([plan.later] if plan.later is not None else [])]
    return _Prices({(one.item_id, one.asset_type): one for impact in impacts for one in impact.wants})


def holds_of(plan: Plan, jobs: Sequence[DownloadJob]) -> dict[str, float]:
    """Job id -> what is set aside for it: ground, or a charge, that wants share, once."""
    if not plan.tariff.is_aum and plan.tariff.types == "each":
        return {job.id: job.km2 for job in jobs}
    prices = _prices(plan)
    return {job.id: prices.km2(want) for job, want in zip(jobs, plan.wants, strict=True)}


def _is_ordered(want: Want) -> bool:
    """True when an order is to be placed for it."""
    return want.route == "orders" and want.held_path is None and want.standing is None


def _exact_km2(want: Want, tariff: Tariff, prices: _Prices) -> float:
    """What Planet charges if it comes first, exactly; the impact's sums are quick."""
    if want.held_path is not None or want.standing is not None:
        return 0.0
    alone_km2 = prices.alone_km2(want)
    if tariff.is_aum or alone_km2 == 0:
        return alone_km2
    if want.route == "data":
        return full_km2(want.item, want.asset_type, tariff)
    return math.fsum(ordered_km2(item, _clip(want), tariff) for item in want.members or [want.item])


def _clip(want: Want) -> BaseGeometry | None:
    from shapely import from_wkt

    return None if want.roi_wkt is None else from_wkt(want.roi_wkt)


def _ground_wkt(want: Want, tariff: Tariff) -> str | None:
    """The ground its charge unlocks."""
    if not tariff.is_aum or want.held_path is not None:
        return None
    from shapely import union_all

    if want.route == "orders":
        clip = _clip(want)
        return str(union_all([ordered_ground(item, clip, tariff) for item in want.members or [want.item]]).wkt)
    return str(want.item.footprint.wkt) if tariff.charges(want.asset_type) else None

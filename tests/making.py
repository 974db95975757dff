"""Small models for tests without disk or network: a scene, a job, a quota, a plan."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import reduce
from typing import Any

from shapely.geometry import box

from planet_assets.model.asset import AssetStatus
from planet_assets.model.event import Event
from planet_assets.model.item import Item
from planet_assets.model.job import DownloadJob, Terms
from planet_assets.model.plan import DownloadImpact, Plan, Want
from planet_assets.model.quota import QuotaInfo
from planet_assets.rules import allowance, lifecycle

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
PRICE_KM2 = 100.0


def item(scene_id: str = "20250110_100000_00_0001", west: float = 9.0, **more: Any) -> Item:
    """A scene of 0.1 x 0.1 degrees near Milan."""
    about = {"item_type": "PSScene", "acquired": datetime(2025, 1, 10, 10, tzinfo=UTC), "cloud_cover": 0.1}
    given = {"footprint": box(west, 45.0, west + 0.1, 45.1), "properties": {}, "assets": ("ortho_analytic_4b",)}
    return Item(id=scene_id, **(about | given | more))


def job(*events: Event, terms: Terms | None = None, **more: Any) -> DownloadJob:
    """A job of 100 km² after these events."""
    about: dict[str, Any] = {"batch_id": "b", "account": "us", "item_type": "PSScene", "route": "data"}
    about |= {"scene_id": "20250110_100000_00_0001", "asset_type": "ortho_analytic_4b", "path": "/x/scene.tif"}
    about |= {"clipped_path": None, "roi_wkt": None, "clipping": None, "created_at": NOW, "updated_at": NOW}
    made = DownloadJob(id="j1", terms=terms or Terms(), km2=PRICE_KM2, **(about | more))
    return after(made, *events)


def after(made: DownloadJob, *events: Event) -> DownloadJob:
    """The job after more events."""
    return reduce(lifecycle.apply, events, made)


def quota(**more: Any) -> QuotaInfo:
    """3,000 km² a month, 812 used."""
    known = {"limit_km2": 3000.0, "used_km2": 812.0, "source": "planet", "as_of": NOW, "account": "us"}
    return QuotaInfo(**(known | more))


def plan(km2: float = PRICE_KM2, seen: QuotaInfo | None = None, **more: Any) -> Plan:
    """A plan of one asset at a price."""
    seen = seen or quota()
    impact = DownloadImpact(route="data", wants=(), scene_count=1, data_km2=km2, orders_km2=km2)
    about = {"id": "p1", "made_at": NOW, "wants": (Want(item=item(), asset_type="ortho_analytic_4b"),)}
    judged = {"impact": impact, "verdict": allowance.judge_impact(seen, impact), "quota": seen}
    return Plan(asset_types=("ortho_analytic_4b",), **(about | judged | more))


def statuses(events: Iterable[Event], made: DownloadJob) -> list[AssetStatus]:
    """The statuses a job goes through."""
    found = []
    for event in events:
        made = lifecycle.apply(made, event)
        found.append(made.status)
    return found

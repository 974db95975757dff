"""The account as `my/subscriptions` shows it, and everyone who spends from it.

`quota_used` is posted once a day, after 00:00 UTC (confirmed, support 4408257291793), while refusals count what was
really used (assumed). A monthly plan runs over the calendar month (confirmed, same article).
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import answers
from .billing import Bill
from .config import SandboxConfig

_SUBSCRIPTIONS = "/auth/v1/experimental/public/my/subscriptions"
_ONE = "/auth/v1/experimental/public/subscriptions/{id:int}"


class Account:
    """One organisation with one PlanetScope subscription, used by several keys and by others we do not see."""

    def __init__(self, config: SandboxConfig, bill: Bill, *, born: datetime, spends: list[dict[str, Any]]) -> None:
        self._config = config
        self._bill = bill
        self._born = born
        self.spends = spends
        """Others' spending: rows with id, name, created_on and km2; spends.py makes orders of them."""

    def spend(self, km2: float, now: datetime, name: str = "Explorer") -> dict[str, Any]:
        """Somebody else on the subscription spends: seen in the order list and in the next posting."""
        row = {"id": str(uuid.uuid4()), "name": name, "created_on": answers.stamp(now), "km2": km2}
        self.spends.append(row)
        return row

    def used_km2(self, now: datetime) -> float:
        """Really used this month."""
        return self._between(_month(now), None, now)

    def posted_km2(self, now: datetime) -> float:
        """As last posted: what was used this month before the last midnight UTC."""
        return self._between(_month(now), _midnight(now), now)

    def exhausted(self, now: datetime) -> bool:
        """Whether nothing more may be downloaded."""
        quota = self._config.quota_km2
        return quota is not None and not self._config.overage and self.used_km2(now) >= quota

    def admits(self, km2: float, now: datetime) -> bool:
        """Whether an order that is charged this much may be accepted (assumed: it must fit whole, or may overshoot)."""
        quota = self._config.quota_km2
        if quota is None or self._config.overage:
            return True
        used = self.used_km2(now)
        return used < quota if self._config.order_overshoot else used + km2 <= quota

    def subscriptions(self, now: datetime, base: str) -> list[dict[str, Any]]:
        """The rows of `my/subscriptions`; the one that counts is not the first."""
        quota = self._config.quota_km2
        planetscope = {
            "quota_enabled": quota is not None,
            "quota_sqkm": quota,
            "quota_used": round(self.posted_km2(now), 6),
            "quota_style": self._config.quota_style,  # `consumption` is confirmed, the name of the other style assumed
            "quota_interval": "monthly",
            "quota_anchor_date": "2024-08-01T00:00:00+00:00",
            "quota_reset_at": (_month(now) + timedelta(days=32)).replace(day=1).isoformat(),
        }
        basemaps = {"basemap_quad_quota": 1000, "basemap_tile_quota": 100_000}
        number = self._bill.subscription_id
        return [
            self._row(number - 2, 1100, "Landsat and Sentinel (free)", now, base),
            self._row(number, 1262, "Education and Research Standard (PlanetScope)", now, base, **planetscope),
            self._row(number + 3, 1305, "Education and Research Basemaps", now, base, **basemaps),
        ]

    def _between(self, since: datetime, before: datetime | None, now: datetime) -> float:
        earlier = self._config.used_km2 if _month(self._born) == _month(now) else 0.0
        others = ((answers.moment(row["created_on"]), float(row["km2"])) for row in self.spends)
        foreign = sum(km2 for at, km2 in others if at >= since and (before is None or at < before))
        return earlier + foreign + self._bill.total_km2(since, before)

    def _row(self, number: int, plan: int, name: str, now: datetime, base: str, **values: Any) -> dict[str, Any]:
        """One subscription with every field of the recorded response. Source: QGIS plugin's fixture, confirmed."""
        until = now.replace(year=now.year + 1, month=8, day=1, hour=0, minute=0, second=0, microsecond=0)
        row: dict[str, Any] = {
            "id": number,
            "reference": f"PL-{number:07d}",
            "state": "active",
            "plan_id": plan,
            "plan": {"id": plan, "name": name, "state": "active"},
            "organization_id": 150098,
            "organization": {"id": 150098, "name": "Sandbox University"},
            "active_from": "2024-08-01T00:00:00+00:00",
            "active_to": until.isoformat(),
            "quota_enabled": False,
            "quota_sqkm": None,
            "quota_used": 0.0,
            "quota_style": "consumption",
            "quota_interval": None,
            "quota_anchor_date": None,
            "quota_reset_at": None,
            "basemap_quad_quota": None,
            "basemap_tile_quota": None,
            "datadrop_enabled": False,
            "datadrop_interval": None,
            "datadrop_anchor_date": "2024-08-01T00:00:00+00:00",
            "selected_operations": None,
            "created_at": "2024-07-30T09:12:45.218000+00:00",
            "updated_at": _midnight(now).isoformat(),
            "deleted_at": None,
            "url": f"{base}/auth/v1/experimental/public/subscriptions/{number}",
        }
        return row | values


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _month(now: datetime) -> datetime:
    return _midnight(now).replace(day=1)


async def my_subscriptions(request: Request) -> Response:
    """`GET my/subscriptions`: a bare array."""
    world = request.app.state.world
    place = {"place": "subscriptions", "path": request.url.path}
    if world.faults.strike("subscriptions-error", **place):
        return answers.message(500, "Sorry, a temporary error occurred. Please try again.")
    if world.faults.strike("subscriptions-empty", **place):
        return answers.as_json([])
    rows = world.account.subscriptions(world.now(), answers.origin(request))
    if world.faults.strike("subscriptions-null-quota", **place):
        rows = [row | {"quota_sqkm": None, "quota_used": None, "quota_enabled": False} for row in rows]
    return answers.as_json(rows)


async def subscription(request: Request) -> Response:
    """`GET subscriptions/{id}`: one row."""
    world = request.app.state.world
    rows = world.account.subscriptions(world.now(), answers.origin(request))
    found = [row for row in rows if row["id"] == request.path_params["id"]]
    return answers.as_json(found[0]) if found else answers.message(404, "Subscription not found")


routes = [
    Route(_SUBSCRIPTIONS, my_subscriptions, methods=["GET"]),
    Route(_ONE, subscription, methods=["GET"]),
]

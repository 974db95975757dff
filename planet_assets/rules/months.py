"""A month out of the ledger: which rows count on which day."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from planet_assets.exceptions import Misused
from planet_assets.model.month import Day, MonthReport
from planet_assets.model.quota import QuotaInfo
from planet_assets.model.spend import Spend
from planet_assets.rules.allowance import interval_start, next_interval


def read_month(text: str | None, now: datetime) -> datetime:
    """First moment of the month that `2026-11` names; of the present one without a name.

    Raises:
        Misused: it names no month.
    """
    if text is None:
        return interval_start(now)
    match = re.fullmatch(r"(\d{4})-(\d{1,2})", text.strip())
    if match is None or not 1 <= int(match[2]) <= 12 or int(match[1]) < 1:
        raise Misused(f"{text!r} is no month.", hint="Write 2026-11.", argument="month")
    return datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC)


def month_report(spends: Iterable[Spend], quota: QuotaInfo, first: datetime, now: datetime) -> MonthReport:
    """The ledger of one account as a month.

    Args:
        spends: all rows of the account; what is held is their sum.
        quota: the quota with its pending spend.
        first: first moment of the month, UTC.
        now: the moment, UTC.
    """
    rows, after = list(spends), next_interval(first)
    ours: dict[int, list[float]] = {}
    foreign: dict[int, list[float]] = {}
    for row in rows:
        if first <= row.at < after:
            (foreign if row.is_foreign else ours).setdefault(row.at.day, []).append(row.spent_km2)
    days = tuple(
        Day(
            day=(first + timedelta(days=number - 1)).date(),
            ours_km2=math.fsum(ours.get(number, ())),
            foreign_km2=math.fsum(foreign.get(number, ())),
        )
        for number in range(1, (after - first).days + 1)
    )
    held = max(0.0, math.fsum(row.held_km2 for row in rows)) if first <= now < after else 0.0
    return MonthReport(first=first, days=days, held_km2=held, quota=quota, now=now)

"""A month of spending, as it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from planet_assets.model import shown
from planet_assets.model.quota import QuotaInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What one UTC day added."""

    day: date
    """Which."""
    ours_km2: float
    """Spent by this library's jobs."""
    foreign_km2: float
    """Spent by others on the subscription, and what was adjusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthReport:
    """What the ledger says of a calendar month, UTC, and what the quota leaves; shows itself as a picture."""

    first: datetime
    """First moment of the month, UTC."""
    days: tuple[Day, ...]
    """Every day of it, whether anything was spent or not."""
    held_km2: float
    """Reserved now and not spent; 0 for a month that is over."""
    quota: QuotaInfo
    """The quota; its figures are about the present interval."""
    now: datetime
    """The moment it was made, UTC."""

    @property
    def is_present(self) -> bool:
        """True for the month that is going on."""
        return (self.now.year, self.now.month) == (self.first.year, self.first.month)

    @property
    def spent_km2(self) -> float:
        """What the ledger counts in the month."""
        return sum(day.ours_km2 + day.foreign_km2 for day in self.days)

    @property
    def foreign_km2(self) -> float:
        """The part of it that is not ours."""
        return sum(day.foreign_km2 for day in self.days)

    @property
    def gone_days(self) -> float:
        """Days of the month that are over, with the fraction of today."""
        passed = (self.now - self.first).total_seconds() / 86400
        return min(max(passed, 0.0), float(len(self.days)))

    @property
    def has_limit(self) -> bool:
        """True when the quota is a known limit for a calendar month."""
        return self.quota.is_known and self.quota.interval in ("monthly", "") and self.quota.limit_km2 > 0

    @property
    def pace_km2(self) -> float:
        """What an even pace would have spent by now; NaN without a monthly limit."""
        share = self.gone_days / len(self.days)
        return self.quota.limit_km2 * share if self.has_limit else float("nan")

    def _repr_html_(self) -> str:
        return shown.month(self)

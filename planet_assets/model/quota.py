"""Quota: what may be used, who says so, and how old that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from planet_assets.model import shown

UNKNOWN = math.nan
"""A quantity nobody has told us. It is never replaced by a guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One row of Planet's `my/subscriptions`."""

    id: str
    """Planet's subscription id, as text."""
    plan: str
    """Name of the plan."""
    state: str
    """Planet's word, for example active."""
    quota_enabled: bool
    """False means that Planet counts no area here; what may be used is then unknown, not unlimited."""
    limit_km2: float
    """km² per interval; NaN where Planet says nothing."""
    used_km2: float
    """km² used as last posted, at most a day old; NaN where Planet says nothing."""
    style: str
    """consumption, aum, or Planet's own word."""
    interval: str
    """monthly, annual, or Planet's own word; empty when not said."""
    resets_at: datetime | None
    """When `used` starts again at zero, UTC."""
    organization: str = ""
    """Name of the organization that holds the plan."""
    term: str = ""
    """First and last day of the contract, 2024-08-01/2026-08-01; empty where Planet does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Bounds of our own on what the scripts of a library spend; None is no bound."""

    daily_km2: float | None = None
    """km² in a UTC day."""
    weekly_km2: float | None = None
    """km² in a week from Monday, UTC."""
    reserve_share: float | None = None
    """Share of the limit that is kept back, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What one budget leaves."""

    name: str
    """daily, weekly or reserve."""
    limit_km2: float
    """The bound; of a reserve, what is kept back."""
    left_km2: float
    """What may still be spent under it; negative when more was spent already."""
    stated_by: str = ""
    """The settings file or script that asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaInfo:
    """What may be used. Areas in km²; unknown is NaN and prints as *unknown*."""

    limit_km2: float = UNKNOWN
    """What the plan allows per interval."""
    used_km2: float = UNKNOWN
    """What Planet has posted as used."""
    pending_km2: float = 0.0
    """What our ledger holds or has spent and Planet has not posted yet."""
    interval: str = ""
    """monthly, annual, or empty."""
    resets_at: datetime | None = None
    """When used starts again at zero, UTC."""
    source: str = "unknown"
    """planet, declared, or unknown."""
    as_of: datetime | None = None
    """When the source said so, UTC."""
    account: str = ""
    """Whose ledger this is: Planet's subscription id, or a declared name."""
    plan: str = ""
    """Name of the plan."""
    style: str = "consumption"
    """consumption or aum; unknown styles are counted as consumption."""
    term: str = ""
    """aum: the term in which unlocked ground stays free; empty when nobody knows."""
    near_limit_share: float = 0.9
    """Share of the limit from which `is_near_limit` holds."""
    why_unknown: str = ""
    """What stands in the way when the quota is not known."""
    not_asked: str = ""
    """Why Planet could not be asked now, when the figure is one that was remembered."""
    budgets: tuple[Room, ...] = ()
    """What budgets of our own leave, beside Planet's limit."""

    @property
    def is_known(self) -> bool:
        """True when both the limit and what is used are known."""
        return not (math.isnan(self.limit_km2) or math.isnan(self.used_km2))

    @property
    def remaining_area_km2(self) -> float:
        """limit - used - pending in km², never below 0; NaN when unknown."""
        return max(0.0, self.limit_km2 - self.used_km2 - self.pending_km2) if self.is_known else UNKNOWN

    @property
    def usage_percentage(self) -> float:
        """(used + pending) / limit as a fraction, 0.41 for 41 %; NaN when unknown."""
        if not self.is_known:
            return UNKNOWN
        spent = self.used_km2 + self.pending_km2
        return spent / self.limit_km2 if self.limit_km2 > 0 else 1.0

    @property
    def is_near_limit(self) -> bool:
        """True from `near_limit_share` of the limit on; False when unknown."""
        return self.is_known and self.usage_percentage >= self.near_limit_share

    def can_download(self, area_km2: float) -> bool:
        """True when `area_km2` still fits, budgets included; False when the quota is unknown or it is no number."""
        room = min((budget.left_km2 for budget in self.budgets), default=math.inf)
        return self.is_known and 0 <= area_km2 <= min(self.remaining_area_km2, max(0.0, room))

    def age(self, now: datetime) -> timedelta | None:
        """How long ago the source said so."""
        return None if self.as_of is None else now - self.as_of

    @property
    def remaining_km2(self) -> float:
        """The same as `remaining_area_km2`."""
        return self.remaining_area_km2

    @property
    def monthly_limit_km2(self) -> float:
        """The same as `limit_km2`."""
        return self.limit_km2

    @property
    def limit_area_km2(self) -> float:
        """The same as `limit_km2`."""
        return self.limit_km2

    @property
    def current_usage_km2(self) -> float:
        """What is used, our pending spend included, in km²."""
        return self.used_km2 + self.pending_km2

    @property
    def used_area_km2(self) -> float:
        """The same as `current_usage_km2`."""
        return self.current_usage_km2

    def _repr_html_(self) -> str:
        return shown.quota(self)

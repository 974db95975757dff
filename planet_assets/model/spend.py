"""What was spent: rows of the ledger with what they are about, and how they compare with what Planet says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime

from planet_assets.model.quota import QuotaInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """One row of the ledger, with the asset it is about where it is about one."""

    sequence: int
    """Place in the ledger."""
    account: str
    """Whose quota."""
    at: datetime
    """When it counts, UTC."""
    kind: str
    """reserve, commit, release or adjust."""
    held_km2: float
    """Added to what is held."""
    spent_km2: float
    """Added to what is spent."""
    rule: str
    """By which rule it was counted, with its certainty."""
    by: str
    """Which script or program."""
    item_id: str = ""
    """The scene; empty when it is about none, or nobody knows."""
    asset_type: str = ""
    """The asset."""
    route: str = ""
    """data or orders."""
    job_id: str | None = None
    """The job that caused it."""
    batch_id: str | None = None
    """The plan that job belongs to."""
    key: str | None = None
    """What it stands for when no job of ours caused it; of equal keys only one is ever counted."""
    note: str = ""
    """Why a person wrote it."""

    @property
    def certainty(self) -> str:
        """confirmed, reported, assumed or declared: the word in brackets at the end of the rule."""
        return self.rule.rpartition("(")[2].removesuffix(")") if self.rule.endswith(")") else ""

    @property
    def is_foreign(self) -> bool:
        """True for what was not spent by this library's jobs."""
        return self.kind == "adjust"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A spend that is not ours, to be kept in the ledger under its key."""

    key: str
    """What it stands for, for example `order:<id>/<item>/0`."""
    at: datetime
    """When it was spent, UTC."""
    km2: float
    """What it costs by the rules as we know them."""
    rule: str
    """How it was found, with its certainty."""
    note: str = ""
    """What else is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Planet's posted usage against the ledger, both since the interval began."""

    posted_km2: float
    """What Planet says is used; NaN when it says nothing."""
    certain_km2: float
    """What the ledger has spent and Planet has posted for certain."""
    possible_km2: float
    """What the ledger has spent up to now, posted or not."""
    since: datetime
    """Begin of the interval, UTC."""
    settled_before: datetime
    """What was spent before is posted for certain, UTC."""

    @property
    def is_known(self) -> bool:
        """True when there is something to compare."""
        return not math.isnan(self.posted_km2)

    @property
    def km2(self) -> float:
        """Posted beyond what the ledger can explain; negative when the ledger holds more; 0 while they may agree."""
        if not self.is_known:
            return math.nan
        tolerance = max(0.01, 1e-3 * self.possible_km2)
        if self.posted_km2 > self.possible_km2 + tolerance:
            return self.posted_km2 - self.possible_km2
        if self.posted_km2 < self.certain_km2 - tolerance:
            return self.posted_km2 - self.certain_km2
        return 0.0

    @property
    def word(self) -> str:
        """agrees, planet_more, planet_less or unknown."""
        if not self.is_known:
            return "unknown"
        return "agrees" if self.km2 == 0 else "planet_more" if self.km2 > 0 else "planet_less"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """One line of a usage report of Planet's."""

    day: date
    """UTC day."""
    km2: float
    """Area charged."""
    item_id: str = ""
    """The scene; empty where the report names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What report and ledger say of one scene, or of one day where the report names no scenes."""

    name: str
    """Scene id, or the day."""
    report_km2: float
    """By the report."""
    ledger_km2: float
    """By the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What came out of comparing the ledger with Planet."""

    quota: QuotaInfo
    """The quota afterwards."""
    drift: Drift
    """What the posted figure and the ledger disagree by."""
    found: tuple[Foreign, ...] = ()
    """Spends that are not ours and were not known before."""
    booked: bool = True
    """False when nothing was written."""
    adjusted_km2: float = 0.0
    """What an accepted drift added to the ledger."""
    differences: tuple[Difference, ...] = ()
    """Where a usage report and the ledger differ."""
    problems: tuple[str, ...] = ()
    """What could not be read or priced, in words."""

"""Which ledger entries an event causes.

The ledger is kept on the safe side of Planet's bill: a start of a download is committed before the first byte is asked
for, and is taken back only when the answer proves that no body can have begun.

Rules about Planet, with their certainty (contract sections 5 and 7b):

* Data API: charged when the asset is downloaded, not on activation, search or stats. Source: confirmed.
* Data API: the whole footprint, whatever is read or cut later. Source: confirmed.
* every start at byte 0 on a new link charges (`repeat="each"`). Source: assumed, the safe reading of reports.
* a resume by Range with a matching ETag does not charge. Source: assumed.
* Orders: charged on acceptance, by the area inside the clip; fetching the files is free. Source: confirmed.
* XML and RPC files are free. Source: reported. Every raster asset of an item charges, UDM2 too. Source: assumed.
* AUM: only ground that is not unlocked yet. Source: confirmed. Such a start is priced against what is certain; once it
  is answered, what another start has paid for meanwhile is taken back (`rules.tariff`, `library.ground`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from planet_assets.model.asset import AssetStatus
from planet_assets.model.event import (
    Cancelled,
    Created,
    Event,
    Failed,
    FetchAnswered,
    FetchRefused,
    FetchStarting,
    LinkLost,
    LinkReady,
    NotClipped,
    OrderMissing,
    OrderPlacing,
    OrderRefused,
    PartRead,
    Placed,
    Spoiled,
    TakenOver,
    Vanished,
)
from planet_assets.model.job import DownloadJob
from planet_assets.model.tariff import FREE_SUFFIXES

TOLERANCE_KM2 = 1e-6
"""One square metre: sums of floats are not held against anyone."""

REPEAT_EACH = "repeat=each (assumed)"
REPEAT_ONCE = "repeat=once (declared)"
WHOLE = "full footprint (confirmed)"
CLIPPED = "area inside the clip (confirmed)"
NEW_GROUND = "aum: ground not unlocked yet (confirmed)"
FIRST_TYPE = "types=first (declared)"
PAID_BEFORE = "paid for by another start (confirmed)"
AUM_MINIMUM_KM2 = 0.01
"""The least that new ground charges under AUM, 1 ha. Source: confirmed."""

ASSUMPTIONS = {
    "each": "Every new start of a download of the same asset is assumed to charge again.",
    "once": "A second download of the same asset is declared not to charge.",
    "types": "Every raster asset of a scene is assumed to charge its full footprint; XML and RPC files are free.",
    "first type": "Only the first raster asset of a scene is declared to charge.",
    "free udm2": "The usable data mask is declared to be free.",
    "bundles": "An order charges each scene once for each product bundle; two bundles are assumed to charge twice.",
    "clip saves nothing": "A clip is declared not to lower what an order charges.",
    "aum": "Area under management: only ground that is not unlocked yet is charged, at least 0.01 km² at a time.",
    "no term": "The term of the plan is not known, so nothing is taken as unlocked before.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the ledger: what it adds to the held and to the spent km² of a job."""

    kind: str
    """reserve, commit, release or adjust."""
    held_km2: float
    """Added to what is held."""
    spent_km2: float
    """Added to what is spent."""
    rule: str
    """By which rule it was counted, with its certainty."""
    at: datetime | None = None
    """When it counts, where that is not the event's own time: what is taken back is taken from the day of its start."""


def is_charged(asset_type: str) -> bool:
    """False for asset types Planet gives away."""
    return not asset_type.endswith(FREE_SUFFIXES)


def reserve(km2: float, rule: str) -> Entry:
    """km² set aside for a job."""
    return Entry(kind="reserve", held_km2=km2, spent_km2=0.0, rule=rule)


def commit(km2: float, rule: str) -> Entry:
    """km² that were set aside and now count as spent."""
    return Entry(kind="commit", held_km2=-km2, spent_km2=km2, rule=rule)


def release(km2: float, rule: str) -> Entry:
    """km² that were set aside and are free again."""
    return Entry(kind="release", held_km2=-km2, spent_km2=0.0, rule=rule)


def depends(job: DownloadJob) -> bool:
    """True when what a start charges depends on what was charged before: ground under AUM, other types of the scene."""
    if job.route == "orders":
        return job.ground_wkt is not None
    return job.km2 > 0 and (job.ground_wkt is not None or job.terms.types == "first")


def start_km2(job: DownloadJob, km2: float | None = None) -> float:
    """What opening a new link at byte 0 counts, km²; nothing by the Orders route, where placing the order counted.

    `km2` is the price of the moment, where it depends on what was charged before.
    """
    if job.route == "orders" or (job.starts and job.terms.repeat == "once"):
        return 0.0
    return job.km2 if km2 is None else km2


def placing_km2(job: DownloadJob, event: OrderPlacing) -> float:
    """What an order that is about to be placed counts for a job, km²."""
    return job.km2 if event.km2 is None else event.km2


def missing_km2(job: DownloadJob, km2: float | None = None) -> float:
    """What opening a new link at byte 0 counts beyond what is set aside for the job, km²."""
    return max(0.0, start_km2(job, km2) - job.held_km2)


def unconfirmed_km2(job: DownloadJob, *, resuming: bool, km2: float | None = None) -> float:
    """What opening a new link would take beyond what was confirmed, km²: to be agreed to first.

    A resume is expected to be free and is not asked about; but once a server has begun over unasked, another resume is
    a start like any other.
    """
    if resuming and job.spent_km2 <= job.agreed_km2 + TOLERANCE_KM2:
        return 0.0
    cost = resume_stake_km2(job, km2) if resuming else start_km2(job, km2)
    extra = job.spent_km2 + cost - job.agreed_km2
    return extra if cost > 0 and extra > TOLERANCE_KM2 else 0.0


def needs_room_km2(job: DownloadJob, event: Event) -> float:
    """Quota that `event` takes and that nothing had set aside, km².

    What is held while a part is resumed needs no room: it is given back unless the server starts over, and refusing it
    would strand a download that is already paid for.
    """
    match event:
        case Created(km2=km2):
            return km2
        case FetchStarting(resuming=False):
            return missing_km2(job, event.km2)
        case OrderPlacing():
            return max(0.0, placing_km2(job, event) - job.held_km2)
        case _:
            return 0.0


def entries(job: DownloadJob, event: Event) -> list[Entry]:
    """The ledger rows that `event` causes for `job` as it was before; areas of 0 cause none."""
    match event:
        case Created(km2=km2):
            rows = [reserve(km2, _area_rule(job))]
        case FetchStarting(resuming=True):
            stake = resume_stake_km2(job, event.km2)
            rows = [reserve(max(0.0, stake - job.held_km2), "held while resuming (assumed)")]
        case FetchStarting():
            rows = _start(job, event.km2)
        case FetchAnswered(offset=offset):
            begun_over = job.resuming and not goes_on_free(job, offset)
            rows = [_settle(job, charged=True)] if begun_over else []
            rows += _paid_before(job, rows, event.exact_km2)
        case LinkReady(exact_km2=exact_km2):
            rows = _paid_before(job, [], exact_km2)
        case FetchRefused():
            rows = _refused(job)
        case OrderPlacing():
            rows = _ordered(job, event)
        case OrderRefused() | OrderMissing():
            rows = [_taken_back(job, "the order does not stand (confirmed)", job.order_asked_at)]
        case TakenOver() if job.resuming:
            rows = [_settle(job, charged=True)]
        case LinkLost() | Spoiled() if job.resuming:
            rows = [_settle(job, charged=job.charge != "resumed")]
        case Cancelled() | Failed() | Vanished() | NotClipped() | Placed() | PartRead():
            rows = _ended(job)
        case _:
            rows = []
    return [row for row in rows if row.held_km2 or row.spent_km2]


def goes_on_free(job: DownloadJob, offset: int) -> bool:
    """True when a body that begins at `offset` continues the part, and no earlier answer on this link was lost."""
    return job.resuming and offset > 0 and job.charge != "unknown"


def _rule(job: DownloadJob) -> str:
    if job.ground_wkt is not None:
        return NEW_GROUND
    if job.terms.types == "first":
        return FIRST_TYPE
    return REPEAT_ONCE if job.terms.repeat == "once" else REPEAT_EACH


def resume_stake_km2(job: DownloadJob, km2: float | None = None) -> float:
    """What is held while a part is resumed on a new link, in case the server starts over, km²."""
    if job.terms.repeat == "once" or job.route == "orders":
        return 0.0
    return job.km2 if km2 is None else km2


def _start(job: DownloadJob, km2: float | None) -> list[Entry]:
    cost = start_km2(job, km2)
    spare = 0.0 if km2 is None else max(0.0, job.held_km2 - cost)
    paid = [reserve(missing_km2(job, km2), _rule(job)), commit(cost, _rule(job))]
    return [*paid, release(spare, "not needed")]


def _paid_before(job: DownloadJob, rows: list[Entry], exact_km2: float | None) -> list[Entry]:
    """What a start counted, and another one that was under way with it had paid for."""
    if exact_km2 is None:
        return []
    counted = job.spent_km2 + sum(row.spent_km2 for row in rows)
    # which of the two came first at Planet is not known: the least charge may count
    rounding = AUM_MINIMUM_KM2 if job.ground_wkt is not None else TOLERANCE_KM2
    spare = counted - exact_km2 - rounding
    if spare <= 0:
        return []
    return [
        Entry(
            kind="release",
            held_km2=0.0,
            spent_km2=-spare,
            rule=PAID_BEFORE,
            at=job.link_opened_at or job.order_asked_at,
        )
    ]


def _ordered(job: DownloadJob, event: OrderPlacing) -> list[Entry]:
    rule = f"order accepted: {_area_rule(job)}"
    return [reserve(needs_room_km2(job, event), rule), commit(placing_km2(job, event), rule)]


def _area_rule(job: DownloadJob) -> str:
    if job.ground_wkt is not None:
        return NEW_GROUND
    return CLIPPED if job.route == "orders" and job.roi_wkt is not None else WHOLE


def _settle(job: DownloadJob, *, charged: bool) -> Entry:
    if charged:
        return commit(job.at_stake_km2, "started over (assumed charged)")
    return release(job.at_stake_km2, "resumed by Range (assumed free)")


def _refused(job: DownloadJob) -> list[Entry]:
    """A refused link takes back its own start, and only while no answer of it can have been lost."""
    if job.charge != "intended":
        return [_settle(job, charged=True)] if job.resuming else []
    if job.resuming:
        return [_settle(job, charged=False)]
    return [_taken_back(job, "refused before a byte came (assumed free)", job.link_opened_at)]


def _taken_back(job: DownloadJob, rule: str, at: datetime | None) -> Entry:
    """What was committed with an intent, and certainly was not charged, is set aside again."""
    return Entry(kind="release", held_km2=job.at_stake_km2, spent_km2=-job.at_stake_km2, rule=rule, at=at)


def _ended(job: DownloadJob) -> list[Entry]:
    """What is still held is free again, but for a resume whose answer is lost: that counts."""
    open_resume = job.resuming and job.status is AssetStatus.DOWNLOADING
    rows = [_settle(job, charged=job.charge != "resumed")] if open_resume else []
    settled = job.at_stake_km2 if rows else 0.0
    return [*rows, release(job.held_km2 - settled, "not needed")]

"""The life of a job: which event may follow in which status, what it changes, and what to do next.

`TABLE` holds every transition; an event that is not in the row of the present status is a programming error and is
refused. `next_step` reads the job alone, so restarting is nothing special: load the job and go on deciding.

Law of unknown money. Before a step that costs, its intent is recorded (`FetchStarting`), and the ledger commits
with it. From then on nothing takes the charge back but an answer that proves that no body began (`FetchRefused` while
the charge is still only *intended*). When an answer is lost the charge is *unknown* and stays. A job may fail or be
cancelled at any time, because whatever may have been spent is already in the ledger.

A link is opened once: a fetch that breaks goes on over the same storage address, at no further charge, for as long as
that lives. A link that only continued a part by Range was free, and so it is not paid for: its price stays held until
the file is placed, in case the server starts over after all, and a file that proves wrong is begun anew on a link that
is paid for. A retry by a person is a new job, not a transition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from planet_assets.model.asset import AssetStatus
from planet_assets.model.event import (
    Activate,
    ActivationAsked,
    AskAsset,
    AssetInactive,
    BeginFetch,
    Cancelled,
    Check,
    Checked,
    Clip,
    Clipped,
    Created,
    Delayed,
    Done,
    Event,
    Failed,
    Fetch,
    FetchAnswered,
    Fetched,
    FetchRefused,
    FetchStarting,
    FindOrder,
    LinkLost,
    LinkReady,
    MaskAwaited,
    NotClipped,
    NotThereYet,
    OrderMissing,
    OrderPlaced,
    OrderPlacing,
    OrderRefused,
    OrderRunning,
    PartRead,
    Place,
    Placed,
    PlaceOrder,
    PollOrder,
    Spoiled,
    Step,
    StillActivating,
    TakenOver,
    UseHeld,
    Vanished,
    WaitUntil,
)
from planet_assets.model.job import DownloadJob
from planet_assets.rules import charges

S = AssetStatus
MAX_RENEWALS = 8
"""Fresh links or activations in a row that lead nowhere, before a job gives up. Source: ours; one in four fresh links
was reported broken."""

_ASKING: dict[type[Event], AssetStatus] = {
    Created: S.PENDING,
    AssetInactive: S.ACTIVATING,
    ActivationAsked: S.ACTIVATING,
    StillActivating: S.ACTIVATING,
    LinkReady: S.ACTIVE,
    NotThereYet: S.WAITING,
    Placed: S.CLIPPING,
    Clipped: S.COMPLETED,
}
_ENDS: dict[type[Event], AssetStatus] = {
    Failed: S.FAILED,
    Vanished: S.EXPIRED,
    Cancelled: S.USER_CANCELLED,
}

TABLE: Mapping[AssetStatus, Mapping[type[Event], AssetStatus]] = {
    S.PENDING: {
        **_ASKING,
        **_ENDS,
        OrderPlacing: S.ORDERING,
        OrderRunning: S.ORDERING,
        Delayed: S.PENDING,
        TakenOver: S.PENDING,
    },
    S.WAITING: {**_ASKING, **_ENDS, OrderPlacing: S.ORDERING, Delayed: S.WAITING, TakenOver: S.WAITING},
    S.ORDERING: {
        **_ENDS,
        OrderPlaced: S.ORDERING,
        OrderRefused: S.PENDING,
        OrderMissing: S.PENDING,
        OrderRunning: S.ORDERING,
        LinkReady: S.ACTIVE,
        Delayed: S.ORDERING,
        TakenOver: S.ORDERING,
    },
    S.ACTIVATING: {**_ASKING, **_ENDS, Delayed: S.ACTIVATING, TakenOver: S.ACTIVATING},
    S.ACTIVE: {
        **_ENDS,
        FetchStarting: S.DOWNLOADING,
        Placed: S.CLIPPING,
        PartRead: S.CLIPPING,
        LinkLost: S.ACTIVATING,
        Delayed: S.ACTIVE,
        TakenOver: S.ACTIVATING,
    },
    S.DOWNLOADING: {
        **_ENDS,
        FetchAnswered: S.DOWNLOADING,
        FetchRefused: S.ACTIVE,
        LinkLost: S.ACTIVATING,
        Fetched: S.DOWNLOADING,
        PartRead: S.CLIPPING,
        Checked: S.DOWNLOADING,
        Spoiled: S.DOWNLOADING,
        Placed: S.CLIPPING,
        Delayed: S.DOWNLOADING,
        TakenOver: S.DOWNLOADING,
    },
    S.CLIPPING: {
        **_ENDS,
        Clipped: S.COMPLETED,
        NotClipped: S.COMPLETED,
        MaskAwaited: S.CLIPPING,
        Delayed: S.CLIPPING,
        TakenOver: S.CLIPPING,
    },
}
"""Status -> event -> next status. Statuses that are not listed are final."""


def apply(job: DownloadJob, event: Event) -> DownloadJob:
    """The job after `event`.

    Raises:
        ValueError: the event may not happen in the job's status (a programming error).
    """
    row = TABLE.get(job.status, {})
    if type(event) not in row:
        raise ValueError(f"{type(event).__name__} may not happen to a job that is {job.status.value}")
    if type(event) in _ENDS and not may_end(job):
        raise ValueError(f"whether Planet accepted order {job.order_name} must be found out first")
    changes: dict[str, Any] = {"status": row[type(event)], "updated_at": event.at, "revision": job.revision + 1}
    changes |= _facts(job, event)
    rows = charges.entries(job, event)
    changes["held_km2"] = job.held_km2 + sum(entry.held_km2 for entry in rows)
    changes["spent_km2"] = job.spent_km2 + sum(entry.spent_km2 for entry in rows)
    return replace(job, **changes)


def next_step(job: DownloadJob, now: datetime) -> Step:
    """What to do next for the job."""
    if job.status.is_final:
        return Done()
    if job.not_before is not None and job.not_before > now:
        return WaitUntil(job.not_before)
    match job.status:
        case S.CLIPPING:
            return Clip()
        case S.DOWNLOADING:
            return _after_start(job)
        case S.ACTIVE:
            return BeginFetch()
        case _ if job.held_copy is not None:
            return UseHeld()
        case S.ORDERING:
            return FindOrder() if job.order_id is None else PollOrder()
        case _ if job.order_id is not None:
            return PollOrder()  # an order of an earlier job brings it
        case _ if job.route == "orders":
            return PlaceOrder()
        case S.ACTIVATING if job.activation_asked_at is None:
            return Activate()
        case _:
            return AskAsset()


def is_stuck(job: DownloadJob) -> bool:
    """True when finding out about an order has failed too often to go on now; `resume` asks again."""
    return job.status is S.ORDERING and not may_end(job) and job.attempts > job.terms.retry_attempts


def may_end(job: DownloadJob) -> bool:
    """False for final jobs, and while nobody knows whether Planet accepted the order: that is found out first."""
    return not job.status.is_final and not (job.status is S.ORDERING and job.order_id is None)


def _after_start(job: DownloadJob) -> Step:
    if job.digest is None:
        return Fetch()
    return Check() if job.verified_by is None else Place()


_FRESH: dict[str, Any] = {"attempts": 0, "not_before": None, "error_kind": "", "error_message": None}
_NO_LINK: dict[str, Any] = {"charge": "none", "at_stake_km2": 0.0, "resuming": False}
_NO_BYTES: dict[str, Any] = {"digest": None, "verified_by": None, "bytes_done": 0}


def _facts(job: DownloadJob, event: Event) -> dict[str, Any]:
    """What an event changes besides the status."""
    match event:
        case Created(km2=km2):
            return {"agreed_km2": km2 if event.agreed_km2 is None else event.agreed_km2}
        case AssetInactive():
            again = job.activation_asked_at is not None
            return {**_FRESH, "activation_asked_at": None, "renewals": job.renewals + again}
        case ActivationAsked():
            return {**_FRESH, "activation_asked_at": event.at, "not_before": event.look_again_at}
        case StillActivating():
            asked = job.activation_asked_at or event.at
            return {**_FRESH, "activation_asked_at": asked, "not_before": event.look_again_at}
        case NotThereYet():
            return {**_FRESH, "error_kind": "NotYet", "error_message": event.reason, "not_before": event.look_again_at}
        case LinkReady():
            return {**_FRESH, "md5": event.md5 or job.md5, "charged": job.charged or job.order_id is not None}
        case OrderPlacing() | OrderPlaced() | OrderRefused() | OrderMissing() | OrderRunning():
            return _order_facts(job, event)
        case Delayed() | Failed() | Vanished() | Cancelled():
            return _trouble(job, event)
        case TakenOver():
            return _taken_over(job)
        case _:
            return _transfer_facts(job, event)


def _transfer_facts(job: DownloadJob, event: Event) -> dict[str, Any]:
    match event:
        case FetchStarting(resuming=resuming):
            stake = charges.resume_stake_km2(job, event.km2) if resuming else charges.start_km2(job, event.km2)
            starts = job.starts + (not resuming)
            return {
                "charge": "intended",
                "at_stake_km2": stake,
                "resuming": resuming,
                "link_opened_at": event.at,
                "agreed_km2": job.agreed_km2 + event.consented_km2,
                "starts": starts,
                "not_before": None,
            }
        case FetchAnswered(offset=offset):
            if charges.goes_on_free(job, offset):
                return {"charge": "resumed", "charged": True}
            paid_for = "answered" if offset == 0 else "resumed"
            return {"charge": paid_for, "charged": True, "resuming": False, "starts": job.starts + job.resuming}
        case FetchRefused():
            return _refused(job, event)
        case LinkLost():
            return _link_lost(job, event.reason)
        case Fetched():
            return {**_FRESH, **_whole(event), "renewals": 0}
        case Checked():
            return {**_FRESH, "verified_by": event.how, "md5": event.md5 or job.md5}
        case Spoiled():
            tries = _again(job, event.error_kind, event.message, event.not_before)
            anew = {**_NO_LINK, "status": _asks_anew(job)} if job.charge != "answered" else {}
            return {**_NO_BYTES, **tries, **anew, "attempts": 0, "spoiled": job.spoiled + 1}
        case Placed():
            return _placed(job, event)
        case _:
            return _clip_facts(job, event)


def _clip_facts(job: DownloadJob, event: Event) -> dict[str, Any]:
    match event:
        case PartRead():
            sizes = dict.fromkeys(("read_bytes", "size_bytes", "bytes_done"), event.read_bytes)
            return {**_FRESH, **_NO_LINK, **sizes, "whole_bytes": event.whole_bytes, "verified_by": "etag"}
        case Clipped():
            done = {"clip_outcome": "cut", "file_bytes": event.size_bytes, "clear_share": event.clear_share}
            return {**_FRESH, **done, **({} if job.status is S.CLIPPING else {"read_bytes": 0})}  # the cut was held
        case NotClipped():
            return {**_FRESH, "clip_outcome": event.reason}
        case MaskAwaited():
            return {**_FRESH, "not_before": event.look_again_at}
        case _:
            return {}


def _order_facts(
    job: DownloadJob, event: OrderPlacing | OrderPlaced | OrderRefused | OrderMissing | OrderRunning
) -> dict[str, Any]:
    match event:
        case OrderPlacing(name=name):
            intent: dict[str, Any] = {"charge": "intended", "at_stake_km2": charges.placing_km2(job, event)}
            agreed = job.agreed_km2 + event.consented_km2
            keeps = {"attempts": job.attempts}  # a refusal that comes again must use up its tries
            return {
                **_FRESH,
                **keeps,
                **intent,
                "order_name": name,
                "order_asked_at": event.at,
                "agreed_km2": agreed,
                "counted_wkt": event.counted_wkt,
            }
        case OrderPlaced(order_id=order_id):
            return {**_FRESH, **_NO_LINK, "order_id": order_id}
        case OrderRefused():
            tries = _again(job, "OrderRefused", event.reason, event.not_before)
            return {**_NO_LINK, **tries, "attempts": job.attempts + (not event.busy), "order_asked_at": None}
        case OrderMissing():
            return {**_FRESH, **_NO_LINK, "order_asked_at": None}
        case OrderRunning():
            return {**_FRESH, "not_before": event.look_again_at}


def _asks_anew(job: DownloadJob) -> AssetStatus:
    """Where a job goes that needs a fresh link."""
    return S.ACTIVATING if job.order_id is None else S.ORDERING


def _whole(event: Fetched | Placed) -> dict[str, Any]:
    return {"digest": event.digest, "size_bytes": event.size_bytes, "bytes_done": event.size_bytes}


def _again(job: DownloadJob, kind: str, message: str, not_before: datetime) -> dict[str, Any]:
    return {"attempts": job.attempts + 1, "error_kind": kind, "error_message": message, "not_before": not_before}


def _trouble(job: DownloadJob, event: Delayed | Failed | Vanished | Cancelled) -> dict[str, Any]:
    match event:
        case Delayed():
            asked = job.status in (S.DOWNLOADING, S.ORDERING) and job.charge in ("intended", "resumed")
            lost = asked and event.answered and not event.heard
            charge: dict[str, Any] = {"charge": "unknown"} if lost else {}
            tries = _again(job, event.error_kind, event.message, event.not_before)
            return {**charge, **tries, **({"attempts": 1, "renewals": 0} if event.progressed else {})}
        case Failed():
            return {"error_kind": event.error_kind, "error_message": event.message, "not_before": None}
        case Vanished():
            return {"error_kind": "Gone", "error_message": event.message, "not_before": None}
        case Cancelled():
            words = f"Cancelled by {event.by}." + (f" {event.reason}" if event.reason else "")
            return {"error_kind": "Declined", "error_message": words, "not_before": None}


def _taken_over(job: DownloadJob) -> dict[str, Any]:
    """Whoever held the job may not have lived to hear an answer; a look-again time is kept, a pause is not."""
    facts: dict[str, Any] = {"attempts": 0, "resuming": False}
    if job.status is not S.WAITING:
        facts["not_before"] = None
    if job.status is S.ACTIVE:
        facts["status"] = _asks_anew(job)
    if job.charge in ("intended", "resumed"):
        facts["charge"] = "unknown"
        facts["starts"] = job.starts + job.resuming
    return facts


def _refused(job: DownloadJob, event: FetchRefused) -> dict[str, Any]:
    taken_back = job.charge == "intended" and not job.resuming
    counted_now = job.resuming and job.charge != "intended"
    facts = _NO_LINK | _again(job, "LinkExpired" if event.link_gone else "NetworkError", event.reason, event.not_before)
    facts["starts"] = job.starts - taken_back + counted_now
    if event.link_gone:
        facts |= {"status": _asks_anew(job), "activation_asked_at": None, "renewals": job.renewals + 1, "attempts": 0}
    return facts


def _link_lost(job: DownloadJob, reason: str) -> dict[str, Any]:
    return {
        **_NO_LINK,
        "status": _asks_anew(job),
        "starts": job.starts + (job.resuming and job.charge != "resumed"),
        # a lost link says nothing about the activation: Planet is asked first, and activates again only if inactive
        "activation_asked_at": job.activation_asked_at or job.updated_at,
        # one that grew old in the queue was not refused
        "renewals": job.renewals + (job.status is S.DOWNLOADING),
        "error_kind": "LinkExpired",
        "error_message": reason,
        "not_before": None,
    }


def _placed(job: DownloadJob, event: Placed) -> dict[str, Any]:
    facts = {
        **_FRESH,
        **_NO_LINK,
        **_whole(event),
        "md5": event.digest or job.md5,
        "file_bytes": event.size_bytes,
        "verified_by": job.verified_by or "md5",
    }
    if job.clipping is None:
        facts["status"] = S.COMPLETED
    if job.route == "orders" and job.roi_wkt is not None:
        facts["clip_outcome"] = "cut"
    return facts


def exhausted(job: DownloadJob) -> str | None:
    """Why the job should fail now, in words; None while another try is due."""
    if job.status is S.WAITING or not may_end(job):
        return None
    if job.spoiled > job.terms.retry_attempts:
        return f"download failed: the bytes were wrong {job.spoiled} times. {job.error_message}"
    if job.attempts > job.terms.retry_attempts:
        stage = "activation" if job.status in (S.PENDING, S.ORDERING, S.ACTIVATING) else "download"
        return f"{stage} failed after {job.attempts} tries: {job.error_message}"
    if job.renewals > MAX_RENEWALS:
        reason = job.error_message or "Planet took it back each time."
        return f"activation failed: {job.renewals} times in a row it led to no bytes. {reason}"
    return None

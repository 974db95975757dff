"""Steps are what to do next, events what happened: one vocabulary that moves jobs, is stored, drawn and asserted on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job."""

    at: datetime
    """When, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Created(Event):
    """The job was recorded and its km² reserved, in one transaction."""

    km2: float
    """Reserved, km²."""
    agreed_km2: float | None = None
    """What was agreed to at the most, where that is more than is reserved: ground that plans share is held once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetInactive(Event):
    """Planet lists the asset; it has to be activated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationAsked(Event):
    """Planet accepted the activation; nothing is charged for it. Source: confirmed (support 4414022365201)."""

    look_again_at: datetime
    """When to ask whether it is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StillActivating(Event):
    """Planet is still making the asset ready."""

    look_again_at: datetime
    """When to ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotThereYet(Event):
    """Planet will have it later: an embargo, or SR some hours after the scene."""

    reason: str
    """Why, in words."""
    look_again_at: datetime
    """When to look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReady(Event):
    """The asset is active and its link is in hand. The link itself stays in memory."""

    md5: str | None
    """Digest Planet promises."""
    expires_at: datetime | None
    """End of the link's life."""
    exact_km2: float | None = None
    """What Planet has charged at the most for an order's file, where that depends on what was charged before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLost(Event):
    """The link no longer answers, or went with the process that held it."""

    reason: str
    """Why, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchStarting(Event):
    """Intent, recorded before the request: a new link is about to be opened, which may charge."""

    resuming: bool
    """True when a kept part is continued, which charges only if the server starts over."""
    consented_km2: float = 0.0
    """What was agreed to for it, beyond what had been confirmed."""
    km2: float | None = None
    """What it charges, where that depends on what was charged before. None: the job's own price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchAnswered(Event):
    """The body began to arrive."""

    offset: int
    """Byte it begins at; 0 is a start that charges."""
    exact_km2: float | None = None
    """What Planet has charged for the asset at the most, where that depends on what was charged before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRefused(Event):
    """The link was refused or could not be reached, so that no body can have begun."""

    reason: str
    """Why, in words."""
    link_gone: bool
    """True when a fresh link is needed, False when the same may be tried again."""
    not_before: datetime
    """When to go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched(Event):
    """The whole body is in the part file."""

    size_bytes: int
    """Its length."""
    digest: str
    """md5 of all its bytes."""
    why_whole: str = ""
    """Why all of it was fetched where a part was wanted, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRead(Event):
    """The tiles of the region are here, all of one version by its ETag; the md5 of the whole says nothing of them."""

    read_bytes: int
    """Bytes that were read for it, headers included."""
    whole_bytes: int | None
    """Length of the whole file; None where an earlier try had read the tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(Event):
    """The part is what Planet promised."""

    how: str
    """md5, length or structure."""
    md5: str | None = None
    """Digest Planet promises now, when it was republished meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoiled(Event):
    """The part differs from what was promised; it was thrown away."""

    error_kind: str
    """Name of the exception class."""
    message: str
    """What differs."""
    not_before: datetime
    """When to try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed(Event):
    """The whole file stands under its final name."""

    size_bytes: int
    """Its length."""
    digest: str
    """md5 of all its bytes."""
    how: str
    """fetched, or how it was had without fetching: adopted, linked, copied, present."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clipped(Event):
    """The cut file stands under its final name."""

    size_bytes: int
    """Its length."""
    clear_share: float | None = None
    """Share of the ROI's pixels that is usable by the scene's UDM2; None where nothing was masked or seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskAwaited(Event):
    """The UDM2 that is to mask a file is still on its way; the cut waits for it."""

    look_again_at: datetime
    """When to look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotClipped(Event):
    """There was nothing to cut; the whole file stands."""

    reason: str
    """Why, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlacing(Event):
    """Intent, recorded before the request: an order is about to be placed, which charges when Planet accepts it."""

    name: str
    """Our name of the order, unique to this attempt; it finds the order again when the answer is lost."""
    km2: float | None = None
    """What the order charges for this job: one of the jobs of an item carries the charge. None: the job's own price."""
    consented_km2: float = 0.0
    """What was agreed to on top, because the job that was to carry the charge is not in the order."""
    counted_wkt: str | None = None
    """aum: the ground that is counted with this job, lon/lat WKT; empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced(Event):
    """Planet accepted the order, or it was found by its name."""

    order_id: str
    """Planet's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefused(Event):
    """Planet refused the order, or was not reached: nothing was charged."""

    reason: str
    """Why, in words."""
    not_before: datetime
    """When to try again."""
    busy: bool = False
    """True when Planet only had too many orders under way: that uses up no try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMissing(Event):
    """The order was looked for by its name until the grace time was over, and Planet does not have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRunning(Event):
    """Planet is carrying the order out, or may not list it yet."""

    look_again_at: datetime
    """When to ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delayed(Event):
    """A step failed in a way that time may cure."""

    error_kind: str
    """Name of the exception class."""
    message: str
    """What went wrong."""
    not_before: datetime
    """When to try again."""
    answered: bool = True
    """False when the server was certainly not reached."""
    heard: bool = False
    """True when the server's answer to this very request was heard, so that nothing is in doubt."""
    progressed: bool = False
    """True when bytes arrived since the last trouble, which makes this the first try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """A step failed in a way that trying again would not cure."""

    error_kind: str
    """Name of the exception class."""
    message: str
    """What went wrong and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished(Event):
    """Planet no longer offers it."""

    message: str
    """What Planet said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Event):
    """A person, hook or policy ended it."""

    by: str
    """Who or what."""
    reason: str = ""
    """Why, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver(Event):
    """A process picked up a job that another had left."""

    by: str
    """Who holds it now."""


EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        Created,
        AssetInactive,
        ActivationAsked,
        StillActivating,
        NotThereYet,
        LinkReady,
        LinkLost,
        FetchStarting,
        FetchAnswered,
        FetchRefused,
        Fetched,
        PartRead,
        Checked,
        Spoiled,
        Placed,
        Clipped,
        MaskAwaited,
        NotClipped,
        OrderPlacing,
        OrderPlaced,
        OrderRefused,
        OrderMissing,
        OrderRunning,
        Delayed,
        Failed,
        Vanished,
        Cancelled,
        TakenOver,
    )
}
"""Every event by its name."""


def event_to_json(event: Event) -> dict[str, Any]:
    """The event's fields, times as ISO 8601 text; the kind is stored beside it."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def event_from_json(kind: str, payload: dict[str, Any]) -> Event:
    """The inverse of `event_to_json`."""
    cls = EVENTS[kind]
    times = {field.name for field in fields(cls) if "datetime" in str(field.type)}
    values = {
        name: datetime.fromisoformat(value) if name in times and value is not None else value
        for name, value in payload.items()
    }
    return cls(**values)


@dataclass(frozen=True, slots=True)
class Step:
    """The next thing to do for a job."""


class UseHeld(Step):
    """Link or copy the file the library already holds."""


class AskAsset(Step):
    """Read the asset's status from Planet."""


class Activate(Step):
    """Ask Planet to make the asset ready."""


class PlaceOrder(Step):
    """Record that an order is about to be placed, then place it, together with the jobs that share it."""


class FindOrder(Step):
    """Look for an order whose answer was lost, by its name."""


class PollOrder(Step):
    """Ask how far the order is, and take the link when it is done."""


class BeginFetch(Step):
    """Look at what lies on disk, then record that a link is about to be opened."""


class Fetch(Step):
    """Bring the bytes into the part file."""


class Check(Step):
    """Compare the part with what was promised."""


class Place(Step):
    """Give the part its final name."""


class Clip(Step):
    """Cut the placed file to the ROI."""


class Done(Step):
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class WaitUntil(Step):
    """Do nothing before a moment."""

    moment: datetime
    """UTC."""

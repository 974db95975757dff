"""What happened to elements, as files that a laptop carries: exported as segments, imported once each.

A segment holds one library's own events, named <utc>-<site>-<first>-<last>.jsonl by their sequence. It is written
aside, flushed, and takes its name in one step. Segments of many sites may lie in one folder; whoever imports it notes
how far each site has been followed, in the transaction that applies its events, so importing twice changes nothing.

What an element becomes is decided by `rules.replay`, whatever the order of arrival. Locks are leases of one tracker and
are not carried.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from planet_assets.exceptions import Conflict, Corrupt, DiskProblem, Misused
from planet_assets.library import element_rows as rows
from planet_assets.library.engine import Library, upsert
from planet_assets.library.schema import kv
from planet_assets.library.team_schema import element_event
from planet_assets.model.element import Element
from planet_assets.rules import elements as rules
from planet_assets.rules.replay import Happening, document_of

MOST = 2000
"""Events of one segment."""
FORMAT = "planet-assets events 1"
BORN, FOLLOWED = "segments:library", "segments:followed:"
FOREIGN = "@"
"""Stands in the actor of an event that came from elsewhere: name@site."""

_SITE = re.compile(r"[A-Za-z0-9_]{1,64}")
_NAME = re.compile(r"\d{8}T\d{12}Z-([A-Za-z0-9_]{1,64})-(\d+)-(\d+)\.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A file of events."""

    path: Path
    """Where it lies."""
    site: str
    """Whose events."""
    first: int
    """Sequence of the first."""
    last: int
    """Sequence of the last."""


def export(library: Library, folder: Path, site: str, *, now: datetime) -> list[Segment]:
    """Write the events that the folder does not hold yet.

    Raises:
        Misused: the name cannot be that of a site.
        DiskProblem: the folder cannot be written.
    """
    if not _SITE.fullmatch(site):
        raise Misused(f"{site!r} cannot name a site here.", hint="Use letters, digits and _.", argument="as")
    born = _born(library)
    last = max((one.last for one in segments(folder) if one.site == site), default=0)
    made = []
    while found := _own(library, last):
        head = {"format": FORMAT, "site": site, "library": born, "after": last, "count": len(found)}
        first, upto = found[0]["sequence"], found[-1]["sequence"]
        stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        path = folder / f"{stamp}-{site}-{first}-{upto}.jsonl"
        _written(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in (head, *found)))
        made.append(Segment(path=path, site=site, first=first, last=upto))
        last = upto
    return made


def segments(folder: Path) -> list[Segment]:
    """The segments of a folder, by site and in their order.

    Raises:
        DiskProblem: it cannot be read.
    """
    try:
        names = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()] if folder.exists() else []
    except OSError as error:
        raise DiskProblem(f"{folder} cannot be read: {error.strerror}.") from None
    found = [Segment(path=path, site=one[1], first=int(one[2]), last=int(one[3])) for path, one in names if one]
    return sorted(found, key=lambda one: (one.site, one.first, one.last))


def read_in(library: Library, folder: Path) -> dict[str, int]:
    """Apply every event of a folder that was not applied before; site -> how many.

    Raises:
        Conflict: a segment between is missing, or two libraries have one name.
        Corrupt: a segment is not whole.
        DiskProblem: one cannot be read.
    """
    born, done = _born(library), Counter[str]()
    for one in segments(folder):
        head, events = _read(one)
        if head["library"] == born:
            continue
        with rows.turn(library) as connection:
            done[one.site] += _followed(connection, one, head, events)
    return dict(done)


def _followed(connection: sa.Connection, one: Segment, head: Mapping[str, Any], events: Sequence[Any]) -> int:
    key = f"{FOLLOWED}{one.site}"
    text = connection.execute(sa.select(kv.c.value).where(kv.c.key == key)).scalar_one_or_none()
    known = json.loads(text) if text else {"library": head["library"], "last": 0}
    if known["library"] != head["library"]:
        raise Conflict(
            f"Two libraries call themselves {one.site}.", hint="Give one of them another name when it exports."
        )
    if head["after"] > known["last"]:
        raise Conflict(
            f"Events of {one.site} after {known['last']} and up to {head['after']} are missing.",
            hint=f"Copy the segments before {one.path.name} into the folder.",
        )
    fresh = [event for event in events if event["sequence"] > known["last"]]
    for event in fresh:
        _apply(connection, event, one.site)
    if fresh:
        value = json.dumps({"library": head["library"], "last": max(known["last"], one.last)})
        row = upsert(connection, kv).values(key=key, value=value)
        connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
    return len(fresh)


def _apply(connection: sa.Connection, event: Mapping[str, Any], site: str) -> None:
    """Add an event to what is known, and make the element what all of it says."""
    name, verb = event["element"], event["verb"]
    at, by = datetime.fromisoformat(event["at"]), f"{event['actor']}{FOREIGN}{site}"
    rows.note(connection, verb, name, event["rev"], event["data"], by=by, now=at)
    document, kind = document_of(name, _happened(connection, name))
    held: Element | None = rows.fetch(connection, [name], now=at).get(name)
    told: dict[str, Any] = {"by": by, "now": at, "quiet": True}
    if document is None:
        rows.remove(connection, [held] if held else [], **told)
    elif held is None:
        rows.insert(connection, {name: document}, verb=verb, kind=kind, **told)
    elif document != held.document:
        rows.save(connection, [(held, document)], verb=verb, **told)


def _happened(connection: sa.Connection, name: str) -> list[Happening]:
    query = sa.select(element_event).where(
        element_event.c.element_id == name, element_event.c.verb.not_in(("lock", "unlock"))
    )
    return [
        Happening(at=row["at"], verb=row["verb"], rev=row["rev"], data=json.loads(row["data"]))
        for row in connection.execute(query.order_by(element_event.c.sequence)).mappings()
    ]


def _own(library: Library, after: int) -> list[dict[str, Any]]:
    query = (
        sa.select(element_event)
        .where(element_event.c.sequence > after, element_event.c.actor.not_like(f"%{FOREIGN}%"))
        .where(element_event.c.verb.not_in(("lock", "unlock")))
        .order_by(element_event.c.sequence)
        .limit(MOST)
    )
    with library.read() as connection:
        return [
            {
                "sequence": row["sequence"],
                "at": row["at"].isoformat(),
                "actor": row["actor"],
                "verb": row["verb"],
                "element": row["element_id"],
                "rev": row["rev"],
                "data": json.loads(row["data"]),
            }
            for row in connection.execute(query).mappings()
        ]


def _born(library: Library) -> str:
    """What tells this library from every other, also from one of the same name."""
    with library.write() as connection:
        row = upsert(connection, kv).values(key=BORN, value=secrets.token_hex(16))
        connection.execute(row.on_conflict_do_nothing(index_elements=["key"]))
        return str(connection.execute(sa.select(kv.c.value).where(kv.c.key == BORN)).scalar_one())


def _read(one: Segment) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        lines = [json.loads(line) for line in one.path.read_text(encoding="utf-8").splitlines()]
        head, events = lines[0], lines[1:]
        if head["format"] != FORMAT or head["site"] != one.site or head["count"] != len(events):
            raise ValueError("its head says otherwise")
        for event in events:
            _checked(event)
        return head, events
    except OSError as error:
        raise DiskProblem(f"{one.path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise Corrupt(f"{one.path} is no whole segment: {error}.", hint="Copy it again.") from None


def _checked(event: Mapping[str, Any]) -> None:
    datetime.fromisoformat(event["at"]).astimezone(UTC)
    rules.checked_id(event["element"])
    words = (event["actor"], event["verb"])
    if not all(isinstance(one, str) and 0 < len(one) <= 200 and one.isprintable() for one in words):
        raise ValueError("an actor or a verb is no word")
    if event["verb"] not in ("create", "update", "delete", "publish", "comment", "version"):
        raise ValueError(f"nothing is known of {event['verb']}")
    if not isinstance(event["sequence"], int) or not isinstance(event["rev"], int):
        raise TypeError("a number is none")
    rules.checked_keys({**event["data"]})


def _written(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("x", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(fresh, path)
    except OSError as error:
        raise DiskProblem(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)

"""Where an element goes, and how its standing at each site is shown: keys of the element, and a colour.

For every site but the element's origin: `sync_<site>` decides where it is set, else the element's `syncEverywhere`, or
the team's. A site that others fetch from, a hub, is a site like any other: what is to come through it must go to it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from planet_assets.exceptions import Misused
from planet_assets.model.standing import FAILED, PRESENT, Standing

GLOBAL = "rsyncGlobalParameters"
"""The element that holds what goes for the whole team."""

EVERYWHERE = "syncEverywhere"
PRIORITY = "sync_priority"
FOR = "sync_"

GREEN, YELLOW, RED = "green", "yellow", "red"
NOT_FOUND, OTHER = 23, 1
"""Codes of errors: the file was not found; anything else."""

SHOWN = ("synced_", "syncing_", "syncError_", "syncLastAttempt_", "modified_")
"""Beginnings of the keys that are shown on elements and kept elsewhere, so nobody may set them."""

SITE_LENGTH = 64
"""Signs that a site's name may have."""
_SITE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_./-]{{0,{SITE_LENGTH - 1}}}")
_MOST_PRIORITY = 10**9


def checked_site(name: str) -> str:
    """A site's name that may stand in keys and addresses.

    Raises:
        Misused: it may not be one.
    """
    if not _SITE.fullmatch(name) or ".." in name or name == "priority":
        raise Misused(f"{name!r} cannot name a site.", hint="Use letters, digits, _ . - /, 64 at the most.")
    return name


def is_file(element_id: str) -> bool:
    """True for an element that is a file or a package: its id is a path."""
    return element_id.startswith("/") and len(element_id) > 1


def destinations(element_id: str, document: Mapping[str, Any], sites: Iterable[str], everywhere: bool) -> list[str]:
    """Sites that an element is to be brought to, in order of their names.

    Args:
        element_id: its path; what is no file goes nowhere.
        document: its keys.
        sites: those that are known; one that a `sync_<site>` key names counts as well.
        everywhere: what goes where the element does not say.
    """
    if not is_file(element_id):
        return []
    origin, own = document.get("origin"), document.get(EVERYWHERE)
    told = {
        key.removeprefix(FOR): bool(value)
        for key, value in document.items()
        if key.startswith(FOR) and key != PRIORITY and value is not None and _SITE.fullmatch(key.removeprefix(FOR))
    }
    fallback = everywhere if own is None else bool(own)
    return [site for site in sorted({*sites, *told}) if site != origin and told.get(site, fallback)]


def rank_of(document: Mapping[str, Any]) -> int:
    """Minus the priority of an element; one that is no number counts as 0."""
    priority = document.get(PRIORITY, 0)
    if isinstance(priority, bool) or not isinstance(priority, int | float) or priority != priority:
        return 0
    return -int(max(-_MOST_PRIORITY, min(_MOST_PRIORITY, priority)))


def is_outdated(brought_at: datetime | None, time_ms: object, *, within: bool = True) -> bool:
    """True when what was brought at a moment may be older than what the element is now.

    Its time is in whole milliseconds; `within` says what counts within one: as older, it is brought once more.
    """
    if brought_at is None or isinstance(time_ms, bool) or not isinstance(time_ms, int | float):
        return False
    brought_ms = milliseconds(brought_at)
    return time_ms > brought_ms or (within and time_ms == brought_ms)


def status(standing: Standing) -> str:
    """delivered, syncing, failed, outdated (another version came once) or wanted (none did)."""
    if standing.syncing_at is not None:
        return "syncing"
    if standing.state == FAILED:
        return "failed"
    if standing.state == PRESENT:
        return "delivered"
    return "outdated" if standing.synced_at is not None else "wanted"


def colour(standings: Collection[Standing]) -> str:
    """Green when all are delivered, red when one has failed, yellow in between."""
    found = {status(one) for one in standings}
    if "failed" in found:
        return RED
    return GREEN if found <= {"delivered"} else YELLOW


def shown(standings: Iterable[Standing]) -> dict[str, Any]:
    """Standings as keys of their element: `synced_<site>` and its like, in milliseconds."""
    keys: dict[str, Any] = {}
    for one in standings:
        moments = (one.synced_at, one.syncing_at, one.tried_at, one.modified_at)
        names = ("synced_", "syncing_", "syncLastAttempt_", "modified_")
        for name, moment in zip(names, moments, strict=True):
            if moment is not None:
                keys[f"{name}{one.site}"] = milliseconds(moment)
        if one.state == FAILED:
            keys[f"syncError_{one.site}"] = OTHER if one.error_code is None else one.error_code
    return keys


def without_shown(document: Mapping[str, Any]) -> dict[str, Any]:
    """An element's keys less those that only show its standings; what a client sends back is not stored."""
    return {key: value for key, value in document.items() if not key.startswith(SHOWN)}


def milliseconds(moment: datetime) -> int:
    """A time as the contract writes it."""
    return int(moment.timestamp() * 1000)

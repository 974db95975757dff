"""What an agent found in its site's folder: new files are published, changed ones go out again, in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from planet_assets.library import element_rows as rows
from planet_assets.library import standings
from planet_assets.library.engine import Library, lease_time
from planet_assets.model.element import Element
from planet_assets.model.standing import PRESENT
from planet_assets.rules import elements as rules

AUTHOR = "support"
"""Who writes what scans find."""

Entry = tuple[str, int, int]
"""Element, its size in bytes, when it was written (ms)."""


def scanned(library: Library, site: str, found: Sequence[Entry], *, by: str, now: datetime) -> dict[str, list[str]]:
    """Note files of a site.

    A file that nobody knows is published with this site as its origin. One that the site is known to have, and that has
    another size or time now, is changed: it is wanted anew wherever it goes. What is on its way here is left alone.

    Returns:
        Ids that are new, modified, and locked (left as they are, since somebody edits them).
    """
    told = {name: (size, mtime) for name, size, mtime in found}
    milliseconds = int(now.timestamp() * 1000)
    with rows.turn(library) as connection:
        known = rows.fetch(connection, told, now=lease_time(connection, now))
        stands = standings.of(connection, known)
        new = {
            name: {
                "comment": f"scanned at {site}",
                "origin": site,
                "author": AUTHOR,
                "time": milliseconds,
                "file_size": size,
                "file_mtime": mtime,
            }
            for name, (size, mtime) in told.items()
            if name not in known
        }
        made = rows.insert(connection, new, by=by, verb="publish", now=now)
        children = {
            rules.new_id(now, secrets.token_bytes(10)): {**one.document, "#parent": name} for name, one in made.items()
        }
        rows.insert(connection, children, by=by, verb="publish", kind="publication", now=now)
        changed, locked = [], []
        for name, old in known.items():
            size, mtime = told[name]
            is_here = any(one.site == site and one.state == PRESENT for one in stands.get(name, ()))
            if not is_here or _is_same(old, size, mtime):
                continue
            if old.lock_owner not in (None, by):
                locked.append(name)
                continue
            facts: dict[str, Any] = {"comment": f"modified at {site}", "origin": site, "time": milliseconds}
            changed.append((old, {**old.document, **facts, "file_size": size, "file_mtime": mtime}))
        rows.save(connection, changed, by=by, verb="update", now=now)
        for old, _ in changed:
            standings.hold(connection, old.id, site, now=now, found_changed=True)
    return {"new": sorted(made), "modified": sorted(old.id for old, _ in changed), "locked": sorted(locked)}


def arrived(library: Library, element_id: str, site: str, *, owner: str, seal: str, by: str, now: datetime) -> bool:
    """Note that an element has come to a site, and as which sealed bundle, so that others fetch that one.

    Raises:
        LibraryLocked: another agent has taken over.
    """
    with rows.turn(library) as connection:
        is_newest = standings.arrive(connection, element_id, site, owner=owner, now=now)
        found = rows.fetch(connection, [element_id], now=now).get(element_id)
        if is_newest and seal and found is not None and found.document.get("seal") != seal:
            rows.save(connection, [(found, {**found.document, "seal": seal})], by=by, verb="update", now=now)
        return is_newest


def _is_same(old: Element, size: int, mtime: int) -> bool:
    known = (old.document.get("file_size", size), old.document.get("file_mtime", mtime))
    return known == (size, mtime)

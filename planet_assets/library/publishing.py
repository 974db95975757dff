"""What people do with files: publish them, make a new version, comment. Each call is one transaction.

A publication is kept as a child of the file's element, as it was published; a version keeps what the head was before.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from planet_assets.exceptions import Gone, Misused
from planet_assets.library import element_rows as rows
from planet_assets.library.elements import Documents, Found, named, refuse_locked, visible
from planet_assets.library.engine import Library, lease_time
from planet_assets.library.team_schema import element
from planet_assets.model.element import Element
from planet_assets.rules import elements as rules

Also = Callable[[sa.Connection, Sequence[Element]], None]
"""What else is written in the transaction that publishes: where the files are to go."""


def publish(
    library: Library, documents: Documents, *, by: str, now: datetime, also: Also | None = None
) -> tuple[Found, Found]:
    """Add files, each with a child that says how it was published; None for each that is there already.

    Returns:
        The files and their children, in the order of what was asked.

    Raises:
        Misused: one has no path, comment or origin, or a key cannot be one.
    """
    for one in documents:
        _checked(one)
    new = [named(one, by=by, now=now) for one in documents]
    with rows.turn(library) as connection:
        made = rows.insert(connection, dict(reversed(new)), by=by, verb="publish", now=now)
        children = {
            rules.new_id(now, secrets.token_bytes(8)): {**each.document, "#parent": one} for one, each in made.items()
        }
        written = rows.insert(connection, children, by=by, verb="publish", kind="publication", now=now)
        if also is not None:
            also(connection, list(made.values()))
    under = {str(each.document["#parent"]): each for each in written.values()}
    ids = [one for one, _ in new]
    found = {one: made.pop(one, None) for one in ids}
    return [found.pop(one, None) for one in ids], [under.pop(one, None) for one in ids]


def comment(
    library: Library,
    parents: Sequence[str],
    document: Mapping[str, Any],
    *,
    by: str,
    now: datetime,
    seen_by: str | None,
) -> Found:
    """Say something about elements: a child for each of them; None for each that is not there.

    Raises:
        Misused: a key cannot be one.
    """
    kept = {key: value for key, value in document.items() if key not in ("_id", "#parent")}
    with rows.turn(library) as connection:
        found = rows.fetch(connection, parents, now=now)
        there = [one for one in parents if visible(found.get(one), seen_by) is not None]
        new = dict(named({**kept, "#parent": one}, by=by, now=now) for one in dict.fromkeys(there))
        made = rows.insert(connection, new, by=by, verb="comment", kind="comment", now=now)
    under = {str(each.document["#parent"]): each for each in made.values()}
    return [under.get(one) for one in parents]


def version(
    library: Library,
    head_id: str,
    document: Mapping[str, Any],
    *,
    by: str,
    now: datetime,
    seen_by: str | None = None,
    also: Also | None = None,
) -> Element:
    """Make a new version of a file: what the head was is kept as a child, under a name with its time in it.

    Raises:
        Gone: there is no such element.
        Conflict: somebody else has locked it; nothing was changed.
        Misused: no file is given, or a key cannot be one.
    """
    if not isinstance(document.get("file"), str) or not document["file"]:
        raise Misused("A version needs its file.", argument="file")
    body = {key: value for key, value in rules.checked_keys(document).items() if key not in ("_id", "lock")}
    milliseconds = int(now.timestamp() * 1000)
    with rows.turn(library) as connection:
        held = rows.fetch(connection, [head_id], now=lease_time(connection, now))
        head = visible(held.get(head_id), seen_by)
        if head is None:
            raise Gone("Not Found")
        refuse_locked(held, by)
        old = {**head.document, "#parent": head_id}
        if isinstance(old.get("file"), str):
            old["file"] = with_time(old["file"], old.get("time", milliseconds))
        rows.insert(connection, {rules.new_id(now, secrets.token_bytes(8)): old}, by=by, verb="version",
                    kind="version", now=now)  # fmt: skip
        counted = sa.select(sa.func.count()).where(
            element.c.parent == head_id, element.c.kind == "version", element.c.deleted_at.is_(None)
        )
        number = connection.execute(counted).scalar_one() + 1
        new = rules.merged(head.document, {"author": by, "time": milliseconds, **body, "version": number})
        saved = rows.save(connection, [(head, new)], by=by, verb="version", now=now)[head_id]
        if also is not None:
            also(connection, [saved])
    return saved


def with_time(file: str, time: object) -> str:
    """The name of an old version: its time before the extension, or before the slash of a folder."""
    if file.endswith("/"):
        return f"{file[:-1]}_{time}/"
    found = re.fullmatch(r"(.*?[^/.])(\.[^/.]*)?", file, re.DOTALL)
    return f"{found[1]}_{time}{found[2] or ''}" if found else f"{file}_{time}"


def _checked(document: Mapping[str, Any]) -> None:
    """Refuse what cannot be published.

    Raises:
        Misused: it has no path, comment or origin.
    """
    path = document.get("_id")
    if not isinstance(path, str) or not path.startswith("/"):
        raise Misused("What is published has a path for its _id, from a slash.", argument="_id")
    for key in ("comment", "origin"):
        if not isinstance(document.get(key), str) or not document[key]:
            raise Misused(f"What is published has {'a' if key == 'comment' else 'an'} {key}.", argument=key)

"""Edges between elements: what leads to an element, and what it leads to, as far as one asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from planet_assets.exceptions import Misused
from planet_assets.library import element_rows as rows
from planet_assets.library.elements import Found, refuse_locked, visible
from planet_assets.library.engine import Library, lease_time
from planet_assets.library.team_schema import element
from planet_assets.model.element import Element
from planet_assets.rules.elements import possible

MOST_FOUND = 200_000
"""How many elements one walk meets at the most."""


class Graph(NamedTuple):
    """What a walk has met."""

    asked: Found
    """The elements it began at; None for each that is not there."""
    nodes: list[Element]
    """What was met, the nearest first."""
    edges: list[Element]
    """By which it was met."""


def walk(
    library: Library,
    ids: Sequence[str],
    depth: int,
    *,
    forwards: bool = False,
    now: datetime,
    seen_by: str | None = None,
) -> Graph:
    """Follow edges from their targets to their sources, or `forwards`, so many steps far; 0 is without end.

    Raises:
        Misused: it meets more than one answer holds.
    """
    with library.read() as connection:
        at = lease_time(connection, now)
        begun = {
            one: each for one, each in rows.fetch(connection, ids, now=at).items() if visible(each, seen_by) is not None
        }
        met, edges, nodes = dict.fromkeys(begun), dict[str, Element](), list[Element]()
        level, step = list(begun), 0
        while level and (depth == 0 or step < depth):
            found = [one for one in _edges(connection, level, forwards, at) if visible(one, seen_by) is not None]
            edges |= {one.id: one for one in found if one.id not in edges}
            ends = [str(one.document["tgt_id" if forwards else "src_id"]) for one in found]
            more = rows.fetch(connection, [one for one in ends if one not in met], now=at)
            level = [one for one, each in more.items() if visible(each, seen_by) is not None]
            nodes += [more[one] for one in level]
            met |= dict.fromkeys(level)
            step += 1
            if len(met) + len(edges) > MOST_FOUND:
                raise Misused(f"The graph has more than {MOST_FOUND:,} elements.", hint="Ask for less depth.")
    return Graph([begun.get(one) for one in ids], nodes, list(edges.values()))


def delete(
    library: Library, ids: Sequence[str], *, by: str, now: datetime, seen_by: str | None = None
) -> list[str | None]:
    """Delete elements and the edges that touch them; None for each that is not there.

    Returns:
        The ids asked for, then those of the edges.

    Raises:
        Conflict: somebody else has locked one of them; nothing was deleted.
    """
    with rows.turn(library) as connection:
        at = lease_time(connection, now)
        touching = {each.id for way in (True, False) for each in _edges(connection, possible(ids), way, at)}
        found = rows.fetch(connection, {*ids, *touching}, now=at)
        held = {one: each for one, each in found.items() if visible(each, seen_by) is not None}
        wanted = {one for one in ids if one in held}
        gone = [each for one, each in held.items() if one in wanted or _touches(each, wanted)]
        refuse_locked({each.id: each for each in gone}, by)
        rows.remove(connection, gone, by=by, now=now)
    more = [each.id for each in gone if each.id not in wanted]
    return [*(one if one in wanted else None for one in ids), *more]


def _touches(edge: Element, ids: set[str]) -> bool:
    return edge.document.get("src_id") in ids or edge.document.get("tgt_id") in ids


def _edges(connection: sa.Connection, ids: Sequence[str], forwards: bool, now: datetime) -> list[Element]:
    """Edges whose near end is one of these."""
    near, far = (element.c.src, element.c.tgt) if forwards else (element.c.tgt, element.c.src)
    found: list[Element] = []
    for some in rows.chunks(ids):
        query = sa.select(element).where(near.in_(some), far.is_not(None), element.c.deleted_at.is_(None))
        found += [rows.read(row, now) for row in connection.execute(query.order_by(element.c.id)).mappings()]
    return found

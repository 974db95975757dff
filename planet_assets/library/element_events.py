"""What happened to elements, in order: written with each change, read by whoever follows."""

from __future__ import annotations

import json

import sqlalchemy as sa

from planet_assets.library.engine import Library
from planet_assets.library.team_schema import element_event
from planet_assets.model.element import ElementEvent


def after(
    library: Library, sequence: int = 0, *, limit: int = 1000, element_id: str | None = None
) -> list[ElementEvent]:
    """Events after a number, in order; of one element, if one is named."""
    query = sa.select(element_event).where(element_event.c.sequence > sequence).order_by(element_event.c.sequence)
    if element_id is not None:
        query = query.where(element_event.c.element_id == element_id)
    with library.read() as connection:
        return [_event(row) for row in connection.execute(query.limit(limit)).mappings()]


def last(library: Library) -> int:
    """The number of the newest event; 0 before the first."""
    with library.read() as connection:
        return connection.execute(sa.select(sa.func.max(element_event.c.sequence))).scalar_one() or 0


def _event(row: sa.RowMapping) -> ElementEvent:
    return ElementEvent(
        sequence=row["sequence"],
        at=row["at"],
        actor=row["actor"],
        verb=row["verb"],
        element_id=row["element_id"],
        rev=row["rev"],
        data=json.loads(row["data"]),
    )

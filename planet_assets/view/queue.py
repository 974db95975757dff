"""The queue as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from planet_assets.model.queue import QueueEntry
from planet_assets.view.tables import PROSE, Grid, as_text
from planet_assets.view.units import human_time, plain


def queue_table(entries: Sequence[QueueEntry]) -> str:
    """One row an entry: its turn, how it stands and why."""
    if not entries:
        return "The queue is empty."
    rows = [
        [
            str(entry.id),
            entry.priority_word,
            entry.state,
            f"{entry.scene_count:,}",
            plain(", ".join(entry.arguments.get("asset_types") or ())),
            human_time(entry.added_at),
            human_time(entry.not_before) if entry.not_before is not None else "",
            plain(entry.by),
            plain(entry.reason),
        ]
        for entry in entries
    ]
    head = ["entry", "priority", "state", "scenes", "assets", "added", "not before", "by", PROSE]
    grid = Grid(head=head, rows=rows).used()
    names = ["why" if name == PROSE else name for name in grid.head]
    return as_text(Grid(head=names, rows=grid.rows))

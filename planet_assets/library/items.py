"""Items: what is known of scenes, kept as Planet sent it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from planet_assets.library.engine import Library, upsert
from planet_assets.library.schema import item as item_table
from planet_assets.model.item import Item
from planet_assets.model.item import item_from_feature as read_item


def remember(library: Library, features: Iterable[tuple[Item, str]], *, now: datetime) -> None:
    """Keep scenes with their GeoJSON text; what was known before is replaced."""
    rows: list[dict[str, Any]] = [
        {"item_type": item.item_type, "id": item.id, "acquired": item.acquired, "feature": text, "seen_at": now}
        for item, text in features
    ]
    if not rows:
        return
    rows.sort(key=lambda row: (row["item_type"], row["id"]))  # two that write the same scenes never wait for each other
    with library.write() as connection:
        statement = upsert(connection, item_table)
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=["item_type", "id"],
            set_={"feature": new.feature, "seen_at": new.seen_at, "acquired": new.acquired},
        )
        connection.execute(statement, rows)


def feature(library: Library, item_type: str, item_id: str) -> dict[str, Any] | None:
    """A scene's GeoJSON as it was last seen."""
    query = sa.select(item_table.c.feature).where(item_table.c.item_type == item_type, item_table.c.id == item_id)
    with library.read() as connection:
        text = connection.execute(query).scalar_one_or_none()
    return None if text is None else json.loads(text)


def item(library: Library, item_type: str, item_id: str) -> Item | None:
    """A scene as it was last seen."""
    found = feature(library, item_type, item_id)
    return None if found is None else read_item(found)


def count(library: Library) -> int:
    """How many scenes are known."""
    with library.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(item_table)).scalar_one())


def features(library: Library, refs: Collection[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Scenes as they were last seen, by item type and id; those that are not known are left out."""
    wanted, found = set(refs), dict[tuple[str, str], dict[str, Any]]()
    ids = sorted({item_id for _, item_id in wanted})
    with library.read() as connection:
        for start in range(0, len(ids), 500):
            query = sa.select(item_table.c.item_type, item_table.c.id, item_table.c.feature)
            for kind, item_id, text in connection.execute(query.where(item_table.c.id.in_(ids[start : start + 500]))):
                if (kind, item_id) in wanted:
                    found[kind, item_id] = json.loads(text)
    return found

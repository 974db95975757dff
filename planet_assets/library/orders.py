"""Orders of the library's jobs that stand at Planet: what they brought may be fetched again, free, while it is kept."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from planet_assets.library.engine import Library
from planet_assets.library.schema import job as job_table
from planet_assets.model.job import purchase
from planet_assets.model.order import Standing
from planet_assets.rules.bundles import BUNDLES

KEPT = timedelta(days=89)
"""How long the results of an order are counted on: Planet keeps them for 90 days. Source: confirmed."""

Key = tuple[str, str, str]
"""Item type, item id, asset type."""


def standing(
    library: Library, keys: Collection[Key], regions: Mapping[Key, str], *, now: datetime
) -> dict[Key, Standing]:
    """Orders that have been charged and bring these assets, the latest of each.

    Args:
        library: whose jobs are looked at.
        keys: the assets.
        regions: what each is wanted for, as the last part of a purchase.
        now: the present.
    """
    wanted, found = set(keys), dict[Key, Standing]()
    for state in _ordered(library, sorted({key[1] for key in wanted})):
        placed_at = datetime.fromisoformat(state["order_asked_at"] or state["created_at"])
        if now - placed_at > KEPT:
            continue
        ref = (state["item_type"], state["scene_id"])
        order = Standing(
            id=state["order_id"], name=state["order_name"] or "", placed_at=placed_at, bundle=state["bundle"]
        )
        region = purchase((*ref, ""), "orders", state["roi_wkt"], state.get("tools", ""))[3]
        for asset_type in {state["asset_type"], *BUNDLES.get(state["bundle"] or "", ())}:
            key = (*ref, asset_type)
            if key in wanted and regions.get(key) == region:
                known = found.get(key)
                found[key] = order if known is None or known.placed_at <= placed_at else known
    return found


def known_ids(library: Library) -> set[str]:
    """Ids of all orders that jobs of the library know."""
    return {state["order_id"] for state in _ordered(library, None)}


def _ordered(library: Library, item_ids: Collection[str] | None) -> list[dict[str, str]]:
    """States of jobs whose order is known to stand."""
    base = sa.select(job_table.c.state).where(job_table.c.state.like('%"order_id": "%'))
    chunks = [None] if item_ids is None else [list(item_ids)[n : n + 500] for n in range(0, len(item_ids), 500)]
    states = []
    with library.read() as connection:
        for ids in chunks:
            query = base if ids is None else base.where(job_table.c.scene_id.in_(ids))
            states += [json.loads(text) for text in connection.execute(query).scalars()]
    return [state for state in states if state["route"] == "orders" and state["order_id"]]

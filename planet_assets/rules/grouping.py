"""Which files are ordered together: one bundle, one region, and no more scenes than an order should carry."""

from __future__ import annotations

from collections.abc import Sequence

from planet_assets.model.plan import Want
from planet_assets.rules.bundles import chunks

Key = tuple[str, str, str]
"""Item type, item id and asset type."""


def order_groups(wants: Sequence[Want], prefix: str = "") -> dict[Key, str]:
    """Asset -> name of the group it is ordered in. Scenes that are cut to regions of their own are ordered apart,
    and so is each composite.

    Args:
        wants: what is wanted; what is not to be ordered is left out.
        prefix: what the names begin with.
    """
    together: dict[tuple[str, str | None, str | None], list[Want]] = {}
    for want in wants:
        if want.bundle is not None:
            together.setdefault((want.item.item_type, want.bundle, want.roi_wkt), []).append(want)
    names: dict[Key, str] = {}
    for number, mine in enumerate(together.values()):
        composites = dict.fromkeys(want.item.id for want in mine if want.members)
        if composites:
            each = {name: f"{prefix}{number}-c{count}" for count, name in enumerate(composites)}
            names |= {want.key: each[want.item.id] for want in mine}
            continue
        for part, ids in enumerate(chunks(list(dict.fromkeys(want.item.id for want in mine)))):
            members = set(ids)
            names |= {want.key: f"{prefix}{number}-{part}" for want in mine if want.item.id in members}
    return names

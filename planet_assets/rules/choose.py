"""Which assets are wanted: what is held, lacking, outside the ROI or given twice is told apart before it is priced."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from planet_assets.exceptions import Misused
from planet_assets.model.geometry import only_areas, swapped
from planet_assets.model.item import Item
from planet_assets.model.selection import Chosen
from planet_assets.rules.area import geodesic_km2, overlap_km2
from planet_assets.rules.naming import asset_type_of

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

EMBARGO = timedelta(days=40)
SR_DELAY = timedelta(days=2)

SMALLEST_KM2 = 1e-6
"""One square metre, the least that Planet clips to. Source: confirmed."""

Ref = tuple[str, str]
"""Item type and id."""

Key = tuple[str, str, str]
"""Item type, item id, asset type."""


def choose(
    items: Sequence[Item], asset_types: Sequence[str], *, roi: BaseGeometry | None = None, held: Collection[Key] = ()
) -> Chosen:
    """Sort scenes and asset types by what has to be done for them.

    Args:
        items: scenes; the first of several with one id counts.
        asset_types: names as people give them; aliases are understood.
        roi: region of interest, lon/lat; scenes that do not touch it are left out.
        held: what the library already holds.

    Raises:
        Misused: no asset type, one that none of the scenes has, or a region with latitude before longitude.
    """
    types = wanted_types(asset_types)
    first: dict[tuple[str, str], Item] = {}
    for item in items:
        first.setdefault(item.ref, item)
    unique = list(first.values())
    inside = [item for item in unique if roi is None or item.footprint.intersects(roi)]
    touching = {item.ref for item in inside}
    if unique and not inside and roi is not None:
        _refuse_swapped(unique, roi)
    _refuse_unknown_types(inside, types)
    fetch, kept, lacking = [], [], []
    for item in inside:
        for asset_type in types:
            if (*item.ref, asset_type) in held:
                kept.append((item, asset_type))
            elif reason := why_lacking(item, asset_type):
                lacking.append((item, asset_type, reason))
            else:
                fetch.append((item, asset_type))
    counts: dict[str, int] = {}
    for item in items:
        counts[item.id] = counts.get(item.id, 0) + 1
    return Chosen(
        fetch=tuple(fetch),
        held=tuple(kept),
        lacking=tuple(lacking),
        outside=tuple(item.id for item in unique if item.ref not in touching),
        duplicates=tuple(item_id for item_id, count in counts.items() if count > 1),
    )


def with_ground(chosen: Chosen, aoi: BaseGeometry, pieces: Mapping[Ref, BaseGeometry] | None = None) -> Chosen:
    """Without scenes that Planet's clip would leave nothing of: an order does not take them.

    `pieces` are regions of single scenes, where each is clipped to its own.
    """
    items = list({item.ref: item for item, _ in chosen.fetch}.values())
    areas = overlap_km2([item.footprint for item in items], aoi)
    own = [at for at, item in enumerate(items) if item.ref in (pieces or {})]
    for at in own:
        areas[at] = geodesic_km2(only_areas(items[at].footprint.intersection((pieces or {})[items[at].ref])))
    empty = {item.ref: item.id for item, km2 in zip(items, areas, strict=True) if km2 < SMALLEST_KM2}
    fetch = tuple(pair for pair in chosen.fetch if pair[0].ref not in empty)
    return replace(chosen, fetch=fetch, outside=(*chosen.outside, *empty.values()))


def wanted_types(asset_types: Sequence[str] | str) -> list[str]:
    """Asset types in the order given, aliases resolved, each once.

    Raises:
        Misused: none was given, or one cannot be an asset type.
    """
    names = [asset_types] if isinstance(asset_types, str) else list(asset_types)
    if not names:
        raise Misused("No asset type was given.", hint="For example ['ortho_analytic_4b'].", argument="asset_types")
    return list(dict.fromkeys(asset_type_of(name) for name in names))


def why_lacking(item: Item, asset_type: str) -> str:
    """Why this scene's asset cannot be had, in words; empty when nothing speaks against it.

    A record that lists no assets or no permissions says nothing, so Planet is asked later.
    """
    if item.permissions == () and item.assets:
        return "not downloadable with this key yet: no permission at all, as under an embargo for recent scenes"
    if item.assets and asset_type not in item.assets:
        return f"the scene has no {asset_type}; it has {', '.join(sorted(item.assets))}"
    if item.permissions is not None and asset_type not in item.permissions and item.assets:
        return f"the key may not download {asset_type}; it may {', '.join(sorted(item.permissions))}"
    return ""


def may_come(item: Item, asset_type: str, now: datetime) -> bool:
    """True when what is lacking now is likely to be had later.

    Education plans show scenes of the last 30 days without permission; surface reflectance may be published hours after
    the scene. Source: reported (contract 5 and 2.8); the spans used are ours, and generous.
    """
    age = now - item.acquired
    if item.permissions == ():
        return age < EMBARGO
    return asset_type.endswith("_sr") and asset_type not in item.assets and age < SR_DELAY


def _refuse_swapped(items: Sequence[Item], roi: BaseGeometry) -> None:
    """A region that only meets the scenes when its coordinates change places was written as lat/lon."""
    turned = swapped(roi)
    if touched := sum(item.footprint.intersects(turned) for item in items):
        raise Misused(
            f"No scene touches the ROI, but {touched} of {len(items)} do when its coordinates change places.",
            hint="Write each point as [longitude, latitude].",
            argument="roi",
        )


def _refuse_unknown_types(items: Sequence[Item], types: Sequence[str]) -> None:
    """A type that no scene has is a mistake of the caller; when only some lack it, their jobs fail and the rest run."""
    for asset_type in types:
        if items and all(item.assets and asset_type not in item.assets for item in items):
            known = sorted({name for item in items for name in item.assets})
            raise Misused(
                f"None of the {len(items)} scenes has the asset type {asset_type!r}.",
                hint=f"They have: {', '.join(known)}.",
                argument="asset_types",
            )

"""Composites: several scenes become one file, which belongs to no scene and has a name made of what goes into it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from planet_assets.exceptions import Misused
from planet_assets.flow.known import Key, Known, look_up
from planet_assets.library.engine import Library
from planet_assets.model.item import Item
from planet_assets.model.selection import Chosen
from planet_assets.rules.bundles import MOST_ITEMS, assignment
from planet_assets.rules.choose import choose, with_ground
from planet_assets.rules.tools import from_text

if TYPE_CHECKING:
    from planet_assets.flow.plan import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """What composites are to be made, and what goes into them."""

    known: Known
    """What the library knows of the composites, each as if it were a scene."""
    members: Mapping[str, tuple[Item, ...]]
    """Id of a composite -> its scenes."""
    inputs: Chosen
    """The scenes of the composites that have to be ordered: an order charges each (assumed)."""
    bundles: Mapping[Key, str]
    """What is ordered, by which bundle."""


def compose(library: Library, request: Request, now: datetime, gone: Collection[tuple[str, str, str]]) -> Composed:
    """Group the scenes, and look up what the library knows of the composites.

    Raises:
        Misused: more scenes than an order takes, or types that no composite is made of.
    """
    if request.pieces:
        hint = "Select the scenes without pieces."
        raise Misused("A composite is cut to one region, not to pieces.", hint=hint, argument="tools")
    chosen = choose(request.items, request.asset_types, roi=request.roi)
    if request.aoi is not None:
        chosen = with_ground(chosen, request.aoi.geometry)
    groups: dict[str, list[Item]] = {}
    by_strip = any(tool.get("composite", {}).get("group_by") == "strip_id" for tool in from_text(request.tools))
    for item in {item.ref: item for item, _ in chosen.fetch}.values():
        groups.setdefault(str(item.properties.get("strip_id") or "") if by_strip else "", []).append(item)
    members = {_name(strip, items, request): tuple(items) for strip, items in groups.items()}
    for items in members.values():
        if len(items) > MOST_ITEMS:
            raise Misused(f"A composite of {len(items)} scenes is too much.", hint=f"Planet takes {MOST_ITEMS}.")
    made = tuple(_as_item(name, items) for name, items in members.items())
    known = look_up(library, replace(request, items=made), now, gone=gone)
    inputs = tuple((item, asset_type) for one, asset_type in known.chosen.fetch for item in members[one.id])
    bundles: dict[Key, str] = {}
    for one in made:
        types = [asset_type for item, asset_type in known.chosen.fetch if item.id == one.id]
        common = set.intersection(*(set(item.assets) for item in members[one.id]))
        found = assignment(types, sorted(common)) if types else {}
        bundles |= {(*one.ref, asset_type): bundle for asset_type, bundle in found.items()}
    told = replace(known.chosen, lacking=chosen.lacking, outside=chosen.outside, duplicates=chosen.duplicates)
    return Composed(
        known=replace(known, chosen=told), members=members, inputs=replace(told, fetch=inputs), bundles=bundles
    )


def _name(strip: str, items: list[Item], request: Request) -> str:
    region = "" if request.aoi is None else request.aoi.geometry.wkt
    text = "|".join([*sorted(item.id for item in items), region, request.tools])
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return "_".join(filter(None, ("composite", "".join(sign for sign in strip if sign.isalnum()), digest)))


def _as_item(name: str, items: tuple[Item, ...]) -> Item:
    """A composite as a scene that covers all of its scenes."""
    import shapely

    return Item(
        item_type=items[0].item_type,
        id=name,
        acquired=min(item.acquired for item in items),
        footprint=shapely.union_all([item.footprint for item in items]),
        cloud_cover=None,
        properties={},
    )

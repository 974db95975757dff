"""What Planet charges for each want, by each route and tariff, km².

Per image, the Data route charges the full footprint of each asset, an order each scene once for each product bundle, by
its clip. Under area under management (AUM) only ground that nothing before has unlocked is charged, so a price depends
on what comes before it: within a plan, wants are priced one after another. What an asset charges when it comes first of
them all is its price *alone*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from planet_assets.model.geometry import only_areas
from planet_assets.model.item import Item
from planet_assets.model.tariff import Tariff
from planet_assets.rules.area import geodesic_km2
from planet_assets.rules.bundles import assignment_if_any
from planet_assets.rules.tariff import NOTHING, new_km2, one_after_another

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Ref = tuple[str, str]
"""Item type and id."""

Want = tuple[Item, str]
"""An item and an asset type."""

Prices = dict[tuple[Ref, str], float]
"""Item and asset type -> km²."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What was paid for before."""

    unlocked: BaseGeometry = NOTHING
    """AUM: the union that is unlocked in this term, lon/lat degrees (EPSG:4326)."""
    types: Mapping[Ref, Mapping[str, bool]] = field(default_factory=dict)
    """Asset types of a scene that were started by the Data route -> whether they certainly charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """Prices of wants by one route."""

    km2: Prices
    """One after another: their sum is what all of them charge."""
    alone_km2: Prices
    """Each as if it came first; differs under AUM, and where only the first type of a scene charges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Where the wanted items lie, and how much that is."""

    full_km2: Mapping[Ref, float]
    """Area of the whole footprint."""
    inside_km2: Mapping[Ref, float]
    """Area inside the clip; the whole footprint without one."""
    clip: BaseGeometry | None = None
    """What Planet clips to, lon/lat; None for whole scenes."""
    pieces: Mapping[Ref, BaseGeometry] = field(default_factory=dict)
    """What it clips single items to instead."""

    def clip_of(self, item: Item) -> BaseGeometry | None:
        """What Planet clips this item to."""
        return None if self.clip is None else self.pieces.get(item.ref, self.clip)


def by_data(wants: Sequence[Want], grounds: Grounds, tariff: Tariff, paid: Paid) -> Priced:
    """Prices by the Data route: each whole footprint, whatever is cut here. Source: confirmed."""
    alone: Prices = {}
    bears: list[bool] = []
    first: set[Ref] = set()
    for item, asset_type in wants:
        charged = tariff.charges(asset_type) and not _paid_by_another_type(item, asset_type, tariff, paid)
        alone[item.ref, asset_type] = float(grounds.full_km2[item.ref]) if charged else 0.0
        bears.append(charged and (tariff.types == "each" or item.ref not in first))
        first |= {item.ref} if charged else set()
    if tariff.is_aum:
        return _by_ground([item.footprint if alone[item.ref, name] else None for item, name in wants], wants, paid)
    turns = zip(wants, bears, strict=True)
    return Priced(
        km2={(item.ref, name): alone[item.ref, name] if bearing else 0.0 for (item, name), bearing in turns},
        alone_km2=alone,
    )


def by_orders(wants: Sequence[Want], grounds: Grounds, tariff: Tariff, paid: Paid) -> Priced:
    """Prices by the Orders route.

    An order charges an item once for each product bundle (two bundles of one item: assumed twice), whatever files the
    bundle holds; the charge stands with the first asset of the bundle. Without a bundle that delivers an asset it is
    priced alone. Each clip charges at least the tariff's minimum.
    """
    bearing = _bearing(wants)
    if tariff.is_aum:
        own = [
            ordered_ground(item, grounds.clip_of(item), tariff) if (item.ref, name) in bearing else None
            for item, name in wants
        ]
        return _by_ground(own, wants, paid)
    prices: Prices = {}
    for item, asset_type in wants:
        lowers = grounds.clip is not None and tariff.clip_lowers
        inside = max(float(grounds.inside_km2[item.ref]), tariff.clip_minimum_km2)
        km2 = inside if lowers else float(grounds.full_km2[item.ref])
        prices[item.ref, asset_type] = km2 if (item.ref, asset_type) in bearing else 0.0
    return Priced(km2=prices, alone_km2=prices)


def full_km2(item: Item, asset_type: str, tariff: Tariff = Tariff()) -> float:
    """What the Data route charges per image for one asset, km²: the geodesic footprint, or 0 for free types."""
    return geodesic_km2(item.footprint) if tariff.charges(asset_type) else 0.0


def ordered_km2(item: Item, clip: BaseGeometry | None, tariff: Tariff = Tariff()) -> float:
    """What an order charges per image for an item and bundle, km²: the area inside the clip, or the whole footprint."""
    ground = ordered_ground(item, clip, tariff)
    lowers = clip is not None and tariff.clip_lowers
    return max(tariff.clip_minimum_km2, geodesic_km2(ground)) if lowers else geodesic_km2(ground)


def ordered_ground(item: Item, clip: BaseGeometry | None, tariff: Tariff) -> BaseGeometry:
    """The ground that an order charges for an item, lon/lat."""
    if clip is None or not tariff.clip_lowers:
        return item.footprint
    return only_areas(item.footprint.intersection(clip))


def mixed(wants: Sequence[Want], ordered: Mapping[str, bool], grounds: Grounds, tariff: Tariff, paid: Paid) -> Priced:
    """AUM prices where some items are ordered and others come by the Data route: what they share counts once.

    Args:
        wants: what is fetched.
        ordered: ids of the items that are ordered, each with whether Planet clips it.
        grounds: where they lie.
        tariff: the rules.
        paid: what is unlocked.
    """
    bearing = _bearing(wants)
    own: list[BaseGeometry | None] = []
    for item, asset_type in wants:
        if item.id in ordered:
            clip = grounds.clip_of(item) if ordered[item.id] else None
            own.append(ordered_ground(item, clip, tariff) if (item.ref, asset_type) in bearing else None)
        else:
            own.append(item.footprint if tariff.charges(asset_type) else None)
    return _by_ground(own, wants, paid)


def _by_ground(grounds: Sequence[BaseGeometry | None], wants: Sequence[Want], paid: Paid) -> Priced:
    keys = [(item.ref, asset_type) for item, asset_type in wants]
    turns = one_after_another(grounds, paid.unlocked)
    alone = [0.0 if ground is None else new_km2(ground, paid.unlocked) for ground in grounds]
    return Priced(km2=dict(zip(keys, turns, strict=True)), alone_km2=dict(zip(keys, alone, strict=True)))


def _paid_by_another_type(item: Item, asset_type: str, tariff: Tariff, paid: Paid) -> bool:
    started = paid.types.get(item.ref, {})
    return tariff.types == "first" and asset_type not in started and any(started.values())


def _bearing(wants: Sequence[Want]) -> set[tuple[Ref, str]]:
    """The first wanted asset of each bundle of each item: it bears the charge."""
    bears = set()
    for item, types in types_of(wants):
        seen: set[str] = set()
        for asset_type, bundle in _bundles(item, types).items():
            if bundle not in seen:
                bears.add((item.ref, asset_type))
            seen.add(bundle)
    return bears


def types_of(wants: Sequence[Want]) -> list[tuple[Item, list[str]]]:
    """Each item with the asset types that are wanted of it, in the order given."""
    items = {item.ref: item for item, _ in reversed(wants)}
    types: dict[Ref, list[str]] = {}
    for item, asset_type in wants:
        types.setdefault(item.ref, []).append(asset_type)
    return [(items[ref], names) for ref, names in types.items()]


def _bundles(item: Item, types: Sequence[str]) -> dict[str, str]:
    """Asset type -> bundle; a type that no bundle delivers stands for itself."""
    return assignment_if_any(types, item.assets) or {asset_type: asset_type for asset_type in types}

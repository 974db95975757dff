"""What choosing leads to: what to fetch, what is held, what cannot be had, and which scenes cover an ROI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from planet_assets.model import shown
from planet_assets.model.clearness import ClearShare
from planet_assets.model.item import Feature, Item

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Scenes and asset types sorted by what has to be done for them."""

    fetch: tuple[tuple[Item, str], ...]
    """Scenes and asset types to fetch, at a charge where the type is charged."""
    held: tuple[tuple[Item, str], ...] = ()
    """What the library holds; it costs nothing."""
    lacking: tuple[tuple[Item, str, str], ...] = ()
    """What cannot be had, each with the reason in words."""
    outside: tuple[str, ...] = ()
    """Ids of scenes that do not touch the ROI."""
    duplicates: tuple[str, ...] = ()
    """Ids of scenes that were given more than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodCover:
    """What was chosen of one day, week or month, or of everything."""

    period: str
    """2025-01-13, 2025-W03, 2025-01 or all; by UTC."""
    ids: tuple[str, ...]
    """The scenes, oldest first."""
    coverage: float
    """Share of the ROI they cover, 0 to 1."""
    charge_km2: Mapping[str, float]
    """Quota they cost, by route: data and orders."""
    gaps: BaseGeometry = field(repr=False)
    """Ground of the ROI that none of them covers, lon/lat."""


USABLE_CLEAR = 0.8
"""Clear share from which a scene counts as usable in a comparison. Source: ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One of the ways to buy a region, for comparison."""

    name: str
    """whole, clipped, composites, pieces or usable."""
    km2: float
    """What it would charge, for one image of each scene."""
    scenes: int
    """Scenes that go into it."""
    files: int
    """Files that come out of it: of a composite, one for each day; of pieces, each by an order of its own."""
    rule: str = ""
    """composites: by what they are charged, inputs or output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The scenes that cover an ROI for the least quota, or most of it within a budget."""

    scenes: tuple[Feature | Item, ...]
    """The chosen ones, oldest first, each as it was given."""
    items: tuple[Item, ...] = field(repr=False)
    """The same as items."""
    roi: BaseGeometry = field(repr=False)
    """Region of interest, lon/lat degrees (EPSG:4326)."""
    pieces: Mapping[str, BaseGeometry] = field(repr=False)
    """Item id -> what that scene is to supply: all it sees of the ROI, or with `pieces=True` its own share only."""
    in_pieces: bool = False
    """True when each scene is to supply its own piece of the ROI only: a plan then cuts each to that."""
    coverage: float
    """Share of the ROI that some chosen scene covers, 0 to 1, whatever its period."""
    charge_km2: Mapping[str, float]
    """Quota by route: whole footprints by data, what `pieces` says by orders."""
    gaps: BaseGeometry = field(repr=False)
    """Ground of the ROI that no chosen scene covers, lon/lat; empty when there is none."""
    periods: tuple[PeriodCover, ...] = field(repr=False)
    """The same figures for each period, oldest first."""
    candidates: tuple[Item, ...] = field(repr=False)
    """Scenes that could have been chosen, oldest first."""
    candidates_km2: Mapping[str, float]
    """What all scenes that touch the ROI would cost, by route: the price of not choosing."""
    clear: Mapping[str, ClearShare] = field(default_factory=dict, repr=False)
    """Item id -> the clear share that counted, and who says so."""
    left_out: Mapping[str, str] = field(repr=False)
    """Item id -> why it could not be chosen."""

    def __len__(self) -> int:
        return len(self.scenes)

    def __iter__(self) -> Iterator[Feature | Item]:
        return iter(self.scenes)

    def _repr_html_(self) -> str:
        return shown.selection(self)

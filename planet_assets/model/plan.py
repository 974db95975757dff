"""Plans: what is wanted, what it would cost, and whether it may be done."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from planet_assets.model import shown
from planet_assets.model.clearness import ClearShare
from planet_assets.model.item import Item
from planet_assets.model.job import Clipping
from planet_assets.model.order import Standing
from planet_assets.model.quota import QuotaInfo
from planet_assets.model.selection import Way
from planet_assets.model.tariff import Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """An asset of an item, for an ROI, by a route, to a place."""

    item: Item
    """The scene."""
    asset_type: str
    """For example ortho_analytic_4b."""
    roi_wkt: str | None = None
    """What to cut it to, lon/lat WKT; None for the whole scene."""
    clipping: Clipping | None = None
    """How to cut; None when nothing is cut."""
    route: str = "data"
    """How Planet delivers: data or orders."""
    bundle: str | None = None
    """Product bundle that delivers it; None by the Data route."""
    tools: str = ""
    """What else Planet does to the file, as JSON; empty for nothing."""
    members: tuple[Item, ...] = ()
    """The scenes of a composite, which is no scene itself."""
    standing: Standing | None = None
    """An order that was charged already and brings it."""
    other: Want | None = None
    """The same asset by the Data route, for when Planet refuses the order."""
    path: str = ""
    """Absolute path of the whole file to come."""
    clipped_path: str | None = None
    """Absolute path of the cut file to come."""
    held_path: str | None = None
    """Where the library already holds the whole file; None when it has to be fetched."""
    held_digest: str | None = None
    """md5 of the held file."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Item type, item id and asset type: what names the asset."""
        return *self.item.ref, self.asset_type


@dataclass(frozen=True, slots=True, kw_only=True)
class WantImpact:
    """What one want would cost."""

    item_id: str
    """The scene."""
    asset_type: str
    """The asset."""
    data_km2: float
    """Charged by the Data route: the full geodesic footprint, or 0 where the asset type is free."""
    orders_km2: float
    """Charged by the Orders route with a clip: the part of the footprint inside the ROI."""
    overlap_km2: float
    """Ground of the ROI this scene covers; the footprint itself without an ROI."""
    data_alone_km2: float = math.nan
    """Charged by the Data route if it came first; more than `data_km2` where wants share ground or a charge."""
    orders_alone_km2: float = math.nan
    """The same by the Orders route."""
    route: str = "data"
    """How it is delivered: data or orders."""
    bytes_low: int = 0
    """Low guess of the download's size."""
    bytes_high: int = 0
    """High guess of the download's size."""

    @property
    def km2(self) -> float:
        """Charged by its route."""
        return self.orders_km2 if self.route == "orders" else self.data_km2

    @property
    def alone_km2(self) -> float:
        """Charged by its route if it came first: never less than `km2`."""
        alone = self.orders_alone_km2 if self.route == "orders" else self.data_alone_km2
        return self.km2 if math.isnan(alone) else alone


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadImpact(Mapping[str, Any]):
    """What a set of wants would cost. Also a mapping with the keys `scene_count area_km2 avg_scene_area_km2 ...`."""

    route: str
    """How Planet delivers: data, orders, or mixed."""
    wants: tuple[WantImpact, ...]
    """One entry a file that has to be fetched."""
    scene_count: int
    """Scenes that have something to fetch."""
    data_km2: float
    """Quota Planet would charge by the Data route: full footprints."""
    orders_km2: float
    """Quota Planet would charge if it clipped to the ROI (equal to `data_km2` without an ROI)."""
    roi_km2: float = math.nan
    """Area of the ROI; NaN without one."""
    bytes_low: int = 0
    """Low guess of all downloads together."""
    bytes_high: int = 0
    """High guess of all downloads together."""
    seconds: float = math.nan
    """Guess of how long it takes, activation included."""
    held: tuple[tuple[str, str], ...] = ()
    """(item id, asset type) that the library already holds: they cost nothing."""
    outside: tuple[str, ...] = ()
    """Ids of scenes outside the ROI; they are left out."""
    duplicates: tuple[str, ...] = ()
    """Ids of scenes that were given more than once; they count once."""
    assumptions: tuple[str, ...] = ()
    """Rules of Planet that are not certain and were assumed, in words."""
    tariff: Tariff = Tariff(style="consumption")
    """The rules by which it was priced."""

    @property
    def area_km2(self) -> float:
        """The quota Planet would charge by the chosen route, km²."""
        if self.route == "mixed":
            return math.fsum(want.km2 for want in self.wants)
        return self.orders_km2 if self.route == "orders" else self.data_km2

    @property
    def other_area_km2(self) -> float:
        """The quota the other route would charge, km²; of a mixture, whole scenes by the Data route."""
        return self.orders_km2 if self.route == "data" else self.data_km2

    @property
    def estimated_bytes(self) -> int:
        """The middle of the guesses."""
        return (self.bytes_low + self.bytes_high) // 2

    def as_dict(self) -> dict[str, Any]:
        """Everything under the names of the public API; GB and MB are powers of ten."""
        return {
            "scene_count": self.scene_count,
            "area_km2": self.area_km2,
            "total_area_km2": self.area_km2,
            "avg_scene_area_km2": self.area_km2 / self.scene_count if self.scene_count else 0.0,
            "estimated_file_size_gb": self.estimated_bytes / 1e9,
            "estimated_file_size_mb": self.estimated_bytes / 1e6,
            "bytes_low": self.bytes_low,
            "bytes_high": self.bytes_high,
            "seconds": None if math.isnan(self.seconds) else self.seconds,
            "route": self.route,
            "style": self.tariff.style,
            "data_km2": self.data_km2,
            "orders_km2": self.orders_km2,
            "roi_km2": None if math.isnan(self.roi_km2) else self.roi_km2,
            "asset_count": len(self.wants),
            "asset_types": sorted({want.asset_type for want in self.wants}),
            "already_held": [list(pair) for pair in self.held],
            "outside_roi": list(self.outside),
            "duplicates": list(self.duplicates),
            "assumptions": list(self.assumptions),
        }

    def __getitem__(self, key: str) -> Any:
        return self.as_dict()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.as_dict())

    def __len__(self) -> int:
        return len(self.as_dict())

    def _repr_html_(self) -> str:
        return shown.impact(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether it may be done."""

    word: str
    """fits, near_limit, over or unknown."""
    shortfall_km2: float = 0.0
    """How much is missing; NaN when unknown."""
    reasons: tuple[str, ...] = ()
    """Why, in words."""
    budget: str = ""
    """The budget of our own that refuses: daily, weekly or reserve; empty when none does."""

    @property
    def allows(self) -> bool:
        """True when the quota covers it."""
        return self.word in ("fits", "near_limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The thing a person confirms: what would be fetched, what it costs, and what is left."""

    id: str
    """Names the plan."""
    made_at: datetime
    """When it was made, UTC."""
    wants: tuple[Want, ...]
    """What would be fetched."""
    impact: DownloadImpact
    """What it would cost."""
    verdict: Verdict
    """Whether it may be done."""
    quota: QuotaInfo
    """The quota that was seen when the plan was made."""
    asset_types: tuple[str, ...]
    """The asset types that were asked for."""
    roi_wkt: str | None = None
    """What the files are cut to, lon/lat WKT."""
    delivery: str = "auto"
    """How Planet was to deliver: data, orders or auto."""
    in_pieces: bool = False
    """True when each scene is cut to a part of the region of its own; else all are cut to the region."""
    order_count: int = 0
    """Orders that have to be placed at Planet for it."""
    already_held: tuple[Want, ...] = ()
    """What the library already holds; it is linked or copied, at no charge."""
    under_way: tuple[tuple[Want, str], ...] = ()
    """What a job of the library is fetching already, with the job's id; its quota is reserved, nothing is added."""
    ordered: tuple[Want, ...] = ()
    """What an order that was charged already brings; it is fetched from there, at no charge."""
    lacking: tuple[tuple[Want, str], ...] = ()
    """What cannot be had now, each with the reason."""
    later: DownloadImpact | None = None
    """What would be charged for what is lacking and may come; asked about again when it is there."""
    items: tuple[Item, ...] = field(default=(), repr=False)
    """The scenes looked at, for pictures."""
    ways: tuple[Way, ...] = field(default=(), repr=False)
    """What the same region would cost in other ways; empty without one."""
    clear: Mapping[str, ClearShare] = field(default_factory=dict, repr=False)
    """Scene id -> how clear it is over the region, where Planet has said it."""

    @property
    def tariff(self) -> Tariff:
        """The rules by which it was priced."""
        return self.impact.tariff

    def _repr_html_(self) -> str:
        return shown.plan(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to a plan."""

    proceed: bool
    """True to go on."""
    by: str
    """Who or what answered."""
    at: datetime
    """When, UTC."""
    limit_km2: float
    """What was agreed to at the most, km²."""
    reason: str = ""
    """Why, in words."""
    allow_unknown_quota: bool = False
    """True when the answer covers a quota nobody could tell."""

"""What Planet charges for, as we understand its documents: every rule of money of the sandbox stands in this file.

Source marks as in the contract: confirmed by Planet, reported by users, assumed by us.

* Data API: charged when the asset is downloaded, never on search or activation (confirmed, support 4414022365201),
  by the full footprint even for a partial read (confirmed, two Planet notebooks).
* A repeated download is charged each time (confirmed in part, SDK issue 548); `repeat="once"` is the kinder reading.
* Several raster types of one item are charged one by one, UDM2 too (assumed, the worst case); XML and RPC files are
  free (reported). Both are switches.
* Resuming by Range with a matching ETag is not charged; a read of any other kind on a new link is (assumed).
* Area under management: only ground not yet unlocked in this term, at least 1 ha (confirmed, support 18675352704029).
* Nothing is charged beyond the quota without overage; the last download may overshoot it (`quota_used` may exceed
  `quota_sqkm`: confirmed), an order that does not fit is refused whole (assumed, a switch).
* Orders: charged when accepted, per item and bundle (two bundles of one item: assumed), by the part inside the clip or
  by the full footprint without one (confirmed, support 36906909927197), at least the plan's minimum per clip (0.01 km2
  on Premium: confirmed). Whether a clip lowers the charge depends on the plan (confirmed, support 6075850477213).
  The same item in another order is charged again; fetching an order's files is free (confirmed, SDK issue 548).
* Composite: by the scenes that go in (confirmed for 2023); by what comes out is a switch.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import shapely
from pyproj import Geod
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

_GEOD = Geod(ellps="WGS84")
_SLIVER_KM2 = 1e-6  # what the difference of two equal outlines leaves behind


def area_km2(geometry: BaseGeometry) -> float:
    """Geodesic area of a lon/lat polygon in km², holes taken off."""
    polygons = [part for part in getattr(geometry, "geoms", [geometry]) if part.geom_type == "Polygon"]
    return sum(_polygon_m2(polygon) for polygon in polygons) / 1e6


def _polygon_m2(polygon: Any) -> float:
    outer, *holes = (_ring_m2(ring) for ring in (polygon.exterior, *polygon.interiors))
    return outer - sum(holes)


def _ring_m2(ring: Any) -> float:
    lons, lats = ring.coords.xy
    return abs(_GEOD.polygon_area_perimeter(lons, lats)[0])


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The switches of one subscription."""

    style: Literal["consumption", "aum"] = "consumption"
    """Per image, or only ground that is not unlocked yet."""
    repeat: Literal["each", "once"] = "each"
    """Whether downloading the same file again is charged again."""
    per_asset: bool = True
    """Whether every raster type of an item is charged, or only the first one."""
    udm2: bool = True
    """Whether the usable data mask is charged."""
    minimum_km2: float = 0.01
    """The least charge of an AUM plan (1 ha)."""
    clip_lowers: bool = True
    """Whether an order's clip is charged by the clipped area, or by the full footprint all the same."""
    clip_minimum_km2: float = 0.01
    """The least charge of one clipped item."""
    composite: Literal["inputs", "output"] = "inputs"
    """Whether a composite is charged by each scene that goes in, or by the ground that comes out."""

    def free(self, asset_type: str) -> bool:
        """Whether files of this type cost nothing."""
        return asset_type.endswith(("_xml", "_rpc")) or (not self.udm2 and asset_type.endswith("_udm2"))


@dataclass(frozen=True, kw_only=True)
class Start:
    """A body that begins to flow from storage: the one thing of the Data API that can cost."""

    item_id: str
    asset_type: str
    edition: int
    """Which making of the file; a republished one is another file."""
    footprint: BaseGeometry
    link_id: str
    """The resolved storage link; one link is charged at most once."""
    resumes: bool
    """A Range beyond byte 0 whose If-Range named the file's ETag."""
    key: str
    """Digest of the API key."""
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One item in one bundle of an order that is about to be accepted."""

    item_id: str
    bundle: str
    edition: int
    footprint: BaseGeometry
    clipped: BaseGeometry | None = None
    """The part of the footprint inside the clip; None is an order without one."""
    group: str | None = None
    """The composite it goes into, None if into none."""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """One line of the bill."""

    time: str
    km2: float
    item_id: str
    asset_type: str
    """By the orders route, the bundle."""
    edition: int
    route: str
    """`data` or `orders`."""
    rule: str
    """Why it was charged, in words."""
    key: str
    """Digest of the API key."""
    subscription_id: int
    link_id: str
    """Of the storage link; empty by the orders route."""
    order_id: str | None = None
    ground: dict[str, Any] | None = None
    """AUM: the ground it unlocked, as GeoJSON."""


class Bill:
    """Every charge of one subscription, in order, kept in an append-only file when one is given."""

    def __init__(self, rules: Rules, subscription_id: int, file: Path | None = None) -> None:
        self.rules = rules
        self.subscription_id = subscription_id
        self._file = file
        self._lock = threading.RLock()
        self._charges: list[Charge] = []
        self._times: list[datetime] = []
        self._of_item: dict[str, list[Charge]] = {}
        self._links: set[str] = set()
        self._read: set[tuple[str, str, int]] = set()
        self._ground: BaseGeometry = shapely.MultiPolygon()
        for line in file.read_text().splitlines() if file and file.exists() else ():
            self._enter(Charge(**json.loads(line)))

    def __iter__(self) -> Iterator[Charge]:
        with self._lock:
            return iter(list(self._charges))

    def price(self, item_id: str, asset_type: str, edition: int, footprint: BaseGeometry) -> tuple[float, str]:
        """What a download would be charged now, in km², and by which rule."""
        if self.rules.free(asset_type):
            return 0.0, "this type is free"
        of_item = self._of_item.get(item_id, [])
        if not self.rules.per_asset and of_item and of_item[0].asset_type != asset_type:
            return 0.0, "another asset of the item was charged"
        again = any(c.asset_type == asset_type and c.edition == edition for c in of_item)
        if again and self.rules.repeat == "once":
            return 0.0, "charged once already"
        if self.rules.style == "aum":
            return self._unlocking(footprint, self._ground)
        return area_km2(footprint), "full footprint, again" if again else "full footprint"

    def start(self, start: Start) -> Charge | None:
        """Charge a body that begins to flow; None when it costs nothing."""
        with self._lock:
            file = (start.item_id, start.asset_type, start.edition)
            if start.link_id in self._links or (start.resumes and file in self._read):
                return None
            self._links.add(start.link_id)
            self._read.add(file)
            km2, rule = self.price(*file, start.footprint)
            if not km2:
                return None
            charge = Charge(
                time=start.at.isoformat().replace("+00:00", "Z"),
                km2=km2,
                item_id=start.item_id,
                asset_type=start.asset_type,
                edition=start.edition,
                route="data",
                rule=rule,
                key=start.key,
                subscription_id=self.subscription_id,
                link_id=start.link_id,
                ground=self._as_ground(start.footprint),
            )
            self.record(charge)
            return charge

    def order_prices(self, pieces: Sequence[Piece]) -> list[tuple[float, str]]:
        """What each piece of an order would be charged now, in km², and by which rule; in the order given."""
        with self._lock:
            unlocked, covered = self._ground, dict[str, BaseGeometry]()
            prices = []
            for piece in pieces:
                ground, rule = self._charged_ground(piece)
                if self.rules.style == "aum":
                    prices.append(self._unlocking(ground, unlocked))
                    unlocked = unlocked.union(ground)
                elif piece.group is not None and self.rules.composite == "output":
                    before = covered.get(piece.group, shapely.MultiPolygon())
                    ground, covered[piece.group] = ground.difference(before), before.union(ground)
                    prices.append((area_km2(ground), "output of a composite"))
                else:
                    least = 0.0 if rule == "full footprint" else self.rules.clip_minimum_km2
                    prices.append((max(area_km2(ground), least), rule))
            return prices

    def place(self, pieces: Sequence[Piece], *, order_id: str, key: str, at: datetime) -> list[Charge]:
        """Charge an order that is accepted, one line for each piece that costs."""
        with self._lock:
            charges = [
                Charge(
                    time=at.isoformat().replace("+00:00", "Z"),
                    km2=km2,
                    item_id=piece.item_id,
                    asset_type=piece.bundle,
                    edition=piece.edition,
                    route="orders",
                    rule=rule,
                    key=key,
                    subscription_id=self.subscription_id,
                    link_id="",
                    order_id=order_id,
                    ground=self._as_ground(self._charged_ground(piece)[0]),
                )
                for piece, (km2, rule) in zip(pieces, self.order_prices(pieces), strict=True)
                if km2
            ]
            for charge in charges:
                self.record(charge)
            return charges

    def _charged_ground(self, piece: Piece) -> tuple[BaseGeometry, str]:
        """The ground that counts for a piece of an order, and by which rule."""
        if piece.clipped is None or not self.rules.clip_lowers:
            return piece.footprint, "full footprint"
        return piece.clipped, "clipped area"

    def _unlocking(self, ground: BaseGeometry, unlocked: BaseGeometry) -> tuple[float, str]:
        """What AUM charges for ground, given what is unlocked."""
        new = area_km2(ground.difference(unlocked))
        return (0.0, "unlocked ground") if new < _SLIVER_KM2 else (max(new, self.rules.minimum_km2), "new ground")

    def _as_ground(self, ground: BaseGeometry) -> dict[str, Any] | None:
        found: dict[str, Any] = json.loads(shapely.to_geojson(ground))
        return found if self.rules.style == "aum" else None

    def record(self, charge: Charge) -> None:
        """Write one line of the bill, in the file before in memory."""
        with self._lock:
            if self._file:
                with self._file.open("a") as lines:
                    lines.write(json.dumps(asdict(charge)) + "\n")
            self._enter(charge)

    def total_km2(self, since: datetime | None = None, before: datetime | None = None) -> float:
        """Charged in [since, before), km²."""
        with self._lock:
            pairs = zip(self._times, self._charges, strict=True)
            return sum(c.km2 for t, c in pairs if (not since or t >= since) and (not before or t < before))

    def clear(self) -> None:
        """Forget every charge."""
        with self._lock:
            if self._file:
                self._file.unlink(missing_ok=True)
            self._charges.clear()
            self._times.clear()
            self._of_item.clear()
            self._links.clear()
            self._read.clear()
            self._ground = shapely.MultiPolygon()

    def _enter(self, charge: Charge) -> None:
        self._charges.append(charge)
        self._times.append(datetime.fromisoformat(charge.time))
        if charge.route == "data":
            self._links.add(charge.link_id)
            self._read.add((charge.item_id, charge.asset_type, charge.edition))
            self._of_item.setdefault(charge.item_id, []).append(charge)
        if charge.ground:
            self._ground = self._ground.union(shape(charge.ground))

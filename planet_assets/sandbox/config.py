"""The settings of one sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

DEFAULT_KEY = "PLAK" + "5a" * 14


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """How a sandbox is set up; the defaults are Planet as far as we know it, on a 30 m grid."""

    state: Path | None = None
    """Folder for charges, activations and made files; None keeps them for the life of the process."""
    files: Path | None = None
    """Folder for made files when not the state folder; files are deterministic, so sandboxes may share it."""
    catalog: Path | None = None
    """A saved search (FeatureCollection) to serve instead of made scenes."""
    imagery: Path | None = None
    """A folder of GeoTIFFs to serve instead of made ones."""
    pixel_size_m: float = 30.0
    """Ground size of made pixels; 3 is true size."""
    latency: float = 1.0
    """Scale of the time that activations, orders and jobs take; 0 is none."""
    cold_per_minute: float = 0.0
    """Ceiling of cold activations of the account per minute; 0 is none. Planet: near 10, reported."""
    rate_scale: float = 1.0
    """Multiplies the allowed request rates; 0 is no limit."""
    retry_after: bool = False
    """Whether a 429 carries Retry-After (whole seconds, so mostly 0) beside X-Retry-In."""
    quota_km2: float | None = 3000.0
    """Monthly quota; None is a plan without one."""
    used_km2: float = 0.0
    """Posted as used this month before the sandbox's first day."""
    overage: bool = False
    """Whether downloads go on beyond the quota."""
    quota_style: Literal["consumption", "aum"] = "consumption"
    """Charge per image, or per ground newly unlocked."""
    repeat: Literal["each", "once"] = "each"
    """Whether the same file is charged each time."""
    per_asset: bool = True
    """Whether each raster type of an item is charged."""
    charge_udm2: bool = True
    """Whether UDM2 files are charged."""
    clip_lowers_charge: bool = True
    """Whether an order's clip is charged by the clipped area; else by the full footprint."""
    clip_minimum_km2: float = 0.01
    """The least charge of one clipped item. Premium: 0.01, confirmed; Preferred: 100, reported."""
    composite_charge: Literal["inputs", "output"] = "inputs"
    """Whether a composite is charged by the scenes that go in or by the ground that comes out."""
    order_overshoot: bool = False
    """Whether an order may exceed what is left of the quota, as a download may; else it is refused whole."""
    orders_permitted: bool = True
    """Whether the account may order at all."""
    max_orders: int | None = 10_000
    """Queued and running orders of the organisation, beyond which a new one is refused by 409."""
    queued_once: bool = False
    """Whether an order stays queued until it was seen so once, whatever the latency."""
    reservable_km2: float = 100_000.0
    """Quota of the product that supports reservations."""
    scene_product: bool = False
    """Whether PlanetScope's quota is among the products too, as newer accounts have it. Source: reported."""
    quota_refusal: Literal[403, 429] = 403
    """The status of a refusal for quota."""
    keys: tuple[str, ...] = (DEFAULT_KEY,)
    """API keys, all on one subscription; the first one is shown."""
    faults: tuple[str, ...] = ()
    """Faults from the start, as `name` or `name:option=value,...`."""
    link_life_s: float = 3600.0
    """How long a download link of an asset and the storage link behind it live; those of orders live 24 hours."""
    active_life_s: float | None = None
    """How long an asset stays active; None is for good. Unconfirmed at Planet."""
    embargo_days: float = 0.0
    """Items younger than this are found but not permitted (Education: 30)."""
    start: datetime | None = None
    """Where the clock starts; None is now."""
    seed: int = 0
    """Chance, made repeatable."""

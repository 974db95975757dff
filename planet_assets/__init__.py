"""A satellite-imagery asset manager with quota control.

**model** says what things are. **rules** say what should happen. Six folders touch the world, each in one way:
**planet** talks, **library** remembers, **transfer** moves bytes, **raster** cuts pixels, **sites** hold copies
elsewhere, **export** writes what others read. **flow** walks the path. **manager** is the door; **blocking** is the
same door without await. **cli**, **service** and **compat** knock on it. **view** draws. **sandbox** plays Planet.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from planet_assets.blocking import PlanetScopeQuery
    from planet_assets.compat.geopackage import GeoPackageManager
    from planet_assets.config import Settings
    from planet_assets.exceptions import AssetError
    from planet_assets.flow.queue import DownloadQueue
    from planet_assets.manager import AssetManager
    from planet_assets.model.asset import AssetStatus
    from planet_assets.model.job import DownloadJob
    from planet_assets.model.plan import Decision, DownloadImpact, Plan
    from planet_assets.model.quota import QuotaInfo
    from planet_assets.model.selection import Selection
    from planet_assets.planet.auth import PlanetAuth
    from planet_assets.raster.usable import usable_mask
    from planet_assets.rules.cover import select_scenes
    from planet_assets.utils import calculate_area_km2

_HOMES = {
    "AssetError": "exceptions",
    "AssetManager": "manager",
    "AssetStatus": "model.asset",
    "Decision": "model.plan",
    "DownloadImpact": "model.plan",
    "DownloadJob": "model.job",
    "DownloadQueue": "flow.queue",
    "GeoPackageManager": "compat.geopackage",
    "Plan": "model.plan",
    "PlanetAuth": "planet.auth",
    "PlanetScopeQuery": "blocking",
    "QuotaInfo": "model.quota",
    "Selection": "model.selection",
    "Settings": "config",
    "calculate_area_km2": "utils",
    "select_scenes": "rules.cover",
    "usable_mask": "raster.usable",
}

__all__ = [
    "AssetError",
    "AssetManager",
    "AssetStatus",
    "Decision",
    "DownloadImpact",
    "DownloadJob",
    "DownloadQueue",
    "GeoPackageManager",
    "Plan",
    "PlanetAuth",
    "PlanetScopeQuery",
    "QuotaInfo",
    "Selection",
    "Settings",
    "__version__",
    "calculate_area_km2",
    "select_scenes",
    "usable_mask",
]


def __getattr__(name: str) -> Any:
    """Public names are loaded when they are first used, so that importing the package is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

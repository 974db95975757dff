"""The sandbox's catalogue: PSScene features as Planet's search returns them, invented for any place and time.

Everything follows from the frame of an imaginary satellite (see orbit) and the weather of that day (see sky), so the
same world answers whatever is asked, in any order and after a restart.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import Polygon, mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.prepared import prep

from . import sky
from .grid import sensor_grid, split_at_antimeridian
from .noise import chance
from .orbit import SUPERDOVE, Frame, corners, frame_of, frames_near, sun

TRUE_PIXEL_M = 3.0
"""Planet's own pixel of orthorectified scenes."""
SAMPLES = (16, 24)
"""Points along and across the track from which an item's percents are counted."""
SAMPLE_DETAIL_M = 3000.0
PARTS = 16
"""Parts of a region that are looked at one by one."""
LOWEST_SUN = 5.0
"""Degrees below which nothing is imaged."""
UDM2_SINCE = datetime(2018, 8, 1, tzinfo=UTC)

SUPERDOVE_ASSETS = (
    "basic_analytic_4b", "basic_analytic_4b_rpc", "basic_analytic_4b_xml", "basic_analytic_8b",
    "basic_analytic_8b_xml", "basic_udm2", "ortho_analytic_4b", "ortho_analytic_4b_sr", "ortho_analytic_4b_xml",
    "ortho_analytic_8b", "ortho_analytic_8b_sr", "ortho_analytic_8b_xml", "ortho_udm2", "ortho_visual",
)  # fmt: skip
DOVE_ASSETS = (
    "basic_analytic_4b", "basic_analytic_4b_rpc", "basic_analytic_4b_xml", "basic_udm2", "ortho_analytic_3b",
    "ortho_analytic_3b_xml", "ortho_analytic_4b", "ortho_analytic_4b_sr", "ortho_analytic_4b_xml", "ortho_udm2",
    "ortho_visual",
)  # fmt: skip


def make_scenes(
    roi: BaseGeometry, start: datetime, end: datetime, *, seed: int = 0, pixel_size_m: float = 30.0
) -> list[dict[str, Any]]:
    """All scenes whose footprint touches the ROI (lon/lat) and that were acquired from start to end, oldest first."""
    if roi.is_empty:
        return []
    touches = prep(roi).intersects
    found = [
        (frame, footprint)
        for frame in _frames_near(roi, start, end, seed)
        if touches(footprint := split_at_antimeridian(Polygon(corners(frame))))
    ]
    found.sort(key=lambda pair: (pair[0].acquired, pair[0].id))
    features = (_feature(frame, footprint, pixel_size_m) for frame, footprint in found)
    return [feature for feature in features if feature is not None]


def _frames_near(roi: BaseGeometry, start: datetime, end: datetime, seed: int) -> dict[Frame, None]:
    """Each once. Parts are looked at one by one: bounds over the antimeridian would be those of the whole Earth."""
    parts = getattr(roi, "geoms", [roi])
    bounds = {part.bounds for part in parts} if len(parts) <= PARTS else {roi.bounds}
    return {frame: None for one in sorted(bounds) for frame in frames_near(one, start, end, seed)}


class Catalog:
    """Every scene the sandbox can tell of; with a file, those of a user's saved search instead of invented ones."""

    def __init__(self, file: Path | None = None, *, seed: int = 0, pixel_size_m: float = 30.0) -> None:
        self._seed = seed
        self._pixel_size_m = pixel_size_m
        self._given = file is not None
        self._known: dict[str, dict[str, Any]] = {}
        if file is not None:
            collection = json.loads(file.read_text(encoding="utf-8"))
            for feature in collection["features"]:
                self._known[feature["id"]] = _served(feature, pixel_size_m)

    def search(self, roi: BaseGeometry, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Candidates: scenes whose bounding box touches the ROI's (lon/lat), acquired from start to end."""
        if self._given:
            return [f for f in self._known.values() if _meets(f, roi, start, end)]
        made = make_scenes(roi, start, end, seed=self._seed, pixel_size_m=self._pixel_size_m)
        return [self._known.setdefault(feature["id"], feature) for feature in made]

    def get(self, item_id: str) -> dict[str, Any] | None:
        """The scene with this id. An invented one needs not to have been searched for before."""
        known = self._known.get(item_id)
        if known is not None or self._given:
            return known
        frame = frame_of(item_id, self._seed)
        if frame is None:
            return None
        feature = _feature(frame, split_at_antimeridian(Polygon(corners(frame))), self._pixel_size_m)
        return feature and self._known.setdefault(item_id, feature)


def _served(feature: dict[str, Any], pixel_size_m: float) -> dict[str, Any]:
    """A saved feature as the sandbox serves it: without Planet's links, and honest about the pixels it will get."""
    kept = {name: value for name, value in feature.items() if name != "_links"}
    kept["properties"] = {**kept["properties"], **_pixels(kept["properties"].get("gsd"), pixel_size_m)}
    return kept


def _pixels(gsd_m: float | None, pixel_size_m: float) -> dict[str, float]:
    """The properties that speak of pixel size, when it is not Planet's."""
    if pixel_size_m == TRUE_PIXEL_M:
        return {}
    size = int(pixel_size_m) if pixel_size_m == int(pixel_size_m) else pixel_size_m
    return {"gsd": round((gsd_m or TRUE_PIXEL_M) * pixel_size_m / TRUE_PIXEL_M, 1), "pixel_resolution": size}


def _meets(feature: dict[str, Any], roi: BaseGeometry, start: datetime, end: datetime) -> bool:
    acquired = datetime.fromisoformat(feature["properties"]["acquired"])
    if not start <= acquired <= end or roi.is_empty:
        return False
    west, south, east, north = roi.bounds
    left, bottom, right, top = shape(feature["geometry"]).bounds
    return bool(left <= east and west <= right and bottom <= north and south <= top)


def _feature(frame: Frame, footprint: BaseGeometry, pixel_size_m: float) -> dict[str, Any] | None:
    """The GeoJSON feature of a frame, or None in the dark."""
    acquired, strip = frame.acquired, frame.strip
    geometry = json.loads(json.dumps(mapping(footprint)))
    nearby = corners(frame)
    lon, lat = (sum(corner[i] for corner in nearby) / 4 for i in (0, 1))
    azimuth, elevation = sun(acquired, lon, lat)
    if elevation < LOWEST_SUN:
        return None
    quality = _quality(frame)
    masked = acquired >= UDM2_SINCE and chance(*frame.segment_keys, 10) >= 0.04
    percents = _percents(geometry, acquired, lon, lat, strip.seed)
    cloud_cover = percents["cloud_percent"] / 100
    properties: dict[str, Any] = {
        "acquired": _stamp(acquired, "microseconds"),
        "anomalous_pixels": round(0.02 * chance(*frame.keys, 11) ** 4, 2),
        "cloud_cover": int(cloud_cover) if cloud_cover in (0, 1) else cloud_cover,
        "gsd": round(strip.gsd_m, 1),
        "instrument": strip.instrument.name,
        "item_type": "PSScene",
        "pixel_resolution": 3,
        "provider": "planetscope",
        "satellite_id": strip.satellite_id,
        "strip_id": str(_strip_id(frame)),
        "sun_azimuth": round(azimuth, 1),
        "sun_elevation": round(elevation, 1),
        **quality,
        **_pointing(frame),
        **_dates(frame, quality["publishing_stage"]),
    }
    if masked:
        properties |= percents
    properties |= _pixels(strip.gsd_m, pixel_size_m)
    assets = _assets(frame, masked)
    return {
        "_permissions": [f"assets.{name}:download" for name in assets],
        "assets": assets,
        "geometry": geometry,
        "id": frame.id,
        "properties": dict(sorted(properties.items())),
        "type": "Feature",
    }


def _quality(frame: Frame) -> dict[str, Any]:
    """Scenes without ground control are of test quality, and some of them stay previews; so are some others."""
    located = chance(*frame.keys, 20) >= 0.05
    tested = not located or chance(*frame.keys, 21) < 0.11
    preview = not located and chance(*frame.keys, 22) < 0.4
    return {
        "ground_control": located,
        "publishing_stage": "preview" if preview else "finalized",
        "quality_category": "test" if tested else "standard",
    }


def _pointing(frame: Frame) -> dict[str, float]:
    """The view angle of the segment (often the five degrees to which the fleet is steered) and the satellite's side."""
    steered = chance(*frame.segment_keys, 30) < 0.4
    angle = 5 + 0.6 * (chance(*frame.segment_keys, 31) - 0.5) if steered else 4.5 * chance(*frame.segment_keys, 31)
    angle += 0.1 * (chance(*frame.keys, 32) - 0.5)
    # Near the nadir the direction to the satellite is dominated by pitch; further out it is square to the track.
    east = chance(*frame.segment_keys, 33) < 0.5
    azimuth = (101.0 + 8 / (angle + 0.7)) if east else (280.5 - 8 / (angle + 0.7))
    return {"satellite_azimuth": round(azimuth, 1), "view_angle": round(abs(angle), 1)}


def _dates(frame: Frame, stage: str) -> dict[str, str]:
    """Published some hours after the exposure; updated, without new bytes, hours or days later."""
    hours = 1.5 + 1.5 * math.exp(2.2 * chance(*frame.keys, 40))
    days = 0.2 + 6 * chance(*frame.segment_keys, 41) ** 2
    published = frame.acquired + timedelta(hours=hours)
    updated = published + timedelta(days=days if stage == "finalized" else days / 10)
    return {"published": _stamp(published, "seconds"), "updated": _stamp(updated, "seconds")}


def _stamp(when: datetime, precision: str) -> str:
    return when.isoformat(timespec=precision).replace("+00:00", "Z")


def _strip_id(frame: Frame) -> int:
    """One number for a segment; it grows with time, as Planet's does."""
    strip = frame.strip
    segment = frame.segment_keys[3] - (1 << 32) + 32
    return (strip.number * 2 + strip.plane.index) * 64 + segment


def _assets(frame: Frame, masked: bool) -> list[str]:
    """What Planet made of the frame: some segments lack surface reflectance, eight bands or the mask."""
    everything = SUPERDOVE_ASSETS if frame.strip.instrument is SUPERDOVE else DOVE_ASSETS
    lacking = {"udm2": not masked, "8b": chance(*frame.segment_keys, 50) < 0.05, "sr": chance(*frame.keys, 51) < 0.03}
    return [name for name in everything if not any(lacks for part, lacks in lacking.items() if part in name.split("_"))]


def _percents(geometry: dict[str, Any], acquired: datetime, lon: float, lat: float, seed: int) -> dict[str, int]:
    """What UDM2 will show, counted on a coarse net over the footprint; the classes add up to 100."""
    view = sensor_grid(geometry, 1000.0).sample(*SAMPLES, SAMPLE_DETAIL_M)
    when = sky.moment(acquired, lon, lat, seed)
    weather = sky.fields(view, when)
    classes = sky.classify(weather, sky.natural_levels(when))
    counts = np.bincount(classes.ravel(), minlength=6)
    if (acquired.year, acquired.month) >= sky.UDM21_SINCE:
        counts[sky.LIGHT_HAZE] += counts[sky.HEAVY_HAZE]
        counts[sky.HEAVY_HAZE] = 0
    percents = np.rint(100 * counts / counts.sum()).astype(int)
    percents[np.argmax(percents)] += 100 - percents.sum()
    clear, snow, shadow, light, heavy, cloud = (int(p) for p in percents)
    doubt = cloud + shadow + (light + heavy) // 2
    unsure = chance(int(acquired.timestamp() * 100), 60)
    return {
        "clear_confidence_percent": round(94 - 0.2 * min(doubt, 100) - 6 * unsure),
        "clear_percent": clear,
        "cloud_percent": cloud,
        "heavy_haze_percent": heavy,
        "light_haze_percent": light,
        "shadow_percent": shadow,
        "snow_ice_percent": snow,
        "visible_confidence_percent": round(60 + 14 * unsure),
        "visible_percent": 100 - cloud - heavy,
    }

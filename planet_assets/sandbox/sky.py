"""Clouds, their shadows, haze and snow: one weather for the item's percents, the picture and UDM2.

Each phenomenon is a smooth field of the world and of the solar day, and shows where it exceeds a level. A scene that
is invented takes fixed levels and its percents follow; a scene with given percents gets the levels that produce them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from .grid import View
from .noise import Array, hash64, smoothstep
from .orbit import EPOCH, sun
from .relief import relief

CLOUD_BASE_M = 1900.0
WIND_M_S = 6.0
CLEAR, SNOW, SHADOW, LIGHT_HAZE, HEAVY_HAZE, CLOUD = range(6)  # also the order of UDM2's first bands
UDM21_SINCE = (2023, 12)
"""Month from which Planet's mask knows no heavy haze."""
_NEVER_SNOW = 19.0
"""Degrees at sea level above which the highest mountain stays bare."""
_NATURAL_CLOUD, _NATURAL_HAZE, _HEAVIER, _NATURAL_SHADOW = 0.27, 0.42, 0.3, 0.03


@dataclass(frozen=True, slots=True)
class Levels:
    """What a field must exceed to show; infinite where it never or always does."""

    cloud: float
    shadow: float
    heavy_haze: float
    light_haze: float
    snow: float


@dataclass(frozen=True, slots=True)
class Moment:
    """When and where a scene was taken, as far as the weather cares."""

    seed: int
    day: int
    """Solar days since EPOCH at this longitude, so that a day never changes within a pass."""
    seconds: float
    """Of that day."""
    sun_azimuth: float
    sun_elevation: float
    latitude: float
    temperature: float
    """Degrees Celsius at sea level, of the climate."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The weather at the samples of a view; float32, (row, column)."""

    cloud: Array
    shade: Array
    """Density of the cloud between the sample and the sun."""
    haze: Array
    snow: Array


def moment(acquired: datetime, lon: float, lat: float, seed: int) -> Moment:
    """The weather's view of a time (UTC) and a place (degrees)."""
    solar = (acquired - EPOCH).total_seconds() + lon * 240
    azimuth, elevation = sun(acquired, lon, lat)
    year = 2 * math.pi * (acquired.timetuple().tm_yday - 200) / 365.25
    temperature = 28 - 0.0075 * lat**2 + 0.28 * lat * math.cos(year)
    return Moment(seed, int(solar // 86400), solar % 86400, azimuth, max(elevation, 5.0), lat, temperature)


def fields(view: View, when: Moment, levels: Levels | None = None) -> Fields:
    """Evaluate the weather on a view; what never shows at the given levels is left at 0."""
    seed = hash64(when.seed, when.day, 7)
    stretch = 1 / math.cos(math.radians(when.latitude))  # world metres in a metre on the ground
    drifted = view.moved(-WIND_M_S * when.seconds * stretch, 0.0)
    reach = CLOUD_BASE_M * stretch / math.tan(math.radians(when.sun_elevation))
    azimuth = math.radians(when.sun_azimuth)
    sunward = drifted.moved(reach * math.sin(azimuth), reach * math.cos(azimuth))
    cloud = _density(drifted, seed)
    haze = snow = np.zeros(cloud.shape, np.float32)
    if levels is None or not math.isinf(levels.light_haze) or not math.isinf(levels.heavy_haze):
        haze = drifted.fractal(160e3, 6, seed + 2, gain=0.55) + np.float32(0.25) * cloud
    if (levels is None and when.temperature < _NEVER_SNOW) or (levels is not None and not math.isinf(levels.snow)):
        height = relief(view, when.seed).height
        snow = np.float32(0.0065) * height + 3 * view.fractal(9e3, 6, hash64(when.seed, 11))
    return Fields(cloud=cloud, shade=_density(sunward, seed), haze=haze, snow=snow)


def natural_levels(when: Moment) -> Levels:
    """The levels of invented scenes."""
    return Levels(
        _NATURAL_CLOUD, _NATURAL_CLOUD + _NATURAL_SHADOW, _NATURAL_HAZE + _HEAVIER, _NATURAL_HAZE,
        when.temperature + 4,
    )  # fmt: skip


def levels_for(properties: Mapping[str, Any], weather: Fields) -> Levels:
    """The levels at which the samples (of a whole footprint) show the item's own percents."""
    cloud = _share(properties, "cloud_percent", 100 * float(properties.get("cloud_cover") or 0))
    free = np.ones(weather.cloud.shape, bool)
    found = []
    for field, share in (
        (weather.cloud, cloud),
        (weather.shade, _share(properties, "shadow_percent", 0)),
        (weather.haze, _share(properties, "heavy_haze_percent", 0)),
        (weather.haze, _share(properties, "light_haze_percent", 0)),
        (weather.snow, _share(properties, "snow_ice_percent", 0)),
    ):
        candidates = np.sort(field[free])[::-1]
        wanted = round(share * free.size)
        if wanted == 0 or candidates.size == 0:
            level = math.inf
        elif wanted >= candidates.size:
            level = -math.inf
        else:
            level = float(candidates[wanted])
        found.append(level)
        free &= field <= level
    return Levels(*found)


def classify(weather: Fields, levels: Levels) -> Array:
    """The class of each sample (CLEAR ... CLOUD), uint8; what hides another wins."""
    classes = np.full(weather.cloud.shape, CLEAR, np.uint8)
    classes[weather.snow > levels.snow] = SNOW
    classes[weather.haze > levels.light_haze] = LIGHT_HAZE
    classes[weather.haze > levels.heavy_haze] = HEAVY_HAZE
    classes[weather.shade > levels.shadow] = SHADOW
    classes[weather.cloud > levels.cloud] = CLOUD
    return classes


def above(field: Array, level: float, low: float, high: float) -> Array:
    """How strongly a field shows, 0..1: rising from level + low to level + high."""
    if math.isinf(level):
        return np.full(field.shape, 0.0 if level > 0 else 1.0, np.float32)
    return smoothstep(level + low, level + high, field)


def _density(view: View, seed: int) -> Array:
    """Density of cloud: the day's moisture over hundreds of kilometres, broken up into clouds of all sizes."""
    return np.asarray(1.1 * view.fractal(600e3, 2, seed) + 0.5 * view.fractal(24e3, 8, seed + 1, gain=0.58))


def _share(properties: Mapping[str, Any], name: str, default: float) -> float:
    value = properties.get(name)
    return float(default if value is None else value) / 100

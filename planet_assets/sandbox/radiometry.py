"""From reflectance of the ground to the numbers in Planet's files: weather on top, then each product's scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from . import sky
from .noise import Array, smoothstep
from .spectra import SUPERDOVE_BANDS

SR_SCALE = 10000
RADIANCE_SCALE = 0.01
"""Watts per steradian and square metre in one step of an analytic file: the metadata's radiometricScaleFactor."""
SOLAR_IRRADIANCE = (1775, 1969, 1880, 1815, 1720, 1508, 1390, 953)
"""Of the eight bands at one astronomical unit, W/m2/um. Blue, green, red and nir follow from the coefficients of a real
metadata file (20221221_084022_18_2414); the others are interpolated along the solar spectrum."""
PATH = np.array((9.8, 7.4, 5.6, 4.5, 3.7, 2.9, 2.2, 1.2), np.float32) / 100
"""Reflectance that the clear atmosphere adds at the top, per band."""
TRANSMITTANCE = np.array((0.80, 0.84, 0.87, 0.88, 0.90, 0.92, 0.93, 0.95), np.float32)
CLOUD_COLOUR = np.array((62, 62, 62, 62, 63, 63, 64, 66), np.float32) / 100
HAZE_COLOUR = np.array((36, 35, 34, 33.5, 33, 32.5, 32, 31), np.float32) / 100
SNOW_COLOUR = np.array((82, 84, 85, 85, 84, 83, 79, 73), np.float32) / 100
SHADOW_LIGHT = np.array((52, 49, 45, 43, 41, 39, 37, 34), np.float32) / 100
"""What light remains in a cloud's shadow: the blue of the sky more than the rest."""

FOUR_BANDS = ("blue", "green", "red", "nir")
THREE_BANDS = ("red", "green", "blue")


def indices(bands: tuple[str, ...]) -> list[int]:
    """Where the bands lie among SuperDove's eight."""
    return [SUPERDOVE_BANDS.index(band) for band in bands]


def weathered(land: Array, shade: Array, weather: sky.Fields, levels: sky.Levels) -> Array:
    """The ground as the camera sees it: snow on it (shaded as it is), shadow, haze and cloud over it; in place."""
    snow = sky.above(weather.snow, levels.snow, -0.6, 0.5)
    shadow = sky.above(weather.shade, levels.shadow, -0.05, 0.12)
    haze = 0.3 * sky.above(weather.haze, levels.light_haze, -0.12, 0.5)
    haze += 0.35 * sky.above(weather.haze, levels.heavy_haze, -0.1, 0.3)
    cloud = sky.above(weather.cloud, levels.cloud, -0.05, 0.16)
    # The side of a cloud that faces the sun is the brighter one.
    relief = 1 + np.clip(1.3 * (weather.cloud - weather.shade), -0.3, 0.25)
    thickness = 0.66 + 0.3 * smoothstep(0, 0.9, weather.cloud - min(max(levels.cloud, -1.0), 9.0))
    bright = relief * thickness
    veiled, snowy = haze.any(), snow.any()
    slope = np.minimum(0.45 + 0.55 * shade, 1.12)
    for band in range(land.shape[0]):
        seen = land[band]
        if snowy:
            seen += (SNOW_COLOUR[band] * slope - seen) * snow
        seen *= 1 - (1 - SHADOW_LIGHT[band]) * shadow
        if veiled:
            seen += (HAZE_COLOUR[band] - seen) * haze
        seen += (CLOUD_COLOUR[band] * bright - seen) * cloud
    return land


def surface_numbers(seen: Array, chosen: list[int]) -> Array:
    """Surface reflectance x 10000, uint16, (band, row, column); never 0, which means no data."""
    return _whole(seen[chosen] * np.float32(SR_SCALE), 1, 65535, np.uint16)


def radiance_numbers(seen: Array, chosen: list[int], coefficients: tuple[float, ...]) -> Array:
    """Top-of-atmosphere radiance x 100, uint16: what the file's reflectance coefficients turn into reflectance."""
    path, through = PATH[chosen][:, None, None], TRANSMITTANCE[chosen][:, None, None]
    scale = (1 / np.array(coefficients, np.float32))[:, None, None]
    return _whole((path + seen[chosen] * through) * scale, 1, 65535, np.uint16)


def visual_numbers(seen: Array) -> Array:
    """A colour picture for eyes: red, green, blue, uint8, contrast raised in the dark."""
    chosen = indices(THREE_BANDS)
    tone = np.power(np.clip(seen[chosen] / np.float32(0.52), 0, 1), np.float32(1 / 2.0))
    return _whole(tone * np.float32(255), 1, 255, np.uint8)


def coefficients(chosen: list[int], properties: Mapping[str, Any]) -> tuple[float, ...]:
    """The metadata's reflectanceCoefficient per band: pi d^2 / (E sin(sun elevation)) x RADIANCE_SCALE."""
    day = datetime.fromisoformat(properties["acquired"]).timetuple().tm_yday
    distance = 1 - 0.01672 * math.cos(math.radians(0.9856 * (day - 4)))
    height = math.sin(math.radians(max(float(properties.get("sun_elevation", 45)), 3.0)))
    return tuple(math.pi * distance**2 / (SOLAR_IRRADIANCE[i] * height) * RADIANCE_SCALE for i in chosen)


def mask_numbers(weather: sky.Fields, levels: sky.Levels, valid: Array) -> Array:
    """UDM2, uint8, (band, row, column): six classes, confidence in per cent, UDM1 with bit 0 for no data."""
    classes = sky.classify(weather, levels)
    bands = np.zeros((8, *classes.shape), np.uint8)
    for name in range(6):
        bands[name] = (classes == name) & valid
    nearest = np.full(classes.shape, np.inf, np.float32)
    edges = ((weather.cloud, levels.cloud), (weather.shade, levels.shadow), (weather.haze, levels.light_haze))
    for field, level in edges:
        if math.isfinite(level):
            np.minimum(nearest, np.abs(field - np.float32(level)), out=nearest)
    bands[6] = (48 + 47 * smoothstep(0, 0.35, np.minimum(nearest, 1))).astype(np.uint8) * valid
    # UDM1 knows blackfill (bit 0) and cloud (bit 1).
    bands[7] = np.where(valid, 2 * (classes == sky.CLOUD), 1)
    return bands


def blackfill(shape: tuple[int, ...]) -> Array:
    """UDM2 outside the footprint: nothing but bit 0 of UDM1; uint8, (band, row, column)."""
    return np.concatenate([np.zeros((7, *shape), np.uint8), np.ones((1, *shape), np.uint8)])


def _whole(values: Array, least: int, most: int, dtype: type) -> Array:
    return np.clip(np.rint(values), least, most).astype(dtype)

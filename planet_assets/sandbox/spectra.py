"""The colours of the ground in SuperDove's bands, and how plants change theirs through the year."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from .noise import Array

SUPERDOVE_BANDS = ("coastal_blue", "blue", "green_i", "green", "yellow", "red", "rededge", "nir")


def _spectrum(*percent: float) -> Array:
    return np.array(percent, np.float32) / 100


# Surface reflectance in per cent, one number for each of SUPERDOVE_BANDS.
GREEN_CROP = _spectrum(2.2, 2.8, 5.0, 6.8, 5.2, 3.6, 17, 43)
FLOWERING = _spectrum(2.5, 3.5, 11, 15, 15, 10, 23, 43)
SOIL = _spectrum(6.0, 7.6, 9.8, 11.6, 14, 16, 19, 23)
DARK_SOIL = _spectrum(4.4, 5.4, 6.8, 7.8, 9.0, 10.2, 12.5, 16)
STUBBLE = _spectrum(7.0, 9.0, 12.5, 15, 18.5, 20, 24, 30)
MEADOW = _spectrum(2.6, 3.4, 6.0, 8.2, 7.0, 5.8, 18, 36)
DRY_GRASS = _spectrum(5.0, 6.5, 9.5, 11.5, 13.5, 14.5, 20, 27)
CONIFER = _spectrum(1.6, 1.9, 2.8, 3.4, 2.8, 2.3, 8.0, 22)
BROADLEAF = _spectrum(1.9, 2.3, 4.2, 5.4, 4.0, 2.8, 14, 38)
BARE_WOOD = _spectrum(3.2, 3.8, 4.8, 5.4, 6.0, 6.4, 10, 17)
ROCK = _spectrum(9.5, 11, 13, 14.5, 16, 17, 18.5, 21)
WATER = _spectrum(3.6, 4.2, 4.0, 3.4, 2.0, 1.4, 0.9, 0.6)
MUDDY_WATER = _spectrum(5.0, 6.2, 8.2, 9.2, 8.4, 7.2, 5.4, 3.0)
ASPHALT = _spectrum(9.0, 10, 11, 11.8, 12.5, 13, 14, 15.5)
TRACK = _spectrum(10, 13, 16, 18, 21, 23, 26, 29)
TILES = _spectrum(6.5, 7.5, 9.2, 10.5, 15.5, 19.5, 22, 24)
BRIGHT_ROOF = _spectrum(24, 26, 27, 28, 29, 30, 31, 33)
GREY_ROOF = _spectrum(11, 12, 13, 14, 14.5, 15, 16, 18)
TOWN = (TILES, TILES * 0.85, GREY_ROOF, MEADOW * 0.9, GREY_ROOF * 0.8, BROADLEAF, TILES * 1.1, BRIGHT_ROOF)
"""What stands on the plots of a town, equally often."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A use of arable land: its share, the day of the northern year when it is greenest, how long, and its looks."""

    share: float
    peak: int
    spread_days: float
    green: Array
    bare: Array
    least: float = 0.0


CROPS = (
    Crop(0.30, 125, 55, GREEN_CROP, STUBBLE),
    Crop(0.07, 112, 22, FLOWERING, SOIL, 0.1),
    Crop(0.25, 205, 45, GREEN_CROP, SOIL),
    Crop(0.08, 215, 50, GREEN_CROP, DARK_SOIL),
    Crop(0.20, 160, 110, MEADOW, DRY_GRASS, 0.35),
    Crop(0.10, 190, 80, MEADOW, SOIL, 0.05),
)


@dataclass(frozen=True, slots=True)
class Season:
    """The time of year as plants see it."""

    northern_day: float
    """Day of the year, moved by half a year in the south."""
    strength: float
    """0 at the equator, where plants know no winter, 1 beyond 40 degrees."""

    @classmethod
    def of(cls, when: datetime, latitude: float) -> Season:
        """The season at a time and a latitude in degrees."""
        day = when.timetuple().tm_yday + (182.6 if latitude < 0 else 0)
        return cls(day % 365.25, min(abs(latitude) / 40, 1.0))

    def greenness(self, peak: float, spread_days: float) -> float:
        """0..1: a bell around the peak, flattened towards the equator."""
        away = abs((self.northern_day - peak + 182.6) % 365.25 - 182.6)
        bell = math.exp(-((away / spread_days) ** 2))
        return bell * self.strength + 0.55 * (1 - self.strength)

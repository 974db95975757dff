"""What grows, flows and stands on the sandbox's ground: parcels, woods, water, roads and towns, as reflectance.

All of it follows from world coordinates and the season. Order of bands: SuperDove's eight (spectra.SUPERDOVE_BANDS).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from .grid import View
from .noise import Array, Cells, cells, hash64, smoothstep
from .relief import relief
from .spectra import (
    ASPHALT,
    BARE_WOOD,
    BROADLEAF,
    CONIFER,
    CROPS,
    DRY_GRASS,
    MEADOW,
    MUDDY_WATER,
    ROCK,
    TOWN,
    TRACK,
    WATER,
    Season,
)


def reflectance(
    view: View, when: datetime, latitude: float, sun: tuple[float, float], seed: int
) -> tuple[Array, Array]:
    """Reflectance 0..1 of the surface under a clear sky, float32, (band, row, column), and its shading (row, column).

    Eight bands. `sun` is its azimuth and elevation in degrees; slopes towards it are brighter, about 0.3 to 1.45.
    """
    season = Season.of(when, latitude)
    stretch = 1 / math.cos(math.radians(latitude))
    ground = _ground(view, sun, stretch, seed)
    x = view.x + 210 * view.fractal(4.5e3, 2, hash64(seed, 20))
    y = view.y + 210 * view.fractal(4.5e3, 2, hash64(seed, 21))
    district = cells(x, y, 2.7e3, hash64(seed, 22))
    moisture = view.fractal(1.4e3, 6, hash64(seed, 23), gain=0.6)

    land = _fields(district, season, view.pixel, ground, moisture)
    land *= 1 + np.float32(0.16) * moisture
    _lay(land, *_woods(view, season, ground, moisture, seed))
    _lay(land, _rocks(ground), ROCK)
    land = _build(land, ground.town, district, view.pixel)
    land *= ground.shade
    _water(land, view, ground, seed)
    highway = cells(x, y, 19e3, hash64(seed, 24)).border
    dry = ground.lake <= 0
    _lay(land, _line(district.border, 5, view.pixel) * (1 - ground.hilliness) * dry, ASPHALT)
    _lay(land, _line(highway, 17, view.pixel) * dry, ASPHALT)
    return land, ground.shade


@dataclass(frozen=True, slots=True)
class _Ground:
    """Slow fields of a view, enlarged from a coarser one."""

    height: Array
    hilliness: Array
    shade: Array
    river: Array
    """Signed world metres from the middle of a river."""
    lake: Array
    """Positive in lakes, in units of the slow field that fills them."""
    town: Array
    """How built up a place is, 0..1."""


def _ground(view: View, sun: tuple[float, float], stretch: float, seed: int) -> _Ground:
    step = view.step_within(130)
    coarse = view.coarser(step)
    reach = 60.0
    here = relief(coarse, seed)
    east = (relief(coarse.moved(reach, 0), seed).height - here.height) * (stretch / reach)
    north = (relief(coarse.moved(0, reach), seed).height - here.height) * (stretch / reach)
    azimuth, elevation = np.radians(sun[0]), np.radians(max(sun[1], 12.0))
    toward = east * np.float32(np.sin(azimuth)) + north * np.float32(np.cos(azimuth))
    light = (np.sin(elevation) - np.cos(elevation) * toward) / np.sqrt(1 + east**2 + north**2) / np.sin(elevation)
    # Sky light fills the shadows; a low sun would otherwise turn every slope black or white.
    shade = np.clip(0.35 + 0.65 * light, 0.3, 1.45).astype(np.float32)
    river = _course(coarse, reach, seed)
    lake = coarse.fractal(21e3, 6, hash64(seed, 31)) - np.float32(0.52) - 0.5 * here.hilliness
    town = _town_density(coarse, seed) * (1 - smoothstep(0.3, 0.6, here.hilliness))
    fields = (here.height, here.hilliness, shade, river, lake, town)
    return _Ground(*(view.enlarge(np.asarray(f, np.float32), step) for f in fields))


def _course(view: View, reach: float, seed: int) -> Array:
    """Signed distance in world metres to the zero line of a winding field, good near that line."""
    key = hash64(seed, 30)

    def winding(at: View) -> Array:
        return at.fractal(90e3, 6, key, gain=0.42)

    here = winding(view)
    slope_x, slope_y = winding(view.moved(reach, 0)) - here, winding(view.moved(0, reach)) - here
    return np.asarray(here * np.float32(reach) / np.sqrt(slope_x**2 + slope_y**2 + np.float32(1e-8)))


def _fields(district: Cells, season: Season, pixel: float, ground: _Ground, moisture: Array) -> Array:
    """Parcels: each district has its own direction and size of fields, in rows of uneven width."""
    angle = district.chance * np.float32(np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    along, across = district.east * cos + district.north * sin, district.north * cos - district.east * sin
    depth = 150 + 330 * _fraction(district.chance, 17)
    line = across / depth
    row = np.floor(line)
    luck = _scatter(row, district.chance)
    width = (110 + 420 * _fraction(district.chance, 41)) * (0.45 + luck)
    place = along / width + 9 * luck
    column = np.floor(place)
    # Neighbours grow the same: half of what decides on a crop is common to the district.
    parcel = (_scatter(row * 57 + column, district.chance + 1) * 0.55 + _fraction(district.chance, 73)) % 1
    table = _crop_table(season)
    land = table.take((parcel * 255.99).astype(np.int32), axis=1)
    # Ploughing and sowing run along the longer side; a faint pattern remains where pixels are fine enough.
    if pixel < 8:
        land *= 1 + np.float32(0.025) * np.sin(across * np.float32(2 * np.pi / 31))
    hedge = _line(_edge(line) * depth, 4, pixel) * (luck > 0.5) + _line(_edge(place) * width, 2.5, pixel)
    _lay(land, np.clip(hedge, 0, 1) * np.float32(0.8), MEADOW * np.float32(0.8))
    _lay(land, _line(_edge(line / 3) * depth * 3, 3.5, pixel) * np.float32(0.8), TRACK)
    pasture = smoothstep(0.12, 0.4, ground.hilliness + 0.1 * moisture)
    green = season.greenness(165, 110)
    _lay(land, pasture, MEADOW * np.float32(green) + DRY_GRASS * np.float32(1 - green))
    return land


def _crop_table(season: Season) -> Array:
    """256 looks of a parcel, (band, 256): crops by their shares, at slightly different stages and soils."""
    looks = []
    for crop in CROPS:
        for index in range(round(crop.share * 256)):
            late = 18 * (((index * 0.618034) % 1) - 0.5)
            green = max(crop.least, season.greenness(crop.peak + late, crop.spread_days))
            light = 0.82 + 0.36 * ((index * 0.754878) % 1)
            looks.append((crop.green * green + crop.bare * (1 - green)) * light)
    return np.ascontiguousarray(np.array([looks[min(i, len(looks) - 1)] for i in range(256)], np.float32).T)


def _woods(view: View, season: Season, ground: _Ground, moisture: Array, seed: int) -> tuple[Array, Array]:
    """Cover and colour of forest: patches in the plain, most of the hills, none near the tops."""
    field = view.fractal(5.5e3, 8, hash64(seed, 40), gain=0.55)
    field += np.float32(0.55) * smoothstep(0.05, 0.5, ground.hilliness) - np.float32(0.34)
    field -= smoothstep(1500, 1900, ground.height)
    leaves = season.greenness(185, 95)
    broad = BROADLEAF * np.float32(leaves) + BARE_WOOD * np.float32(1 - leaves)
    mixture = smoothstep(-0.3, 0.4, moisture + 0.0006 * ground.height)
    colour = broad[:, None, None] * (1 - mixture) + CONIFER[:, None, None] * mixture
    crowns = 1 + np.float32(0.25) * view.fractal(46, 2, hash64(seed, 41)) if view.pixel < 23 else np.float32(1)
    return smoothstep(-0.02, 0.04, field), colour * crowns


def _rocks(ground: _Ground) -> Array:
    return smoothstep(1700, 2300, ground.height)


def _town_density(view: View, seed: int) -> Array:
    """0..1: how built up a place is; about every second cell of some ten kilometres has a town or a village."""
    ragged = view.fractal(3.4e3, 5, hash64(seed, 50), gain=0.6)
    town = cells(view.x, view.y, 13e3, hash64(seed, 51))
    radius = np.where(town.chance > 0.45, 600 + 4200 * (town.chance - 0.45) ** 2 * 3, 1).astype(np.float32)
    distance = np.sqrt(town.east**2 + town.north**2)
    village = cells(view.x, view.y, 4.4e3, hash64(seed, 52))
    hamlet = np.where(village.chance > 0.5, 420 * village.chance, 1).astype(np.float32)
    nearby = np.sqrt(village.east**2 + village.north**2)
    density = np.maximum(1 - distance / radius, 1 - nearby / hamlet)
    return np.asarray(smoothstep(0.0, 0.35, density + 0.75 * ragged) * (density > -0.5))


def _build(land: Array, town: Array, district: Cells, pixel: float) -> Array:
    """Streets and houses in blocks; where pixels are large they average to the grey of a town."""
    if not town.any():
        return land
    angle = district.chance * np.float32(2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    along, across = district.east * cos + district.north * sin, district.north * cos - district.east * sin
    house = _scatter(np.floor(along / 26) * 91 + np.floor(across / 21), district.chance + 2)
    roofs = np.stack(TOWN).astype(np.float32)
    colour = roofs.T.take(np.minimum(house * 8, 7).astype(np.int32), axis=1)
    if pixel > 20:
        mean = roofs.mean(axis=0).astype(np.float32)[:, None, None]
        colour = mean + (colour - mean) * np.float32(20 / pixel)
    street = np.maximum(_line(_edge(along / 130) * 130, 6, pixel), _line(_edge(across / 84) * 84, 5, pixel))
    _lay(colour, street, ASPHALT)
    # Gardens remain at the edge of a town; its middle is built up.
    cover = np.clip(town * (0.45 + 0.55 * (house < 0.3 + 0.7 * town)), 0, 1)
    _lay(land, cover, colour)
    return land


def _water(land: Array, view: View, ground: _Ground, seed: int) -> None:
    """Rivers that widen and narrow, with light gravel banks, and lakes that darken with depth."""
    breadth = 85 + 60 * view.fractal(7e3, 3, hash64(seed, 60))
    lowland = 1 - smoothstep(0.5, 0.75, ground.hilliness)
    offset = np.abs(ground.river)
    bank = np.clip((breadth * 1.35 - offset) / view.pixel + 0.5, 0, 1) * lowland
    _lay(land, bank * np.float32(0.6), TRACK)
    stream = np.clip((breadth - offset) / view.pixel + 0.5, 0, 1) * lowland
    _lay(land, stream, MUDDY_WATER)
    depth = smoothstep(0, 0.12, ground.lake)[None]
    colour = WATER[:, None, None] * depth + MUDDY_WATER[:, None, None] * (1 - depth)
    _lay(land, smoothstep(0, 0.008, ground.lake), colour)


def _lay(land: Array, cover: Array, colour: Array) -> None:
    """Paint a colour (band,) or (band, row, column) over the land where cover (row, column) is above 0, in place."""
    if not cover.any():
        return
    cover = cover.astype(np.float32, copy=False)
    for band in range(land.shape[0]):
        land[band] += (colour[band] - land[band]) * cover


def _line(distance: Array, half_width: float, pixel: float) -> Array:
    """How much of a pixel a line covers, given the distance to its middle; world metres."""
    reach = half_width + pixel / 2
    return np.clip((reach - distance) / pixel, 0, min(1.0, 2 * half_width / pixel)).astype(np.float32)


def _edge(place: Array) -> Array:
    """Distance to the nearest whole number."""
    return np.asarray(np.abs(place - np.rint(place)))


def _fraction(chance: Array, factor: int) -> Array:
    """Another number in [0, 1) out of one."""
    return np.asarray((chance * np.float32(factor)) % 1)


def _scatter(number: Array, salt: Array) -> Array:
    """A number in [0, 1) for each whole number and salt: the lower bits of a product, mixed once."""
    bits = number.astype(np.int32).view(np.uint32) * np.uint32(0x9E3779B1)
    bits ^= (salt * np.float32(1 << 22)).astype(np.uint32) * np.uint32(0x85EBCA77)
    bits ^= bits >> np.uint32(15)
    bits *= np.uint32(0x2C1B3C6D)
    bits ^= bits >> np.uint32(13)
    return (bits >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)

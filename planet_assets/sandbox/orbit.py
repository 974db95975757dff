"""The sandbox's satellites: two sun-synchronous planes whose strips cover every place about once or twice a day.

A strip is one descending half orbit; its number alone says when it crosses the equator, and so where, because in a
sun-synchronous plane the crossing always has the same local hour. A frame is one exposure of a strip. Time and
satellite of an item id therefore lead back to its frame, and nothing has to be remembered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from pyproj import Geod

from .noise import chance

GEOD = Geod(ellps="WGS84")
EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
PERIOD_S = 86400 / 15.2
FLEET = 79  # satellites in a plane; with 15.2 revolutions their strips drift by a fifth of their spacing each day
SPACING_S = PERIOD_S / FLEET
TILT = math.radians(8)  # inclination 98 degrees
FRAMES_IN_SEGMENT = 24
SHARE_IMAGED = 0.62  # of all segments; gives one to three passes a day from the equator to 60 degrees
LIMIT_S = 1200  # of a strip on either side of the equator: 75 degrees of latitude
_ID = re.compile(r"(\d{8})_(\d{6})(?:_(\d\d?))?_([0-9a-f]{4})")


@dataclass(frozen=True, slots=True)
class Instrument:
    """A camera: its frame in native pixels and the seconds between frames."""

    name: str
    pixels_across: int
    pixels_along: int
    frame_s: float


SUPERDOVE = Instrument("PSB.SD", 8850, 5280, 2.2)
DOVE = Instrument("PS2", 6600, 4300, 2.0)


@dataclass(frozen=True, slots=True)
class Plane:
    """An orbital plane: local hour at the equator, native pixel in metres, ids of its satellites, last day of Doves."""

    index: int
    local_hour: float
    gsd_m: float
    first_superdove: int
    first_dove: int
    superdoves_since: datetime


PLANES = (
    Plane(0, 9.6, 3.32, 0x2440, 0x1000, datetime(2022, 1, 1, tzinfo=UTC)),
    Plane(1, 10.3, 3.8, 0x24A0, 0x0F00, datetime(2020, 6, 1, tzinfo=UTC)),
)


@dataclass(frozen=True, slots=True)
class Strip:
    """One descending half orbit; `number` counts all strips of its plane since EPOCH."""

    seed: int
    plane: Plane
    number: int

    @property
    def member(self) -> int:
        """Which of the plane's satellites flies it."""
        return self.number % FLEET

    @property
    def node_s(self) -> float:
        """When it crosses the equator, in seconds since EPOCH."""
        drift = 0.6 * (chance(self.seed, self.plane.index, self.member) - 0.5)
        return (self.number + drift) * SPACING_S

    @property
    def instrument(self) -> Instrument:
        """SuperDoves replaced the Doves, plane by plane."""
        return SUPERDOVE if EPOCH + timedelta(seconds=self.node_s) >= self.plane.superdoves_since else DOVE

    @property
    def satellite_id(self) -> str:
        """Four hexadecimal digits, as Planet writes them."""
        first = self.plane.first_superdove if self.instrument is SUPERDOVE else self.plane.first_dove
        return f"{first + self.member:04x}"

    @property
    def gsd_m(self) -> float:
        """Native pixel: satellites of one plane differ a little in height."""
        return self.plane.gsd_m + 0.24 * (chance(self.seed, self.plane.index, self.member, 1) - 0.5)


@dataclass(frozen=True, slots=True)
class Frame:
    """One exposure of a strip; `number` counts from the equator and is negative north of it."""

    strip: Strip
    number: int

    @property
    def keys(self) -> tuple[int, int, int, int]:
        """What makes this frame's chances its own."""
        return (self.strip.seed, self.strip.plane.index, self.strip.number, self.number)

    @property
    def segment_keys(self) -> tuple[int, int, int, int]:
        """The same for the run of frames taken in one go; 1 << 32 keeps them apart from any frame's."""
        return (*self.keys[:3], (1 << 32) + self.number // FRAMES_IN_SEGMENT)

    @property
    def imaged(self) -> bool:
        """Whether the camera was on."""
        return chance(*self.segment_keys) < SHARE_IMAGED

    @property
    def elapsed_s(self) -> float:
        """Seconds since the equator, with the small unevenness of real exposures."""
        return self.number * self.strip.instrument.frame_s + 0.1 * (chance(*self.keys) - 0.5)

    @property
    def acquired(self) -> datetime:
        """The moment of exposure, UTC."""
        return EPOCH + timedelta(seconds=self.strip.node_s + self.elapsed_s)

    @property
    def id(self) -> str:
        """Planet's id, in the form of its time: without, with one digit, with hundredths of the second."""
        when, satellite = self.acquired, self.strip.satellite_id
        stamp = f"{when:%Y%m%d_%H%M%S}"
        if self.strip.instrument is SUPERDOVE or when.year >= 2021:
            return f"{stamp}_{when.microsecond // 10000:02d}_{satellite}"
        if when.year >= 2019:
            return f"{stamp}_{self.number % 2}_{satellite}"
        return f"{stamp}_{satellite}"


def subpoint(strip_node_s: float, local_hour: float, elapsed_s: float) -> tuple[float, float]:
    """Longitude and latitude in degrees under the satellite; a circular orbit over a turning sphere."""
    angle = 2 * math.pi * elapsed_s / PERIOD_S
    inertial = math.degrees(math.atan2(-math.sin(TILT) * math.sin(angle), math.cos(angle)))
    latitude = math.degrees(math.asin(-math.cos(TILT) * math.sin(angle)))
    node = 15 * (local_hour - strip_node_s / 3600)
    return _wrapped(node + inertial - elapsed_s / 240), latitude


def corners(frame: Frame) -> list[tuple[float, float]]:
    """The footprint's corners north-west, south-west, south-east, north-east, as (lon, lat) near each other."""
    strip = frame.strip
    hour, instrument = strip.plane.local_hour, strip.instrument
    here = subpoint(strip.node_s, hour, frame.elapsed_s)
    ahead = subpoint(strip.node_s, hour, frame.elapsed_s + 1)
    heading = GEOD.inv(*here, *ahead)[0] + 0.6 * (chance(*frame.segment_keys, 1) - 0.5)
    half_across = instrument.pixels_across * strip.gsd_m / 2
    half_along = instrument.pixels_along * strip.gsd_m / 2
    turn = math.degrees(math.atan2(half_across, half_along))
    reach = math.hypot(half_across, half_along)
    found = []
    for index, bearing in enumerate((180 - turn, turn, -turn, 180 + turn)):
        lon, lat, _ = GEOD.fwd(*here, heading + bearing, reach * (1 + 0.004 * chance(*frame.keys, 2, index)))
        found.append((here[0] + _wrapped(lon - here[0]), lat))
    return [found[0], found[1], found[2], found[3]]


def frames_near(
    bounds: tuple[float, float, float, float], start: datetime, end: datetime, seed: int
) -> Iterator[Frame]:
    """Imaged frames that may touch the bounds (west, south, east, north) between two moments, by plane and time."""
    first, last = ((moment - EPOCH).total_seconds() for moment in (start, end))
    west, south, east, north = bounds
    centre = (west + east) / 2
    # Half a footprint's diagonal is 21 km, which is 0.19 degrees of latitude.
    margin = 0.25 / max(math.cos(math.radians(min(max(abs(south), abs(north)) + 0.4, 80))), 0.1)
    early, late = _elapsed_at(min(north + 0.4, 90)), _elapsed_at(max(south - 0.4, -90))
    for plane in PLANES:
        numbers = np.arange(math.floor((first - late) / SPACING_S) - 1, math.ceil((last - early) / SPACING_S) + 2)
        offsets = [subpoint(0, plane.local_hour, e)[0] for e in np.linspace(early, late, 9)]
        middle = [offsets[0] + _wrapped(o - offsets[0]) for o in offsets]
        # The drift of a satellite from its slot moves a strip by 0.1 degrees.
        half = (east - west) / 2 + margin + 0.2 + (max(middle) - min(middle)) / 2
        node = (min(middle) + max(middle)) / 2 - numbers * SPACING_S / 240
        distance = np.abs((node - centre + 180) % 360 - 180)
        for number in numbers[distance <= half]:
            strip = Strip(seed, plane, int(number))
            step = strip.instrument.frame_s
            for count in range(math.floor(early / step), math.ceil(late / step) + 1):
                frame = Frame(strip, count)
                lon, lat = subpoint(strip.node_s, plane.local_hour, count * step)
                near = abs(_wrapped(lon - centre)) <= (east - west) / 2 + margin and south - 0.25 <= lat <= north + 0.25
                if near and frame.imaged and start <= frame.acquired <= end:
                    yield frame


def frame_of(item_id: str, seed: int) -> Frame | None:
    """The frame with this id, or None if there is none: the inverse of Frame.id."""
    found = _ID.fullmatch(item_id)
    if not found:
        return None
    day, clock, fraction, satellite = found.groups()
    try:
        when = datetime.strptime(day + clock, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    second = int(fraction) / 100 if fraction and len(fraction) == 2 else 0.5
    seconds = (when - EPOCH).total_seconds() + second
    for plane in PLANES:
        for first in (plane.first_superdove, plane.first_dove):
            member = int(satellite, 16) - first
            if not 0 <= member < FLEET:
                continue
            revolution = round((seconds / SPACING_S - member) / FLEET)
            strip = Strip(seed, plane, revolution * FLEET + member)
            frame = Frame(strip, round((seconds - strip.node_s) / strip.instrument.frame_s))
            in_reach = abs(frame.elapsed_s) <= LIMIT_S
            return frame if in_reach and frame.imaged and frame.id == item_id else None
    return None


def sun(when: datetime, lon: float, lat: float) -> tuple[float, float]:
    """Azimuth and elevation of the sun in degrees, to about half a degree (Spencer's declination, as in Iqbal 1983)."""
    day = when.timetuple().tm_yday - 1 + when.hour / 24
    year = 2 * math.pi * day / 365.25
    declination = (
        0.006918 - 0.399912 * math.cos(year) + 0.070257 * math.sin(year)
        - 0.006758 * math.cos(2 * year) + 0.000907 * math.sin(2 * year)
    )  # fmt: skip
    minutes = 229.18 * (
        0.000075 + 0.001868 * math.cos(year) - 0.032077 * math.sin(year)
        - 0.014615 * math.cos(2 * year) - 0.040849 * math.sin(2 * year)
    )  # fmt: skip
    hours = when.hour + when.minute / 60 + when.second / 3600 + minutes / 60 + lon / 15
    angle, phi = math.radians(15 * (hours - 12)), math.radians(lat)
    sine = math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(angle)
    azimuth = math.atan2(
        -math.cos(declination) * math.sin(angle),
        math.sin(declination) * math.cos(phi) - math.cos(declination) * math.sin(phi) * math.cos(angle),
    )
    return math.degrees(azimuth) % 360, math.degrees(math.asin(sine))


def _elapsed_at(latitude: float) -> float:
    """Seconds from the equator at which a strip passes a latitude, within LIMIT_S."""
    sine = max(-1.0, min(1.0, -math.sin(math.radians(latitude)) / math.cos(TILT)))
    return max(-LIMIT_S, min(LIMIT_S, math.asin(sine) * PERIOD_S / (2 * math.pi)))


def _wrapped(degrees: float) -> float:
    """An angle in [-180, 180)."""
    return (degrees + 180) % 360 - 180

"""Quantities in words: km², bytes, spans and moments with their units; what nobody knows is *unknown*, never nan."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime

UNKNOWN = "unknown"
ONE_M2_KM2 = 1e-6  # less is what sums of floats leave over
NAMED = 4  # ids that are named before "and n more"


def human_km2(area_km2: float) -> str:
    """An area for reading: `1,234.5 km²`, two decimals below 10, whole numbers without any."""
    return exact_km2(area_km2, decimals=2 if abs(area_km2) < 10 else 1)


def exact_km2(area_km2: float, *, decimals: int = 2) -> str:
    """An area for adding up: `245.67 km²`, `3,000 km²`; what rounds to nothing but is not nothing is `<0.01 km²`."""
    if not math.isfinite(area_km2):
        return UNKNOWN
    smallest = 10.0**-decimals
    if ONE_M2_KM2 < area_km2 < smallest / 2:
        return f"<{smallest:.{decimals}f} km²"
    text = f"{area_km2:,.{decimals}f}"
    whole = text.rstrip("0").rstrip(".") if set(text.partition(".")[2]) == {"0"} else text
    return f"{'0' if whole == '-0' else whole} km²"


def human_bytes(size_bytes: float | None) -> str:
    """A size in powers of ten: `812 bytes`, `45.3 MB`, `3.2 GB`."""
    if size_bytes is None or not math.isfinite(size_bytes):
        return UNKNOWN
    if size_bytes < 1000:
        return f"{size_bytes:.0f} bytes"
    value, units = size_bytes / 1000, ["kB", "MB", "GB", "TB", "PB"]
    while value >= 999.95 and len(units) > 1:  # what would print as 1000.0 belongs to the next unit
        value, units = value / 1000, units[1:]
    return f"{value:,.1f} {units[0]}"


def human_duration(seconds: float | None) -> str:
    """A time span in its two largest units: `45 s`, `12 min`, `3 h 20 min`, `2 days 4 h`."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    whole = round(max(0.0, seconds))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(whole / 3600), 24)
    span = "1 day" if days == 1 else f"{days} days"
    return f"{span} {hours} h" if hours else span


def human_time(moment: datetime | None) -> str:
    """A moment to the minute: `2025-01-02 08:00 UTC`."""
    return UNKNOWN if moment is None else moment.strftime("%Y-%m-%d %H:%M UTC")


def human_cloud(share: float | None) -> str:
    """A share of cloud as a percentage: `2%`."""
    return UNKNOWN if share is None else f"{share:.0%}"


def count(number: int, noun: str) -> str:
    """`1 scene`, `1,200 scenes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def plain(text: object) -> str:
    """Foreign text on one line, without the control characters that could steer a terminal."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())


def named(names: Iterable[object]) -> str:
    """The first few names and how many more there are."""
    known = [plain(name) for name in names]
    more = len(known) - NAMED
    return ", ".join(known[:NAMED]) + (f" and {more:,} more" if more > 0 else "")

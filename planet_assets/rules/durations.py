"""How long, as people and the clients of other trackers write it: 2h, 1d, 90 min, 3600."""

from __future__ import annotations

import re
from datetime import timedelta

from planet_assets.exceptions import Misused

LONGEST = timedelta(days=365 * 10)
_SECONDS = {"": 1e-3, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_557_600.0}
_NAMES = {
    "ms": ("milliseconds", "millisecond", "msecs", "msec"),
    "s": ("seconds", "second", "secs", "sec"),
    "m": ("minutes", "minute", "mins", "min"),
    "h": ("hours", "hour", "hrs", "hr"),
    "d": ("days", "day"),
    "w": ("weeks", "week"),
    "y": ("years", "year", "yrs", "yr"),
}
_UNITS = {name: unit for unit, names in _NAMES.items() for name in names}
_SPAN = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([a-z]*)\s*", re.IGNORECASE)


def span(value: object) -> timedelta | None:
    """A length of time; None for zero, which means without end.

    A number counts seconds; text without a unit counts milliseconds, as jsonwebtoken reads both.

    Raises:
        Misused: it is none, or longer than ten years.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _nonsense(value)
    if isinstance(value, str):
        found = _SPAN.fullmatch(value)
        unit = _UNITS.get(found[2].lower(), found[2].lower()) if found else "?"
        if found is None or unit not in _SECONDS:
            raise _nonsense(value)
        seconds = float(found[1]) * _SECONDS[unit]
    else:
        seconds = float(value) if abs(value) < 1e12 else 1e12
    if not 0 <= seconds <= LONGEST.total_seconds():
        raise _nonsense(value)
    return timedelta(seconds=seconds) if seconds else None


def _nonsense(value: object) -> Misused:
    shown = repr(value)[:40]
    return Misused(f"{shown} is no length of time.", hint="Write 2h, 1d, or 0 for without end.", argument="expiresIn")

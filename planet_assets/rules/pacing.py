"""When the next request may start, and when to ask for an activation again.

Planet refuses two calls that come too close together even where the mean rate is legal, so a pace is a distance between
starts, never a number per window: after a start at t the next is due at t + 1/rate, and time that went by unused is not
saved up for a burst. Source: the SDK's limiter, confirmed. When Planet says *retry in*, everybody on that pace waits.

Polling is a pull by the downloader: only the oldest activation is asked for, one request answers all asset types of its
item, and the next question waits for the moment by which half of those that took longer than this one has were done.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from types import MappingProxyType

from planet_assets.exceptions import Misused

RATES_PER_S = MappingProxyType({"data": 10.0, "activation": 5.0, "download": 15.0, "orders": 3.0})
"""Requests a second and key, by kind; search counts as data. Source: Planet notebook, docs.planet.com, confirmed."""

LONGEST_PENALTY_S = 900.0
"""Nobody is made to wait longer on one word of the server, which may be a mistake of its clock."""

FEW = 12
"""So few activations under way are asked about eagerly: somebody waits, and it costs little."""

USUAL_S = (2.0, 40.0, 80.0, 120.0, 160.0, 200.0, 240.0, 300.0, 450.0, 2700.0)
"""What activations take, in tenths of them. Source: reported, see `poll_after_s`."""

_FEWEST = 10
_RECENT = 400


class Pace:
    """Evenly spaced starts. Times are seconds of any clock that never goes back."""

    def __init__(self, rate_per_s: float) -> None:
        if not (math.isfinite(rate_per_s) and rate_per_s > 0):
            raise Misused(
                f"A rate of {rate_per_s!r} a second cannot be kept.",
                hint="Give a number above 0.",
                argument="rate_limits",
            )
        self.gap_s = 1 / rate_per_s
        self._due = -math.inf

    def wait_s(self, now: float) -> float:
        """Seconds until the next start is due; 0 when it may go."""
        return max(0.0, self._due - now)

    def started(self, now: float) -> None:
        """A request starts at `now`."""
        self._due = max(now, self._due) + self.gap_s

    def penalised(self, now: float, after_s: float) -> None:
        """The server asked for `after_s` seconds of silence; a shorter word does not undo a longer one."""
        self._due = max(self._due, now + min(after_s, LONGEST_PENALTY_S))


def poll_after_s(
    age_s: float, seen: Sequence[float], *, waiting: int = 1, first_s: float = 1.0, longest_s: float = 60.0
) -> float:
    """Seconds until an activation is worth asking about again.

    Args:
        age_s: How long ago it was asked for.
        seen: Latencies of earlier activations in the order they were seen, seconds.
        waiting: Activations under way. Of many, each is asked about seldom: some are always ready.
        first_s: The shortest pause; some assets are warm and take two seconds.
        longest_s: The longest pause.

    Source: reported, latencies are long-tailed: 2 s when warm, 200 s on average, one in a hundred over 2,700 s.
    """
    known = list(seen[-_RECENT:])
    if waiting > FEW:
        longest_s = max(longest_s, min(5 * longest_s, waiting / 2))
        # those that were seen to end are the quick ones; of the others only the reports tell
        known += USUAL_S * max(1, len(known) // len(USUAL_S))
    longer = [latency for latency in known if latency > age_s]
    enough = len(longer) >= (_FEWEST if waiting <= FEW else _FEWEST // 3)
    pause = median(longer) - age_s if enough else 0.3 * age_s
    return min(longest_s, max(first_s, pause))

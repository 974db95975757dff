"""Again, ask anew, or stop: what an error asks for, and how long to wait before."""

from __future__ import annotations

from typing import Literal

from planet_assets.exceptions import Corrupt, LinkExpired, TryLater

CAP_S = 64.0
"""The longest pause of our own choosing; a server that wants more is not waited for within a call."""

_STEEPEST = 30


def kind(error: BaseException) -> Literal["again", "anew", "stop"]:
    """What can be done about an error.

    Returns:
        again: the same call may succeed later. anew: ask Planet for the asset and its link first, since what we know of
        it is stale (a file with another digest may have been republished). stop: trying again changes nothing.
    """
    if isinstance(error, LinkExpired | Corrupt):
        return "anew"
    return "again" if isinstance(error, TryLater) else "stop"


def delay_s(
    attempt: int, *, base_s: float, cap_s: float = CAP_S, jitter01: float, server_s: float | None = None
) -> float:
    """Seconds to wait before a call is tried again.

    The pause doubles with each attempt up to the cap. What the server asked for replaces the base, and the result is
    never shorter than that. `Retry-After: 0` asks for nothing; a limiter rounds 200 ms down to it.

    Args:
        attempt: 0 before the first repetition.
        base_s: First pause.
        cap_s: Longest pause of our own.
        jitter01: Chance from 0 to 1; up to a quarter is added, so that many who failed together do not return together.
        server_s: What the server asked for, None when it said nothing.
    """
    asked_s = server_s or 0.0
    pause = min(cap_s, (asked_s or base_s) * 2.0 ** min(attempt, _STEEPEST))
    return max(pause, asked_s) * (1 + 0.25 * jitter01)

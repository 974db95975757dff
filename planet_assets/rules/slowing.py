"""How long a sign-in has to wait after others have failed, so that guessing takes years.

Counted are the failures of the last quarter of an hour: of one name from one address, of one address, and of one name
from anywhere. The last has the widest margin, so that a stranger cannot lock somebody out by guessing badly.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=15)
FREE = {"pair": 5, "address": 20, "name": 50}
"""Failures that cost nothing yet."""
LONGEST_S = 60.0


def wait_s(failures: Sequence[datetime], now: datetime, kind: str) -> float:
    """Seconds until the next try; 0 when it may be made now. It doubles from a second to a minute."""
    recent = [at for at in failures if now - at < WINDOW]
    beyond = len(recent) - FREE[kind]
    if beyond < 0 or not recent:
        return 0.0
    pause_s = min(LONGEST_S, 2.0 ** min(beyond, 10))
    return max(0.0, pause_s - (now - max(recent)).total_seconds())

"""How clear a scene is over a region, and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

MODES = ("estimate", "UDM2")
"""How Planet's coverage call finds out: a rough estimate at once, or by the usable data mask, which it activates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearShare:
    """A clear share, 0 to 1; as a number, just that."""

    share: float
    """0 to 1; NaN when nobody knows."""
    mode: str
    """UDM2 (exact) or estimate (rough), both over the region; scene: of the whole scene; given: by the caller."""
    as_of: datetime | None = None
    """When Planet was asked, UTC."""
    note: str = ""
    """Why it is not known over the region, in words."""

    def __float__(self) -> float:
        return self.share

    @property
    def is_over_roi(self) -> bool:
        """False when it is that of the whole scene."""
        return self.mode != "scene"

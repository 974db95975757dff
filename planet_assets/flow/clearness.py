"""Planet's coverage call: how clear each scene is over the region, before anything is paid. Asked once, remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from planet_assets.exceptions import AssetError, KeyRefused, Misused, NetworkError, ServerError, Throttled
from planet_assets.library import clearness as rows
from planet_assets.library.engine import Library
from planet_assets.model.clearness import MODES, ClearShare
from planet_assets.model.geometry import to_geojson
from planet_assets.model.item import Item
from planet_assets.model.ports import Clock
from planet_assets.rules.aoi import acceptable
from planet_assets.rules.clearness import of_scene, region_digest

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

SIDE_BY_SIDE = 8
"""Calls under way at a time; their starts keep the pace of searches."""
PATIENCE_S = 900.0
"""How long a mask may take to be made before the whole scene's share is used."""
LONGEST_PAUSE_S = 30.0


class Coverage(Protocol):
    """What is needed of Planet's Data API."""

    async def coverage(
        self, item_type: str, item_id: str, geometry: Mapping[str, Any], *, mode: str = "estimate", band: str = "clear"
    ) -> dict[str, Any]:
        """How clear a scene is within a geometry."""
        ...


async def clear_over(
    api: Coverage, library: Library, items: Sequence[Item], roi: BaseGeometry, *, mode: str, clock: Clock
) -> dict[str, ClearShare]:
    """Item id -> clear share over the region, one call for each scene that is not known yet.

    A scene about which Planet cannot be asked has its own share, with the reason. When Planet cannot be reached at all,
    or refuses the key, the rest is not asked.

    Raises:
        Misused: an unknown `mode`.
    """
    if mode not in MODES:
        raise Misused(f"mode={mode!r} is not known.", hint=f"Use {' or '.join(MODES)}.", argument="mode")
    near = {item.ref: item for item in items if item.footprint.intersects(roi)}
    region = region_digest(roi)
    known = await asyncio.to_thread(rows.known, library, region, near.keys(), mode=mode)
    asking = _Asking(api, to_geojson(acceptable(roi).geometry), mode, clock)
    left = [item for ref, item in near.items() if ref not in known]
    try:
        told = dict(zip([item.ref for item in left], await asking.all(left), strict=True))
    finally:
        await asyncio.to_thread(rows.remember, library, region, asking.learned)
    return {ref[1]: share for ref, share in (known | told).items()}


class _Asking:
    """Asks about several scenes, and stops when that is of no use."""

    def __init__(self, api: Coverage, geometry: Mapping[str, Any], mode: str, clock: Clock) -> None:
        self.api, self.geometry, self.mode, self.clock = api, geometry, mode, clock
        self.learned: dict[tuple[str, str], ClearShare] = {}
        self._turn = asyncio.Semaphore(SIDE_BY_SIDE)
        self._useless = ""

    async def all(self, items: Sequence[Item]) -> list[ClearShare]:
        """The share of each."""
        return await asyncio.gather(*(self._one(item) for item in items))

    async def _one(self, item: Item) -> ClearShare:
        async with self._turn:
            if self._useless:
                return of_scene(item, self._useless)
            try:
                percent = await self._percent(item)
            except AssetError as error:
                if isinstance(error, KeyRefused | NetworkError | ServerError | Throttled):
                    self._useless = error.message
                return of_scene(item, error.message)
        if percent is None:
            return of_scene(item, "Planet has not said it yet; ask again later.")
        said = ClearShare(share=percent / 100, mode=self.mode, as_of=self.clock.now())
        self.learned[item.ref] = said
        return said

    async def _percent(self, item: Item) -> float | None:
        """Per cent; None when Planet is still at it after a long time, or says no number."""
        begun, pause = self.clock.monotonic(), 1.0
        while True:
            answer = await self.api.coverage(*item.ref, self.geometry, mode=self.mode)
            percent = answer.get("clear_percent")
            if isinstance(percent, int | float) and not isinstance(percent, bool) and 0 <= percent <= 100:
                return float(percent)
            if answer.get("status") == "complete" or self.clock.monotonic() - begun > PATIENCE_S:
                return None
            await self.clock.sleep(pause)
            pause = min(LONGEST_PAUSE_S, 1.5 * pause)

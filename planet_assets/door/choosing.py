"""Choosing scenes before anything is paid: how clear each is over the region, and which of them to take."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from planet_assets.door.desk import Desk
from planet_assets.export.vector import roi_of
from planet_assets.flow.clearness import clear_over
from planet_assets.flow.given import Scenes, read_scenes
from planet_assets.library import clearness
from planet_assets.model.clearness import ClearShare
from planet_assets.model.selection import Selection
from planet_assets.rules.clearness import region_digest
from planet_assets.rules.cover import select_scenes


class Chooser(Desk):
    """A desk at which scenes are chosen."""

    async def clear_over_roi(self, scenes: Scenes, roi: Any, *, mode: str = "estimate") -> dict[str, ClearShare]:
        """How clear each scene is over a region, before anything is paid: Planet's coverage call, once for each scene.

        Answers are remembered in the library. Where Planet does not answer, the whole scene's share stands with the
        reason.

        Args:
            scenes: GeoJSON features, as a search returns them.
            roi: region of interest, lon/lat.
            mode: estimate (rough, at once), or UDM2: exact, by the usable data mask, which Planet activates for it.
                That may take minutes; activating is free, whether the call is was never confirmed.

        Returns:
            Scene id -> `ClearShare`; scenes outside the region are left out.
        """
        items = read_scenes(scenes).items
        api, clock = self._wires.data(), self._wires.clock
        return await clear_over(api, self.library, items, roi_of(roi), mode=mode, clock=clock)

    async def select(self, scenes: Scenes, roi: Any, *, ask_clear: bool | str = True, **wish: Any) -> Selection:
        """`select_scenes`, with the clear share over the region where Planet tells it.

        Args:
            scenes: GeoJSON features, as a search returns them.
            roi: region of interest, lon/lat.
            ask_clear: False not to ask Planet: what is remembered counts. Or the mode of `clear_over_roi`.
            **wish: further arguments of `select_scenes`.
        """
        region = roi_of(roi)
        if ask_clear:
            mode = ask_clear if isinstance(ask_clear, str) else "estimate"
            known = await self.clear_over_roi(scenes, region, mode=mode)
        else:
            refs = [item.ref for item in read_scenes(scenes).items]
            found = await asyncio.to_thread(clearness.known, self.library, region_digest(region), refs)
            known = {ref[1]: share for ref, share in found.items()}
        given = known | wish.pop("clear", {})
        return await asyncio.to_thread(partial(select_scenes, scenes, region, clear=given, **wish))

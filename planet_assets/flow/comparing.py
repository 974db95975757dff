"""What a plan shows beside its price: how clear each scene is over the region, and what other ways would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planet_assets.library import clearness
from planet_assets.library.engine import Library
from planet_assets.rules.clearness import note_of, region_digest
from planet_assets.rules.ways import ways

if TYPE_CHECKING:
    from planet_assets.flow.plan import Request
    from planet_assets.model.clearness import ClearShare


def compared(library: Library, request: Request) -> dict[str, Any]:
    """The fields `clear` and `ways` of a plan; Planet is asked nothing."""
    if request.roi is None:
        return {}
    items = list({item.ref: item for item in request.items}.values())
    region = region_digest(request.roi)
    brought = {item.id: said for item in items if (said := note_of(item, region)) is not None}
    asked = clearness.known(library, region, [item.ref for item in items])
    clear: dict[str, ClearShare] = brought | {ref[1]: said for ref, said in asked.items()}
    return {"clear": clear, "ways": ways(items, request.roi, clear=clear, tariff=request.tariff)}

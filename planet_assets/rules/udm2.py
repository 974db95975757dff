"""Planet's usable data mask (UDM2): what its bands say, and which pixels count as usable.

Eight bands, uint8, on the grid of the image. Source: confirmed (docs.planet.com, Usable Data Mask; contract 2.8, 7b):

* bands 1 to 6 are 0 or 1: clear, snow, shadow, light haze, heavy haze, cloud; a pixel is one of them at the most;
* *clear* is without cloud, haze, cloud shadow and snow;
* since UDM2.1 (November 2023) heavy haze is always 0, and all haze is light haze;
* band 7 is the confidence of the class, 0 to 100;
* band 8 is the old mask, in bits: 0 nothing was imaged here, 1 cloud, 2 to 7 missing or suspect data in a band;
* there is no nodata value.

Ours: bit 1 is not looked at, since the cloud of band 6 is the better one. Source: assumed. Suspect data is not usable.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from planet_assets.exceptions import Misused

CLASSES = ("clear", "snow", "shadow", "light_haze", "heavy_haze", "cloud")
"""What a pixel may show, in the order of the bands."""
CONFIDENCE, UDM1 = 6, 7
"""Where the other two bands stand, from 0."""
BANDS = 8
BLACKFILL, SUSPECT = 0b1, 0b1111_1100
"""Bits of the last band: nothing imaged; missing or suspect data."""


def is_udm2(asset_type: str) -> bool:
    """True for the asset types of usable data masks."""
    return asset_type.endswith("udm2")


def udm2_type(asset_type: str) -> str:
    """The asset type of the mask that lies on the grid of an image."""
    return "basic_udm2" if asset_type.startswith("basic_") else "ortho_udm2"


def checked_classes(classes: Collection[str]) -> tuple[str, ...]:
    """The classes that count as usable.

    Raises:
        Misused: there are none, or one is not known.
    """
    named = (classes,) if isinstance(classes, str) else tuple(classes)
    if not named or (unknown := [name for name in named if name not in CLASSES]):
        wrong = unknown[0] if named else "nothing"
        raise Misused(f"{wrong!r} is no class of the UDM2.", hint=f"Known: {', '.join(CLASSES)}.", argument="classes")
    return named


def seen(bands: Any) -> Any:
    """True where the satellite saw something; `bands` is (band, row, col), the answer (row, col)."""
    return bands[UDM1] & BLACKFILL == 0


def usable(bands: Any, classes: Collection[str] = ("clear",), min_confidence: int = 0) -> Any:
    """True where a pixel can be used; `bands` is (band, row, col), the answer (row, col).

    Args:
        bands: all eight, as stored.
        classes: what counts as usable.
        min_confidence: least confidence of the class, per cent.
    """
    fine = np.zeros(bands.shape[1:], dtype=bool)
    for name in classes:
        fine |= bands[CLASSES.index(name)] == 1
    fine &= bands[UDM1] & (BLACKFILL | SUSPECT) == 0
    if min_confidence > 0:
        fine &= bands[CONFIDENCE] >= min_confidence
    return fine

"""Hills, valleys and rivers: the shape of the sandbox's ground, on which weather and land cover depend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .grid import View
from .noise import Array, hash64, smoothstep


@dataclass(frozen=True, slots=True)
class Relief:
    """The ground at the samples of a view; float32, (row, column)."""

    height: Array
    """Metres above the sea."""
    hilliness: Array
    """0 in plains, 1 in mountains."""


def relief(view: View, seed: int) -> Relief:
    """Mountains rise where a slow field says so; everywhere else the land undulates by some tens of metres."""
    hilliness = smoothstep(0.02, 0.55, view.fractal(150e3, 4, hash64(seed, 1)))
    waves = view.fractal(15e3, 7, hash64(seed, 2), gain=0.48)
    # Folding the waves makes ridges: sharp crests and broad valleys.
    ridges = 1 - np.abs(2 * view.fractal(22e3, 7, hash64(seed, 3), gain=0.48))
    height = 110 + 60 * waves + hilliness * (500 * ridges + 1500 * hilliness * np.clip(ridges, 0, None) + 350)
    return Relief(np.asarray(np.maximum(height, 0)), np.asarray(hilliness))

"""What choosing leads to: what to fetch, what is held, what cannot be had."""

from __future__ import annotations

from dataclasses import dataclass

from planet_assets.model.item import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Scenes and asset types sorted by what has to be done for them."""

    fetch: tuple[tuple[Item, str], ...]
    """Scenes and asset types to fetch, at a charge where the type is charged."""
    held: tuple[tuple[Item, str], ...] = ()
    """What the library holds; it costs nothing."""
    lacking: tuple[tuple[Item, str, str], ...] = ()
    """What cannot be had, each with the reason in words."""
    outside: tuple[str, ...] = ()
    """Ids of scenes that do not touch the ROI."""
    duplicates: tuple[str, ...] = ()
    """Ids of scenes that were given more than once."""

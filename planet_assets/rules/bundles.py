"""Which product bundles of the Orders API deliver the asset types that are wanted.

Source of the table: Planet's bundles specification of 2024-08-12 (confirmed). Two bundles of one item are assumed to
charge twice, so the fewest bundles win, then the fewest files nobody asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import combinations

from planet_assets.exceptions import Misused

BUNDLES = {
    "analytic_udm2": ("ortho_analytic_4b", "ortho_analytic_4b_xml", "ortho_udm2"),
    "analytic_3b_udm2": ("ortho_analytic_3b", "ortho_analytic_3b_xml", "ortho_udm2"),
    "analytic_8b_udm2": ("ortho_analytic_8b", "ortho_analytic_8b_xml", "ortho_udm2"),
    "analytic_sr_udm2": ("ortho_analytic_4b_sr", "ortho_analytic_4b_xml", "ortho_udm2"),
    "analytic_8b_sr_udm2": ("ortho_analytic_8b_sr", "ortho_analytic_8b_xml", "ortho_udm2"),
    "visual": ("ortho_visual",),
    "basic_analytic_udm2": ("basic_analytic_4b", "basic_udm2", "basic_analytic_4b_rpc", "basic_analytic_4b_xml"),
    "basic_analytic_8b_udm2": ("basic_analytic_8b", "basic_udm2", "basic_analytic_4b_rpc", "basic_analytic_8b_xml"),
}
"""Bundle -> the asset types of PSScene it delivers."""

MOST_ITEMS = 500
"""Items an order may carry. Source: confirmed."""

GOOD_ITEMS = 100
"""Items an order should carry. Source: confirmed (advice of Planet's SDK)."""


def bundles_for(asset_types: Iterable[str], available: Collection[str] = ()) -> tuple[str, ...]:
    """The bundles that deliver the asset types.

    Args:
        asset_types: what is wanted.
        available: what the item has; empty when its record does not say.

    Raises:
        Misused: no bundle delivers one of them, or the item lacks an asset that every such bundle needs.
    """
    wanted = frozenset(asset_types)
    usable = [name for name, assets in BUNDLES.items() if not available or set(assets) <= set(available)]
    for count in range(1, len(usable) + 1):
        covers = [names for names in combinations(usable, count) if wanted <= _delivered(names)]
        if covers:
            return min(covers, key=lambda names: (len(_delivered(names)), names))
    missing = sorted(wanted - _delivered(usable))
    raise Misused(
        f"No product bundle delivers {', '.join(missing)}.",
        hint="Take it by delivery='data', or choose another asset type.",
        argument="asset_types",
    )


def assignment(asset_types: Sequence[str], available: Collection[str] = ()) -> dict[str, str]:
    """Asset type -> the bundle that brings it. Errors are those of `bundles_for`."""
    found = assignment_if_any(asset_types, available)
    if found is None:
        bundles_for(asset_types, available)  # raises, and says why
    return found or {}


def assignment_if_any(asset_types: Sequence[str], available: Collection[str] = ()) -> dict[str, str] | None:
    """The same; None where no bundle delivers one of them, or the item lacks an asset that every such bundle needs."""
    found = _assigned(tuple(asset_types), tuple(available))
    return None if found is None else dict(found)


@lru_cache(maxsize=1024)
def _assigned(asset_types: tuple[str, ...], available: tuple[str, ...]) -> tuple[tuple[str, str], ...] | None:
    """Nearly all scenes of a search ask alike."""
    try:
        bundles = bundles_for(asset_types, available)
    except Misused:
        return None
    return tuple((one, next(name for name in bundles if one in BUNDLES[name])) for one in asset_types)


def chunks(items: Sequence[str], size: int = GOOD_ITEMS) -> list[list[str]]:
    """Items in orders of at most `size`."""
    size = min(size, MOST_ITEMS)
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def can_clip(bundle: str) -> bool:
    """False for basic bundles, which Planet does not clip. Source: confirmed."""
    return not bundle.startswith("basic_")


def _delivered(names: Iterable[str]) -> frozenset[str]:
    return frozenset(asset for name in names for asset in BUNDLES[name])

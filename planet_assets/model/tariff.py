"""By which rules Planet charges a subscription: what it says of itself, what was declared, what is assumed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """The charging rules of one subscription. The defaults are the dear reading wherever nobody knows."""

    style: str = ""
    """consumption (per image), aum (only ground that is not unlocked yet), or empty for what Planet says."""
    term: str = ""
    """Names the term in which unlocked ground stays free; empty when nobody knows: then nothing is taken as free."""
    repeat: str = "each"
    """each: every new download of an asset charges again; once: an asset charges once. Source: assumed."""
    types: str = "each"
    """each: every raster asset of a scene charges; first: only the first one. Source: assumed."""
    udm2: bool = True
    """Whether the usable data mask charges by the Data route. Source: assumed."""
    clip_lowers: bool = True
    """Whether an order is charged by its clip. Source: confirmed, for plans whose raster tools say so."""
    clip_minimum_km2: float = 0.01
    """The least that one clipped scene charges. Source: confirmed for Premium plans, assumed for the rest."""
    composite: str = "inputs"
    """Whether a composite is compared by the scenes that go into it, or by its output. Source: assumed."""

    @property
    def is_aum(self) -> bool:
        """True for area under management."""
        return self.style == "aum"

    def charges(self, asset_type: str) -> bool:
        """False for asset types that cost nothing by the Data route."""
        return not asset_type.endswith(FREE_SUFFIXES) and (self.udm2 or not asset_type.endswith("_udm2"))


FREE_SUFFIXES = ("_xml", "_rpc")
"""Asset types that end so are not charged. Source: reported."""

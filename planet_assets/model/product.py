"""What Planet's account service tells beside subscriptions: products with a quota of their own, and reserved areas."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from planet_assets.model.quota import UNKNOWN

SCENES = "PSScene"
"""The resource whose quota PlanetScope downloads spend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product the account may use. Areas are as Planet last posted them; NaN where it says none."""

    id: str
    """Planet's id."""
    name: str
    """Planet's name for programs, for example PS_ARPS_SR_DAILY_ALL_TIME."""
    title: str = ""
    """Planet's name for people."""
    state: str = ""
    """active, or what else Planet calls it."""
    resources: tuple[str, ...] = ()
    """What it gives access to; item types among them."""
    limit_km2: float = UNKNOWN
    """What may be used in the term."""
    used_km2: float = UNKNOWN
    """What is used of it."""
    unlimited: bool = False
    """Planet's word that there is no limit."""
    takes_reservations: bool = False
    """Whether areas are reserved before they are used."""
    least_km2: float = UNKNOWN
    """The least that one area counts."""
    begins_at: datetime | None = None
    """When the term began, UTC."""
    ends_at: datetime | None = None
    """When the term ends, UTC."""

    @property
    def counts_scenes(self) -> bool:
        """True when it tells what PlanetScope downloads may use."""
        known = not math.isnan(self.limit_km2) and not math.isnan(self.used_km2)
        return SCENES in self.resources and self.state == "active" and known and not self.unlimited


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """An area that is reserved of a product; that is never undone."""

    id: str
    """Planet's id."""
    area: str
    """Reference to the area, pl:features/my/..."""
    product_id: str
    """Of which product."""
    km2: float = UNKNOWN
    """How much quota it takes."""
    state: str = ""
    """reserved or active."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """The products of an account and what is reserved of them."""

    products: tuple[Product, ...] = ()
    """As Planet lists them."""
    reserved: tuple[Reserved, ...] = ()
    """As Planet lists them."""
    problem: str = ""
    """Why nothing, or not all, could be read; empty when all was."""

    def reserved_km2(self, product: Product) -> float:
        """What is reserved of a product, km²; NaN when one of its reservations does not say."""
        return math.fsum(row.km2 for row in self.reserved if row.product_id == product.id)

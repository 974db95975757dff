"""Products and quota reservations: Planet's account service for what is not the classic PlanetScope quota.

Lists are pages that `meta.next` links. Areas come in km² or m², as numbers or as text; dates without a zone are UTC.
Source: Planet's quota notebook and the SDK's client, confirmed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from planet_assets.exceptions import ServerError
from planet_assets.model.product import Product, Reserved
from planet_assets.model.quota import UNKNOWN, QuotaInfo
from planet_assets.planet import parse
from planet_assets.planet.session import Session

_PRODUCTS = "/account/v1/my/products"
_RESERVATIONS = "/account/v1/quota-reservations/"
_PAGE = 500
_MOST_PAGES = 200
_KM2 = {"sqkm": 1.0, "km2": 1.0, "sqm": 1e-6, "m2": 1e-6, "ha": 0.01}
_MONTH = timedelta(days=32)


class ProductsApi:
    """Reads products and reservations; reserves nothing."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def products(self) -> list[Product]:
        """What the account may use.

        Raises:
            ServerError: a malformed answer; further the errors of `Session.call`.
        """
        return [product(row) for row in await self._rows(_PRODUCTS)]

    async def reservations(self) -> list[Reserved]:
        """Areas that the organisation has reserved.

        Raises:
            ServerError: a malformed answer; further the errors of `Session.call`.
        """
        return [reserved(row) for row in await self._rows(_RESERVATIONS)]

    async def _rows(self, path: str) -> list[Any]:
        found: list[Any] = []
        page = await self._session.get_json(path, params={"limit": _PAGE})
        for _ in range(_MOST_PAGES):
            rows, following = page_of(page)
            found += rows
            if not following:
                return found
            page = await self._session.get_json(following)
        raise ServerError("Planet's answer is malformed: its list does not end.", hint="Try again later.")


def page_of(document: object) -> tuple[list[Any], str]:
    """The rows of a page, and the link to the next; empty at the end.

    Raises:
        ServerError: the page is malformed.
    """
    page = parse.document_of(document, "a list")
    meta = parse.field(page, "meta", dict, {})
    return parse.field(page, "results", list, []), parse.field(meta, "next", str, "")


def product(document: object) -> Product:
    """One row of `my/products`; an area that is no area, or in other units, is NaN.

    Raises:
        ServerError: the row is malformed.
    """
    row = parse.document_of(document, "a product")
    units = parse.field(row, "quota_units", str, "")
    least = parse.field(row, "area", dict, {})
    return Product(
        id=parse.identifier(row, "a product"),
        name=parse.field(row, "name", str, ""),
        title=parse.field(row, "title", str, ""),
        state=parse.field(row, "state", str, ""),
        resources=tuple(str(name) for name in parse.field(row, "resource_ids", list, [])),
        limit_km2=_km2(row.get("quota_total"), units),
        used_km2=_km2(row.get("quota_used"), units),
        unlimited=parse.field(row, "unlimited_quota", bool, False),
        takes_reservations=parse.field(row, "supports_reservation", bool, False),
        least_km2=_km2(least.get("value"), str(least.get("units", ""))),
        begins_at=parse.moment(row, "term_start_date"),
        ends_at=parse.moment(row, "term_end_date"),
    )


def reserved(document: object) -> Reserved:
    """One reservation; its amount is km² unless the row says other units.

    Raises:
        ServerError: the row is malformed.
    """
    row = parse.document_of(document, "a reservation")
    return Reserved(
        id=parse.identifier(row, "a reservation"),
        area=parse.field(row, "aoi_ref", str, ""),
        product_id=str(row.get("product_id", "")),
        km2=_km2(row.get("amount"), parse.field(row, "quota_units", str, "sqkm")),
        state=parse.field(row, "state", str, ""),
    )


def scenes_quota(rows: Sequence[Product], *, as_of: datetime) -> QuotaInfo | None:
    """What the products say PlanetScope downloads may use; None unless exactly one product tells it."""
    telling = [
        row
        for row in rows
        if row.counts_scenes
        and (row.begins_at is None or row.begins_at <= as_of)
        and (row.ends_at is None or as_of <= row.ends_at)
    ]
    if len(telling) != 1:
        return None
    [one] = telling
    monthly = one.begins_at is not None and one.ends_at is not None and one.ends_at - one.begins_at < _MONTH
    return QuotaInfo(
        limit_km2=one.limit_km2,
        used_km2=one.used_km2,
        interval="monthly" if monthly else "annual",
        resets_at=one.ends_at,
        source="planet",
        as_of=as_of,
        account=f"product:{one.id}",
        plan=one.title or one.name,
    )


def _km2(value: object, units: str) -> float:
    scale = _KM2.get(units.strip().lower())
    if scale is None or isinstance(value, bool) or not isinstance(value, int | float | str):
        return UNKNOWN
    try:
        area = float(value)
    except ValueError:
        return UNKNOWN
    return area * scale if 0 <= area < math.inf else UNKNOWN

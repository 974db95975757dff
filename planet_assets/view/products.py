"""Products and reservations in words, for a terminal."""

from __future__ import annotations

import math

from planet_assets.model.product import Product, Products
from planet_assets.view.units import count, exact_km2, human_time, plain


def products_lines(found: Products) -> str:
    """A line a product: used of what, what is reserved of it, and when its term ends; empty when there is nothing."""
    lines = [f"  {line}" for product in found.products for line in _product(product, found)]
    if found.problem:
        lines.append(f"  Not all could be read: {plain(found.problem)}")
    return "\n".join(["Products:", *lines]) if lines else ""


def _product(product: Product, found: Products) -> list[str]:
    limit = "no limit" if product.unlimited else exact_km2(product.limit_km2)
    ends = f", until {human_time(product.ends_at)}" if product.ends_at else ""
    state = "" if product.state == "active" else f" ({plain(product.state)})"
    lines = [f"{plain(product.name or product.id)}{state}: {exact_km2(product.used_km2)} used of {limit}{ends}"]
    if product.title and product.title != product.name:
        lines.append(f"  {plain(product.title)}")
    if product.takes_reservations:
        areas = sum(row.product_id == product.id for row in found.reserved)
        least = "" if math.isnan(product.least_km2) else f"; an area counts {exact_km2(product.least_km2)} at the least"
        lines.append(f"  {count(areas, 'area')} reserved, {exact_km2(found.reserved_km2(product))}{least}")
    return lines

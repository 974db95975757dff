"""Item types, asset types and product bundles, as far as PlanetScope goes.

Source: bundles spec 2024-08-12 and Planet's asset tables, confirmed; descriptions are ours.
"""

from __future__ import annotations

from typing import Any

ITEM_TYPE = "PSScene"

ASSET_TYPES: dict[str, str] = {
    "ortho_analytic_3b": "Orthorectified top-of-atmosphere radiance, 3 bands",
    "ortho_analytic_4b": "Orthorectified top-of-atmosphere radiance, 4 bands",
    "ortho_analytic_8b": "Orthorectified top-of-atmosphere radiance, 8 bands",
    "ortho_analytic_4b_sr": "Orthorectified surface reflectance, 4 bands",
    "ortho_analytic_8b_sr": "Orthorectified surface reflectance, 8 bands",
    "ortho_analytic_3b_xml": "Metadata of the 3-band product",
    "ortho_analytic_4b_xml": "Metadata of the 4-band product",
    "ortho_analytic_8b_xml": "Metadata of the 8-band product",
    "ortho_udm2": "Usable data mask",
    "ortho_visual": "Colour-corrected picture, red, green, blue and alpha",
    "basic_analytic_4b": "Radiance on the sensor's grid, 4 bands",
    "basic_analytic_8b": "Radiance on the sensor's grid, 8 bands",
    "basic_analytic_4b_xml": "Metadata of the basic 4-band product",
    "basic_analytic_8b_xml": "Metadata of the basic 8-band product",
    "basic_analytic_4b_rpc": "Rational polynomial coefficients",
    "basic_udm2": "Usable data mask on the sensor's grid",
}

_BUNDLES: dict[str, tuple[str, list[str]]] = {
    "analytic_udm2": ("radiance, 4 bands", ["ortho_analytic_4b", "ortho_analytic_4b_xml", "ortho_udm2"]),
    "analytic_3b_udm2": ("radiance, 3 bands", ["ortho_analytic_3b", "ortho_analytic_3b_xml", "ortho_udm2"]),
    "analytic_8b_udm2": ("radiance, 8 bands", ["ortho_analytic_8b", "ortho_analytic_8b_xml", "ortho_udm2"]),
    "analytic_sr_udm2": ("reflectance, 4 bands", ["ortho_analytic_4b_sr", "ortho_analytic_4b_xml", "ortho_udm2"]),
    "analytic_8b_sr_udm2": ("reflectance, 8 bands", ["ortho_analytic_8b_sr", "ortho_analytic_8b_xml", "ortho_udm2"]),
    "visual": ("picture", ["ortho_visual"]),
    "basic_analytic_udm2": (
        "basic radiance, 4 bands",
        ["basic_analytic_4b", "basic_udm2", "basic_analytic_4b_rpc", "basic_analytic_4b_xml"],
    ),
    "basic_analytic_8b_udm2": (
        "basic radiance, 8 bands",
        ["basic_analytic_8b", "basic_udm2", "basic_analytic_4b_rpc", "basic_analytic_8b_xml"],
    ),
}


def bundles_spec() -> dict[str, Any]:
    """The document at /compute/ops/bundles/spec."""
    return {"version": "2024-08-12", "bundles": {name: _bundle(name) for name in _BUNDLES}}


def bundle_assets(name: str) -> list[str] | None:
    """The asset types of a bundle, None when there is no such bundle."""
    found = _BUNDLES.get(name)
    return list(found[1]) if found else None


def _bundle(name: str) -> dict[str, Any]:
    description, assets = _BUNDLES[name]
    return {
        "name": name.replace("_", " "),
        "description": description,
        "bands": next((word for word in ("8", "3") if f"_{word}b" in name), "4"),
        "rectification": "basic" if name.startswith("basic") else "orthorectified",
        "radiometry": "sr" if "_sr" in name else "visual" if name == "visual" else "analytic",
        "fileType": "GeoTIFF",
        "assets": {ITEM_TYPE: assets},
    }


def item_type(base: str) -> dict[str, Any]:
    """The PSScene entry of /item-types."""
    return {
        "_links": {"_self": f"{base}/data/v1/item-types/{ITEM_TYPE}"},
        "id": ITEM_TYPE,
        "display_name": "PlanetScope Scene",
        "display_description": "8-band, 4-band and 3-band PlanetScope imagery, framed as captured",
        "supported_asset_types": list(ASSET_TYPES),
    }


def asset_type(name: str, base: str) -> dict[str, Any]:
    """One entry of /asset-types."""
    return {
        "_links": {"_self": f"{base}/data/v1/asset-types/{name}"},
        "id": name,
        "display_name": name,
        "display_description": ASSET_TYPES[name],
    }

"""The texts beside Planet's images: XML metadata, the RPC file, the description inside surface reflectance."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from string import Template
from typing import Any

import numpy as np
from rasterio.rpc import RPC
from shapely.geometry import Polygon, shape

from .grid import EARTH_M, Grid, unwrapped
from .noise import Array
from .radiometry import RADIANCE_SCALE, coefficients, indices
from .templates import BAND, METADATA

_UNSAID: dict[str, Any] = {
    "instrument": "PSB.SD", "satellite_azimuth": 0.0, "satellite_id": "0000", "strip_id": "0", "sun_azimuth": 180.0,
    "sun_elevation": 45.0, "view_angle": 0.0,
}  # fmt: skip
"""For a saved feature that lacks them."""


def metadata_xml(
    feature: Mapping[str, Any], name: str, bands: tuple[str, ...], grid: Grid, pixel_size_m: float, ortho: bool,
    edition: int,
) -> str:  # fmt: skip
    """The metadata of an analytic image, with the coefficients from its numbers to reflectance, band by band."""
    properties = {**_UNSAID, **feature["properties"]}
    acquired = datetime.fromisoformat(properties["acquired"])
    factors = coefficients(indices(bands), feature["properties"])
    footprint = unwrapped(shape(feature["geometry"]))
    ring = footprint.exterior.coords if isinstance(footprint, Polygon) else footprint.convex_hull.exterior.coords
    west, south, east, north = footprint.bounds
    zone = f"{(grid.epsg or 0) % 100}{'N' if (grid.epsg or 0) < 32700 else 'S'}"
    stem = name.removesuffix("_metadata.xml")
    return Template(METADATA).substitute(
        level="geocorrected_level" if ortho else "basic",
        identifier=stem,
        product_type="L3B" if ortho else "L1B",
        time=f"{acquired:%Y-%m-%dT%H:%M:%S}+00:00",
        strip=properties["strip_id"],
        version=f"4.1.{4 + edition}",
        satellite=properties["satellite_id"],
        instrument=properties["instrument"],
        resolution=f"{pixel_size_m:.4f}",
        incidence=f"{1.093 * properties['view_angle']:e}",
        sun_azimuth=f"{properties['sun_azimuth']:e}",
        sun_elevation=f"{properties['sun_elevation']:e}",
        azimuth=f"{properties['satellite_azimuth']:e}",
        view_angle=f"{properties['view_angle']:e}",
        ring=" ".join(f"{lon:.13f} {lat:.13f}" for lon, lat in ring),
        centre=f"{footprint.centroid.x:.10f} {footprint.centroid.y:.10f}",
        west=f"{west:.10f}", south=f"{south:.10f}", east=f"{east:.10f}", north=f"{north:.10f}",
        epsg=grid.epsg or "NA",
        projection=f"WGS 84 / UTM zone {zone}" if grid.epsg else "NA",
        rows=grid.rows,
        columns=grid.columns,
        count=len(bands),
        gsd=f"{pixel_size_m:.1f}",
        cloud=f"{100 * float(properties.get('cloud_cover') or 0):.1f}",
        bands="\n".join(
            Template(BAND).substitute(number=number, scale=RADIANCE_SCALE, coefficient=repr(float(factor)))
            for number, factor in enumerate(factors, 1)
        ),
    )  # fmt: skip


def rational_model(grid: Grid) -> RPC:
    """Rational polynomials from lon, lat to line, sample of a sensor's grid; heights have no part: it is flat.

    Low terms of the standard order (1, L, P, H, LP, ...) fit to a fraction of a pixel; 0 is a pixel's middle.
    """
    height, width = grid.nodes_x.shape
    lines, samples = np.meshgrid(
        np.linspace(0, grid.rows, height) - 0.5, np.linspace(0, grid.columns, width) - 0.5, indexing="ij"
    )  # fmt: skip
    lon = np.degrees(grid.nodes_x / EARTH_M)
    lat = np.degrees(np.arctan(np.sinh(grid.nodes_y / EARTH_M)))
    offsets = [float((a.min() + a.max()) / 2) for a in (lon, lat, lines, samples)]
    scales = [max(float(np.ptp(a)) / 2, 1e-9) for a in (lon, lat, lines, samples)]
    norm = [(a.ravel() - o) / s for a, o, s in zip((lon, lat, lines, samples), offsets, scales, strict=True)]
    longitude, latitude, line, sample = norm
    zero = np.zeros_like(longitude)
    terms = np.column_stack(
        [zero + 1, longitude, latitude, zero, longitude * latitude, zero, zero, longitude**2, latitude**2]
    )  # fmt: skip

    def fit(target: Array) -> list[float]:
        return [float(c) for c in np.linalg.lstsq(terms, target, rcond=None)[0]] + [0.0] * 11

    one = [1.0] + [0.0] * 19
    return RPC(
        height_off=0.0, height_scale=500.0, lat_off=offsets[1], lat_scale=scales[1], long_off=offsets[0],
        long_scale=scales[0], line_off=offsets[2], line_scale=scales[2], samp_off=offsets[3], samp_scale=scales[3],
        line_num_coeff=fit(line), line_den_coeff=one, samp_num_coeff=fit(sample), samp_den_coeff=one, err_bias=0.0,
        err_rand=0.0,
    )  # fmt: skip


def rpc_text(model: RPC, edition: int) -> str:
    """The model as an RPC00B text file, one "KEY: value" on each line; a later edition knows its place better."""
    lines = [f"ERR_BIAS: {1 / (1 + edition):.6f}", "ERR_RAND: 0.000000"]
    lines += [
        f"{name}: {getattr(model, attribute):+.12f}"
        for name, attribute in (
            ("LINE_OFF", "line_off"), ("SAMP_OFF", "samp_off"), ("LAT_OFF", "lat_off"), ("LONG_OFF", "long_off"),
            ("HEIGHT_OFF", "height_off"), ("LINE_SCALE", "line_scale"), ("SAMP_SCALE", "samp_scale"),
            ("LAT_SCALE", "lat_scale"), ("LONG_SCALE", "long_scale"), ("HEIGHT_SCALE", "height_scale"),
        )
    ]  # fmt: skip
    for name in ("line_num", "line_den", "samp_num", "samp_den"):
        values = getattr(model, f"{name}_coeff")
        lines += [f"{name.upper()}_COEFF_{index}: {value:+.15e}" for index, value in enumerate(values, 1)]
    return "\n".join(lines) + "\n"


def sr_description(sun_azimuth: float, sun_elevation: float) -> dict[str, Any]:
    """What Planet writes into TIFFTAG_IMAGEDESCRIPTION of surface reflectance, with the sandbox's own atmosphere."""
    return {
        "atmospheric_correction": {
            "aerosol_model": "continental", "aot_coverage": 1.0, "aot_mean_quality": 1, "aot_method": "map",
            "aot_source": "mod09cma_nrt", "aot_status": "Data Found", "aot_std": 0.02, "aot_used": 0.07,
            "atmospheric_correction_algorithm": "6Sv2.1", "atmospheric_model": "water_vapor_and_ozone",
            "luts_version": 3, "ozone_coverage": 1.0, "ozone_mean_quality": 260, "ozone_method": "fixed",
            "ozone_source": "mod09cmg_nrt", "ozone_status": "Data Found", "ozone_std": 0.0, "ozone_used": 0.27,
            "satellite_azimuth_angle": 0, "satellite_zenith_angle": 0, "solar_azimuth_angle": round(sun_azimuth, 4),
            "solar_zenith_angle": round(90 - sun_elevation, 4), "sr_version": "2.1", "water_vapor_coverage": 1.0,
            "water_vapor_mean_quality": 1, "water_vapor_method": "fixed", "water_vapor_source": "mod09cma_nrt",
            "water_vapor_status": "Data Found", "water_vapor_std": 0.1, "water_vapor_used": 1.7,
        }
    }  # fmt: skip

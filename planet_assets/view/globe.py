"""A small globe, turned so that a place faces the reader: where on Earth a region of interest lies.

Land is Natural Earth 1:110m (public domain), united and simplified, beside this file. The projection is orthographic
(Snyder 1987, chapter 20). Land is cut at the horizon in the azimuthal equidistant plane, where the visible half is a
disc and where a polygon around the antipode turns inside out, which is put right there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Point, Polygon, shape
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

FAR_RAD = math.pi * 0.999
HORIZON_RAD = math.pi / 2
STEP_DEG = 3.0  # edges are followed in steps of this length, so that they bend with the globe


def globe_svg(centre: Point, land: Mapping[str, Any] | None, *, x: float, y: float, radius_px: float) -> str:
    """An SVG group: the globe around (x, y) in pixels, with a mark at `centre` (lon/lat degrees).

    Args:
        centre: The place that faces the reader.
        land: GeoJSON FeatureCollection of polygons; None for Natural Earth.
        x: Middle of the globe, px to the right.
        y: Middle of the globe, px down.
        radius_px: Its radius in px.
    """
    turned = centre.x, max(-60.0, min(60.0, centre.y * 0.8))  # a little off the middle looks like a globe, not a target
    polygons = _natural_earth() if land is None else _polygons(land)
    paths = "".join(_path(part, x, y, radius_px) for polygon in polygons for part in _visible(polygon, turned))
    (angle,), (azimuth,) = _polar(np.array([[centre.x, centre.y]]), turned)
    mark_x, mark_y = _pixel(angle, azimuth, x, y, radius_px)
    circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius_px:.1f}"'
    dot = f'cx="{mark_x:.1f}" cy="{mark_y:.1f}"'
    return (
        f'<g>{circle} fill="#3b82c4" fill-opacity="0.16"/>'
        f'<path d="{paths}" fill="currentColor" fill-opacity="0.34" fill-rule="evenodd"/>'
        f'{circle} fill="none" stroke="currentColor" stroke-opacity="0.45"/>'
        f'<circle {dot} r="6" fill="#e4572e" fill-opacity="0.3"/><circle {dot} r="2.6" fill="#e4572e"/></g>'
    )


@cache
def _natural_earth() -> tuple[Polygon, ...]:
    text = files("planet_assets.view").joinpath("ne110.geojson").read_text(encoding="utf-8")
    return _polygons(json.loads(text))


def _polygons(land: Mapping[str, Any]) -> tuple[Polygon, ...]:
    shapes = [shape(feature["geometry"]) for feature in land.get("features", []) if feature.get("geometry")]
    return tuple(part for one in shapes for part in getattr(one, "geoms", [one]) if isinstance(part, Polygon))


def _visible(polygon: Polygon, centre: tuple[float, float]) -> list[Polygon]:
    """The parts of a polygon on the facing half, in the azimuthal equidistant plane (radians)."""
    flat = shapely.transform(shapely.segmentize(polygon, STEP_DEG), lambda lonlat: _plane(lonlat, centre))
    antipode = Point((centre[0] + 360) % 360 - 180, -centre[1])
    around: BaseGeometry = shapely.make_valid(flat)
    if polygon.contains(antipode):
        holes = [Polygon(ring) for ring in flat.interiors]
        outside = shapely.make_valid(Polygon(flat.exterior))
        around = unary_union([Point(0, 0).buffer(FAR_RAD).difference(outside)]).difference(unary_union(holes))
    seen = around.intersection(Point(0, 0).buffer(HORIZON_RAD, quad_segs=32))
    return [part for part in getattr(seen, "geoms", [seen]) if isinstance(part, Polygon) and part.area > 1e-4]


def _plane(lonlat: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    angle, azimuth = _polar(lonlat, centre)
    return np.column_stack([angle * np.sin(azimuth), angle * np.cos(azimuth)])


def _polar(lonlat: np.ndarray, centre: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Angular distance from the centre and azimuth, in radians, on the sphere."""
    lon, lat = np.radians(lonlat[:, 0]), np.radians(lonlat[:, 1])
    lon0, lat0 = math.radians(centre[0]), math.radians(centre[1])
    east = np.cos(lat) * np.sin(lon - lon0)
    north = math.cos(lat0) * np.sin(lat) - math.sin(lat0) * np.cos(lat) * np.cos(lon - lon0)
    up = math.sin(lat0) * np.sin(lat) + math.cos(lat0) * np.cos(lat) * np.cos(lon - lon0)
    return np.arctan2(np.hypot(east, north), up), np.arctan2(east, north)


def _pixel(angle: float, azimuth: float, x: float, y: float, radius_px: float) -> tuple[float, float]:
    away = radius_px * math.sin(min(angle, HORIZON_RAD))
    return x + away * math.sin(azimuth), y - away * math.cos(azimuth)


def _path(part: Polygon, x: float, y: float, radius_px: float) -> str:
    commands = []
    for ring in (part.exterior, *part.interiors):
        flat = shapely.get_coordinates(ring)
        angle, azimuth = np.hypot(flat[:, 0], flat[:, 1]), np.arctan2(flat[:, 0], flat[:, 1])
        away = radius_px * np.sin(np.minimum(angle, HORIZON_RAD))
        points = np.column_stack([x + away * np.sin(azimuth), y - away * np.cos(azimuth)])
        kept = shapely.get_coordinates(shapely.LineString(points).simplify(0.35))
        if len(kept) > 3:
            commands.append("M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in kept[:-1]) + "Z")
    return "".join(commands)

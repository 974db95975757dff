"""Regions of interest and footprints: reading them, refusing what cannot be meant. All lon/lat degrees, EPSG:4326."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon, box, shape
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union
from shapely.validation import explain_validity

from planet_assets.exceptions import Misused

RoiLike: TypeAlias = BaseGeometry | Mapping[str, Any] | str
"""shapely geometry, GeoJSON (geometry, Feature or FeatureCollection), or WKT / GeoJSON text."""

_WORLD = box(-180, -90, 180, 90)


def as_roi(value: RoiLike, *, what: str = "the ROI") -> BaseGeometry:
    """A region of interest as a valid Polygon or MultiPolygon within -180..180, -90..90.

    A ring that runs over the antimeridian (longitudes beyond 180, or a jump of more than 180 degrees) is split there.

    Raises:
        Misused: empty, not an area, self-crossing, or coordinates that are not lon/lat degrees.
    """
    geometry = _parse(value, what)
    if geometry.is_empty:
        raise Misused(f"{what} is empty.", hint="Give a polygon with an area.", argument="roi")
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        raise Misused(
            f"{what} is a {geometry.geom_type}, which has no area.",
            hint="Give a Polygon or MultiPolygon, for example by buffering it.",
            argument="roi",
        )
    geometry = shapely.force_2d(geometry)
    _check_degrees(geometry, what)
    geometry = on_the_globe(geometry)
    if not geometry.is_valid:
        raise Misused(
            f"{what} is not a valid polygon: {explain_validity(geometry)}.",
            hint="Mend it, for example with shapely.make_valid, and look at the result.",
            argument="roi",
        )
    if geometry.area == 0:
        raise Misused(f"{what} has no area.", argument="roi")
    return geometry


def polygon_from_geojson(geometry: Mapping[str, Any], *, what: str) -> BaseGeometry:
    """A footprint from Planet's GeoJSON; small flaws of its ring are mended, since nobody can ask Planet to.

    Raises:
        Misused: it is no polygon or has no area.
    """
    plain = _plain_ring(geometry)
    if plain is not None:
        return plain
    try:
        polygon = shapely.force_2d(shape(geometry))
    except (ValueError, TypeError, KeyError, AttributeError, shapely.errors.ShapelyError) as error:
        raise Misused(f"{what} cannot be read: {error}.", argument="scenes") from None
    if polygon.geom_type not in ("Polygon", "MultiPolygon") or polygon.is_empty:
        raise Misused(f"{what} is no polygon ({polygon.geom_type}).", argument="scenes")
    if not np.isfinite(shapely.get_coordinates(polygon)).all():
        raise Misused(f"{what} has coordinates that are not numbers.", argument="scenes")
    polygon = on_the_globe(polygon)
    return polygon if polygon.is_valid else only_areas(shapely.make_valid(polygon))


def _plain_ring(geometry: Mapping[str, Any]) -> BaseGeometry | None:
    """The polygon of one sound ring that stays clear of the antimeridian, as nearly all footprints are; else None."""
    rings = geometry.get("coordinates") if isinstance(geometry, Mapping) else None
    if not isinstance(rings, list | tuple) or len(rings) != 1 or geometry.get("type") != "Polygon":
        return None
    try:
        ring = np.asarray(rings[0], dtype=float)
    except (ValueError, TypeError):
        return None
    if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 4 or (ring[0] != ring[-1]).any():
        return None
    low, high = ring[:, 0].min(), ring[:, 0].max()
    if not (low >= -180 and high <= 180 and high - low <= 180 and np.isfinite(ring[:, 1]).all()):
        return None
    polygon: BaseGeometry = shapely.polygons(ring)
    return polygon if shapely.is_valid(polygon) else None


def swapped(geometry: BaseGeometry) -> BaseGeometry:
    """The same shape with x and y exchanged: what was meant when latitude was written first."""
    return shapely.transform(geometry, lambda points: points[:, ::-1])


def only_areas(geometry: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry, lines and points dropped."""
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    parts = [part for part in getattr(geometry, "geoms", []) if part.geom_type in ("Polygon", "MultiPolygon")]
    return unary_union(parts) if parts else Polygon()


def on_the_globe(geometry: BaseGeometry) -> BaseGeometry:
    """The same ground with longitudes in -180..180: rings over the antimeridian are split, rings round a pole closed.

    A ring is unrolled first: a step of more than 180 degrees of longitude means that it went the short way round.
    """
    coordinates = shapely.get_coordinates(geometry)
    jumps = np.abs(np.diff(coordinates[:, 0])).max(initial=0) > 180
    beyond = coordinates[:, 0].max() > 180 or coordinates[:, 0].min() < -180
    if not jumps and not beyond:
        return geometry
    parts = geometry.geoms if isinstance(geometry, MultiPolygon) else [geometry]
    return unary_union([_wrapped(_unrolled(part)) for part in parts])


def to_geojson(geometry: BaseGeometry) -> dict[str, Any]:
    """The geometry as a GeoJSON mapping."""
    document: dict[str, Any] = json.loads(shapely.to_geojson(geometry))
    return document


def _parse(value: RoiLike, what: str) -> BaseGeometry:
    if isinstance(value, BaseGeometry):
        return value
    if isinstance(value, str):
        return _from_text(value, what)
    if isinstance(value, Mapping):
        return _from_mapping(value, what)
    raise Misused(
        f"{what} is a {type(value).__name__}.",
        hint="Give a shapely geometry, GeoJSON, WKT or the path of a vector file.",
        argument="roi",
    )


def _from_text(text: str, what: str) -> BaseGeometry:
    text = text.strip()
    try:
        return _from_mapping(json.loads(text), what) if text.startswith("{") else shapely.from_wkt(text)
    except (json.JSONDecodeError, shapely.errors.ShapelyError) as error:
        raise Misused(f"{what} is neither WKT nor GeoJSON: {error}", argument="roi") from None


def _from_mapping(document: Mapping[str, Any], what: str) -> BaseGeometry:
    _refuse_other_crs(document, what)
    kind = document.get("type")
    try:
        if kind == "FeatureCollection":
            return unary_union([shape(feature["geometry"]) for feature in document["features"]])
        if kind == "Feature":
            return shape(document["geometry"])
        return shape(document)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
        raise Misused(f"{what} is not readable GeoJSON: {error!r}.", argument="roi") from None


def _refuse_other_crs(document: Mapping[str, Any], what: str) -> None:
    """GeoJSON is lon/lat (RFC 7946); older files may still name another CRS, which must not be read as degrees."""
    crs = document.get("crs")
    name = str((crs.get("properties") or {}).get("name", "")) if isinstance(crs, Mapping) else ""
    if name and not name.upper().endswith(("CRS84", "EPSG::4326", "EPSG:4326")):
        raise Misused(
            f"{what} is given in {name}, not in lon/lat.", hint="Reproject it to EPSG:4326 first.", argument="roi"
        )


def _check_degrees(geometry: BaseGeometry, what: str) -> None:
    west, south, east, north = geometry.bounds
    if not np.isfinite([west, south, east, north]).all():
        raise Misused(f"{what} has coordinates that are not numbers.", argument="roi")
    if max(abs(south), abs(north)) > 90:
        swapped = max(abs(west), abs(east)) <= 90 and max(abs(south), abs(north)) <= 180
        hint = (
            "Latitude and longitude look swapped: GeoJSON and shapely want (lon, lat)."
            if swapped
            else "Reproject it to lon/lat degrees (EPSG:4326) first."
        )
        raise Misused(f"{what} reaches latitude {north:g}, beyond 90.", hint=hint, argument="roi")
    if west < -360 or east > 360 or east - west > 360:
        raise Misused(
            f"{what} spans longitudes {west:g} to {east:g}.",
            hint="Give lon/lat degrees; over the antimeridian use two polygons or longitudes just beyond 180.",
            argument="roi",
        )


def _unrolled(polygon: Polygon) -> Polygon:
    shell = _unrolled_ring(np.asarray(polygon.exterior.coords))
    centre = shell[:, 0].mean()
    holes = [_near(_unrolled_ring(np.asarray(hole.coords)), centre) for hole in polygon.interiors]
    return Polygon(shell, holes)


def _unrolled_ring(ring: np.ndarray) -> np.ndarray:
    steps = np.diff(ring[:, 0])
    steps -= 360 * np.round(steps / 360)
    longitudes = ring[0, 0] + np.concatenate([[0.0], np.cumsum(steps)])
    unrolled = np.column_stack([longitudes, ring[:, 1]])
    if abs(longitudes[-1] - longitudes[0]) < 180:
        return unrolled
    pole = 90.0 if ring[:, 1].mean() > 0 else -90.0  # the ring went once round: it holds a pole
    return np.vstack([unrolled, [longitudes[-1], pole], [longitudes[0], pole], unrolled[:1]])


def _near(ring: np.ndarray, longitude: float) -> np.ndarray:
    shift = 360 * np.round((longitude - ring[:, 0].mean()) / 360)
    return np.column_stack([ring[:, 0] + shift, ring[:, 1]])


def _wrapped(polygon: Polygon) -> BaseGeometry:
    mended = polygon if polygon.is_valid else shapely.make_valid(polygon)
    turns = range(int((polygon.bounds[0] + 180) // 360), int((polygon.bounds[2] + 180) // 360) + 1)
    pieces = [
        shapely.transform(mended, lambda xy, turn=turn: xy - [360.0 * turn, 0.0]).intersection(_WORLD) for turn in turns
    ]
    return only_areas(unary_union(pieces))

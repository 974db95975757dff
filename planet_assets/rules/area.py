"""Areas on the ground, km² on WGS84, of geometries in lon/lat degrees that are already split at the antimeridian.

Two ways to the same figure. `geodesic_km2` asks pyproj.Geod (Karney 2013) and is the truth. `areas_km2` maps latitudes
to the authalic sphere, which keeps areas (Snyder 1987, equations 3-11 and 3-12), and sums the spherical excess below
each edge (Karney 2022, "Geodesic intersections and areas"). They differ only in that an edge is a great circle of the
sphere there: below 1e-7 of the area for edges up to half a degree, and longer ones go to pyproj.Geod.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from pyproj import Geod
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import Misused
from planet_assets.model.geometry import on_the_globe, only_areas

GEOD = Geod(ellps="WGS84")
ECCENTRICITY = math.sqrt(GEOD.es)
GLOBE_KM2 = 510_065_621.724
LONG_EDGE_DEG = 0.5
"""Polygons with a longer edge (degrees on the ground) go to pyproj.Geod: great circles are no longer close enough."""
STRAIGHT_DEG = 0.02
"""Edges are straight in lon/lat; followed in steps this long they stray less than 5 cm on the ground (latitude 60)."""
STRAIGHT_M = 2000.0
"""The same for edges in a plane of metres."""
CHUNK = 64
"""Footprints that are united before looking whether the ROI is covered."""
PIECE = 100
"""Edges of a boundary that share one plane: at most 2 degrees, where distances are true to 0.01 %."""
FARTHEST_M = 1_000_000.0
"""A wider buffer is a slip of units."""


def geodesic_km2(geometry: BaseGeometry) -> float:
    """The area of a Polygon or MultiPolygon, holes taken off; its edges are geodesics, as pyproj.Geod counts them.

    An edge of 180 degrees of longitude or more, as a closed pole has, follows its parallel instead: there the geodesic
    goes the other way round.
    """
    return float(sum(_geodesic_km2(polygon) for polygon in _polygons(geometry)[0]))


def areas_km2(geometries: np.ndarray | Sequence[BaseGeometry]) -> np.ndarray:
    """The areas of many geometries at once, km²; what is not a polygon counts nothing.

    Args:
        geometries: any length n, lon/lat.

    Returns:
        Shape (n,), within 1e-7 of `geodesic_km2`.
    """
    polygons, owner = _polygons(geometries)
    totals = np.zeros(len(geometries))
    if not len(polygons):
        return totals
    if shapely.get_num_interior_rings(polygons).any():
        rings, polygon_of = shapely.get_rings(polygons, return_index=True)
    else:
        rings, polygon_of = polygons, np.arange(len(polygons))  # a polygon without holes is its ring
    km2, longest = _rings_km2(rings)
    is_shell = np.diff(polygon_of, prepend=-1) > 0  # the first ring of each polygon
    sums = np.bincount(polygon_of, weights=np.where(is_shell, km2, -km2), minlength=len(polygons))
    longest_of = np.maximum.reduceat(longest, np.flatnonzero(is_shell))
    for index in np.flatnonzero(longest_of > LONG_EDGE_DEG):
        sums[index] = _geodesic_km2(polygons[index])
    np.add.at(totals, owner, sums)
    return totals


def overlap_km2(footprints: np.ndarray | Sequence[BaseGeometry], roi: BaseGeometry) -> np.ndarray:
    """How much of each footprint lies in the ROI, km²; 0 outside.

    Args:
        footprints: any length n, lon/lat.
        roi: Polygon or MultiPolygon, lon/lat.

    Returns:
        Shape (n,).
    """
    shapes = np.asarray(footprints, dtype=object)
    totals = np.zeros(len(shapes))
    shapely.prepare(roi)
    near = np.flatnonzero(shapely.intersects(roi, shapes))
    whole = shapely.covers(roi, shapes[near])
    totals[near[whole]] = areas_km2(shapes[near[whole]])
    cut = near[~whole]
    totals[cut] = areas_km2(shapely.intersection(shapes[cut], roi))
    return totals


def union_km2(geometries: np.ndarray | Sequence[BaseGeometry], within: BaseGeometry | None = None) -> float:
    """The ground covered by any of the geometries, km², each place counted once.

    Args:
        geometries: lon/lat polygons.
        within: counts only inside this ROI, and stops reading as soon as it is covered.
    """
    shapes = np.asarray(geometries, dtype=object)
    if within is None:
        return geodesic_km2(shapely.union_all(shapes))
    open_ground = within
    for start in range(0, len(shapes), CHUNK):
        shapely.prepare(open_ground)
        chunk = shapes[start : start + CHUNK]
        open_ground = open_ground.difference(shapely.union_all(chunk[shapely.intersects(open_ground, chunk)]))
        if open_ground.is_empty:
            break
    return geodesic_km2(within) - geodesic_km2(open_ground)


def uneven_km2(geometry: BaseGeometry, cut_by: BaseGeometry) -> float:
    """By how much the pieces of a geometry that was cut may differ from it in sum, km², at the most.

    Edges are geodesics, but corners that a cut puts on an edge lie on the straight line in lon/lat. What lies between
    the two is summed over the edges that the other's boundary meets, those that lie on it included.
    """
    total = 0.0
    for polygon in _polygons(geometry)[0]:
        for ring in (polygon.exterior, *polygon.interiors):
            ends = shapely.get_coordinates(ring)
            edges = shapely.linestrings(np.stack([ends[:-1], ends[1:]], axis=1))
            cut = edges[shapely.intersects(edges, cut_by.boundary)]
            points = (shapely.get_coordinates(edge) for edge in shapely.segmentize(cut, STRAIGHT_DEG))
            total += sum(abs(GEOD.polygon_area_perimeter(one[:, 0], one[:, 1])[0]) for one in points) / 1e6
    return float(total)


def buffered(roi: BaseGeometry, metres: float) -> BaseGeometry:
    """The ROI grown by metres on the ground all round, or shrunk when negative; lon/lat, on the globe.

    The boundary is thickened piece by piece, each in an azimuthal equidistant plane of its own, and added or taken off:
    so distances hold for a ROI of any size, over the antimeridian and at the poles.

    Raises:
        Misused: nothing is left, or the distance is no sensible number.
    """
    if not math.isfinite(metres) or abs(metres) > FARTHEST_M:
        raise Misused(
            f"A buffer of {metres:g} m is not sensible.", hint="Give metres on the ground.", argument="buffer_m"
        )
    if metres == 0:
        return roi
    lines = shapely.get_parts(shapely.line_merge(_true_boundary(roi)))
    pieces = [piece for line in lines for piece in _pieces(line)]
    rim = shapely.union_all([_thickened(piece, abs(metres)) for piece in pieces])
    result = only_areas(roi.union(rim) if metres > 0 else roi.difference(rim))
    if result.is_empty or result.area == 0:
        raise Misused(
            f"Nothing is left of the ROI when it shrinks by {-metres:g} m.", hint="Shrink it less.", argument="buffer_m"
        )
    return result


def _polygons(geometries: Any) -> tuple[np.ndarray, np.ndarray]:
    """All polygons of the geometries, and the index of the geometry that each belongs to."""
    shapes = np.atleast_1d(np.asarray(geometries, dtype=object))
    if _are_polygons(shapes).all():
        return shapes, np.arange(len(shapes))
    parts, owner = shapely.get_parts(shapes, return_index=True)
    nested, outer = shapely.get_parts(parts, return_index=True)  # a collection may hold multipolygons
    polygonal = _are_polygons(nested)
    return nested[polygonal], owner[outer][polygonal]


def _are_polygons(shapes: np.ndarray) -> np.ndarray:
    polygonal: np.ndarray = (shapely.get_type_id(shapes) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(shapes)
    return polygonal


def _geodesic_km2(polygon: shapely.Polygon) -> float:
    shell, *holes = (_ring_km2(ring) for ring in (polygon.exterior, *polygon.interiors))
    return float(shell - sum(holes))


def _ring_km2(ring: BaseGeometry) -> float:
    coordinates = shapely.get_coordinates(ring)
    far = np.abs(np.diff(coordinates[:, 0])) >= 180
    if far.any():
        edges = zip(coordinates[:-1], coordinates[1:], far, strict=True)
        steps = [np.linspace(start, end, 3600 if is_far else 1, endpoint=False) for start, end, is_far in edges]
        coordinates = np.vstack([*steps, coordinates[-1:]])
    area_m2, _ = GEOD.polygon_area_perimeter(coordinates[:, 0], coordinates[:, 1])
    km2 = abs(float(area_m2)) / 1e6
    if np.ptp(coordinates[:, 0]) < 180:
        return km2
    # Geod knows areas modulo the globe only, so beyond one half of it the sphere tells which side is meant.
    about = _rings_km2(np.array([shapely.linearrings(coordinates)]))[0][0]
    return min((km2, GLOBE_KM2 - km2), key=lambda side: abs(side - about))


def _rings_km2(rings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas of rings (km²) by spherical excess on the authalic sphere, their longest edges in degrees on the ground."""
    coordinates, ring_of = shapely.get_coordinates(rings, return_index=True)
    steps = np.diff(coordinates, axis=0)
    t, radius2_km2 = _half_authalic_tangent(coordinates[:, 1])
    excess = 2 * np.arctan2(np.tan(np.radians(steps[:, 0]) / 2) * (t[:-1] + t[1:]), 1 + t[:-1] * t[1:])
    same = ring_of[:-1] == ring_of[1:]
    edges_of = ring_of[:-1][same]
    eastward = np.abs(steps[same, 0]) * np.cos(np.radians(coordinates[:-1, 1][same]))
    first_edges = np.flatnonzero(np.diff(edges_of, prepend=-1))
    longest = np.maximum.reduceat(np.maximum(eastward, np.abs(steps[same, 1])), first_edges)
    return np.abs(np.bincount(edges_of, weights=excess[same], minlength=len(rings))) * radius2_km2, longest


def _half_authalic_tangent(latitudes: np.ndarray) -> tuple[np.ndarray, float]:
    """tan(β/2) of the authalic latitude β, and the squared radius of the authalic sphere, km²."""
    q, q_pole = _q(np.sin(np.radians(latitudes))), float(_q(np.float64(1.0)))
    sine = np.clip(q / q_pole, -1.0, 1.0)
    return sine / (1 + np.sqrt((1 - sine) * (1 + sine))), GEOD.a**2 * q_pole / 2 / 1e6


def _q(sine: Any) -> Any:
    """Snyder's q, equation 3-12, in the form that has no difference of near-equal numbers."""
    e, es = ECCENTRICITY, GEOD.es
    return (1 - es) * (sine / (1 - es * sine * sine) + np.arctanh(e * sine) / e)


def _true_boundary(roi: BaseGeometry) -> BaseGeometry:
    """The boundary without the seams that exist only on the map: shared parts of the antimeridian, and the poles."""
    boundary = roi.boundary
    west, south, east, north = roi.bounds
    if west == -180 and east == 180:
        left, right = (boundary.intersection(shapely.LineString([(lon, -90), (lon, 90)])) for lon in (-180, 180))
        seam = translate(left, xoff=360).intersection(right)
        boundary = boundary - seam - translate(seam, xoff=-360)
    for pole in {south, north} & {-90.0, 90.0}:
        boundary = boundary - shapely.LineString([(-180, pole), (180, pole)])
    return boundary


def _pieces(line: BaseGeometry) -> list[np.ndarray]:
    """A line cut into runs of short edges, each (n, 2) lon/lat, joined at their ends."""
    coordinates = shapely.get_coordinates(shapely.segmentize(line, STRAIGHT_DEG))
    return [coordinates[start : start + PIECE + 1] for start in range(0, len(coordinates) - 1, PIECE)]


def _thickened(piece: np.ndarray, metres: float) -> BaseGeometry:
    """All ground within metres of a line, lon/lat, by the azimuthal equidistant plane around its middle vertex."""
    middle = piece[len(piece) // 2]
    azimuth, _, away = GEOD.inv(*_repeated(middle, len(piece)), piece[:, 0], piece[:, 1])
    turned = np.radians(azimuth)
    line = shapely.LineString(np.column_stack([away * np.sin(turned), away * np.cos(turned)]))

    def on_the_ground(xy: np.ndarray) -> np.ndarray:
        azimuth = np.degrees(np.arctan2(xy[:, 0], xy[:, 1]))
        lon, lat, _ = GEOD.fwd(*_repeated(middle, len(xy)), azimuth, np.hypot(xy[:, 0], xy[:, 1]))
        return np.column_stack([lon, lat])

    around = shapely.segmentize(line.buffer(metres), STRAIGHT_M)
    return only_areas(shapely.make_valid(on_the_globe(shapely.transform(around, on_the_ground))))


def _repeated(lonlat: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(count, lonlat[0]), np.full(count, lonlat[1])

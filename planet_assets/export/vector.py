"""Vector files: regions of interest read from what people have, GeoJSON written for what others read."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from planet_assets.exceptions import DiskProblem, Misused
from planet_assets.model.geometry import RoiLike, as_roi, only_areas, to_geojson
from planet_assets.model.item import Feature, Item


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file must be, before and after GDAL opens it: a name alone could lead it to any of its drivers."""

    begins: bytes
    """Bytes within the first kilobytes; at the very start unless `anywhere`."""
    drivers: tuple[str, ...]
    """GDAL drivers that may answer."""
    anywhere: bool = False
    """True for text formats with a preamble."""


KINDS = {
    ".gpkg": Kind(b"SQLite format 3\0", ("GPKG",)),
    ".shp": Kind(b"\0\0\x27\x0a", ("ESRI Shapefile",)),
    ".kml": Kind(b"<kml", ("KML", "LIBKML"), anywhere=True),
    ".fgb": Kind(b"fgb", ("FlatGeobuf",)),
}
"""File endings that GDAL reads for us."""

PLAIN_LON_LAT = ("CRS84", "EPSG::4326", "EPSG:4326")
EDGE_PIECES = 32  # a straight edge in another CRS bends in lon/lat: it is followed by this many pieces at the most


def roi_of(value: RoiLike | Path) -> BaseGeometry:
    """A region of interest from whatever describes one: a geometry, GeoJSON, WKT, or the path of a vector file.

    Raises:
        Misused: it describes no area on the globe.
    """
    if isinstance(value, Path):
        return read_roi(value)
    if isinstance(value, str) and Path(value.strip()).suffix.lower() in (".geojson", ".json", ".wkt", *KINDS):
        return read_roi(value.strip())
    return as_roi(value)


def read_roi(path: str | os.PathLike[str], *, layer: str | None = None) -> BaseGeometry:
    """The areas of a vector file, united, in lon/lat degrees.

    GeoJSON and WKT need nothing else; GeoPackage, Shapefile, KML and FlatGeobuf need the extra `vector`. A file in
    another CRS is reprojected by what it says of its CRS.

    Args:
        path: The file.
        layer: The layer to read; needed when a GeoPackage has several and none is called roi.

    Raises:
        Misused: missing, unreadable, empty, without an area, or in no CRS that is known.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise _misused(f"The ROI file {file} {what}.", "Give the path of a vector file.")
    ending = file.suffix.lower()
    if ending in (".geojson", ".json"):
        return _united(*_geojson_parts(file), file)
    if ending == ".wkt":
        return as_roi(_text_of(file), what=f"the ROI in {file.name}")
    if ending in KINDS:
        return _united(*_ogr_parts(file, layer), file)
    known = ", ".join((".geojson", ".json", ".wkt", *KINDS))
    raise _misused(f"The ROI file {file.name} is of no kind that is known here.", f"These are: {known}.")


def write_geojson(features: Iterable[Feature | Item], path: str | os.PathLike[str]) -> Path:
    """Write scenes as a GeoJSON FeatureCollection; the file appears whole or not at all, and replaces an older one.

    Raises:
        DiskProblem: the folder cannot be written.
    """
    target = Path(path).expanduser()
    document = {"type": "FeatureCollection", "features": [_strict(feature_of(scene)) for scene in features]}
    with written_whole(target) as part:
        part.write_text(json.dumps(document, ensure_ascii=False, allow_nan=False, default=str), encoding="utf-8")
    return target


def feature_of(scene: Feature | Item) -> Mapping[str, Any]:
    """A scene as the GeoJSON feature Planet would send."""
    if not isinstance(scene, Item):
        return scene
    return {
        "type": "Feature",
        "id": scene.id,
        "geometry": to_geojson(scene.footprint),
        "properties": {"item_type": scene.item_type, "acquired": scene.acquired.isoformat(), **scene.properties},
        "assets": list(scene.assets),
    }


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to; it takes the target's name when all went well and is removed when not.

    Raises:
        DiskProblem: the folder cannot be written.
    """
    folder = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".writing-", dir=target.parent, ignore_cleanup_errors=True)
        part = Path(folder.name) / target.name
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(target)
    except OSError as error:
        hint = "Choose a folder you may write to, with space left."
        raise DiskProblem(f"{target} cannot be written: {error.strerror or error}.", hint=hint) from None
    finally:
        if folder is not None:
            folder.cleanup()


def need_pyogrio() -> Any:
    """pyogrio, which only the extra `vector` installs.

    Raises:
        Misused: it is not installed.
    """
    try:
        import pyogrio.raw
    except ImportError:
        raise _misused(
            "GeoPackage, Shapefile, KML and FlatGeobuf files need pyogrio.", 'pip install "planet-assets[vector]"'
        ) from None
    return pyogrio


def _geojson_parts(file: Path) -> tuple[list[BaseGeometry], str | None]:
    """The geometries of a GeoJSON file and its CRS; None for lon/lat."""
    try:
        document = json.loads(_text_of(file))
        found = [shape(part) for part in _geojson_geometries(document)]
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        RecursionError,
        shapely.errors.ShapelyError,
    ) as error:
        raise _misused(f"The ROI file {file.name} is not readable GeoJSON: {error}.") from None
    crs = document.get("crs")
    name = str((crs.get("properties") or {}).get("name", "")) if isinstance(crs, Mapping) else ""
    return found, None if name.upper().endswith(PLAIN_LON_LAT) else name or None


def _geojson_geometries(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if document["type"] == "FeatureCollection":
        return [feature["geometry"] for feature in document["features"] if feature["geometry"] is not None]
    geometry = document["geometry"] if document["type"] == "Feature" else document
    return [] if geometry is None else [geometry]


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _misused(f"The ROI file {file.name} cannot be read: {error}.") from None


def _ogr_parts(file: Path, layer: str | None) -> tuple[list[BaseGeometry], str | None]:
    """The geometries of a file read by GDAL and its CRS; None for lon/lat."""
    pyogrio = need_pyogrio()
    kind = KINDS[file.suffix.lower()]
    try:
        with file.open("rb") as opened:
            head = opened.read(4096)
        if not (kind.begins in head if kind.anywhere else head.startswith(kind.begins)):
            raise _misused(f"The ROI file {file.name} cannot be read: it is not what its name says.")
        driver = pyogrio.read_info(file, layer=0)["driver"]
        if driver not in kind.drivers:
            raise _misused(f"The ROI file {file.name} is not what its name says: it opens as {driver}.")
        found: list[BaseGeometry] = []
        crs: set[str | None] = set()
        for name in _layers_to_read(pyogrio, file, layer):
            meta, _, geometries, _ = pyogrio.raw.read(file, layer=name, columns=[], datetime_as_string=True)
            found += [geometry for geometry in shapely.from_wkb(geometries) if geometry is not None]
            crs.add(meta["crs"])
    except (
        OSError,
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        shapely.errors.ShapelyError,
    ) as error:
        raise _misused(f"The ROI file {file.name} cannot be read: {error}.") from None
    if len(crs) != 1 or None in crs:
        raise _misused(
            f"The ROI file {file.name} does not say in which CRS it is.",
            "Assign one (a Shapefile keeps it in its .prj file).",
        )
    name = str(crs.pop())
    return found, None if name.upper().endswith(PLAIN_LON_LAT) else name


def _layers_to_read(pyogrio: Any, file: Path, layer: str | None) -> list[str]:
    layers = [str(name) for name, kind in pyogrio.list_layers(file) if kind is not None]
    if layer is not None:
        if layer not in layers:
            raise _misused(f"{file.name} has no layer {layer}.", f"It has {', '.join(layers)}.")
        return [layer]
    if len(layers) <= 1 or file.suffix.lower() == ".kml":  # the folders of a KML file are its layers
        return layers
    called_roi = [name for name in layers if name.lower() == "roi"]
    if not called_roi:
        raise _misused(
            f"{file.name} has {len(layers)} layers: {', '.join(layers)}.",
            "Save the one you mean alone, or name it roi.",
        )
    return called_roi


def _united(parts: Sequence[BaseGeometry], crs: str | None, file: Path) -> BaseGeometry:
    """The areas among the parts as one; points and lines beside them (labels of a KML) are passed over."""
    areas = [area for part in parts if not (area := only_areas(part)).is_empty]
    if not areas:
        kinds = ", ".join(sorted({part.geom_type for part in parts if not part.is_empty}))
        raise _misused(
            f"The ROI file {file.name} holds no area" + (f", only {kinds}." if kinds else ": it is empty."),
            "Give at least one Polygon.",
        )
    if crs is not None:
        areas = _to_lon_lat(areas, crs, file)
    what = f"the ROI in {file.name}"
    checked = [
        as_roi(area, what=what if len(areas) == 1 else f"feature {position} of {file.name}")
        for position, area in enumerate(areas, start=1)
    ]
    return as_roi(unary_union(checked), what=what) if len(checked) > 1 else checked[0]


def _to_lon_lat(areas: Sequence[BaseGeometry], crs: str, file: Path) -> list[BaseGeometry]:
    from pyproj import CRS, Transformer
    from pyproj.exceptions import ProjError

    try:
        source = CRS.from_user_input(crs)
        transformer = Transformer.from_crs(source, "EPSG:4326", always_xy=True)
    except ProjError as error:
        raise _misused(f"The CRS {crs[:80]} of {file.name} is not known: {error}.", "Save it in EPSG:4326.") from None
    west, south, east, north = shapely.total_bounds(areas)
    step = max(east - west, north - south) / EDGE_PIECES
    bent = areas if source.is_geographic or not step > 0 else shapely.segmentize(list(areas), step)
    return [shapely.transform(area, transformer.transform, interleaved=False) for area in map(shapely.force_2d, bent)]


def _strict(value: Any) -> Any:
    """A value JSON can hold: numbers that are none become null."""
    if isinstance(value, Mapping):
        return {str(key): _strict(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _misused(message: str, hint: str = "") -> Misused:
    return Misused(message, hint=hint, argument="roi")

"""GeoPackages of scenes: footprints with their properties, the region of interest, and where the imagery lies.

Layers: `scenes` (one row a scene, properties typed as Planet sends them), `roi`, and `imagery` (one row a file). GDAL
writes them through pyogrio, the extra `vector`; the file appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import DiskProblem
from planet_assets.export.vector import need_pyogrio, written_whole
from planet_assets.model.geometry import only_areas
from planet_assets.model.item import Feature, Item, items_from, parse_time
from planet_assets.rules.area import geodesic_km2
from planet_assets.rules.naming import SUFFIXES, asset_of, is_cut_name

LON_LAT = "EPSG:4326"
TIMES = ("acquired", "published", "updated")
"""Properties of Planet that are moments; every other text stays text."""

OWN_COLUMNS = ("id", "item_type", "acquired", "cloud_cover", "area_km2", "roi_overlap_km2", "files")

Files = Mapping[str, Sequence[str | os.PathLike[str]]] | Sequence[str | os.PathLike[str]]
"""Files by item id, or a plain list whose names begin with the item id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One file and the scene it shows."""

    path: Path
    """Absolute path."""
    item: Item | None
    """Its scene; None when no scene of the list fits its name."""

    @property
    def asset_type(self) -> str | None:
        """The asset type its name tells, by Planet's own names and by ours."""
        if self.item is None:
            return None
        rest = self.path.stem.removeprefix(self.item.id).removeprefix("_").partition("_clipped")[0]
        named = asset_of(self.path.name)
        if named is not None and named[0] == self.item.id:
            return named[1]
        planets = {suffix.rpartition(".")[0]: asset_type for asset_type, suffix in SUFFIXES.items()}
        return planets.get(rest) or (rest if re.fullmatch(r"(ortho|basic)_[a-z0-9_]+", rest) else None)

    @property
    def is_clipped(self) -> bool:
        """True when its name says that it was cut."""
        return is_cut_name(self.path.name)


def write_scenes(
    path: str | os.PathLike[str],
    scenes: Sequence[Feature | Item] | Mapping[str, Any],
    roi: BaseGeometry | None = None,
    files: Files = (),
    *,
    overwrite: bool = False,
) -> Path:
    """Write scenes, their region of interest and their files to a GeoPackage.

    Args:
        path: The file to make.
        scenes: Features as Planet sends them, items, or a FeatureCollection.
        roi: Region of interest, lon/lat degrees.
        files: Files on disk; those that show none of the scenes are listed without a footprint.
        overwrite: True to replace a file that exists.

    Returns:
        The absolute path of the GeoPackage.

    Raises:
        Misused: a scene cannot be read, or pyogrio is not installed.
        DiskProblem: the file exists, or cannot be written.
    """
    pyogrio = need_pyogrio()
    target = Path(path).expanduser().absolute()
    if target.exists() and not overwrite:
        raise DiskProblem(f"{target} exists already.", hint="Choose another name, or say overwrite=True.")
    items = items_from(scenes)
    images = _images(files, items)
    try:
        with written_whole(target) as part:
            _write_layer(pyogrio, part, "scenes", [item.footprint for item in items], _scene_table(items, roi, images))
            if roi is not None:
                _write_layer(pyogrio, part, "roi", [roi], {"area_km2": [geodesic_km2(roi)]})
            shown = [_ground(image, roi) for image in images]
            _write_layer(pyogrio, part, "imagery", shown, _imagery_table(images, target.parent))
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.FeatureError) as error:
        raise DiskProblem(f"{target} cannot be written: {error}.") from None
    return target


def _images(files: Files, items: Sequence[Item]) -> list[Image]:
    by_id = {item.id: item for item in items}
    if isinstance(files, Mapping):
        pairs = [(Path(path), by_id.get(item_id)) for item_id, paths in files.items() for path in paths]
    else:
        # the longest id that fits: one id may begin with another
        ids = sorted(by_id, key=len, reverse=True)
        names = [(Path(path), next((i for i in ids if Path(path).name.startswith(i)), "")) for path in files]
        pairs = [(path, by_id.get(item_id)) for path, item_id in names]
    return [Image(path=path.expanduser().absolute(), item=item) for path, item in pairs]


def _ground(image: Image, roi: BaseGeometry | None) -> BaseGeometry | None:
    """What a file covers: its scene's footprint, and of a cut file the part inside the ROI."""
    if image.item is None:
        return None
    footprint = image.item.footprint
    return only_areas(footprint.intersection(roi)) if image.is_clipped and roi is not None else footprint


def _scene_table(items: Sequence[Item], roi: BaseGeometry | None, images: Sequence[Image]) -> dict[str, list[Any]]:
    paths: dict[str, list[str]] = {}
    for image in images:
        if image.item is not None:
            paths.setdefault(image.item.id, []).append(str(image.path))
    return {
        "id": [item.id for item in items],
        "item_type": [item.item_type for item in items],
        "acquired": [item.acquired for item in items],
        "cloud_cover": [item.cloud_cover for item in items],
        "area_km2": [geodesic_km2(item.footprint) for item in items],
        "roi_overlap_km2": [_overlap_km2(item, roi) for item in items],
        "files": ["\n".join(paths.get(item.id, [])) or None for item in items],
        **{
            column: [_value(name, item.properties.get(name)) for item in items]
            for column, name in _property_columns(items).items()
        },
    }


def _property_columns(items: Sequence[Item]) -> dict[str, str]:
    """Column -> property. SQL knows no case: a property that differs from a column by that alone gets an underscore."""
    columns: dict[str, str] = {}
    taken = {"fid", "geom", *OWN_COLUMNS}
    for name in sorted({name for item in items for name in item.properties} - set(OWN_COLUMNS)):
        column = name
        while column.casefold() in taken:
            column += "_"
        taken.add(column.casefold())
        columns[column] = name
    return columns


def _overlap_km2(item: Item, roi: BaseGeometry | None) -> float | None:
    if roi is None:
        return None
    inside = only_areas(item.footprint.intersection(roi))
    return 0.0 if inside.is_empty else geodesic_km2(inside)


def _value(name: str, value: Any) -> Any:
    if name in TIMES and isinstance(value, str):
        try:
            return parse_time(value)
        except ValueError:
            return value
    return value


def _imagery_table(images: Sequence[Image], folder: Path) -> dict[str, list[Any]]:
    return {
        "path": [str(image.path) for image in images],
        "relative_path": [_relative(image.path, folder) for image in images],
        "size_bytes": [image.path.stat().st_size if image.path.is_file() else None for image in images],
        "item_id": [image.item.id if image.item else None for image in images],
        "asset_type": [image.asset_type for image in images],
        "clipped": [image.is_clipped for image in images],
    }


def _relative(path: Path, folder: Path) -> str | None:
    """The path from the GeoPackage's folder, so that both can be moved together; None when it lies elsewhere."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else None


def _write_layer(
    pyogrio: Any, path: Path, layer: str, shapes: Sequence[BaseGeometry | None], table: Mapping[str, Sequence[Any]]
) -> None:
    columns = {name: _column(values) for name, values in table.items()}
    whole = [None if shape is None or shape.is_empty else _multi(shape) for shape in shapes]
    pyogrio.raw.write(
        path,
        np.array([None if shape is None else shapely.to_wkb(shape) for shape in whole], dtype=object),
        [values for values, _ in columns.values()],
        list(columns),
        field_mask=[mask for _, mask in columns.values()],
        layer=layer,
        driver="GPKG",
        geometry_type="MultiPolygon",
        crs=LON_LAT,
        gdal_tz_offsets={
            name: np.full(len(whole), 100, dtype="int8")  # GDAL's sign for UTC
            for name, (values, _) in columns.items()
            if values.dtype.kind == "M"
        },
    )


def _multi(shape: BaseGeometry) -> BaseGeometry:
    return shape if isinstance(shape, MultiPolygon) else MultiPolygon([shape])


def _column(values: Sequence[Any]) -> tuple[np.ndarray, np.ndarray | None]:
    """Values as one typed column and the mask of what is missing; a mixture becomes text."""
    missing = np.array([value is None for value in values], dtype=bool)
    kinds = {type(value) for value in values if value is not None}
    if kinds == {datetime}:
        moments = [None if value is None else value.astimezone(UTC).replace(tzinfo=None) for value in values]
        return np.array(moments, dtype="datetime64[ms]"), missing
    for kind, dtype, blank in ((bool, "bool", False), (int, "int64", 0), (float, "float64", np.nan)):
        if kinds == {kind} or (kind is float and kinds == {int, float}):
            return np.array([blank if value is None else value for value in values], dtype=dtype), missing
    return np.array([_text(value) for value in values], dtype=object), None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=str) if isinstance(value, list | tuple | Mapping) else str(value)

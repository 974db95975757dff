"""Held scenes as tables for others: GeoJSON, CSV and GeoParquet, written whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from planet_assets.exceptions import DiskProblem, Misused
from planet_assets.export.stac import stac_item
from planet_assets.export.vector import written_whole
from planet_assets.model.geometry import to_geojson
from planet_assets.model.held_scene import HeldScene
from planet_assets.rules.area import geodesic_km2

FILE_COLUMNS = ("scene", "item_type", "acquired", "cloud_cover", "asset_type", "path", "size_bytes", "md5", "clipped")
PROPERTIES = ("satellite_id", "instrument", "publishing_stage", "quality_category", "gsd", "strip_id", "updated")
"""Properties of Planet that scenes carry in every table."""


def write_table(scenes: Sequence[HeldScene], path: Path, kind: str, *, overwrite: bool = False) -> Path:
    """Write scenes as `geojson`, `csv` (one row a file), `geoparquet`, or `stac` (an ItemCollection).

    Raises:
        DiskProblem: the file exists, or cannot be written.
        Misused: pyarrow is not installed.
    """
    target = path.expanduser().absolute()
    if target.exists() and not overwrite:
        raise DiskProblem(f"{target} exists already.", hint="Choose another name, or say --overwrite.")
    writers: dict[str, Callable[[Sequence[HeldScene], Path], None]] = {
        "geojson": _geojson,
        "csv": _csv,
        "geoparquet": _geoparquet,
        "stac": _collection,
    }
    with written_whole(target) as part:
        writers[kind](scenes, part)
    return target


def _row(scene: HeldScene) -> dict[str, Any]:
    item = scene.item
    return {
        "id": item.id,
        "item_type": item.item_type,
        "acquired": item.acquired,
        "cloud_cover": item.cloud_cover,
        "area_km2": geodesic_km2(item.footprint),
        **{name: item.properties.get(name) for name in PROPERTIES},
        "files": [str(file.path) for file in scene.files],
        "size_bytes": sum(file.size_bytes for file in scene.files),
    }


def _geojson(scenes: Sequence[HeldScene], part: Path) -> None:
    features = [
        {
            "type": "Feature",
            "id": scene.item.id,
            "geometry": to_geojson(scene.item.footprint),
            "properties": _row(scene),
        }
        for scene in scenes
    ]
    _write_json({"type": "FeatureCollection", "features": features}, part)


def _collection(scenes: Sequence[HeldScene], part: Path) -> None:
    _write_json({"type": "FeatureCollection", "features": [stac_item(scene) for scene in scenes]}, part)


def _write_json(document: Any, part: Path) -> None:
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, default=lambda moment: moment.isoformat())
    part.write_text(text, encoding="utf-8")


def _csv(scenes: Sequence[HeldScene], part: Path) -> None:
    with part.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(FILE_COLUMNS)
        for scene in scenes:
            item = scene.item
            about = (item.id, item.item_type, item.acquired.isoformat(), item.cloud_cover)
            for file in scene.files:
                writer.writerow((*about, file.asset_type, file.path, file.size_bytes, file.md5, file.is_cut))


def _geoparquet(scenes: Sequence[HeldScene], part: Path) -> None:
    """GeoParquet 1.1: footprints as WKB in lon/lat, which is its own default."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Misused("GeoParquet needs pyarrow.", hint='pip install "planet-assets[parquet]"') from None
    import shapely

    shapes = [scene.item.footprint for scene in scenes]
    column = {"encoding": "WKB", "geometry_types": sorted({shape.geom_type for shape in shapes})}
    if shapes:
        column["bbox"] = list(shapely.total_bounds(shapes))
    about = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    types = {
        "acquired": pyarrow.timestamp("us", tz="UTC"),
        "cloud_cover": pyarrow.float64(),
        "area_km2": pyarrow.float64(),
        "gsd": pyarrow.float64(),
        "size_bytes": pyarrow.int64(),
        "files": pyarrow.list_(pyarrow.string()),
    }
    rows = [_row(scene) for scene in scenes]
    names = list(rows[0]) if rows else ["id", "item_type"]
    columns = {
        name: pyarrow.array([_plain(row[name], name, types) for row in rows], _type(name, types)) for name in names
    }
    columns["geometry"] = pyarrow.array([shapely.to_wkb(shape) for shape in shapes], pyarrow.binary())
    table = pyarrow.table(columns).replace_schema_metadata({"geo": json.dumps(about)})
    parquet.write_table(table, part, compression="zstd")


def _type(name: str, types: dict[str, Any]) -> Any:
    import pyarrow

    return types.get(name, pyarrow.string())


def _plain(value: Any, name: str, types: dict[str, Any]) -> Any:
    """Text stays text: a strip's id is never a number."""
    return value if value is None or name in types else str(value)

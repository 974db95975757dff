"""STAC Items: a scene and its files as other tools read them; with the file, projection and eo extensions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from planet_assets.exceptions import DiskProblem
from planet_assets.export.vector import written_whole
from planet_assets.model.geometry import to_geojson
from planet_assets.model.held_scene import HeldFile, HeldScene
from planet_assets.rules.naming import media_of

VERSION = "1.1.0"
EXTENSIONS = (
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
)
MEDIA = {"tiff": "image/tiff; application=geotiff", "xml": "application/xml", "text": "text/plain"}
MD5_MULTIHASH = "d50110"
"""What comes before an md5 in a multihash: code 0xd5 and length 16. Source: confirmed (multicodec table)."""

COPIED = {"satellite_id": "platform", "gsd": "gsd", "published": "published", "updated": "updated"}
"""Property of Planet -> its name in STAC's common metadata."""


def stac_item(scene: HeldScene, folder: Path | None = None) -> dict[str, Any]:
    """The Item of a scene; hrefs are relative to `folder`, absolute without one."""
    item = scene.item
    known = {name: item.properties[key] for key, name in COPIED.items() if item.properties.get(key) is not None}
    clouds = {} if item.cloud_cover is None else {"eo:cloud_cover": round(100 * item.cloud_cover, 4)}
    instrument = item.properties.get("instrument")
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": list(EXTENSIONS),
        "id": item.id,
        "geometry": to_geojson(item.footprint),
        "bbox": _bbox(item.footprint.bounds),
        "properties": {
            "datetime": _moment(item.acquired),
            "constellation": "planetscope",
            **({"instruments": [instrument]} if isinstance(instrument, str) else {}),
            **known,
            **clouds,
        },
        "links": [],
        "assets": {_key(file, scene.files): _asset(file, folder) for file in scene.files},
    }


def write_items(scenes: Sequence[HeldScene]) -> list[Path]:
    """Write each scene's Item beside its files, `<id>.json`; an Item of ours is replaced, nothing else is.

    Raises:
        DiskProblem: another file has the name, or a folder cannot be written.
    """
    written = []
    for scene in scenes:
        folders: dict[Path, list[HeldFile]] = {}
        for file in scene.files:
            folders.setdefault(file.path.parent, []).append(file)
        for folder, files in folders.items():
            target = folder / f"{scene.item.id}.json"
            _refuse_other(target, scene.item.id)
            document = stac_item(HeldScene(item=scene.item, files=tuple(files)), folder)
            with written_whole(target) as part:
                part.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
            written.append(target)
    return written


def _refuse_other(target: Path, item_id: str) -> None:
    if not target.exists():
        return
    try:
        there = json.loads(target.read_text(encoding="utf-8"))
        ours = isinstance(there, Mapping) and there.get("id") == item_id and "stac_version" in there
    except (OSError, ValueError):
        ours = False
    if not ours:
        raise DiskProblem(f"{target} is there already and is no STAC Item of the scene.", hint="Move it away.")


def _key(file: HeldFile, files: Sequence[HeldFile]) -> str:
    """The asset type; a second file of one type goes by its own name."""
    same = [other for other in files if other.asset_type == file.asset_type]
    return file.asset_type if len(same) == 1 or same[0] is file else file.path.stem


def _asset(file: HeldFile, folder: Path | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "href": str(file.path) if folder is None else f"./{file.path.relative_to(folder).as_posix()}",
        "type": MEDIA[media_of(file.asset_type)],
        "title": file.asset_type + (", clipped" if file.is_cut else ""),
        "roles": _roles(file.asset_type),
        "file:size": file.size_bytes,
    }
    if file.md5:
        described["file:checksum"] = MD5_MULTIHASH + file.md5
    if file.grid is not None:
        described["proj:code"] = None if file.grid.epsg is None else f"EPSG:{file.grid.epsg}"
        described["proj:shape"] = list(file.grid.shape)
        described["proj:transform"] = list(file.grid.transform)
    return described


def _roles(asset_type: str) -> list[str]:
    if media_of(asset_type) != "tiff":
        return ["metadata"]
    if asset_type.endswith("udm2"):
        return ["data-mask", "cloud", "cloud-shadow", "snow-ice"]
    if asset_type.endswith("visual"):
        return ["visual"]
    return ["data", "reflectance"] if asset_type.endswith("_sr") else ["data"]


def _bbox(bounds: tuple[float, float, float, float]) -> list[float]:
    return list(bounds)


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")

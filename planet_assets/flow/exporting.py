"""Gathers what is held for others: each scene with its files, their grids and digests."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planet_assets.exceptions import AssetError
from planet_assets.library import copies, items, jobs
from planet_assets.library.engine import Library
from planet_assets.model.held_scene import HeldFile, HeldScene, PixelGrid
from planet_assets.model.item import item_from_feature
from planet_assets.model.job import DownloadJob
from planet_assets.rules.naming import is_raster
from planet_assets.rules.tools import from_text

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


def held_scenes(
    library: Library, *, folder: Path | None = None, ids: Collection[str] = (), digests: bool = True
) -> list[HeldScene]:
    """Every scene of which a file is held, by time; those whose record is unknown are left out.

    Args:
        library: whose files.
        folder: only files in this folder.
        ids: only these scenes.
        digests: True to read files whose md5 is not known.
    """
    known = [one for one in copies.every(library, folder=folder) if one.is_there and (not ids or one.key[1] in ids)]
    by_id = {job.id: job for job in jobs.load(library, {one.job_id for one in known if one.job_id})}
    features = items.features(library, {one.key[:2] for one in known})
    scenes: dict[tuple[str, str], list[HeldFile]] = {}
    for one in known:
        if one.key[:2] in features:
            scenes.setdefault(one.key[:2], []).append(_file(one, by_id.get(one.job_id or ""), digests))
    found = [HeldScene(item=item_from_feature(features[ref]), files=tuple(files)) for ref, files in scenes.items()]
    return sorted(found, key=lambda scene: (scene.item.acquired, scene.item.id))


def stacked(
    library: Library,
    asset_type: str,
    *,
    ids: Collection[str] = (),
    roi: BaseGeometry | None = None,
    folder: Path | None = None,
) -> Any:
    """Held files of one asset type as an array of time, band, y and x; of a scene held twice the cut file."""
    from planet_assets.raster.stack import Layer, stack

    layers: dict[str, Layer] = {}
    for scene in held_scenes(library, folder=folder, ids=ids, digests=False):
        files = [file for file in scene.files if file.asset_type == asset_type]
        if files:
            best = max(files, key=lambda file: file.is_cut)
            layers[scene.item.id] = Layer(path=best.path, at=scene.item.acquired, name=scene.item.id)
    return stack(list(layers.values()), roi)


def _file(one: copies.Held, job: DownloadJob | None, digests: bool) -> HeldFile:
    tools = tuple(name for tool in from_text(job.tools) for name in tool) if job is not None and job.tools else ()
    return HeldFile(
        path=one.path,
        asset_type=one.key[2],
        size_bytes=one.size_bytes,
        md5=one.digest or (_md5(one.path) if digests else None),
        is_cut=bool(one.cut),
        grid=_grid(one.path) if digests and is_raster(one.key[2]) else None,
        bundle=None if job is None else job.bundle,
        tools=(*tools, "clip") if one.cut else tools,
        fetched_at=one.recorded_at,
    )


def _md5(path: Path) -> str:
    with path.open("rb") as body:
        return hashlib.file_digest(body, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _grid(path: Path) -> PixelGrid | None:
    """What the header says; None for a basic raster, which has no place on Earth, and for one that cannot be read."""
    from planet_assets.raster.reading import grid_of, open_raster

    try:
        with open_raster(path) as dataset:
            grid = grid_of(dataset)
            return PixelGrid(
                epsg=dataset.crs.to_epsg(), shape=(grid.height, grid.width), transform=tuple(grid.transform)
            )
    except AssetError:
        return None

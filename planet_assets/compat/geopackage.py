"""`GeoPackageManager` as scripts written for planetscope-py call it; the work is done in `export.geopackage`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from planet_assets.export.geopackage import write_scenes
from planet_assets.export.vector import roi_of
from planet_assets.model.geometry import RoiLike
from planet_assets.model.item import Feature, Item


class GeoPackageManager:
    """Makes GeoPackages of scenes and of the files downloaded for them."""

    def create_scene_geopackage(
        self,
        scenes: Sequence[Feature | Item] | Mapping[str, Any],
        output_path: str | os.PathLike[str],
        roi: RoiLike | Path | None = None,
        downloaded_files: Iterable[str | os.PathLike[str] | None] | None = None,
        *,
        overwrite: bool = False,
    ) -> Path:
        """Write footprints, the region of interest and links to the imagery.

        Args:
            scenes: Features of a search, or the whole answer.
            output_path: The file to make.
            roi: Geometry, GeoJSON, WKT or the path of a vector file.
            downloaded_files: Paths as jobs give them; None, the path of a job without a file, is passed over.
            overwrite: True to replace a file that exists.

        Returns:
            The absolute path of the GeoPackage.

        Raises:
            Misused: a scene or the region of interest cannot be read, or the extra `vector` is not installed.
            DiskProblem: the file exists, or cannot be written.
        """
        files = [path for path in downloaded_files or () if path is not None]
        area = None if roi is None else roi_of(roi)
        return write_scenes(output_path, scenes, area, files, overwrite=overwrite)

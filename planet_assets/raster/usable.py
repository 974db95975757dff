"""Usable pixels by Planet's UDM2: as a mask to work with, and as what a cut keeps; finds the UDM2 of an image."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import ClipFailed, Misused, OutsideRaster
from planet_assets.model.geometry import as_roi
from planet_assets.raster.reading import grid_of, open_raster, read
from planet_assets.rules import naming, udm2
from planet_assets.rules.window import Grid, Outline, Window, moved, outline_of, roi_on, strips, to_pixels, window_of

STRIP_ROWS = 512
SAME_PX = 1e-3
"""Share of a pixel by which grids may be apart and still be one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UsableMask:
    """Which pixels can be used; as an array, just that: (row, col), True for usable."""

    usable: np.ndarray
    """Shape (row, col), bool."""
    grid: Grid
    """Where these pixels lie."""
    roi_px: int
    """Pixels whose centre lies in the ROI; all without one."""
    seen_px: int
    """Those of them that the satellite saw."""
    usable_px: int
    """Those of them that can be used."""

    @property
    def clear_share(self) -> float:
        """Usable ones among the seen ones, 0 to 1; NaN where nothing was seen."""
        return self.usable_px / self.seen_px if self.seen_px else math.nan

    @property
    def usable_share(self) -> float:
        """Usable ones among all of the ROI that the raster reaches, 0 to 1."""
        return self.usable_px / self.roi_px if self.roi_px else math.nan

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.usable, dtype=dtype, copy=copy)


def usable_mask(
    scene: Any,
    roi: BaseGeometry | Any = None,
    *,
    classes: Collection[str] = ("clear",),
    min_confidence: int = 0,
) -> UsableMask:
    """Which pixels of a scene can be used, by its UDM2.

    By default a pixel is usable where the UDM2 says *clear* and nothing is missing or suspect; `rules.udm2` says what
    Planet's bands mean.

    Args:
        scene: a UDM2 file, an image beside which its UDM2 lies, or a finished job of either.
        roi: only this region, lon/lat: the mask is its exact window, and False outside.
        classes: what counts as usable, of clear, snow, shadow, light_haze, heavy_haze, cloud.
        min_confidence: least confidence of the class, per cent.

    Raises:
        Misused: no UDM2 is to be found, the file is none, or the classes are not known.
        OutsideRaster: the ROI does not touch the scene.
        Corrupt, Unsafe, DiskProblem: the file cannot be trusted or read.
    """
    wanted = udm2.checked_classes(classes)
    path = _path_of(scene)
    mask_file = path if _is_udm2_file(path) else beside(path)[0]
    with open_raster(mask_file) as dataset:
        _refuse_other(dataset, mask_file)
        grid = _grid(dataset)
        shape = None if roi is None else roi_on(grid_of(dataset), as_roi(roi))
        window = Window(col_off=0, row_off=0, width=grid.width, height=grid.height)
        if shape is not None:
            found = window_of(grid, shape)
            if found is None:
                raise OutsideRaster(f"The ROI does not touch {path.name}.")
            window = found
        outline = None if shape is None else outline_of(grid, window, shape)
        good = np.zeros((window.height, window.width), dtype=bool)
        chooser = Usable(dataset, outline, window, classes=wanted, min_confidence=min_confidence)
        for top, rows in strips(window, STRIP_ROWS):
            good[top : top + rows] = chooser.inside(top, rows)
    there = Grid(width=window.width, height=window.height, transform=moved(grid.transform, window), crs=grid.crs)
    return UsableMask(
        usable=good, grid=there, roi_px=chooser.roi_px, seen_px=chooser.seen_px, usable_px=chooser.usable_px
    )


class Usable:
    """What an outline holds of usable pixels; takes an `Outline`'s place, and counts as it is asked, once a row."""

    def __init__(
        self,
        dataset: Any,
        outline: Outline | None,
        window: Window,
        *,
        classes: Collection[str] = ("clear",),
        min_confidence: int = 0,
    ) -> None:
        """Nothing is read yet.

        Args:
            dataset: an open UDM2.
            outline: the ROI in the window's pixels; None for all of them.
            window: in the columns and rows of the UDM2; it may reach beyond it, where nothing is usable.
            classes: what counts as usable.
            min_confidence: least confidence, per cent.
        """
        self.width = window.width
        self.roi_px = self.seen_px = self.usable_px = 0
        self._dataset, self._outline, self._window = dataset, outline, window
        self._classes, self._min_confidence = classes, min_confidence

    def inside(self, top: int, rows: int) -> np.ndarray:
        """True where a pixel lies in the ROI and is usable; shape (rows, width), from row `top` of the window."""
        within = np.ones((rows, self.width), dtype=bool) if self._outline is None else self._outline.inside(top, rows)
        bands = self._bands(top, rows)
        self.roi_px += int(np.count_nonzero(within))
        self.seen_px += int(np.count_nonzero(within & udm2.seen(bands)))
        within &= udm2.usable(bands, self._classes, self._min_confidence)
        self.usable_px += int(np.count_nonzero(within))
        return within

    @property
    def clear_share(self) -> float:
        """Usable ones among the seen ones, 0 to 1; NaN where nothing was seen."""
        return self.usable_px / self.seen_px if self.seen_px else math.nan

    def _bands(self, top: int, rows: int) -> np.ndarray:
        """The mask's pixels, (band, row, col); beyond its edge nothing was seen."""
        from rasterio.windows import Window as PixelWindow

        first_row, first_col = self._window.row_off + top, self._window.col_off
        up, left = max(0, first_row), max(0, first_col)
        down = min(self._dataset.height, first_row + rows)
        right = min(self._dataset.width, first_col + self.width)
        whole = (down - up, right - left) == (rows, self.width)
        if whole:
            pixels: np.ndarray = read(self._dataset, window=PixelWindow(left, up, right - left, down - up))
            return pixels
        bands = np.zeros((udm2.BANDS, rows, self.width), dtype=np.uint8)
        bands[udm2.UDM1] = udm2.BLACKFILL
        if down > up and right > left:
            part = read(self._dataset, window=PixelWindow(left, up, right - left, down - up))
            bands[:, up - first_row : down - first_row, left - first_col : right - first_col] = part
        return bands


@contextmanager
def usable_within(
    candidates: Sequence[Path], name: str, grid: Grid, exact: Window, window: Window, outline: Outline
) -> Iterator[Usable]:
    """The usable pixels of a window of an image.

    Args:
        candidates: UDM2 files; the first that covers the window is taken.
        name: of the image, for messages.
        grid: of the image.
        exact: the window that has to be covered.
        window: the window of the outline.
        outline: the ROI in that window's pixels.

    Raises:
        ClipFailed: none of them lies on the image's grid and covers the window.
        Misused: a file is no UDM2.
    """
    why = "there is none"
    for path in candidates:
        with open_raster(path) as dataset:
            _refuse_other(dataset, path)
            offset = _offset(grid, _grid(dataset))
            if offset is None:
                why = f"{path.name} lies on another grid"
                continue
            there = _moved(exact, offset)
            if not _covers(dataset, there):
                why = f"{path.name} does not cover the region"
                continue
            yield Usable(dataset, outline, _moved(window, offset))
            return
    raise ClipFailed(
        f"What is unusable of {name} cannot be masked: {why}.", hint="Fetch the ortho_udm2 of the same scene."
    )


def beside(image: Path) -> list[Path]:
    """The UDM2 files of the same scene in an image's folder, whole ones first.

    Raises:
        Misused: there is none, or the image's name says no scene.
    """
    known = naming.asset_of(image.name)
    found: list[Path] = []
    if known is not None and image.parent.is_dir():
        wanted = (known[0], udm2.udm2_type(known[1]))
        with os.scandir(image.parent) as listed:
            names = [entry.name for entry in listed if entry.name.startswith(known[0])]
        found = [image.with_name(name) for name in sorted(names) if naming.asset_of(name) == wanted]
    if not found:
        raise Misused(
            f"There is no UDM2 beside {image.name}.",
            hint="Give its path, or fetch the ortho_udm2 of the same scene into the same folder.",
            argument="udm2",
        )
    return sorted(found, key=lambda path: (naming.is_cut_name(path.name), path.name))


def _path_of(scene: Any) -> Path:
    path = getattr(scene, "downloaded_file_path", scene)
    if not isinstance(path, str | os.PathLike):
        raise Misused(f"{scene!r} has no file to look at.", hint="Give a path, or a finished job.", argument="scene")
    return Path(path)


def _is_udm2_file(path: Path) -> bool:
    """By its name, or else by its pixels."""
    known = naming.asset_of(path.name)
    if known is not None:
        return udm2.is_udm2(known[1])
    with open_raster(path) as dataset:
        return dataset.count == udm2.BANDS and set(dataset.dtypes) == {"uint8"}


def _refuse_other(dataset: Any, path: Path) -> None:
    if dataset.count != udm2.BANDS or set(dataset.dtypes) != {"uint8"}:
        raise Misused(
            f"{path.name} is no UDM2: {dataset.count} bands of {dataset.dtypes[0]}, not {udm2.BANDS} of uint8.",
            argument="udm2",
        )


def _grid(dataset: Any) -> Grid:
    """The grid; that of a basic mask, which has no place on Earth, counts in pixels."""
    if dataset.crs is None:
        return Grid(width=dataset.width, height=dataset.height, transform=tuple(dataset.transform)[:6], crs="")
    return grid_of(dataset)


def _offset(image: Grid, mask: Grid) -> tuple[int, int] | None:
    """Columns and rows from the mask's corner to the image's; None when the grids differ."""
    if image.crs != mask.crs and not (image.crs and mask.crs and CRS(image.crs) == CRS(mask.crs)):
        return None
    a, b, _, d, e, _ = image.transform
    at, bt, _, dt, et, _ = mask.transform
    far = max(image.width, image.height)
    same = all(
        abs(one - other) * far < SAME_PX * abs(a * e - b * d) ** 0.5
        for one, other in ((a, at), (b, bt), (d, dt), (e, et))
    )
    if not same:
        return None
    corner = np.array([[image.transform[2], image.transform[5]]])
    column, row = (float(value) for value in to_pixels(mask.transform, corner)[0])
    if abs(column - round(column)) > SAME_PX or abs(row - round(row)) > SAME_PX:
        return None
    return round(column), round(row)


def _moved(window: Window, offset: tuple[int, int]) -> Window:
    return Window(
        col_off=window.col_off + offset[0], row_off=window.row_off + offset[1], width=window.width, height=window.height
    )


def _covers(dataset: Any, window: Window) -> bool:
    right, down = window.col_off + window.width, window.row_off + window.height
    return bool(window.col_off >= 0 and window.row_off >= 0 and right <= dataset.width and down <= dataset.height)

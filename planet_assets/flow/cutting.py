"""Reading where and how to cut: the region of interest and the options of the public face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planet_assets.exceptions import Misused
from planet_assets.export.vector import roi_of
from planet_assets.model.job import Clipping

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


def read_region(
    roi: Any, clip_to_roi: Any, options: Mapping[str, Any] | None
) -> tuple[BaseGeometry | None, Clipping | None]:
    """The region of interest and how to cut, from the arguments of the public face.

    `clip_to_roi` is a region, or True with `roi=`, or False or None; `clipping_config["clip_to_roi"] = False` also
    leaves files whole.

    Raises:
        Misused: True without a region, or what a region or an option cannot be.
    """
    clipping = read_clipping(options)
    if clip_to_roi is True and roi is None:
        raise Misused("clip_to_roi=True needs roi=.", hint="Or give the region itself.", argument="clip_to_roi")
    wanted = clip_to_roi not in (None, False) if isinstance(clip_to_roi, bool | None) else True
    wanted = wanted and bool((options or {}).get("clip_to_roi", True))
    named = clip_to_roi if not isinstance(clip_to_roi, bool) and clip_to_roi is not None else roi
    region = None if named is None else roi_of(named)
    return region, clipping if wanted and region is not None else None


def read_clipping(options: Mapping[str, object] | None) -> Clipping:
    """The wiki's `clipping_config` as a `Clipping`.

    Raises:
        Misused: an unknown key, or a value that cannot be meant; by name.
    """
    known = {"clip_to_roi", "buffer_meters", "output_format", "compression", "create_overview", "extent"}
    known |= {"mask_unusable", "partial_read"}
    given = dict(options or {})
    for key in given:
        if key not in known:
            raise Misused(
                f"clipping_config has an unknown key {key!r}.",
                hint=f"Known: {', '.join(sorted(known))}.",
                argument="clipping_config",
            )
    formats = {"gtiff": "GTiff", "geotiff": "GTiff", "cog": "COG"}
    return Clipping(
        buffer_m=_metres(given.get("buffer_meters", 0.0)),
        output_format=formats[_one_of(given.get("output_format", "GTiff"), formats, "output_format")],
        compression=_one_of(given.get("compression") or "none", ("lzw", "deflate", "zstd", "none"), "compression")
        if "compression" in given
        else "deflate",
        overviews=bool(given.get("create_overview", False)),
        extent=_one_of(given.get("extent", "window"), ("window", "tiles"), "extent"),
        mask_unusable=bool(given.get("mask_unusable", False)),
        partial_read=bool(given.get("partial_read", False)),
    )


def _metres(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e6:
        raise Misused(f"buffer_meters={value!r} is not a number of metres.", argument="clipping_config")
    return float(value)


def _one_of(value: object, allowed: Sequence[str] | Mapping[str, str], name: str) -> str:
    word = str(value).lower()
    if word not in allowed:
        raise Misused(f"{name}={value!r} is not known.", hint=f"Use one of {', '.join(allowed)}.", argument=name)
    return word

"""Reading the scenes a caller gives: features, a collection, or a selection with the piece that each is to supply.

A selection written as GeoJSON keeps its region and its pieces as members of their own, so that a pipe, a file and the
queue carry them: `roi` beside `features`, and `piece` in each feature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import shapely

from planet_assets.exceptions import Misused
from planet_assets.export.vector import feature_of
from planet_assets.model.geometry import as_roi, only_areas, to_geojson
from planet_assets.model.item import Feature, Item, items_from
from planet_assets.model.job import Clipping
from planet_assets.model.selection import Selection
from planet_assets.rules.aoi import Aoi, acceptable
from planet_assets.rules.area import buffered

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Scenes = Selection | Sequence[Feature | Item] | Mapping[str, Any]
"""GeoJSON features as a search returns them, a FeatureCollection, or what `select_scenes` chose."""

Ref = tuple[str, str]
"""Item type and id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Scenes, and what a selection says of them."""

    items: tuple[Item, ...]
    """The scenes."""
    roi: BaseGeometry | None = None
    """The region that they were selected for, lon/lat; None when they were not."""
    pieces: Mapping[Ref, BaseGeometry] = field(default_factory=dict)
    """Item -> the only part of the region that it is to supply; empty without pieces."""

    @property
    def region(self) -> BaseGeometry | None:
        """The region they were selected for, or else all that their pieces cover; None without either."""
        if self.roi is not None or not self.pieces:
            return self.roi
        return shapely.union_all(list(self.pieces.values()))


def read_scenes(scenes: Scenes) -> Given:
    """Items, region and pieces.

    Raises:
        Misused: a scene, a piece or the region cannot be read, or only some scenes have pieces.
    """
    if isinstance(scenes, Selection):
        pieces = {item.ref: scenes.pieces[item.id] for item in scenes.items} if scenes.in_pieces else {}
        return Given(items=scenes.items, roi=scenes.roi, pieces=pieces)
    items = tuple(items_from(scenes))
    roi = scenes.get("roi") if isinstance(scenes, Mapping) else None
    pieces = {
        item.ref: as_roi(scene["piece"], what=f"The piece of {item.id}")
        for item, scene in zip(items, _listed(scenes), strict=True)
        if isinstance(scene, Mapping) and scene.get("piece")
    }
    if pieces and (whole := [item.id for item in items if item.ref not in pieces]):
        raise Misused(
            f"Of the scenes {len(pieces)} supply a piece of the region each, and {whole[0]} does not say which.",
            hint="Plan them apart.",
            argument="scenes",
        )
    return Given(items=items, roi=None if not roi else as_roi(roi, what="The region of the selection"), pieces=pieces)


def collection_of(scenes: Scenes) -> dict[str, Any]:
    """The scenes as a FeatureCollection from which `read_scenes` reads the same again."""
    features = [dict(feature_of(scene)) for scene in _listed(scenes)]
    if not isinstance(scenes, Selection):
        region = scenes.get("roi") if isinstance(scenes, Mapping) else None
        return {"type": "FeatureCollection", **({"roi": region} if region else {}), "features": features}
    if scenes.in_pieces:
        for feature, item in zip(features, scenes.items, strict=True):
            feature["piece"] = to_geojson(scenes.pieces[item.id])
    return {"type": "FeatureCollection", "roi": to_geojson(scenes.roi), "features": features}


def _listed(scenes: Scenes) -> Sequence[Feature | Item]:
    if isinstance(scenes, Selection):
        return scenes.scenes
    return scenes.get("features") or () if isinstance(scenes, Mapping) else scenes


def as_selected(given: Given, roi: Any, clip_to_roi: Any) -> tuple[Any, Any]:
    """Where to cut: what was selected for a region is cut to it, unless the caller says otherwise."""
    if given.region is None or roi is not None or clip_to_roi not in (None, True):
        return roi, clip_to_roi
    return given.region, True


def pieces_within(given: Given, region: BaseGeometry | None) -> dict[Ref, BaseGeometry]:
    """What each scene is to supply of the region."""
    if region is None or not given.pieces:
        return {}
    near = region.buffer(1e-9)
    return {
        ref: piece if shapely.covers(near, piece) else only_areas(piece.intersection(region))
        for ref, piece in given.pieces.items()
    }


def clipped_at_planet(
    pieces: Mapping[Ref, BaseGeometry], aoi: Aoi, clipping: Clipping
) -> tuple[Aoi, dict[Ref, BaseGeometry]]:
    """The pieces as Planet's clip takes them; the ROI itself is sent with none of them."""
    made = {ref: acceptable(buffered(piece, clipping.buffer_m)) for ref, piece in pieces.items() if not piece.is_empty}
    more = max((one.added_km2 for one in made.values()), default=0.0)
    return replace(aoi, added_km2=more), {ref: one.geometry for ref, one in made.items()}

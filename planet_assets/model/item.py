"""Items: Planet's catalogue records, which people call scenes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from planet_assets.exceptions import Misused

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Feature = Mapping[str, Any]
"""A GeoJSON feature as Planet's search returns it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One catalogue record of Planet."""

    item_type: str
    """For example PSScene."""
    id: str
    """Planet's id, kept as text."""
    acquired: datetime
    """When the picture was taken, UTC."""
    footprint: BaseGeometry
    """Polygon or MultiPolygon the item covers, lon/lat degrees (EPSG:4326)."""
    cloud_cover: float | None
    """Share of cloud, 0 to 1; None when Planet does not say."""
    properties: Mapping[str, Any]
    """All properties as Planet sent them."""
    assets: tuple[str, ...] = ()
    """Asset types Planet has published; empty when the record does not say."""
    permissions: tuple[str, ...] | None = None
    """Asset types this key may download; None when the record does not say."""

    ref: tuple[str, str] = field(init=False, repr=False, compare=False)
    """Item type and id: what names the item."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ref", (self.item_type, self.id))  # asked for ten times a scene

    @property
    def pixel_m(self) -> float:
        """Pixel size of the ortho raster in metres; 3 where the record does not say."""
        size = self.properties.get("pixel_resolution")
        return float(size) if isinstance(size, int | float) and size > 0 else 3.0


def parse_time(text: str) -> datetime:
    """An RFC 3339 time as aware UTC; Planet's times without a zone are UTC.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is outside the years 1 to 9999 in UTC") from None


def item_from_feature(feature: Feature | Item, position: int = 0) -> Item:
    """Read one scene.

    The id is looked for at the top level, where Planet puts it, then in the properties.

    Raises:
        Misused: naming the scene and the part that is missing or malformed.
    """
    if isinstance(feature, Item):
        return feature
    if not isinstance(feature, Mapping):
        raise Misused(f"scenes[{position}] is a {type(feature).__name__}, not a GeoJSON feature.", argument="scenes")
    properties, assets = feature.get("properties") or {}, feature.get("assets") or ()
    if not isinstance(properties, Mapping) or not isinstance(assets, list | tuple):
        raise Misused(f"The properties or assets of scenes[{position}] are malformed.", argument="scenes")
    item_id = feature.get("id") or properties.get("id")
    if not item_id or not isinstance(item_id, str):
        raise Misused(
            f"scenes[{position}] has no id.", hint='Planet puts it at the top level: feature["id"].', argument="scenes"
        )
    return Item(
        item_type=str(properties.get("item_type") or "PSScene"),
        id=item_id,
        acquired=_acquired(properties, item_id),
        footprint=_footprint(feature, item_id),
        cloud_cover=_share(properties.get("cloud_cover")),
        properties=dict(properties),
        assets=tuple(assets),
        permissions=_permitted(feature.get("_permissions")),
    )


def time_in_id(item_id: str) -> datetime | None:
    """The time an id of the form YYYYMMDD_HHMMSS_... begins with, UTC; None for other forms."""
    try:
        return datetime.strptime(item_id[:15], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def items_from(scenes: Sequence[Feature | Item] | Mapping[str, Any]) -> list[Item]:
    """Read many scenes: a list, or a FeatureCollection.

    Raises:
        Misused: they are no list, or for the first scene that cannot be read; none is used then.
    """
    features: Any = (scenes.get("features") or []) if isinstance(scenes, Mapping) else scenes
    if not isinstance(features, Iterable):
        raise Misused(
            f"The scenes are {type(features).__name__}, not GeoJSON features.",
            hint="Give a list of features, or a FeatureCollection.",
            argument="scenes",
        )
    return [item_from_feature(scene, position) for position, scene in enumerate(features)]


def _acquired(properties: Mapping[str, Any], item_id: str) -> datetime:
    text = properties.get("acquired")
    try:
        moment = parse_time(text) if isinstance(text, str) else time_in_id(item_id)
    except ValueError:
        moment = time_in_id(item_id)
    if moment is None:
        raise Misused(f"Scene {item_id} does not say when it was acquired.", argument="scenes")
    return moment


def _footprint(feature: Feature, item_id: str) -> BaseGeometry:
    from planet_assets.model.geometry import polygon_from_geojson

    geometry = feature.get("geometry")
    if not geometry:
        raise Misused(
            f"Scene {item_id} has no geometry.",
            hint="Without its footprint nobody can say what it costs; search for it again.",
            argument="scenes",
        )
    return polygon_from_geojson(geometry, what=f"the footprint of scene {item_id}")


def _share(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None


def _permitted(permissions: object) -> tuple[str, ...] | None:
    """`assets.<asset_type>:download` entries as asset types."""
    if not isinstance(permissions, list | tuple):
        return None
    texts = [text for text in permissions if isinstance(text, str)]
    return tuple(
        text.removeprefix("assets.").removesuffix(":download")
        for text in texts
        if text.startswith("assets.") and text.endswith(":download")
    )

"""Gives every want its paths and its way of cutting; two ROIs in one folder get names of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from planet_assets.flow.known import Key, Known
from planet_assets.library import copies
from planet_assets.library.engine import Library
from planet_assets.model.item import Item
from planet_assets.model.job import Clipping
from planet_assets.model.plan import Want
from planet_assets.rules import naming
from planet_assets.rules.tools import from_text, suffix

if TYPE_CHECKING:
    from planet_assets.flow.plan import Request


@dataclass(slots=True)
class Namer:
    """Gives every want its paths; two ROIs in one folder get names of their own."""

    library: Library
    request: Request
    bundles: Mapping[Key, str]
    """What is ordered, by which bundle."""
    known: Known
    """What the library knows."""
    members: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    """Id of a composite -> its scenes."""
    _known: dict[Path, copies.Held] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.request.clipping is None and not self.request.tools:
            return
        names = [
            self.request.folder / name(self._name(item, asset_type))
            for item in (*self.request.items, *(item for item, _ in self.known.chosen.fetch))
            for asset_type in self.request.asset_types
            for name in (naming.clipped_name, partial(self._planets_name, asset_type=asset_type))
        ]
        self._known = copies.at(self.library, names)

    def want(self, item: Item, asset_type: str) -> Want:
        """An asset with its paths, by the way it is had."""
        key = (*item.ref, asset_type)
        held, bundle = self.known.held.get(key), self.bundles.get(key)
        _, cut_by_another = self.known.moving.get(key, ("", False))
        if held is not None and self.request.reads_parts and held.cut:
            return replace(self._whole(item, asset_type, None), held_path=str(held.path))
        if held is not None and held.region_wkt is not None:
            return self._cut_from(item, asset_type, held)
        if bundle is not None or cut_by_another or key in self.known.standing or (held is not None and held.cut):
            return self._ordered(item, asset_type, bundle, held)
        return self._whole(item, asset_type, held)

    def _cut_from(self, item: Item, asset_type: str, held: copies.Held) -> Want:
        """A file to be cut here from a held clip that covers the region."""
        wkt, clipping = self.request.aoi_wkt(item.ref), self._recoding(asset_type)
        path = self.request.folder / self._name(item, asset_type)
        return Want(
            item=item,
            asset_type=asset_type,
            roi_wkt=wkt,
            clipping=clipping,
            route="orders",
            path=str(held.path),
            clipped_path=str(self._clipped(path, wkt or "", clipping)),
            held_path=str(held.path),
            held_digest=held.digest,
        )

    def _recoding(self, asset_type: str) -> Clipping:
        """How a file that Planet cut is written anew; its region has the buffer in it."""
        return replace(self.request.cutting(asset_type) or Clipping(), buffer_m=0.0)

    def _whole(self, item: Item, asset_type: str, held: copies.Held | None) -> Want:
        """A whole file, cut here where a region was given."""
        request = self.request
        clipping = request.cutting(asset_type)
        region = request.pieces.get(item.ref, request.roi)
        wkt = region.wkt if region is not None and clipping is not None else None
        path = request.folder / self._name(item, asset_type)
        return Want(
            item=item,
            asset_type=asset_type,
            roi_wkt=wkt,
            clipping=clipping,
            path=str(path),
            clipped_path=None if wkt is None else str(self._clipped(path, wkt, clipping)),
            held_path=None if held is None else str(held.path),
            held_digest=None if held is None else held.digest,
        )

    def _ordered(self, item: Item, asset_type: str, bundle: str | None, held: copies.Held | None) -> Want:
        """A file that Planet cuts, or has cut; whole where no region was given."""
        wkt, name = self.request.aoi_wkt(item.ref), self._name(item, asset_type)
        path = self.request.folder / name
        if wkt is not None or self.request.tools:
            plain = path.with_name(self._planets_name(name, asset_type))
            digest, known = naming.roi_digest(wkt or "", self.request.tools or None), self._known.get(plain)
            other = known is not None and known.cut != digest
            path = path.with_name(self._planets_name(name, asset_type, digest)) if other else plain
        standing = self.known.standing.get((*item.ref, asset_type))
        cutting = self.request.cutting(asset_type)
        asked = cutting is not None and (self.request.recodes or cutting.mask_unusable)
        recodes = asked and wkt is not None
        clipping = self._recoding(asset_type) if recodes else None
        clipped = self._clipped(self.request.folder / name, wkt or "", clipping) if recodes else None
        return Want(
            item=item,
            asset_type=asset_type,
            roi_wkt=wkt,
            clipping=clipping,
            route="orders",
            bundle=bundle or (standing.bundle if standing is not None else None),
            tools=self.request.tools,
            members=self.members.get(item.id, ()),
            standing=standing,
            other=None if held is not None or self.request.tools else self._whole(item, asset_type, None),
            path=str(path),
            clipped_path=None if clipped is None else str(clipped),
            held_path=None if held is None else str(held.path),
            held_digest=None if held is None else held.digest,
        )

    def _planets_name(self, name: str, asset_type: str, digest: str = "") -> str:
        """The name of a file that Planet has changed, with Planet's suffixes."""
        added = suffix(from_text(self.request.tools), asset_type, clips=self.request.aoi is not None)
        return naming.ordered_name(name, digest, added=added)

    def _name(self, item: Item, asset_type: str) -> str:
        return naming.file_name(item.id, asset_type, self.request.naming)

    def _clipped(self, path: Path, wkt: str, cut: Clipping | None) -> Path:
        plain = path.with_name(naming.clipped_name(path.name))
        digest = naming.roi_digest(wkt, cut)
        known = self._known.get(plain)
        if known is None or known.cut == digest:
            return plain
        return path.with_name(naming.clipped_name(path.name, digest))

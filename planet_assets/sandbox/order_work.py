"""What an order delivers: files under Planet's names and layout, the manifest that lists them, the archive.

    PSScene/<item>_3B_AnalyticMS_SR_8b_clip.tif    an asset, with a suffix for each tool
    PSScene/<item>_metadata.json                   the item, as it is after a clip
    composite.tif, composite_udm2.tif              instead of the assets, with metadata beside them
    <archive>.zip                                  instead of all of these
    manifest.json                                  lists the others, with digests

Source: layout, manifest and digests are confirmed; an inner manifest in an archive, the names of archives for single
items and `<strip>_composite.tif` are assumed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shapely.geometry import mapping

from . import order_asks, order_rules, order_tools
from .imagery import file_name, product_of
from .life import Feature
from .products import ITEM_TYPE

if TYPE_CHECKING:
    from .order_book import Order
    from .world import World

MANIFEST = "manifest.json"
_INDEX = ".index.json"
_MEDIA = {".tif": "image/tiff", ".json": "application/json", ".xml": "text/xml", ".zip": "application/zip"}
_UNSAFE = re.compile(r"[^\w.+-]+")
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(kw_only=True)
class File:
    """One delivered file."""

    path: str
    """Within the order's folder."""
    shown: str
    """The same, as results and manifest say it: a fault may make it hostile."""
    size: int
    md5: str
    sha256: str
    annotations: dict[str, str] = field(default_factory=dict)
    missing: bool = False
    """Whether a fault keeps it from the results."""
    spoilt: bool = False
    """Whether a fault makes the manifest lie about its digests."""


def deliver(world: World, order: Order, folder: Path, stop: threading.Event) -> list[File]:
    """Make an order's files, unless they are there already; the manifest comes last in the list."""
    index = folder / _INDEX
    if not index.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix="part-", dir=folder.parent))
        try:
            files = _Delivery(world, order, part, stop).made()
            (part / _INDEX).write_text(json.dumps([asdict(file) for file in files]))
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return [File(**row) for row in json.loads(index.read_text())]


class _Delivery:
    """The making of one order's files."""

    def __init__(self, world: World, order: Order, folder: Path, stop: threading.Event) -> None:
        self._world, self._order, self._folder, self._stop = world, order, folder, stop
        self._tools = order_asks.tools_of(order.request)
        self._aoi = order_asks.clip_aoi(self._tools, world.kept.features)
        names = [name for name, _ in self._tools]
        at = names.index("composite") if "composite" in names else len(names)
        self._before, self._after, self._merges = self._tools[:at], self._tools[at + 1 :], at < len(names)
        self._work = folder / ".work"
        self._made: dict[str, dict[str, str]] = {}
        """Annotations of what is there, by path."""
        self._parts: dict[tuple[str, str], list[tuple[Path, Feature, str]]] = {}
        """What goes into each composite, by its group and asset type: file, item and bundle."""

    def made(self) -> list[File]:
        """All files, in the order's folder."""
        self._work.mkdir()
        masks: dict[str, Path] = {}
        for line in self._order.lines:
            feature = self._feature(line["item_id"])
            for asset_type in line["assets"]:
                path = self._asset(feature, line["bundle"], asset_type)
                if asset_type == "ortho_udm2":
                    masks[feature["id"]] = path
            self._metadata(feature, line["bundle"], masks.get(feature["id"]))
        for (group, asset_type), parts in self._parts.items():
            self._composite(group, asset_type, parts)
        shutil.rmtree(self._work)
        files = [self._file(path, annotations) for path, annotations in sorted(self._made.items())]
        files = self._archived(files)
        self._spoil(files)
        (self._folder / MANIFEST).write_text(manifest(files))
        return [*files, self._file(MANIFEST, {})]

    def _feature(self, item_id: str) -> Feature:
        feature = self._world.item(item_id)
        if feature is None or self._stop.is_set():
            raise InterruptedError(f"the sandbox ends, or knows no item {item_id}")
        return feature

    def _asset(self, feature: Feature, bundle: str, asset_type: str) -> Path:
        """One asset after the tools: where it lies, or where its part of a composite does."""
        wanted = product_of(asset_type)
        source, _ = self._world.file(feature, asset_type).result()
        steps = self._before if wanted.ortho else []
        ready = order_tools.applied(source, self._work, steps, wanted, feature, self._aoi)
        if self._merges and wanted.kind not in ("xml", "rpc"):
            kept = self._work / f"part-{bundle}-{source.name}"
            _moved(ready, kept, own=ready != source)
            group = order_rules.composite_group(self._tools, feature) or ""
            self._parts.setdefault((group, asset_type), []).append((kept, feature, bundle))
            return kept
        name = Path(file_name(feature["id"], asset_type))
        tail = "".join(order_tools.suffix(tool, wanted) or "" for tool, _ in steps)
        path = f"{ITEM_TYPE}/{name.stem}{tail}{name.suffix}"
        annotations = {"planet/asset_type": asset_type, **_of_item(feature["id"], bundle)}
        _moved(ready, self._place(path, annotations), own=ready != source)
        return self._folder / path

    def _metadata(self, feature: Feature, bundle: str, mask: Path | None) -> None:
        """The item's record; after a clip, of the clipped ground (confirmed)."""
        said = {name: feature[name] for name in ("id", "type", "properties", "geometry")}
        if self._aoi is not None:
            ground = order_rules.polygons(order_rules.footprint(feature).intersection(self._aoi))
            said["geometry"] = json.loads(json.dumps(mapping(ground)))
            said["properties"] = said["properties"] | (order_tools.percents(mask) if mask else {})
        name = f"{feature['id']}_metadata.json"
        path = name if self._merges else f"{ITEM_TYPE}/{name}"
        self._place(path, _of_item(feature["id"], bundle)).write_text(json.dumps(said))

    def _composite(self, group: str, asset_type: str, parts: list[tuple[Path, Feature, str]]) -> None:
        wanted = product_of(asset_type)
        merged = self._work / f"{group}-{asset_type}.tif"
        order_tools.composite([path for path, _, _ in parts], merged, wanted)
        _, feature, bundle = parts[0]
        ready = order_tools.applied(merged, self._work, self._after, wanted, feature, self._aoi)
        tail = "".join(order_tools.suffix(tool, wanted) or "" for tool, _ in self._after)
        kind = "composite_udm2" if wanted.kind == "udm2" else "composite"
        several = len({kind for _, kind in self._parts if product_of(kind).kind == wanted.kind}) > 1
        kind += f"_{asset_type}" if several else ""
        path = f"{group}_{kind}{tail}.tif" if group else f"{kind}{tail}.tif"
        annotations = {"planet/bundle_type": bundle, "planet/item_type": ITEM_TYPE}
        _moved(ready, self._place(path, annotations), own=True)

    def _archived(self, files: list[File]) -> list[File]:
        """The files in one archive or in one for each item, where the request wants that."""
        delivery = self._order.request.get("delivery") or {}
        if delivery.get("archive_type") != "zip":
            return files
        if delivery.get("single_archive"):
            wanted = str(delivery.get("archive_filename") or "{{name}}_{{order_id}}.zip")
            filled = wanted.replace("{{name}}", self._order.request["name"]).replace("{{order_id}}", self._order.id)
            archives = {f"{_UNSAFE.sub('_', filled).lstrip('.').removesuffix('.zip') or 'order'}.zip": files}
        else:
            archives = {}
            for file in files:
                about = file.annotations
                owner = f"{about.get('planet/item_id', 'composite')}_{about['planet/bundle_type']}.zip"
                archives.setdefault(owner, []).append(file)
        packed = []
        for name, inside in archives.items():
            items = {file.annotations.get("planet/item_id") for file in inside}
            about = inside[0].annotations if len(items) == 1 and not delivery.get("single_archive") else {}
            _pack(self._folder, name, inside)
            packed.append(self._file(name, {k: v for k, v in about.items() if k != "planet/asset_type"}))
        for file in files:
            (self._folder / file.path).unlink()
        return packed

    def _spoil(self, files: list[File]) -> None:
        """The faults that struck this order, each on the first picture of its item or on an archive."""
        for fault, item_id in self._order.faults.items():
            named = [file for file in files if file.annotations.get("planet/item_id") == item_id]
            pictures = [file for file in named or files if file.path.endswith(".tif")] or named or files
            if not pictures:
                continue
            if fault == "wrong-digest":
                pictures[0].spoilt = True
            elif fault == "hostile-name":
                pictures[0].shown = f"../../{Path(pictures[0].path).name}"
            elif fault == "result-missing":
                pictures[0].missing = True

    def _place(self, path: str, annotations: dict[str, str]) -> Path:
        target = self._folder / path
        target.parent.mkdir(exist_ok=True)
        self._made[path] = annotations
        return target

    def _file(self, path: str, annotations: dict[str, str]) -> File:
        with (self._folder / path).open("rb") as body:
            md5 = hashlib.file_digest(body, "md5").hexdigest()
            body.seek(0)
            sha256 = hashlib.file_digest(body, "sha256").hexdigest()
        size = (self._folder / path).stat().st_size
        return File(path=path, shown=path, size=size, md5=md5, sha256=sha256, annotations=annotations)


def manifest(files: list[File]) -> str:
    """The manifest of files; it does not list itself (confirmed)."""
    return json.dumps({"name": "", "files": list(_entries(files))})


def _entries(files: list[File]) -> Iterator[dict[str, Any]]:
    for file in files:
        digests = {"md5": file.md5, "sha256": file.sha256}
        if file.spoilt:
            digests = {name: digest[::-1] for name, digest in digests.items()}
        yield {
            "path": file.shown,
            "media_type": _MEDIA.get(Path(file.path).suffix, "text/plain"),
            "size": file.size,
            "digests": digests,
            "annotations": file.annotations,
        }


def _pack(folder: Path, name: str, files: list[File]) -> None:
    """An archive with its own manifest, always of the same bytes."""
    with zipfile.ZipFile(folder / name, "w") as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.path, _ZIP_EPOCH)
            with archive.open(entry, "w", force_zip64=True) as inside, (folder / file.path).open("rb") as body:
                shutil.copyfileobj(body, inside, 1 << 20)
        archive.writestr(zipfile.ZipInfo(MANIFEST, _ZIP_EPOCH), manifest(files))


def _of_item(item_id: str, bundle: str) -> dict[str, str]:
    return {"planet/bundle_type": bundle, "planet/item_id": item_id, "planet/item_type": ITEM_TYPE}


def _moved(source: Path, target: Path, *, own: bool) -> None:
    """A file to its place: ours is moved, the catalogue's stays where it is."""
    target.unlink(missing_ok=True)
    if own:
        os.replace(source, target)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

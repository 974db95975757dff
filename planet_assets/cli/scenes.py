"""Reading what a command is given: scenes from files, a pipe, ids or a search; regions from files, text or a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planet_assets.exceptions import Misused

if TYPE_CHECKING:
    from planet_assets.blocking import AssetManager
    from planet_assets.flow.given import Scenes
    from planet_assets.model.plan import Plan

STDIN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The options that `plan` and `download` share, as they were typed."""

    scenes: tuple[str, ...]
    assets: str | None
    clip: str | None
    roi: str | None
    buffer_m: float | None
    compression: str | None
    output_format: str | None
    cog: bool
    overviews: bool
    extent: str | None
    mask_unusable: bool
    partial_read: bool
    directory: str | None
    delivery: str | None
    tools: tuple[str, ...]
    fallbacks: tuple[str, ...]
    naming: str | None
    max_concurrent: int | None
    start: str | None
    end: str | None
    cloud: float | None
    item_types: tuple[str, ...]
    limit: int | None

    def check(self) -> None:
        """Refuse what cannot be meant, before anything is read.

        Raises:
            click.UsageError: options that contradict each other, or too few.
        """
        searching = self.start is not None or self.end is not None
        if self.scenes and searching:
            raise click.UsageError("Give scenes, or --from and --to to search for them, not both.")
        if not self.scenes and not searching:
            raise click.UsageError("Which scenes? Give a GeoJSON file, ids, - for stdin, or --from and --to to search.")
        if self.clip and self.roi:
            raise click.UsageError("--clip and --roi exclude each other: --clip cuts, --roi only leaves scenes out.")
        if searching and not (self.clip or self.roi):
            raise click.UsageError("A search needs --clip or --roi.")
        if (self.clipping() or self.partial_read) and not self.clip:
            raise click.UsageError("Options for cutting need --clip.")
        if wrong := [word for word in self.fallbacks if "=" not in word]:
            raise click.UsageError(f"--fallback {wrong[0]}: write it as A=B.")
        if STDIN in self.scenes and STDIN in (self.clip, self.roi):
            raise click.UsageError("Only one thing can come from stdin.")

    def clipping(self) -> dict[str, Any]:
        """The wiki's clipping_config."""
        return clipping_config(
            self.buffer_m,
            self.compression,
            self.output_format,
            self.overviews,
            self.extent,
            cog=self.cog,
            mask_unusable=self.mask_unusable,
        )

    def plan(self, manager: AssetManager) -> Plan | None:
        """The plan of this wish; None when there are no scenes at all."""
        scenes, options = self.request(manager)
        return manager.plan(scenes, **options) if scenes else None

    def request(self, manager: AssetManager) -> tuple[Scenes, dict[str, Any]]:
        """The scenes, and how they are wanted: the arguments of `plan`."""
        clip, roi = read_region(self.clip), read_region(self.roi)
        return self._found(manager, clip or roi), {
            "asset_types": asset_types(self.assets),
            "roi": roi,
            "output_dir": self.directory,
            "clip_to_roi": clip,
            "clipping_config": self.clipping() | ({"partial_read": True} if self.partial_read else {}),
            "delivery": self.delivery,
            "tools": list(self.tools) or None,
            "fallback": dict(word.split("=", 1) for word in self.fallbacks) or None,
            "naming": self.naming,
            "max_concurrent": self.max_concurrent,
        }

    def _found(self, manager: AssetManager, region: Any) -> Scenes:
        if self.scenes:
            return read_scenes(self.scenes, manager, self.item_types)
        found = manager.search(
            region,
            *dates(self.start, self.end),
            cloud_cover_max=self.cloud,
            item_types=self.item_types,
            asset_types=asset_types(self.assets) or (),
            limit=self.limit,
        )
        features: list[Any] = found["features"]
        return features


def clipping_config(
    buffer_m: float | None,
    compression: str | None,
    output_format: str | None,
    overviews: bool,
    extent: str | None,
    *,
    cog: bool = False,
    mask_unusable: bool = False,
) -> dict[str, Any]:
    """The options for cutting under the names of `clipping_config`, those that were given."""
    given = {
        "buffer_meters": buffer_m,
        "compression": compression,
        "output_format": "COG" if cog else output_format,
        "create_overview": overviews or None,
        "extent": extent,
        "mask_unusable": mask_unusable or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def asset_types(text: str | None) -> list[str] | None:
    """`a,b` as a list; None for what the settings say."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def dates(start: str | None, end: str | None) -> tuple[str, str]:
    """Both ends of a search.

    Raises:
        click.UsageError: one is missing.
    """
    if start is None or end is None:
        missing = "--from" if start is None else "--to"
        raise click.UsageError(f"A search needs {missing}.")
    return start, end


def read_region(text: str | None) -> Any:
    """A region as the library takes it: text, or the path of a file; `-` is read from stdin.

    Raises:
        Misused: it is neither.
    """
    if text is None:
        return None
    if text == STDIN:
        return from_stdin("the region")
    written_out = text.lstrip().startswith("{") or "(" in text
    return text if written_out else Path(text)


def read_scenes(given: Sequence[str], manager: AssetManager, item_types: Sequence[str]) -> Scenes:
    """Scenes from GeoJSON files, `-`, and ids (which Planet is asked for). One selection alone keeps its region.

    Raises:
        Misused: a file that is no GeoJSON, or words that are neither file nor id.
        Gone: Planet has no scene of this id.
    """
    found = [_read(word) for word in given]
    if len(found) == 1 and isinstance(found[0], dict):
        return found[0] if found[0]["features"] else []
    listed = [one for document in found for one in (document["features"] if isinstance(document, dict) else document)]
    return [manager.get_scene(one, item_types[0]) if isinstance(one, str) else one for one in listed]


def read_files(given: Sequence[str]) -> Scenes:
    """Scenes from GeoJSON files and `-`, without asking Planet.

    Raises:
        Misused: a file that is no GeoJSON, or a word that is no file.
    """
    found = [one for word in given for one in _listed(_read(word))]
    if ids := [one for one in found if isinstance(one, str)]:
        hint = "Search for it, or write its record into a file."
        raise Misused(f"{ids[0]} is no file; only records of scenes can be chosen from.", hint=hint, argument="scenes")
    return found


def _listed(document: Any) -> list[Any]:
    listed: list[Any] = document["features"] if isinstance(document, dict) else document
    return listed


def _read(word: str) -> Any:
    """What a word names: features, ids, or a selection that knows its region."""
    if word == STDIN:
        return _from_text(from_stdin("scenes"), "stdin")
    if Path(word).suffix.lower() in (".json", ".geojson", ".ndjson", ".geojsonl") or Path(word).is_file():
        return _from_text(_file(Path(word)), word)
    return [word]


def read_records(word: str) -> list[Any]:
    """Records of a JSON file or of stdin: an array, a FeatureCollection, one a line, or the list inside an answer.

    Raises:
        Misused: it cannot be read, or is no JSON.
    """
    text = from_stdin("the listing") if word == STDIN else _file(Path(word))
    found = _listed(_from_text(text, word))
    if len(found) == 1 and isinstance(found[0], dict):
        return next((found[0][name] for name in ("items", "assets", "results") if name in found[0]), found)
    return found


def from_stdin(what: str) -> str:
    """All of stdin; a person at a keyboard is told that it is being read."""
    if sys.stdin.isatty():
        click.echo(f"Reading {what} from the keyboard; end with Ctrl-D.", err=True)
    return sys.stdin.buffer.read().decode("utf-8-sig", errors="replace")


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise Misused(f"{path} cannot be read: {reason}.", argument="scenes") from None


def _from_text(text: str, where: str) -> Any:
    """Features of a FeatureCollection, a Feature, a list or one a line; or ids, one a line; or a selection, whole."""
    text = text.strip()
    if not text:
        return []
    if text[0] not in "{[":
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        document = json.loads(text)
    except ValueError as whole:
        try:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            raise Misused(f"The scenes in {where} are no JSON: {whole}.", argument="scenes") from None
    if isinstance(document, list):
        return document
    if document.get("type") == "FeatureCollection":
        features = document.get("features")
        if not isinstance(features, list):
            raise Misused(f"The FeatureCollection in {where} has no features.", argument="scenes")
        roi = document.get("roi")
        return {"type": "FeatureCollection", "roi": roi, "features": features} if roi else features
    return [document]

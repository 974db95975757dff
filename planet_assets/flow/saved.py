"""Saved searches: our own form with words, or Planet's with a filter; the same file serves week after week."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planet_assets.exceptions import Misused

OURS = ("name", "roi", "from", "to", "cloud", "item_types", "assets", "filter")
PLANETS = ("name", "item_types", "asset_types", "filter", "geometry")
IGNORED = ("id", "_links", "created", "updated", "last_executed", "search_type", "__daily_email_enabled", "type")
"""What Planet adds to a search that it has saved."""

EARLIEST, LATEST = "2009-01-01", "2100-01-01"
"""Ends of a search that names none: before the first PlanetScope scene, after the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSearch:
    """What to look for, again and again."""

    roi: Any = None
    """Region as the file gives it: GeoJSON, WKT or a path; None where it names none."""
    start: str = EARLIEST
    """First day."""
    end: str = LATEST
    """Last day, included."""
    cloud: float | None = None
    """Share of cloud at the most."""
    item_types: tuple[str, ...] = ("PSScene",)
    """Kinds of scene."""
    asset_types: tuple[str, ...] = ()
    """What to fetch of each scene; empty where the file does not say."""
    filter: Mapping[str, Any] | None = None
    """A filter of Planet's Data API that has to hold too."""


def read_saved(source: str | Path | Mapping[str, Any]) -> SavedSearch:
    """A saved search from its file or as a mapping.

    Raises:
        Misused: it cannot be read, or holds what cannot be meant; by name.
    """
    where, beside = ("the search", None) if isinstance(source, Mapping) else (str(source), Path(source).parent)
    document = source if isinstance(source, Mapping) else _document(Path(source))
    known = {*OURS, *PLANETS, *IGNORED}
    if unknown := sorted(set(document) - known):
        raise Misused(
            f"{where} has an unknown key {unknown[0]!r}.",
            hint=f"Known: {', '.join(OURS)}; or a search as Planet saves it.",
            argument="search",
        )
    return SavedSearch(
        roi=_region(document.get("roi", document.get("geometry")), beside),
        start=_text(document, "from", EARLIEST),
        end=_text(document, "to", LATEST),
        cloud=_share(document.get("cloud")),
        item_types=_names(document, "item_types") or ("PSScene",),
        asset_types=_names(document, "assets") or _names(document, "asset_types"),
        filter=_filter(document.get("filter")),
    )


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Misused(f"The saved search {path} cannot be read: {error.strerror}.", argument="search") from None
    except ValueError as error:
        raise Misused(f"The saved search {path} is no JSON: {error}.", argument="search") from None
    if not isinstance(document, Mapping):
        raise Misused(f"The saved search {path} is no JSON object.", argument="search")
    return document


def _region(value: Any, beside: Path | None) -> Any:
    """A file is meant from where the search lies, so that a project can be moved."""
    if not isinstance(value, str) or value.lstrip().startswith("{") or "(" in value:
        return value
    return Path(value) if beside is None else beside / value


def _text(document: Mapping[str, Any], key: str, default: str) -> str:
    value = document.get(key, default)
    if not isinstance(value, str):
        raise Misused(f"{key}={value!r} is not a date.", hint="Write it as 2025-01-31.", argument="search")
    return value


def _share(value: Any) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise Misused(f"cloud={value!r} is not a share from 0 to 1.", argument="search")
    return value


def _names(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = document.get(key) or ()
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise Misused(f"{key}={value!r} is not a list of names.", argument="search")
    return tuple(name.strip() for name in names if name.strip())


def _filter(value: Any) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, Mapping):
        raise Misused("filter is not a filter of Planet's Data API.", argument="search")
    return value

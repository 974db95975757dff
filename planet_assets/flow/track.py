"""Tracking: a listing of scenes or of any records, compared with what was listed before. Nothing is asked of anyone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from planet_assets.exceptions import Misused
from planet_assets.library import listings
from planet_assets.library.engine import Library
from planet_assets.model.changes import Changes
from planet_assets.rules import changes as rules

SCENES = "scenes"
"""Name of the listing where none is given."""

Records = Mapping[str, Any] | Iterable[Mapping[str, Any]]
"""A FeatureCollection, features, or records of any source."""


def track(
    library: Library,
    records: Records,
    *,
    name: str | None,
    complete: bool,
    key: str | None,
    change_keys: Sequence[str] | None,
    now: datetime,
    dry_run: bool = False,
) -> Changes:
    """Compare records with what was listed before under the name, and remember them.

    Raises:
        Misused: a record that is none, or that nothing names; a complete listing without a name.
    """
    if complete and not name:
        raise Misused(
            "A complete listing needs a name: what it lacks is gone from that listing, and from no other.",
            hint="For example the site and the search.",
            argument="listing",
        )
    found = list(_records(records))
    by_id = {_key(record, number, key): record for number, record in enumerate(found)}
    prints = {one: _print(record, change_keys) for one, record in by_id.items()}
    if dry_run:
        return listings.preview(library, name or SCENES, prints, complete=complete)
    return listings.remember(
        library,
        name or SCENES,
        prints,
        now=now,
        complete=complete,
        describe=lambda one: json.dumps(by_id[one], ensure_ascii=False, default=str),
    )


def _records(records: Records) -> Iterable[Mapping[str, Any]]:
    if not isinstance(records, Mapping):
        return records
    for name in ("features", "items", "assets", "results"):
        if isinstance(records.get(name), list):
            listed: list[Mapping[str, Any]] = records[name]
            return listed
    return [records]


def _is_scene(record: Mapping[str, Any]) -> bool:
    return record.get("type") == "Feature" and isinstance(record.get("properties"), Mapping)


def _key(record: Any, number: int, key: str | None) -> str:
    if not isinstance(record, Mapping):
        raise Misused(f"listing[{number}] is a {type(record).__name__}, not a record.", argument="listing")
    if key is None and _is_scene(record) and not record.get("id"):
        return rules.key_of(record["properties"])
    return rules.key_of(record, (key,) if key else rules.ID_KEYS)


def _print(record: Mapping[str, Any], change_keys: Sequence[str] | None) -> str:
    if change_keys is None and _is_scene(record):
        return rules.scene_fingerprint(record)
    return rules.fingerprint(record, change_keys or rules.CHANGE_KEYS)

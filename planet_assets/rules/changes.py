"""What changed: a listing against what is remembered, by fingerprint, and when an asset counts as republished.

A fingerprint is text that moves when the thing itself does. Metadata that drifts leaves it alone: Planet's `updated`
moves weeks after the last byte did. Source: confirmed (59 real scenes, contract section 7b).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import compress
from operator import ne
from typing import Any

from planet_assets.exceptions import Misused
from planet_assets.model.changes import Changes, Fingerprints, Remembered, Version

CHANGE_KEYS = ("updated", "modified", "lastModified", "size", "checksum", "etag")
"""Fields of a foreign record that tell a change."""

ID_KEYS = ("id", "assetId", "uuid")
"""Fields of a foreign record that may name it, the first one present counts."""

VOLATILE = ("_links", "_permissions", "expires_at", "url", "downloadUrl", "token", "signature")
"""Fields that move without any change: signed links and rights."""

UNKNOWN = ""


def compare(remembered: Remembered, listing: Fingerprints, *, complete: bool = False) -> Changes:
    """Sort a listing against what is remembered.

    An unknown fingerprint tells nothing: from unknown to known and from known to unknown is no change.

    Args:
        remembered: the listing as it was.
        listing: the listing as it is, or a part of it.
        complete: True when the listing holds everything; only then what it lacks is gone.
    """
    moved, lacking = _differing(remembered, listing)
    back = {key: before for key, before in remembered.gone.items() if key in listing}
    moved |= back
    in_order = tuple(compress(listing, map(moved.__contains__, listing))) if moved else ()
    fresh = len(listing) - (remembered.count - len(lacking)) - len(back)
    return Changes(
        listed=listing,
        new=_unknown(remembered, listing) if fresh else (),
        modified=tuple(
            key for key in in_order if UNKNOWN not in (moved[key], listing[key]) and moved[key] != listing[key]
        ),
        gone=tuple(sorted(lacking)) if complete else (),
        returned=tuple(key for key in in_order if key in back),
        learned=tuple(key for key in in_order if moved[key] == UNKNOWN != listing[key]),
    )


def _differing(remembered: Remembered, listing: Fingerprints) -> tuple[dict[str, str], list[str]]:
    """Of what was listed: ids that are listed with another fingerprint, with the one they had, and ids that are not.

    The listing is the table that is looked into, since the caller has made it already; nearly all ids are alike, and
    are passed over quickly.
    """
    ids, prints, later, gone = remembered.ids, remembered.prints, remembered.later, remembered.gone
    unlike = compress(zip(ids, prints, strict=True), map(ne, map(listing.get, ids), prints))
    found = [pair for pair in unlike if pair[0] not in later and pair[0] not in gone]
    found += [pair for pair in later.items() if listing.get(pair[0]) != pair[1]]
    moved = {key: before for key, before in found if key in listing}
    return moved, [key for key, _ in found if key not in listing]


def _unknown(remembered: Remembered, listing: Fingerprints) -> tuple[str, ...]:
    known = set(remembered.ids)
    known.update(remembered.later, remembered.gone)
    return tuple(key for key in listing if key not in known)


def kept_print(remembered: Remembered, listing: Fingerprints, key: str) -> str:
    """The fingerprint to remember of a new or changed id; a known one is never forgotten for an unknown one."""
    return listing[key] or remembered.gone.get(key) or UNKNOWN


def fingerprint(record: Mapping[str, Any], keys: Sequence[str] = CHANGE_KEYS) -> str:
    """What makes two foreign records the same: sha256 of the canonical JSON of those `keys` that it has.

    A record with none of them is compared as a whole, but for what moves by itself.
    """
    chosen = {key: record[key] for key in keys if record.get(key) is not None}
    if not chosen:
        chosen = {key: value for key, value in record.items() if key not in VOLATILE}
    text = json.dumps(chosen, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def key_of(record: Mapping[str, Any], keys: Sequence[str] = ID_KEYS) -> str:
    """What names a foreign record, as text.

    Raises:
        Misused: none of the keys is there, so every change would look like another thing.
    """
    for key in keys:
        value = record.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    raise Misused(
        f"A record has no {' or '.join(keys)}, so nobody can tell it from others: {str(dict(record))[:80]}",
        hint="Say which field names a record.",
        argument="key",
    )


def scene_fingerprint(feature: Mapping[str, Any]) -> str:
    """What makes two records of a scene the same: its publishing stage. Everything else drifts."""
    stage = (feature.get("properties") or {}).get("publishing_stage")
    return stage if isinstance(stage, str) else UNKNOWN


def why_republished(had: Version, now: Version) -> str:
    """Why Planet's file is another than the one that was had, in words; empty when nothing proves it.

    Only an md5 that moved from one known value to another, or a preview that was finalized, does. Source: assumed;
    that republishing changes the digest is confirmed (Planet's documentation of md5_digest).
    """
    if had.md5 and now.md5 and had.md5 != now.md5:
        return f"its md5 moved from {had.md5[:8]} to {now.md5[:8]}"
    if had.stage == "preview" and now.stage == "finalized" and not (had.md5 and had.md5 == now.md5):
        return "its preview was finalized"
    return ""

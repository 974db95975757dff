"""What a metadata record is in a metadir, how a value stands in a CSV cell, and what one record changes of another.

Cells are text. Ours say beside them what they were; those of mmmeta say nothing, so a number is taken for one only
where nothing is lost by it, and never in a field that names something.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]
"""Flat: key -> value, nested keys joined by a colon."""

DELETED = ("__deleted", "__deleted_at", "__deleted_reason")
"""Keys of a record that is gone."""

KEYS = "__mmmeta_keys"
"""Cell that names the keys a row speaks of."""

KINDS = "__mmmeta_kinds"
"""Cell that says, as JSON, of what kind the values of a row are that are no text."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)?")
_INT = re.compile(r"0|-?[1-9]\d{0,17}")


def flat(record: Mapping[str, Any]) -> Record:
    """A record without nesting; a hyphen in a key becomes an underscore, as in mmmeta."""
    found: Record = {}
    for key, value in record.items():
        name = str(key).replace("-", "_")
        if isinstance(value, Mapping):
            found |= {f"{name}:{inner}": part for inner, part in flat(value).items()}
        else:
            found[name] = value
    return found


def cell(value: Any) -> str:
    """A value as text, the way mmmeta writes it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return moment_text(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple | dict) else str(value)


def kind(value: Any) -> str | None:
    """What is noted beside a cell; None for plain text. A blank cell with no note says nothing at all."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    for name, types in (("int", int), ("float", float), ("time", datetime), ("json", list | tuple | dict)):
        if isinstance(value, types):
            return name
    return "text" if value == "" else None


def value(text: str, kind: str | None) -> Any:
    """What a cell holds.

    Args:
        text: the cell.
        kind: what is noted beside it.
    """
    if kind is None or kind == "text":
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text == "True"
    if kind == "time":
        return moment(text) or text
    if kind == "json":
        return json.loads(text)
    return int(text) if kind == "int" else float(text)


def foreign_value(key: str, text: str, names: Collection[str]) -> Any:
    """What a cell of mmmeta holds, where nothing is noted.

    Args:
        key: of the cell.
        text: the cell.
        names: keys that name something; their text is never taken for a number.
    """
    if text == "":
        return None
    if key in names:
        return text
    return (moment(text) if key.startswith("__") else None) or number_or_text(text)


def number_or_text(text: str) -> Any:
    """A number where writing it again gives the same text; `0123`, `1e5` and `2022_06_17` stay text."""
    if _INT.fullmatch(text):
        return int(text)
    try:
        found = float(text)
    except ValueError:
        return text
    return found if repr(found) == text and math.isfinite(found) else text


def moment(text: str) -> datetime | None:
    """The time that a text says, UTC where it names no zone; None when it is none."""
    if not _TIME.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def moment_text(at: datetime) -> str:
    """A time as mmmeta writes it: without zone, so that it can be compared there; ours are UTC."""
    plain = at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
    return plain.isoformat(" ")


def changed(record: Mapping[str, Any], before: Mapping[str, Any], equal: Callable[[Any, Any], bool]) -> Record:
    """The part of a record that says something else than before; what it leaves out is no change."""
    return {key: now for key, now in record.items() if not equal(now, before.get(key))}


def same(one: Any, other: Any) -> bool:
    """Equal, and of one kind: 0 is not False, and 1 is not "1". NaN is the same as NaN."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    both_numbers = isinstance(one, int | float) and isinstance(other, int | float)
    kinds_agree = isinstance(one, bool) == isinstance(other, bool) and (both_numbers or kind(one) == kind(other))
    return bool(kinds_agree and one == other)


def lacking(record: Mapping[str, Any], required: Collection[str]) -> list[str]:
    """Required keys that a record has no value for."""
    return sorted(key for key in required if record.get(key) in (None, ""))


@dataclass(slots=True)
class Tally:
    """What a pass found; mmmeta's five figures in its order."""

    updated: int = 0
    """Records that say something else."""
    added: int = 0
    """Records never seen before."""
    invalid: int = 0
    """Records or files that are no good; said in the log, and passed over."""
    deleted: int = 0
    """Records that are gone since the last pass."""
    skipped: int = 0
    """Records that are as they were."""
    rows: dict[str, Record] = field(default_factory=dict)
    """Uid -> the keys that change."""

    @property
    def figures(self) -> tuple[int, int, int, int, int]:
        """(updated, added, invalid, deleted, skipped)."""
        return self.updated, self.added, self.invalid, self.deleted, self.skipped

    @property
    def changes_anything(self) -> bool:
        """True when there is something to write."""
        return bool(self.rows)


def merge(
    tally: Tally,
    known: dict[str, Record],
    uid: str,
    record: Record,
    *,
    prefix: str,
    now: datetime,
    equal: Callable[[Any, Any], bool] | None = None,
) -> None:
    """Hold a record against what is known of it; both the tally and what is known move on.

    Args:
        tally: what the pass has found so far.
        known: uid -> record.
        uid: names the record.
        record: as it is now. What was gone and is listed again is alive again.
        prefix: meta or state: whose times are stamped.
        now: the moment.
        equal: when two values are the same; `same` by default.
    """
    before = known.get(uid)
    if before is None:
        row = {**record, f"__{prefix}_added": now, f"__{prefix}_last_updated": now}
        tally.added += 1
    else:
        row = changed(record, before, equal or same)
        if before.get("__deleted") and not record.get("__deleted"):
            row |= dict.fromkeys(DELETED)
        if not row:
            tally.skipped += 1
            return
        if record.get("__deleted") and not before.get("__deleted"):
            tally.deleted += 1
        else:
            tally.updated += 1
        row[f"__{prefix}_last_updated"] = now
    known[uid] = {**(before or {}), **row}
    tally.rows[uid] = {**tally.rows.get(uid, {}), **row}


def miss(tally: Tally, known: dict[str, Record], seen: Collection[str], *, prefix: str, now: datetime) -> None:
    """Note as gone what a pass that saw everything has not seen; what is gone already stays as it is."""
    for uid, record in known.items():
        if uid in seen or record.get("__deleted"):
            continue
        row = dict(zip(DELETED, (1, now, f"{prefix}-missing"), strict=True))
        tally.rows[uid] = {**tally.rows.get(uid, {}), **row, f"__{prefix}_last_updated": now}
        tally.deleted += 1


def stored_alike(one: Any, other: Any) -> bool:
    """Equal as far as a table can tell: it knows no True, and a time is the text that says it."""
    return same(_stored(one), _stored(other))


def _stored(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return moment(value) or value
    if isinstance(value, int) and abs(value) >= 2**63:
        return str(value)
    return cell(value) if isinstance(value, list | tuple | dict) else value

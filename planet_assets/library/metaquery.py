"""What may be asked of a metadir's files: mmmeta's keywords as SQL. What has no value counts as false."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from planet_assets.exceptions import Misused
from planet_assets.library.metastate import Rows, quoted
from planet_assets.rules.metadir import number_or_text

Condition = tuple[str, list[Any]]

PAGING = ("order_by", "_limit", "_offset", "_step", "_streamed")
"""Keywords that are no keys."""

_COMPARE = {"gt": ">", ">": ">", "lt": "<", "<": "<", "gte": ">=", ">=": ">=", "lte": "<=", "<=": "<="}
_EQUAL, _OTHER = ("=", "==", "is"), ("!=", "<>", "not")
_IN = {"in": "", "notin": "NOT "}
_LIKE = {"like": "", "ilike": "", "notlike": "NOT ", "notilike": "NOT ", "startswith": "", "endswith": ""}


def where(rows: Rows, asked: Mapping[str, Any]) -> Condition:
    """The condition that all keywords say together; rows that are gone are left out unless `__deleted` is asked for.

    Raises:
        Misused: an operator is not known.
    """
    parts = [_condition(rows, key, wanted) for key, wanted in asked.items() if key not in PAGING]
    if "__deleted" not in asked and (gone := rows.known("__deleted")):
        parts.append((f"COALESCE({quoted(gone)}, 0) = 0", []))
    return " AND ".join(text for text, _ in parts) or "1", [value for _, values in parts for value in values]


def tail(rows: Rows, asked: Mapping[str, Any]) -> str:
    """Order and bounds; a minus before a key turns its order round."""
    order = asked.get("order_by") or []
    keys = [order] if isinstance(order, str) else list(order)
    parts = []
    for key in keys:
        name = rows.known(key.lstrip("-"))
        if name is not None:
            parts.append(f"{quoted(name)} {'DESC' if key.startswith('-') else 'ASC'}")
    limit, offset = asked.get("_limit"), asked.get("_offset")
    bounds = f" LIMIT {-1 if limit is None else int(limit)} OFFSET {int(offset or 0)}"
    return f"ORDER BY {', '.join([*parts, 'rowid'])}{bounds}"


def _condition(rows: Rows, key: str, wanted: Any) -> Condition:
    name = rows.known(key)
    column = "NULL" if name is None else quoted(name)
    if isinstance(wanted, Mapping):
        parts = [_operator(column, str(word).lower(), one) for word, one in wanted.items()]
        return "(" + " AND ".join(text for text, _ in parts) + ")", [one for _, ones in parts for one in ones]
    if isinstance(wanted, list | tuple | set | frozenset):
        return _operator(column, "in", wanted)
    return _equal(column, wanted)


def _operator(column: str, word: str, wanted: Any) -> Condition:
    if word in _COMPARE:
        return _compared(column, _COMPARE[word], wanted)
    if word in _EQUAL:
        return _equal(column, wanted)
    if word in _OTHER:
        text, values = _equal(column, wanted)
        return f"(NOT {text})", values
    if word in _IN:
        parts = [_equal(column, one) for one in wanted]
        any_of = " OR ".join(text for text, _ in parts) or "0"
        return f"({_IN[word]}({any_of}))", [value for _, values in parts for value in values]
    if word in ("between", ".."):
        low, high = wanted
        one, other = _compared(column, ">=", low), _compared(column, "<=", high)
        return f"({one[0]} AND {other[0]})", [*one[1], *other[1]]
    if word in _LIKE:
        pattern = {"startswith": "{}%", "endswith": "%{}"}.get(word, "{}").format(wanted)
        return f"(COALESCE({column}, '') {_LIKE[word]}LIKE ?)", [pattern]
    raise Misused(f"There is no operator {word!r}.", hint=f"Known: {', '.join([*_COMPARE, *_IN, *_LIKE])}, between.")


def _equal(column: str, wanted: Any) -> Condition:
    if wanted is None:
        return f"({column} IS NULL)", []
    if wanted is False:
        return f"(COALESCE({column}, 0) IN (0, '', 'False'))", []
    if wanted is True:
        return f"(COALESCE({column}, 0) IN (1, 'True'))", []
    if isinstance(wanted, date):
        return _compared(column, "=", wanted)
    either = [wanted]
    if isinstance(wanted, int | float):
        either.append(str(wanted))
    elif isinstance(wanted, str) and not isinstance(number := number_or_text(wanted), str):
        either.append(number)
    return f"(COALESCE({column} IN ({', '.join('?' for _ in either)}), 0))", either


def _compared(column: str, sign: str, wanted: Any) -> Condition:
    """Numbers with numbers, also those that came as text; times by their text; text with text."""
    if isinstance(wanted, datetime):
        return f"(COALESCE(replace({column}, ' ', 'T') {sign} ?, 0))", [wanted.isoformat()]
    if isinstance(wanted, date):
        return f"(COALESCE(substr({column}, 1, 10) {sign} ?, 0))", [wanted.isoformat()]
    if isinstance(wanted, int | float):
        return f"(COALESCE({_number(column)} {sign} ?, 0))", [wanted]
    return f"(COALESCE(CAST({column} AS TEXT) {sign} ?, 0))", [str(wanted)]


def _number(column: str) -> str:
    """The number in a column; nothing where the text is none."""
    is_text = f"typeof({column}) = 'text' AND ({column} = '' OR {column} GLOB '*[^0-9.+eE-]*')"
    return f"CASE WHEN {is_text} THEN NULL ELSE CAST({column} AS REAL) END"

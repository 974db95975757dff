"""Reads a search as MongoDB's find takes it, as far as it is harmless: fifteen operators, and nothing that runs code.

The strings `REGEX_<re>` and `RX_<re>_RX<flags>` are regular expressions, as the other tracker's clients send them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from planet_assets.exceptions import Misused
from planet_assets.model.query import Compare, Every, Exists, Length, Member, Node, Not, Null, Some
from planet_assets.rules.elements import number_of
from planet_assets.rules.query import any_of, regex

DEEPEST, MOST_PARTS = 20, 1000
ORDER = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


def parsed(query: object) -> Node:
    """The question that a query asks.

    Raises:
        Misused: it is no query, or uses an operator that is not offered.
    """
    return _Reader().document(query, 0)


def sort_of(given: object) -> list[tuple[str, bool]]:
    """Keys to sort by, and whether each goes downward: from {key: 1} or [[key, -1]].

    Raises:
        Misused: it is neither.
    """
    pairs: Sequence[Any] = list(given.items()) if isinstance(given, Mapping) else given  # type: ignore[assignment]
    if not given:
        return []
    if isinstance(given, str):
        pairs = [(given, 1)]
    if not isinstance(pairs, list) or len(pairs) > 5:
        raise Misused("sort is an object of up to five keys: 1 for upward, -1 for downward.", argument="sort")
    found = []
    for pair in pairs:
        key, way = pair if isinstance(pair, list | tuple) and len(pair) == 2 else (None, None)
        if not isinstance(key, str) or isinstance(way, bool) or way not in (1, -1):
            raise Misused("sort is an object of up to five keys: 1 for upward, -1 for downward.", argument="sort")
        found.append((_whole(key), way == -1))
    return found


class _Reader:
    """Counts parts, so that no query can be an avalanche."""

    def __init__(self) -> None:
        self._parts = 0

    def document(self, query: object, depth: int, under: str = "") -> Node:
        """All conditions of an object."""
        if not isinstance(query, Mapping):
            raise Misused("A query is a JSON object.", argument="query")
        self._count(len(query), depth)
        parts: list[Node] = []
        for key, asked in query.items():
            if key in ("$and", "$or", "$nor"):
                parts.append(self._several(key, asked, depth))
            elif key.startswith("$"):
                raise _unknown(key)
            else:
                parts.append(self.condition(_whole(key), asked, depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def condition(self, key: str, asked: object, depth: int) -> Node:
        """What one key has to fulfil."""
        if not isinstance(asked, Mapping) or not any(name.startswith("$") for name in asked):
            return self._equal(key, asked, depth)
        self._count(len(asked), depth)
        flags = asked.get("$options", "")
        rest = {name: value for name, value in asked.items() if name != "$options"}
        parts = [self._operator(key, name, value, flags, depth) for name, value in rest.items()]
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _operator(self, key: str, name: str, value: Any, flags: Any, depth: int) -> Node:
        if name in ORDER:
            return _ordered(key, ORDER[name], value)
        if name == "$regex":
            if not isinstance(value, str) or not isinstance(flags, str):
                raise Misused("$regex and $options are texts.", argument="query")
            return regex(key, value, flags)
        read: dict[str, Callable[[], Node]] = {
            "$eq": lambda: self._equal(key, value, depth),
            "$ne": lambda: Not(self._equal(key, value, depth)),
            "$in": lambda: self._among(key, value, depth),
            "$nin": lambda: Not(self._among(key, value, depth)),
            "$all": lambda: Every(tuple(self._equal(key, one, depth) for one in self._list(value, depth))),
            "$exists": lambda: Exists(key) if value else Not(Exists(key)),
            "$not": lambda: Not(self.condition(key, value, depth + 1)),
            "$size": lambda: Length(key, _whole_number(value)),
            "$elemMatch": lambda: Member(key, self._member(value, depth + 1)),
        }
        if name not in read:
            raise _unknown(name)
        return read[name]()

    def _member(self, asked: Any, depth: int) -> Node:
        is_scalar = isinstance(asked, Mapping) and any(name.startswith("$") for name in asked)
        return self.condition("", asked, depth) if is_scalar else self.document(asked, depth)

    def _equal(self, key: str, value: Any, depth: int) -> Node:
        if isinstance(value, str):
            return _text(key, value)
        if isinstance(value, bool):
            return Compare(key, "=", truth=value)
        if value is None:
            return Some((Not(Exists(key)), Null(key)))
        if isinstance(value, int | float):
            return Compare(key, "=", number=_number(value))
        if isinstance(value, Mapping) and value:
            return Every(tuple(self.condition(f"{key}.{_whole(name)}", one, depth + 1) for name, one in value.items()))
        if isinstance(value, list):
            members = [self._equal(key, one, depth + 1) for one in self._list(value, depth)]
            return Every((Length(key, len(members)), *members))
        raise Misused("An empty object is equal to nothing that can be searched for.", argument="query")

    def _among(self, key: str, value: Any, depth: int) -> Node:
        found = tuple(self._equal(key, one, depth + 1) for one in self._list(value, depth))
        return any_of(found) if found else Not(Every())

    def _several(self, name: str, asked: Any, depth: int) -> Node:
        parts = tuple(self.document(one, depth + 1) for one in self._list(asked, depth))
        if not parts:
            raise Misused(f"{name} is a list of queries.", argument="query")
        return Every(parts) if name == "$and" else any_of(parts) if name == "$or" else Not(any_of(parts))

    def _list(self, value: Any, depth: int) -> list[Any]:
        if not isinstance(value, list):
            raise Misused("$in, $nin, $all, $and, $or and $nor take lists.", argument="query")
        self._count(len(value), depth)
        return value

    def _count(self, more: int, depth: int) -> None:
        self._parts += more
        if self._parts > MOST_PARTS or depth > DEEPEST:
            raise Misused(f"A query has {MOST_PARTS} parts and {DEEPEST} levels at the most.", argument="query")


def _text(key: str, value: str) -> Node:
    if value.startswith("REGEX_"):
        return regex(key, value.removeprefix("REGEX_"), "")
    if value.startswith("RX_") and "_RX" in value[3:]:
        pattern, _, flags = value.removeprefix("RX_").rpartition("_RX")
        return regex(key, pattern, flags)
    return Compare(key, "=", text=_whole(value))


def _ordered(key: str, op: str, value: Any) -> Node:
    if isinstance(value, str):
        return Compare(key, op, text=_whole(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Misused("Only numbers and texts have an order.", argument="query")
    return Compare(key, op, number=_number(value))


def _number(value: float) -> float:
    found = number_of(value)
    if found is None:
        raise Misused("The number is too large.", argument="query")
    return found


def _whole(text: str) -> str:
    if "\0" in text:
        raise Misused("A search holds no NUL.", argument="query")
    return text


def _whole_number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**9:
        raise Misused("$size is a whole number.", argument="query")
    return value


def _unknown(name: str) -> Misused:
    offered = "$eq $ne $gt $gte $lt $lte $in $nin $exists $regex $and $or $not $nor $size $all $elemMatch"
    return Misused(f"{name[:40]} is not offered.", hint=f"There are {offered}.", argument="query")

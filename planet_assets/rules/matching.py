"""Whether an element answers a question: the same as a library's index says, for what no index can say."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from planet_assets.model.query import (
    Compare,
    Contains,
    Every,
    Exists,
    Length,
    Member,
    Node,
    Not,
    Null,
    Regex,
    Some,
    Word,
)
from planet_assets.rules.elements import Value, values

PROSE = ("_id", "comment", "name", "title", "description", "label", "tags")
"""Keys in which words are looked for."""
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
Found = Callable[[Regex, str], bool]
"""Whether a text matches a regular expression."""


def matches(node: Node, document: Mapping[str, Any], found: Found) -> bool:
    """True when the document, with its `_id` among its keys, answers the question."""
    return _Matcher(document, found).holds(node)


class _Matcher:
    def __init__(self, document: Mapping[str, Any], found: Found) -> None:
        self._document, self._found = document, found
        self._rows: dict[str, list[Value]] = {}
        for row in values(document):
            self._rows.setdefault(row.key, []).append(row)

    def holds(self, node: Node) -> bool:
        """One question of the tree."""
        if isinstance(node, Every):
            return all(self.holds(part) for part in node.parts)
        if isinstance(node, Some):
            return any(self.holds(part) for part in node.parts)
        if isinstance(node, Not):
            return not self.holds(node.part)
        if isinstance(node, Member):
            return self._member(node)
        if isinstance(node, Word):
            asked = node.text.lower()
            return any(row.kind == "s" and asked in (row.text or "").lower() for key in PROSE for row in self._of(key))
        return any(self._value(node, row) for row in self._of(node.key))

    def _value(self, node: Compare | Exists | Null | Length | Regex | Contains, row: Value) -> bool:
        if isinstance(node, Exists):
            return True
        if isinstance(node, Null):
            return row.kind == "z"
        if isinstance(node, Length):
            return row.kind == "a" and row.text == str(node.members)
        if isinstance(node, Contains):
            return row.kind == "s" and node.text in (row.text or "")
        if isinstance(node, Regex):
            return row.kind == "s" and self._found(node, row.text or "")
        return compares(node, row)

    def _member(self, node: Member) -> bool:
        members = self._document.get(node.key)
        for member in members if isinstance(members, list) else ():
            document = member if isinstance(member, Mapping) else {"": member}
            if matches(node.node, document, self._found):
                return True
        return False

    def _of(self, key: str) -> list[Value]:
        return self._rows.get(key, [])


def compares(node: Compare, row: Value) -> bool:
    """True when one value compares as asked."""
    holds = ORDER[node.op]
    if row.kind == "s" and node.text is not None:
        return holds(row.text, node.text)
    if row.kind == "n" and node.number is not None and row.number is not None:
        return holds(row.number, node.number)
    return row.kind == "b" and node.truth is not None and row.text == ("true" if node.truth else "false")

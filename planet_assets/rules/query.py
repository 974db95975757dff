"""Reads a search as people write it: `type:scene cloud<0.2 "two words"`, terms that all have to hold.

A term is `key op value`; the operator is the first of `<= < >= > :` that stands after a key. A value that looks like a
number is compared as a number too, a quoted one is text only. `/re/flags` is a regular expression. A term without an
operator is looked for in prose, `*` alone means everything.
"""

from __future__ import annotations

import re

from planet_assets.exceptions import Misused
from planet_assets.model.query import Compare, Every, Node, Regex, Some, Word
from planet_assets.rules.elements import number_of

MOST_TERMS, LONGEST_PATTERN = 50, 1000
IDS = frozenset({"_id", "#parent", "src_id", "tgt_id"})
"""Keys that hold ids: a path between slashes is one, and no regular expression unless it looks like one."""
META = re.compile(r"[.*+?^$()\[\]{}|\\]")
_OPERATOR = re.compile(r"<=|<|>=|>|:")
_NUMBER = re.compile(r"[+-]?(\d{1,300}(\.\d{0,300})?|\.\d{1,300})([eE][+-]?\d{1,3})?")
_ESCAPES = "dDwWsSbBAzntrfvaQE"
"""What may stand after a backslash and means something that ends there."""
_REGEX = re.compile(r"/(.+)/([gimy]*)", re.DOTALL)


def parsed(query: str) -> Node:
    """The question that a text asks.

    Raises:
        Misused: it is empty, too long, or cannot be meant.
    """
    if "\0" in query:
        raise Misused("A search holds no NUL.", argument="query")
    terms = _terms(query)
    if not terms:
        raise Misused("The search is empty.", hint="* means everything.", argument="query")
    if len(terms) > MOST_TERMS:
        raise Misused(f"A search has {MOST_TERMS} terms at the most.", argument="query")
    parts = tuple(_term(*one) for one in terms if one != ("*", -1))
    return parts[0] if len(parts) == 1 else Every(parts)


def _terms(query: str) -> list[tuple[str, int]]:
    """Words with their quotes taken out; and where the first quote stood, -1 for none."""
    found: list[tuple[str, int]] = []
    word, quote, inside, begun = "", -1, False, False
    for sign in query:
        if sign == '"':
            quote = len(word) if quote < 0 else quote
            inside, begun = not inside, True
        elif sign.isspace() and not inside:
            if begun:
                found.append((word, quote))
            word, quote, begun = "", -1, False
        else:
            word, begun = word + sign, True
    if inside:
        raise Misused("A quote is not closed.", argument="query")
    return [*found, (word, quote)] if begun else found


def _term(word: str, quote: int) -> Node:
    sign = _OPERATOR.search(word, 1, len(word) if quote < 0 else quote)
    if sign is None:
        return Word(word)
    key, op, value = word[: sign.start()], sign[0], word[sign.end() :]
    is_quoted = quote == sign.end()
    if op != ":":
        number = None if is_quoted else as_number(value)
        return Compare(key, op, text=value if number is None else None, number=number)
    if is_quoted:
        return Compare(key, "=", text=value)
    if regex := _regex(key, value):
        return regex
    truth = {"true": True, "false": False}.get(value)
    return Compare(key, "=", text=value, number=as_number(value), truth=truth)


def _regex(key: str, value: str) -> Regex | None:
    found = _REGEX.fullmatch(value)
    if found is None or (key in IDS and not found[2] and not META.search(found[1])):
        return None
    return regex(key, found[1], found[2], or_exactly=key in IDS and not found[2])


def regex(key: str, pattern: str, flags: str, *, or_exactly: bool = False) -> Regex:
    """A regular expression that is not too long.

    Raises:
        Misused: it is.
    """
    if len(pattern) > LONGEST_PATTERN or "\0" in pattern:
        raise Misused(f"A regular expression has {LONGEST_PATTERN} characters at the most.", argument="query")
    return Regex(key, pattern, "i" in flags, "m" in flags, or_exactly)


def certain(expression: Regex) -> str:
    """The longest text that whatever matches is sure to have in it; empty when that is not plain to see.

    It lets an index pass over most of what does not match, before RE2 is asked.
    """
    if expression.ignore_case or re.search(r"[|()\[\]{}]", expression.pattern):
        return ""
    pieces, escaped = [""], False
    for sign in expression.pattern:
        if escaped:
            escaped = False
            if sign in _ESCAPES:
                pieces.append("")
            elif sign.isalnum() or not sign.isascii():
                return ""
            else:
                pieces[-1] += sign
        elif sign == "\\":
            escaped = True
        elif sign in "*?":
            pieces[-1] = pieces[-1][:-1]
            pieces.append("")
        elif sign in ".^$+":
            pieces.append("")
        else:
            pieces[-1] += sign
    return max(pieces, key=len)


def as_number(text: str) -> float | None:
    """The number that a text looks like; None when it does not."""
    return number_of(float(text)) if _NUMBER.fullmatch(text) else None


def any_of(parts: tuple[Node, ...]) -> Node:
    """One of the parts."""
    return parts[0] if len(parts) == 1 else Some(parts)

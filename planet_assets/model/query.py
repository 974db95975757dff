"""A question about elements, as a tree: what a search asks, whichever way it was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Compare:
    """A value of a key compares so: as text, as a number or as a boolean, whichever are given."""

    key: str
    """Dots lead into objects; `_id` and `lock` are keys as well."""
    op: str
    """= < <= > >="""
    text: str | None = None
    """The text to compare with."""
    number: float | None = None
    """The number to compare with."""
    truth: bool | None = None
    """The boolean to be equal to."""


@dataclass(frozen=True, slots=True)
class Exists:
    """The key is there."""

    key: str
    """Which."""


@dataclass(frozen=True, slots=True)
class Null:
    """The key is there and holds null."""

    key: str
    """Which."""


@dataclass(frozen=True, slots=True)
class Length:
    """The key holds a list of so many members."""

    key: str
    """Which."""
    members: int
    """How many."""


@dataclass(frozen=True, slots=True)
class Regex:
    """A text of the key matches somewhere."""

    key: str
    """Which."""
    pattern: str
    """As RE2 reads it, which never runs away."""
    ignore_case: bool = False
    """True to take A and a for the same."""
    multi_line: bool = False
    """True to let ^ and $ match at lines."""
    or_exactly: bool = False
    """True when a value that is the pattern between slashes is meant first, if there is one."""


@dataclass(frozen=True, slots=True)
class Contains:
    """A text of the key has this in it, as it is written."""

    key: str
    """Which."""
    text: str
    """What."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the list under a key fulfils all of it; a member that is no object is under the empty key."""

    key: str
    """Which."""
    node: Node
    """What it has to fulfil."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word is in one of the keys that hold prose."""

    text: str
    """Which; case does not matter."""


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold; with none, everything is meant."""

    parts: tuple[Node, ...] = ()
    """What."""


@dataclass(frozen=True, slots=True)
class Some:
    """One part holds at least."""

    parts: tuple[Node, ...]
    """What."""


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Node
    """What."""


Node: TypeAlias = Compare | Exists | Null | Length | Regex | Contains | Member | Word | Every | Some | Not

"""The 48 classes of faults by name: how each is played, how it ends, and what the user sees.

The page docs/why/faults.md is written from here (`python -m classes` in tests), and tests/faults plays every class with
every face and holds it to the ending written here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from stage import Stage

Ending = Literal["recovered", "clean"]

GROUPS = {
    "network": ("The network", 14),
    "http": ("HTTP", 16),
    "body": ("The body", 6),
    "disk": ("The disk", 7),
    "process": ("The process", 3),
    "state": ("The library", 2),
}
"""Group -> its title, and how many classes it has."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way a class of faults strikes."""

    name: str
    """The class, or `class/way` where it has several."""
    group: str
    """A key of GROUPS."""
    ending: Ending
    """recovered: the same run ends with the right file. clean: an error that says what is wrong, no file that is not
    right, nothing unaccounted; and when the fault is over, `resume` or the same command ends right."""
    happens: str
    """What goes wrong, a line."""
    seen: str
    """What the user sees, a line."""
    words: str
    """A pattern of what is said when it ends clean."""
    code: int
    """Exit code of the command line."""
    play: Callable[[Stage], None]
    """Prepares the stage."""

    @property
    def fault(self) -> str:
        """The class."""
        return self.name.partition("/")[0]


ALL: list[Variant] = []
"""Every variant, in the order of the page."""


def fault(
    name: str, group: str, ending: Ending, *, happens: str, seen: str, words: str = "", code: int = 0
) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Register a way to play a class."""

    def register(play: Callable[[Stage], None]) -> Callable[[Stage], None]:
        given = {"ending": ending, "happens": happens, "seen": seen, "words": words, "code": code, "play": play}
        ALL.append(Variant(name=name, group=group, **given))  # type: ignore[arg-type]
        return play

    return register


def faults_of(group: str) -> list[str]:
    """The names of the classes of a group."""
    return list(dict.fromkeys(one.fault for one in ALL if one.group == group))


def load() -> list[Variant]:
    """Every variant of the 48 classes."""
    from classes import answers, bodies, disks, networks, processes

    assert [answers, bodies, disks, networks, processes]
    order = list(GROUPS)
    return sorted(ALL, key=lambda one: order.index(one.group))

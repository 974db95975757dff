"""Looks through a site's folder: which files and packages lie there, as the tracker is to know them.

The walk is sorted and follows no links. A file that was written to a moment ago may still grow, so it is left for the
next look.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planet_assets.exceptions import DiskProblem, Unsafe
from planet_assets.rules import packages

HIDDEN = ".planet-assets"
"""Folder below a site's folder where files gather."""
QUIET_S = 5.0
"""Seconds since the last write after which a file counts as whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file, or a package of files, in a site's folder."""

    element_id: str
    """Its path from the folder, with a slash before it, and after it for a package."""
    size_bytes: int
    """Its length; of a package that of its files together."""
    mtime_ms: int
    """When it was written last; of a package the latest of its files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What counts."""

    include: tuple[str, ...] = ()
    """Patterns of which a path must match one; empty for all."""
    exclude: tuple[str, ...] = ()
    """Patterns of which it must match none."""
    packages: tuple[str, ...] = ()
    """Patterns of folders that are one unit each."""
    quiet_s: float = QUIET_S
    """Seconds since the last write."""


def rules_of(parameters: Mapping[str, Any], given: Rules) -> Rules:
    """Patterns of the team's parameters added to those that were given."""

    def told(*names: str) -> tuple[str, ...]:
        return tuple(one for name in names for one in packages.patterns(parameters.get(name)))

    return Rules(
        include=given.include + told("includePatternRules"),
        exclude=given.exclude + told("excludePatternRules", "excludedFiles"),
        packages=given.packages + told("packagePatternRules"),
        quiet_s=given.quiet_s,
    )


def scan(root: Path, rules: Rules, *, now_s: float) -> Iterator[Found]:
    """Everything in a folder that counts and has come to rest, in the order of its paths.

    Args:
        root: the folder.
        rules: what counts.
        now_s: seconds since 1970.

    Raises:
        DiskProblem: the folder cannot be read.
    """
    if not root.is_dir():
        raise DiskProblem(f"{root} is no folder.", hint="Is the disk there?")
    yield from _scanned(root, "", rules, now_s)


def members(root: Path, element_id: str) -> list[Path]:
    """The files of an element: itself, or those directly in a package.

    Raises:
        FileNotFoundError: it is not there.
        Unsafe: its path leads elsewhere.
    """
    path = inside(root, element_id)
    if not packages.is_package(element_id):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise Unsafe(f"{element_id} is no plain file here.")
        return [path]
    with os.scandir(path) as entries:
        return sorted(Path(one.path) for one in entries if one.is_file(follow_symlinks=False) and one.name[0] != ".")


def inside(root: Path, element_id: str) -> Path:
    """The path of an element below a folder.

    Raises:
        Unsafe: it would lead out of the folder, by its name or by a link on the way.
    """
    inner = packages.checked_path(element_id)
    if inner.parts[0] == HIDDEN:
        raise Unsafe(f"{element_id!r} is where files gather.")
    path = root
    for part in inner.parts[:-1]:
        path = path / part
        if path.is_symlink():
            raise Unsafe(f"{path} is a link, which is not followed.")
    return path / inner.parts[-1]


def _scanned(folder: Path, prefix: str, rules: Rules, now_s: float) -> Iterator[Found]:
    try:
        with os.scandir(folder) as entries:
            there = sorted(entries, key=lambda one: one.name)
    except OSError as error:
        raise DiskProblem(f"{folder} cannot be read: {error.strerror}.") from None
    names = [f"{prefix}/{one.name}" for one in there]
    kept = set(packages.chosen([name for name in names if _speakable(name)], (), rules.exclude))
    for one, name in zip(there, names, strict=True):
        if one.name.startswith(".") or name not in kept:
            continue
        if one.is_dir(follow_symlinks=False):
            if packages.chosen([name], rules.packages or ("\n",)):
                yield from _package(Path(one.path), f"{name}/", rules, now_s)
            else:
                yield from _scanned(Path(one.path), name, rules, now_s)
        elif one.is_file(follow_symlinks=False) and packages.chosen([name], rules.include):
            yield from _settled(name, [one], rules, now_s)


def _package(folder: Path, name: str, rules: Rules, now_s: float) -> Iterator[Found]:
    try:
        with os.scandir(folder) as entries:
            files = [one for one in entries if one.is_file(follow_symlinks=False) and one.name[0] != "."]
    except OSError as error:
        raise DiskProblem(f"{folder} cannot be read: {error.strerror}.") from None
    yield from _settled(name, files, rules, now_s)


def _settled(name: str, files: list[os.DirEntry[str]], rules: Rules, now_s: float) -> Iterator[Found]:
    try:
        told = [one.stat(follow_symlinks=False) for one in files]
    except FileNotFoundError:
        return
    latest = max((one.st_mtime for one in told), default=0.0)
    if told and latest <= now_s - rules.quiet_s:
        yield Found(
            element_id=name, size_bytes=sum(one.st_size for one in told), mtime_ms=max(_ms(one) for one in told)
        )


def _ms(told: os.stat_result) -> int:
    return told.st_mtime_ns // 1_000_000


def _speakable(name: str) -> bool:
    try:
        packages.checked_path(name)
        name.encode()
    except (Unsafe, UnicodeEncodeError):
        return False
    return True

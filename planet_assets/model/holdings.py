"""What a look at held files found, and what was done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Files against what the library knows of them."""

    right: tuple[Path, ...] = ()
    """As they were recorded."""
    read_count: int = 0
    """Files whose bytes were read; the others are as long and as old as when they were last known to be right."""
    missing: tuple[Path, ...] = ()
    """Not there."""
    damaged: tuple[Path, ...] = ()
    """Other bytes than were recorded."""
    unproven: tuple[Path, ...] = ()
    """As long as recorded, changed since, and of files cut here no digest is known."""
    away: tuple[Path, ...] = ()
    """Folders that are not there at all, as when a disk is not mounted; nothing is said of their files."""
    repaired: tuple[Path, ...] = ()
    """Files that stand again, from another copy."""

    @property
    def is_right(self) -> bool:
        """True when nothing is missing or damaged."""
        return not (self.missing or self.damaged)

    def __str__(self) -> str:
        text = f"{len(self.right)} files right ({self.read_count} read), {len(self.missing)} missing"
        text += f", {len(self.damaged)} damaged"
        if self.unproven:
            text += f", {len(self.unproven)} changed and without a digest"
        if self.away:
            text += f", {len(self.away)} folders not there"
        return f"{text}, {len(self.repaired)} repaired" if self.repaired else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What a clean-up dropped."""

    forgotten: tuple[Path, ...] = ()
    """Records of files that are gone; jobs and charges stay."""
    parts: tuple[Path, ...] = ()
    """Unfinished files that no job owns, removed."""
    freed_bytes: int = 0
    """Their size."""
    away: tuple[Path, ...] = ()
    """Folders that are not there at all; their records stay."""

    def __str__(self) -> str:
        text = f"{len(self.forgotten)} records of files that are gone, {len(self.parts)} unfinished files"
        return f"{text} ({self.freed_bytes / 1e6:,.1f} MB)" + (
            f"; {len(self.away)} folders not there" if self.away else ""
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What a folder gave to the library."""

    taken: tuple[Path, ...] = ()
    """Files that are held now: they are not paid for again."""
    known: tuple[Path, ...] = ()
    """Files that were held already."""
    skipped: Mapping[Path, str] = field(default_factory=dict)
    """Files that were left, with the reason."""

    def __str__(self) -> str:
        return f"{len(self.taken)} files adopted, {len(self.known)} known already, {len(self.skipped)} left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What the library holds."""

    files: int
    """Files that are held."""
    size_bytes: int
    """Their recorded size together."""
    scenes: int
    """Scenes of which a file is held."""
    missing: int
    """Files that are recorded as missing."""
    removed: int
    """Files that were removed."""
    spent_km2: float
    """Charged by all jobs, km²."""
    by_folder: Mapping[str, tuple[int, int]]
    """Folder -> files and bytes."""
    by_asset_type: Mapping[str, tuple[int, int]]
    """Asset type -> files and bytes."""
    known_scenes: int = 0
    """Scenes whose record is kept."""
    jobs: Mapping[str, int] = field(default_factory=dict)
    """Status -> jobs."""

"""What a listing says against what is remembered: new, modified, unchanged, gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

Fingerprints = Mapping[str, str]
"""Id -> what makes two records of it the same; empty where the source does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A listing as it was last seen: the bulk of it as two columns, and what changed since then.

    `later` and `gone` hold good against the columns, which may still name what they have moved or lost.
    """

    ids: Sequence[str] = ()
    """Ids of the bulk, each once."""
    prints: Sequence[str] = ()
    """Their fingerprints, as many."""
    later: Fingerprints = field(default_factory=dict)
    """Ids that were new or moved after the bulk."""
    gone: Fingerprints = field(default_factory=dict)
    """Ids that a complete listing lacked, with what they were; none of `later`."""
    count: int = 0
    """How many ids are listed, those that are gone left out."""

    @classmethod
    def of(cls, alive: Fingerprints, gone: Fingerprints | None = None) -> Remembered:
        """From ids that were listed, and those that are gone; none is both."""
        return cls(ids=tuple(alive), prints=tuple(alive.values()), gone=gone or {}, count=len(alive))

    @property
    def alive(self) -> dict[str, str]:
        """Ids that were listed, with their fingerprints."""
        known = dict(zip(self.ids, self.prints, strict=True)) | dict(self.later)
        return {key: known[key] for key in known if key not in self.gone}

    def prints_of(self, keys: Collection[str]) -> dict[str, str]:
        """Fingerprints of some that are listed."""
        found = {key: known for key, known in zip(self.ids, self.prints, strict=True) if key in keys}
        return found | {key: known for key, known in self.later.items() if key in keys}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a listing changes. Every id listed is new, modified or unchanged; every id forgotten is gone."""

    listed: Fingerprints = field(default_factory=dict, repr=False)
    """What the source listed."""
    new: tuple[str, ...] = ()
    """Ids never seen before, in the order listed."""
    modified: tuple[str, ...] = ()
    """Ids whose fingerprint moved from one known value to another, in the order listed."""
    gone: tuple[str, ...] = ()
    """Ids that were remembered and that a complete listing lacks, sorted."""
    returned: tuple[str, ...] = ()
    """Ids that had been gone and are listed again: alive, and modified or unchanged besides."""
    learned: tuple[str, ...] = ()
    """Ids whose fingerprint was unknown and is known now; they count as unchanged."""

    @property
    def unchanged(self) -> tuple[str, ...]:
        """Ids that are as they were, in the order listed."""
        changed = {*self.new, *self.modified}
        return tuple(key for key in self.listed if key not in changed)

    @property
    def unchanged_count(self) -> int:
        """How many are as they were."""
        return len(self.listed) - len(self.new) - len(self.modified)

    @property
    def is_empty(self) -> bool:
        """True when nothing is new, modified, gone or back."""
        return not (self.new or self.modified or self.gone or self.returned)

    def __str__(self) -> str:
        text = f"{len(self.new)} new, {len(self.modified)} modified, {self.unchanged_count} unchanged"
        text += f", {len(self.gone)} gone"
        return f"{text} ({len(self.returned)} came back)" if self.returned else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which making of an asset a file is, as far as Planet tells."""

    md5: str = ""
    """Digest of the whole file at Planet, 32 hex digits; empty where it was not told."""
    stage: str = ""
    """publishing_stage of its scene: preview, standard or finalized; empty where it was not told."""

"""A sealed bundle: files that become visible at a site together or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One file of a bundle."""

    name: str
    """Its name in the bundle."""
    path: Path
    """Where its bytes lie here."""
    size_bytes: int
    """Its length when it was added."""
    sha256: str
    """Digest of its bytes, 64 hex digits."""
    asset_type: str = ""
    """What it is of a scene; empty for other files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A set of files under one name. It is open until it is sealed; a sealed one never changes."""

    id: str
    """Ours."""
    name: str
    """A scene's id, or any plain name."""
    revision: int
    """1 for the first of its name; what is added after sealing makes the next one."""
    kind: str
    """scene, or what the caller says."""
    components: tuple[Component, ...] = ()
    """Its files by name."""
    sealed_at: datetime | None = None
    """Since when its members are fixed; None while it is open."""
    seal: str | None = None
    """Digest of names, lengths and digests of its members; None while it is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A named place that bundles are shipped to."""

    id: int
    """Ours."""
    name: str
    """What people call it."""
    address: str
    """A folder, or a store's address: s3://bucket/prefix."""
    options: Mapping[str, str] = field(default_factory=dict)
    """How the store is reached; never a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """How the shipping of one bundle ended."""

    bundle: Bundle
    """What was shipped."""
    site: str
    """Where to."""
    state: str
    """ready, already ready, under way elsewhere, or failed."""
    address: str = ""
    """Where it is visible."""
    error: str = ""
    """Why it failed."""

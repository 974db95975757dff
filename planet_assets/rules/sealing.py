"""What sealing fixes: the members of a bundle, its digest, its manifest, and where it becomes visible at a site."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from planet_assets.exceptions import Misused
from planet_assets.model.bundle import Bundle, Component
from planet_assets.rules.citing import LICENCE

MANIFEST = "manifest.json"
"""Name of the manifest at a site; no component may have it."""

MOST_COMPONENTS = 10_000

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.()+,=@-]{0,199}")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def checked_name(text: str, argument: str) -> str:
    """A name that may stand at every site.

    Raises:
        Misused: it cannot be a file's name there.
    """
    bad = not _PLAIN.fullmatch(text) or _RESERVED.fullmatch(text) or ".." in text or text.endswith(".")
    if bad or text.casefold() == MANIFEST:
        raise Misused(f"{text!r} cannot be a name at a site.", hint="Use letters, digits, _ . -", argument=argument)
    return text


def checked_members(known: Iterable[Component], more: Sequence[Component]) -> None:
    """Refuse components whose names cannot stand, or would be one file where capitals do not count.

    Raises:
        Misused: a name cannot stand, or is taken.
    """
    taken = {one.name.casefold(): one.name for one in known}
    for one in more:
        checked_name(one.name, "components")
        if taken.setdefault(one.name.casefold(), one.name) != one.name:
            raise Misused(f"{one.name} and {taken[one.name.casefold()]} are one name on some disks.")
    if len({one.name for one in more}) < len(more):
        raise Misused("Two components have one name.", argument="components")


def seal_of(components: Iterable[Component]) -> str:
    """Digest of what a bundle is made of: names, lengths and digests, in order of the names."""
    members = sorted((one.name, one.size_bytes, one.sha256) for one in components)
    return hashlib.sha256(json.dumps(members).encode()).hexdigest()


def holds(bundle: Bundle, components: Iterable[Component]) -> bool:
    """True when every file is a member of the bundle, with these bytes."""
    members = {(one.name, one.size_bytes, one.sha256) for one in bundle.components}
    return all((one.name, one.size_bytes, one.sha256) in members for one in components)


def manifest(bundle: Bundle) -> bytes:
    """What stands beside the files at a site; the same bytes whenever it is written."""
    document = {
        "bundle": bundle.name,
        "revision": bundle.revision,
        "kind": bundle.kind,
        "seal": bundle.seal,
        "components": [
            {"name": one.name, "asset_type": one.asset_type, "size_bytes": one.size_bytes, "sha256": one.sha256}
            for one in sorted(bundle.components, key=lambda one: one.name)
        ],
        "licence": LICENCE,
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def read_manifest(data: bytes) -> Bundle:
    """What a manifest says, held against itself. The bundle has no id of ours, and its files no path.

    Raises:
        Misused: it is no manifest, or says what cannot be.
    """
    try:
        told = json.loads(data)
        return described(told)
    except (ValueError, RecursionError):
        raise Misused("It is no manifest of a bundle.") from None


def described(told: object) -> Bundle:
    """A bundle as JSON describes it: bundle or name, revision, kind, seal, components.

    Raises:
        Misused: it says what cannot be.
    """
    if not isinstance(told, dict) or not isinstance(told.get("components"), list):
        raise Misused("A bundle is described by its name and its components.")
    name, revision, kind = told.get("bundle", told.get("name")), told.get("revision", 1), told.get("kind", "files")
    seal = told.get("seal")
    if not isinstance(name, str) or not isinstance(kind, str) or not isinstance(seal, str | None):
        raise Misused("Name, kind and seal of a bundle are text.")
    if not isinstance(revision, int) or isinstance(revision, bool) or not 1 <= revision < 2**31:
        raise Misused("A bundle's revision is a number from 1 on.")
    if len(kind) > 100 or not kind.isprintable():
        raise Misused("What kind a bundle is, is a short text.")
    checked_name(name, "name")
    components = tuple(sorted(map(_component, told["components"]), key=lambda one: one.name))
    if not components or len(components) > MOST_COMPONENTS:
        raise Misused(f"A bundle has 1 to {MOST_COMPONENTS:,} components.")
    checked_members((), components)
    if seal is not None and seal != seal_of(components):
        raise Misused(f"The seal of {name} is not that of its components.")
    return Bundle(id="", name=name, revision=revision, kind=kind, components=components, seal=seal_of(components))


def _component(told: object) -> Component:
    values = told if isinstance(told, dict) else {}
    name, size, digest, kind = (values.get(key) for key in ("name", "size_bytes", "sha256", "asset_type"))
    if not isinstance(name, str) or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise Misused("A component has a name and a sha256 of 64 hex digits.")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**62:
        raise Misused(f"The size of {name[:60]} is a number of bytes.")
    if not isinstance(kind, str | None) or len(kind or "") > 100 or not (kind or "").isprintable():
        raise Misused(f"What {name[:60]} is, is a short text.")
    return Component(name=name, path=Path(), size_bytes=size, sha256=digest, asset_type=kind or "")


def folder_of(bundle: Bundle) -> str:
    """Name of the folder in which it becomes visible; later revisions stand beside earlier ones."""
    return bundle.name if bundle.revision == 1 else f"{bundle.name}-r{bundle.revision}"


def names_for(files: Sequence[tuple[str, str, str]]) -> list[str | None]:
    """Component names of (folder, file name, digest): of two files of one name the later takes its folder's before it.

    None for a file whose bytes are there already under its name.
    """
    taken: dict[str, str] = {}
    found: list[str | None] = []
    for folder, name, digest in files:
        free = name
        if taken.get(free.casefold(), digest) != digest:
            free = f"{folder}_{name}"
        if free.casefold() in taken:
            found.append(None)
            continue
        taken[free.casefold()] = digest
        found.append(free)
    return found

"""Takes files that are already on disk into the library, by their names and digests: nobody pays for them again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from planet_assets.exceptions import AssetError, DiskProblem
from planet_assets.library import copies, items, jobs
from planet_assets.library.engine import Library
from planet_assets.model.asset import Part, Promise
from planet_assets.model.changes import Version
from planet_assets.model.holdings import Adopted
from planet_assets.rules import naming
from planet_assets.rules.changes import scene_fingerprint
from planet_assets.transfer import check as checking

ASIDE = ("superseded", "damaged")
"""Folders of ours for what is not held any more."""


def adopt_folder(library: Library, folder: Path, now: datetime, *, item_type: str, dry_run: bool) -> Adopted:
    """Take every file whose name says which asset it is, and whose bytes do not speak against it.

    A file is compared with the md5 that a job or an order's manifest knows; without one its structure is checked.

    Raises:
        DiskProblem: there is no such folder.
    """
    if not folder.is_dir():
        raise DiskProblem(f"There is no folder {folder}.")
    promised = {job.key: job.md5 for job in jobs.listed(library) if job.md5 and job.route == "data"}
    taken, known, skipped = [], [], {}
    for path, listed_md5 in _files(folder):
        named = naming.asset_of(path.name)
        if named is None:
            skipped[path] = "its name does not say which asset it is"
            continue
        if naming.is_cut_name(path.name):
            skipped[path] = "it is a clip, and nobody knows of which region"
            continue
        if path in copies.at(library, [path]):
            known.append(path)
            continue
        key = (item_type, *named)
        try:
            held = _held(library, path, key, listed_md5 or promised.get(key))
        except AssetError as error:
            skipped[path] = error.message
            continue
        taken.append(path)
        if not dry_run:
            copies.adopt(library, held, now)
    return Adopted(taken=tuple(taken), known=tuple(known), skipped=skipped)


def _files(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """Plain files below a folder, sorted, each with the md5 of a manifest beside it or above."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in ("superseded", "damaged")
        )
        digests = _manifest(Path(where) / "manifest.json")
        for name in sorted(names):
            path = Path(where) / name
            if not name.startswith(".") and name != "manifest.json" and path.is_file() and not path.is_symlink():
                yield path, digests.get(name)


def _manifest(path: Path) -> dict[str, str]:
    """File name -> md5, as an order's manifest says; nothing where there is none."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {Path(one["path"]).name: one["digests"]["md5"] for one in listed}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _held(library: Library, path: Path, key: copies.Key, promised: str | None) -> copies.Held:
    with path.open("rb") as body:
        md5 = hashlib.file_digest(body, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    part = Part(path=str(path), size_bytes=path.stat().st_size, md5=md5)
    how = checking.check(part, Promise(media=naming.media_of(key[2]), md5=promised))
    feature = items.feature(library, *key[:2])
    return copies.Held(
        key=key,
        path=path,
        cut="",
        digest=md5,
        size_bytes=part.size_bytes,
        version=Version(md5=md5, stage="" if feature is None else scene_fingerprint(feature)),
        verified_by=how,
        mtime_ns=copies.mtime_ns(path),
    )

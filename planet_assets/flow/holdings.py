"""Held files: verified, repaired, cleaned up, moved, removed. Nothing that is not ours is deleted or overwritten."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from planet_assets.exceptions import Corrupt, DiskProblem, LibraryLocked, Misused
from planet_assets.flow import files
from planet_assets.library import copies, items, jobs, ledger
from planet_assets.library.copies import MISSING, REMOVED, Held
from planet_assets.library.engine import Library
from planet_assets.model.holdings import Cleaned, Stats, Verified
from planet_assets.model.job import DownloadJob
from planet_assets.transfer import place as placing

OLD = timedelta(hours=24)
"""Age from which an unfinished file that no job of ours owns is nobody's: another library may write here too."""

_PART = re.compile(r"\.(?P<name>.+)\.[A-Za-z0-9_-]{1,64}\.part(\.json|\.link|\.tiles|\.at-\d+)?~?")
_CUT = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}\.cut(\..*)?")


def verify(library: Library, now: datetime, *, repair: bool, read_all: bool) -> Verified:
    """Compare every file with what was recorded of it."""
    known, away = _reachable(copies.every(library, state=None))
    found: dict[str, list[Path]] = {"right": [], "missing": [], "damaged": [], "unproven": []}
    proven: dict[Path, int | None] = {}
    read = 0
    for one in known:
        word, was_read = _look(one, read_all=read_all)
        read += was_read
        if one.state == REMOVED:
            continue
        found[word].append(one.path)
        if word == "right" and (was_read or one.state == MISSING):
            proven[one.path] = copies.mtime_ns(one.path)
    copies.seen_right(library, proven, now)
    repaired = []
    if repair:
        broken = {one.path: one for one in known if one.path in {*found["missing"], *found["damaged"]}}
        repaired = [path for path, one in broken.items() if _repaired(library, one, known, now)]
    left = {word: tuple(path for path in paths if path not in repaired) for word, paths in found.items()}
    return Verified(**left, read_count=read, away=tuple(away), repaired=tuple(repaired))


def _reachable(known: Sequence[Held]) -> tuple[list[Held], list[Path]]:
    """Files in folders that are there; a folder that is not may be a disk that is not mounted."""
    folders = {one.path.parent for one in known}
    away = sorted(folder for folder in folders if not folder.is_dir())
    return [one for one in known if one.path.parent not in away], away


def _look(one: Held, *, read_all: bool) -> tuple[str, bool]:
    """right, missing, damaged or unproven; and whether its bytes were read."""
    try:
        size = one.path.stat().st_size
    except OSError:
        return "missing", False
    if size != one.size_bytes:
        return "damaged", False
    untouched = one.mtime_ns is not None and copies.mtime_ns(one.path) == one.mtime_ns
    if untouched and not read_all:
        return "right", False
    if one.digest is None:
        return ("right" if untouched else "unproven"), False
    return ("right" if placing.same_bytes(one.path, one.digest) else "damaged"), True


def _repaired(library: Library, one: Held, known: Sequence[Held], now: datetime) -> bool:
    """Bring a file back from another copy of the same bytes; else say that it is missing."""
    if one.path.exists():
        aside = one.path.parent / "damaged" / one.path.name
        placing.ensure_folder(aside.parent)
        files.rename(one.path, _free_name(aside))
    for other in known:
        same = other.path != one.path and one.digest is not None and (other.key, other.digest) == (one.key, one.digest)
        if same and other.is_there:
            try:
                files.link_or_copy(other.path, one.path, one.digest)
            except Corrupt:
                continue
            copies.seen_right(library, {one.path: copies.mtime_ns(one.path)}, now)
            return True
    copies.mark(library, [one.path], MISSING)
    return False


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return free


def clean(library: Library, now: datetime, *, dry_run: bool) -> Cleaned:
    """Drop records of files that are gone, and unfinished files that nobody owns."""
    known, away = _reachable(copies.every(library))
    gone = [one.path for one in known if not one.path.exists()]
    gone += [one.path for one in copies.every(library, state=MISSING) if one.path.parent not in away]
    folders = {one.path.parent for one in known} | {Path(job.path).parent for job in jobs.listed(library)}
    parts = [path for folder in sorted(folders) for path in _unowned(folder, jobs.listed(library), now)]
    freed = sum(path.stat().st_size for path in parts)
    if not dry_run:
        copies.forget(library, gone)
        for path in parts:
            path.unlink(missing_ok=True)
    return Cleaned(forgotten=tuple(sorted(gone)), parts=tuple(parts), freed_bytes=freed, away=tuple(away))


def _unowned(folder: Path, known: Sequence[DownloadJob], now: datetime) -> Iterator[Path]:
    """Our unfinished files that no job that may go on, or be tried again, has begun."""
    ours = [job for job in known if job.downloaded_file_path is None and job.status.value != "user_cancelled"]
    owned = {Path(path).name for job in ours for path in (job.path, job.clipped_path) if path is not None}
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        match = _PART.fullmatch(path.name) or _CUT.fullmatch(path.name)
        if match is None or path.is_symlink() or not path.is_file() or match["name"] in owned:
            continue
        if now.timestamp() - path.stat().st_mtime > OLD.total_seconds():
            yield path


def stats(library: Library) -> Stats:
    """What is held, and what it cost."""
    known = copies.every(library, state=None)
    there = [one for one in known if one.state == copies.PRESENT]
    return Stats(
        files=len(there),
        size_bytes=sum(one.size_bytes for one in there),
        scenes=len({one.key[:2] for one in there}),
        missing=sum(one.state == MISSING for one in known),
        removed=sum(one.state == REMOVED for one in known),
        spent_km2=ledger.balance(library)[1],
        by_folder=_counted((str(one.path.parent), one.size_bytes) for one in there),
        by_asset_type=_counted((one.key[2], one.size_bytes) for one in there),
        known_scenes=items.count(library),
        jobs=Counter(job.status.value for job in jobs.listed(library)),
    )


def _counted(pairs: Iterable[tuple[str, int]]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for name, size in pairs:
        number, total = found.get(name, (0, 0))
        found[name] = (number + 1, total + size)
    return dict(sorted(found.items()))


def move(library: Library, source: Path, target: Path) -> list[Path]:
    """Move a folder's held files, or note that they were moved."""
    source, target = source.expanduser().absolute(), target.expanduser().absolute()
    known = copies.every(library, folder=source)
    if not known:
        raise Misused(f"The library holds nothing in {source}.", hint="`planet-assets library stats` lists folders.")
    if busy := [job for job in jobs.unfinished(library) if Path(job.path).parent == source]:
        raise LibraryLocked(f"{len(busy)} jobs are under way in {source}.", hint="Resume or cancel them first.")
    for one in known:
        new = target / one.path.name
        if one.path.exists() and os.path.lexists(new):
            raise DiskProblem(f"{new} is there already and is not overwritten.", hint="Choose another folder.")
        if not one.path.exists() and not (new.is_file() and new.stat().st_size == one.size_bytes):
            raise DiskProblem(f"{one.path} is gone and is not in {target}.", hint="`library verify` tells more.")
    placing.ensure_folder(target)
    moved = []
    for one in known:
        new = target / one.path.name
        if one.path.exists():
            _carry(one, new)
        copies.move(library, one.path, new)
        moved.append(new)
    return moved


def _carry(one: Held, new: Path) -> None:
    """Rename, or copy to another disk and only then remove."""
    try:
        os.rename(one.path, new)
    except OSError:
        files.link_or_copy(one.path, new, one.digest)
        if new.stat().st_size != one.path.stat().st_size:
            raise DiskProblem(f"{new} was not copied whole; {one.path} stays.") from None
        one.path.unlink()


def remove(library: Library, what: Iterable[str | Path], *, dry_run: bool) -> list[Path]:
    """Delete held files, by path or scene."""
    chosen: dict[Path, Held] = {}
    known = copies.every(library)
    for word in what:
        path = Path(word).expanduser().absolute()
        found = [one for one in known if one.path == path or one.key[1] == str(word)]
        if not found:
            raise Misused(f"The library holds nothing named {word}.", hint="Give a file's path or a scene's id.")
        chosen |= {one.path: one for one in found}
    for one in chosen.values():
        if os.path.lexists(one.path) and (one.path.is_symlink() or not one.is_there):
            raise DiskProblem(
                f"{one.path} is not the file that was recorded, so it is left alone.",
                hint="`library verify` says what it is; nothing was removed.",
            )
    if not dry_run:
        for path in chosen:
            path.unlink(missing_ok=True)
        copies.mark(library, chosen, REMOVED)
    return sorted(chosen)

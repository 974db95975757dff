"""Copies: which file of which asset lies where. Paths are relative to their site, an output folder."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from planet_assets.library.engine import Library, upsert
from planet_assets.library.schema import copy, item, job, site
from planet_assets.model.changes import Version
from planet_assets.model.job import DownloadJob
from planet_assets.rules.changes import scene_fingerprint
from planet_assets.rules.naming import roi_digest

Key = tuple[str, str, str]
"""Item type, item id, asset type."""

PRESENT, MISSING, REMOVED = "present", "missing", "removed"
"""What a site has of a copy: the file; not any more, and nobody said so; not any more, for it was removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A file the library knows."""

    key: Key
    """Item type, item id, asset type."""
    path: Path
    """Where it lies."""
    cut: str
    """Digest of the ROI and way of cutting; empty for a whole file."""
    digest: str | None
    """md5 of its bytes."""
    size_bytes: int
    """Its length when it was recorded."""
    job_id: str | None = None
    """The job that made it."""
    region_wkt: str | None = None
    """The region Planet cut it to; None for whole files and for cuts made here."""
    version: Version = field(default_factory=Version)
    """Which making of the asset it is, as far as is known."""
    state: str = PRESENT
    """present, missing or removed."""
    verified_by: str | None = None
    """How it was checked when it came."""
    recorded_at: datetime | None = None
    """When it came."""
    mtime_ns: int | None = None
    """Its time of change on disk, when its bytes were last known to be right."""

    @property
    def is_there(self) -> bool:
        """True when a file of the recorded length still lies there."""
        try:
            return self.path.stat().st_size == self.size_bytes
        except OSError:
            return False


def write_placed(connection: sa.Connection, done: DownloadJob, *, at: datetime) -> None:
    """Record the file that Planet made for a job, in the caller's transaction; one held elsewhere stays what it was."""
    if done.path == done.held_copy and done.route == "orders":
        return
    changed = done.route == "orders" and (done.roi_wkt is not None or done.tools)
    cut = roi_digest(done.roi_wkt or "", done.tools or None) if changed else ""
    _write(connection, done, Path(done.path), cut=cut, digest=done.digest, verified_by=done.verified_by, at=at)


def write_clipped(connection: sa.Connection, done: DownloadJob, *, at: datetime) -> None:
    """Record the file that was cut here for a job, in the caller's transaction."""
    cut = roi_digest(done.roi_wkt or "", done.clipping)
    path = Path(done.clipped_path or done.path)
    _write(connection, done, path, cut=cut, digest=None, verified_by="cut here", at=at)


def _write(
    connection: sa.Connection,
    done: DownloadJob,
    path: Path,
    *,
    cut: str,
    digest: str | None,
    verified_by: str | None,
    at: datetime,
) -> None:
    site_id = _site_id(connection, path.parent)
    known = {
        "item_type": done.item_type,
        "item_id": done.scene_id,
        "asset_type": done.asset_type,
        "cut": cut,
        "digest": digest,
        "size_bytes": done.file_bytes,
        "verified_by": verified_by,
        "job_id": done.id,
        "recorded_at": at,
        "state": PRESENT,
        "stage": _stage(connection, done),
        "source_md5": (done.md5 or "") if done.route == "data" else "",
        "mtime_ns": mtime_ns(path),
        "verified_at": at,
    }
    row = upsert(connection, copy).values(site_id=site_id, path=path.name, **known)
    connection.execute(row.on_conflict_do_update(index_elements=["site_id", "path"], set_=known))


def mtime_ns(path: Path) -> int | None:
    """When a file was changed last; None when there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _stage(connection: sa.Connection, done: DownloadJob) -> str:
    """The publishing stage of the scene, as it was last seen."""
    query = sa.select(item.c.feature).where(item.c.item_type == done.item_type, item.c.id == done.scene_id)
    text = connection.execute(query).scalar_one_or_none()
    return "" if text is None else scene_fingerprint(json.loads(text))


def learn(library: Library, md5s: Mapping[Path, str]) -> None:
    """Note which making of their assets files are, where that was not known yet."""
    if not md5s:
        return
    with library.write() as connection:
        for path, md5 in sorted(md5s.items()):
            connection.execute(sa.update(copy).where(_is_at(path), copy.c.source_md5 == "").values(source_md5=md5))


def _is_at(path: Path) -> sa.ColumnElement[bool]:
    sites = sa.select(site.c.id).where(site.c.name == str(path.parent)).scalar_subquery()
    return sa.and_(copy.c.site_id == sites, copy.c.path == path.name)


def move(library: Library, old: Path, new: Path) -> None:
    """A file lies elsewhere now; what was known at its new place is replaced."""
    with library.write() as connection:
        site_id = _site_id(connection, new.parent)
        connection.execute(sa.delete(copy).where(copy.c.site_id == site_id, copy.c.path == new.name))
        connection.execute(sa.update(copy).where(_is_at(old)).values(site_id=site_id, path=new.name))


def every(library: Library, *, folder: Path | None = None, state: str | None = PRESENT) -> list[Held]:
    """All files the library knows, by path; of one folder where it is given; `state` None for all, there or not."""
    query = _query(state=state)
    if folder is not None:
        query = query.where(site.c.name == str(folder))
    with library.read() as connection:
        return sorted((_held(row) for row in connection.execute(query)), key=lambda one: one.path)


def removed(library: Library, keys: Collection[Key]) -> dict[Key, Held]:
    """Files that were held and then removed, by asset."""
    return {one.key: one for one in _rows(library, {key[1] for key in keys}, state=REMOVED) if one.key in keys}


def mark(library: Library, paths: Iterable[Path], state: str) -> None:
    """Say what became of files; what they were stays known."""
    with library.write() as connection:
        for path in sorted(set(paths)):
            connection.execute(sa.update(copy).where(_is_at(path)).values(state=state))


def seen_right(library: Library, times: Mapping[Path, int | None], at: datetime) -> None:
    """Note that files were found to be right, with their times of change on disk."""
    with library.write() as connection:
        for path, found in sorted(times.items()):
            values = {"state": PRESENT, "verified_at": at, "mtime_ns": found}
            connection.execute(sa.update(copy).where(_is_at(path)).values(values))


def forget(library: Library, paths: Iterable[Path]) -> int:
    """Drop the records of files; jobs and charges stay."""
    with library.write() as connection:
        return sum(connection.execute(sa.delete(copy).where(_is_at(path))).rowcount for path in sorted(set(paths)))


def adopt(library: Library, one: Held, at: datetime) -> None:
    """Record a file that came by another way."""
    known = {
        "item_type": one.key[0],
        "item_id": one.key[1],
        "asset_type": one.key[2],
        "cut": one.cut,
        "digest": one.digest,
        "size_bytes": one.size_bytes,
        "verified_by": one.verified_by,
        "job_id": None,
        "recorded_at": at,
        "state": PRESENT,
        "stage": one.version.stage,
        "source_md5": one.version.md5,
        "mtime_ns": one.mtime_ns,
        "verified_at": at,
    }
    with library.write() as connection:
        row = upsert(connection, copy).values(
            site_id=_site_id(connection, one.path.parent), path=one.path.name, **known
        )
        connection.execute(row.on_conflict_do_update(index_elements=["site_id", "path"], set_=known))


def held(library: Library, cuts: Mapping[Key, str], *, whole: bool = True) -> dict[Key, Held]:
    """Files that the library knows and that still lie where they were, by asset.

    Args:
        library: where to look.
        cuts: asset -> digest of a region: a file that Planet cut to it counts where there is no whole one.
        whole: False where whole files do not serve.
    """
    found: dict[Key, Held] = {}
    rows = reversed(_rows(library, {key[1] for key in cuts}))  # of two makings of an asset the later one counts
    for one in sorted(rows, key=lambda one: one.cut != ""):
        cut = cuts.get(one.key, "")
        ours = (whole and not one.cut) or (one.cut != "" and one.cut == cut and one.digest is not None)
        if one.key in cuts and ours and one.key not in found and one.is_there:
            found[one.key] = one
    return found


def any_of(library: Library, keys: Collection[Key]) -> dict[Key, list[Held]]:
    """Files that still lie where they were, by asset, whole or cut: whole ones first, then the latest."""
    found: dict[Key, list[Held]] = {}
    rows = reversed(_rows(library, {key[1] for key in keys}))
    for one in sorted(rows, key=lambda one: one.cut != ""):
        if one.key in keys and one.is_there:
            found.setdefault(one.key, []).append(one)
    return found


def clips(library: Library, keys: Collection[Key], *, tools: str = "") -> dict[Key, list[Held]]:
    """Files that Planet cut with the same tools and that still lie where they were, by asset, the latest first."""
    wanted, found = set(keys), dict[Key, list[Held]]()
    rows = [one for one in _rows(library, {key[1] for key in wanted}) if one.key in wanted and one.cut and one.digest]
    regions = _regions(library, {one.job_id for one in rows if one.job_id})
    for one in reversed(rows):
        region = regions.get(one.job_id or "")
        if region is not None and roi_digest(region, tools or None) == one.cut and one.is_there:
            found.setdefault(one.key, []).append(replace(one, region_wkt=region))
    return found


def _regions(library: Library, job_ids: Collection[str]) -> dict[str, str]:
    """Job id -> region, of jobs that were cut at Planet and by nothing else."""
    ids, found = list(job_ids), dict[str, str]()
    with library.read() as connection:
        for start in range(0, len(ids), 500):
            query = sa.select(job.c.id, job.c.state).where(job.c.id.in_(ids[start : start + 500]))
            for job_id, text in connection.execute(query):
                state = json.loads(text)
                if state["route"] == "orders" and state["roi_wkt"]:
                    found[job_id] = state["roi_wkt"]
    return found


def of_item(library: Library, item_id: str) -> list[Held]:
    """What the library knows of the files of a scene, removed ones too, the latest first."""
    with library.read() as connection:
        rows = connection.execute(_query(state=None).where(copy.c.item_id == item_id))
        return [_held(row) for row in rows][::-1]


def at(library: Library, paths: Iterable[Path]) -> dict[Path, Held]:
    """What the library knows of the files at these paths."""
    wanted = {Path(path) for path in paths}
    names = {path.name for path in wanted}
    query = _query().where(copy.c.path.in_(names))
    with library.read() as connection:
        rows = [_held(row) for row in connection.execute(query)]
    return {one.path: one for one in rows if one.path in wanted}


def _rows(library: Library, item_ids: Collection[str], *, state: str = PRESENT) -> list[Held]:
    ids = list(item_ids)
    found: list[Held] = []
    with library.read() as connection:
        for start in range(0, len(ids), 500):
            rows = connection.execute(_query(state=state).where(copy.c.item_id.in_(ids[start : start + 500])))
            found.extend(_held(row) for row in rows)
    return found


def _query(*, state: str | None = PRESENT) -> sa.Select[tuple[object, ...]]:
    query = sa.select(copy, site.c.address).join(site, site.c.id == copy.c.site_id).order_by(copy.c.recorded_at)
    return query if state is None else query.where(copy.c.state == state)


def _held(row: sa.Row[tuple[object, ...]]) -> Held:
    values = row._mapping
    cut = values["cut"]
    return Held(
        key=(values["item_type"], values["item_id"], values["asset_type"]),
        path=Path(values["address"]) / values["path"],
        cut=cut,
        digest=values["digest"],
        size_bytes=values["size_bytes"],
        job_id=values["job_id"],
        version=Version(md5=values["source_md5"] or ("" if cut else values["digest"] or ""), stage=values["stage"]),
        state=values["state"],
        verified_by=values["verified_by"],
        recorded_at=values["recorded_at"],
        mtime_ns=values["mtime_ns"],
    )


def _site_id(connection: sa.Connection, folder: Path) -> int:
    found = connection.execute(sa.select(site.c.id).where(site.c.name == str(folder))).scalar_one_or_none()
    if found is not None:
        return int(found)
    row = upsert(connection, site).values(name=str(folder), role="folder", address=str(folder))
    same = row.on_conflict_do_update(index_elements=["name"], set_={"name": row.excluded.name})
    return int(connection.execute(same.returning(site.c.id)).scalar_one())

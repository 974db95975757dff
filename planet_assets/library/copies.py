"""Copies: which file of which asset lies where. Paths are relative to their site, an output folder."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from planet_assets.library.engine import Library, upsert
from planet_assets.library.schema import copy, job, site
from planet_assets.model.job import DownloadJob
from planet_assets.rules.naming import roi_digest

Key = tuple[str, str, str]
"""Item type, item id, asset type."""


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
    }
    row = upsert(connection, copy).values(site_id=site_id, path=path.name, **known)
    connection.execute(row.on_conflict_do_update(index_elements=["site_id", "path"], set_=known))


def held(library: Library, cuts: Mapping[Key, str], *, whole: bool = True) -> dict[Key, Held]:
    """Files that the library knows and that still lie where they were, by asset.

    Args:
        library: where to look.
        cuts: asset -> digest of a region: a file that Planet cut to it counts where there is no whole one.
        whole: False where whole files do not serve.
    """
    found: dict[Key, Held] = {}
    for one in sorted(_rows(library, {key[1] for key in cuts}), key=lambda one: one.cut != ""):
        cut = cuts.get(one.key, "")
        ours = (whole and not one.cut) or (one.cut != "" and one.cut == cut and one.digest is not None)
        if one.key in cuts and ours and one.key not in found and one.is_there:
            found[one.key] = one
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


def at(library: Library, paths: Iterable[Path]) -> dict[Path, Held]:
    """What the library knows of the files at these paths."""
    wanted = {Path(path) for path in paths}
    names = {path.name for path in wanted}
    query = _query().where(copy.c.path.in_(names))
    with library.read() as connection:
        rows = [_held(row) for row in connection.execute(query)]
    return {one.path: one for one in rows if one.path in wanted}


def _rows(library: Library, item_ids: Collection[str]) -> list[Held]:
    ids = list(item_ids)
    found: list[Held] = []
    with library.read() as connection:
        for start in range(0, len(ids), 500):
            rows = connection.execute(_query().where(copy.c.item_id.in_(ids[start : start + 500])))
            found.extend(_held(row) for row in rows)
    return found


def _query() -> sa.Select[tuple[object, ...]]:
    return sa.select(copy, site.c.address).join(site, site.c.id == copy.c.site_id).order_by(copy.c.recorded_at)


def _held(row: sa.Row[tuple[object, ...]]) -> Held:
    values = row._mapping
    return Held(
        key=(values["item_type"], values["item_id"], values["asset_type"]),
        path=Path(values["address"]) / values["path"],
        cut=values["cut"],
        digest=values["digest"],
        size_bytes=values["size_bytes"],
        job_id=values["job_id"],
    )


def _site_id(connection: sa.Connection, folder: Path) -> int:
    found = connection.execute(sa.select(site.c.id).where(site.c.name == str(folder))).scalar_one_or_none()
    if found is not None:
        return int(found)
    row = upsert(connection, site).values(name=str(folder), role="folder", address=str(folder))
    same = row.on_conflict_do_update(index_elements=["name"], set_={"name": row.excluded.name})
    return int(connection.execute(same.returning(site.c.id)).scalar_one())

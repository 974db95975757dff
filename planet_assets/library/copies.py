"""Copies: which file of which asset lies where. Paths are relative to their site, an output folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from planet_assets.library.engine import Library
from planet_assets.library.schema import copy, site
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

    @property
    def is_there(self) -> bool:
        """True when a file of the recorded length still lies there."""
        try:
            return self.path.stat().st_size == self.size_bytes
        except OSError:
            return False


def write(connection: sa.Connection, job: DownloadJob, *, cut: bool, at: datetime) -> None:
    """Record the whole or the cut file of a job, in the caller's transaction."""
    path = Path(job.clipped_path if cut and job.clipped_path else job.path)
    site_id = _site_id(connection, path.parent)
    where = sa.and_(copy.c.site_id == site_id, copy.c.path == path.name)
    connection.execute(sa.delete(copy).where(where))
    connection.execute(
        sa.insert(copy).values(
            site_id=site_id,
            path=path.name,
            item_type=job.item_type,
            item_id=job.scene_id,
            asset_type=job.asset_type,
            cut=roi_digest(job.roi_wkt or "", job.clipping) if cut else "",
            digest=None if cut and job.route == "data" else job.digest,
            size_bytes=job.file_bytes,
            verified_by="cut here" if cut and job.route == "data" else job.verified_by,
            job_id=job.id,
            recorded_at=at,
        )
    )


def held(library: Library, keys: Collection[Key], *, cut: str = "") -> dict[Key, Held]:
    """Files that the library knows and that still lie where they were, by asset.

    Args:
        library: where to look.
        keys: the assets.
        cut: digest of a region: files that Planet cut to it count where there is no whole one.
    """
    wanted = set(keys)
    found: dict[Key, Held] = {}
    for one in sorted(_rows(library, {key[1] for key in wanted}), key=lambda one: one.cut != ""):
        ours = not one.cut or (one.cut == cut and one.digest is not None)
        if one.key in wanted and ours and one.key not in found and one.is_there:
            found[one.key] = one
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
    )


def _site_id(connection: sa.Connection, folder: Path) -> int:
    found = connection.execute(sa.select(site.c.id).where(site.c.name == str(folder))).scalar_one_or_none()
    if found is not None:
        return int(found)
    made = connection.execute(
        sa.insert(site).values(name=str(folder), role="folder", address=str(folder)).returning(site.c.id)
    )
    return int(made.scalar_one())

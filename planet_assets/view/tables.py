"""Scenes, prices and jobs as tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from planet_assets.model.asset import AssetStatus
from planet_assets.model.item import Item
from planet_assets.model.job import DownloadJob
from planet_assets.model.plan import Plan, WantImpact
from planet_assets.view.units import UNKNOWN, human_bytes, human_cloud, human_time, plain


def impact_table(plan: Plan) -> str:
    """One row a scene: what each route would charge for its files, and their size; the last row adds up."""
    per_scene: dict[str, list[WantImpact]] = {}
    for want in plan.impact.wants:
        per_scene.setdefault(want.item_id, []).append(want)
    items = {item.id: item for item in (*plan.items, *(want.item for want in plan.wants))}
    rows = [_impact_row(plain(item_id), items.get(item_id), wants, len(wants)) for item_id, wants in per_scene.items()]
    rows.append(_impact_row("total", None, list(plan.impact.wants), len(plan.impact.wants)))
    head = ["scene", "acquired", "cloud", "files", "km² full", "km² in ROI", "size"]
    if plan.roi_wkt is None:
        head, rows = _without(head, 5), [_without(row, 5) for row in rows]
    return _table(head, rows, right=range(2, len(head)), total=True)


def _impact_row(name: str, item: Item | None, wants: Sequence[WantImpact], files: int) -> list[str]:
    low, high = sum(want.bytes_low for want in wants), sum(want.bytes_high for want in wants)
    return [
        name,
        human_time(item.acquired) if item else "",
        human_cloud(item.cloud_cover) if item else "",
        f"{files:,}",
        _cell_km2(sum(want.data_km2 for want in wants)),
        _cell_km2(sum(want.orders_km2 for want in wants)),
        human_bytes((low + high) / 2),
    ]


def jobs_table(jobs: Sequence[DownloadJob]) -> str:
    """One row a job: how far it has come, what the ledger counts for it, and its file or what went wrong."""
    if not jobs:
        return "No jobs."
    files = [job.downloaded_file_path for job in jobs]
    folders = {file.parent for file in files if file is not None}
    folder = folders.pop() if len(folders) == 1 else None
    rows = [
        [
            plain(job.scene_id),
            plain(job.asset_type),
            _status(job),
            human_bytes(job.file_bytes or job.size_bytes),
            _cell_km2(job.spent_km2 + job.held_km2),
            _outcome(job, file, folder),
        ]
        for job, file in zip(jobs, files, strict=True)
    ]
    table = _table(["scene", "asset", "status", "size", "km²", "file or error"], rows, right=(3, 4))
    return f"{table}\nFiles are in {plain(folder)}" if folder else table


def _status(job: DownloadJob) -> str:
    share = f" {job.progress_percentage:.0f}%" if job.status is AssetStatus.DOWNLOADING and job.size_bytes else ""
    return job.status.value + share


def _outcome(job: DownloadJob, file: PurePath | None, folder: PurePath | None) -> str:
    if file is not None:
        return plain(file.name if folder else file) + (" (held already)" if job.held_copy else "")
    message = plain(job.error_message or "")
    if job.not_before is not None and not job.status.is_final:
        return f"{message} Next look {human_time(job.not_before)}.".strip()
    return message


def search_table(items: Sequence[Item]) -> str:
    """One row a scene found: when, how cloudy, how much ground, how good."""
    if not items:
        return "No scenes."
    from planet_assets.rules.area import geodesic_km2

    rows = [
        [
            plain(item.id),
            human_time(item.acquired),
            human_cloud(item.cloud_cover),
            _cell_km2(geodesic_km2(item.footprint)),
            plain(item.properties.get("instrument") or ""),
            plain(item.properties.get("quality_category") or ""),
            plain(item.properties.get("publishing_stage") or ""),
        ]
        for item in items
    ]
    return _table(["scene", "acquired", "cloud", "km²", "instrument", "quality", "stage"], rows, right=(2, 3))


def _cell_km2(area_km2: float) -> str:
    return f"{area_km2:,.1f}" if math.isfinite(area_km2) else UNKNOWN


def _without(row: list[str], column: int) -> list[str]:
    return row[:column] + row[column + 1 :]


def _table(head: list[str], rows: list[list[str]], *, right: Iterable[int] = (), total: bool = False) -> str:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    to_the_right = set(right)
    rule = "  ".join("-" * width for width in widths)

    def line(row: list[str]) -> str:
        cells = (
            cell.rjust(width) if column in to_the_right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    body = [line(row) for row in rows]
    if total:
        body.insert(-1, rule)
    return "\n".join([line(head), rule, *body])

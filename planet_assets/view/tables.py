"""Scenes, prices and jobs as tables: cells in words for terminal and notebook alike, and their form in a terminal."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from planet_assets.model.asset import AssetStatus
from planet_assets.model.clearness import ClearShare
from planet_assets.model.item import Item
from planet_assets.model.job import DownloadJob
from planet_assets.model.order import Order
from planet_assets.model.plan import DownloadImpact, Plan, WantImpact
from planet_assets.model.selection import Selection
from planet_assets.view.units import UNKNOWN, human_bytes, human_cloud, human_time, plain

NUMBERS = frozenset(
    {"clear", "cloud", "files", "km²", "km² full", "km² in ROI", "km² of its piece", "held km²", "scenes", "size"}
)
"""Columns that stand to the right."""

SHORT_ID = 8
"""Signs of a job's id that tell jobs apart in practice."""

PROSE = "file or error"
"""The column that may run over several lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table in words."""

    head: list[str]
    """Names of the columns."""
    rows: list[list[str]]
    """Cells, row by row."""
    total: bool = False
    """True when the last row adds up the others."""

    def used(self) -> Grid:
        """The same without the columns that say nothing."""
        kept = [n for n in range(len(self.head)) if any(row[n] for row in self.rows)]
        rows = [[row[n] for n in kept] for row in self.rows]
        return Grid(head=[self.head[n] for n in kept], rows=rows, total=self.total)


def impact_table(plan: Plan) -> str:
    """One row a scene: what each route would charge for its files, and their size; the last row adds up."""
    return as_text(impact_grid(plan.impact, [*plan.items, *(want.item for want in plan.wants)], plan.clear))


def impact_grid(
    impact: DownloadImpact, items: Sequence[Item] = (), clear: Mapping[str, ClearShare] | None = None
) -> Grid:
    """The cells of an impact; without the items their dates and clouds are left out, without an ROI its share."""
    known = {item.id: item for item in items}
    per_scene: dict[str, list[WantImpact]] = {}
    for want in impact.wants:
        per_scene.setdefault(want.item_id, []).append(want)
    has_roi = math.isfinite(impact.roi_km2) or impact.orders_km2 != impact.data_km2
    said = clear or {}
    rows = [
        _impact_row(plain(item_id), known.get(item_id), wants, has_roi, clear_cell(said.get(item_id)))
        for item_id, wants in per_scene.items()
    ]
    rows.append(_impact_row("total", None, impact.wants, has_roi))
    head = ["scene", "acquired", "cloud", "clear in ROI", "files", "km² full", "km² in ROI", "size"]
    return Grid(head=head, rows=rows, total=True).used()


def _clear_noted(item: Item) -> str:
    from planet_assets.rules.clearness import PROPERTY, note_of

    note = item.properties.get(PROPERTY)
    return clear_cell(note_of(item, str(note.get("roi")))) if isinstance(note, Mapping) else ""


def clear_cell(said: ClearShare | None) -> str:
    """A clear share and who says so: `97% (UDM2)`, `~95% (estimate)`, `80% (whole scene)`."""
    if said is None or math.isnan(said.share):
        return ""
    if said.mode == "estimate":
        return f"~{said.share:.0%} (estimate)"
    return f"{said.share:.0%} ({'whole scene' if said.mode == 'scene' else said.mode})"


def _impact_row(name: str, item: Item | None, wants: Sequence[WantImpact], has_roi: bool, clear: str = "") -> list[str]:
    low, high = sum(want.bytes_low for want in wants), sum(want.bytes_high for want in wants)
    return [
        name,
        human_time(item.acquired) if item else "",
        human_cloud(item.cloud_cover) if item else "",
        clear,
        f"{len(wants):,}",
        cell_km2(math.fsum(want.data_km2 for want in wants)),
        cell_km2(math.fsum(want.orders_km2 for want in wants)) if has_roi else "",
        human_bytes((low + high) / 2),
    ]


def orders_table(orders: Sequence[Order], known: Collection[str]) -> str:
    """One row an order: what it brings, how it stands, and whether jobs of the library know it."""
    if not orders:
        return "No orders in the last 90 days."
    rows = [
        [
            one.id,
            plain(one.name),
            plain(one.state),
            human_time(one.created_on) if one.created_on else "",
            f"{len(set(one.item_ids)):,}",
            plain(", ".join(dict.fromkeys(one.bundles))),
            plain(", ".join(name for tool in one.tools for name in tool)),
            "yes" if one.id in known else "",
        ]
        for one in orders
    ]
    head = ["order", "name", "state", "placed", "scenes", "bundles", "tools", "known here"]
    return as_text(Grid(head=head, rows=rows).used())


def jobs_table(jobs: Sequence[DownloadJob], *, ids: bool = False) -> str:
    """One row a job: how far it has come, what the ledger counts for it, and its file or what went wrong.

    Args:
        jobs: What to list.
        ids: True to begin each row with the first signs of the job's id, by which commands find it.
    """
    if not jobs:
        return "No jobs."
    folder = common_folder(jobs)
    rows = [
        [
            job.id[:SHORT_ID] if ids else "",
            plain(job.scene_id),
            plain(job.asset_type),
            _status(job),
            human_bytes(job.file_bytes or job.size_bytes),
            cell_km2(job.spent_km2 + job.held_km2),
            outcome(job, folder),
        ]
        for job in jobs
    ]
    head = ["job", "scene", "asset", "status", "size", "km²", PROSE]
    table = as_text(Grid(head=head, rows=rows).used())
    return f"{table}\nFiles are in {plain(folder)}" if folder else table


def common_folder(jobs: Sequence[DownloadJob]) -> PurePath | None:
    """The folder of all finished files, when they share one."""
    folders = {file.parent for job in jobs if (file := job.downloaded_file_path) is not None}
    return folders.pop() if len(folders) == 1 else None


def _status(job: DownloadJob) -> str:
    share = f" {job.progress_percentage:.0f}%" if job.status is AssetStatus.DOWNLOADING and job.size_bytes else ""
    return job.status.value + share


def outcome(job: DownloadJob, folder: PurePath | None = None) -> str:
    """The file of a job, or what went wrong; inside `folder` the file's name is enough."""
    file = job.downloaded_file_path
    if file is not None:
        notes = ["held already"] if job.held_copy else []
        notes += [f"{job.clear_share:.0%} clear"] if job.clear_share is not None else []
        if job.read_bytes and job.whole_bytes:
            notes += [f"read {human_bytes(job.read_bytes)} of {human_bytes(job.whole_bytes)}, md5 not checked"]
        return plain(file.name if folder else file) + (f" ({', '.join(notes)})" if notes else "")
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
            _clear_noted(item),
            cell_km2(geodesic_km2(item.footprint)),
            plain(item.properties.get("instrument") or ""),
            plain(item.properties.get("quality_category") or ""),
            plain(item.properties.get("publishing_stage") or ""),
        ]
        for item in items
    ]
    return as_text(
        Grid(
            head=["scene", "acquired", "cloud", "clear in ROI", "km²", "instrument", "quality", "stage"], rows=rows
        ).used()
    )


def selection_table(chosen: Selection) -> str:
    """One row a chosen scene: how clear, how good, and what each way charges; the last row adds up."""
    from planet_assets.rules.area import areas_km2

    full = areas_km2([item.footprint for item in chosen.items])
    supplied = areas_km2([chosen.pieces[item.id] for item in chosen.items])
    rows = [
        [
            plain(item.id),
            human_time(item.acquired),
            clear_cell(chosen.clear.get(item.id)),
            plain(item.properties.get("quality_category") or ""),
            plain(item.properties.get("publishing_stage") or ""),
            cell_km2(whole),
            cell_km2(part),
        ]
        for item, whole, part in zip(chosen.items, full, supplied, strict=True)
    ]
    rows.append(["total", "", "", "", "", cell_km2(math.fsum(full)), cell_km2(math.fsum(supplied))])
    last = "km² of its piece" if chosen.in_pieces else "km² in ROI"
    head = ["scene", "acquired", "clear", "quality", "stage", "km² full", last]
    return as_text(Grid(head=head, rows=rows, total=True).used())


def cell_km2(area_km2: float) -> str:
    """An area under a heading that names its unit: one decimal, so that a column lines up."""
    return f"{area_km2:,.1f}" if math.isfinite(area_km2) else UNKNOWN


def as_text(grid: Grid) -> str:
    """The table for a terminal: columns lined up, numbers to the right, nothing cut off."""
    widths = [max(len(row[column]) for row in [grid.head, *grid.rows]) for column in range(len(grid.head))]
    rule = "  ".join("-" * width for width in widths)

    def line(row: list[str]) -> str:
        cells = (
            cell.rjust(width) if name in NUMBERS else cell.ljust(width)
            for name, cell, width in zip(grid.head, row, widths, strict=True)
        )
        return "  ".join(cells).rstrip()

    body = [line(row) for row in grid.rows]
    if grid.total:
        body.insert(-1, rule)
    return "\n".join([line(grid.head), rule, *body])

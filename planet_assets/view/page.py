"""Quotas, impacts, plans and jobs as they show themselves in a notebook: HTML with inline style and SVG only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from planet_assets.model.asset import AssetStatus
from planet_assets.model.item import Item
from planet_assets.model.job import DownloadJob
from planet_assets.model.month import MonthReport
from planet_assets.model.plan import DownloadImpact, Plan
from planet_assets.model.quota import QuotaInfo
from planet_assets.model.selection import Selection
from planet_assets.rules import budgets
from planet_assets.view import marks
from planet_assets.view.marks import AMBER, BLUE, GREEN, GREY, RED
from planet_assets.view.tables import PROSE, Grid, cell_km2, common_folder, impact_grid, outcome
from planet_assets.view.text import (
    WAYS_NOTE,
    WHY_UNKNOWN,
    left_out,
    left_out_of,
    obstacles,
    quota_title,
    route_charges,
    source_of,
    way_rows,
)
from planet_assets.view.units import count, exact_km2, human_bytes, human_duration, human_km2, human_time, plain

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

PLAN_COLOUR = "#8b5fbf"

VERDICTS = {
    "fits": ("fits", GREEN),
    "near_limit": ("near the limit", AMBER),
    "over": ("quota exceeded", RED),
    "unknown": ("quota unknown", AMBER),
}

STATUS_COLOURS = {
    AssetStatus.COMPLETED: GREEN,
    AssetStatus.FAILED: RED,
    AssetStatus.EXPIRED: RED,
    AssetStatus.USER_CANCELLED: GREY,
    AssetStatus.WAITING: AMBER,
    AssetStatus.PENDING: GREY,
}
"""Colours of the badges; every status not named is under way and blue."""


def quota_html(quota: QuotaInfo, now: datetime | None = None) -> str:
    """The quota as a bar of used, pending and remaining; its age is told where the present is given."""
    return marks.page(
        marks.heading("Quota", quota_title(quota), marks.badge("near the limit", AMBER) if quota.is_near_limit else ""),
        *_quota_blocks(quota, now),
    )


def impact_html(impact: DownloadImpact) -> str:
    """What wants would cost: both prices, the size, and a row a scene."""
    return marks.page(
        marks.heading("Download impact", _extent(impact)),
        _prices(impact),
        marks.points("Left out, not charged", left_out(impact)),
        _scenes(impact_grid(impact), impact),
        marks.points("Assumed", impact.assumptions),
    )


def plan_html(plan: Plan) -> str:
    """The thing a person confirms: where, how much by which route, what is left, and every scene."""
    words, colour = VERDICTS.get(plan.verdict.word, (plan.verdict.word, GREY))
    items = {item.ref: item for item in (*plan.items, *(want.item for want in plan.wants))}
    return marks.page(
        marks.heading(f"Plan {plain(plan.id)}", human_time(plan.made_at), marks.badge(words, colour)),
        marks.note(f"{_extent(plan.impact)} · {', '.join(plan.asset_types)}"),
        plan_svg(plan),
        _prices(plan.impact),
        _ways(plan),
        *_quota_blocks(plan.quota, plan.made_at, required_km2=plan.impact.area_km2),
        *(
            marks.note(reason, colour=colour)
            for reason in obstacles(plan)
            if plan.quota.is_known or plan.verdict.word == "over"
        ),
        marks.points("Left out, not charged", left_out_of(plan)),
        _scenes(impact_grid(plan.impact, list(items.values()), plan.clear), plan.impact),
        marks.points("Assumed", plan.impact.assumptions),
    )


def selection_html(selection: Selection) -> str:
    """The chosen scenes among all that could have been: where, how much of the ROI, and what each way costs."""
    chosen = {item.id for item in selection.items}
    reasons = Counter(selection.left_out.values())
    prices = [
        f"{words}: {exact_km2(selection.charge_km2[route])}, and {exact_km2(selection.candidates_km2[route])} for all"
        for route, words in (("data", "Whole scenes"), ("orders", "Clipped at Planet"))
    ]
    return marks.page(
        marks.heading("Selection", f"{len(chosen)} of {count(len(selection.candidates), 'scene')}"),
        marks.note(f"{selection.coverage:.1%} of the ROI is covered"),
        selection_svg(selection),
        marks.points("Quota", prices),
        marks.points("Left out", [f"{count(number, 'scene')}: {plain(why)}" for why, number in reasons.most_common()]),
    )


def selection_svg(selection: Selection, *, width: int = 720) -> str:
    """The map of a selection: what was chosen, what was not, pieces and gaps."""
    from planet_assets.view.footprints import footprints_svg

    return footprints_svg(
        selection.candidates,
        selection.roi,
        chosen={item.id for item in selection.items},
        pieces=selection.pieces if selection.in_pieces else None,
        gaps=selection.gaps,
        width=width,
    )


def jobs_html(jobs: Sequence[DownloadJob]) -> str:
    """Jobs as a table with their status, and a line that sums them up."""
    if not jobs:
        return marks.page(marks.heading("No jobs"))
    statuses = Counter(job.status for job in jobs)
    badges = "".join(
        marks.badge(f"{number:,} {status.value}", _status_colour(status)) for status, number in statuses.most_common()
    )
    received = sum(job.file_bytes for job in jobs)
    ledger_km2 = math.fsum(job.spent_km2 + job.held_km2 for job in jobs)
    folder = common_folder(jobs)
    rows = [
        [
            plain(job.scene_id),
            plain(job.asset_type),
            _status_cell(job),
            human_bytes(job.file_bytes or job.size_bytes),
            cell_km2(job.spent_km2 + job.held_km2),
            outcome(job, folder),
        ]
        for job in jobs
    ]
    grid = Grid(head=["scene", "asset", "status", "size", "km²", PROSE], rows=rows)
    return marks.page(
        marks.heading(count(len(jobs), "job"), f"{human_bytes(received)}, {human_km2(ledger_km2)}"),
        badges,
        marks.table(grid, title="Jobs", html_columns=["status"]),
        marks.note(f"Files are in {plain(folder)}") if folder else "",
    )


def month_html(report: MonthReport) -> str:
    """A month of spending: the picture, and in words what it shows."""
    from planet_assets.view.month import month_svg, month_words

    return marks.page(month_svg(report), marks.note(month_words(report)))


def _quota_blocks(quota: QuotaInfo, now: datetime | None, required_km2: float = 0.0) -> list[str]:
    lines = [f"Source: {source_of(quota, now)}"]
    if quota.resets_at is not None:
        lines.append(f"Resets {human_time(quota.resets_at)}")
    lines += [budgets.words(room) for room in quota.budgets]
    if not quota.is_known:
        known = [("", "Limit", exact_km2(quota.limit_km2)), ("", "Used", exact_km2(quota.used_km2))]
        why = marks.note(f"The quota is unknown: {plain(quota.why_unknown or WHY_UNKNOWN)}", colour=AMBER)
        return [why, marks.legend(known), marks.note(" · ".join(lines))]
    left_km2 = quota.remaining_area_km2 - required_km2
    parts = [(BLUE, "Used", quota.used_km2), (AMBER, "Pending", quota.pending_km2)]
    if required_km2 > 0:
        parts.append((PLAN_COLOUR if left_km2 >= 0 else RED, "This plan", required_km2))
    limit = quota.limit_km2 or math.inf
    bar = marks.stacked_bar(
        [(km2 / limit, colour, f"{name} {exact_km2(km2)}") for colour, name, km2 in parts],
        label=f"Quota, {quota.usage_percentage:.0%} used",
        tick=quota.near_limit_share,
    )
    rest = ("", "Remaining" if required_km2 <= 0 else "Then left", exact_km2(max(0.0, left_km2)))
    named = [(colour, name, exact_km2(km2)) for colour, name, km2 in parts]
    share = f"{quota.usage_percentage:.1%} of {exact_km2(quota.limit_km2)} used"
    return [bar, marks.legend([*named, rest]), marks.note(" · ".join([share, *lines]))]


def _prices(impact: DownloadImpact) -> str:
    """Both prices beside each other, the one of the chosen route framed."""
    prices = {"data": impact.data_km2, "orders": impact.orders_km2}
    cards = [
        marks.card(
            f"{route} route" + (" (chosen)" if route == impact.route else ""),
            exact_km2(km2),
            route_charges(route, impact.tariff) if math.isfinite(impact.roi_km2) else "each whole scene",
            colour=BLUE if route == impact.route else "",
        )
        for route, km2 in prices.items()
    ]
    sizes = f"{human_bytes(impact.bytes_low)} to {human_bytes(impact.bytes_high)}"
    about = f", about {human_duration(impact.seconds)}" if math.isfinite(impact.seconds) else ""
    return marks.row([*cards, marks.card("download", human_bytes(impact.estimated_bytes), sizes + about)])


def _ways(plan: Plan) -> str:
    """What the same region would cost in other ways."""
    rows = [[words, exact_km2(km2), size] for words, km2, size in way_rows(plan)]
    if not rows:
        return ""
    table = marks.table(
        Grid(head=["one image of each scene", "quota", "size"], rows=rows), title="Other ways to buy this ROI"
    )
    return table + marks.note(WAYS_NOTE)


def _extent(impact: DownloadImpact) -> str:
    extent = f"{count(impact.scene_count, 'scene')}, {count(len(impact.wants), 'file')}"
    return f"{extent}, ROI {human_km2(impact.roi_km2)}" if math.isfinite(impact.roi_km2) else extent


def _scenes(grid: Grid, impact: DownloadImpact) -> str:
    return marks.table(grid, title=count(impact.scene_count, "scene")) if impact.wants else ""


def plan_svg(plan: Plan, *, width: int = 720) -> str:
    """The map of a plan: what would be fetched and what would not, its pieces, and ground that nothing covers."""
    if not plan.items:
        return ""
    import shapely

    from planet_assets.view.footprints import footprints_svg

    roi = shapely.from_wkt(plan.roi_wkt) if plan.roi_wkt else None
    fetched = {want.item.id for want in plan.wants}
    everything = all(item.id in fetched for item in plan.items)
    pieces = {want.item.id: shapely.from_wkt(want.roi_wkt) for want in plan.wants if plan.in_pieces and want.roi_wkt}
    had = [*plan.wants, *plan.already_held, *plan.ordered, *(want for want, _ in plan.under_way)]
    gaps = None if roi is None else _uncovered(roi, [want.item for want in had])
    chosen = None if everything and not pieces else fetched
    seen = [item for item in plan.items if roi is None or item.id in fetched or item.footprint.intersects(roi)]
    return footprints_svg(seen or plan.items, roi, chosen=chosen, pieces=pieces, gaps=gaps, width=width)


def _uncovered(roi: BaseGeometry, items: Sequence[Item]) -> BaseGeometry:
    """Ground of the region that no scene covers; slivers thinner than a pixel are none."""
    import shapely

    from planet_assets.model.geometry import only_areas

    left = only_areas(roi.difference(shapely.union_all([item.footprint for item in items])))
    return left if not left.buffer(-2e-5).is_empty else shapely.Polygon()


def _status_cell(job: DownloadJob) -> str:
    colour = _status_colour(job.status)
    words = marks.badge(job.status.value, colour)
    if job.status is AssetStatus.DOWNLOADING and job.size_bytes:
        return f"{words} {marks.progress(job.progress_percentage, colour)}"
    return words


def _status_colour(status: AssetStatus) -> str:
    return STATUS_COLOURS.get(status, BLUE)

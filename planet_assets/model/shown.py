"""The upward looks: values show themselves in a notebook by asking `view.page`, and jobs open their rasters and draw
them; all are imported when they do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planet_assets.model.job import DownloadJob
    from planet_assets.model.month import MonthReport
    from planet_assets.model.plan import DownloadImpact, Plan
    from planet_assets.model.quota import QuotaInfo
    from planet_assets.model.selection import Selection


def quota(info: QuotaInfo) -> str:
    """A quota as HTML: a bar of used, pending and remaining."""
    from planet_assets.view.page import quota_html

    return quota_html(info)


def impact(figures: DownloadImpact) -> str:
    """An impact as HTML: both prices, and a table."""
    from planet_assets.view.page import impact_html

    return impact_html(figures)


def plan(proposal: Plan) -> str:
    """A plan as HTML: footprints, prices, verdict, and a table."""
    from planet_assets.view.page import plan_html

    return plan_html(proposal)


def selection(chosen: Selection) -> str:
    """A selection as HTML: footprints chosen and not, coverage, and prices."""
    from planet_assets.view.page import selection_html

    return selection_html(chosen)


def jobs(listed: Sequence[DownloadJob]) -> str:
    """Jobs as an HTML table."""
    from planet_assets.view.page import jobs_html

    return jobs_html(listed)


def month(report: MonthReport) -> str:
    """A month of spending as HTML: the picture and what it says."""
    from planet_assets.view.page import month_html

    return month_html(report)


def opened(path: Path) -> AbstractContextManager[Any]:
    """A raster opened for reading, by the only opener of rasters."""
    from planet_assets.raster.reading import open_raster

    return open_raster(path)


def looked_at(path: Path, roi_wkt: str | None, *, style: str, max_px: int) -> bytes:
    """A picture of a raster, with the region outlined."""
    from shapely import from_wkt

    from planet_assets.raster.quicklook import quicklook

    return quicklook(path, roi=None if roi_wkt is None else from_wkt(roi_wkt), style=style, max_px=max_px)

"""What `demo` shows: the whole path, step by step, against a Planet it is given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from planet_assets.blocking import AssetManager
from planet_assets.cli.codes import code_of_jobs
from planet_assets.cli.output import bar_signs
from planet_assets.config import PlanetSettings, Settings
from planet_assets.flow.clock import RealClock
from planet_assets.flow.consent import QUESTION
from planet_assets.library import ledger
from planet_assets.model.geometry import as_roi
from planet_assets.model.item import Item, items_from
from planet_assets.model.job import DownloadJob, JobList
from planet_assets.model.plan import Plan
from planet_assets.planet.auth import PlanetAuth
from planet_assets.view.tables import Grid, as_text, impact_table, jobs_table, search_table
from planet_assets.view.text import confirmation_dialog, quota_lines
from planet_assets.view.units import exact_km2, human_bytes

ROI = {
    "type": "Polygon",
    "coordinates": [[[9.15, 45.43], [9.22, 45.43], [9.22, 45.48], [9.15, 45.48], [9.15, 45.43]]],
}
"""Some 5 x 5 km in Milan, [lon, lat]."""
FIRST, LAST = "2025-01-01", "2025-01-31"
SCENES = 3
STANDARD = {"type": "StringInFilter", "field_name": "quality_category", "config": ["standard"]}
ASSETS = ["ortho_analytic_4b", "ortho_udm2"]


@dataclass
class Show:
    """One demonstration."""

    url: str
    """The sandbox's address."""
    key: str
    """Its key."""
    folder: Path
    """Where everything goes."""
    bill: Callable[[], float]
    """What the sandbox has charged so far, km²."""

    def run(self) -> int:
        """Show every step; the exit code is that of the download."""
        settings = Settings(
            library=str(self.folder / "library.db"),
            output_dir=str(self.folder / "scenes"),
            planet=PlanetSettings(api_url=self.url),
        )
        click.echo(f"A Planet of our own runs at {self.url}: nothing here costs anything.")
        click.echo(f"Library and files go to {self.folder}; your own key and library are not touched.")
        auth = PlanetAuth(self.key, source="the sandbox")
        with AssetManager(auth, settings, name="demo") as manager:
            plan = self._planned(manager)
            jobs = self._fetched(manager, plan)
            self._files(jobs)
            self._balance(manager)
        click.echo("")
        if plan.wants:
            click.echo("Run it again: everything is held by then, and it costs 0 km².")
        else:
            click.echo("Everything was held already: this run cost 0 km².")
        return code_of_jobs(jobs)

    def _planned(self, manager: AssetManager) -> Plan:
        _title(1, f"Search: scenes over Milan, {FIRST} to {LAST}, at most 20% cloud, of standard quality")
        found = manager.search(ROI, FIRST, LAST, cloud_cover_max=0.2, asset_types=ASSETS, extra_filter=STANDARD)
        scenes = _best(items_from(found))
        click.echo(search_table(scenes))
        click.echo(f"These {len(scenes)} of {len(found['features'])} scenes show the most of the region.")
        _title(2, "Quota before")
        _quota(manager)
        _title(3, "Plan: what it would cost, by both routes")
        plan = manager.plan(scenes, ASSETS, clip_to_roi=ROI, clipping_config={"compression": "deflate"})
        click.echo(impact_table(plan))
        click.echo(
            f"Planet would charge {exact_km2(plan.impact.data_km2)} for whole scenes (the data route, taken here),"
        )
        click.echo(f"or {exact_km2(plan.impact.orders_km2)} if it clipped them itself (the orders route).")
        return plan

    def _fetched(self, manager: AssetManager, plan: Plan) -> JobList:
        _title(4, "Confirm")
        click.echo(confirmation_dialog(plan))
        click.echo(f"{QUESTION}y    (the demo answers itself)")
        _title(5, "Activate, download side by side, verify, clip")
        if not sys.stderr.isatty():
            manager.progress_callback = _Lines().tell
        jobs = manager.run(plan, confirm=_yes)
        click.echo(jobs_table(jobs))
        return jobs

    def _files(self, jobs: Sequence[DownloadJob]) -> None:
        from planet_assets.raster.quicklook import quicklook
        from planet_assets.raster.reading import open_raster

        _title(6, "The clipped files, opened")
        rows, pictures = [], self.folder / "quicklooks"
        pictures.mkdir(parents=True, exist_ok=True)
        drawn: list[Path] = []
        for job in jobs:
            if (file := job.clipped_file_path) is None:
                continue
            with open_raster(file) as raster:
                rows.append(_row(file, raster))
            if not job.asset_type.endswith("udm2"):
                drawn.append(pictures / f"{file.stem}.png")
                quicklook(file, drawn[-1], roi=as_roi(ROI))
        click.echo(as_text(Grid(head=["file", "pixels", "bands", "type", "CRS", "size"], rows=rows)))
        click.echo(f"{len(drawn)} pictures for a quick look are in {pictures}")

    def _balance(self, manager: AssetManager) -> None:
        _title(7, "Quota after")
        _quota(manager)
        held, spent = ledger.balance(manager.asynchronous.library)
        click.echo("")
        click.echo(f"  The sandbox's own bill  {exact_km2(self.bill())}")
        click.echo(f"  Our ledger              {exact_km2(spent)} spent, {exact_km2(held)} reserved")


class _Lines:
    """Progress where no bar can be drawn: one line for every change of a job's status."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def tell(self, job: DownloadJob) -> None:
        """Say what has become of a job, once."""
        if self._last.get(job.id) != job.status.value:
            self._last[job.id] = job.status.value
            click.echo(f"{job.scene_id} {job.asset_type}: {job.status.value}")


def _best(items: Sequence[Item]) -> list[Item]:
    """The scenes that show the most of the ROI, the newest first."""
    region = as_roi(ROI)
    by_share = sorted(items, key=lambda item: item.footprint.intersection(region).area, reverse=True)
    return sorted(by_share[:SCENES], key=lambda item: item.acquired, reverse=True)


def _yes(_plan: Plan) -> bool:
    return True


def _title(number: int, text: str) -> None:
    click.echo("")
    click.secho(f"{number}. {text}", bold=True)


def _quota(manager: AssetManager) -> None:
    click.echo(quota_lines(manager.get_quota_info(), RealClock().now(), signs=bar_signs()))


def _row(file: Path, raster: Any) -> list[str]:
    return [
        file.name,
        f"{raster.width} x {raster.height}",
        str(raster.count),
        raster.dtypes[0],
        str(raster.crs),
        human_bytes(file.stat().st_size),
    ]

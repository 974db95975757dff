"""Real managers on a sandbox: scenes found once, a library of their own, and what must hold about money and files."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from sandboxes import visited

from planet_assets.library import jobs as job_rows
from planet_assets.library import ledger
from planet_assets.library.engine import Library
from planet_assets.manager import AssetManager
from planet_assets.model.job import DownloadJob
from planet_assets.sandbox import RunningSandbox

ANALYTIC, UDM2, XML = "ortho_analytic_4b", "ortho_udm2", "ortho_analytic_4b_xml"
TYPES = (ANALYTIC, UDM2, XML)
SR = "ortho_analytic_4b_sr"
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[9.15, 45.44], [9.22, 45.44], [9.22, 45.49], [9.15, 45.49], [9.15, 45.44]]],
}
"""Some 5 x 5 km in Milan, [lon, lat]."""

FLOAT_KM2 = 1e-3
"""Sums of areas by two formulas differ by less than this."""


def awaited(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """An async test as a plain one."""

    @functools.wraps(test)
    def plain(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return plain


@functools.cache
def _found() -> tuple[dict[str, Any], ...]:
    """The sandbox's scenes; a process that a test starts is handed them in a file."""
    if given := os.environ.get("SCENES_OF_TEST"):
        return tuple(json.loads(Path(given).read_text()))
    with visited() as visitor:
        return tuple(visitor.items())


def hand_over(path: Path) -> dict[str, str]:
    """Environment for a process of the test: the scenes, and where modules lie."""
    path.write_text(json.dumps(_found()))
    here = Path(__file__).parent
    return {**os.environ, "SCENES_OF_TEST": str(path), "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}


def scenes(count: int = 2, *, with_types: Iterable[str] = TYPES, without: str = "") -> list[dict[str, Any]]:
    """Scenes that cover the square and have these assets, always the same ones; those `without` a type anywhere."""
    wanted = set(with_types)
    some = [item for item in _found() if wanted <= set(item["assets"]) and without not in item["assets"]]
    return [item for item in some if without or _covers(item)][:count]


def _covers(item: dict[str, Any]) -> bool:
    from shapely.geometry import shape

    return bool(shape(item["geometry"]).intersects(shape(SQUARE)))


def settings(sandbox_url: str, folder: Path, **more: Any) -> dict[str, Any]:
    """Settings for short pauses and the Data route; the library is in the folder unless the environment says."""
    quick = {"retry_delay": 0.02, "timeout": 5.0, "output_dir": str(folder / "out"), "delivery": "data"}
    limits = {"search": 1000.0, "activation": 1000.0, "download": 1000.0}
    library = os.environ.get("LIBRARY_OF_TEST") or str(folder / "library.db")
    home = {"library": library, "planet": {"api_url": sandbox_url}, "rate_limits": limits}
    return {**quick, **home, **more}


def manager_of(sandbox: RunningSandbox, folder: Path, **config: Any) -> AssetManager:
    """A manager that nobody has to answer; close it."""
    manager = AssetManager(sandbox.key, settings(sandbox.url, folder, **config), name="tests")
    manager.get_user_confirmation = lambda plan: True
    manager.show_progress = False
    return manager


def true_md5(sandbox: RunningSandbox, job: DownloadJob) -> str:
    """The digest of the bytes the sandbox has now."""
    feature = sandbox.world.item(job.scene_id)
    assert feature is not None
    return sandbox.world.file(feature, job.asset_type).result()[1]


def md5(path: Path) -> str:
    """The digest of a file."""
    return hashlib.md5(path.read_bytes()).hexdigest()


def leftovers(folder: Path) -> list[str]:
    """Hidden files: parts, marks, links, unfinished cuts."""
    return sorted(path.name for path in folder.rglob(".*") if path.is_file()) if folder.exists() else []


def check_money(library: Library, billed_km2: float) -> None:
    """The ledger is never below the bill, and every job's own figures are the sums of its rows."""
    held, spent = ledger.balance(library)
    assert held + spent >= billed_km2 - FLOAT_KM2, f"held {held} + spent {spent} < billed {billed_km2}"
    rows = ledger.rows(library)
    for job in job_rows.listed(library):
        mine = [row for row in rows if row["job_id"] == job.id]
        assert abs(sum(row["held_km2"] for row in mine) - job.held_km2) < 1e-6
        assert abs(sum(row["spent_km2"] for row in mine) - job.spent_km2) < 1e-6
        if job.status.is_final:
            assert abs(job.held_km2) < 1e-6

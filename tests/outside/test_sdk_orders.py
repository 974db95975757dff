"""The official SDK orders, waits, downloads, verifies, cancels, lists and reserves against the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from managing import settings
from sandboxes import MILAN, visited
from shapely.geometry import shape

from planet_assets.blocking import AssetManager
from planet_assets.model.job import DownloadJob
from planet_assets.sandbox import RunningSandbox

VISIT = Path(__file__).with_name("sdk_orders.py")
FARM = "pl:features/my/farms/milan"


def adopt(sandbox: RunningSandbox, folder: Path, order_id: str) -> list[DownloadJob]:
    """What the SDK has ordered, as our own manager fetches it."""
    with AssetManager(sandbox.key, settings(sandbox.url, folder)) as manager:
        return manager.adopt_orders([order_id])


def test_the_sdk_orders_downloads_verifies_cancels_and_lists(outside: Path, tmp_path: Path) -> None:
    with visited(rate_scale=4.0, queued_once=True) as planet:
        planet.sandbox.feature(FARM, MILAN)
        wanted = {"ortho_analytic_8b_sr", "ortho_analytic_8b_xml", "ortho_udm2", "ortho_analytic_4b"}
        items = [item for item in planet.items() if wanted <= set(item["assets"])][:2]
        names = ",".join(item["id"] for item in items)
        command = [outside / "python", VISIT, planet.sandbox.url, planet.sandbox.key, tmp_path, names]
        home = {**os.environ, "HOME": str(tmp_path)}
        visit = subprocess.run(command, env=home, capture_output=True, text=True, timeout=120, check=False)
        assert visit.returncode == 0, visit.stderr
        said = json.loads(visit.stdout)
        orders, quota = said["orders"], said["quota"]
        assert f"{items[0]['id']}_3B_AnalyticMS_SR_8b_clip.tif" in orders["names"]
        assert orders["archive"] == ["manifest.json", "zipped.zip"]
        assert (tmp_path / orders["id"] / "PSScene" / f"{items[1]['id']}_metadata.json").exists()
        assert (orders["cancelled"], orders["conflict"]) == ("cancelled", True)
        assert (orders["bulk"]["succeeded"]["count"], orders["bulk"]["failed"]["count"]) == (1, 1)
        assert orders["listed"] == ["dropped too", "dropped", "zipped", "clipped"]
        assert orders["states"] == ["dropped too", "dropped"]
        assert orders["stats"]["user"] == {"queued_orders": 0, "running_orders": 0}
        clipped = [charge for charge in planet.sandbox.charges() if charge["order_id"] == orders["id"]]
        parts = [shape(item["geometry"]).intersection(shape(MILAN)).area for item in items]
        assert clipped[0]["km2"] / clipped[1]["km2"] == pytest.approx(parts[0] / parts[1], rel=1e-2)
        assert quota == {
            "cost": quota["amount"], "rows": 1, "amount": quota["amount"], "job": "completed", "jobs": 1,
            "remaining": str((100_000.0 - quota["amount"]) * 1e6),
        }  # fmt: skip
        adopted = adopt(planet.sandbox, tmp_path, orders["id"])
        assert {job.clipped_file_path.name for job in adopted} <= set(orders["names"]) and len(adopted) == 6
        assert sum(job.spent_km2 for job in adopted) == 0
        log = planet.sandbox.requests()
        assert not [
            entry for entry in log if entry["status"] and entry["status"] >= 400 and entry["status"] not in (409, 429)
        ]
        assert not [entry for entry in log if "/storage/" in entry["path"] and entry["credentials"]]

"""The official SDK and its command line work against the sandbox: it is Planet, and not our own idea of it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from sandboxes import visited

VISIT = Path(__file__).with_name("sdk_visit.py")
SEED = """
import os, planet.specs, urllib.request, json
spec = json.load(urllib.request.urlopen(os.environ["SPEC"]))["bundles"]
types = {name for bundle in spec.values() for name in bundle["assets"]}
planet.specs.PRODUCT_BUNDLES.cache = {"bundles": spec, "bundle_names": spec.keys(), "item_types": types}
"""


def test_the_sdk_searches_activates_waits_downloads_and_validates(outside: Path, tmp_path: Path) -> None:
    with visited(rate_scale=1.0) as planet:
        command = [outside / "python", VISIT, planet.sandbox.url, planet.sandbox.key, tmp_path]
        home = {**os.environ, "HOME": str(tmp_path)}
        visit = subprocess.run(command, env=home, capture_output=True, text=True, timeout=120, check=False)
        assert visit.returncode == 0, visit.stderr
        said = json.loads(visit.stdout)
        assert said["found"] == said["counted"] > 3
        assert (said["again"], said["cover"]) == (3, "complete")
        assert Path(said["path"]).name == f"{said['item']}_3B_AnalyticMS.tif"
        (charge,) = planet.sandbox.charges()
        assert charge["item_id"] == said["item"]
        log = planet.sandbox.requests()
        assert not [entry for entry in log if entry["status"] >= 400]
        assert not [entry for entry in log if "/storage/" in entry["path"] and entry["credentials"]]


def test_the_command_line_downloads_and_checks(outside: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SEED)
    with visited() as planet:
        item = planet.item()["id"]
        environment = {
            **os.environ,
            "HOME": str(tmp_path),
            "PYTHONPATH": str(tmp_path),
            "PL_API_KEY": planet.sandbox.key,
            "SPEC": f"{planet.sandbox.url}/compute/ops/bundles/spec",
        }

        def say(*words: str) -> None:
            command = [outside / "planet", "--quiet", "data", "-u", f"{planet.sandbox.url}/data/v1", *words]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stderr

        say("asset-activate", "PSScene", item, "ortho_udm2")
        say("asset-wait", "PSScene", item, "ortho_udm2")
        say("asset-download", "PSScene", item, "ortho_udm2", "--directory", str(tmp_path), "--checksum")
        assert (tmp_path / f"{item}_3B_udm2.tif").exists()
        assert [charge["asset_type"] for charge in planet.sandbox.charges()] == ["ortho_udm2"]

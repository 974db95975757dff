"""Every notebook runs from top to bottom against a sandbox, shows what it promises, and is kept without outputs."""

from __future__ import annotations

import base64
import os
import re

import nbformat
import pytest
import sandboxes
from nbclient import NotebookClient
from wikipage import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SHOWN = 5
"""Cells of the first notebook that end in a value which shows itself as HTML."""

pytestmark = pytest.mark.filterwarnings("default:::jupyter_client", "default:::zmq", "default:::nbclient")


def executed(path, folder, **settings):
    """The notebook after a run in an empty folder, by a user of a fresh sandbox."""
    notebook = nbformat.read(path, as_version=4)
    with sandboxes.running(**settings) as sandbox:
        environment = os.environ | {
            "PL_API_KEY": sandbox.key,
            "PLANET_ASSETS__PLANET__API_URL": sandbox.url,
            "PLANET_ASSETS_LIBRARY": str(folder / "library.db"),
            "IPYTHONDIR": str(folder / "ipython"),
        }
        client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
        client.execute(env=environment)
    return notebook


def outputs(notebook, kind):
    """Everything cells put out in one form."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [out.data[kind] for cell in cells for out in cell.outputs if kind in out.get("data", {})]


def test_the_first_scene(tmp_path):
    notebook = executed(ROOT / "notebooks" / "01_first_scene.ipynb", tmp_path)
    html = outputs(notebook, "text/html")
    assert len(html) == SHOWN
    assert "Quota" in html[0] and "Download impact" in html[1] and "Plan " in html[2] and "4 jobs" in html[3]
    assert "<svg" in html[2] and "http" not in "".join(html).replace("http://www.w3.org/2000/svg", "")
    for picture in outputs(notebook, "image/png"):
        assert base64.b64decode(picture)[:8] == b"\x89PNG\r\n\x1a\n"
    assert "(0.0, 4)" in outputs(notebook, "text/plain"), "the same plan again costs nothing"
    assert len(list((tmp_path / "first_scene").glob("*_clip.tif"))) == 4


def test_quota_without_surprises(tmp_path):
    path = ROOT / "notebooks" / "02_quota_without_surprises.ipynb"
    notebook = executed(path, tmp_path, quota_km2=3000.0, used_km2=812.0)
    quota, naive, best, pieces, bars, plan, jobs, month, left = outputs(notebook, "text/html")
    assert "812" in quota and "Plan " in naive and "Selection" in best and "2 jobs" in jobs
    assert "Piece of" in pieces
    assert all("<svg" in each for each in (naive, best, pieces, bars, plan, month))
    assert "(chosen)" in plan and "pending" in left.lower()
    assert all(f"{price} km²" in bars for price in ("53,598", "4,787", "2,043", "1,374", "109"))
    words = outputs(notebook, "text/plain")
    assert "'4,787 km² by orders, 53,598 km² whole: over'" in words
    assert any("max_area(500): the plan costs 53,597" in each for each in words) and "True" in words
    assert "(0.0, 2)" in words, "the same plan again costs nothing"
    assert len(list((tmp_path / "quota").glob("*_clip.tif"))) == 2
    assert "http" not in "".join((naive, best, pieces, bars, plan, month)).replace("http://www.w3.org/2000/svg", "")


def test_clip_and_look(tmp_path):
    notebook = executed(ROOT / "notebooks" / "03_clip_and_look.ipynb", tmp_path, quota_km2=10_000.0)
    pictures = [base64.b64decode(picture) for picture in outputs(notebook, "image/png")]
    assert len(pictures) == 5 and all(picture.startswith(b"\x89PNG") for picture in pictures)
    told = "".join(
        out.text for cell in notebook.cells for out in cell.get("outputs", []) if out.output_type == "stream"
    )
    shares = [int(found) for found in re.findall(r"(\d+)% of the city", told)]
    assert len(shares) == 3 and min(shares) < 35 and max(shares) > 80
    haze = [int(found) for found in re.findall(r"(\d+)% clear", told)]
    assert haze == sorted(haze) and haze[-1] > haze[0]
    assert "charged for whole scenes all the same" in told
    read, whole, charged = re.search(r"read ([\d.]+) of ([\d.]+) MB, charged (\d+) km²", told).groups()
    assert float(read) <= float(whole) and int(charged) > 400
    assert "(0.0, True)" in outputs(notebook, "text/plain"), "the same cut again costs nothing"


def test_weekly_sync(tmp_path):
    path = ROOT / "notebooks" / "04_weekly_sync.ipynb"
    notebook = executed(path, tmp_path, quota_km2=3000.0, used_km2=812.0)
    words = outputs(notebook, "text/plain")
    told = [each for each in words if "new," in each]
    assert all(sign in told[0] for sign in ("11 new", "0 files held, 11 fetched"))
    assert "11 unchanged" in told[1] and "11 files held" in told[1] and " 0 fetched" not in told[1]
    assert "0 new, 0 modified" in told[2] and "0 fetched for 0.00 km²" in told[2]
    assert any("its md5 moved from" in each and each.endswith(", 0)") for each in words)
    quotas = [each for each in outputs(notebook, "text/html") if "Quota" in each]
    assert len(quotas) >= 3 and all("<svg" in each for each in quotas)
    assert len(list((tmp_path / "site" / "superseded").iterdir())) == 1


def test_a_team_library(tmp_path):
    path = ROOT / "notebooks" / "05_a_team_library.ipynb"
    notebook = executed(path, tmp_path, quota_km2=3000.0, used_km2=812.0)
    words = outputs(notebook, "text/plain")
    told = "".join(
        out.text for cell in notebook.cells for out in cell.get("outputs", []) if out.output_type == "stream"
    )
    assert "[('admin', 'admin'), ('ann', 'user'), ('eve', 'editor')]" in words
    assert "ann, for floods: 2 scenes" in told and "985 km² as whole scenes, 120 km² clipped at Planet" in told
    assert "nothing that costs passes unasked" in told and "is locked by ann" in told
    assert any("('user_cancelled', 'Cancelled by eve. whole scenes are too dear: clip them')" in each for each in words)
    assert "{'person:ann': (201, 2000.0), 'project:floods': (201, 500.0)}" in words
    assert "[('eve', 'The seam by the river is visible.')]" in words and words[-1] == "True"
    assert len(list((tmp_path / "team").glob("*_clip.tif"))) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None

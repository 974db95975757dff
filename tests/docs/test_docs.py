"""Every code block of the documentation is run, page by page, against a fresh sandbox, and puts out what is shown."""

from __future__ import annotations

import asyncio
import builtins
import doctest
import json
import os
import subprocess
import sys
from pathlib import Path

import pages
import pytest
import sandboxes
import warm
from snippets import close_managers, run_in
from wikipage import ROOT

LIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")


ON_POSTGRESQL = {"shared_library.md"}


@pytest.fixture
def library(path, request, tmp_path):
    """Where the page's library lies."""
    return request.getfixturevalue("postgres_address") if path.name in ON_POSTGRESQL else str(tmp_path / "library.db")


@pytest.fixture
def sandbox(tmp_path, monkeypatch, library):
    """The sandbox of the pages: 812 of 3,000 km² used; a person at the terminal who says yes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("planet_assets.flow.consent.can_ask", lambda: True)
    monkeypatch.setattr(builtins, "input", lambda question: print(f"{question}y") or "y")
    Path("milan.geojson").write_text(json.dumps(sandboxes.MILAN))
    with sandboxes.running(quota_km2=3000.0, used_km2=812.0) as running:
        for name, value in environment(running, tmp_path, library).items():
            monkeypatch.setenv(name, value)
        yield running
        asyncio.run(close_managers())


def environment(running, folder, library):
    folders = [*([warm.shims()] if warm.can() else []), Path(sys.executable).parent, os.environ["PATH"]]
    return {
        warm.NURSERY: str(warm.nursery()) if warm.can() else "",
        "HOME": str(folder),
        "PATH": os.pathsep.join(map(str, folders)),
        "PL_API_KEY": running.key,
        "PLANET_ASSETS__PLANET__API_URL": running.url,
        "PLANET_ASSETS_LIBRARY": library,
        "PLANET_ASSETS_CONFIG": str(folder / "config.toml"),
        "PLANET_ASSETS__RATE_LIMITS__SEARCH": "1000",
        "PLANET_ASSETS__RATE_LIMITS__ACTIVATION": "1000",
    }


def run_lines(text):
    """Commands as a shell runs them; each must end well."""
    done = subprocess.run(
        ["sh", "-eu", "-c", text], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("path", pages.pages_with_code(), ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_run_and_show_what_comes_out(path, sandbox, capsys):
    names = {"__name__": "__main__"}

    async def story():
        for block in pages.blocks(path):
            where = f"{path.relative_to(ROOT)}:{block.line}"
            if block.kind == "sh":
                output = await asyncio.to_thread(run_lines, block.text)
            else:
                await run_in(names, block.text, where)
                output = capsys.readouterr().out
            if block.shown is not None:
                assert doctest.OutputChecker().check_output(block.shown, output, LIKE), f"{where} put out:\n{output}"

    asyncio.run(story())

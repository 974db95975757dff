"""The flags of `download` about what is held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Answer, Desk
from sandboxes import running

from planet_assets.sandbox import RunningSandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running() as started:
        yield started


def test_flags_about_what_is_held(tmp_path: Path, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path, sandbox)

    def run(*words: object, **environment: str) -> Answer:
        return desk.here(monkeypatch, *words, **environment)

    scenes = desk.saved(desk.scenes("--limit", 1))
    wish = ("download", scenes, "--assets", "ortho_udm2", "--delivery", "data", "-d", tmp_path / "out", "--yes")
    first = run(*wish, "--show-stats")
    assert first.code == 0 and "1 files" in first.err
    once = sandbox.billed_km2()
    [file] = (tmp_path / "out").iterdir()
    size = file.stat().st_size
    priced = run(*wish, "--force-redownload", "--dry-run").json()
    assert priced["impact"]["area_km2"] == pytest.approx(once), "the price is said first"
    assert run(*wish, "--force-redownload").code == 0
    assert sandbox.billed_km2() == once, "Planet's own digest proved that the bytes are right"
    file.write_bytes(b"?" * size)
    assert run(*wish, "--force-redownload").code == 0
    assert file.read_bytes() != b"?" * size and sandbox.billed_km2() == pytest.approx(2 * once)
    assert len(list((tmp_path / "out" / "superseded").iterdir())) == 1

    off = run(*wish, "--show-stats", DISABLE_ASSET_TRACKING="1")
    assert off.code == 0 and "Tracking is off" in off.err
    known = run("download", "--show-stats").json()
    assert known["by_folder"] == {str(tmp_path / "out" / "superseded"): [1, size]}
    assert known["spent_km2"] == pytest.approx(2 * once), "the ledger counts all the same"

    for path in (tmp_path / "out" / "superseded").iterdir():
        path.unlink()
    assert len(run("download", "--cleanup", "--dry-run").json()["cleaned"]["forgotten"]) == 1
    assert ": 0 files" in run("download", "--cleanup", "--show-stats", "--text").out

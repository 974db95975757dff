"""Held files: verified, repaired, cleaned up, moved, adopted, removed; libraries backed up, restored and merged."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import Desk
from managing import ANALYTIC, UDM2, XML, check_money, manager_of, md5, scenes
from sandboxes import running

from planet_assets.door.holding import Holdings
from planet_assets.exceptions import DiskProblem, Misused
from planet_assets.flow.clock import RealClock
from planet_assets.library import copies, ledger
from planet_assets.library import jobs as job_rows
from planet_assets.library.engine import Library
from planet_assets.model.job import DownloadJob
from planet_assets.rules import naming
from planet_assets.sandbox import RunningSandbox


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    with running() as started:
        yield started


@pytest.fixture
def sandbox(shared: RunningSandbox) -> RunningSandbox:
    shared.reset()
    return shared


def fetched(sandbox: RunningSandbox, folder: Path, types: tuple[str, ...] = (ANALYTIC, XML), **how: Any) -> list[Any]:
    """Jobs of one scene, fetched into `out`."""

    async def once() -> list[DownloadJob]:
        async with manager_of(sandbox, folder) as manager:
            return list(await manager.activate_and_download_assets(scenes(1), list(types), **how))

    return asyncio.run(once())


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Holdings]:
    library = Library(tmp_path / "library.db")
    yield Holdings(library, RealClock())
    library.close()


def touch(path: Path) -> None:
    """As if another program had written the same length."""
    with path.open("r+b") as file:
        file.seek(200)
        file.write(b"\xff\xfe")
    os.utime(path, (1, 1))


def test_damage_is_found_repaired_and_offered_again(sandbox: RunningSandbox, tmp_path: Path, held: Holdings) -> None:
    whole, xml = (Path(job.path) for job in fetched(sandbox, tmp_path))
    assert str(held.verify()) == "2 files right (0 read), 0 missing, 0 damaged"
    os.utime(xml, (1, 1))
    assert held.verify().read_count == 1 and held.verify().read_count == 0, "what was read is not read again"
    assert held.verify(read_all=True).read_count == 2
    again = fetched(sandbox, tmp_path, (ANALYTIC,), output_dir=tmp_path / "second")
    shutil.copyfile(whole, twin := tmp_path / "twin.tif")
    whole.unlink()
    shutil.move(twin, whole)  # no more one file under two names
    touch(whole)
    found = held.verify()
    assert found.damaged == (whole,) and not found.is_right
    done = held.verify(repair=True)
    assert done.repaired == (whole,) and md5(whole) == md5(Path(again[0].path)) and held.verify().is_right
    assert (whole.parent / "damaged" / whole.name).exists()
    xml.unlink()
    assert held.verify(repair=True).missing == (xml,)
    billed = sandbox.billed_km2()
    assert fetched(sandbox, tmp_path)[1].downloaded_file_path == xml and xml.exists()
    assert sandbox.billed_km2() == billed, "xml is free"


def test_a_folder_that_is_not_there_is_no_loss(sandbox: RunningSandbox, tmp_path: Path, held: Holdings) -> None:
    fetched(sandbox, tmp_path, (XML,))
    (tmp_path / "out").rename(tmp_path / "unplugged")
    found = held.verify(repair=True)
    assert found.away == (tmp_path / "out",) and found.is_right
    assert held.clean().forgotten == () and held.stats().files == 1


def test_cleaning_leaves_what_may_go_on(sandbox: RunningSandbox, tmp_path: Path, held: Holdings) -> None:
    [job] = fetched(sandbox, tmp_path, (XML,))
    out = Path(job.path).parent
    old, fresh, foreign = out / ".a.tif.0123abcd.part", out / ".b.tif.0123abcd.part", out / ".notes.part.txt"
    for path in (old, fresh, foreign):
        path.write_bytes(b"x" * 10)
    for path in (old, foreign):
        os.utime(path, (1, 1))
    Path(job.path).unlink()
    assert held.clean(dry_run=True).parts == (old,) and old.exists()
    done = held.clean()
    assert done.forgotten == (Path(job.path),) and done.freed_bytes == 10
    assert not old.exists() and fresh.exists() and foreign.exists()
    assert held.stats().files == 0 and job_rows.listed(held.library), "jobs stay"


def test_moving_takes_files_and_records_along(sandbox: RunningSandbox, tmp_path: Path, held: Holdings) -> None:
    [job] = fetched(sandbox, tmp_path, (ANALYTIC,))
    out, archive = Path(job.path).parent, tmp_path / "archive"
    (archive).mkdir()
    (archive / Path(job.path).name).write_text("mine")
    with pytest.raises(DiskProblem, match="not overwritten"):
        held.move(out, archive)
    (archive / Path(job.path).name).unlink()
    assert held.move(out, archive) == [archive / Path(job.path).name] and held.verify().is_right
    archive.rename(tmp_path / "moved")
    assert held.move(archive, tmp_path / "moved") and held.verify().is_right, "a person moved it"
    billed = sandbox.billed_km2()
    assert fetched(sandbox, tmp_path, (ANALYTIC,))[0].downloaded_file_path and sandbox.billed_km2() == billed


def test_what_a_folder_holds_is_not_paid_for(sandbox: RunningSandbox, tmp_path: Path) -> None:
    first = fetched(sandbox, tmp_path / "colleague", (ANALYTIC, UDM2))
    mine, bought = tmp_path / "mine", tmp_path / "bought"
    bought.mkdir(parents=True)
    for job in first:
        shutil.copyfile(job.path, bought / Path(job.path).name)
    (bought / "notes.txt").write_text("x")
    torn = bought / Path(first[1].path).name
    torn.write_bytes(torn.read_bytes()[:-9])
    mine.mkdir()
    library = Library(mine / "library.db")
    done = Holdings(library, RealClock()).adopt(bought)
    library.close()
    assert [path.name for path in done.taken] == [Path(first[0].path).name]
    assert set(done.skipped) == {torn, bought / "notes.txt"}
    billed = sandbox.billed_km2()
    assert fetched(sandbox, mine, (ANALYTIC,))[0].downloaded_file_path and sandbox.billed_km2() == billed


def test_what_was_removed_is_said_to_cost_again(sandbox: RunningSandbox, tmp_path: Path, held: Holdings) -> None:
    [job] = fetched(sandbox, tmp_path, (ANALYTIC,))
    spent = ledger.balance(held.library)
    path = Path(job.path)
    with pytest.raises(Misused, match="holds nothing named"):
        held.remove(["nothing"])
    assert held.remove([job.scene_id], dry_run=True) == [path] and path.exists()
    touch(path)
    path.write_bytes(path.read_bytes() + b"mine")
    with pytest.raises(DiskProblem, match="left alone"):
        held.remove([path])
    path.write_bytes(path.read_bytes()[:-4])
    assert held.remove([path]) == [path] and not path.exists()
    assert ledger.balance(held.library) == spent and held.stats().removed == 1

    async def planned() -> Any:
        async with manager_of(sandbox, tmp_path) as manager:
            return await manager.plan(scenes(1), [ANALYTIC])

    plan = asyncio.run(planned())
    assert plan.impact.area_km2 > 0 and any("charged again" in words for words in plan.impact.assumptions)


def test_backup_restore_and_merge(sandbox: RunningSandbox, tmp_path: Path, held: Holdings) -> None:
    fetched(sandbox, tmp_path, (ANALYTIC,))
    saved = held.backup(tmp_path / "saved.db")
    with pytest.raises(DiskProblem, match="not overwritten"):
        held.backup(saved)
    fetched(sandbox, tmp_path, (UDM2,))
    both = ledger.balance(held.library)
    kept = held.restore(saved)
    assert [job.asset_type for job in job_rows.listed(held.library)] == [ANALYTIC]
    counts = held.merge(kept)
    assert counts["job"] == 1 and counts["copy"] == 1 and counts["ledger"] > 0
    assert ledger.balance(held.library) == pytest.approx(both) and held.verify().is_right
    check_money(held.library, sandbox.billed_km2())
    assert not any(held.merge(kept).values()), "twice changes nothing"
    (tmp_path / "no.db").write_text("no library")
    for wrong in (tmp_path / "no.db", tmp_path / "absent.db"):
        with pytest.raises(Misused):
            held.merge(wrong)
    assert (tmp_path / "no.db").read_text() == "no library"


def test_a_library_on_postgresql_is_backed_up_and_merged(tmp_path: Path, library_address: str) -> None:
    library = Library(library_address)
    now = datetime.now().astimezone()
    path = tmp_path / "20250110_100000_00_0001_3B_AnalyticMS.tif"
    one = copies.Held(key=("PSScene", "x", ANALYTIC), path=path, cut="", digest="0" * 32, size_bytes=5)
    copies.adopt(library, one, now)
    saved = Holdings(library, RealClock()).backup(tmp_path / "saved.db")
    copies.forget(library, [path])
    assert Holdings(library, RealClock()).merge(saved)["copy"] == 1
    assert [each.path for each in copies.every(library)] == [path]
    copies.mark(library, [path], copies.REMOVED)
    copies.adopt(library, one, now + timedelta(days=1))
    assert copies.every(library)[0].state == copies.PRESENT
    library.close()


@pytest.mark.parametrize("style", ["planet", "asset"])
def test_names_say_which_asset_a_file_is(style: str) -> None:
    for kind in naming.known_types():
        name = naming.file_name("20250110_100000_37_2465", kind, style)
        assert naming.asset_of(name) == ("20250110_100000_37_2465", kind)
        assert naming.is_cut_name(naming.ordered_name(name)) and not naming.is_cut_name(name)
    assert naming.asset_of("holiday.tif") is None and naming.asset_of("../x_3B_AnalyticMS.tif") is None


def test_the_commands(sandbox: RunningSandbox, tmp_path: Path) -> None:
    [job] = fetched(sandbox, tmp_path, (XML,))
    desk = Desk(tmp_path)
    assert desk.run("library", "stats").json()["files"] == 1
    Path(job.path).write_text("other")
    bad = desk.run("library", "verify", "--text")
    assert bad.code == 12 and job.path in bad.out
    assert desk.run("library", "remove", job.path).code == 1
    assert desk.run("library", "backup", "saved.db").code == 0
    assert desk.run("library", "adopt", "nowhere").code == 1
    assert desk.run("library", "merge", "saved.db", "--text").out.startswith("0 item")
    assert desk.run("library", "restore", "saved.db").code == 0

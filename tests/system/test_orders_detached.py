"""Orders that nobody waits for, orders that somebody else placed, and Planet's tools, from the command line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import ordering
import pytest
import rasterio
from commands import Desk
from sandboxes import MILAN, Visitor, running

from planet_assets.sandbox import RunningSandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running() as started:
        yield started


@pytest.fixture
def desk(tmp_path: Path, sandbox: RunningSandbox) -> Desk:
    sandbox.reset()
    quick = {"PLANET_ASSETS__ORDERS__GRACE_S": "0.5", "PLANET_ASSETS__ORDERS__LOOK_S": "0.05"}
    return Desk(tmp_path, sandbox, quick)


@pytest.fixture
def visitor(sandbox: RunningSandbox) -> Iterator[Visitor]:
    with httpx.Client(base_url=sandbox.url, auth=(sandbox.key, ""), timeout=60) as http:
        yield Visitor(sandbox, http)


def orders_of(sandbox: RunningSandbox) -> int:
    return len({charge["order_id"] for charge in sandbox.charges() if charge["route"] == "orders"})


def test_orders_are_placed_and_collected_hours_later(desk: Desk, sandbox: RunningSandbox) -> None:
    found = desk.saved(desk.scenes("--having", "ortho_udm2", "--limit", 2))
    sandbox.fault("order-stuck")
    wanted = (found, "--clip", desk.roi, "--assets", "ortho_analytic_4b,ortho_udm2", "--yes", "-d", "o")
    placed = desk.run("order", *wanted)
    assert placed.code == 0, placed.err
    assert {job["status"] for job in placed.json()["jobs"]} == {"ordering"}
    assert "planet-assets collect" in placed.err
    billed = sandbox.billed_km2()
    assert placed.json()["spent_km2"] == pytest.approx(billed, rel=1e-3)
    early = desk.run("collect")
    assert early.code == 5 and {job["status"] for job in early.json()["jobs"]} == {"ordering"}
    again = desk.run("order", *wanted)
    assert again.code == 0, again.err
    sandbox.mend()
    for _ in range(20):  # Planet takes its time, and a slow machine more of it
        done = desk.run("collect")
        if done.code != 5:
            break
    assert done.code == 0, done.err
    jobs = done.json()["jobs"]
    assert [job["status"] for job in jobs] == ["completed"] * 4
    assert all(Path(job["clipped_file"]).is_file() for job in jobs)
    assert (sandbox.billed_km2(), orders_of(sandbox)) == (billed, 1)
    assert desk.run("collect").json()["jobs"] == []


def test_an_order_of_somebody_else_is_adopted_free(desk: Desk, sandbox: RunningSandbox, visitor: Visitor) -> None:
    item = visitor.item()
    theirs = ordering.done(visitor, item["id"], name="from Explorer", tools=[{"clip": {"aoi": MILAN}}])
    whole = ordering.done(visitor, item["id"], name="whole", bundle="visual")
    billed = sandbox.billed_km2()
    listed = desk.run("orders", "list").json()["orders"]
    assert {one["name"]: one["known"] for one in listed} == {"from Explorer": False, "whole": False}
    assert "from Explorer" in desk.run("orders", "list", "--text").out
    assert desk.run("orders", "adopt", "nobody's").code == 2
    assert desk.run("orders", "adopt").code == 2
    adopted = desk.run("orders", "adopt", "from Explorer", "-d", "theirs")
    assert adopted.code == 0, adopted.err
    files = {Path(job["file"]).name for job in adopted.json()["jobs"]}
    assert files == {Path(one["name"]).name for one in theirs["_links"]["results"]} & files and len(files) == 3
    everything = desk.run("orders", "adopt", "--all", "-d", "theirs")
    assert [job["asset_type"] for job in everything.json()["jobs"]] == ["ortho_visual"]
    assert desk.run("orders", "adopt", whole["id"]).json()["jobs"] == []
    plan = desk.run("plan", item["id"], "--clip", desk.roi, "--assets", "ortho_analytic_4b,ortho_udm2").json()
    assert plan["impact"]["area_km2"] == 0 and len(plan["already_held"]) == 2
    ledger = desk.run("ledger", "show").json()
    assert sandbox.billed_km2() == billed and "spent_km2" in str(ledger)
    assert all(job["spent_km2"] == 0 for job in adopted.json()["jobs"])
    assert all(order["known"] for order in desk.run("orders", "list").json()["orders"])


def test_tools_run_at_planet_and_name_their_files(desk: Desk, sandbox: RunningSandbox, visitor: Visitor) -> None:
    item = visitor.item()
    tools = ("--tool", "reproject=EPSG:3035,resolution=120", "--tool", "harmonize=Sentinel-2", "--tool", "file_format")
    wanted = ("--assets", "ortho_analytic_8b_sr,ortho_udm2", "--clip", desk.roi)
    done = desk.run("download", item["id"], *wanted, *tools, "--yes", "-d", "t")
    assert done.code == 0, done.err
    names = sorted(Path(job["file"]).name for job in done.json()["jobs"])
    stem = item["id"]
    assert names == [
        f"{stem}_3B_AnalyticMS_SR_8b_harmonized_clip_reproject_file_format.tif",
        f"{stem}_3B_udm2_clip_reproject_file_format.tif",
    ]
    with rasterio.open(desk.folder / "t" / names[0]) as raster:
        assert raster.crs.to_epsg() == 3035 and raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    delivered = {row["path"].rpartition("/")[2] for row in sandbox.requests() if names[0] in row["path"]}
    assert delivered <= {names[0]}
    billed = sandbox.billed_km2()
    again = desk.run("download", item["id"], *wanted, *tools, "-d", "elsewhere")
    assert again.code == 0 and all(job["held_already"] for job in again.json()["jobs"]), again.err
    assert sandbox.billed_km2() == billed
    plain = desk.run("plan", item["id"], *wanted).json()
    assert plain["impact"]["area_km2"] > 0, "files changed by tools are not the files without"


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("harmonise", "no tool 'harmonise'"),
        ("clip", "--clip"),
        ("harmonize=Landsat", "Sentinel-2, PS2"),
        ("harmonize=Sentinel-2", "surface reflectance"),
        ("reproject=nowhere", "no projection"),
        ("reproject=EPSG:32632,resolution=-3", "no positive number"),
        ("reproject=EPSG:32632,colour=red", "no option 'colour'"),
        ("coregister=20250101_000000_00_0000", "none of the scenes"),
        ("file_format=PL_NITF", "COG"),
    ],
)
def test_tools_that_cannot_be_meant_are_refused_by_name(
    desk: Desk, sandbox: RunningSandbox, tool: str, words: str
) -> None:
    [scene] = desk.scenes("--having", "ortho_analytic_4b", "--limit", 1)
    refused = desk.run("download", desk.saved([scene]), "--clip", desk.roi, "--tool", tool, "--yes")
    assert refused.code == 2 and words in refused.err, refused.err
    assert sandbox.billed_km2() == 0
    assert desk.run("plan", desk.saved([scene]), "--tool", "toar", "--delivery", "data").code == 2


def test_a_composite_belongs_to_no_scene(desk: Desk, sandbox: RunningSandbox) -> None:
    found = desk.saved(desk.scenes("--having", "ortho_udm2", "--limit", 3))
    wanted = (found, "--clip", desk.roi, "--assets", "ortho_analytic_4b,ortho_udm2", "--tool", "composite", "-d", "c")
    plan = desk.run("plan", *wanted).json()
    done = desk.run("download", *wanted, "--yes")
    assert done.code == 0, done.err
    jobs = done.json()["jobs"]
    assert [job["status"] for job in jobs] == ["completed"] * 2
    assert all(job["scene_id"].startswith("composite_") for job in jobs)
    names = sorted(Path(job["file"]).name.removeprefix(jobs[0]["scene_id"]) for job in jobs)
    assert names == ["_3B_AnalyticMS_clip.tif", "_3B_udm2_clip.tif"]
    assert plan["impact"]["area_km2"] == pytest.approx(sandbox.billed_km2(), rel=1e-3)
    assert done.json()["spent_km2"] == pytest.approx(sandbox.billed_km2(), rel=1e-3)
    assert orders_of(sandbox) == 1
    again = desk.run("download", *wanted)
    assert again.code == 0 and all(job["held_already"] for job in again.json()["jobs"]), again.err
    (desk.folder / "c" / Path(jobs[0]["file"]).name).unlink()
    fetched = desk.run("download", *wanted)
    assert fetched.code == 0 and orders_of(sandbox) == 1, fetched.err
    strips = desk.run("download", *wanted[:-4], "--tool", "composite=strip_id", "--yes", "-d", "s")
    assert strips.code == 0, strips.err
    assert orders_of(sandbox) == 1 + len(strips.json()["jobs"]) // 2
    assert "ortho_analytic_4b_xml" in desk.run("plan", *wanted[:-5], "ortho_analytic_4b_xml", *wanted[-4:]).err


def test_a_kill_while_adopting_and_collecting_costs_nothing(
    desk: Desk, sandbox: RunningSandbox, visitor: Visitor
) -> None:
    item = visitor.item()
    ordering.done(visitor, item["id"], name="theirs", tools=[{"clip": {"aoi": MILAN}}])
    found = desk.saved([scene for scene in desk.scenes("--having", "ortho_udm2") if scene["id"] != item["id"]][:2])
    placed = desk.run("order", found, "--clip", desk.roi, "--yes", "-d", "mine")
    assert placed.code == 0, placed.err
    billed, orders = sandbox.billed_km2(), orders_of(sandbox)
    for command in (["orders", "adopt", "--all", "-d", "theirs"], ["collect"]):
        for pause_s in (0.6, 0.9, 1.2):
            with desk.start(*command) as process:
                time.sleep(pause_s)
                process.kill()
                process.communicate()
    done = desk.run("resume")
    assert done.code == 0, done.err
    adopted = desk.run("orders", "adopt", "--all", "-d", "theirs")
    assert adopted.code == 0, adopted.err
    assert len(list((desk.folder / "mine").glob("*_AnalyticMS_clip.tif"))) == 2
    assert len(list((desk.folder / "theirs").glob(f"{item['id']}*_clip.*"))) == 3
    assert not list(desk.folder.rglob(".*.part*"))
    assert (sandbox.billed_km2(), orders_of(sandbox)) == (billed, orders)
    spent = sum(job["spent_km2"] for job in desk.run("jobs", "list").json()["jobs"])
    assert spent == pytest.approx(placed.json()["spent_km2"])

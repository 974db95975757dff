"""What is held, as others read it: STAC beside the files, tables, citations; and rasters opened from their jobs."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from commands import Desk
from managing import ANALYTIC, SQUARE, UDM2, XML, manager_of, scenes
from sandboxes import running

from planet_assets.exceptions import Misused
from planet_assets.export.stac import stac_item
from planet_assets.flow.exporting import held_scenes
from planet_assets.library.engine import Library


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """Two scenes, whole and clipped at Planet, fetched once for all tests."""
    folder = tmp_path_factory.mktemp("site")

    async def once() -> list[Any]:
        with running() as sandbox:
            async with manager_of(sandbox, folder) as manager:
                await manager.search(SQUARE, "2025-01-01", "2025-01-07")
                whole = await manager.activate_and_download_assets(scenes(1), [ANALYTIC, UDM2, XML])
                cut = {"clip_to_roi": SQUARE, "delivery": "orders"}
                return [*whole, *await manager.activate_and_download_assets(scenes(2)[1:], [ANALYTIC], **cut)]

    return folder, asyncio.run(once())


def test_a_stac_item_lies_beside_its_files(site: tuple[Path, list[Any]]) -> None:
    folder, jobs = site
    written = [Path(path) for path in Desk(folder).run("export", "stac").json()["written"]]
    assert {path.stem for path in written} == {job.scene_id for job in jobs}
    for path in written:
        item = json.loads(path.read_text())
        assert item["stac_version"] and item["properties"]["datetime"].endswith("Z")
        assert 0 <= item["properties"]["eo:cloud_cover"] <= 100
        for asset in item["assets"].values():
            file = path.parent / asset["href"]
            assert asset["file:size"] == file.stat().st_size
            assert asset["file:checksum"] == "d50110" + hashlib.md5(file.read_bytes()).hexdigest()
            if file.suffix == ".tif":
                assert asset["proj:code"] == "EPSG:32632" and len(asset["proj:transform"]) == 6
    whole = next(json.loads(path.read_text()) for path in written if path.stem == jobs[0].scene_id)
    roles = {name: asset["roles"] for name, asset in whole["assets"].items()}
    assert roles[ANALYTIC] == ["data"] and roles[XML] == ["metadata"] and "cloud" in roles[UDM2]
    written[0].write_text("{}")
    refused = Desk(folder).run("export", "stac")
    assert refused.code == 1 and "no STAC Item" in refused.err and written[0].read_text() == "{}"
    written[0].unlink()


def test_tables(site: tuple[Path, list[Any]], tmp_path: Path) -> None:
    folder, jobs = site
    desk = Desk(folder)
    for kind, name in (("csv", "files.csv"), ("geojson", "scenes.geojson"), ("stac", "all.json")):
        assert desk.run("export", kind, "-o", tmp_path / name).code == 0
    with (tmp_path / "files.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["path"] for row in rows) == sorted(str(job.downloaded_file_path) for job in jobs)
    assert {row["clipped"] for row in rows} == {"True", "False"} and all(len(row["md5"]) == 32 for row in rows)
    found = json.loads((tmp_path / "scenes.geojson").read_text())["features"]
    assert [len(feature["properties"]["files"]) for feature in found if feature["id"] == jobs[0].scene_id] == [3]
    assert len(json.loads((tmp_path / "all.json").read_text())["features"]) == 2
    again = desk.run("export", "csv", "-o", tmp_path / "files.csv")
    assert again.code == 1 and "exists already" in again.err
    assert desk.run("export", "csv").code == 2


def test_geoparquet(site: tuple[Path, list[Any]], tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    import shapely

    assert Desk(site[0]).run("export", "geoparquet", "-o", tmp_path / "x.parquet").code == 0
    table = pq.read_table(tmp_path / "x.parquet")
    about = json.loads(table.schema.metadata[b"geo"])
    assert about["version"] == "1.1.0" and about["columns"]["geometry"]["encoding"] == "WKB"
    assert table.column("id").to_pylist()[0] in {job.scene_id for job in site[1]}
    assert shapely.from_wkb(table.column("geometry")[0].as_py()).area > 0


def test_what_is_cited(site: tuple[Path, list[Any]], tmp_path: Path) -> None:
    folder, jobs = site
    said = Desk(folder).run("cite", "--text").out
    assert "© 2025 Planet Labs PBC" in said and "@misc{planet," in said and "bundles analytic_udm2" in said
    assert all(job.scene_id in said for job in jobs) and "tools clip" in said
    assert Desk(folder).run("cite", "20990101_000000_00_0000").code == 4


def test_a_job_opens_its_raster(site: tuple[Path, list[Any]]) -> None:
    jobs = site[1]
    with jobs[0].open() as dataset:
        assert dataset.count == 4 and dataset.crs.to_epsg() == 32632
    with pytest.raises(Misused, match="no raster"):
        next(job for job in jobs if job.asset_type == XML).open()


def test_hrefs_are_absolute_without_a_folder(site: tuple[Path, list[Any]]) -> None:
    library = Library(site[0] / "library.db")
    [scene, *_] = held_scenes(library)
    library.close()
    assert all(Path(asset["href"]).is_absolute() for asset in stac_item(scene)["assets"].values())


def test_a_time_stack(tmp_path: Path) -> None:
    pytest.importorskip("xarray")

    async def once() -> tuple[list[Any], Any, Any]:
        with running() as sandbox:
            async with manager_of(sandbox, tmp_path) as manager:
                found = await manager.search(SQUARE, "2025-01-01", "2025-01-07")
                cut = {"clip_to_roi": SQUARE, "delivery": "orders"}
                jobs = await manager.activate_and_download_assets(scenes(2), [ANALYTIC], **cut)
                assert found["features"]
                return jobs, manager.files.to_xarray(ANALYTIC), manager.files.to_xarray(ANALYTIC, roi=SQUARE)

    jobs, cube, small = asyncio.run(once())
    assert cube.dims == ("time", "band", "y", "x") and cube.sizes["time"] == 2 and cube.sizes["band"] == 4
    assert list(cube.time.values) == sorted(cube.time.values)
    for job in jobs:
        with job.open() as dataset:
            mine = cube.isel(time=list(cube.scene.values).index(job.scene_id))
            x, y = dataset.xy(dataset.height // 2, dataset.width // 2)
            read = dataset.read(1)[dataset.height // 2, dataset.width // 2]
            there = mine.sel(band=1, x=x, y=y, method="nearest").item()
            assert there == read or (read == dataset.nodata and there != there)
    assert small.sizes["x"] <= cube.sizes["x"] and small.attrs["crs"] == cube.attrs["crs"]

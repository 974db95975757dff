"""What the sandbox's orders deliver: names, layout, pixels, metadata, archives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from ordering import CLIP, agrees, done, fetched, listed, placed, read, unpacked
from rasterio.features import geometry_mask
from rasterio.io import MemoryFile
from rasterio.warp import transform_geom
from sandboxes import MILAN, Visitor, visited
from shapely.geometry import mapping, shape

SITE = {"type": "Polygon", "coordinates": [[[9.2, 45.43], [9.26, 45.44], [9.24, 45.5], [9.19, 45.49], [9.2, 45.43]]]}


@pytest.fixture(scope="module")
def planet():
    with visited() as visitor:
        yield visitor


@pytest.fixture(scope="module")
def item(planet: Visitor) -> dict[str, Any]:
    """A scene with everything that covers most of the site."""
    wanted = {"ortho_analytic_8b_sr", "ortho_analytic_4b", "ortho_udm2", "ortho_analytic_4b_xml", "ortho_visual"}
    items = [each for each in planet.items() if wanted <= set(each["assets"])]
    return max(items, key=lambda each: shape(each["geometry"]).intersection(shape(SITE)).area)


def files_of(planet: Visitor, *items: str, **more: Any) -> dict[str, bytes]:
    order = done(planet, *items, **more)
    assert order["state"] == "success"
    files = fetched(planet, order)
    assert agrees(files)
    return files


def pixels(body: bytes) -> tuple[Any, dict[str, Any]]:
    with MemoryFile(body) as memory, memory.open() as raster:
        return raster.read(), {**raster.profile, "tags": raster.tags(), "descriptions": raster.descriptions}


def source(planet: Visitor, item: dict[str, Any], asset_type: str) -> tuple[Any, dict[str, Any]]:
    return pixels(planet.download(item, asset_type).content)


def test_without_tools_the_catalogues_own_files_come(planet: Visitor, item: dict[str, Any]) -> None:
    files = files_of(planet, item["id"])
    stem = f"PSScene/{item['id']}"
    names = {"_3B_AnalyticMS.tif", "_3B_AnalyticMS_metadata.xml", "_3B_udm2.tif", "_metadata.json"}
    assert files.keys() == {f"{stem}{name}" for name in names} | {"manifest.json"}
    assert files[f"{stem}_3B_AnalyticMS.tif"] == planet.download(item, "ortho_analytic_4b").content
    assert json.loads(files[f"{stem}_metadata.json"])["geometry"] == item["geometry"]
    assert listed(files)[f"{stem}_3B_AnalyticMS.tif"]["annotations"] == {
        "planet/asset_type": "ortho_analytic_4b", "planet/bundle_type": "analytic_udm2", "planet/item_id": item["id"],
        "planet/item_type": "PSScene",
    }  # fmt: skip


def test_a_clip_keeps_the_grid_and_the_pixels_inside(planet: Visitor, item: dict[str, Any]) -> None:
    files = files_of(planet, item["id"], bundle="analytic_8b_sr_udm2", tools=[{"clip": {"aoi": SITE}}])
    stem = f"PSScene/{item['id']}_3B"
    image, profile = pixels(files[f"{stem}_AnalyticMS_SR_8b_clip.tif"])
    mask, mask_profile = pixels(files[f"{stem}_udm2_clip.tif"])
    assert f"{stem}_AnalyticMS_8b_metadata_clip.xml" in files
    whole, full = source(planet, item, "ortho_analytic_8b_sr")
    size = full["transform"].a
    row = round((full["transform"].f - profile["transform"].f) / size)
    column = round((profile["transform"].c - full["transform"].c) / size)
    inside = geometry_mask(
        [transform_geom("EPSG:4326", full["crs"], SITE)], image.shape[1:], profile["transform"], invert=True
    )
    part = whole[:, row : row + image.shape[1], column : column + image.shape[2]]
    assert image.shape[1] < whole.shape[1] / 2
    np.testing.assert_array_equal(image, part * inside)
    assert (profile["crs"], profile["nodata"], profile["dtype"]) == (full["crs"], 0, "uint16")
    assert profile["descriptions"] == full["descriptions"]
    assert (mask_profile["transform"], mask.shape[1:]) == (profile["transform"], image.shape[1:])
    assert mask_profile["nodata"] is None
    np.testing.assert_array_equal(mask[7] & 1, ~inside | (part[0] == 0))
    said = json.loads(files[f"PSScene/{item['id']}_metadata.json"])
    assert shape(said["geometry"]).equals_exact(shape(item["geometry"]).intersection(shape(SITE)), 1e-9)
    covered = (mask[7] & 1) == 0
    assert said["properties"]["clear_percent"] == round(100 * float(mask[0][covered].mean()))
    assert said["properties"]["acquired"] == item["properties"]["acquired"]


def test_the_same_order_gives_the_same_bytes(item: dict[str, Any]) -> None:
    bodies = []
    for _ in range(2):
        with visited() as planet:
            archive = {"archive_type": "zip", "single_archive": True, "archive_filename": "{{name}}.zip"}
            bodies.append(files_of(planet, item["id"], tools=[CLIP], delivery=archive))
    assert bodies[0] == bodies[1]


def test_the_other_tools_change_what_they_say(planet: Visitor, item: dict[str, Any]) -> None:
    tools = [
        {"toar": {"scale_factor": 20000}},
        {"clip": {"aoi": SITE}},
        {"reproject": {"projection": "EPSG:3035", "resolution": 150.0, "kernel": "bilinear"}},
        {"file_format": {"format": "COG"}},
    ]
    files = files_of(planet, item["id"], tools=tools)
    name = f"PSScene/{item['id']}_3B_AnalyticMS_toar_clip_reproject_file_format.tif"
    image, profile = pixels(files[name])
    mask, mask_profile = pixels(files[f"PSScene/{item['id']}_3B_udm2_clip_reproject_file_format.tif"])
    assert (profile["crs"].to_epsg(), profile["transform"].a) == (3035, 150.0)
    assert (mask_profile["transform"], mask.shape[1:]) == (profile["transform"], image.shape[1:])
    with MemoryFile(files[name]) as memory, memory.open() as raster:
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    radiance, _ = source(planet, item, "ortho_analytic_4b")
    ratio = np.median(image[0][image[0] > 0]) / np.median(radiance[0][radiance[0] > 0])
    xml = planet.download(item, "ortho_analytic_4b_xml").text
    factor = float(xml.split("reflectanceCoefficient>")[1].split("<")[0]) * 20000
    assert 0.5 < ratio / factor < 2


def test_harmonized_and_coregistered_files_say_so(planet: Visitor, item: dict[str, Any]) -> None:
    tools = [{"harmonize": {"target_sensor": "Sentinel-2"}}, {"coregister": {"anchor_item": item["id"]}}]
    files = files_of(planet, item["id"], bundle="analytic_8b_sr_udm2", tools=tools)
    _, profile = pixels(files[f"PSScene/{item['id']}_3B_AnalyticMS_SR_8b_harmonized_coreg.tif"])
    assert (profile["tags"]["HARMONIZE"], profile["tags"]["COREGISTER"]) == ("Sentinel-2", item["id"])
    assert f"PSScene/{item['id']}_3B_udm2_coreg.tif" in files


def test_a_composite_is_one_picture_of_all(planet: Visitor) -> None:
    wanted = {"ortho_analytic_4b", "ortho_udm2"}
    items = [each for each in planet.items() if wanted <= set(each["assets"])]
    strip = items[0]["properties"]["strip_id"]
    one, two = [each for each in items if each["properties"]["strip_id"] == strip][:2]
    files = files_of(
        planet, one["id"], two["id"], tools=[{"clip": {"aoi": MILAN}}, {"composite": {"group_by": "order"}}]
    )
    records = {f"{each['id']}_metadata.json" for each in (one, two)}
    assert {"composite.tif", "composite_udm2.tif", "manifest.json"} | records <= files.keys()
    image, profile = pixels(files["composite.tif"])
    mask, _ = pixels(files["composite_udm2.tif"])
    assert mask.shape[1:] == image.shape[1:]
    assert "planet/asset_type" not in listed(files)["composite.tif"]["annotations"]
    seen = shape(one["geometry"]).union(shape(two["geometry"])).intersection(shape(MILAN))
    ground = transform_geom("EPSG:4326", profile["crs"], mapping(seen))
    inside = geometry_mask([ground], image.shape[1:], profile["transform"], invert=True)
    assert ((image > 0).any(axis=0) == inside).mean() > 0.98
    by_strip = files_of(planet, one["id"], tools=[CLIP, {"composite": {"group_by": "strip_id"}}])
    assert f"{strip}_composite.tif" in by_strip


def test_archives_hold_the_files_and_a_manifest(planet: Visitor, item: dict[str, Any]) -> None:
    archive = {"archive_type": "zip", "single_archive": True, "archive_filename": "../{{name}} {{order_id}}.zip"}
    order = done(planet, item["id"], tools=[CLIP], delivery=archive)
    files = fetched(planet, order)
    name = f"_milan_{order['id']}.zip"
    assert files.keys() == {name, "manifest.json"}
    assert agrees(files)
    inner = unpacked(files[name])
    assert agrees(inner)
    assert f"PSScene/{item['id']}_3B_AnalyticMS_clip.tif" in inner
    each = files_of(planet, item["id"], delivery={"archive_type": "zip"})
    assert each.keys() == {f"{item['id']}_analytic_udm2.zip", "manifest.json"}


def test_basic_products_come_as_they_are(planet: Visitor, item: dict[str, Any]) -> None:
    files = files_of(planet, item["id"], bundle="basic_analytic_udm2")
    assert f"PSScene/{item['id']}_1B_AnalyticMS_RPC.TXT" in files


def test_a_visual_picture_is_clear_outside_its_clip(planet: Visitor, item: dict[str, Any]) -> None:
    files = files_of(planet, item["id"], bundle="visual", tools=[{"clip": {"aoi": SITE}}])
    picture, _ = pixels(files[f"PSScene/{item['id']}_3B_Visual_clip.tif"])
    assert picture.shape[0] == 4
    assert set(np.unique(picture[3])) == {0, 255}


def test_no_file_is_made_before_somebody_looks(item: dict[str, Any], tmp_path: Path) -> None:
    with visited(state=tmp_path) as planet:
        order = placed(planet, item["id"], tools=[CLIP])
        assert not (tmp_path / "orders" / order["id"] / "files").exists()
        assert read(planet, order)["state"] == "success"
        assert not [path for path in (tmp_path / "orders" / order["id"]).iterdir() if path.name.startswith("part-")]
        with rasterio.open(
            next((tmp_path / "orders" / order["id"] / "files" / "PSScene").glob("*MS_clip.tif"))
        ) as raster:
            assert raster.profile["tiled"]

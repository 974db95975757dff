"""GeoPackages on disk, read again by GDAL."""

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.geometry import box

pyogrio = pytest.importorskip("pyogrio", reason="the extra vector is not installed")

from planet_assets.compat.geopackage import GeoPackageManager  # noqa: E402
from planet_assets.exceptions import DiskProblem, Misused  # noqa: E402
from planet_assets.export.geopackage import write_scenes  # noqa: E402
from planet_assets.export.vector import read_roi  # noqa: E402

MILAN = box(9.04, 45.40, 9.28, 45.52)
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "milan_psscene_2025-01.json"


def scene(name="20250115_102922_44_24f6", **properties):
    given = {
        "acquired": "2025-01-15T10:29:22.445Z",
        "cloud_cover": 0.05,
        "ground_control": True,
        "clear_percent": 93,
        "gsd": 3.8,
        "strip_id": "0077",
        "item_type": "PSScene",
    }
    footprint = shapely.geometry.mapping(box(9.0, 45.3, 9.3, 45.5))
    return {"type": "Feature", "id": name, "geometry": footprint, "properties": given | properties}


def read(path, layer):
    """Column -> values of a layer, and its geometries; GDAL must have nothing to complain about."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        meta, _, wkb, columns = pyogrio.raw.read(path, layer=layer, datetime_as_string=True)
    table = dict(zip(meta["fields"], columns, strict=True))
    assert meta["crs"] == "EPSG:4326"
    return table, shapely.from_wkb(wkb), dict(zip(meta["fields"], meta["dtypes"], strict=True))


def files_of(folder, *names):
    paths = [folder / name for name in names]
    for path in paths:
        path.write_bytes(b"II*\0" * 25)
    return paths


def test_the_snippet_of_the_wiki(tmp_path):
    whole, cut = files_of(
        tmp_path, "20250115_102922_44_24f6_3B_AnalyticMS.tif", "20250115_102922_44_24f6_3B_AnalyticMS_SR_clipped.tif"
    )
    geopackage_manager = GeoPackageManager()
    made = geopackage_manager.create_scene_geopackage(
        scenes=[scene()],
        output_path=str(tmp_path / "analysis_with_imagery.gpkg"),
        roi=MILAN,
        downloaded_files=[whole, None, str(cut)],
    )
    assert [name for name, _ in pyogrio.list_layers(made)] == ["scenes", "roi", "imagery"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([made.name, whole.name, cut.name])
    table, grounds, _ = read(made, "imagery")
    assert list(table["asset_type"]) == ["ortho_analytic_4b", "ortho_analytic_4b_sr"]
    assert list(table["item_id"]) == ["20250115_102922_44_24f6"] * 2
    assert list(table["size_bytes"]) == [100, 100]
    assert list(table["relative_path"]) == [whole.name, cut.name]
    assert list(table["clipped"]) == [False, True]
    assert grounds[1].equals(box(9.04, 45.40, 9.28, 45.5))
    assert read_roi(made).equals(MILAN)


def test_properties_keep_their_types(tmp_path):
    path = write_scenes(tmp_path / "a.gpkg", [scene(), scene("b", gsd=None, clear_percent=None, ground_control=None)])
    table, _, types = read(path, "scenes")
    assert (types["clear_percent"], types["gsd"], types["strip_id"]) == ("int64", "float64", "object")
    assert table["clear_percent"][0] == 93
    assert np.isnan(table["clear_percent"][1])
    assert list(table["strip_id"]) == ["0077", "0077"]
    assert table["acquired"][0].startswith("2025-01-15T10:29:22.445")
    assert table["acquired"][0].endswith(("Z", "+00:00"))
    assert table["gsd"][0] == 3.8
    assert np.isnan(table["gsd"][1])
    assert table["ground_control"][0] in (True, 1)
    assert table["files"][0] is None


def test_areas_are_geodesic(tmp_path):
    table, _, _ = read(write_scenes(tmp_path / "a.gpkg", [scene()], MILAN), "scenes")
    from pyproj import Geod

    truth = abs(Geod(ellps="WGS84").geometry_area_perimeter(box(9.04, 45.40, 9.28, 45.5))[0]) / 1e6
    assert table["roi_overlap_km2"][0] == pytest.approx(truth, rel=1e-4)
    assert table["area_km2"][0] > table["roi_overlap_km2"][0]


def test_scenes_outside_the_roi_overlap_nothing(tmp_path):
    table, _, _ = read(write_scenes(tmp_path / "a.gpkg", [scene()], box(20, 20, 21, 21)), "scenes")
    assert list(table["roi_overlap_km2"]) == [0.0]


def test_awkward_property_names_and_values(tmp_path):
    awkward = scene(fid=7, ID="upper", Area_km2="x", geom="g", tags=["a", "ü"], published="no time", mixed=1)
    path = write_scenes(tmp_path / "a.gpkg", [awkward, scene("b", mixed="text")])
    table, _, _ = read(path, "scenes")
    assert table["fid_"][0] == 7
    assert table["ID_"][0] == "upper"
    assert table["Area_km2_"][0] == "x"
    assert json.loads(table["tags"][0]) == ["a", "ü"]
    assert list(table["mixed"]) == ["1", "text"]
    assert table["published"][0] == "no time"


def test_files_by_item_and_files_of_nobody(tmp_path):
    (stray,) = files_of(tmp_path, "stray.tif")
    table, _, _ = read(write_scenes(tmp_path / "a.gpkg", [scene("x")], files={"x": [stray, "gone.tif"]}), "imagery")
    assert list(table["item_id"]) == ["x", "x"]
    assert np.isnan(table["size_bytes"][1])
    table, grounds, _ = read(write_scenes(tmp_path / "b.gpkg", [scene("x")], files=[stray]), "imagery")
    assert list(table["item_id"]) == [None]
    assert list(grounds) == [None]


def test_an_id_that_begins_with_another(tmp_path):
    paths = files_of(tmp_path, "s_1_ortho_visual.tif", "s_12_ortho_visual.tif")
    table, _, _ = read(write_scenes(tmp_path / "a.gpkg", [scene("s_1"), scene("s_12")], files=paths), "imagery")
    assert list(table["item_id"]) == ["s_1", "s_12"]
    assert list(table["asset_type"]) == ["ortho_visual"] * 2


def test_an_existing_file_is_kept_unless_told(tmp_path):
    path = write_scenes(tmp_path / "a.gpkg", [scene()])
    before = path.read_bytes()
    with pytest.raises(DiskProblem, match="exists already"):
        write_scenes(path, [scene("b")])
    with pytest.raises(Misused, match="has no geometry"):
        write_scenes(path, [{**scene("c"), "geometry": None}], overwrite=True)
    assert path.read_bytes() == before
    write_scenes(path, [scene("b")], overwrite=True)
    assert list(read(path, "scenes")[0]["id"]) == ["b"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.gpkg"]


def test_no_scenes_and_no_files(tmp_path):
    path = write_scenes(tmp_path / "a.gpkg", [])
    assert len(read(path, "scenes")[1]) == 0
    assert [name for name, _ in pyogrio.list_layers(path)] == ["scenes", "imagery"]


def test_the_roi_may_be_a_file(tmp_path):
    roi = tmp_path / "roi.geojson"
    roi.write_text(json.dumps(shapely.geometry.mapping(MILAN)), encoding="utf-8")
    made = GeoPackageManager().create_scene_geopackage([scene()], tmp_path / "a.gpkg", roi=str(roi))
    assert read_roi(made).equals(MILAN)


def test_real_scenes(tmp_path):
    if not SHARED.exists():
        assert not os.environ.get("CI"), "the shared data must be there in CI"
        pytest.skip("the shared data is not part of a public clone")
    document = json.loads(SHARED.read_text(encoding="utf-8"))
    path = write_scenes(tmp_path / "milan.gpkg", document, MILAN)
    table, footprints, types = read(path, "scenes")
    assert list(table["id"]) == [feature["id"] for feature in document["features"]]
    assert all(shape.is_valid and shape.geom_type == "MultiPolygon" for shape in footprints)
    assert types["cloud_cover"] == "float64"

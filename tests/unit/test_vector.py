"""Reading a region of interest from files, and writing GeoJSON whole or not at all."""

import json
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely
from pyproj import Geod, Transformer
from shapely.geometry import MultiPolygon, Point, box, mapping

from planet_assets.exceptions import DiskProblem, Misused
from planet_assets.export.vector import read_roi, roi_of, write_geojson
from planet_assets.model.item import Item

MILAN = box(9.04, 45.40, 9.28, 45.52)
BERGAMO = box(9.60, 45.65, 9.70, 45.72)


def collection(*geometries, **more):
    features = [{"type": "Feature", "properties": {}, "geometry": g and mapping(g)} for g in geometries]
    return {"type": "FeatureCollection", "features": features, **more}


def saved(folder, document, name="roi.geojson"):
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def with_gdal(folder, name, geometries, *, crs="EPSG:4326", **more):
    pytest.importorskip("pyogrio")
    from pyogrio import raw

    path = folder / name
    kind = {"geometry_type": "Unknown" if len({g.geom_type for g in geometries}) > 1 else geometries[0].geom_type}
    wkb = np.array([shapely.to_wkb(g) for g in geometries], dtype=object)
    driver = "KML" if name.endswith(".kml") else None  # two of GDAL's drivers write it
    raw.write(path, wkb, [], [], crs=crs, driver=driver, **kind, **more)
    return path


def in_utm(geometry, zone=32632):
    transform = Transformer.from_crs(4326, zone, always_xy=True).transform
    return shapely.transform(geometry, transform, interleaved=False)


def km2(geometry):
    return abs(Geod(ellps="WGS84").geometry_area_perimeter(geometry)[0]) / 1e6


@pytest.mark.parametrize(
    "document",
    [mapping(MILAN), {"type": "Feature", "properties": None, "geometry": mapping(MILAN)}, collection(MILAN, None)],
    ids=["geometry", "feature", "collection with an empty feature"],
)
def test_geojson_of_every_kind(tmp_path, document):
    assert read_roi(saved(tmp_path, document)).equals(MILAN)


def test_a_byte_order_mark_and_an_upper_case_ending_do_no_harm(tmp_path):
    assert read_roi(saved(tmp_path, "\ufeff" + json.dumps(mapping(MILAN)), "ROI.GeoJSON")).equals(MILAN)


def test_many_features_are_united_and_labels_passed_over(tmp_path):
    roi = read_roi(saved(tmp_path, collection(MILAN, BERGAMO, Point(9, 45))))
    assert isinstance(roi, MultiPolygon)
    assert roi.equals(MILAN.union(BERGAMO))


def test_geojson_in_another_crs_is_reprojected(tmp_path):
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    roi = read_roi(saved(tmp_path, collection(in_utm(MILAN), crs=crs)))
    assert roi.symmetric_difference(MILAN).area < 1e-3 * MILAN.area


def test_a_square_in_utm_keeps_its_area(tmp_path):
    square = box(500_000, 5_030_000, 520_000, 5_050_000)  # at the central meridian: scale 0.9996
    roi = read_roi(with_gdal(tmp_path, "roi.gpkg", [square], crs="EPSG:32632"))
    assert km2(roi) == pytest.approx(400 / 0.9996**2, rel=1e-5)


@pytest.mark.parametrize("name", ["roi.gpkg", "roi.shp", "roi.kml", "roi.fgb"])
def test_formats_of_the_extra(tmp_path, name):
    assert read_roi(with_gdal(tmp_path, name, [MILAN])).symmetric_difference(MILAN).area < 1e-9


def test_wkt_file(tmp_path):
    assert read_roi(saved(tmp_path, MILAN.wkt + "\n", "roi.wkt")).equals(MILAN)


def test_roi_of_takes_whatever_describes_one(tmp_path):
    path = saved(tmp_path, mapping(MILAN))
    for value in (MILAN, mapping(MILAN), MILAN.wkt, json.dumps(mapping(MILAN)), path, str(path)):
        assert roi_of(value).equals(MILAN)


def test_a_geopackage_with_several_layers_reads_roi_or_the_named_one(tmp_path):
    path = with_gdal(tmp_path, "all.gpkg", [BERGAMO], layer="towns")
    with_gdal(tmp_path, "all.gpkg", [BERGAMO], layer="lakes")
    with pytest.raises(Misused, match="2 layers: towns, lakes"):
        read_roi(path)
    with_gdal(tmp_path, "all.gpkg", [MILAN], layer="roi")
    assert read_roi(path).equals(MILAN)
    assert read_roi(path, layer="towns").equals(BERGAMO)
    with pytest.raises(Misused, match="no layer rivers"):
        read_roi(path, layer="rivers")


def test_a_shapefile_that_does_not_say_its_crs_is_refused(tmp_path):
    path = with_gdal(tmp_path, "roi.shp", [MILAN])
    path.with_suffix(".prj").unlink()
    with pytest.raises(Misused, match="does not say in which CRS"):
        read_roi(path)


def test_a_missing_extra_says_how_to_install_it(tmp_path, monkeypatch):
    path = with_gdal(tmp_path, "roi.fgb", [MILAN])
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    monkeypatch.setitem(sys.modules, "pyogrio.raw", None)
    with pytest.raises(Misused, match=r'pip install "planet-assets\[vector\]"'):
        read_roi(path)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("roi.geojson", "{", "not readable GeoJSON"),
        ("roi.geojson", "[1, 2]", "not readable GeoJSON"),
        ("roi.geojson", '{"type": "FeatureCollection", "features": 3}', "not readable GeoJSON"),
        ("roi.geojson", json.dumps(collection()), "is empty"),
        ("roi.geojson", json.dumps(mapping(Point(9, 45))), "no area, only Point"),
        ("roi.geojson", json.dumps(mapping(box(45.4, 99.04, 45.5, 99.28))), "look swapped"),
        ("roi.geojson", json.dumps(mapping(MILAN) | {"crs": {"properties": {"name": "EPSG:9"}}}), "is not known"),
        ("roi.json", "", "not readable GeoJSON"),
        ("roi.wkt", "POLYGON", "neither WKT nor GeoJSON"),
        ("roi.gpkg", "text", "not what its name says"),
        ("roi.kml", "<kml", "cannot be read"),
        ("roi.kml", "<OGRVRTDataSource><OGRVRTLayer/></OGRVRTDataSource>", "not what its name says"),
        ("roi.txt", "text", "no kind that is known"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_error(tmp_path, name, text, says):
    path = saved(tmp_path, text, name)
    with pytest.raises(Misused, match=says) as caught:
        read_roi(path)
    assert caught.value.argument == "roi"
    assert name in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(Misused, match="does not exist"):
        read_roi(tmp_path / "none.geojson")
    with pytest.raises(Misused, match="is a folder"):
        read_roi(tmp_path)


def test_a_self_crossing_feature_is_named(tmp_path):
    bow = shapely.from_wkt("POLYGON((0 0, 1 1, 1 0, 0 1, 0 0))")
    with pytest.raises(Misused, match=r"feature 2 of roi.geojson is not a valid polygon"):
        read_roi(saved(tmp_path, collection(MILAN, bow)))


def test_written_geojson_is_what_was_given(tmp_path):
    feature = {"type": "Feature", "id": "a", "geometry": mapping(MILAN), "properties": {"gsd": float("nan"), "n": 0.0}}
    item = Item(
        item_type="PSScene",
        id="b",
        acquired=datetime(2025, 1, 1, tzinfo=UTC),
        footprint=BERGAMO,
        cloud_cover=None,
        properties={"strip_id": "0012"},
        assets=("ortho_visual",),
    )
    path = write_geojson([feature, item], tmp_path / "deep" / "scenes.geojson")
    first, second = json.loads(path.read_text(encoding="utf-8"))["features"]
    assert first["properties"] == {"gsd": None, "n": 0.0}
    assert (second["id"], second["properties"]["strip_id"]) == ("b", "0012")
    assert [entry.name for entry in path.parent.iterdir()] == ["scenes.geojson"]


def test_a_failed_write_leaves_the_older_file(tmp_path):
    path = write_geojson([], tmp_path / "scenes.geojson")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="Circular"):
        write_geojson([{"type": "Feature", "geometry": None, "properties": Circular()}], path)
    assert path.read_bytes() == before
    with pytest.raises(DiskProblem, match="cannot be written"):
        write_geojson([], path / "below" / "a file.geojson")


class Circular:
    def __str__(self):
        raise ValueError("Circular")

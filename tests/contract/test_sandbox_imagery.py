"""The sandbox's files: what Planet's look like to a reader, and what its masks say of them."""

from __future__ import annotations

import hashlib
import os
import threading
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.enums import ColorInterp
from shapely.geometry import box, shape

from planet_assets.sandbox.imagery import UDM2_BANDS, Imagery, file_name
from planet_assets.sandbox.scenes import SUPERDOVE_ASSETS, make_scenes

PIXEL_M = 120.0
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "real_scene"
EIGHT = ("coastal_blue", "blue", "green_i", "green", "yellow", "red", "rededge", "nir")


@pytest.fixture(scope="module")
def scenes() -> list[dict[str, Any]]:
    start, end = datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 6, 28, tzinfo=UTC)
    made = make_scenes(box(9.1, 45.4, 9.23, 45.49), start, end, pixel_size_m=PIXEL_M)
    return [f for f in made if len(f["assets"]) == len(SUPERDOVE_ASSETS)]


@pytest.fixture(scope="module")
def cloudy(scenes: list[dict[str, Any]]) -> dict[str, Any]:
    return next(f for f in scenes if 0.15 < f["properties"]["cloud_cover"] < 0.6)


@pytest.fixture(scope="module")
def imagery(tmp_path_factory: pytest.TempPathFactory) -> Imagery:
    return Imagery(tmp_path_factory.mktemp("imagery"), pixel_size_m=PIXEL_M)


@pytest.mark.parametrize(
    "asset_type, name",
    [
        ("ortho_analytic_4b_sr", "x_3B_AnalyticMS_SR.tif"),
        ("ortho_analytic_8b_sr", "x_3B_AnalyticMS_SR_8b.tif"),
        ("ortho_analytic_3b", "x_3B_Analytic.tif"),
        ("ortho_analytic_4b", "x_3B_AnalyticMS.tif"),
        ("ortho_analytic_8b", "x_3B_AnalyticMS_8b.tif"),
        ("ortho_visual", "x_3B_Visual.tif"),
        ("ortho_udm2", "x_3B_udm2.tif"),
        ("ortho_analytic_3b_xml", "x_3B_Analytic_metadata.xml"),
        ("ortho_analytic_4b_xml", "x_3B_AnalyticMS_metadata.xml"),
        ("ortho_analytic_8b_xml", "x_3B_AnalyticMS_8b_metadata.xml"),
        ("basic_analytic_4b", "x_1B_AnalyticMS.tif"),
        ("basic_analytic_8b", "x_1B_AnalyticMS_8b.tif"),
        ("basic_analytic_4b_rpc", "x_1B_AnalyticMS_RPC.TXT"),
        ("basic_analytic_4b_xml", "x_1B_AnalyticMS_metadata.xml"),
        ("basic_udm2", "x_1B_udm2.tif"),
    ],
)
def test_names_are_planets(asset_type: str, name: str) -> None:
    assert file_name("x", asset_type) == name


@pytest.mark.parametrize(
    "asset_type, bands, dtype, nodata",
    [
        ("ortho_analytic_4b", ("blue", "green", "red", "nir"), "uint16", 0),
        ("ortho_analytic_4b_sr", ("blue", "green", "red", "nir"), "uint16", 0),
        ("ortho_analytic_8b_sr", EIGHT, "uint16", 0),
        ("ortho_visual", ("red", "green", "blue", "alpha"), "uint8", None),
        ("ortho_udm2", UDM2_BANDS, "uint8", None),
    ],
)
def test_a_picture_is_a_cloud_optimised_geotiff_in_its_utm_zone(
    imagery: Imagery, cloudy: dict[str, Any], asset_type: str, bands: tuple[str, ...], dtype: str, nodata: int | None
) -> None:
    with rasterio.open(imagery.path(cloudy, asset_type), driver="GTiff") as file:
        assert file.descriptions == bands
        assert set(file.dtypes) == {dtype}
        assert file.nodata == nodata
        assert file.crs.to_epsg() == 32632
        assert file.res == (PIXEL_M, PIXEL_M)
        assert file.profile["tiled"] and file.block_shapes[0] == (256, 256)
        assert file.compression.name == "deflate"
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        footprint = shape(cloudy["geometry"])
        to_utm = Transformer.from_crs(4326, 32632, always_xy=True)
        x, y = to_utm.transform(*np.array(footprint.exterior.coords).T)
        assert np.allclose(file.bounds, (min(x), min(y), max(x), max(y)), atol=1.01 * PIXEL_M)
        pixels = file.read()
        valid = pixels[7] & 1 == 0 if asset_type == "ortho_udm2" else pixels[-1] > 0
        assert not (valid[0, 0] or valid[-1, -1] or valid[0, -1] or valid[-1, 0])
        area_km2 = valid.sum() * PIXEL_M**2 / 1e6
        assert area_km2 == pytest.approx(footprint_area_km2(footprint), rel=0.01)
        if asset_type == "ortho_visual":
            assert file.colorinterp[3] is ColorInterp.alpha
            assert set(np.unique(pixels[3])) == {0, 255}
        elif dtype == "uint16":
            # No valid pixel may hold the value of no data in any band.
            assert ((pixels > 0) == valid).all()


def footprint_area_km2(footprint: Any) -> float:
    from pyproj import Geod

    return float(abs(Geod(ellps="WGS84").geometry_area_perimeter(footprint)[0])) / 1e6


def test_large_pictures_have_overviews(tmp_path: Path, cloudy: dict[str, Any]) -> None:
    with rasterio.open(Imagery(tmp_path, pixel_size_m=40).path(cloudy, "ortho_analytic_4b_sr")) as file:
        assert file.width > 600
        assert file.overviews(1) == [2, 4]


def test_the_mask_tells_what_the_item_says_and_the_picture_shows(
    imagery: Imagery, scenes: list[dict[str, Any]]
) -> None:
    shares = {"clear": "clear", "snow": "snow_ice", "shadow": "shadow", "light_haze": "light_haze", "cloud": "cloud"}
    brighter = 0
    for feature in scenes[:12]:
        mask = read(imagery.path(feature, "ortho_udm2"))
        valid = mask[7] & 1 == 0
        assert (mask[:6, valid].sum(axis=0) == 1).all()
        assert not mask[:7, ~valid].any()
        assert 0 < mask[6, valid].min() <= mask[6].max() <= 100
        for band, name in shares.items():
            said = feature["properties"][f"{name}_percent"]
            assert 100 * mask[UDM2_BANDS.index(band), valid].mean() == pytest.approx(said, abs=2.5), name
        cloud = mask[5] == 1
        clear = mask[0] == 1
        if cloud.sum() > 100 and clear.sum() > 100:
            blue = read(imagery.path(feature, "ortho_analytic_4b_sr"))[0]
            assert np.median(blue[cloud]) > 2 * np.median(blue[clear])
            brighter += 1
    assert brighter >= 2


def test_real_items_get_a_mask_of_their_own_percents(tmp_path: Path) -> None:
    geometry = box(9, 45, 9.4, 45.2).__geo_interface__
    wanted = {"clear": 40, "snow_ice": 10, "shadow": 5, "light_haze": 12, "heavy_haze": 8, "cloud": 25}
    properties = {f"{name}_percent": value for name, value in wanted.items()}
    feature = {"id": "own", "geometry": geometry, "properties": {"acquired": "2022-02-03T10:00:00Z", **properties}}
    mask = read(Imagery(tmp_path, pixel_size_m=PIXEL_M).path(feature, "ortho_udm2"))
    valid = mask[7] & 1 == 0
    for index, value in enumerate(wanted.values()):
        assert 100 * mask[index, valid].mean() == pytest.approx(value, abs=2.5)


def test_neighbours_show_the_same_ground_where_they_overlap(tmp_path: Path) -> None:
    start, end = datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 6, 20, tzinfo=UTC)
    scenes = make_scenes(box(9.2, 45.2, 9.21, 45.9), start, end, pixel_size_m=60)
    clear = [f for f in scenes if f["properties"].get("clear_percent") == 100 and "ortho_analytic_4b_sr" in f["assets"]]
    first, second = next(
        (a, b) for a, b in pairwise(clear)
        if a["properties"]["strip_id"] == b["properties"]["strip_id"]
        and shape(a["geometry"]).intersects(shape(b["geometry"]))
    )  # fmt: skip
    made = Imagery(tmp_path, pixel_size_m=60)
    with (
        rasterio.open(made.path(first, "ortho_analytic_4b_sr")) as one,
        rasterio.open(made.path(second, "ortho_analytic_4b_sr")) as other,
    ):
        left, bottom = max(one.bounds.left, other.bounds.left), max(one.bounds.bottom, other.bounds.bottom)
        right, top = min(one.bounds.right, other.bounds.right), min(one.bounds.top, other.bounds.top)
        here, there = (file.read(4, window=file.window(left, bottom, right, top)) for file in (one, other))
    both = (here > 0) & (there > 0)
    assert both.sum() > 2000
    difference = np.abs(here[both].astype(float) - there[both])
    assert np.median(difference) < 0.01 * np.median(here[both])
    assert here[both].std() > 300


def test_red_and_near_infrared_know_summer_from_winter(tmp_path: Path) -> None:
    made = Imagery(tmp_path, pixel_size_m=PIXEL_M)
    index = []
    for month in (1, 6):
        start, end = datetime(2025, month, 1, tzinfo=UTC), datetime(2025, month, 28, tzinfo=UTC)
        scenes = make_scenes(box(9.1, 45.4, 9.2, 45.5), start, end, pixel_size_m=PIXEL_M)
        feature = next(f for f in scenes if f["properties"].get("clear_percent", 0) > 97)
        _, _, red, nir = read(made.path(feature, "ortho_analytic_4b_sr")).astype(float)
        land = red > 0
        index.append(np.median((nir[land] - red[land]) / (nir[land] + red[land])))
    assert index[0] + 0.1 < index[1]


def test_metadata_turn_radiance_into_plausible_reflectance(imagery: Imagery, scenes: list[dict[str, Any]]) -> None:
    feature = next(f for f in scenes if f["properties"]["clear_percent"] > 95)
    numbers = read(imagery.path(feature, "ortho_analytic_4b")).astype(float)
    surface = read(imagery.path(feature, "ortho_analytic_4b_sr")) / 10000
    factors = coefficients(imagery.path(feature, "ortho_analytic_4b_xml"))
    assert len(factors) == 4
    valid = numbers[0] > 0
    for band, factor in enumerate(factors):
        top = numbers[band, valid] * factor
        assert 0 < np.median(top) < 0.6
        # The atmosphere adds light over dark ground and takes some over bright ground.
        assert np.corrcoef(top, surface[band, valid])[0, 1] > 0.99
    assert np.median(numbers[0, valid] * factors[0]) > np.median(surface[0, valid])


def coefficients(path: Path) -> list[float]:
    return [float(e.text or "nan") for e in ET.parse(path).iter() if e.tag.endswith("}reflectanceCoefficient")]


def test_metadata_have_the_structure_of_a_real_file(imagery: Imagery, cloudy: dict[str, Any]) -> None:
    if not REAL.exists():
        reason = "the real scene lies beside the repository, in shared/data"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    real = next(REAL.glob("*_metadata.xml"))
    ours, theirs = (
        {tuple(e.tag for e in branch) for branch in branches(ET.parse(path).getroot())}
        for path in (imagery.path(cloudy, "ortho_analytic_4b_xml"), real)
    )
    assert {branch[-1].split("}")[1] for branch in theirs - ours} <= {"projectionZone"}
    assert ours <= theirs


def branches(element: ET.Element, above: tuple[ET.Element, ...] = ()) -> list[tuple[ET.Element, ...]]:
    here = (*above, element)
    return [here] + [branch for child in element for branch in branches(child, here)]


def test_basic_pictures_are_placed_by_their_rational_polynomials(imagery: Imagery, cloudy: dict[str, Any]) -> None:
    with rasterio.open(imagery.path(cloudy, "basic_analytic_4b"), driver="GTiff") as file:
        assert file.crs is None
        model = file.rpcs
        assert (file.read(1) > 0).all()
        rows, columns = file.shape
    north_west = cloudy["geometry"]["coordinates"][0][0]
    lon, lat = (north_west[0] - model.long_off) / model.long_scale, (north_west[1] - model.lat_off) / model.lat_scale
    terms = np.array([1, lon, lat, 0, lon * lat, 0, 0, lon**2, lat**2] + [0] * 11)
    line = terms @ np.array(model.line_num_coeff) * model.line_scale + model.line_off
    sample = terms @ np.array(model.samp_num_coeff) * model.samp_scale + model.samp_off
    assert (line, sample) == pytest.approx((-0.5, -0.5), abs=0.3)
    assert columns > rows
    text = imagery.path(cloudy, "basic_analytic_4b_rpc").read_text(encoding="utf-8")
    assert f"LINE_OFF: {model.line_off:+.6f}" in text
    assert text.count("COEFF") == 80


def test_a_footprint_across_the_antimeridian_is_one_picture(tmp_path: Path) -> None:
    start, end = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 8, tzinfo=UTC)
    scenes = make_scenes(box(179.9, -17.1, 180, -17), start, end)
    feature = next(f for f in scenes if f["geometry"]["type"] == "MultiPolygon")
    with rasterio.open(Imagery(tmp_path, pixel_size_m=PIXEL_M).path(feature, "ortho_analytic_4b_sr")) as file:
        assert file.crs.to_epsg() in (32760, 32701)
        assert (file.read(1) > 0).sum() * PIXEL_M**2 / 1e6 == pytest.approx(
            footprint_area_km2(shape(feature["geometry"])), rel=0.01
        )


def test_bytes_are_the_same_again_and_other_in_the_next_edition(tmp_path: Path, cloudy: dict[str, Any]) -> None:
    for asset_type in ("ortho_analytic_4b_sr", "ortho_visual", "ortho_udm2", "ortho_analytic_4b_xml", "basic_udm2"):
        digests = [
            hashlib.md5(Imagery(tmp_path / name, pixel_size_m=PIXEL_M).path(cloudy, asset_type, edition).read_bytes())
            for name, edition in (("a", 0), ("b", 0), ("a", 1), ("a", 100))
        ]
        first, again, later, preview = (d.hexdigest() for d in digests)
        assert first == again
        assert len({first, later, preview}) == 3, asset_type


def test_many_who_ask_at_once_get_one_whole_file(tmp_path: Path, cloudy: dict[str, Any]) -> None:
    made = Imagery(tmp_path, pixel_size_m=PIXEL_M)
    seen: list[tuple[Path, bytes]] = []

    def ask() -> None:
        path = made.path(cloudy, "ortho_analytic_4b_sr")
        seen.append((path, path.read_bytes()))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 6
    assert len(set(seen)) == 1
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [seen[0][0]]


def test_given_files_are_served_instead(tmp_path: Path, imagery: Imagery, scenes: list[dict[str, Any]]) -> None:
    own, other, third = scenes[:3]
    given = tmp_path / "given"
    given.mkdir()
    exact = given / file_name(own["id"], "ortho_analytic_4b_sr")
    exact.write_bytes(imagery.path(own, "ortho_analytic_4b_sr").read_bytes())
    by_id = given / f"{other['id']}_mine.tif"
    by_id.write_bytes(imagery.path(other, "ortho_analytic_4b_sr").read_bytes())
    served = Imagery(tmp_path / "made", pixel_size_m=PIXEL_M, given=given)
    assert served.path(own, "ortho_analytic_4b_sr") == exact
    assert served.path(other, "ortho_analytic_4b_sr") == by_id
    assert served.path(third, "ortho_analytic_4b_sr") in (exact, by_id)
    # Nothing in the folder has the bands of a mask, so the mask is made.
    assert served.path(own, "ortho_udm2").parent != given
    with pytest.raises(NotADirectoryError):
        Imagery(tmp_path, given=exact)


def test_an_asset_type_that_planet_does_not_know_is_refused(imagery: Imagery, cloudy: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="ortho_analytic_9b"):
        imagery.path(cloudy, "ortho_analytic_9b")


def read(path: Path) -> Any:
    with rasterio.open(path, driver="GTiff") as file:
        return file.read()

"""What a cut keeps of its source, what it leaves on disk, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from commands import Desk
from rasterio.enums import ColorInterp
from rasters import MILAN, cut_by_rasterio, make
from shapely.geometry import MultiPolygon, Polygon, box

from planet_assets.exceptions import ClipFailed, Corrupt, DiskProblem, Misused, OutsideRaster
from planet_assets.model.job import Clipping
from planet_assets.raster import clip as clip_module
from planet_assets.raster import directory, stream
from planet_assets.raster.clip import clip
from planet_assets.raster.quicklook import CLASS_COLOURS, quicklook

pytestmark = [  # of rasterio's own cuts, not of ours
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]
ROI = Polygon([(9.1281, 45.4685), (9.1310, 45.4690), (9.1305, 45.4670), (9.1290, 45.4675)])
"""Inside the rasters that `make` makes."""
EVERY_EXTENT = pytest.mark.parametrize("extent", ["window", "tiles"])
TILED: dict[str, Any] = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@EVERY_EXTENT
def test_names_colours_tags_and_scales_are_kept(tmp_path: Path, extent: str) -> None:
    source = make(tmp_path / "a.tif", names=("blue", "green", "red", "nir"), **TILED)
    with rasterio.open(source, "r+") as out:
        out.colorinterp = (ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined)
        out.scales, out.offsets = (1e-4,) * 4, (0.5,) * 4
        out.update_tags(AREA_OR_POINT="Area", TIFFTAG_DATETIME="2024:05:01 10:00:00", strip="1234")
        out.update_tags(2, wavelength="0.565", STATISTICS_MEAN="7")
        out.update_tags(ns="planet", item="x")
        out.set_band_unit(1, "reflectance")
    cut = clip(source, tmp_path / "b.tif", ROI, Clipping(extent=extent))
    with rasterio.open(source) as before, rasterio.open(cut.path) as after:
        assert after.tags() == before.tags() and after.tags(ns="planet") == {"item": "x"}
        assert after.tags(2) == {"wavelength": "0.565"}
        for kept in ("descriptions", "colorinterp", "scales", "offsets", "units", "crs", "nodata", "dtypes", "count"):
            assert getattr(after, kept) == getattr(before, kept), kept
    assert names_in(tmp_path) == ["a.tif", "b.tif"]


@EVERY_EXTENT
def test_points_stay_points(tmp_path: Path, extent: str) -> None:
    source = make(tmp_path / "a.tif", **TILED)
    with rasterio.open(source, "r+") as out:
        out.update_tags(AREA_OR_POINT="Point")
    cut = clip(source, tmp_path / "b.tif", ROI, Clipping(extent=extent))
    with rasterio.open(source) as before, rasterio.open(cut.path) as after:
        assert after.tags()["AREA_OR_POINT"] == "Point"
        left, top = ~before.transform * (after.transform.c, after.transform.f)
        assert left == pytest.approx(round(left), abs=1e-6) and top == pytest.approx(round(top), abs=1e-6)


@EVERY_EXTENT
@pytest.mark.parametrize("bands", [2, 4])
def test_alpha_becomes_transparent_outside(tmp_path: Path, bands: int, extent: str) -> None:
    options = {"ALPHA": "YES", **({"photometric": "RGB"} if bands == 4 else {}), **TILED}
    source = make(tmp_path / "a.tif", bands=bands, dtype="uint8", nodata=None, **options)
    cut = clip(source, tmp_path / "b.tif", ROI, Clipping(extent=extent))
    with rasterio.open(source) as before, rasterio.open(cut.path) as after:
        assert after.colorinterp == before.colorinterp and after.colorinterp[-1] == ColorInterp.alpha
        pixels = after.read()
        assert (pixels[:, pixels[-1] == 0] == 0).all()
        assert (pixels[-1] > 0).mean() == pytest.approx(cut.inside_share)


@EVERY_EXTENT
def test_a_jpeg_is_decoded_once_and_packed_anew(tmp_path: Path, extent: str) -> None:
    options = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "jpeg", "photometric": "YCBCR"}
    source = make(tmp_path / "a.tif", bands=3, dtype="uint8", nodata=None, **options)
    cut = clip(source, tmp_path / "b.tif", ROI, Clipping(extent=extent))
    expected, transform = cut_by_rasterio(source, ROI)
    with rasterio.open(cut.path) as after:
        window = rasterio.windows.from_bounds(
            *rasterio.transform.array_bounds(*expected.shape[1:], transform), after.transform
        )
        assert np.array_equal(after.read(window=window), expected)
        assert after.profile["compress"] == "deflate"


def test_image_and_udm2_of_a_scene_are_cut_to_one_grid(tmp_path: Path) -> None:
    image = make(tmp_path / "sr.tif", dtype="uint16", nodata=0)
    udm2 = make(tmp_path / "udm2.tif", dtype="uint8", bands=8, nodata=None, **TILED)
    cuts = [clip(path, path.with_suffix(".cut.tif"), ROI, Clipping(buffer_m=7)) for path in (image, udm2)]
    with rasterio.open(cuts[0].path) as first, rasterio.open(cuts[1].path) as second:
        assert first.transform == second.transform and first.shape == second.shape
        assert second.nodata is None
        outside = second.read(1) == 0
        assert outside.any() and not first.read()[:, outside].any()


@pytest.mark.parametrize("compression", ["lzw", "deflate", "zstd", "none"])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_cogs_in_every_packing(tmp_path: Path, compression: str, dtype: str) -> None:
    source = make(tmp_path / "a.tif", width=1400, height=1200, bands=2, dtype=dtype)
    roi = box(9.13, 45.44, 9.17, 45.465)
    how = Clipping(output_format="COG", compression=compression, overviews=True)
    cut = clip(source, tmp_path / "b.tif", roi, how)
    with rasterio.open(cut.path) as after:
        assert after.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert after.profile.get("compress", "none") == compression
        assert after.overviews(1)
        assert np.array_equal(after.read(), cut_by_rasterio(source, roi)[0])
    assert names_in(tmp_path) == ["a.tif", "b.tif"]


@EVERY_EXTENT
def test_overviews_when_asked(tmp_path: Path, extent: str) -> None:
    source = make(tmp_path / "a.tif", width=1400, height=1200, bands=1, **TILED)
    roi = box(9.13, 45.44, 9.17, 45.465)
    with_them = clip(source, tmp_path / "b.tif", roi, Clipping(extent=extent, overviews=True))
    without = clip(source, tmp_path / "c.tif", roi, Clipping(extent=extent))
    with rasterio.open(with_them.path) as first, rasterio.open(without.path) as second:
        assert first.overviews(1)[0] == 2 and second.overviews(1) == []
        assert np.array_equal(first.read(), second.read())


@EVERY_EXTENT
def test_bigtiff_where_a_small_one_would_not_do(tmp_path: Path, extent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "_CLASSIC_BYTES", 0)
    source = make(tmp_path / "a.tif", **TILED)
    cut = clip(source, tmp_path / "b.tif", ROI, Clipping(extent=extent))
    assert cut.path.read_bytes()[2] == (43 if extent == "tiles" else 42)
    with rasterio.open(cut.path) as after:
        assert after.read().any()


@EVERY_EXTENT
def test_one_pixel_by_both_extents(tmp_path: Path, extent: str) -> None:
    source = make(tmp_path / "a.tif", **TILED)
    with rasterio.open(source) as dataset:
        x, y = dataset.xy(40, 50)
        pixel = dataset.read()[:, 40, 50]
    lon, lat = (float(value[0]) for value in rasterio.warp.transform("EPSG:32632", "EPSG:4326", [x], [y]))
    cut = clip(source, tmp_path / "b.tif", shapely.Point(lon, lat).buffer(1e-6), Clipping(extent=extent))
    assert (cut.width_px, cut.height_px) == ((1, 1) if extent == "window" else (32, 32))
    assert cut.inside_share == 1 / (cut.width_px * cut.height_px)
    with rasterio.open(cut.path) as after:
        row, column = after.index(x, y)
        pixels = after.read()
    assert (pixels[:, row, column] == pixel).all() and np.count_nonzero(pixels.any(axis=0)) == 1


@EVERY_EXTENT
def test_what_touches_the_corner_alone(tmp_path: Path, extent: str) -> None:
    source = make(tmp_path / "a.tif", crs="EPSG:4326", transform=Affine(0.001, 0, 9, 0, -0.001, 45), **TILED)
    with rasterio.open(source) as dataset:
        _, south, east, _ = dataset.bounds
    with pytest.raises(OutsideRaster):
        clip(source, tmp_path / "b.tif", box(east, south - 1, east + 1, south), Clipping(extent=extent))
    half = box(east - 0.0004, south - 1, east + 1, south + 0.0004)  # less than the pixel's centre
    cut = clip(source, tmp_path / "c.tif", half, Clipping(extent=extent))
    assert cut.inside_share == 0.0
    most = box(east - 0.0006, south - 1, east + 1, south + 0.0006)
    cut = clip(source, tmp_path / "d.tif", most, Clipping(extent=extent))
    assert round(cut.inside_share * cut.width_px * cut.height_px) == 1


def test_one_pixel_and_less(tmp_path: Path) -> None:
    source = make(tmp_path / "a.tif")
    with rasterio.open(source) as dataset:
        x, y = dataset.xy(40, 50)
    lon, lat = (float(value[0]) for value in rasterio.warp.transform("EPSG:32632", "EPSG:4326", [x], [y]))
    around = shapely.Point(lon, lat).buffer(1e-6)
    cut = clip(source, tmp_path / "b.tif", around)
    assert (cut.width_px, cut.height_px, cut.inside_share) == (1, 1, 1.0)
    beside = shapely.Point(lon + 1.2e-5, lat).buffer(1e-6)  # within the pixel, without its centre
    cut = clip(source, tmp_path / "c.tif", beside)
    assert (cut.width_px, cut.height_px, cut.inside_share) == (1, 1, 0.0)


def test_a_corner_and_many_parts(tmp_path: Path) -> None:
    source = make(tmp_path / "a.tif")
    with rasterio.open(source) as dataset:
        _, south, east, _ = rasterio.warp.transform_bounds("EPSG:32632", "EPSG:4326", *dataset.bounds)
    corner = box(east - 1e-4, south - 1, east + 1, south + 1e-4)
    holed = Polygon(ROI.exterior, [ROI.buffer(-2e-4).exterior])
    roi = MultiPolygon([corner, holed, box(20, 20, 21, 21)])
    cut = clip(source, tmp_path / "b.tif", roi)
    expected, transform = cut_by_rasterio(source, roi)
    with rasterio.open(cut.path) as after:
        assert np.array_equal(after.read(), expected) and after.transform == transform


def test_a_buffer_is_added_on_the_ground(tmp_path: Path) -> None:
    source = make(tmp_path / "a.tif", width=500, height=500, transform=Affine(3, 0, 509_700, 0, -3, 5_035_300))
    plain = clip(source, tmp_path / "b.tif", ROI)
    wide = clip(source, tmp_path / "c.tif", ROI, Clipping(buffer_m=30))
    assert wide.width_px == pytest.approx(plain.width_px + 20, abs=1)
    assert wide.height_px == pytest.approx(plain.height_px + 20, abs=1)
    with pytest.raises(Misused, match="Nothing is left"):
        clip(source, tmp_path / "d.tif", ROI, Clipping(buffer_m=-3000))


def test_outside_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    source = make(tmp_path / "a.tif")
    for roi in (box(50, 50, 51, 51), box(9.1, 45.6, 9.2, 45.7), box(-175, -80, -174, -79)):
        with pytest.raises(OutsideRaster, match="does not touch"):
            clip(source, tmp_path / "b.tif", roi)
    assert names_in(tmp_path) == ["a.tif"]


def test_an_existing_target_is_replaced_only_when_asked(tmp_path: Path) -> None:
    source, target = make(tmp_path / "a.tif"), tmp_path / "b.tif"
    target.write_text("mine")
    with pytest.raises(DiskProblem, match="there already"):
        clip(source, target, ROI)
    assert target.read_text() == "mine"
    clip(source, target, ROI, overwrite=True)
    with rasterio.open(target) as after:
        assert after.count == 4
    with pytest.raises(DiskProblem, match="no folder"):
        clip(source, tmp_path / "nowhere" / "b.tif", ROI)
    with pytest.raises(DiskProblem):
        clip(source, tmp_path, ROI, overwrite=True)
    assert names_in(tmp_path) == ["a.tif", "b.tif"]


@EVERY_EXTENT
def test_progress_rises_and_a_stop_leaves_nothing(tmp_path: Path, extent: str) -> None:
    source = make(tmp_path / "a.tif", width=300, height=1300, **TILED)
    roi = box(9.12, 45.40, 9.15, 45.48)
    shares: list[float] = []
    clip(source, tmp_path / "b.tif", roi, Clipping(extent=extent), on_progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 2
    with pytest.raises(ClipFailed, match="stopped"):
        clip(source, tmp_path / "c.tif", roi, Clipping(extent=extent), stopped=lambda: True)
    assert names_in(tmp_path) == ["a.tif", "b.tif"]


@EVERY_EXTENT
def test_a_failing_disk_leaves_nothing(tmp_path: Path, extent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(tmp_path / "a.tif", **TILED)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(clip_module.os, "fsync", refuse)
    with pytest.raises(DiskProblem, match="No space left"):
        clip(source, tmp_path / "b.tif", ROI, Clipping(extent=extent))
    assert names_in(tmp_path) == ["a.tif"]


def test_a_cut_that_was_not_written_whole_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(tmp_path / "a.tif", width=600, height=600)
    write = stream.write_window

    def and_lose_the_end(dataset: Any, part: Path, *rest: Any) -> int:
        inside = write(dataset, part, *rest)
        os.truncate(part, part.stat().st_size * 2 // 3)
        return inside

    monkeypatch.setattr(stream, "write_window", and_lose_the_end)
    with pytest.raises((ClipFailed, Corrupt)):
        clip(source, tmp_path / "b.tif", box(9.12, 45.45, 9.15, 45.48))
    assert names_in(tmp_path) == ["a.tif"]


def test_a_raster_without_a_place_on_earth_is_refused(tmp_path: Path) -> None:
    nowhere = make(tmp_path / "a.tif", transform=Affine.identity())
    with pytest.raises(ClipFailed, match="where on Earth"):
        clip(nowhere, tmp_path / "b.tif", ROI)
    assert quicklook(nowhere).startswith(b"\x89PNG")


def test_quicklooks_of_masks_floats_and_alpha(tmp_path: Path) -> None:
    for number, options in enumerate(
        [
            {"dtype": "uint8", "bands": 8, "nodata": None},
            {"dtype": "float32", "bands": 1, "nodata": float("nan")},
            {"dtype": "uint8", "bands": 4, "nodata": None, "photometric": "RGB", "ALPHA": "YES"},
            {"dtype": "int16", "bands": 2, "nodata": -5},
            {"width": 1, "height": 1, "nodata": None},
        ]
    ):
        look = quicklook(make(tmp_path / f"{number}.tif", **options), tmp_path / "look.png", max_px=64, roi=ROI)
        with rasterio.open(tmp_path / "look.png", driver="PNG") as picture:
            assert picture.count == 4 and max(picture.shape) <= 64 and picture.read(4).any()
        assert look.startswith(b"\x89PNG")
    with pytest.raises(Misused, match="style"):
        quicklook(tmp_path / "0.tif", style="thermal")
    with pytest.raises(Misused):
        quicklook(tmp_path / "0.tif", max_px=0)
    with pytest.raises(DiskProblem):
        quicklook(tmp_path / "0.tif", tmp_path / "nowhere" / "look.png")
    assert not list(tmp_path.glob(".*"))


def test_a_mask_is_drawn_by_its_classes_and_one_band_in_grey(tmp_path: Path) -> None:
    bands = np.zeros((8, 40, 60), "uint8")
    for number in range(6):
        bands[number, :, 10 * number : 10 * number + 10] = 1
    bands[7, :5] = 1
    shape = {"width": 60, "height": 40, "count": 8, "dtype": "uint8", "crs": "EPSG:32632"}
    with rasterio.open(tmp_path / "udm2.tif", "w", driver="GTiff", transform=MILAN, **shape) as out:
        out.write(bands)
    picture = pixels_of(quicklook(tmp_path / "udm2.tif"), tmp_path)
    assert (picture[3, :5] == 0).all() and (picture[3, 5:] == 255).all()
    drawn = [tuple(int(value) for value in picture[:3, 20, 10 * number + 5]) for number in range(6)]
    assert drawn == list(CLASS_COLOURS.values())
    grey = pixels_of(quicklook(make(tmp_path / "one.tif", bands=1)), tmp_path)
    assert (grey[0] == grey[1]).all() and (grey[1] == grey[2]).all() and len(np.unique(grey[0])) > 50


def pixels_of(png: bytes, folder: Path) -> np.ndarray:
    (folder / "look.png").write_bytes(png)
    with rasterio.open(folder / "look.png", driver="PNG") as picture:
        pixels: np.ndarray = picture.read()
    return pixels


def test_the_command_draws_a_picture(tmp_path: Path) -> None:
    source, run = make(tmp_path / "a.tif"), Desk(tmp_path).run
    done = run("quicklook", source, "-o", tmp_path / "a.png", "--roi", ROI.wkt, "--style", "false", "--max-px", "50")
    assert done.code == 0, done.err
    assert done.json() == {**done.json(), "width_px": 50, "height_px": 40}
    assert (tmp_path / "a.png").read_bytes() == quicklook(source, max_px=50, roi=ROI, style="false")
    again = run("quicklook", source, "-o", tmp_path / "a.png")
    assert again.code == 1 and "--overwrite" in again.err
    assert run("quicklook", source, "-o", tmp_path / "a.png", "--overwrite", "--text").out.startswith(str(tmp_path))
    text = tmp_path / "text.tif"
    text.write_text("no raster")
    assert "not a TIFF" in run("quicklook", text, "-o", tmp_path / "b.png").err
    assert not (tmp_path / "b.png").exists()

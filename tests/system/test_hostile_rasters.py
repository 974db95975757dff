"""Rasters that lie, lead elsewhere or were cut: refused by one of our errors, nothing read for them, nothing left."""

from __future__ import annotations

import os
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasters import make
from shapely.geometry import box

from planet_assets.exceptions import AssetError, Corrupt, DiskProblem, Unsafe
from planet_assets.model.job import Clipping
from planet_assets.raster.clip import clip
from planet_assets.raster.quicklook import quicklook
from planet_assets.raster.reading import open_raster

ROI = box(9.1281, 45.4670, 9.1310, 45.4690)
TILED = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

VRT = """<VRTDataset rasterXSize="10" rasterYSize="10">
<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">
<SourceFilename relativeToVRT="0">/etc/passwd</SourceFilename>
</VRTRasterBand></VRTDataset>"""
TEXTS = {
    "a VRT": VRT,
    "a VRT after a byte order mark": "\ufeff" + VRT,
    "an MRF": "<MRF_META><Raster><Size x='9' y='9' c='1'/><DataFile>/etc/passwd</DataFile></Raster></MRF_META>",
    "a WMS": "<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1:9/</ServerUrl></Service></GDAL_WMS>",
    "a GTI": "<GDALTileIndexDataset><IndexDataset>/etc/passwd</IndexDataset></GDALTileIndexDataset>",
    "a page of a proxy": "<html><body>Please sign in</body></html>",
    "JSON": '{"error": "not found"}',
    "nothing": "",
    "a mark alone": "II*\0",
    "a PNG": "\x89PNG\r\n\x1a\n",
}
PATHS = [
    "/vsicurl/http://127.0.0.1:9/scene.tif",
    "/vsizip//tmp/scene.zip/scene.tif",
    "/vsimem/scene.tif",
    "/vsistdin/",
    "/vsisubfile/0_10,/etc/passwd",
    "/vsisparse/scene.xml",
    "http://127.0.0.1:9/scene.tif",
    "https://127.0.0.1:9/scene.tif",
    "s3://bucket/scene.tif",
    "zip:///tmp/scene.zip!scene.tif",
    "GTIFF_DIR:2:/tmp/scene.tif",
    "GTIFF_RAW:/tmp/scene.tif",
    "NETCDF:/tmp/scene.nc:band",
    "<VRTDataset></VRTDataset>",
]


def refused(path: str | Path, folder: Path, *kinds: type[AssetError]) -> None:
    """Both doors refuse it, and nothing is left beside."""
    before = sorted(folder.iterdir())
    with pytest.raises(kinds or (AssetError,)):
        clip(path, folder / "cut.tif", ROI)
    with pytest.raises(kinds or (AssetError,)):
        quicklook(path)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts_named_tif(tmp_path: Path, text: str) -> None:
    scene = tmp_path / "scene.tif"
    scene.write_text(text, encoding="utf-8", newline="")
    refused(scene, tmp_path, Unsafe, Corrupt)


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_lead_elsewhere(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(path, tmp_path, Unsafe, DiskProblem)


@pytest.mark.skipif(os.name != "posix", reason="named pipes and devices are POSIX")
def test_what_is_no_plain_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    (tmp_path / "folder.tif").mkdir()
    for path in (tmp_path / "pipe.tif", tmp_path / "folder.tif", Path("/dev/zero"), tmp_path / "missing.tif"):
        refused(path, tmp_path, Unsafe, DiskProblem)


def test_a_zip_named_tif(tmp_path: Path) -> None:
    make(tmp_path / "inner.tif")
    with zipfile.ZipFile(tmp_path / "scene.tif", "w") as archive:
        archive.write(tmp_path / "inner.tif", "scene.tif")
    refused(tmp_path / "scene.tif", tmp_path, Unsafe)


def test_a_link_to_a_raster_elsewhere_is_fine(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    source = make(tmp_path / "store" / "a.tif")
    (tmp_path / "scene.tif").symlink_to(source)
    assert clip(tmp_path / "scene.tif", tmp_path / "cut.tif", ROI).inside_share > 0


@pytest.mark.parametrize("extent", ["window", "tiles"])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6, 0.9])
def test_files_that_were_cut_off(tmp_path: Path, share: float, extent: str) -> None:
    source = make(tmp_path / "a.tif", cog=True, width=300, height=300, compress="deflate", blocksize=128)
    os.truncate(source, int(source.stat().st_size * share))
    whole = box(9.12, 45.45, 9.15, 45.48)
    with pytest.raises((Corrupt, Unsafe)):
        clip(source, tmp_path / "cut.tif", whole, Clipping(extent=extent))
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_headers_that_declare_absurd_sizes(tmp_path: Path) -> None:
    wide = {256: 4_000_000_000, 257: 4_000_000_000}
    packed = {256: 400_000, 257: 400_000}
    many = {277: 60_000}
    block = {322: 160_000, 323: 160_000}
    for number, changes in enumerate((wide, packed, many, block, {256: 0}, {322: 0}, {259: 50_999}, {258: 0})):
        source = make(tmp_path / f"{number}.tif", bands=1, **TILED)
        rewrite(source, changes)
        refused(source, tmp_path, Unsafe, Corrupt)


def test_directories_that_lead_in_circles_or_beyond_the_end(tmp_path: Path) -> None:
    def loops(data: bytearray) -> None:
        (start,) = struct.unpack_from("<I", data, 4)
        (count,) = struct.unpack_from("<H", data, start)
        struct.pack_into("<I", data, start + 2 + 12 * count, start)

    def starts_beyond(data: bytearray) -> None:
        struct.pack_into("<I", data, 4, 2**32 - 16)

    def has_many_tags(data: bytearray) -> None:
        (start,) = struct.unpack_from("<I", data, 4)
        struct.pack_into("<H", data, start, 65535)

    for number, change in enumerate((loops, starts_beyond, has_many_tags)):
        source = make(tmp_path / f"{number}.tif", **TILED)
        changed(source, change)
        only_ours(source, tmp_path)


def test_tiles_that_lie_beyond_the_end(tmp_path: Path) -> None:
    source = make(tmp_path / "a.tif", bands=1, **TILED)

    def move(data: bytearray) -> None:
        at, count = entry(data, 324)
        (where,) = struct.unpack_from("<I", data, at + 8)
        for tile in range(count):
            struct.pack_into("<I", data, where + 4 * tile, 2**31)

    changed(source, move)
    for extent in ("window", "tiles"):
        with pytest.raises(Corrupt):
            clip(source, tmp_path / "cut.tif", ROI, Clipping(extent=extent))
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_what_lies_beside_a_raster_is_not_read(tmp_path: Path) -> None:
    source = make(tmp_path / "a.tif")
    with open_raster(source) as dataset:
        alone = dataset.profile, dataset.tags(), dataset.read()
    (tmp_path / "a.tif.aux.xml").write_text(
        '<PAMDataset><Metadata><MDI key="evil">1</MDI></Metadata>'
        '<PAMRasterBand band="1"><NoDataValue>77</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    (tmp_path / "a.tfw").write_text("1\n0\n0\n-1\n0\n0\n")
    (tmp_path / "a.tif.ovr").write_text(VRT)
    make(tmp_path / "a.tif.msk", bands=1, dtype="uint8")
    (tmp_path / "a_rpc.txt").write_text("LINE_OFF: 1\n")
    with open_raster(source) as dataset:
        assert (dataset.profile, dataset.tags()) == alone[:2]
        assert np.array_equal(dataset.read(), alone[2])
        assert dataset.files == [str(source)]
        assert dataset.overviews(1) == [] and dataset.rpcs is None


def test_a_target_that_is_a_link_is_never_written_through(tmp_path: Path) -> None:
    source = make(tmp_path / "a.tif")
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "cut.tif").symlink_to(tmp_path / "theirs")
    with pytest.raises(DiskProblem):
        clip(source, tmp_path / "cut.tif", ROI)
    clip(source, tmp_path / "cut.tif", ROI, overwrite=True)
    assert (tmp_path / "theirs").read_text() == "theirs" and not (tmp_path / "cut.tif").is_symlink()


def test_flipped_bytes_end_in_our_errors_or_in_a_raster(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole.tif", width=64, height=64, bands=2, **TILED).read_bytes()
    source, dice = tmp_path / "a.tif", random.Random(1)
    for number in range(150):
        data = bytearray(whole)
        for _ in range(dice.choice([1, 1, 3, 8])):
            data[dice.randrange(8, 600 if number % 2 else len(data))] = dice.randrange(256)
        source.write_bytes(data)
        only_ours(source, tmp_path, extent=dice.choice(["window", "tiles"]))


def only_ours(source: Path, folder: Path, extent: str = "window") -> None:
    """A cut succeeds and opens, or fails by an error of ours; nothing else is left behind."""
    target = folder / "cut.tif"
    try:
        clip(source, target, ROI, Clipping(extent=extent))
    except AssetError:
        pass
    else:
        with rasterio.open(target, driver="GTiff") as made:
            if extent == "window":  # a tile that is passed on is not looked into: checksums come before cuts
                made.read()
        target.unlink()
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def changed(path: Path, change: Callable[[bytearray], None]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def rewrite(path: Path, values: dict[int, int]) -> None:
    """Give tags of the first directory other values; a tag that is absent is left absent."""

    def change(data: bytearray) -> None:
        for tag, value in values.items():
            at, _ = entry(data, tag)
            short = value < 2**16
            struct.pack_into("<HHI", data, at, tag, 3 if short else 4, 1)
            struct.pack_into("<HH" if short else "<I", data, at + 8, *((value, 0) if short else (value,)))

    changed(path, change)


def entry(data: bytearray, tag: int) -> tuple[int, int]:
    """Where the entry of a tag lies, and how many values it has."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        found, _, values = struct.unpack_from("<HHI", data, at)
        if found == tag:
            return at, values
    raise LookupError(tag)

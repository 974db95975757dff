"""Rasters that lie, lead elsewhere or were cut: refused by one of our errors, nothing read for them, nothing left."""

from __future__ import annotations

import os
import random
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasters import MILAN, make
from shapely.geometry import box

from planet_assets import usable_mask
from planet_assets.exceptions import AssetError, ClipFailed, Corrupt, DiskProblem, Unsafe
from planet_assets.model.job import Clipping
from planet_assets.raster.clip import clip
from planet_assets.raster.quicklook import quicklook
from planet_assets.raster.reading import open_raster

ROI = box(9.1281, 45.4670, 9.1310, 45.4690)
TILED: dict[str, Any] = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}
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


MOST_GROWTH_MIB = 400
"""What opening and cutting a hostile file may add to the memory of the process."""

Maker = Callable[[Path], Path | str]


def text_named_tif(text: str) -> Maker:
    def make_it(folder: Path) -> Path:
        (folder / "scene.tif").write_text(text, encoding="utf-8", newline="")
        return folder / "scene.tif"

    return make_it


def with_tags(changes: dict[int, int], **options: Any) -> Maker:
    """A tiled raster of which tags say something else."""

    def make_it(folder: Path) -> Path:
        source = make(folder / "scene.tif", **{"bands": 1, **TILED, **options})
        rewrite(source, changes)
        return source

    return make_it


def with_bytes(change: Callable[[bytearray], None], **options: Any) -> Maker:
    """A tiled raster whose bytes were changed by hand."""

    def make_it(folder: Path) -> Path:
        source = make(folder / "scene.tif", **{**TILED, **options})
        changed(source, change)
        return source

    return make_it


def beside_it(name: str, text: str) -> Maker:
    """A plain raster, and a file beside it that GDAL would read."""

    def make_it(folder: Path) -> Path:
        (folder / name).write_text(text.replace("CANARY", str(folder.parent / "canary.tif")))
        return make(folder / "scene.tif")

    return make_it


def with_texts(**tags: str) -> Maker:
    def make_it(folder: Path) -> Path:
        source = make(folder / "scene.tif", **TILED)
        with rasterio.open(source, "r+") as out:
            out.update_tags(**tags)
        return source

    return make_it


def a_zip(folder: Path) -> Path:
    make(folder / "inner.tif")
    with zipfile.ZipFile(folder / "scene.tif", "w") as archive:
        archive.write(folder / "inner.tif", "scene.tif")
    return folder / "scene.tif"


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.tif")
    return folder / "pipe.tif"


def a_folder(folder: Path) -> Path:
    (folder / "folder.tif").mkdir()
    return folder / "folder.tif"


def a_sparse_giant(folder: Path) -> Path:
    """No bytes, 64 MB of pixels."""
    shape = {"width": 4000, "height": 4000, "count": 4, "dtype": "uint8", "crs": "EPSG:32632"}
    options = {"tiled": True, "SPARSE_OK": True, "compress": "deflate"}
    with rasterio.open(folder / "scene.tif", "w", driver="GTiff", transform=MILAN, **shape, **options):
        pass
    return folder / "scene.tif"


def one_giant_strip(folder: Path) -> Path:
    shape = {"width": 20_000, "height": 20_000, "count": 1, "dtype": "uint8", "crs": "EPSG:32632"}
    options = {"blockysize": 20_000, "SPARSE_OK": True, "compress": "deflate"}
    with rasterio.open(folder / "scene.tif", "w", driver="GTiff", transform=MILAN, **shape, **options):
        pass
    return folder / "scene.tif"


def a_broken_jpeg(folder: Path) -> Path:
    options = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "jpeg", "photometric": "YCBCR"}
    source = make(folder / "scene.tif", bands=3, dtype="uint8", nodata=None, **options)

    def spoil(data: bytearray) -> None:
        at, count = entry(data, 324)
        (where,) = struct.unpack_from("<I", data, at + 8)
        for tile in range(count):
            (start,) = struct.unpack_from("<I", data, where + 4 * tile)
            data[start + 2 : start + 30] = b"\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(18)

    changed(source, spoil)
    return source


def loops(data: bytearray) -> None:
    start, count = directory_of(data)
    struct.pack_into("<I", data, start + 2 + 12 * count, start)


def starts_beyond(data: bytearray) -> None:
    struct.pack_into("<I", data, 4, 2**32 - 16)


def starts_inside_the_header(data: bytearray) -> None:
    struct.pack_into("<I", data, 4, 2)


def has_many_tags(data: bytearray) -> None:
    struct.pack_into("<H", data, directory_of(data)[0], 65535)


def lists(tag: int, value: int) -> Callable[[bytearray], None]:
    """Every number of a list of tiles is the same."""

    def change(data: bytearray) -> None:
        at, count = entry(data, tag)
        (where,) = struct.unpack_from("<I", data, at + 8)
        for tile in range(count):
            struct.pack_into("<I", data, where + 4 * tile, value)

    return change


def all_tiles_are_one(data: bytearray) -> None:
    at, _ = entry(data, 324)
    (where,) = struct.unpack_from("<I", data, at + 8)
    (first,) = struct.unpack_from("<I", data, where)
    lists(324, first)(data)


def counts(tag: int, count: int) -> Callable[[bytearray], None]:
    """A list claims another number of values."""

    def change(data: bytearray) -> None:
        struct.pack_into("<I", data, entry(data, tag)[0] + 4, count)

    return change


def not_a_number(data: bytearray) -> None:
    at, _ = entry(data, 33550)
    (where,) = struct.unpack_from("<I", data, at + 8)
    struct.pack_into("<d", data, where, float("nan"))


def a_negative_width(data: bytearray) -> None:
    at, _ = entry(data, 256)
    struct.pack_into("<HIi", data, at + 2, 9, 1, -100)


def no_geokeys(data: bytearray) -> None:
    at, _ = entry(data, 34735)
    (where,) = struct.unpack_from("<I", data, at + 8)
    struct.pack_into("<HHHH", data, where, 1, 1, 0, 60_000)


LAUGHS = "<!DOCTYPE l [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)
)
CASES: dict[str, Maker] = {
    **{f"{name} named tif": text_named_tif(text) for name, text in TEXTS.items()},
    **{f"the path {path}": (lambda folder, path=path: path) for path in PATHS},
    "a named pipe": a_pipe,
    "a folder": a_folder,
    "a device": lambda folder: "/dev/zero",
    "no file": lambda folder: folder / "missing.tif",
    "a zip": a_zip,
    "sides of 4,000,000,000 pixels": with_tags({256: 4_000_000_000, 257: 4_000_000_000}),
    "pixels that the bytes cannot hold": with_tags({256: 400_000, 257: 400_000}),
    "60,000 bands": with_tags({277: 60_000}),
    "a tile of 25 GB": with_tags({322: 160_000, 323: 160_000}),
    "a width of 0": with_tags({256: 0}),
    "tiles 0 pixels wide": with_tags({322: 0}),
    "samples of 0 bits": with_tags({258: 0}),
    "a codec that nobody knows": with_tags({259: 50_999}),
    "a predictor that nobody knows": with_tags({317: 77}, compress="lzw", predictor=2),
    "a negative width": with_bytes(a_negative_width),
    "a strip of 400 MB": one_giant_strip,
    "a sparse giant": a_sparse_giant,
    "a directory that loops": with_bytes(loops),
    "a directory beyond the end": with_bytes(starts_beyond),
    "a directory inside the header": with_bytes(starts_inside_the_header),
    "a directory of 65,535 tags": with_bytes(has_many_tags),
    "tiles beyond the end": with_bytes(lists(324, 2**31)),
    "tiles of 4 GB": with_bytes(lists(325, 2**32 - 1)),
    "tiles that are all one": with_bytes(all_tiles_are_one),
    "tiles in the header": with_bytes(lists(324, 0)),
    "too few tiles": with_bytes(counts(324, 2)),
    "4,000,000,000 tiles": with_bytes(counts(324, 4_000_000_000)),
    "a name of 4 GB": with_bytes(counts(42112, 2**32 - 1), names=("a", "b", "c", "d")),
    "pixels of no size": with_bytes(not_a_number),
    "keys of no meaning": with_bytes(no_geokeys),
    "a JPEG that is broken": a_broken_jpeg,
    "a text of 8 MB": with_texts(TIFFTAG_IMAGEDESCRIPTION="x" * 8_000_000),
    "texts that multiply": with_texts(TIFFTAG_IMAGEDESCRIPTION=LAUGHS, xml=f"{LAUGHS}]><l>&j;</l>"),
    "overviews elsewhere": beside_it("scene.tif.ovr", VRT.replace("/etc/passwd", "CANARY")),
    "a mask elsewhere": beside_it("scene.tif.msk", VRT.replace("/etc/passwd", "CANARY")),
    "words beside it": beside_it(
        "scene.tif.aux.xml",
        '<PAMDataset><PAMRasterBand band="1"><NoDataValue>77</NoDataValue></PAMRasterBand></PAMDataset>',
    ),
    "a world file": beside_it("scene.tfw", "1\n0\n0\n-1\n0\n0\n"),
    "coefficients beside it": beside_it("scene_rpc.txt", "LINE_OFF: 1\n"),
}
"""What a file may be that somebody calls a scene."""


def test_there_are_cases_enough() -> None:
    assert len(CASES) >= 40


@pytest.mark.skipif(os.name != "posix", reason="named pipes and devices are POSIX")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_hostile_file_is_refused_or_harmless(tmp_path: Path, case: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """No door reads elsewhere, takes much memory, raises anything but our errors, or leaves anything behind."""
    folder = tmp_path / "in"
    folder.mkdir()
    monkeypatch.chdir(folder)
    canary = make(tmp_path / "canary.tif", bands=1, width=10, height=10)
    path = case(folder)
    os.utime(canary, ns=(0, canary.stat().st_mtime_ns))
    before, held = sorted(folder.iterdir()), peak_mib()
    for door in DOORS:
        with suppress(AssetError):
            made = door(path, folder)
            assert harmless(made), "a part that was cut opens"
        (folder / "cut.tif").unlink(missing_ok=True)
    assert sorted(folder.iterdir()) == before
    assert canary.stat().st_atime_ns == 0, "a file elsewhere was read"
    assert peak_mib() - held < MOST_GROWTH_MIB


DOORS: list[Callable[[Path | str, Path], bytes | Path]] = [
    lambda path, folder: clip(path, folder / "cut.tif", ROI).path,
    lambda path, folder: clip(path, folder / "cut.tif", ROI, Clipping(extent="tiles")).path,
    lambda path, folder: clip(path, folder / "cut.tif", ROI, Clipping(output_format="COG", overviews=True)).path,
    lambda path, folder: quicklook(path, max_px=64),
    lambda path, folder: quicklook(path, max_px=64, roi=ROI, style="false"),
    lambda path, folder: np.asarray(usable_mask(path, ROI)).tobytes(),
]
"""All that opens a raster somebody hands us."""


def harmless(made: bytes | Path) -> bool:
    """True for a picture or mask, and for a cut that opens."""
    if isinstance(made, bytes):
        return True
    with rasterio.open(made, driver="GTiff") as cut:
        return bool(cut.count)


def peak_mib() -> float:
    """The most memory that the process held so far."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


REFUSED = {
    "a device": Unsafe,
    "a folder": Unsafe,
    "a zip": Unsafe,
    "no file": DiskProblem,
    "60,000 bands": (Unsafe, Corrupt),
    "a tile of 25 GB": (Unsafe, Corrupt),
    "pixels of no size": ClipFailed,
    "pixels that the bytes cannot hold": Unsafe,
    "sides of 4,000,000,000 pixels": (Unsafe, Corrupt),
    "tiles beyond the end": Corrupt,
    "the path /vsisubfile/0_10,/etc/passwd": Unsafe,
    "a VRT named tif": Unsafe,
    "a WMS named tif": Unsafe,
}
"""Those that must not pass as harmless, and how they are called."""


@pytest.mark.skipif(os.name != "posix", reason="devices are POSIX")
@pytest.mark.parametrize("name", REFUSED)
def test_what_must_be_refused_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(REFUSED[name]):
        clip(CASES[name](tmp_path), tmp_path / "cut.tif", ROI)
    assert not (tmp_path / "cut.tif").exists()


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


def directory_of(data: bytearray) -> tuple[int, int]:
    """Where the first directory lies, and how many tags it has."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    return start, count


def entry(data: bytearray, tag: int) -> tuple[int, int]:
    """Where the entry of a tag lies, and how many values it has."""
    start, count = directory_of(data)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        found, _, values = struct.unpack_from("<HHI", data, at)
        if found == tag:
            return at, values
    raise LookupError(tag)

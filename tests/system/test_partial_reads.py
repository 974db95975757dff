"""Only the region's tiles cross the network: the same cut, one redirect, the whole charge; and how it can go wrong."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import rasterio
from faultserver import ETAG, FaultServer, Talk
from managing import ANALYTIC, UDM2, awaited, check_money, leftovers, manager_of, scenes
from rasters import make
from sandboxes import running
from shapely.geometry import Polygon, box, shape

from planet_assets.exceptions import LibraryLocked, Misused, NetworkError
from planet_assets.flow import partial
from planet_assets.library import jobs as job_rows
from planet_assets.manager import AssetManager
from planet_assets.model.asset import AssetStatus, Promise
from planet_assets.model.event import PartRead
from planet_assets.model.job import Clipping, DownloadJob, Terms
from planet_assets.raster import region as region_module
from planet_assets.raster.clip import clip
from planet_assets.raster.region import Unfit, read_region, runs
from planet_assets.sandbox import RunningSandbox
from planet_assets.transfer.fetch import Fetcher
from planet_assets.transfer.ranges import NoRanges, Ranges, VersionChanged
from planet_assets.view.text import confirmation_dialog

FIELD = box(9.17, 45.455, 9.19, 45.47)
"""A field of 1.6 x 1.7 km."""
ROI = Polygon([(9.130, 45.463), (9.134, 45.464), (9.133, 45.4605), (9.131, 45.461)])
TILED: dict[str, Any] = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running(pixel_size_m=30.0) as served:
        yield served


@pytest.fixture
def manager(sandbox: RunningSandbox, tmp_path: Path) -> Iterator[AssetManager]:
    made = manager_of(sandbox, tmp_path)
    yield made
    check_money(made.library, sandbox.billed_km2())
    asyncio.run(made.aclose())


def one_scene() -> list[dict[str, Any]]:
    """The first scene that holds the field."""
    return [item for item in scenes(40) if shape(item["geometry"]).covers(FIELD)][:1]


def same_pixels(one: Path, other: Path) -> bool:
    with rasterio.open(one) as first, rasterio.open(other) as second:
        return bool((first.read() == second.read()).all()) and first.profile == second.profile


def bodies(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return [request for request in sandbox.requests() if "/storage" in request["path"]]


@awaited
async def test_the_same_cut_from_a_part_of_the_bytes(
    manager: AssetManager, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    how: dict[str, Any] = {"clip_to_roi": FIELD, "delivery": "auto"}
    plan = await manager.plan(one_scene(), [ANALYTIC], partial_read=True, **how)
    whole_plan = await manager.plan(one_scene(), [ANALYTIC], **(how | {"delivery": "data"}))
    assert plan.impact.area_km2 == whole_plan.impact.area_km2 > 100, "the quota is that of the whole scene"
    assert plan.impact.bytes_low < whole_plan.impact.bytes_low / 4
    assert "charged for whole scenes all the same" in " ".join(confirmation_dialog(plan).split())
    [job] = await manager.run(plan)
    assert (job.status, job.verified_by) == (AssetStatus.COMPLETED, "etag"), job.error_message
    assert job.original_file_path is None and not Path(job.path).exists() and leftovers(tmp_path / "out") == []
    assert job.spent_km2 == pytest.approx(plan.impact.area_km2, rel=1e-3)
    locations = [one for one in sandbox.requests() if "/download" in one["path"]]
    assert len(locations) == 1 and len(bodies(sandbox)) >= 2
    assert 0 < job.read_bytes < job.whole_bytes / 4

    billed = sandbox.billed_km2()
    [again] = await manager.activate_and_download_assets(one_scene(), [ANALYTIC], partial_read=True, **how)
    assert (again.spent_km2, again.clipped_file_path) == (0, job.clipped_file_path), "the cut is held"
    assert sandbox.billed_km2() == billed and again.original_file_path is None
    elsewhere = await manager.activate_and_download_assets(
        one_scene(), [ANALYTIC], tmp_path / "two", partial_read=True, **how
    )
    assert elsewhere[0].clipped_file_path.parent == tmp_path / "two" and sandbox.billed_km2() == billed

    [whole] = await manager.activate_and_download_assets(
        one_scene(), [ANALYTIC], tmp_path / "whole", clip_to_roi=FIELD, delivery="data"
    )
    assert same_pixels(whole.clipped_file_path, job.clipped_file_path)
    assert sandbox.billed_km2() > billed, "a part is not the whole, which is bought when it is asked for"
    [cut] = await manager.activate_and_download_assets(
        one_scene(), [ANALYTIC], tmp_path / "three", clip_to_roi=ROI, partial_read=True
    )
    assert cut.spent_km2 == 0 and cut.original_file_path is not None, "a whole file that is held is cut"


@awaited
async def test_masks_are_read_in_part_too(manager: AssetManager) -> None:
    how: dict[str, Any] = {"clip_to_roi": FIELD, "clipping_config": {"mask_unusable": True}, "partial_read": True}
    image, mask = await manager.activate_and_download_assets(one_scene(), [ANALYTIC, UDM2], **how)
    assert image.status is mask.status is AssetStatus.COMPLETED, (image.error_message, mask.error_message)
    assert image.clear_share is not None and image.read_bytes and mask.read_bytes


@pytest.mark.parametrize("fault", ["range-ignored", "wrong-content-range"])
@awaited
async def test_a_storage_without_ranges_gives_the_whole_at_no_further_charge(
    manager: AssetManager, sandbox: RunningSandbox, tmp_path: Path, fault: str
) -> None:
    sandbox.fault(fault)
    [job] = await manager.activate_and_download_assets(one_scene(), [ANALYTIC], clip_to_roi=FIELD, partial_read=True)
    assert (job.status, job.verified_by, job.read_bytes) == (AssetStatus.COMPLETED, "md5", None), job.error_message
    assert job.original_file_path.exists() and len(sandbox.charges()) == 1
    assert leftovers(tmp_path / "out") == []
    [fetched] = [one for one in job_rows.history(manager.library, job.id) if type(one).__name__ == "Fetched"]
    assert fetched.why_whole


@pytest.mark.parametrize("fault", ["cut", "503"])
@awaited
async def test_what_breaks_is_read_again_over_the_same_link(
    manager: AssetManager, sandbox: RunningSandbox, tmp_path: Path, fault: str
) -> None:
    sandbox.fault(fault, path="/storage", count=2)
    [job] = await manager.activate_and_download_assets(one_scene(), [ANALYTIC], clip_to_roi=FIELD, partial_read=True)
    assert job.status is AssetStatus.COMPLETED and job.read_bytes, job.error_message
    assert len(sandbox.charges()) == 1 and leftovers(tmp_path / "out") == []


@awaited
async def test_a_cut_that_fails_is_made_of_what_was_read(
    manager: AssetManager, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    plan = await manager.plan(one_scene(), [ANALYTIC], clip_to_roi=FIELD, partial_read=True)
    blocked = Path(plan.wants[0].clipped_path or "")

    def block(job: Any) -> None:
        if job.status is AssetStatus.CLIPPING:
            blocked.mkdir(exist_ok=True)

    manager.progress_callback = block
    [job] = await manager.run(plan)
    if job.status is AssetStatus.COMPLETED:
        pytest.skip("the cut was quicker than the callback")
    assert "what was read is kept" in str(job.error_message)
    blocked.rmdir()
    manager.progress_callback = None
    billed = sandbox.billed_km2()
    [job] = await manager.retry_failed_downloads([job])
    assert job.status is AssetStatus.COMPLETED and job.read_bytes, job.error_message
    assert sandbox.billed_km2() == billed and job.spent_km2 == 0
    assert leftovers(tmp_path / "out") == []


@pytest.mark.parametrize("after_all", [False, True])
@awaited
async def test_a_process_that_dies_while_reading_pays_once(
    manager: AssetManager, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, after_all: bool
) -> None:
    class Dies(BaseException):
        pass

    def die(*arguments: Any, **named: Any) -> Any:
        if after_all:
            read_region(*arguments, **named)
        raise Dies

    monkeypatch.setattr(region_module, "read_region", die)
    with pytest.raises(Dies):
        await manager.activate_and_download_assets(one_scene(), [ANALYTIC], clip_to_roi=FIELD, partial_read=True)
    [left] = job_rows.unfinished(manager.library)
    assert left.status is AssetStatus.DOWNLOADING and left.spent_km2 > 0
    monkeypatch.setattr(region_module, "read_region", read_region)
    with pytest.raises(LibraryLocked, match="reading a part"):
        await manager.plan(one_scene(), [ANALYTIC])
    before = len(bodies(sandbox))
    [job] = await manager.resume()
    assert job.status is AssetStatus.COMPLETED and job.read_bytes, job.error_message
    assert len(sandbox.charges()) == 1 and job.spent_km2 == left.spent_km2
    assert (len(bodies(sandbox)) == before) is after_all, "tiles that were read whole are not read again"
    assert leftovers(tmp_path / "out") == []


@awaited
async def test_what_cannot_be_meant_is_refused(manager: AssetManager, sandbox: RunningSandbox) -> None:
    with pytest.raises(Misused, match="clip_to_roi"):
        await manager.plan(one_scene(), [ANALYTIC], partial_read=True)
    with pytest.raises(Misused, match="delivery='data'"):
        await manager.plan(one_scene(), [ANALYTIC], clip_to_roi=FIELD, partial_read=True, delivery="orders")
    assert sandbox.billed_km2() == 0


# Tiles of a file, without a network


def reader(path: Path) -> tuple[Callable[[int, int], bytes], list[tuple[int, int]], int]:
    data, asked = path.read_bytes(), list[tuple[int, int]]()

    def read(start: int, length: int) -> bytes:
        asked.append((start, length))
        return data[start : start + length]

    return read, asked, len(data)


@pytest.mark.parametrize(
    "options", [TILED, {"cog": True, "blocksize": 128, "compress": "zstd"}, {**TILED, "BIGTIFF": "YES"}]
)
@pytest.mark.parametrize("extent", ["window", "tiles"])
def test_a_cut_of_the_tiles_is_a_cut_of_the_whole(tmp_path: Path, options: dict[str, Any], extent: str) -> None:
    source = make(tmp_path / "a.tif", width=700, height=600, names=("blue", "green", "red", "nir"), **options)
    read, asked, size = reader(source)
    touched = read_region(read, size, tmp_path / "tiles.tif", ROI, buffer_m=20, name="a.tif")
    how = Clipping(extent=extent, buffer_m=20)
    one, other = (clip(path, tmp_path / f"{path.stem}.cut.tif", ROI, how) for path in (source, tmp_path / "tiles.tif"))
    assert same_pixels(one.path, other.path) and one.inside_share == other.inside_share
    with rasterio.open(one.path) as first, rasterio.open(other.path) as second:
        assert first.descriptions == second.descriptions and first.tags() == second.tags()
    read_bytes = sum(length for _, length in asked)
    header = sum(length for _, length in asked[:2] if length == region_module.HEADER_BLOCK_BYTES)
    assert touched.tile_bytes <= read_bytes - header <= 1.05 * touched.tile_bytes < 0.3 * size
    assert sorted(path.name for path in tmp_path.iterdir() if "~" in path.name) == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "not tiled"),
        ({**TILED, "ENDIANNESS": "BIG"}, "not tiled in a way"),
        ({**TILED, "compress": "jpeg", "bands": 3, "dtype": "uint8", "nodata": None}, "packed"),
        ({**TILED, "interleave": "band"}, "packed"),
    ],
)
def test_what_cannot_be_read_in_part_is_said(tmp_path: Path, options: dict[str, Any], why: str) -> None:
    read, _, size = reader(make(tmp_path / "a.tif", width=300, height=300, **options))
    with pytest.raises(Unfit, match=why):
        read_region(read, size, tmp_path / "tiles.tif", ROI, name="a.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_a_file_with_a_mask_of_its_own_or_elsewhere_is_not_read_in_part(tmp_path: Path) -> None:
    source = make(tmp_path / "a.tif", width=300, height=300, nodata=None, **TILED)
    read, _, size = reader(source)
    with pytest.raises(Unfit, match="does not touch"):
        read_region(read, size, tmp_path / "tiles.tif", box(50, 50, 51, 51), name="a.tif")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(source, "r+") as out:
        out.write_mask(True)
    read, _, size = reader(source)
    with pytest.raises(Unfit, match="mask"):
        read_region(read, size, tmp_path / "tiles.tif", ROI, name="a.tif")


def test_gaps_are_bridged_only_as_far_as_the_spare_goes() -> None:
    tiles = [region_module.Tile(number, number * 108, 100) for number in range(50)]
    del tiles[20:25]
    read = sum(run[-1].offset + run[-1].length - run[0].offset for run in runs(tiles))
    assert read <= 1.03 * 100 * len(tiles) + 1
    assert sorted(tile.index for run in runs(tiles) for tile in run) == [tile.index for tile in tiles]


# Ranges on real sockets

DATA = bytes(range(256)) * 400


def span(talk: Talk) -> tuple[int, int]:
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", talk.request.headers["range"])
    assert found is not None
    return int(found[1]), min(int(found[2]), len(DATA) - 1)


def part(talk: Talk, *, etag: str | None = ETAG, shift: int = 0, short: int = 0, total: int = len(DATA)) -> None:
    first, last = span(talk)
    body = DATA[first : last + 1]
    headers = {"Content-Range": f"bytes {first + shift}-{last + shift}/{total}", "Content-Length": str(len(body))}
    talk.head(206, headers | ({"ETag": etag} if etag else {}))
    talk.send(body[: len(body) - short])
    if short:
        talk.fin()


def ranges_of(server: FaultServer, folder: Path) -> tuple[Fetcher, Ranges]:
    fetcher = Fetcher(stall_s=0.5, trust_env=False)
    return fetcher, fetcher.ranges(server.url(), folder / ".a.tif.x.part", Promise(media="tiff"))


def test_ranges_hold_on_to_the_version_they_began_with(tmp_path: Path) -> None:
    with FaultServer(part) as server:
        fetcher, ranges = ranges_of(server, tmp_path)
        with fetcher:
            assert ranges.read(0, 100) == DATA[:100] and ranges.size_bytes == len(DATA)
            assert ranges.read(5000, 30_000) == DATA[5000:35_000]
            assert ranges.read(len(DATA) - 10, 100) == DATA[-10:]
        assert "if-range" not in server.requests[0].headers
        assert [one.headers["if-range"] for one in server.requests[1:]] == [ETAG, ETAG]
        assert ranges.read_bytes == 30_110


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda talk: (talk.head(200, {"Content-Length": "3", "ETag": ETAG}), talk.send(b"abc")), NoRanges),
        (lambda talk: talk.head(416, {"Content-Range": "bytes */0", "Content-Length": "0"}), NoRanges),
        (lambda talk: part(talk, shift=7), NoRanges),
        (lambda talk: part(talk, etag=None), NoRanges),
        (lambda talk: part(talk, etag='W/"weak"'), NoRanges),
    ],
    ids=["200", "416", "other bytes", "no version", "weak version"],
)
def test_a_first_answer_that_is_no_part_is_refused(tmp_path: Path, act: Any, error: type[Exception]) -> None:
    with FaultServer(act) as server:
        fetcher, ranges = ranges_of(server, tmp_path)
        with fetcher, pytest.raises(error):
            ranges.read(0, 100)


@pytest.mark.parametrize(
    "act",
    [
        lambda talk: (talk.head(200, {"Content-Length": "3", "ETag": '"v2"'}), talk.send(b"abc")),
        lambda talk: part(talk, etag='"v2"'),
        lambda talk: part(talk, total=len(DATA) + 5),
        lambda talk: talk.head(416, {"Content-Range": "bytes */5", "Content-Length": "0"}),
    ],
    ids=["200", "another version", "another length", "416"],
)
def test_a_changed_file_is_noticed(tmp_path: Path, act: Any) -> None:
    with FaultServer(part, act) as server:
        fetcher, ranges = ranges_of(server, tmp_path)
        with fetcher:
            ranges.read(0, 100)
            with pytest.raises(VersionChanged):
                ranges.read(500, 100)


def test_a_broken_range_goes_on_where_it_broke(tmp_path: Path) -> None:
    with FaultServer(part, lambda talk: part(talk, short=400), part) as server:
        fetcher, ranges = ranges_of(server, tmp_path)
        with fetcher:
            ranges.read(0, 100)
            assert ranges.read(1000, 1000) == DATA[1000:2000]
        assert server.requests[2].headers["range"] == "bytes=1600-1999"


def test_ranges_that_never_bring_a_byte_are_given_up(tmp_path: Path) -> None:
    with FaultServer(part, lambda talk: part(talk, short=1000)) as server:
        fetcher, ranges = ranges_of(server, tmp_path)
        with fetcher:
            ranges.read(0, 100)
            with pytest.raises(NetworkError):
                ranges.read(1000, 1000)
        assert len(server.requests) == 4


def versions(tmp_path: Path, order: Callable[[int], int]) -> tuple[list[Path], Callable[[Talk], None]]:
    """Two versions of a file, and a storage that serves at each request the one that `order` says."""
    files = [make(tmp_path / f"v{seed}.tif", width=700, height=600, seed=seed, **TILED) for seed in (1, 2)]
    bodies, count = [path.read_bytes() for path in files], 0

    def act(talk: Talk) -> None:
        nonlocal count
        which, body = order(count), bodies[order(count)]
        count += 1
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", talk.request.headers.get("range", ""))
        etag = f'"v{which}"'
        if found is None or talk.request.headers.get("if-range", etag) != etag:
            talk.head(200, {"Content-Length": str(len(body)), "ETag": etag})
            return talk.fin()
        first, last = int(found[1]), min(int(found[2]), len(body) - 1)
        headers = {"Content-Range": f"bytes {first}-{last}/{len(body)}", "Content-Length": str(last - first + 1)}
        talk.head(206, headers | {"ETag": etag})
        return talk.send(body[first : last + 1])

    return files, act


def job_at(folder: Path) -> DownloadJob:
    now, cut = datetime(2025, 1, 20, tzinfo=UTC), Clipping(partial_read=True)
    names = {"item_type": "PSScene", "scene_id": "x", "asset_type": ANALYTIC, "account": "a", "batch_id": "b"}
    where = {"path": str(folder / "whole.tif"), "clipped_path": str(folder / "cut.tif"), "roi_wkt": ROI.wkt}
    return DownloadJob(
        id="0" * 32, route="data", clipping=cut, terms=Terms(), km2=1, created_at=now, updated_at=now, **names, **where
    )


def read_by_flow(server: FaultServer, folder: Path) -> PartRead | str:
    now = datetime(2025, 1, 20, tzinfo=UTC)
    quiet: dict[str, Any] = {"began": print, "on_progress": lambda *_: None, "stopped": lambda: False}
    with Fetcher(stall_s=2, trust_env=False) as fetcher:
        return partial.read(fetcher, job_at(folder), server.url(), **quiet, now=lambda: now)


@pytest.mark.parametrize("until", [1, 2, 3])
def test_a_file_that_changes_while_it_is_read_is_read_anew(tmp_path: Path, until: int) -> None:
    files, act = versions(tmp_path, lambda count: int(count >= until))
    with FaultServer(act) as server:
        done = read_by_flow(server, tmp_path)
    assert isinstance(done, PartRead)
    tiles = clip(partial.tiles_path(job_at(tmp_path)), tmp_path / "tiles.cut.tif", ROI)
    assert same_pixels(tiles.path, clip(files[1], tmp_path / "whole.cut.tif", ROI).path)


def test_a_file_that_never_stays_the_same_is_not_read_in_part(tmp_path: Path) -> None:
    _, act = versions(tmp_path, lambda count: count % 2)
    with FaultServer(act) as server:
        assert read_by_flow(server, tmp_path) == "it changes while it is read"
    assert not partial.tiles_path(job_at(tmp_path)).exists()

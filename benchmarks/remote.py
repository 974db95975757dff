"""A region out of a remote COG, 15 % of it: our ranges beside the whole file and GDAL's /vsicurl, over a slow link.

The link is made up: a redirect to a signed address that refuses HEAD, some milliseconds before each answer, and so many
bits a second for all. What it sent is counted there, not by the clients.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.runs import Broken, Ran, in_turns, run, scratch, told, worker
from benchmarks.table import Row, faster

SHARE, LATENCY_S, BITS_PER_S = 15, 0.05, 100e6
MOST_BYTES, LEAST_TIMES_FULL = 1.05, 4.0
CHUNK_BYTES = 65_536


@dataclass
class Link:
    """A storage behind a slow link, and what it counted since it was asked last."""

    file: Path
    sent_bytes: int = 0
    redirects: int = 0
    requests: int = 0
    _free_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_for(self, count: int) -> None:
        """Until the link has passed on so many bytes."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + 8 * count / BITS_PER_S
            until = self._free_at
            self.sent_bytes += count
        time.sleep(max(0.0, until - time.monotonic()))

    def counted(self) -> dict[str, int]:
        """What was counted, which begins anew."""
        told = {"sent_bytes": self.sent_bytes, "redirects": self.redirects, "requests": self.requests}
        self.sent_bytes = self.redirects = self.requests = 0
        return told


def rows(quick: bool) -> list[Row]:
    """Measure whole processes, each from the link to a cut file."""
    width, height = (1800, 900) if quick else (9000, 4500)
    with scratch(2 * 10**9) as folder:
        source = told("clips", "make", folder, str(width), str(height))
        with serving(folder / "scene.tif") as (link, url):
            counts: dict[str, dict[str, int]] = {}
            runs = {
                name: (lambda name=name: _once(folder, url, name, link, counts)) for name in ("part", "full", "vsicurl")
            }
            took = in_turns(runs, 1 if quick else 3)
        same = told("remote", "compare", folder)
    return _rows(took, counts, same, source["mb"])


def _once(folder: Path, url: str, name: str, link: Link, counts: dict[str, dict[str, int]]) -> Ran:
    link.counted()
    done = run(worker("remote", name, folder, url), before=lambda: (folder / f"{name}.tif").unlink(missing_ok=True))
    counts[name] = link.counted()
    return done


def _rows(
    took: dict[str, Ran | Broken], counts: dict[str, dict[str, int]], same: dict[str, int], source_mb: float
) -> list[Row]:
    part, what = took["part"], f"{SHARE} % ROI, 100 Mbit/s, 50 ms"
    lines = [
        faster("remote", what, part, "the whole file, then the cut", took["full"], LEAST_TIMES_FULL),
        faster("remote", what, part, "rasterio.mask over /vsicurl", took["vsicurl"], None),
    ]
    if isinstance(part, Ran):
        tiles, mine = json.loads(part.out)["tile_bytes"], counts["part"]
        read = [f"{name} {counts[name]['sent_bytes'] / 1e6:.1f} MB" for name in ("full", "vsicurl") if name in counts]
        asked = f"{mine['requests']} requests, of a file of {source_mb:.0f} MB"
        more = [f"{name} {counts[name]['redirects']}" for name in ("full", "vsicurl") if name in counts]
        megabytes = f"{mine['sent_bytes'] / 1e6:.1f} MB"
        lines += [
            _at_most("bytes read", megabytes, mine["sent_bytes"] / tiles, MOST_BYTES, ", ".join(read)),
            _at_most("redirects", str(mine["redirects"]), mine["redirects"], 1, ", ".join([*more, asked])),
        ]
    return [*lines, _at_most("pixels that differ from the cut of the whole", "", same["differing"], 0)]


def _at_most(what: str, ours: str, ratio: float, target: float, note: str = "") -> Row:
    return Row(section="remote", what=what, ours=ours, ratio=ratio, target=target, at_most=True, unit="", note=note)


class _Quiet(ThreadingHTTPServer):
    """Says nothing of clients that hang up."""

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def serving(file: Path) -> Iterator[tuple[Link, str]]:
    """A link to a file until the end of the block, and the address that redirects to it."""
    link = Link(file)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, link)

        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    server = _Quiet(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield link, f"http://127.0.0.1:{server.server_port}/location.tif"
    finally:
        server.shutdown()
        server.server_close()


def _answer(talk: BaseHTTPRequestHandler, link: Link) -> None:
    time.sleep(LATENCY_S)
    link.requests += 1
    if talk.path.startswith("/location"):
        link.redirects += 1
        talk.send_response(302)
        talk.send_header("Location", f"http://localhost:{talk.server.server_address[1]}/storage/scene.tif?signature=1")
        talk.send_header("Content-Length", "0")
        talk.end_headers()
        return
    size = link.file.stat().st_size
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", talk.headers.get("Range", ""))
    first, last = (int(asked[1]), min(int(asked[2] or size - 1), size - 1)) if asked else (0, size - 1)
    talk.send_response(206 if asked else 200)
    if asked:
        talk.send_header("Content-Range", f"bytes {first}-{last}/{size}")
    talk.send_header("Content-Length", str(last - first + 1))
    talk.send_header("Content-Type", "image/tiff")
    talk.send_header("ETag", '"1"')
    talk.send_header("Accept-Ranges", "bytes")
    talk.end_headers()
    with link.file.open("rb") as body:
        body.seek(first)
        left = last - first + 1
        while left and (chunk := body.read(min(CHUNK_BYTES, left))):
            link.wait_for(len(chunk))
            talk.wfile.write(chunk)
            left -= len(chunk)


# What the workers do


def part(folder: Path, url: str) -> dict[str, int]:
    """The tiles of the region, then the cut."""
    from benchmarks.clips import _roi
    from planet_assets.model.asset import Promise
    from planet_assets.raster.clip import clip
    from planet_assets.raster.region import HEADER_BLOCK_BYTES, read_region
    from planet_assets.transfer.fetch import Fetcher

    tiles, roi = folder / "tiles.tif", _roi(folder, SHARE)
    with Fetcher() as fetcher:
        ranges = fetcher.ranges(url, folder / ".part.x.part", Promise(media="tiff"))
        head = ranges.read(0, HEADER_BLOCK_BYTES)

        def read(start: int, length: int) -> bytes:
            return head if (start, length) == (0, len(head)) else ranges.read(start, length)

        touched = read_region(read, ranges.size_bytes, tiles, roi, name="scene.tif")
    clip(tiles, folder / "part.tif", roi)
    return {"tile_bytes": touched.tile_bytes}


def full(folder: Path, url: str) -> None:
    """The whole file, then the cut."""
    from benchmarks.clips import _roi
    from planet_assets.model.asset import Promise
    from planet_assets.raster.clip import clip
    from planet_assets.transfer.fetch import Fetcher

    whole = folder / ".full.x.part"
    whole.unlink(missing_ok=True)
    whole.with_name(whole.name + ".json").unlink(missing_ok=True)
    with Fetcher() as fetcher:
        fetcher.fetch(url, whole, Promise(media="tiff"))
    clip(whole, folder / "full.tif", _roi(folder, SHARE))


def vsicurl(folder: Path, url: str) -> None:
    """rasterio.mask on the remote file, tuned as its manual advises."""
    import rasterio
    from rasterio.mask import mask

    tuned = {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "CPL_VSIL_CURL_USE_HEAD": "NO",
        "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif",
        "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
        "GDAL_HTTP_MULTIRANGE": "YES",
        "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
        "VSI_CACHE": "YES",
    }
    shape = json.loads((folder / f"roi-{SHARE}-utm.geojson").read_text())
    with rasterio.Env(**tuned), rasterio.open(f"/vsicurl/{url}") as dataset:
        pixels, transform = mask(dataset, [shape], crop=True)
        profile = dataset.profile | {"driver": "GTiff", "transform": transform, "compress": "deflate"}
    profile |= {"height": pixels.shape[1], "width": pixels.shape[2]}
    with rasterio.open(folder / "vsicurl.tif", "w", **profile) as out:
        out.write(pixels)


def compare(folder: Path) -> dict[str, int]:
    """How many pixels of the part's cut are not those of the whole's."""
    import rasterio

    with rasterio.open(folder / "part.tif") as mine, rasterio.open(folder / "full.tif") as theirs:
        return {"differing": int((mine.read() != theirs.read()).sum())}


def work(task: str, folder: Path, arguments: list[str]) -> dict[str, Any] | None:
    """Runs in the worker."""
    if task == "compare":
        return compare(folder)
    return {"part": part, "full": full, "vsicurl": vsicurl}[task](folder, *arguments)


if __name__ == "__main__":
    if (answer := work(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])) is not None:
        print(json.dumps(answer))

"""One body over several connections: the right bytes, in order, whatever breaks."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faultserver import ETAG, FaultServer, Talk
from tiffs import tiff_bytes

from planet_assets.model.asset import Part, Promise
from planet_assets.transfer.check import check
from planet_assets.transfer.fetch import Fetcher, Stopped
from planet_assets.transfer.lanes import Lanes
from planet_assets.transfer.parts import ahead_paths
from planet_assets.transfer.place import kept_bytes, part_path, place

DATA = tiff_bytes(2_500_000)
RATE = 1_500_000
PIECE = 16_384
WANTED = Promise(media="tiff", md5=hashlib.md5(DATA).hexdigest())


class Eager(Lanes):
    """Opens connections whenever it is asked, so that nothing depends on how fast this machine is."""

    def __init__(self) -> None:
        super().__init__(window_s=0.04, least_bytes=100_000)

    def more(self, body: object, mine: int, *, worth: bool = True) -> int:
        return min(mine, self.most - mine)


class Line:
    """Serves DATA by ranges, each connection at a rate; counts what it did."""

    def __init__(self, breaks: Callable[[int, int], bool] | None = None) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.most = 0
        self._breaks = breaks
        self._now = 0
        self._lock = threading.Lock()

    def serve(self, talk: Talk) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", talk.request.headers.get("range", "bytes=0-"))
        assert found is not None
        first, last = int(found[1]), int(found[2] or len(DATA) - 1)
        with self._lock:
            number = len(self.ranges)
            self.ranges.append((first, last))
            self._now += 1
            self.most = max(self.most, self._now)
        headers = {"Content-Length": str(last - first + 1), "ETag": ETAG}
        if "range" in talk.request.headers:
            headers["Content-Range"] = f"bytes {first}-{last}/{len(DATA)}"
        try:
            talk.head(206 if "range" in talk.request.headers else 200, headers)
            self._pour(talk, number, first, last)
        except OSError:
            pass  # whoever asked has what it wanted
        finally:
            talk.fin()
            with self._lock:
                self._now -= 1

    def _pour(self, talk: Talk, number: int, first: int, last: int) -> None:
        for at in range(first, last + 1, PIECE):
            if talk.over.is_set() or (self._breaks is not None and self._breaks(number, at - first)):
                return
            talk.send(DATA[at : min(at + PIECE, last + 1)])
            time.sleep(PIECE / RATE)


def fetched(line: Line, part: Path, **how) -> Part:
    with FaultServer(line.serve) as server, Fetcher(stall_s=10, trust_env=False, lanes=Eager()) as fetcher:
        return fetcher.fetch(server.url(), part, WANTED, resolved=True, **how)


def came_ahead(part: Path) -> int:
    return sum(path.stat().st_size for path in ahead_paths(part))


def finish(received: Part, final: Path) -> None:
    check(received, WANTED)
    place(received, final)
    assert final.read_bytes() == DATA
    assert os.listdir(final.parent) == [final.name]


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "scene.tif"


def test_stretches_come_side_by_side_and_are_put_in_order(final: Path) -> None:
    line, told = Line(), []
    received = fetched(line, part_path(final, "f1"), on_progress=lambda done, total: told.append(done))
    assert line.most >= 3 and line.ranges[0] == (0, len(DATA) - 1)
    assert told[-1] == len(DATA)
    finish(received, final)


def test_stretches_that_break_are_had_from_others(final: Path) -> None:
    line = Line(lambda number, sent: number > 0 and number % 3 == 0 and sent > 40_000)
    finish(fetched(line, part_path(final, "f1")), final)
    assert len(line.ranges) >= 4


def test_a_storage_that_hands_out_no_stretches_is_read_in_one_piece(final: Path) -> None:
    def refused(talk: Talk) -> None:
        whole = "range" not in talk.request.headers
        talk.head(200 if whole else 403, {"Content-Length": str(len(DATA)), "ETag": ETAG})
        for at in range(0, len(DATA) if whole else 0, PIECE):
            talk.send(DATA[at : at + PIECE])
            time.sleep(PIECE / RATE / 2)
        talk.fin()

    with FaultServer(refused) as server, Fetcher(stall_s=10, trust_env=False, lanes=Eager()) as fetcher:
        received = fetcher.fetch(server.url(), part_path(final, "f1"), WANTED, resolved=True)
        assert len(server.requests) > 1
    finish(received, final)


def test_what_came_ahead_is_used_by_the_next_attempt(final: Path) -> None:
    part = part_path(final, "f1")
    with pytest.raises(Stopped):
        fetched(Line(), part, stopped=lambda: came_ahead(part) > 300_000)
    ahead = came_ahead(part)
    assert ahead > 300_000 and kept_bytes(part) + ahead <= len(DATA)
    assert DATA.startswith(part.read_bytes())
    again = Line()
    received = fetched(again, part)
    assert received.resumed_from > 0
    asked = {at for first, last in again.ranges[1:] for at in range(first, last + 1)}
    assert len(asked) <= len(DATA) - ahead, "stretches go on where they were"
    finish(received, final)


def test_what_came_ahead_of_another_version_is_dropped(final: Path) -> None:
    part = part_path(final, "f1")
    with pytest.raises(Stopped):
        fetched(Line(), part, stopped=lambda: came_ahead(part) > 300_000)
    for path in ahead_paths(part):
        path.write_bytes(b"x" * path.stat().st_size)
    mark = part.with_name(part.name + ".json")
    mark.write_text(mark.read_text().replace("v1", "v0"))

    def changed(talk: Talk) -> None:
        if "v0" in talk.request.headers.get("if-range", ""):
            del talk.request.headers["range"]
        Line().serve(talk)

    with FaultServer(changed) as server, Fetcher(stall_s=10, trust_env=False, lanes=Eager()) as fetcher:
        received = fetcher.fetch(server.url(), part, WANTED, resolved=True)
    finish(received, final)

"""One body over several connections: only where that helps, and the right bytes whatever breaks."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faultserver import ETAG, Act, FaultServer, Talk
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


class Line:
    """Serves DATA by ranges, each connection or all of them together at a rate; counts what it did."""

    def __init__(
        self, *, shared: bool = False, breaks: Callable[[int, int], bool] = lambda number, sent: False
    ) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.sent = self.most = 0
        self._shared, self._breaks = shared, breaks
        self._now = 0
        self._lock = threading.Lock()

    def act(self) -> Act:
        return self.serve

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
        talk.head(206 if "range" in talk.request.headers else 200, headers)
        try:
            self._pour(talk, number, first, last)
        except OSError:
            pass  # whoever asked has what it wanted
        finally:
            talk.fin()
            with self._lock:
                self._now -= 1

    def _pour(self, talk: Talk, number: int, first: int, last: int) -> None:
        at = first
        while at <= last and not talk.over.is_set():
            if self._breaks(number, at - first):
                return
            talk.send(DATA[at : min(at + PIECE, last + 1)])
            self.sent += min(PIECE, last + 1 - at)
            at += PIECE
            share = self._now if self._shared else 1
            time.sleep(PIECE / RATE * share)


def fetched(line: Line, part: Path, **how) -> Part:
    lanes = Lanes(window_s=0.1, least_bytes=100_000)
    with FaultServer(line.act()) as server, Fetcher(stall_s=2, trust_env=False, lanes=lanes) as fetcher:
        return fetcher.fetch(server.url(), part, WANTED, resolved=True, **how)


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "scene.tif"


def finish(received: Part, final: Path) -> None:
    check(received, WANTED)
    place(received, final)
    assert final.read_bytes() == DATA
    assert os.listdir(final.parent) == [final.name]


def test_a_capped_connection_gets_company(final: Path) -> None:
    line, told = Line(), []
    received = fetched(line, part_path(final, "f1"), on_progress=lambda done, total: told.append(done))
    assert line.most >= 4 and line.ranges[0] == (0, len(DATA) - 1)
    assert told == sorted(told) and told[-1] == len(DATA)
    finish(received, final)


def test_a_full_line_is_shared_by_as_few_as_possible(final: Path) -> None:
    line = Line(shared=True)
    received = fetched(line, part_path(final, "f1"))
    assert len(line.ranges) <= 4, "a trial or two, and no more"
    finish(received, final)


def test_stretches_that_break_are_had_from_others(final: Path) -> None:
    line = Line(breaks=lambda number, sent: number > 0 and number % 3 == 0 and sent > 40_000)
    finish(fetched(line, part_path(final, "f1")), final)
    assert line.most >= 3


def test_a_storage_that_hands_out_no_stretches_is_read_in_one_piece(final: Path) -> None:
    def refused(talk: Talk) -> None:
        talk.head(403 if "range" in talk.request.headers else 200, {"Content-Length": str(len(DATA)), "ETag": ETAG})
        if "range" not in talk.request.headers:
            for at in range(0, len(DATA), PIECE):
                talk.send(DATA[at : at + PIECE])
                time.sleep(PIECE / RATE / 2)
        talk.fin()

    lanes = Lanes(window_s=0.1, least_bytes=100_000)
    with FaultServer(refused) as server, Fetcher(stall_s=2, trust_env=False, lanes=lanes) as fetcher:
        received = fetcher.fetch(server.url(), part_path(final, "f1"), WANTED, resolved=True)
        assert len(server.requests) > 1
    finish(received, final)


def test_what_came_ahead_is_used_by_the_next_attempt(final: Path) -> None:
    part, line = part_path(final, "f1"), Line()
    reached = threading.Event()
    stop_when = lambda done, total: reached.set() if done > 1_600_000 else None  # noqa: E731
    with pytest.raises(Stopped):
        fetched(line, part, stopped=reached.is_set, on_progress=stop_when)
    ahead = sum(path.stat().st_size for path in ahead_paths(part))
    assert ahead > 200_000 and kept_bytes(part) + ahead <= len(DATA)
    assert DATA.startswith(part.read_bytes())
    again = Line()
    received = fetched(again, part)
    assert received.resumed_from > 0
    asked = sum(last - first + 1 for first, last in again.ranges[1:])
    assert asked <= len(DATA) - ahead, "stretches go on where they were"
    finish(received, final)


def test_what_came_ahead_of_another_version_is_dropped(final: Path) -> None:
    part, line = part_path(final, "f1"), Line()
    reached = threading.Event()
    stop_when = lambda done, total: reached.set() if done > 1_600_000 else None  # noqa: E731
    with pytest.raises(Stopped):
        fetched(line, part, stopped=reached.is_set, on_progress=stop_when)
    for path in ahead_paths(part):
        path.write_bytes(b"x" * path.stat().st_size)
    mark = part.with_name(part.name + ".json")
    mark.write_text(mark.read_text().replace("v1", "v0"))

    def changed(talk: Talk) -> None:
        if "v0" in talk.request.headers.get("if-range", ""):
            del talk.request.headers["range"]
        Line().serve(talk)

    with FaultServer(changed) as server, Fetcher(stall_s=2, trust_env=False) as fetcher:
        received = fetcher.fetch(server.url(), part, WANTED, resolved=True)
    finish(received, final)

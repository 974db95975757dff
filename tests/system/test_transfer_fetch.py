"""Fetching from servers that cut, stall, reset, lie and mislead: the right file, or a clean error and no file."""

from __future__ import annotations

import errno
import gc
import hashlib
import json
import logging
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from faultserver import (
    ETAG,
    FaultServer,
    chunked,
    cut,
    gzipped,
    hung_up,
    ignoring_range,
    moved,
    said,
    silent,
    slow_headers,
    tunnel,
    whole,
)
from tiffs import tiff_bytes

from planet_assets.exceptions import (
    AssetError,
    Corrupt,
    DiskProblem,
    LinkExpired,
    Misused,
    NetworkError,
    OverQuota,
    ServerError,
    Throttled,
    Unsafe,
)
from planet_assets.model.asset import Part, Promise
from planet_assets.transfer import disk
from planet_assets.transfer.check import check
from planet_assets.transfer.fetch import Fetcher, Stopped
from planet_assets.transfer.place import discard, kept_bytes, part_path, place

DATA = tiff_bytes(700_000)
OTHER = tiff_bytes(700_000, seed=2)
SMALL = tiff_bytes(20_000)
STALL_S = 0.3


def promise(data: bytes = DATA, **known) -> Promise:
    return Promise(media="tiff", **{"md5": hashlib.md5(data).hexdigest(), **known})


@pytest.fixture(scope="module")
def fetcher():
    with Fetcher(stall_s=STALL_S, connect_s=2, trust_env=False) as one:
        yield one


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "scene.tif"


@pytest.fixture
def part(final: Path) -> Path:
    return part_path(final, "f1")


class Told:
    """Writes down what a fetch tells its caller, in order."""

    def __init__(self) -> None:
        self.all: list[object] = []
        self.progress: list[tuple[int, int | None]] = []

    def hooks(self) -> dict:
        return {
            "on_resolved": lambda url: self.all.append(("resolved", url)),
            "on_start": lambda offset: self.all.append(("start", offset)),
            "before_restart": lambda: self.all.append("restart"),
            "on_progress": lambda done, total: self.progress.append((done, total)),
        }


def finish(received: Part, final: Path, wanted: Promise, data: bytes = DATA) -> None:
    check(received, wanted)
    place(received, final)
    assert final.read_bytes() == data
    assert os.listdir(final.parent) == [final.name]


# The plain way


@pytest.mark.parametrize("data", [SMALL, DATA], ids=["through the library", "past the library"])
def test_location_redirects_to_storage(fetcher, part, final, data):
    told = Told()
    with FaultServer(moved("/storage?token=t"), whole(data)) as server:
        received = fetcher.fetch(server.url("/location"), part, promise(data), **told.hooks())
        assert told.all == [("resolved", server.url("/storage?token=t")), ("start", 0)]
    assert (received.size_bytes, received.md5, received.etag) == (len(data), promise(data).md5, ETAG)
    assert told.progress[-1] == (len(data), len(data))
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    finish(received, final, promise(data), data)


def test_the_storage_is_asked_without_credentials_and_for_plain_bytes(fetcher, part):
    with FaultServer(said(302, Location="/storage", Set_Cookie="session=1"), whole(SMALL)) as server:
        fetcher.fetch(server.url("/location"), part, promise(SMALL))
        for request in server.requests:
            assert not {"authorization", "cookie", "referer"} & set(request.headers)
            assert request.headers["accept-encoding"] == "identity"
            assert request.method == "GET"


def test_a_body_at_the_location_itself_is_taken(fetcher, part, final):
    told = Told()
    with FaultServer(whole(DATA)) as server:
        finish(fetcher.fetch(server.url(), part, promise(), **told.hooks()), final, promise())
    assert told.all == [("start", 0)]


def test_a_whole_file_answered_as_a_range_is_taken(fetcher, part, final):
    def act(talk):
        talk.head(206, {"Content-Range": f"bytes 0-{len(SMALL) - 1}/{len(SMALL)}", "Content-Length": len(SMALL)})
        talk.send(SMALL)

    with FaultServer(act) as server:
        finish(fetcher.fetch(server.url(), part, promise(SMALL)), final, promise(SMALL), SMALL)


def test_chunked_without_length(fetcher, part, final):
    with FaultServer(chunked(DATA)) as server:
        received = fetcher.fetch(server.url(), part, promise(md5=None))
        assert check(received, promise(md5=None)) == "structure"
        finish(received, final, promise())


def test_until_the_connection_ends_only_with_a_digest(fetcher, part, final):
    def act(talk):
        talk.head(200, {"Content-Type": "image/tiff"})
        talk.send(DATA)
        talk.fin()

    with FaultServer(act) as server:
        with pytest.raises(ServerError, match="does not say how long"):
            fetcher.fetch(server.url(), part, promise(md5=None))
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())


def test_small_reads_when_asked_for(part, final):
    with Fetcher(stall_s=STALL_S, chunk_bytes=1000, trust_env=False) as fetcher, FaultServer(whole(DATA)) as server:
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())


def test_a_connection_serves_many_small_files(fetcher, tmp_path):
    with FaultServer(whole(SMALL)) as server:
        for index in range(5):
            fetcher.fetch(server.url(), tmp_path / f"{index}.part", promise(SMALL))
        assert server.connections == 1


def test_many_at_once(fetcher, tmp_path):
    with FaultServer(whole(DATA)) as server, ThreadPoolExecutor(8) as pool:
        paths = [tmp_path / f"{index}.part" for index in range(24)]
        received = list(pool.map(lambda path: fetcher.fetch(server.url(), path, promise()), paths))
    assert {one.md5 for one in received} == {promise().md5}


def test_progress_is_told_at_most_ten_times_a_second(part):
    told, patient = Told(), Fetcher(stall_s=STALL_S, floor_bytes_s=0.1, trust_env=False)
    with FaultServer(cut(SMALL, 19_900, drip=0.005)) as server, patient as fetcher:
        began = time.monotonic()
        fetcher.fetch(server.url(), part, promise(SMALL), **told.hooks())
        assert len(told.progress) <= (time.monotonic() - began) * 10 + 2
    assert [done for done, _ in told.progress] == sorted(done for done, _ in told.progress)


# Broken off and continued


@pytest.mark.parametrize("data", [SMALL, DATA], ids=["through the library", "past the library"])
@pytest.mark.parametrize("then", ["fin", "rst", "stall"])
@pytest.mark.parametrize("after", [0, 3, 15_000])
def test_a_broken_transfer_goes_on_where_it_was(fetcher, part, final, data, then, after):
    told = Told()
    with FaultServer(cut(data, after, then=then), whole(data)) as server:
        with pytest.raises(NetworkError) as caught:
            fetcher.fetch(server.url(), part, promise(data), **told.hooks())
        assert caught.value.reached_server
        assert not final.exists()
        kept = kept_bytes(part)
        assert kept <= after
        received = fetcher.fetch(server.url(), part, promise(data), resolved=True, **told.hooks())
        again = server.requests[1].headers
        assert (again.get("range"), again.get("if-range")) == ((f"bytes={kept}-", ETAG) if kept else (None, None))
    assert received.resumed_from == kept
    assert told.all == [("start", 0), ("start", kept)]
    if then != "rst" and after > 64:  # a reset may overtake bytes
        assert kept == after
    finish(received, final, promise(data), data)


def test_a_storage_that_cuts_all_the_time_is_asked_for_each_byte_once(fetcher, part, final):
    with FaultServer(
        *(cut(DATA, after, then="fin") for after in range(50_000, 700_000, 50_000)), whole(DATA)
    ) as server:
        for _ in range(13):
            with pytest.raises(NetworkError):
                fetcher.fetch(server.url(), part, promise())
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())
        assert [request.offset for request in server.requests] == list(range(0, 700_000, 50_000))


def test_a_drip_is_a_stall(part):
    with (
        Fetcher(stall_s=STALL_S, floor_bytes_s=1000, trust_env=False) as fetcher,
        FaultServer(cut(DATA, 1000, drip=0.02)) as server,
        pytest.raises(NetworkError, match="silent"),
    ):
        fetcher.fetch(server.url(), part, promise())
    assert kept_bytes(part) >= 1000


def test_a_complete_part_needs_no_request(fetcher, part, final):
    told = Told()
    with FaultServer(whole(DATA)) as server:
        fetcher.fetch(server.url(), part, promise())
        received = fetcher.fetch(server.url(), part, promise(), **told.hooks())
        assert len(server.requests) == 1
    assert (told.all, told.progress, received.resumed_from) == ([], [(len(DATA), len(DATA))], len(DATA))
    finish(received, final, promise())


def test_a_complete_part_of_unknown_length_needs_no_request_either(fetcher, part):
    with FaultServer(chunked(DATA)) as server:
        fetcher.fetch(server.url(), part, promise())
        fetcher.fetch(server.url(), part, promise())
        assert len(server.requests) == 1


def test_a_cut_inside_chunks_goes_on_too(fetcher, part, final):
    with FaultServer(chunked(DATA[:350_000], end=False), whole(DATA)) as server:
        with pytest.raises(NetworkError):
            fetcher.fetch(server.url(), part, promise())
        assert kept_bytes(part) == 350_000
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())


def test_chunks_that_end_before_the_promised_length(fetcher, part, final):
    wanted = promise(md5=None, size_bytes=len(DATA))
    with FaultServer(chunked(DATA[:350_000]), whole(DATA)) as server:
        with pytest.raises(NetworkError):
            fetcher.fetch(server.url(), part, wanted)
        finish(fetcher.fetch(server.url(), part, wanted), final, wanted)
        assert server.requests[1].offset == 350_000


def test_a_bad_chunk_breaks_the_transfer(fetcher, part, final):
    with FaultServer(chunked(DATA, bad_at=20), whole(DATA)) as server:
        with pytest.raises(NetworkError):
            fetcher.fetch(server.url(), part, promise())
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())


# Starting over: only said aloud


def begun(fetcher: Fetcher, part: Path, *, data: bytes = DATA, **how) -> None:
    """Leave the first 100,000 bytes of a file in the part."""
    with FaultServer(cut(data, 100_000, **how)) as server, pytest.raises(NetworkError):
        fetcher.fetch(server.url(), part, promise(data))
    assert kept_bytes(part) == 100_000


def test_200_to_a_range_starts_over_and_says_so_first(fetcher, part, final):
    begun(fetcher, part)
    told = Told()
    with FaultServer(ignoring_range(DATA)) as server:
        received = fetcher.fetch(server.url(), part, promise(), **told.hooks())
    assert told.all == ["restart", ("start", 0)]
    assert received.resumed_from == 0
    finish(received, final, promise())


def test_starting_over_may_be_refused_and_costs_nothing_then(fetcher, part):
    begun(fetcher, part)

    def no() -> None:
        raise Misused("not paid for")

    with FaultServer(ignoring_range(DATA)) as server, pytest.raises(Misused):
        fetcher.fetch(server.url(), part, promise(), before_restart=no)
    assert kept_bytes(part) == 100_000


def test_a_changed_file_is_never_mixed(fetcher, part, final):
    begun(fetcher, part)
    told = Told()
    with FaultServer(whole(OTHER, etag='"v2"')) as server:
        received = fetcher.fetch(server.url(), part, promise(md5=None), **told.hooks())
    assert told.all == ["restart", ("start", 0)]
    finish(received, final, promise(OTHER), OTHER)


@pytest.mark.parametrize(
    "bad",
    [
        whole(OTHER, ETag='"v2"'),  # another version, If-Range ignored
        whole(DATA, Content_Range=f"bytes 99999-{len(DATA) - 1}/{len(DATA)}"),
        whole(DATA, Content_Range=f"bytes 100000-{len(DATA) - 2}/{len(DATA)}"),
        whole(DATA, Content_Range=f"bytes 100000-{len(DATA)}/{len(DATA) + 1}"),
        whole(DATA, Content_Range="bytes 100000-699999/*"),
        whole(DATA, Content_Range=None),
        whole(DATA, Content_Length="600001"),
    ],
    ids=["etag", "start", "end", "total", "star", "none", "length"],
)
def test_a_wrong_range_is_dropped_and_the_next_attempt_is_right(fetcher, part, final, bad):
    begun(fetcher, part)
    told = Told()
    with FaultServer(bad, whole(DATA)) as server:
        with pytest.raises(Corrupt):
            fetcher.fetch(server.url(), part, promise(), **told.hooks())
        assert told.all == []
        assert os.listdir(part.parent) == []
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())


def test_416_drops_what_does_not_belong(fetcher, part, final):
    begun(fetcher, part)
    with FaultServer(said(416, Content_Range="bytes */50000"), whole(DATA)) as server:
        with pytest.raises(LinkExpired):
            fetcher.fetch(server.url(), part, promise())
        assert kept_bytes(part) == 0
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())


def test_416_to_a_complete_part_is_the_end(fetcher, part, final):
    """The process died after the last chunk of a body without a length, before it could note that this was all."""
    with FaultServer(chunked(DATA, end=False)) as server, pytest.raises(NetworkError):
        fetcher.fetch(server.url(), part, promise())
    with FaultServer(whole(DATA)) as server:
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])
def test_without_a_strong_mark_there_is_no_way_to_go_on(fetcher, part, final, etag):
    begun(fetcher, part, etag=etag)
    told = Told()
    with FaultServer(whole(DATA)) as server:
        received = fetcher.fetch(server.url(), part, promise(), **told.hooks())
        assert "range" not in server.requests[0].headers
    assert told.all == ["restart", ("start", 0)]
    finish(received, final, promise())


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"etag": 5, "size_bytes": "x", "md5": null}', "[" * 60_000])
def test_a_damaged_mark_vouches_for_nothing(fetcher, part, final, damage):
    begun(fetcher, part)
    part.with_name(part.name + ".json").write_text(damage)
    told = Told()
    with FaultServer(whole(DATA)) as server:
        received = fetcher.fetch(server.url(), part, promise(), **told.hooks())
    assert told.all == ["restart", ("start", 0)]
    finish(received, final, promise())


def test_a_new_digest_or_length_drops_the_part(fetcher, part, final):
    for change in ({"data": OTHER}, {"size_bytes": 5}):
        begun(fetcher, part)
        told = Told()
        wanted = promise(**change)
        with FaultServer(whole(OTHER if "data" in change else DATA[:5], etag='"v2"')) as server:
            fetcher.fetch(server.url(), part, wanted, **told.hooks())
            assert "range" not in server.requests[0].headers
        assert told.all == ["restart", ("start", 0)]
        discard(part)


def test_the_mark_is_private_and_holds_no_address(fetcher, part):
    with FaultServer(moved("/storage?token=CANARY"), cut(DATA, 1000)) as server, pytest.raises(NetworkError):
        fetcher.fetch(server.url("/location"), part, promise())
    mark = part.with_name(part.name + ".json")
    assert json.loads(mark.read_text()) == {"etag": ETAG, "size_bytes": len(DATA), "md5": promise().md5}
    assert stat.S_IMODE(mark.stat().st_mode) == 0o600


# Refused


@pytest.mark.parametrize(
    ("act", "error"),
    [
        *[(said(status), LinkExpired) for status in (400, 401, 403, 404, 410)],
        (said(429, Retry_After="3"), Throttled),
        (said(429, "slow down, retry-in 3s"), Throttled),
        (said(429, X_Retry_In="3s"), Throttled),
        (said(408, Retry_After="3"), Throttled),
        (said(503, Retry_After="3"), ServerError),
        (said(403, '{"general": [{"message": "Download quota has been exceeded."}]}'), OverQuota),
        (said(429, "Quota used up"), OverQuota),
        (said(500), ServerError),
        (said(302), ServerError),
        (said(407), NetworkError),
        (said(200, "<!DOCTYPE html><html>Please log in</html>", Content_Type="text/html"), ServerError),
        (said(200, "<!DOCTYPE html><html>Please log in</html>", Content_Type="image/tiff"), ServerError),
        (said(200, '{"error": "no"}', Content_Type="image/tiff"), ServerError),
        (said(200, "<Error/>", Content_Type="application/xml"), ServerError),
        (said(200, b"\0\1\2\3" * 50), Corrupt),
        (said(200, b""), Corrupt),
        (gzipped(DATA), ServerError),
        (moved("ftp://127.0.0.1/x"), Unsafe),
        (moved("file:///etc/passwd"), Unsafe),
        (moved("http://user:secret@127.0.0.1/x"), Unsafe),
        (moved("/scene.tif"), Unsafe),
        (lambda talk: moved(talk.request.target + "x")(talk), Unsafe),
        (lambda talk: talk.send(b"220 smtp ready\r\n\r\n") or talk.fin(), NetworkError),
        (hung_up("fin"), NetworkError),
        (hung_up("rst"), NetworkError),
        (silent(), NetworkError),
        (slow_headers(), NetworkError),
    ],
)
def test_a_refusal_leaves_nothing_and_the_next_attempt_is_right(fetcher, part, final, act, error):
    told = Told()
    with FaultServer(act) as server:
        with pytest.raises(error) as caught:
            fetcher.fetch(server.url(), part, promise(), **told.hooks())
        assert len(server.requests) <= 6
    assert type(caught.value) is error
    assert os.listdir(part.parent) == []
    assert "scene.tif" in str(caught.value)
    assert caught.value.hint
    if getattr(caught.value, "after_s", None) is not None:
        assert caught.value.after_s == 3
    with FaultServer(whole(DATA)) as server:
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())


@pytest.mark.parametrize("act", [said(403), said(503), said(429), said(200, "<html>hello</html>"), silent()])
def test_a_refusal_keeps_what_was_received_before(fetcher, part, final, act):
    begun(fetcher, part)
    with FaultServer(act, whole(DATA)) as server:
        with pytest.raises(AssetError):
            fetcher.fetch(server.url(), part, promise())
        assert kept_bytes(part) == 100_000
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())


def test_more_than_was_announced_is_corrupt(fetcher, part):
    with FaultServer(whole(DATA)) as server, pytest.raises(Corrupt):
        fetcher.fetch(server.url(), part, promise(size_bytes=len(DATA) - 1))
    with FaultServer(chunked(DATA)) as server, pytest.raises(Corrupt, match="more"):
        fetcher.fetch(server.url(), part, promise(size_bytes=len(DATA) - 1))
    assert os.listdir(part.parent) == []


@pytest.mark.parametrize("data", [SMALL, DATA])
def test_bytes_after_the_announced_end_are_not_taken(fetcher, part, final, data):
    def act(talk):
        talk.head(200, {"Content-Type": "image/tiff", "Content-Length": len(data), "ETag": ETAG})
        talk.send(data + b"!" * 1000)
        talk.fin()

    with FaultServer(act) as server:
        finish(fetcher.fetch(server.url(), part, promise(data)), final, promise(data), data)


def test_a_flipped_byte_never_gets_a_name(fetcher, part, final):
    flipped = bytearray(DATA)
    flipped[400_000] ^= 4
    with FaultServer(whole(bytes(flipped)), whole(DATA)) as server:
        received = fetcher.fetch(server.url(), part, promise())
        with pytest.raises(Corrupt):
            check(received, promise())
        # Even a caller that forgets to discard gets no wrong file: the full part does not match its promise.
        told = Told()
        finish(fetcher.fetch(server.url(), part, promise(), **told.hooks()), final, promise())
        assert told.all == ["restart", ("start", 0)]


def test_nobody_there(fetcher, part):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/x?token=CANARY", "http://no-such-host.invalid/x?token=CANARY"):
        with pytest.raises(NetworkError) as caught:
            fetcher.fetch(url, part, promise())
        assert not caught.value.reached_server
        assert isinstance(caught.value, ConnectionError)


def test_an_address_that_does_not_answer_is_given_up_in_time(part):
    with socket.socket() as full:  # a backlog that is full drops every further attempt, like a dead host
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        began = time.monotonic()
        with Fetcher(connect_s=0.4, trust_env=False) as fetcher, pytest.raises(NetworkError) as caught:
            fetcher.fetch(f"http://127.0.0.1:{full.getsockname()[1]}/", part, promise())
        assert not caught.value.reached_server
        assert 0.3 < time.monotonic() - began < 2
        for filler in fillers:
            filler.close()


def test_a_dead_address_of_a_host_costs_little_time(fetcher, part, final, monkeypatch):
    with socket.socket() as full, FaultServer(whole(SMALL)) as server:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
                 for address in (full.getsockname(), ("127.0.0.1", server.port))]  # fmt: skip
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
        began = time.monotonic()
        finish(fetcher.fetch("http://two.example/", part, promise(SMALL)), final, promise(SMALL), SMALL)
        assert time.monotonic() - began < 1.5
        for filler in fillers:
            filler.close()


# Stopped


@pytest.mark.parametrize("act", [silent(), slow_headers(0.3), cut(DATA, 100_000, then="stall")])
def test_a_stop_is_prompt_even_when_nothing_comes(part, act):
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    with Fetcher(stall_s=30, trust_env=False) as fetcher, FaultServer(act) as server:
        timer.start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            fetcher.fetch(server.url(), part, promise(), stopped=stop.is_set)
        assert time.monotonic() - began < 0.9
    assert kept_bytes(part) in (0, 100_000)


def test_a_stopped_transfer_goes_on(fetcher, part, final):
    seen: list[int] = []
    with FaultServer(cut(DATA, 300_000, then="stall"), whole(DATA)) as server:
        with pytest.raises(Stopped):
            fetcher.fetch(
                server.url(), part, promise(), on_progress=lambda done, _: seen.append(done), stopped=lambda: bool(seen)
            )
        kept = kept_bytes(part)
        received = fetcher.fetch(server.url(), part, promise())
        assert received.resumed_from == kept > 0
    finish(received, final, promise())


# Disk


def test_a_full_disk_is_said_plainly_and_what_fitted_is_used(fetcher, part, final, monkeypatch):
    real = disk.write_all
    written = 0

    def full(fd, data):
        nonlocal written
        written += len(data)
        if written > 200_000:
            os.write(fd, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd, data)

    with FaultServer(whole(DATA)) as server:
        monkeypatch.setattr(disk, "write_all", full)
        with pytest.raises(DiskProblem, match="disk is full") as caught:
            fetcher.fetch(server.url(), part, promise())
        assert "space" in caught.value.hint
        monkeypatch.setattr(disk, "write_all", real)
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())
        assert server.requests[-1].offset > 0


def test_a_failing_disk_keeps_nothing(fetcher, part, final, monkeypatch):
    def failing(fd, data):
        raise OSError(errno.EIO, "Input/output error")

    with FaultServer(whole(DATA)) as server:
        with monkeypatch.context() as patched:
            real = disk.write_all
            patched.setattr(
                disk, "write_all", lambda fd, data: real(fd, data) if len(data) < 200 else failing(fd, data)
            )
            with pytest.raises(DiskProblem, match="input/output"):
                fetcher.fetch(server.url(), part, promise())
        assert not part.exists()
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_real_refusal_of_the_system(tmp_path):
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError) as caught:
            disk.write_all(fd, memoryview(b"x"))
    finally:
        os.close(fd)
    assert "disk is full" in str(disk.disk_problem(caught.value, "write", tmp_path / "x.tif"))


@pytest.mark.parametrize("trap", ["symlink", "folder", "fifo", "hard link"])
def test_nothing_foreign_is_written_through(fetcher, part, trap, tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(DATA[:100_000])
    if trap == "symlink":
        part.symlink_to(precious)
    elif trap == "folder":
        part.mkdir()
    elif trap == "fifo":
        os.mkfifo(part)
    else:
        begun(fetcher, part)
        precious.unlink()
        os.link(part, precious)
    with FaultServer(whole(DATA)) as server, pytest.raises(DiskProblem) as caught:
        fetcher.fetch(server.url(), part, promise())
    assert caught.value.hint
    assert precious.read_bytes() == DATA[:100_000]


def test_a_complete_part_with_a_second_name_is_still_complete(fetcher, part, final):
    """So it looks when a process died between making the final name and removing the part's."""
    with FaultServer(whole(DATA)) as server:
        fetcher.fetch(server.url(), part, promise())
        os.link(part, final)
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())
        assert len(server.requests) == 1


def test_a_folder_that_went_away(fetcher, tmp_path):
    with FaultServer(whole(DATA)) as server, pytest.raises(DiskProblem):
        fetcher.fetch(server.url(), tmp_path / "gone" / "x.part", promise())


# Secrets


def test_no_address_in_messages_chains_or_logs(fetcher, part, caplog):
    caplog.set_level(logging.DEBUG)
    acts = [
        moved("/storage?token=CANARY"),
        moved("http://[CANARY/"),
        cut(DATA, 1000),
        silent(),
        hung_up("rst"),
        said(403, "CANARY"),
        gzipped(DATA),
    ]
    for act in acts:
        with FaultServer(act) as server, pytest.raises(AssetError) as caught:
            fetcher.fetch(server.url("/storage?token=CANARY"), part, promise())
        error: BaseException | None = caught.value
        lines = traceback.format_exception(caught.value)
        text = "".join(line for line in lines if __file__ not in line)  # this file shows its own address
        while error is not None:
            text += repr(error) + str(error) + repr(vars(error))
            assert type(error).__module__.startswith("planet_assets")
            error = error.__cause__ or error.__context__
        assert "CANARY" not in text
    assert "CANARY" not in caplog.text


def test_others_may_go_on_logging(fetcher, part, caplog):
    caplog.set_level(logging.DEBUG)
    with FaultServer(whole(SMALL)) as server:
        fetcher.fetch(server.url(), part, promise(SMALL))
    logging.getLogger("httpx").info("somebody else")
    assert [record.message for record in caplog.records] == ["somebody else"]


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {path} -out {path}.crt"
    try:
        subprocess.run(
            [*command.split(), "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True, timeout=60
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl to make a certificate")
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture
def tls(certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusting(certificate):
    with Fetcher(
        stall_s=STALL_S, connect_s=1, verify=ssl.create_default_context(cafile=str(certificate)), trust_env=False
    ) as one:
        yield one


def test_tls_cut_and_continued(trusting, part, final, tls):
    with FaultServer(cut(DATA, 500_000), cut(DATA, 600_000, then="stall"), whole(DATA), tls=tls) as server:
        for kept in (500_000, 600_000):
            with pytest.raises(NetworkError):
                trusting.fetch(server.url(), part, promise())
            assert kept_bytes(part) == kept
        finish(trusting.fetch(server.url(), part, promise()), final, promise())


def test_tls_never_leads_to_an_open_connection(trusting, part, tls):
    with FaultServer(whole(DATA)) as open_server, FaultServer(moved(open_server.url()), tls=tls) as server:
        with pytest.raises(Unsafe, match="encrypted"):
            trusting.fetch(server.url(), part, promise())
        assert not open_server.requests


def test_a_certificate_nobody_vouches_for(fetcher, part, tls):
    with FaultServer(whole(DATA), tls=tls) as server, pytest.raises(NetworkError, match="certificate") as caught:
        fetcher.fetch(server.url(), part, promise())
    assert not caught.value.reached_server
    assert not server.requests


def test_a_server_that_never_shakes_hands(part, trusting):
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://localhost:{mute.getsockname()[1]}/"
        timer.start()
        with pytest.raises(Stopped):
            trusting.fetch(url, part, promise(), stopped=stop.is_set)
        with pytest.raises(NetworkError) as caught:
            trusting.fetch(url, part, promise())
        assert not caught.value.reached_server


# Proxies


def test_through_a_proxy(part, final):
    with (
        FaultServer(cut(DATA, 400_000), whole(DATA)) as proxy,
        Fetcher(stall_s=STALL_S, proxy=proxy.base, trust_env=False) as fetcher,
    ):
        with pytest.raises(NetworkError):
            fetcher.fetch("http://storage.example/x", part, promise())
        finish(fetcher.fetch("http://storage.example/x", part, promise()), final, promise())
        assert {request.target for request in proxy.requests} == {"http://storage.example/x"}


def test_tls_through_a_proxy(certificate, tls, part, final):
    trust = ssl.create_default_context(cafile=str(certificate))
    with (
        FaultServer(whole(DATA), tls=tls) as server,
        FaultServer(tunnel) as proxy,
        Fetcher(stall_s=STALL_S, proxy=proxy.base, verify=trust, trust_env=False) as fetcher,
    ):
        finish(fetcher.fetch(server.url(), part, promise()), final, promise())
        assert [request.method for request in proxy.requests] == ["CONNECT"]


@pytest.mark.parametrize("act", [said(407), said(502, "<html>proxy error</html>"), hung_up("rst"), silent()])
def test_a_proxy_that_will_not(part, act):
    with (
        FaultServer(act) as proxy,
        Fetcher(stall_s=STALL_S, connect_s=1, proxy=proxy.base, trust_env=False) as fetcher,
        pytest.raises(NetworkError),
    ):
        fetcher.fetch("https://storage.example/x", part, promise())
    assert os.listdir(part.parent) == []


# A process that dies


DYING = """
import sys
from planet_assets.model.asset import Promise
from planet_assets.transfer.fetch import Fetcher
print("ready", flush=True)
Fetcher(trust_env=False).fetch(sys.argv[1], sys.argv[2], Promise(media="tiff", md5=sys.argv[3]))
"""


def test_killed_in_the_middle_then_continued(fetcher, part, final):
    with FaultServer(cut(DATA, 400_000, then="stall"), whole(DATA)) as server:
        child = subprocess.Popen(
            [sys.executable, "-c", DYING, server.url(), str(part), promise().md5], stdout=subprocess.PIPE
        )
        deadline = time.monotonic() + 20
        while kept_bytes(part) < 400_000 and time.monotonic() < deadline:
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=10)
        assert not final.exists()
        received = fetcher.fetch(server.url(), part, promise())
        assert (received.resumed_from, server.requests[1].offset) == (400_000, 400_000)
    finish(received, final, promise())


# Arguments and hygiene


def test_senseless_arguments():
    for bad in ({"stall_s": 0}, {"chunk_bytes": 0}, {"proxy": "nonsense"}):
        with pytest.raises(Misused):
            Fetcher(**bad)


def test_no_descriptor_is_left_open(fetcher, tmp_path):
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc")

    def rounds() -> int:
        for index, act in enumerate([whole(DATA), cut(DATA, 200_000), said(404), ignoring_range(DATA), whole(DATA)]):
            with FaultServer(act) as server, suppress(AssetError):
                fetcher.fetch(server.url(), tmp_path / f"{index // 2}.part", promise())
        for left in tmp_path.iterdir():
            left.unlink()
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    first = rounds()
    assert rounds() <= first + 1

"""What a received file must be before it may have a name."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiffs import tiff_bytes

from planet_assets.exceptions import AssetError, Corrupt, LinkExpired, OverQuota, ServerError, Throttled, Unsafe
from planet_assets.model.asset import Part, Promise
from planet_assets.transfer import addresses, answers
from planet_assets.transfer.check import check, free_bytes
from planet_assets.transfer.tiff import check_extents, check_tiff
from planet_assets.transfer.watch import Stalled, Stopped, Watch


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def received(tmp_path: Path):
    def make(data: bytes) -> Part:
        path = tmp_path / ".scene.tif.f.part"
        path.write_bytes(data)
        return Part(path=str(path), size_bytes=len(data), md5=md5(data))

    return make


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        written.writestr(zipfile.ZipInfo("a.txt"), "a")
    return buffer.getvalue()


TIFF = tiff_bytes(2000)


def test_says_how_it_was_verified(received):
    part = received(TIFF)
    assert check(part, Promise(media="tiff", md5=part.md5.upper(), size_bytes=2000)) == "md5"
    assert check(part, Promise(media="tiff", size_bytes=2000)) == "length"
    assert check(part, Promise(media="tiff")) == "structure"


def test_a_flipped_byte_is_corrupt_and_both_digests_are_named(received):
    flipped = bytearray(TIFF)
    flipped[1500] ^= 1
    with pytest.raises(Corrupt) as caught:
        check(received(bytes(flipped)), Promise(media="tiff", md5=md5(TIFF)))
    assert (caught.value.expected, caught.value.got) == (md5(TIFF), md5(bytes(flipped)))


def test_a_wrong_length_is_corrupt(received):
    with pytest.raises(Corrupt, match="2000, but 2001 was promised"):
        check(received(TIFF), Promise(media="tiff", size_bytes=2001))


def test_a_part_that_changed_or_went_is_corrupt(received):
    part = received(TIFF)
    Path(part.path).write_bytes(TIFF + b"!")
    with pytest.raises(Corrupt):
        check(part, Promise(media="tiff"))
    Path(part.path).unlink()
    with pytest.raises(Corrupt, match="gone"):
        check(part, Promise(media="tiff"))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_cut_of_a_tiff_is_noticed_without_a_digest(received, big, order):
    data = tiff_bytes(600, big=big, order=order)
    assert check(received(data), Promise(media="tiff")) == "structure"
    for length in range(0, 600, 7):
        with pytest.raises(Corrupt):
            check(received(data[:length]), Promise(media="tiff"))


@pytest.mark.parametrize(
    ("media", "good", "bad"),
    [
        ("xml", b'\xef\xbb\xbf<?xml version="1.0"?><a><b/></a>\n', b'<?xml version="1.0"?><a><b'),
        ("xml", '<?xml version="1.0"?><a/>'.encode("utf-16"), b"<!DOCTYPE html><html><body>Sorry</body></html>"),
        ("json", json.dumps({"a": [1]}).encode(), b'{"a": [1'),
        ("json", b"[]", b"<html></html>"),
        ("zip", archive(), archive()[:-30]),
        ("zip", archive(), b"PX"),
        ("text", b"LINE_OFF: +1.0\n", b"<html><head><title>503</title>"),
        ("text", b"a", b""),
        ("tiff", TIFF, b"<html></html>"),
    ],
    ids=["xml", "xml-utf16", "json", "json-list", "zip", "zip-short", "text", "text-empty", "tiff"],
)
def test_other_media_begin_and_end_as_they_should(received, media, good, bad):
    check(received(good), Promise(media=media))
    with pytest.raises(Corrupt):
        check(received(bad), Promise(media=media))


def bent(at: int, form: str, *values: int) -> bytes:
    data = bytearray(TIFF)
    struct.pack_into("<" + form, data, at, *values)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (bent(8, "H", 0), Unsafe),  # no tags
        (bent(8, "H", 65535), Unsafe),  # too many tags
        (bent(4, "I", 0), Corrupt),  # no directory
        (bent(4, "I", 0xFFFFFFFF), Corrupt),  # a directory beyond the end
        (bent(8 + 2 + 9 * 12, "I", 8), Unsafe),  # the next directory is this one
        (bent(8 + 2 + 4, "I", 0xFFFFFFFF), Corrupt),  # a tag of 16 GiB
        (bent(8 + 2 + 5 * 12, "HHI", 273, 2, 1), Unsafe),  # strip offsets that are text
        (bent(8 + 2 + 5 * 12, "HHI", 273, 3, 2), Unsafe),  # more offsets than lengths
        (bent(8 + 2 + 5 * 12 + 8, "I", 1999), Corrupt),  # a strip beyond the end
    ],
)
def test_hostile_tiffs_are_refused(received, data, error):
    with pytest.raises(error):
        check(received(data), Promise(media="tiff"))


@given(st.data())
def test_no_bytes_make_the_tiff_walk_fail_otherwise(data):
    raw = bytearray(tiff_bytes(400, big=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 12))):
        raw[data.draw(st.integers(0, 250))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, 400))]
    stream = io.BytesIO(raw)
    with suppress(Corrupt, Unsafe):
        check_extents(stream, len(raw), "x.tif", check_tiff(stream, len(raw), "x.tif"))


def test_free_bytes_of_a_folder_that_does_not_exist_yet(tmp_path):
    assert free_bytes(tmp_path / "a" / "b") > 0


# Answers


@pytest.mark.parametrize(
    ("headers", "text", "seconds"),
    [
        ({"retry-after": "7"}, "", 7.0),
        ({"retry-after": "86400"}, "", 86400.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:27:00 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}, "", None),
        ({"x-retry-in": "1m2s"}, "", 62.0),
        ({"x-retry-in": "200ms", "retry-after": "1"}, "", 0.2),
        ({}, "Too many requests, retry-in 1.5s please", 1.5),
        ({"retry-after": "-5"}, "", None),
        ({"retry-after": "1e999"}, "", None),
        ({"retry-after": "9" * 5000}, "", None),
        ({"retry-after": "soon"}, "no", None),
    ],
)
def test_how_long_to_wait(headers, text, seconds):
    assert (
        answers.seconds_to_wait(headers, text) == pytest.approx(seconds)
        if seconds
        else (answers.seconds_to_wait(headers, text) == seconds)
    )


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=60))
def test_no_header_makes_the_readers_fail(first, second, text):
    wait = answers.seconds_to_wait({"retry-after": first, "x-retry-in": second, "date": second}, text)
    assert wait is None or wait >= 0
    answers.content_range(first)
    answers.unsatisfied_total(first)
    answers.length_of({"content-length": first})


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        *[(status, "", LinkExpired) for status in (400, 401, 403, 404, 410)],
        (408, "", Throttled),
        (429, "", Throttled),
        (403, '{"general":[{"message":"Download Quota has been exceeded."}]}', OverQuota),
        (429, "quota", OverQuota),
        (404, "quota", LinkExpired),
        *[(status, "", ServerError) for status in (500, 502, 503, 504, 204, 405, 451)],
    ],
)
def test_status_says_which_error(status, text, error):
    assert type(answers.refusal(status, {}, text, "scene.tif")) is error


def test_content_range_is_taken_only_when_complete():
    assert answers.content_range("bytes 5-9/10") == answers.Span(5, 9, 10)
    for bad in ("bytes 5-9/*", "bytes */10", "5-9/10", "bytes 5-9/10, 1-2/3", "bytes 5-/10", None, "bytes -5-9/10"):
        assert answers.content_range(bad) is None


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/b", "file:///etc/passwd", "http://", "//a/b", "", "http://user:secret@host/x", "http://a\\@b/x",
        "http://a b/", "http://a/\nx", "http://[::1/x", "http://a:99999/x", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_other_than_plain_web_addresses_are_refused_and_not_shown(url):
    with pytest.raises(Unsafe) as caught:
        addresses.checked(url, "scene.tif")
    assert "secret" not in str(caught.value)


def test_redirects():
    go = addresses.redirected
    assert go("https://a/b", "https://c/d?t=1#frag", "x") == "https://c/d?t=1"
    assert go("https://a/b/c", "../d", "x") == "https://a/d"
    assert go("http://a/b", "https://a/b", "x") == "https://a/b"
    for bad, error in (("http://c/d", Unsafe), ("ftp://c", Unsafe), ("//u:p@c/d", Unsafe), ("  ", ServerError)):
        with pytest.raises(error):
            go("https://a/b", bad, "x")


# The watch


def test_a_stall_is_silence_for_too_long_however_long_we_ourselves_take():
    watch = Watch(stall_s=10, floor_bytes_s=1, stopped=None)
    watch.expect_body()
    for _ in range(100):
        watch.waited(9, 1000)
        watch.look()
    watch.waited(10, 0)
    with pytest.raises(Stalled):
        watch.look()


def test_a_drip_is_a_stall_too():
    watch = Watch(stall_s=10, floor_bytes_s=2, stopped=None)
    watch.expect_body()
    with pytest.raises(Stalled):
        for _ in range(100):
            watch.waited(1, 1)
            watch.look()


def test_headers_are_due_as_a_whole():
    watch = Watch(stall_s=10, floor_bytes_s=0, stopped=None)
    watch.expect_answer()
    with pytest.raises(Stalled):
        for _ in range(11):
            watch.waited(1, 500)
            watch.look()


def test_a_stop_is_seen():
    with pytest.raises(Stopped):
        Watch(stall_s=10, floor_bytes_s=1, stopped=lambda: True).look()
    assert not issubclass(Stopped, AssetError)


def test_random_bytes_are_no_file_of_any_kind(received):
    data = b"\0" + random.Random(3).randbytes(500)
    for media in ("tiff", "xml", "json", "zip", "text"):
        with pytest.raises(Corrupt):
            check(received(data), Promise(media=media))

"""Naming a verified part: durable, never over another file, and right again after a crash at any point."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planet_assets.exceptions import AssetError, Corrupt, DiskProblem, Misused
from planet_assets.model.asset import Part
from planet_assets.transfer import place as placing
from planet_assets.transfer.place import (
    discard,
    drop_link,
    ensure_folder,
    keep_link,
    kept_bytes,
    kept_link,
    part_path,
    place,
    same_bytes,
    try_folder,
)

DATA = b"II*\0" + bytes(range(256)) * 400
MD5 = hashlib.md5(DATA).hexdigest()
LINK = "https://storage.example/x?token=CANARY"


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "scene.tif"


def received(final: Path, data: bytes = DATA) -> Part:
    """A part as fetch leaves it, with all that lies beside it."""
    path = part_path(final, "f1")
    path.write_bytes(data)
    path.chmod(0o600)
    path.with_name(path.name + ".json").write_text("{}")
    keep_link(path, LINK)
    return Part(path=str(path), size_bytes=len(data), md5=hashlib.md5(data).hexdigest())


@pytest.fixture(params=["hard links", "no hard links"])
def links(request, monkeypatch) -> str:
    """Both kinds of file system: FAT and some network shares have no hard links."""
    if request.param == "no hard links":

        def refuse(*args, **kwargs):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    return request.param


def test_placed(final, links):
    part = received(final)
    place(part, final)
    assert final.read_bytes() == DATA
    assert os.listdir(final.parent) == [final.name]
    assert final.stat().st_nlink == 1


def test_a_placed_file_is_as_readable_as_any_other_of_the_user(final):
    place(received(final), final)
    usual = final.with_name("usual")
    usual.touch()
    assert stat.S_IMODE(final.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


def test_the_same_file_is_adopted(final, links):
    final.write_bytes(DATA)
    before = final.stat()
    place(received(final), final)
    assert (final.stat().st_ino, final.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert os.listdir(final.parent) == [final.name]


@pytest.mark.parametrize("other", [b"something else", DATA[:-1] + b"!"])
def test_another_file_is_never_overwritten(final, links, other):
    final.write_bytes(other)
    part = received(final)
    with pytest.raises(DiskProblem, match="not overwritten") as caught:
        place(part, final)
    assert caught.value.hint
    assert final.read_bytes() == other
    assert Path(part.path).read_bytes() == DATA


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "fifo"])
def test_a_link_or_folder_in_the_way(final, links, kind, tmp_path):
    target = tmp_path / "target"
    if kind == "link":
        target.write_bytes(DATA)
    if "link" in kind:
        final.symlink_to(target)
    elif kind == "folder":
        final.mkdir()
    else:
        os.mkfifo(final)
    part = received(final)
    with pytest.raises(DiskProblem, match="link or folder"):
        place(part, final)
    assert target.exists() == (kind == "link")
    assert Path(part.path).exists()


def test_a_part_that_changed_after_the_check(final):
    part = received(final)
    Path(part.path).write_bytes(DATA + b"!")
    with pytest.raises(Corrupt):
        place(part, final)
    assert not final.exists()


def test_placing_again_after_the_part_is_gone(final):
    part = received(final)
    place(part, final)
    place(part, final)
    final.unlink()
    with pytest.raises(DiskProblem):
        place(part, final)


def test_a_part_that_is_a_link_is_not_placed(final, tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(DATA)
    part = received(final)
    Path(part.path).unlink()
    Path(part.path).symlink_to(precious)
    with pytest.raises(DiskProblem):
        place(part, final)
    assert not final.exists()


def test_a_failed_flush_keeps_nothing(final, monkeypatch):
    def failing(fd):
        raise OSError(errno.EIO, "Input/output error")

    part = received(final)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises(DiskProblem, match="input/output"):
            place(part, final)
    assert not final.exists()
    assert not Path(part.path).exists()


def test_a_lock_left_behind_is_named(final, monkeypatch):
    monkeypatch.setattr(placing, "_NO_HARD_LINKS", {errno.EPERM})
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no")))
    part = received(final)
    lock = part_path(final, "naming").with_suffix(".lock")
    lock.touch()
    with pytest.raises(DiskProblem, match="at this moment") as caught:
        place(part, final)
    assert lock.name in caught.value.hint
    lock.unlink()
    place(part, final)
    assert os.listdir(final.parent) == [final.name]


def test_many_place_one_name_and_no_reader_sees_less_than_all(tmp_path, links):
    final = tmp_path / "scene.tif"
    made = []
    for index in range(16):
        path = part_path(final, f"f{index}")
        path.write_bytes(DATA)
        made.append(Part(path=str(path), size_bytes=len(DATA), md5=MD5))
    seen: set[int] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if final.exists():
                seen.add(len(final.read_bytes()))

    def put(part: Part) -> bool:
        try:
            place(part, final)
        except DiskProblem as error:
            assert "at this moment" in str(error)
            return False
        return True

    reader = threading.Thread(target=watch)
    reader.start()
    with ThreadPoolExecutor(8) as pool:
        placed = list(pool.map(put, made))
    over.set()
    reader.join()
    assert any(placed)
    assert seen <= {len(DATA)}
    assert final.read_bytes() == DATA


SWEPT = """
import sys
from pathlib import Path
from planet_assets.model.asset import Part
from planet_assets.transfer.place import place
place(Part(path=sys.argv[1], size_bytes=int(sys.argv[2]), md5=sys.argv[3]), Path(sys.argv[4]))
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("call", ["fsync", "link,linkat", "unlink,unlinkat"])
def test_killed_at_any_step_then_placed_again(tmp_path, call):
    for when in (1, 2):
        folder = tmp_path / str(when)
        folder.mkdir()
        final = folder / "scene.tif"
        part = received(final)
        command = ["strace", "-f", "-o", os.devnull, "-e", f"trace={call}",
                   "-e", f"inject={call}:signal=KILL:when={when}",
                   sys.executable, "-c", SWEPT, part.path, str(part.size_bytes), part.md5, str(final)]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, timeout=60)
        if b"ptrace" in done.stderr or b"Operation not permitted" in done.stderr:
            pytest.skip("strace may not trace here")
        assert done.returncode != 0 or when == 2
        assert not final.exists() or final.read_bytes() == DATA
        place(part, final)
        assert final.read_bytes() == DATA
        assert os.listdir(folder) == [final.name]


# Names


@given(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=255).filter(
        lambda name: name not in (".", "..") and len(os.fsencode(name)) <= 255
    )
)
def test_every_name_has_a_part_that_fits(name):
    path = part_path(Path("/data") / name, "a1b2c3d4")
    longest = path.name + ".json~"
    assert path.parent == Path("/data")
    assert path.name.startswith(".")
    assert path.name.endswith(".a1b2c3d4.part")
    assert len(os.fsencode(longest)) <= 255


def test_long_names_that_differ_at_the_end_have_parts_that_differ(tmp_path):
    first, second = (part_path(tmp_path / ("x" * 249 + end), "f") for end in ("a.tif", "b.tif"))
    assert first != second
    first.touch()
    keep_link(first, LINK)
    discard(first)


def test_a_fingerprint_is_no_path():
    for bad in ("", "../x", "a/b", "a" * 65, "a.b"):
        with pytest.raises(Misused):
            part_path(Path("/data/scene.tif"), bad)


# Links


def test_a_link_is_kept_for_its_owner_only(final):
    part = part_path(final, "f1")
    assert kept_link(part) is None
    keep_link(part, "https://old.example/")
    keep_link(part, LINK)
    assert kept_link(part) == LINK
    (only,) = os.listdir(final.parent)
    assert stat.S_IMODE((final.parent / only).stat().st_mode) == 0o600
    drop_link(part)
    drop_link(part)
    assert kept_link(part) is None
    assert os.listdir(final.parent) == []


@pytest.mark.parametrize(
    "text", [b"", b"file:///etc/passwd", b"\xff\xfe", b"http://a\nHost: b", b"http://" + b"a" * 70_000]
)
def test_a_damaged_link_is_none(final, text):
    part = part_path(final, "f1")
    part.with_name(part.name + ".link").write_bytes(text)
    assert kept_link(part) is None


def test_a_link_file_that_is_a_symlink_is_refused(final, tmp_path):
    part = part_path(final, "f1")
    (tmp_path / "secret").write_text("https://other.example/")
    part.with_name(part.name + ".link").symlink_to(tmp_path / "secret")
    with pytest.raises(DiskProblem):
        kept_link(part)
    keep_link(part, LINK)
    assert (tmp_path / "secret").read_text() == "https://other.example/"
    assert kept_link(part) == LINK


def test_discard_leaves_nothing_and_may_be_repeated(final):
    part = Path(received(final).path)
    assert kept_bytes(part) == len(DATA)
    part.with_name(part.name + ".json~").touch()
    part.with_name(part.name + ".link~").touch()
    discard(part)
    discard(part)
    assert os.listdir(final.parent) == []
    assert kept_bytes(part) == 0


# Folders


def test_a_folder_is_made_and_left_empty(tmp_path):
    folder = tmp_path / "a" / "b c" / "ü"
    ensure_folder(folder)
    ensure_folder(folder)
    assert os.listdir(folder) == []


def test_trying_a_folder_leaves_nothing_behind(tmp_path):
    try_folder(tmp_path / "a" / "b")
    try_folder(tmp_path)
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").touch()
    with pytest.raises(DiskProblem):
        try_folder(tmp_path / "file" / "below")
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").touch()
    for bad in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(DiskProblem) as caught:
            ensure_folder(bad)
        assert caught.value.hint


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT])
def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, code):
    real = os.open

    def refuse(path, flags, *args, **kwargs):
        if flags & os.O_CREAT:
            raise OSError(code, os.strerror(code))
        return real(path, flags, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        with pytest.raises(DiskProblem) as caught:
            ensure_folder(tmp_path)
    assert caught.value.hint
    assert isinstance(caught.value, AssetError)


def test_same_bytes(tmp_path):
    path = tmp_path / "a.tif"
    assert not same_bytes(path, MD5)
    path.write_bytes(DATA)
    assert same_bytes(path, MD5)
    assert same_bytes(str(path), MD5.upper())
    path.write_bytes(DATA[:-1])
    assert not same_bytes(path, MD5)
    with pytest.raises(DiskProblem):
        same_bytes(tmp_path, MD5)

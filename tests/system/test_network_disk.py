"""SQLite on a network file system: told by the mount table, never in WAL mode, one process at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import commands
import pytest

from planet_assets.exceptions import LibraryLocked
from planet_assets.library import accounts, network_disk
from planet_assets.library.engine import Library, file_system_of
from planet_assets.library.owners import this_process

HOLD = "import sys; from planet_assets.library import network_disk as n; from pathlib import Path; "
HOLD += "n.MOUNTS = Path(sys.argv[1]); from planet_assets.library.engine import Library; l = Library(sys.argv[2]); "
HOLD += "print('held', flush=True); sys.stdin.read()"


@pytest.fixture(params=["nfs4", "lustre", "gpfs"])
def mounts(request, tmp_path, monkeypatch):
    """A mount table by which a folder with a space in its name lies on a network file system."""
    table = tmp_path / "mounts"
    point = str(tmp_path / "far away").replace(" ", "\\040")
    table.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {point} {request.param} rw,vers=4.2 0 0\n")
    monkeypatch.setattr(network_disk, "MOUNTS", table)
    return table


@pytest.fixture
def path(tmp_path, mounts):
    return tmp_path / "far away" / "deep" / "library.db"


def journal_mode(library):
    with library.read() as connection:
        return connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()


def test_the_mount_table_says_it(path, mounts, tmp_path):
    assert file_system_of(path) == mounts.read_text().split()[-4]
    assert file_system_of(tmp_path) == "ext4"
    mounts.unlink()
    assert file_system_of(path) == ""


def test_never_wal_there(path, tmp_path, monkeypatch):
    far = Library(path)
    assert journal_mode(far) == "delete"
    accounts.keep(far, "a", 1)
    far.close()
    assert [each.name for each in path.parent.iterdir()] == ["library.db"]
    monkeypatch.setattr(network_disk, "MOUNTS", tmp_path / "none")
    near = Library(path)  # the same file, brought to a disk of this machine
    assert journal_mode(near) == "wal"
    near.close()
    monkeypatch.setattr(network_disk, "MOUNTS", tmp_path / "mounts")
    back = Library(path)
    assert journal_mode(back) == "delete" and accounts.kept(back, "a") == 1
    back.close()


def test_one_process_at_a_time_and_the_next_after_its_death(path, mounts):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(mounts), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(LibraryLocked, match="in use by") as said:
        Library(path)
    assert str(holder.pid) in str(said.value) and "PostgreSQL" in said.value.hint
    holder.kill()
    holder.communicate()
    first, again = Library(path), Library(path)
    first.close()
    assert path.with_name("library.db.lease").read_text() == this_process()
    again.close()
    assert not path.with_name("library.db.lease").exists()


def test_a_lease_of_another_machine_is_not_broken(path):
    Library(path).close()
    path.with_name("library.db.lease").write_text("elsewhere~00000000:1:1")
    with pytest.raises(LibraryLocked, match="elsewhere"):
        Library(path)
    assert sorted(each.name for each in path.parent.iterdir()) == ["library.db", "library.db.lease"]


def test_of_many_that_find_a_dead_lease_one_takes_it(path, mounts):
    path.parent.mkdir(parents=True)
    dead = subprocess.run(
        [sys.executable, "-c", "from planet_assets.library.owners import this_process; print(this_process())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    path.with_name("library.db.lease").write_text(dead)
    command = [sys.executable, "-c", HOLD, str(mounts), str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    racing = [subprocess.Popen(command, **pipes) for _ in range(4)]
    said = [process.stdout.readline() for process in racing]
    for process in racing:
        process.communicate()
    assert said.count("held\n") == 1


def test_the_command_line_says_it_before_anything_is_spent(tmp_path):
    """Without a faked table the doctor names the file system; the lease is the same on all."""
    desk = commands.Desk(tmp_path)
    [library] = [one for one in desk.run("doctor").json()["findings"] if one["hop"] == "library"]
    assert library["state"] == "ok" and file_system_of(Path(tmp_path)) in library["words"]

"""PostgreSQL for tests: Debian's server on loopback, in a temporary folder, one for all workers of a session.

`python postgres.py FOLDER PID` is the keeper: it owns one server, and stops it when process PID is gone, however that
ended. Nothing is flushed to disk, since nothing in it outlives the session.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import pwd
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USER = "planet"
QUICK = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=200")
NOWHERE = ("unix_socket_directories=", "listen_addresses=127.0.0.1")


class Missing(Exception):
    """There is no PostgreSQL to be had here."""


def programs() -> Path:
    """Folder of PostgreSQL's own programs; installed by apt-get where that may be done.

    Raises:
        Missing: they are not here and cannot be had.
    """
    if (found := _newest()) is None:
        with _alone(Path(tempfile.gettempdir()) / f"planet-assets-apt-{os.getuid()}.lock"):
            found = _newest() or _installed()
    if found is None or not hasattr(os, "pidfd_open"):
        raise Missing("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    return found


def _newest() -> Path | None:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    named = shutil.which("initdb")
    found = debian[-1] if debian else Path(named).resolve() if named else None
    return found.parent if found else None


def _installed() -> Path | None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return None
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "postgresql"]):
        subprocess.run(["apt-get", *words], env=quiet, capture_output=True, timeout=280, check=False)
    return _newest()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Cluster:
    """A running server."""

    folder: Path
    port: int
    password: str
    settings: tuple[str, ...] = QUICK

    def address(self, database: str = "postgres") -> str:
        """The address of a database, as a user writes it."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """A fresh database; its address."""
        import canary

        name = f"t_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name}")
        try:
            yield self.address(name)
        finally:
            with contextlib.suppress(Exception):  # a test may have stopped the server
                for (table,) in self.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", name):
                    canary.look_through(self.run(f'SELECT t::text FROM "{table}" t', name), f"the table {table}")
                self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, statement: str, database: str = "postgres") -> list[Any]:
        """One statement by a connection of its own; rows where it has any."""
        import psycopg

        with psycopg.connect(self.address(database), autocommit=True) as connection:
            done = connection.execute(statement)  # type: ignore[arg-type]
            return done.fetchall() if done.description else []

    def stop(self, how: str = "immediate") -> None:
        """Stop the server; `immediate` breaks every connection and every open transaction."""
        _control(self.folder, "stop", "-m", how)

    def start(self) -> None:
        """Start it again on the same port."""
        _start(self.folder, self.port, self.settings)


@contextlib.contextmanager
def cluster(settings: tuple[str, ...] = QUICK) -> Iterator[Cluster]:
    """A server of its own, for a test that stops it and for benchmarks."""
    with _parent() as folder:
        made = _made(folder, settings)
        try:
            yield made
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                made.stop()


@functools.cache
def shared() -> Cluster:
    """The session's server; the first process that asks starts it."""
    programs()
    worker = "PYTEST_XDIST_WORKER" in os.environ
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID") if worker else None
    keep_for = os.getppid() if worker else os.getpid()
    folder = Path(tempfile.gettempdir()) / f"planet-assets-postgres-{os.getuid()}-{session or keep_for}"
    note = folder / "address"
    with _alone(folder.with_suffix(".lock")):
        if not note.exists():
            command = [sys.executable, __file__, str(folder), str(keep_for)]
            keeper = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
            while not note.exists() and keeper.poll() is None:
                time.sleep(0.05)
            keeper.returncode = keeper.returncode or 0  # it outlives this process by intention
        if not note.exists():
            raise Missing("PostgreSQL did not start; the keeper has said why")
    port, password = note.read_text().split()
    return Cluster(folder, int(port), password)


def keep(folder: Path, pid: int) -> None:
    """Run a server in the folder as long as the process lives."""
    alive = os.pidfd_open(pid)
    shutil.rmtree(folder, ignore_errors=True)
    with _parent(folder):
        made = _made(folder)
        try:
            note = folder / "address.new"
            note.touch(0o600)
            note.write_text(f"{made.port} {made.password}")
            note.rename(folder / "address")
            select.select([alive], [], [])
        finally:
            made.stop()
            folder.with_suffix(".lock").unlink(missing_ok=True)


@contextlib.contextmanager
def _parent(folder: Path | None = None) -> Iterator[Path]:
    """A folder that the server's user can pass through, removed at the end."""
    made = folder or Path(tempfile.mkdtemp(prefix="planet-assets-postgres-"))
    made.mkdir(exist_ok=True)
    made.chmod(0o711)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _made(folder: Path, settings: tuple[str, ...] = QUICK) -> Cluster:
    password, secret = secrets.token_hex(8), folder / "password"
    secret.write_text(password)
    os.chown(secret, *_unprivileged())
    secret.chmod(0o600)
    data = folder / "data"
    data.mkdir()
    os.chown(data, *_unprivileged())
    log_in = ("-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}")
    _run("initdb", "-D", str(data), *log_in, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    secret.unlink()
    for _ in range(5):
        port = _free_port()
        with contextlib.suppress(subprocess.CalledProcessError):  # somebody took the port meanwhile
            _start(folder, port, settings)
            return Cluster(folder, port, password, settings)
    raise Missing(f"PostgreSQL does not start: {(data / 'log').read_text()[-2000:]}")


def _start(folder: Path, port: int, settings: tuple[str, ...]) -> None:
    given = " ".join(f"-c {setting}" for setting in (*settings, *NOWHERE, f"port={port}"))
    _control(folder, "start", "-t", "60", "-l", str(folder / "data" / "log"), "-o", given)


def _control(folder: Path, *words: str) -> None:
    _run("pg_ctl", "-D", str(folder / "data"), "-w", *words)


def _run(program: str, *words: str) -> None:
    """As an unprivileged user: PostgreSQL refuses to run as root."""
    user, group = _unprivileged()
    who: dict[str, Any] = {"user": user, "group": group, "extra_groups": []} if os.geteuid() == 0 else {}
    nothing = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([str(programs() / program), *words], check=True, cwd="/", timeout=120, **nothing, **who)


@functools.cache
def _unprivileged() -> tuple[int, int]:
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    known = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in known else "nobody")
    return entry.pw_uid, entry.pw_gid


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the session, and that ends the server
    keep(Path(sys.argv[1]), int(sys.argv[2]))

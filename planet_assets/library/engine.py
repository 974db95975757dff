"""Opens the library: one SQLite file, or a PostgreSQL database, brought up to the present schema.

SQLite runs in WAL mode with full synchronisation, so that a commit that returned is on disk. On a network file system,
where WAL is unsafe, it keeps a rollback journal and admits one process at a time by a lease file.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from planet_assets.exceptions import AssetError, DiskProblem, LibraryLocked, Misused
from planet_assets.library import schema

HEAD = "0002"
"""The newest migration; a library that says so needs none."""

BUSY_S = 30.0
"""Seconds to wait for another writer."""

NETWORK_FILE_SYSTEMS = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "lustre",
        "gpfs",
        "beegfs",
        "glusterfs",
        "ceph",
        "afs",
        "fuse.sshfs",
        "9p",
        "fuse.glusterfs",
        "panfs",
        "wekafs",
    ]
)


_WORKING: set[str] = set()


class Library:
    """The database behind everything that is remembered. Safe to share between threads."""

    def __init__(self, address: str | Path) -> None:
        """Open, and create or migrate when needed.

        Args:
            address: path of an SQLite file, or a `postgresql://` address.

        Raises:
            DiskProblem: the file cannot be made or read.
            LibraryLocked: another process holds it on a network file system.
        """
        self.path = _sqlite_path(address)
        self._lease: Path | None = None
        self._turn = threading.Lock()
        self.engine = self._sqlite(self.path) if self.path else sa.create_engine(_server_address(str(address)))
        if self.engine.dialect.name == "sqlite":
            sa.event.listen(self.engine, "begin", _begin_immediate)
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    @property
    def where(self) -> str:
        """Where the library lies, without a password."""
        return str(self.path) if self.path else self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that holds the write lock from its start.

        Threads queue here rather than in SQLite, which lets the unlucky wait until they are refused.
        """
        with self._turn, _translated(self.where), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Statements that each see the last commit; no lock is held."""
        with _translated(self.where), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        """Give back connections and the lease."""
        self.engine.dispose()
        if self._lease is not None:
            with suppress(FileNotFoundError):
                self._lease.unlink()
            self._lease = None

    def _sqlite(self, path: Path) -> sa.Engine:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DiskProblem(
                f"The library's folder {path.parent} cannot be made: {error.strerror}.",
                hint="Set PLANET_ASSETS_LIBRARY to a file you can write.",
            ) from None
        shared = file_system_of(path.parent) in NETWORK_FILE_SYSTEMS
        if shared:
            self._lease = _take_lease(path)
        engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_S, "check_same_thread": False})
        journal = "DELETE" if shared else "WAL"

        def prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:
            connection.isolation_level = None  # transactions are begun by _begin_immediate
            for pragma in (f"journal_mode={journal}", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")

        sa.event.listen(engine, "connect", prepare)
        return engine

    def _migrate(self) -> None:
        with self.read() as connection:
            found = _version(connection)
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            raise Misused(
                f"The library {self.where} was written by a newer planet_assets (schema {found}, known is {HEAD}).",
                hint="Upgrade planet-assets, or point PLANET_ASSETS_LIBRARY elsewhere.",
            )
        from planet_assets.library.migrations import upgrade

        with _translated(self.where):
            upgrade(self.engine)


def file_system_of(folder: Path) -> str:
    """Type of the file system a folder lies on, for example ext4 or nfs4; empty where nobody says."""
    try:
        mounts = Path("/proc/mounts").read_text()
    except OSError:
        return ""
    best, kind = "", ""
    for line in mounts.splitlines():
        _, point, found, *_ = line.split(" ")
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
        if folder.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return kind


def this_process() -> str:
    """Names this process across machines: host, process id, and when it started."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start_mark(os.getpid())}"


@contextmanager
def working() -> Iterator[str]:
    """A name for one run of this process, by which it claims jobs; it is dead as soon as the block ends."""
    token = secrets.token_hex(4)
    _WORKING.add(token)
    try:
        yield f"{this_process()}#{token}"
    finally:
        _WORKING.discard(token)


def is_dead(owner: str) -> bool:
    """True when `owner` ran on this machine and certainly runs no more."""
    process, _, token = owner.partition("#")
    if token and process == this_process():
        return token not in _WORKING
    host, _, rest = process.rpartition(":")[0].rpartition(":")
    mark = process.rpartition(":")[2]
    if host != socket.gethostname() or not rest.isdigit() or os.name == "nt":
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(mark) and mark != _start_mark(int(rest))


def _start_mark(pid: int) -> str:
    """When a process started, in clock ticks; empty where the system does not tell. A reused pid has another one."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _sqlite_path(address: str | Path) -> Path | None:
    text = str(address)
    if text.startswith("sqlite:///"):
        return Path(text.removeprefix("sqlite:///")).expanduser().absolute()
    return None if "://" in text else Path(text).expanduser().absolute()


def _server_address(address: str) -> str:
    if not address.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        raise Misused(
            "The library's address is neither a file nor postgresql://...",
            hint="Set PLANET_ASSETS_LIBRARY to a path or a PostgreSQL address.",
            argument="library",
        )
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", address)


def _begin_immediate(connection: sa.Connection) -> None:
    if connection.get_isolation_level() != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _take_lease(path: Path) -> Path:
    """Hold the library alone: a hard link is atomic on every network file system, a lock is not."""
    lease, mine = path.with_name(path.name + ".lease"), path.with_name(f"{path.name}.{os.getpid()}.lease")
    mine.write_text(this_process())
    try:
        if lease.exists() and is_dead(lease.read_text()):
            lease.unlink()
        os.link(mine, lease)
    except FileExistsError:
        raise LibraryLocked(
            f"The library {path} lies on a network file system and is in use by {lease.read_text()}.",
            hint=f"Wait, or remove {lease.name} if that process is gone, or use PostgreSQL for several machines.",
        ) from None
    finally:
        mine.unlink()
    return lease


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Database errors as ours."""
    try:
        yield
    except OperationalError as error:
        text = str(error.orig)
        if "locked" in text or "busy" in text:
            raise LibraryLocked(f"The library {where} is held by another process.", hint="Try again.") from None
        raise DiskProblem(
            f"The library {where} cannot be used: {text}.",
            hint="Check that its disk is writable and has room, or set PLANET_ASSETS_LIBRARY to another file.",
        ) from None
    except DatabaseError as error:
        if "malformed" in str(error.orig) or "not a database" in str(error.orig):
            raise AssetError(
                f"The library {where} is damaged: {error.orig}.",
                hint="Keep the file, restore a backup, or start a new one with PLANET_ASSETS_LIBRARY.",
            ) from None
        raise


__all__ = ["Library", "file_system_of", "is_dead", "schema", "this_process", "working"]

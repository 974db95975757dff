"""Opens the library: one SQLite file, or a PostgreSQL database, brought up to the present schema.

SQLite runs in WAL mode with full synchronisation, so that a commit that returned is on disk. On a network file system,
where WAL is unsafe, it keeps a rollback journal and admits one process at a time by a lease file. PostgreSQL serves
several machines: there leases are judged by the server's clock, and a connection that was lost is made anew.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from planet_assets.exceptions import DiskProblem, Misused
from planet_assets.library import schema, team_schema
from planet_assets.library.network_disk import NETWORK_FILE_SYSTEMS, file_system_of, give_lease, take_lease
from planet_assets.library.owners import is_dead, this_process, working
from planet_assets.library.refusals import translated

HEAD = "0008"
"""The newest migration; a library that says so needs none."""

BUSY_S = 30.0
"""Seconds to wait for another writer."""
CONNECT_S = 10
"""Seconds to wait for a server to answer."""
IDLE_S = 60.0
"""Seconds after which a server ends the transaction of a process that was suspended in it, for the sake of others."""

TURN = 7211002
"""PostgreSQL's advisory lock for what one process at a time may decide."""


class Library:
    """The database behind everything that is remembered. Safe to share between threads."""

    def __init__(self, address: str | Path) -> None:
        """Open, and create or migrate when needed.

        Args:
            address: path of an SQLite file, or a `postgresql://` address.

        Raises:
            DiskProblem: the file cannot be made or read.
            LibraryLocked: another process holds it on a network file system.
            LibraryAway: the server does not answer.
            Misused: the address cannot be meant, the server refuses it, or something else lives there.
        """
        self.path = _sqlite_path(address)
        self._lease: Path | None = None
        self._turn = threading.Lock()
        self.engine = self._sqlite(self.path) if self.path else _postgresql(str(address))
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    @property
    def where(self) -> str:
        """Where the library lies, without a password."""
        return str(self.path) if self.path else _shown(self.engine.url)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction; SQLite's holds the write lock from its start.

        Threads queue here rather than in SQLite, which lets the unlucky wait until they are refused.
        """
        with self._turn, translated(self.where), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Statements that each see the last commit; no lock is held."""
        with translated(self.where), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def lease_time(self, now: datetime) -> datetime:
        """The time by which leases are judged, see `lease_time`."""
        if self.path is not None:
            return now
        with self.read() as connection:
            return lease_time(connection, now)

    def check(self) -> None:
        """See that the database answers.

        Raises:
            LibraryAway, DiskProblem: it does not.
        """
        with self.read() as connection:
            connection.exec_driver_sql("SELECT 1")

    def close(self) -> None:
        """Give back connections and the lease."""
        self.engine.dispose()
        if self._lease is not None:
            give_lease(self._lease)
            self._lease = None

    def _sqlite(self, path: Path) -> sa.Engine:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DiskProblem(
                f"The library's folder {path.parent} cannot be made: {error.strerror}.",
                hint="Set PLANET_ASSETS_LIBRARY to a file you can write.",
            ) from None
        if file_system_of(path.parent) in NETWORK_FILE_SYSTEMS:
            self._lease = _leased(path)
        engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)),
            connect_args={"timeout": BUSY_S, "check_same_thread": False},
            hide_parameters=True,
        )

        def prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:
            connection.isolation_level = None  # transactions are begun by _begin_immediate
            for pragma in ("synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")

        sa.event.listen(engine, "connect", prepare)
        sa.event.listen(engine, "begin", _begin_immediate)
        return engine

    def _migrate(self) -> None:
        with self.read() as connection:
            found = self._version(connection)
        self._choose_journal()
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            raise Misused(
                f"The library {self.where} was written by a newer planet_assets (schema {found}, known is {HEAD}).",
                hint="Upgrade planet-assets, or point PLANET_ASSETS_LIBRARY elsewhere.",
            )
        from planet_assets.library.migrations import upgrade

        with translated(self.where):
            upgrade(self.engine)

    def _choose_journal(self) -> None:
        """The file keeps it; so it is chosen only when the file is known to be ours."""
        if self.path is not None:
            with self.read() as connection:
                connection.exec_driver_sql(f"PRAGMA journal_mode={'WAL' if self._lease is None else 'DELETE'}")

    def _version(self, connection: sa.Connection) -> str | None:
        """The schema's number; None where nothing is yet.

        Raises:
            Misused: the tables of another program are there.
        """
        tables = set(sa.inspect(connection).get_table_names())
        if "alembic_version" in tables:
            found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
            if found is None or re.fullmatch(r"\d{4}", found):
                return found
        elif not tables or (self.path is None and not tables & set(schema.metadata.tables)):
            return None
        raise Misused(
            f"{self.where} holds the tables of another program.",
            hint="Give PLANET_ASSETS_LIBRARY a file or a database of its own.",
            argument="library",
        )


def alone(connection: sa.Connection) -> None:
    """Until the transaction ends, be the only one that decides something about what it has read.

    SQLite's transactions are alone from their start.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(TURN)))


def lease_time(connection: sa.Connection, now: datetime) -> datetime:
    """The time by which leases are judged: the server's where there is one, since machines' clocks differ."""
    if connection.dialect.name != "postgresql":
        return now
    told: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return told.astimezone(UTC)


def upsert(connection: sa.Connection, table: sa.Table) -> Any:
    """The engine's own INSERT, which knows what to do on a conflict."""
    from sqlalchemy.dialects import postgresql, sqlite

    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)


def _sqlite_path(address: str | Path) -> Path | None:
    text = str(address)
    if text.startswith("sqlite:///"):
        return Path(text.removeprefix("sqlite:///")).expanduser().absolute()
    return None if "://" in text else Path(text).expanduser().absolute()


def _postgresql(address: str) -> sa.Engine:
    if not address.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        raise Misused(
            "The library's address is neither a file nor postgresql://...",
            hint="Set PLANET_ASSETS_LIBRARY to a path or a PostgreSQL address.",
            argument="library",
        )
    try:
        url = sa.make_url(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", address))
        waits = {"connect_timeout": url.query.get("connect_timeout", CONNECT_S)}
        engine = sa.create_engine(url, connect_args=waits, pool_pre_ping=True, hide_parameters=True)
    except (ArgumentError, ValueError):
        raise Misused(
            "The library's address is no postgresql://USER:PASSWORD@HOST:PORT/DATABASE.",
            hint="In user and password, write @ : / as %40 %3A %2F.",
            argument="library",
        ) from None
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise Misused(
            "A library on PostgreSQL needs psycopg.", hint='pip install "planet-assets[postgres]"', argument="library"
        ) from None

    def prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:
        for name, seconds in (("lock_timeout", BUSY_S), ("idle_in_transaction_session_timeout", IDLE_S)):
            connection.execute(f"SET {name} = {seconds * 1000:.0f}")
        connection.commit()

    sa.event.listen(engine, "connect", prepare)
    return engine


def _shown(url: sa.URL) -> str:
    """An address for people: without its passwords."""
    open_parts = {name: value for name, value in url.query.items() if "password" not in name}
    return url.set(drivername="postgresql", query=open_parts).render_as_string(hide_password=True)


def _leased(path: Path) -> Path:
    try:
        return take_lease(path)
    except OSError as error:
        raise DiskProblem(
            f"The library {path} lies on a network file system, and its lease cannot be written: {error.strerror}.",
            hint="Set PLANET_ASSETS_LIBRARY to a file on a disk of this machine, or to PostgreSQL.",
        ) from None


def _begin_immediate(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


__all__ = [
    "NETWORK_FILE_SYSTEMS",
    "Library",
    "alone",
    "file_system_of",
    "is_dead",
    "lease_time",
    "schema",
    "team_schema",
    "this_process",
    "upsert",
    "working",
]

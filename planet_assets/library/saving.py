"""Backup, restore and merge of libraries. A backup is an SQLite library of its own, whatever engine it came from."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from planet_assets.exceptions import DiskProblem, LibraryLocked, Misused
from planet_assets.library import ground, listings, merging, schema
from planet_assets.library.engine import Library, alone, is_dead, upsert


def backup(library: Library, path: Path) -> Path:
    """Write the library into a new file; it appears whole or not at all."""
    if os.path.lexists(path):
        raise DiskProblem(f"{path} is there already and is not overwritten.", hint="Choose another name.")
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        if library.path is not None:
            with closing(sqlite3.connect(library.path)) as source, closing(sqlite3.connect(beside)) as target:
                source.backup(target)
                target.execute("PRAGMA journal_mode=DELETE")
        else:
            _copy_all(library, beside)
        os.link(beside, path)
    except (OSError, sqlite3.Error) as error:
        raise DiskProblem(f"The backup {path} cannot be written: {error}.") from None
    finally:
        beside.unlink(missing_ok=True)
    return path


def _copy_all(library: Library, path: Path) -> None:
    target = Library(path)
    try:
        with library.engine.connect().execution_options(isolation_level="REPEATABLE READ") as source:
            for table in schema.metadata.sorted_tables:
                found = source.execution_options(yield_per=1000).execute(sa.select(table)).mappings()
                for part in found.partitions(1000):
                    with target.write() as connection:
                        connection.execute(sa.insert(table), [dict(row) for row in part])
        with target.read() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
    finally:
        target.close()


def restore(library: Library, path: Path, now: datetime) -> Path:
    """Make the library what it was; what it is now is kept beside it."""
    if library.path is None:
        raise Misused(
            "A library on PostgreSQL is restored with PostgreSQL's own tools.",
            hint="`library merge` adds what a backup knows to it.",
            argument="library",
        )
    _refuse_other(path)
    with library.read() as connection:
        owners = connection.execute(sa.select(schema.job.c.lease_owner).distinct()).scalars()
        if busy := [owner for owner in owners if owner and not is_dead(owner)]:
            raise LibraryLocked(f"{busy[0]} works on jobs of the library.", hint="Wait until it has ended.")
    kept = backup(library, library.path.with_name(f"{library.path.name}.before-{now:%Y%m%dT%H%M%S}"))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(library.path, timeout=30)) as target:
        source.backup(target)
    address = library.path
    library.engine.dispose()
    Library(address).close()  # a backup of an earlier schema is brought up
    return kept


def _refuse_other(path: Path) -> None:
    """Read-only, so that a file that is none of ours stays as it is."""
    if not path.is_file():
        raise Misused(f"There is no library {path}.", argument="path")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as found:
            tables = {name for (name,) in found.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        raise Misused(f"{path} is no library: {error}.", argument="path") from None
    if not {"alembic_version", "ledger", "job"} <= tables:
        raise Misused(f"{path} is not a library of planet_assets.", argument="path")


def merge(library: Library, path: Path) -> dict[str, int]:
    """Take over what another library knows."""
    _refuse_other(path)
    if library.path is not None and path.samefile(library.path):
        raise Misused("That is the library itself.", argument="path")
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as found:
        scratch = path.with_name(f".{path.name}.merging")
        scratch.unlink(missing_ok=True)
        with closing(sqlite3.connect(scratch)) as copied:
            found.backup(copied)
    other = Library(scratch)  # brought up to the present schema, while the given file stays as it is
    try:
        return _merged(library, other)
    finally:
        other.close()
        for left in scratch.parent.glob(f"{scratch.name}*"):
            left.unlink()


def _merged(library: Library, other: Library) -> dict[str, int]:
    with other.read() as connection:
        rows = {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in schema.metadata.sorted_tables
            if table is not schema.listing_segment
        }
    counts: dict[str, int] = {}
    with library.write() as connection:
        alone(connection)
        counts["item"] = _newer(connection, schema.item, rows["item"], "seen_at")
        counts["listed"] = listings.merge(connection, other)
        counts["quota"] = _newer(connection, schema.quota, rows["quota"], "as_of")
        number = merging.sites(connection, rows["site"])
        counts["copy"] = _copies(connection, number, rows["copy"])
        counts["job"] = _jobs(connection, rows["job"])
        counts["event"] = _absent(connection, schema.event, rows["event"], lambda row: (row["job_id"], row["revision"]))
        counts["ground"] = ground.merge(connection, rows["ground"])
        counts["ledger"] = _ledger(connection, rows["ledger"])
        counts |= merging.bundles(connection, rows, number)
    return counts


def _newer(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]], moment: str) -> int:
    """Rows by primary key; of two the later one stays."""
    keys = [column.name for column in table.primary_key]
    known = {
        tuple(row[key] for key in keys): row[moment]
        for row in connection.execute(sa.select(*(table.c[name] for name in (*keys, moment)))).mappings()
    }
    new = 0
    for row in rows:
        key = tuple(row[name] for name in keys)
        old = known.get(key)
        if key in known and not (row[moment] is not None and (old is None or row[moment] > old)):
            continue
        new += key not in known
        statement = upsert(connection, table).values(row)
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=row))
    return new


def _copies(connection: sa.Connection, number: Mapping[int, int], rows: list[dict[str, Any]]) -> int:
    """Copies with the numbers that their sites have here."""
    return _newer(connection, schema.copy, [{**row, "site_id": number[row["site_id"]]} for row in rows], "recorded_at")


def _jobs(connection: sa.Connection, rows: list[dict[str, Any]]) -> int:
    """Jobs by id; of two the one that came further. Nobody works on a job that came from elsewhere."""
    known = {row.id: row.revision for row in connection.execute(sa.select(schema.job.c.id, schema.job.c.revision))}
    for row in rows:
        values = {**row, "lease_owner": None, "lease_until": None}
        if row["id"] not in known:
            connection.execute(sa.insert(schema.job).values(values))
        elif row["revision"] > known[row["id"]]:
            connection.execute(sa.update(schema.job).where(schema.job.c.id == row["id"]).values(values))
    return sum(row["id"] not in known for row in rows)


def _ledger(connection: sa.Connection, rows: list[dict[str, Any]]) -> int:
    """Entries that are not there yet. An entry is the same where everything but its number is."""
    names = [column.name for column in schema.ledger.c if column.name != "sequence"]
    keyed = {
        (row.account, row.key)
        for row in connection.execute(sa.select(schema.ledger.c.account, schema.ledger.c.key))
        if row.key is not None
    }
    fresh = [row for row in rows if row["key"] is None or (row["account"], row["key"]) not in keyed]
    return _absent(connection, schema.ledger, fresh, lambda row: tuple(row[name] for name in names), serial="sequence")


def _absent(
    connection: sa.Connection,
    table: sa.Table,
    rows: list[dict[str, Any]],
    key: Callable[[Any], Any],
    *,
    serial: str = "sequence",
) -> int:
    """Insert rows whose key is not there yet, in their order, with numbers of this library."""
    known = Counter(key(row) for row in connection.execute(sa.select(table)).mappings())
    fresh = []
    for row in rows:  # of two rows alike both count
        if known[key(row)] > 0:
            known[key(row)] -= 1
        else:
            fresh.append(row)
    for row in fresh:
        values = {name: value for name, value in row.items() if name != serial}
        connection.execute(sa.insert(table).values(values))
    return len(fresh)

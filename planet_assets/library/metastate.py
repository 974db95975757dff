"""What a consumer of a metadir knows of each file: the table `files` of `state.db`, laid out as mmmeta does.

Columns have no type, so SQLite bends no value; a note in each row says which of its values are truths, times or lists.
Where mmmeta made a column whose type would bend a value (a text of digits into a number), it loses that type. Keys that
this consumer set are its own: no remote value replaces them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from planet_assets.exceptions import AssetError, DiskProblem, LibraryLocked
from planet_assets.rules import metadir as rules
from planet_assets.rules.metadir import Record

OWN = "__own_keys"
"""Column: JSON list of the keys that this consumer set."""

NOTES = "__kinds"
"""Column: JSON, key -> kind, of the values that SQLite has no kind for."""

NOTED = ("bool", "time", "json")
BUSY_S = 60.0
_TIMES = ("_added", "_last_updated", "_at")


class State:
    """The file `state.db`. One connection a call, so threads and processes may share it."""

    def __init__(self, path: Path, unique: str) -> None:
        """Touch nothing yet."""
        self.path, self.unique = path, unique

    @contextmanager
    def change(self) -> Iterator[Rows]:
        """The table, alone; what the block does is kept whole or not at all.

        Raises:
            DiskProblem: the folder cannot be written.
            LibraryLocked: another process holds the file for long.
        """
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            rows = Rows(connection, self.unique)
            rows.prepare()
            yield rows
            connection.execute("COMMIT")

    @contextmanager
    def look(self) -> Iterator[Rows]:
        """The table as it is; empty when there is none."""
        with self._open() as connection:
            yield Rows(connection, self.unique)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
            yield connection
        except OSError as error:
            raise DiskProblem(f"{self.path} cannot be written: {error.strerror}.") from None
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise LibraryLocked(f"{self.path} is held by another process.", hint="Try again.") from None
            raise AssetError(f"{self.path} cannot be used: {error}.") from None
        except sqlite3.DatabaseError as error:
            raise AssetError(f"{self.path} cannot be used: {error}.", hint="Is it a metadir's file?") from None
        finally:
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                connection.close()


class Rows:
    """The table within a transaction."""

    def __init__(self, connection: sqlite3.Connection, unique: str) -> None:
        self.connection, self.unique = connection, unique
        self.types: dict[str, str] = {}
        self.key = ""
        self._learn()

    def prepare(self) -> None:
        """Make the table, or give it the present key; rows without a value for that key cannot stay."""
        if not self.types:
            self._create()
        elif self.key != self.unique:
            rows = [row for row in self.select() if row.get(self.unique) not in (None, "")]
            self.connection.execute("DROP TABLE files")
            self._create()
            for row in rows:
                self.put({**row, self.unique: rules.cell(row[self.unique])})

    def select(self, where: str = "1", values: Sequence[Any] = (), tail: str = "") -> list[Record]:
        """Rows as they were put in, in the order they came."""
        if not self.types:
            return []
        found = self.connection.execute(f"SELECT * FROM files WHERE {where} {tail or 'ORDER BY rowid'}", values)
        names = [column[0] for column in found.description]
        return [self._read(dict(zip(names, row, strict=True))) for row in found]

    def count(self, where: str = "1", values: Sequence[Any] = ()) -> int:
        """How many rows."""
        if not self.types:
            return 0
        return int(self.connection.execute(f"SELECT count(*) FROM files WHERE {where}", values).fetchone()[0])

    def put(self, row: Mapping[str, Any]) -> None:
        """Insert a row or change the given keys of it."""
        told = {self._column(key, one): _bound(one) for key, one in row.items()}
        kinds = {self.known(key): word for key, one in row.items() if (word := rules.kind(one)) in NOTED}
        before = self._kinds(row[self.unique])
        after = {name: word for name, word in before.items() if name not in told} | kinds
        if after != before:
            told[self._column(NOTES, "")] = json.dumps(after)
        names = ", ".join(map(quoted, told))
        marks = ", ".join("?" for _ in told)
        sets = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in told if name != self.unique)
        then = f"UPDATE SET {sets}" if sets else "NOTHING"
        self.connection.execute(
            f"INSERT INTO files ({names}) VALUES ({marks}) ON CONFLICT ({quoted(self.unique)}) DO {then}",
            list(told.values()),
        )

    def delete(self, where: str, values: Sequence[Any]) -> int:
        """Remove rows for good."""
        return self.connection.execute(f"DELETE FROM files WHERE {where}", values).rowcount if self.types else 0

    def drop(self) -> None:
        """Forget everything."""
        self.connection.execute("DROP TABLE IF EXISTS files")
        self._create()

    def drop_column(self, name: str) -> None:
        """Forget a key of every row."""
        self.connection.execute(f"ALTER TABLE files DROP COLUMN {quoted(name)}")
        self._learn()

    def note(self, name: str, value: str) -> None:
        """Keep a small thing about the whole state."""
        self.connection.execute("CREATE TABLE IF NOT EXISTS merged (name TEXT PRIMARY KEY, value TEXT)")
        self.connection.execute("INSERT OR REPLACE INTO merged VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> str | None:
        """What was noted; None when nothing was."""
        if not self.connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'merged'").fetchone():
            return None
        found = self.connection.execute("SELECT value FROM merged WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def known(self, key: str) -> str | None:
        """The column of a key; SQLite does not tell capitals in names apart. None when there is none."""
        return next((name for name in self.types if name == key or name.lower() == key.lower()), None)

    def _create(self) -> None:
        self.connection.execute(f"CREATE TABLE files ({quoted(self.unique)} TEXT NOT NULL PRIMARY KEY)")
        self._learn()

    def _learn(self) -> None:
        found = self.connection.execute("PRAGMA table_info(files)").fetchall()
        self.types = {row[1]: row[2].upper() for row in found}
        self.key = next((row[1] for row in found if row[5]), "")

    def _column(self, key: str, value: Any) -> str:
        """The column for a value; made, or freed from its type, where it would bend the value."""
        name = self.known(key)
        if name is None:
            named = "DATETIME" if key.startswith("__") and isinstance(value, datetime) else ""
            self.connection.execute(f"ALTER TABLE files ADD COLUMN {quoted(key)} {named}")
            self.types[key] = named
            return key
        if not _fits(self.types[name], value) and name != self.key:
            spare = quoted(f"{name} with a type")
            self.connection.execute(f"ALTER TABLE files RENAME COLUMN {quoted(name)} TO {spare}")
            self.connection.execute(f"ALTER TABLE files ADD COLUMN {quoted(name)}")
            self.connection.execute(f"UPDATE files SET {quoted(name)} = {spare}")
            self.connection.execute(f"ALTER TABLE files DROP COLUMN {spare}")
            self.types[name] = ""
        return name

    def _kinds(self, uid: Any) -> dict[str, str]:
        if NOTES not in self.types:
            return {}
        query = f"SELECT {quoted(NOTES)} FROM files WHERE {quoted(self.unique)} = ?"
        found = self.connection.execute(query, (uid,)).fetchone()
        return _notes(found[0]) if found else {}

    def _read(self, row: Record) -> Record:
        kinds = _notes(row.pop(NOTES, None))
        return {name: self._restored(name, kinds.get(name), one) for name, one in row.items()}

    def _restored(self, name: str, kind: str | None, value: Any) -> Any:
        declared = self.types.get(name, "")
        if (kind == "bool" or declared == "BOOLEAN") and value in (0, 1, "True", "False"):
            return value in (1, "True")
        is_time = kind == "time" or declared == "DATETIME" or (name.startswith("__") and name.endswith(_TIMES))
        if is_time and isinstance(value, str):
            return rules.moment(value) or value
        if kind == "json" and isinstance(value, str):
            with suppress(ValueError):
                return json.loads(value)
        return value


def quoted(name: str) -> str:
    """A name of a column within a statement."""
    return '"' + name.replace('"', '""') + '"'


def _notes(text: Any) -> dict[str, str]:
    with suppress(ValueError, TypeError):
        return dict(json.loads(text))
    return {}


def _bound(value: Any) -> Any:
    if isinstance(value, int) and abs(value) >= 2**63:
        return str(value)  # SQLite holds no such number
    return value if isinstance(value, int | float | bytes | None) else rules.cell(value)


def _fits(declared: str, value: Any) -> bool:
    """True when a column of this type gives the value back as it is."""
    if value is None or declared in ("", "BLOB"):
        return True
    if declared == "BOOLEAN":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if declared == "DATETIME":
        return isinstance(value, datetime) or (isinstance(value, str) and rules.moment(value) is not None)
    if "INT" in declared:
        return isinstance(value, int)
    if any(word in declared for word in ("TEXT", "CHAR", "CLOB")):
        return isinstance(value, str | datetime)
    return isinstance(value, float) and any(word in declared for word in ("REAL", "FLOA", "DOUB"))

"""What is still to be shipped: bundles and their components, in an SQLite file of its own.

A bundle is open while components may come, then sealed. It is complete when it is sealed and every component is at its
place, and finished when the other side was told so: a bundle that is complete and not finished is outstanding work, so
a crash between the two is found again. Work is claimed under a lease by one conditional update.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from planet_assets.exceptions import AssetError, LibraryLocked, Misused
from planet_assets.library.owners import is_dead, this_process

BUSY_S = 60.0
"""Seconds to wait for another writer."""

TABLES = """
CREATE TABLE IF NOT EXISTS upload_state (
  asset_id TEXT NOT NULL, asset_type TEXT NOT NULL, component TEXT NOT NULL, local_path TEXT NOT NULL, size INTEGER,
  state TEXT NOT NULL, created_at TEXT NOT NULL, sha256 TEXT, PRIMARY KEY (asset_id, component));
CREATE TABLE IF NOT EXISTS upload_claim (
  asset_id TEXT NOT NULL, component TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, error TEXT, owner TEXT,
  until TEXT, not_before TEXT, PRIMARY KEY (asset_id, component));
CREATE TABLE IF NOT EXISTS upload_bundle (
  asset_id TEXT PRIMARY KEY, sealed_at TEXT, finished_at TEXT);
"""


@dataclass(frozen=True)
class Upload:
    """A component that needs uploading."""

    asset_id: str
    """Names the bundle."""
    asset_type: str
    """What it is: checkpoint, scene, ..."""
    component: str
    """Name of the file in the bundle."""
    local_path: str
    """Where its bytes lie."""
    state: str
    """PENDING, UPLOADING, COMPLETED or FAILED."""
    created_at: str
    """When it was registered, UTC."""


class Uploads:
    """The file behind an UploadTracker. Safe between threads and processes: each thread has a connection of its own."""

    def __init__(self, path: Path) -> None:
        """Open, and create or widen; rows of the tool it replaces are taken over as they are.

        Raises:
            AssetError: it is no such file.
        """
        self.path = path
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._write() as rows:
            for statement in filter(str.strip, TABLES.split(";")):
                rows.execute(statement)
            if "sha256" not in {row[1] for row in rows.execute("PRAGMA table_info(upload_state)")}:
                rows.execute("ALTER TABLE upload_state ADD COLUMN sha256 TEXT")
            # the other tool registered whole bundles, so what it left is sealed
            rows.execute(
                "INSERT INTO upload_bundle SELECT DISTINCT asset_id, created_at, NULL FROM upload_state"
                " WHERE asset_id NOT IN (SELECT asset_id FROM upload_bundle) GROUP BY asset_id"
            )

    def close(self) -> None:
        """Give back every connection; the next use opens anew."""
        while self._open:
            self._open.pop().close()
        self._local = threading.local()

    def register(
        self, bundle: str, kind: str, parts: Iterable[tuple[str, str, int | None]], *, now: datetime, seal: bool
    ) -> None:
        """Record components as PENDING in one step; what is shipped already and unchanged stays shipped.

        Raises:
            Misused: the bundle is sealed, and this would change its members.
        """
        rows = [(name, str(path), size) for name, path, size in parts]
        at = now.isoformat()
        with self._write() as table:
            sealed = table.execute("SELECT sealed_at FROM upload_bundle WHERE asset_id = ?", (bundle,)).fetchone()
            known = {
                name: (path, size, state)
                for name, path, size, state in table.execute(
                    "SELECT component, local_path, size, state FROM upload_state WHERE asset_id = ?", (bundle,)
                )
            }
            if sealed and sealed[0] and (more := [name for name, *_ in rows if name not in known]):
                raise Misused(
                    f"{bundle} is sealed and takes no {', '.join(more[:3])}.", hint="Ship it under another id."
                )
            for name, path, size in rows:
                if known.get(name) == (path, size, "COMPLETED"):
                    continue
                table.execute(
                    "INSERT OR REPLACE INTO upload_state VALUES (?, ?, ?, ?, ?, 'PENDING', ?, NULL)",
                    (bundle, kind, name, path, size, at),
                )
                table.execute("DELETE FROM upload_claim WHERE asset_id = ? AND component = ?", (bundle, name))
            table.execute("INSERT OR IGNORE INTO upload_bundle VALUES (?, NULL, NULL)", (bundle,))
            if any(known.get(name) != (path, size, "COMPLETED") for name, path, size in rows):
                table.execute("UPDATE upload_bundle SET finished_at = NULL WHERE asset_id = ?", (bundle,))
            if seal and rows:
                table.execute(
                    "UPDATE upload_bundle SET sealed_at = COALESCE(sealed_at, ?) WHERE asset_id = ?", (at, bundle)
                )

    def seal(self, bundle: str, *, now: datetime) -> None:
        """Fix the members of a bundle.

        Raises:
            Misused: it has none.
        """
        with self._write() as table:
            if not table.execute("SELECT 1 FROM upload_state WHERE asset_id = ?", (bundle,)).fetchone():
                raise Misused(f"{bundle} has no components, so it cannot be sealed.")
            table.execute(
                "UPDATE upload_bundle SET sealed_at = COALESCE(sealed_at, ?) WHERE asset_id = ?",
                (now.isoformat(), bundle),
            )

    def mark(
        self,
        bundle: str,
        part: str,
        state: str,
        *,
        now: datetime,
        owner: str | None = None,
        sha256: str | None = None,
        error: str | None = None,
    ) -> bool:
        """Move a component to a state and end its claim; False when nobody registered it.

        Raises:
            LibraryLocked: somebody else who is alive has claimed it, or, with an `owner`, that one holds no claim.
        """
        with self._write() as table:
            _refuse_other_owner(table, bundle, part, owner, now.isoformat())
            done = table.execute(
                "UPDATE upload_state SET state = ?, sha256 = COALESCE(?, CASE ? WHEN 'COMPLETED' THEN sha256 END)"
                " WHERE asset_id = ? AND component = ?",
                (state, sha256, state, bundle, part),
            ).rowcount
            if done and state != "UPLOADING":
                table.execute(
                    "INSERT INTO upload_claim (asset_id, component, attempts, error) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET owner = NULL, until = NULL, error = excluded.error,"
                    " attempts = attempts + excluded.attempts",
                    (bundle, part, int(state == "FAILED"), error),
                )
        return bool(done)

    def claim(self, owner: str, *, lease_s: float, now: datetime) -> Upload | None:
        """Take one outstanding component for `owner` alone, oldest first; None when nothing is free.

        A lease ends by itself, or with the process that holds it.
        """
        at, until = now.isoformat(), (now + timedelta(seconds=lease_s)).isoformat()
        with self._write() as table:
            holders = table.execute(
                "SELECT DISTINCT owner FROM upload_claim WHERE owner IS NOT NULL AND until > ?", (at,)
            )
            dead = [name for (name,) in holders.fetchall() if is_dead(name)]
            gone = f" OR c.owner IN ({', '.join('?' for _ in dead)})" if dead else ""
            found = table.execute(
                "SELECT s.asset_id, s.asset_type, s.component, s.local_path, 'UPLOADING', s.created_at"
                " FROM upload_state s LEFT JOIN upload_claim c USING (asset_id, component)"
                f" WHERE s.state <> 'COMPLETED' AND (c.until IS NULL OR c.until <= ?{gone})"
                " AND (c.not_before IS NULL OR c.not_before <= ?) ORDER BY s.created_at, s.rowid LIMIT 1",
                (at, *dead, at),
            ).fetchone()
            if found is None:
                return None
            claimed = Upload(*found)
            table.execute(
                "INSERT INTO upload_claim (asset_id, component, owner, until) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET owner = excluded.owner, until = excluded.until, not_before = NULL",
                (claimed.asset_id, claimed.component, owner, until),
            )
            table.execute(
                "UPDATE upload_state SET state = 'UPLOADING' WHERE asset_id = ? AND component = ?",
                (claimed.asset_id, claimed.component),
            )
        return claimed

    def put_off(self, bundle: str, part: str, until: datetime) -> None:
        """Let a component rest until a time."""
        with self._write() as table:
            table.execute(
                "UPDATE upload_claim SET not_before = ? WHERE asset_id = ? AND component = ?",
                (until.astimezone(UTC).isoformat(), bundle, part),
            )

    def finish(self, bundle: str, *, now: datetime) -> bool:
        """Note that the other side knows a complete bundle; True for the one call that was first."""
        with self._write() as table:
            return bool(
                table.execute(
                    "UPDATE upload_bundle SET finished_at = ? WHERE asset_id = ? AND finished_at IS NULL"
                    f" AND {_COMPLETE}",
                    (now.isoformat(), bundle),
                ).rowcount
            )

    def purge(self) -> int:
        """Forget bundles that are finished.

        Returns:
            How many.
        """
        done = "(SELECT asset_id FROM upload_bundle WHERE finished_at IS NOT NULL)"
        with self._write() as table:
            for name in ("upload_state", "upload_claim"):
                table.execute(f"DELETE FROM {name} WHERE asset_id IN {done}")
            return table.execute("DELETE FROM upload_bundle WHERE finished_at IS NOT NULL").rowcount

    def is_complete(self, bundle: str) -> bool:
        """True when it is sealed and every component is shipped; false for one that nobody knows."""
        return bool(self.rows(f"SELECT 1 FROM upload_bundle WHERE asset_id = ? AND {_COMPLETE}", bundle))

    def unfinished(self) -> list[str]:
        """Bundles that are complete and not finished, oldest first."""
        return [
            row[0]
            for row in self.rows(
                f"SELECT asset_id FROM upload_bundle WHERE finished_at IS NULL AND {_COMPLETE} ORDER BY sealed_at"
            )
        ]

    def outstanding(self) -> list[Upload]:
        """Components that are not shipped, oldest first."""
        return [
            Upload(*row)
            for row in self.rows(
                "SELECT asset_id, asset_type, component, local_path, state, created_at FROM upload_state"
                " WHERE state <> 'COMPLETED' ORDER BY created_at, rowid"
            )
        ]

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Answer of a reading statement; it sees whole transactions only."""
        with self._translated():
            return self._connection().execute(query, values).fetchall()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._translated():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            self._open.append(found)
            self._local.connection = found
            found.execute("PRAGMA journal_mode=WAL")
            found.execute("PRAGMA synchronous=FULL")
        return found

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise LibraryLocked(f"{self.path} is held by another process.", hint="Try again.") from None
            raise AssetError(f"{self.path} cannot be used: {error}.") from None
        except sqlite3.DatabaseError as error:
            raise AssetError(f"{self.path} cannot be used: {error}.", hint="Is it a tracker's file?") from None


def _refuse_other_owner(table: sqlite3.Connection, bundle: str, part: str, owner: str | None, at: str) -> None:
    claim = table.execute(
        "SELECT owner, until > ? FROM upload_claim WHERE asset_id = ? AND component = ?", (at, bundle, part)
    ).fetchone()
    holder, is_alive = claim or (None, 0)
    lost = owner is not None and holder != owner
    taken = holder not in (None, owner or this_process()) and is_alive and not is_dead(holder)
    if lost or taken:
        raise LibraryLocked(
            f"{part} of {bundle} is {'claimed by ' + holder if holder else 'not claimed any more'}.",
            hint="Its lease may have run out; leave it to the one who has it now.",
        )


_COMPLETE = (
    "sealed_at IS NOT NULL"
    " AND EXISTS (SELECT 1 FROM upload_state s WHERE s.asset_id = upload_bundle.asset_id)"
    " AND NOT EXISTS (SELECT 1 FROM upload_state s WHERE s.asset_id = upload_bundle.asset_id"
    " AND s.state <> 'COMPLETED')"
)

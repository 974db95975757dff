"""What a database says, as errors of ours: by what the caller can do about it, and never with a password."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from planet_assets.exceptions import AssetError, DiskProblem, LibraryAway, LibraryLocked, Misused

_CONTENDED = {"40001", "40P01", "55P03"}
"""Serialization failure, deadlock, lock timeout."""
_AWAY = {"08", "53", "57", "58"}
"""Connection lost, too many connections, shut down or starting up, trouble of its system."""
_REFUSED = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|does not exist|permission denied|certificate",
    re.IGNORECASE,
)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Database errors as ours; `where` is the library's address without a password."""
    try:
        yield
    except NoConnectionFree:
        raise _locked(where) from None
    except DBAPIError as error:
        ours = _sqlite(where, str(error.orig)) if "sqlite3" in _driver(error) else _server(where, error)
        if ours is None:
            raise
        raise ours from None


def _driver(error: DBAPIError) -> str:
    return type(error.orig).__module__


def _locked(where: str) -> AssetError:
    return LibraryLocked(f"The library {where} is held by another process.", hint="Try again.")


def _damaged(where: str, words: str) -> AssetError:
    return AssetError(
        f"The library {where} is damaged: {words}.",
        hint="Keep the file, restore a backup, or start a new one with PLANET_ASSETS_LIBRARY.",
    )


def _unwritable(where: str, words: str) -> AssetError:
    return DiskProblem(
        f"The library {where} cannot be used: {words}.",
        hint="Check that its disk is writable and has room, or set PLANET_ASSETS_LIBRARY to another file.",
    )


def _sqlite(where: str, words: str) -> AssetError | None:
    if "locked" in words or "busy" in words:
        return _locked(where)
    if "malformed" in words or "not a database" in words:
        return _damaged(where, words)
    if re.search(r"disk|unable to open|readonly|read-only|full", words):
        return _unwritable(where, words)
    if "no such table" in words:
        return _damaged(where, words)
    return None


def _server(where: str, error: DBAPIError) -> AssetError | None:
    code = getattr(error.orig, "sqlstate", None) or ""
    words = " ".join(str(error.orig).split()).rstrip(".")
    if code in _CONTENDED:
        return _locked(where)
    if code in ("53100", "25006"):  # its disk is full, or it is a read-only copy
        return _unwritable(where, words)
    if code.startswith("XX") or code == "42P01":  # or a table is gone
        return _damaged(where, words)
    if code == "42501" or code.startswith("28") or (not code and _REFUSED.search(words)):
        return Misused(
            f"The server refuses the library {where}: {words}.",
            hint="Check user, password, database and rights in PLANET_ASSETS_LIBRARY.",
            argument="library",
        )
    lost = not code and isinstance(error, OperationalError | InterfaceError)
    if error.connection_invalidated or code[:2] in _AWAY or lost:
        return LibraryAway(
            f"The library {where} does not answer: {words}.",
            hint="What was being recorded may or may not have been; `planet-assets resume` goes on from what was.",
        )
    return None

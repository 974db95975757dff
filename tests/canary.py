"""Canaries: the sandboxes' key and the tokens of their links must turn up nowhere that a user or a colleague looks.

Every sandbox of the suite has the same key, and its links carry signatures that show. After each test these are looked
for in what the test has left: databases and reports in its folder, rows on the server, log records of ours, and what
was captured while it ran.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

KEYS = ("PLAK" + "5a" * 14, "PLAKcafe0000canary0000cafe0000canary")
"""The key of every sandbox, and that of servers that answer by script."""

SONG = re.compile(rf"{'|'.join(KEYS)}|X-Goog-Signature=[0-9a-f]{{8}}|token=eyJ[\w-]{{8}}")
SEEN = (".db", ".db-wal", ".csv", ".svg", ".html", ".parquet", ".gpkg", ".log")
"""What is looked into: libraries and reports. A link is kept beside its part, for its owner only."""

heard: list[str] = []
"""Where a canary sang since this was last looked at."""


class Listener(logging.Handler):
    """Hears what we log, with its tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one record."""
        text = record.getMessage() + repr(record.args)
        if record.exc_info and record.exc_info[1] is not None:
            text += "".join(traceback.format_exception(record.exc_info[1]))
        look(f"a log record of {record.name}", text)


def listen() -> None:
    """From now on, at every level."""
    ours = logging.getLogger("planet_assets")
    ours.addHandler(Listener())
    ours.setLevel(logging.DEBUG)


def look(where: str, text: str) -> None:
    """Note a canary in a text."""
    if SONG.search(text):
        heard.append(where)


def look_into(folder: Path) -> None:
    """Note every file in which one sings."""
    for path in folder.rglob("*"):
        if path.name.endswith(SEEN) and path.is_file() and not path.is_symlink():
            look(str(path), path.read_bytes().decode("latin-1"))


def look_through(rows: Iterable[Any], where: str) -> None:
    """Note rows in which one sings."""
    for row in rows:
        look(where, str(row))


def taken() -> list[str]:
    """What was heard, once."""
    places = list(dict.fromkeys(heard))
    heard.clear()
    return places

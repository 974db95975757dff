"""Whether the canaries of the suite would be heard: in a row, a report, a log record, a traceback, on a server."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

import canary
import pytest
from scripted import CANARY

from planet_assets.sandbox.config import DEFAULT_KEY

LEAKS = [*canary.KEYS, "https://x/y?X-Goog-Signature=0123456789abcdef", "https://x/download?token=eyJhbGciOiJIUzUxMiJ9"]


def test_the_keys_of_the_suite_are_canaries() -> None:
    assert canary.KEYS == (DEFAULT_KEY, CANARY)


def _in_a_row(folder: Path, leak: str) -> None:
    with sqlite3.connect(folder / "library.db") as connection:
        connection.execute("CREATE TABLE t (a TEXT)")
        connection.execute("INSERT INTO t VALUES (?)", [f'{{"location": "{leak}"}}'])
    connection.close()


def _in_a_report(folder: Path, leak: str) -> None:
    (folder / "ledger.csv").write_text(f"by,what\nme,{leak}\n")


def _in_a_record(folder: Path, leak: str) -> None:
    logging.getLogger("planet_assets.of.tests").debug("asked %s", leak)


def _in_a_traceback(folder: Path, leak: str) -> None:
    try:
        raise ValueError(leak)
    except ValueError:
        logging.getLogger("planet_assets.of.tests").exception("it broke")


def _in_what_is_said(folder: Path, leak: str) -> None:
    canary.look("stdout", f"went to {leak}")


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("where", [_in_a_row, _in_a_report, _in_a_record, _in_a_traceback, _in_what_is_said])
def test_a_leak_is_heard(tmp_path: Path, where: Callable[[Path, str], None], leak: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    where(folder, leak)
    canary.look_into(folder)
    for left in folder.iterdir():
        left.unlink()
    assert len(canary.taken()) == 1


def test_a_row_on_a_server_is_heard(postgres_address: str) -> None:
    import psycopg

    with psycopg.connect(postgres_address) as connection:
        connection.execute("CREATE TABLE t (a JSON)")
        connection.execute("INSERT INTO t VALUES (%s)", [f'{{"a": "{canary.KEYS[0]}"}}'])
        canary.look_through(connection.execute("SELECT t::text FROM t t").fetchall(), "the table t")
        connection.execute("DROP TABLE t")
    assert canary.taken() == ["the table t"]

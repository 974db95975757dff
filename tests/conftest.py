"""Fixtures of more than one suite: a PostgreSQL database, and a library's address on each engine."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import canary
import pytest

if TYPE_CHECKING:
    from postgres import Cluster


LONGEST = ("test_money", "test_crash", "test_docs", "test_orders_detached", "test_cli_fetch", "test_wiki")
"""Files that take longest begin first, so that no worker is left alone with one of them."""


ROOMY_BYTES = 4 * 2**30


def pytest_configure() -> None:
    """What tests write lies in memory where there is room: a disk flushes thousands of times in a run."""
    memory = Path("/dev/shm")
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < ROOMY_BYTES:
        return
    os.environ["TMPDIR"] = tempfile.tempdir = str(memory)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; the order within a file stays."""
    turn = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: turn.get(item.path.stem, len(turn)))


@contextlib.contextmanager
def _needed() -> Iterator[None]:
    """A server that cannot be had fails in CI and skips elsewhere."""
    import postgres

    try:
        yield
    except postgres.Missing as error:
        pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(str(error))


@pytest.fixture
def postgres_address() -> Iterator[str]:
    """The address of a fresh database on the session's server."""
    import postgres

    with _needed():
        cluster = postgres.shared()
    with cluster.database() as address:
        yield address


@pytest.fixture
def postgres_cluster() -> Iterator[Cluster]:
    """A server of its own, for a test that stops it."""
    import postgres

    with _needed():
        postgres.programs()
    with postgres.cluster() as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def library_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new library may lie, on each engine in turn."""
    if request.param == "sqlite":
        return str(tmp_path / "library.db")
    address: str = request.getfixturevalue("postgres_address")
    return address


# Canaries


def pytest_sessionstart() -> None:
    """Hear what is logged from the beginning."""
    canary.listen()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """When all is closed, look through what the test has left."""
    yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if folder is not None:
        canary.look_into(folder)
    if places := canary.taken():
        pytest.fail(f"a key or the token of a link is in {', '.join(places)}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at what was captured; of logs, ours are listened to, and others' show whatever a server says."""
    report = yield
    for title, text in report.sections:
        if "log" not in title:
            canary.look(title, text)
    if report.failed:
        canary.heard.clear()  # pytest shows a failed test's own variables
    return report

"""Fixtures of more than one suite: a PostgreSQL database, and a library's address on each engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def postgres_address() -> Iterator[str]:
    """The address of a fresh database; fails in CI and skips elsewhere when no server can be had."""
    import postgres

    try:
        cluster = postgres.shared()
    except postgres.Missing as error:
        pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(str(error))
    with cluster.database() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def library_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new library may lie, on each engine in turn."""
    if request.param == "sqlite":
        return str(tmp_path / "library.db")
    address: str = request.getfixturevalue("postgres_address")
    return address

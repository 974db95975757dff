"""What was said of assets that come file by file: a record each, changed under the library's write lock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from planet_assets.exceptions import Gone
from planet_assets.library.engine import Library, alone
from planet_assets.library.schema import kv

PREFIX = "asset:"
Record = dict[str, Any]


def add(library: Library, asset_id: str, record: Mapping[str, Any]) -> None:
    """Write the record of a new asset."""
    with library.write() as connection:
        connection.execute(sa.insert(kv).values(key=f"{PREFIX}{asset_id}", value=json.dumps(dict(record))))


def get(library: Library, asset_id: str) -> Record:
    """The record of an asset.

    Raises:
        Gone: there is none.
    """
    with library.read() as connection:
        return _get(connection, asset_id)


def change(library: Library, asset_id: str, step: Callable[[Record], Record]) -> Record:
    """Replace a record by what a function makes of it, while nobody else can.

    Raises:
        Gone: there is none.
    """
    with library.write() as connection:
        alone(connection)
        fresh = step(_get(connection, asset_id))
        connection.execute(sa.update(kv).where(kv.c.key == f"{PREFIX}{asset_id}").values(value=json.dumps(fresh)))
        return fresh


def every(library: Library) -> list[Record]:
    """All records, the newest first."""
    with library.read() as connection:
        rows = connection.execute(sa.select(kv.c.value).where(kv.c.key.startswith(PREFIX, autoescape=True))).scalars()
        return sorted((json.loads(text) for text in rows), key=lambda one: one["created_at"], reverse=True)


def _get(connection: sa.Connection, asset_id: str) -> Record:
    query = sa.select(kv.c.value).where(kv.c.key == f"{PREFIX}{asset_id}")
    text = connection.execute(query).scalar_one_or_none()
    if text is None:
        raise Gone(f"There is no asset {asset_id[:64]}.")
    found: Record = json.loads(text)
    return found

"""The library over both of its engines: what is written is read, and the schema is what the tables say."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from planet_assets.library import accounts, schema
from planet_assets.library.engine import HEAD, Library


@pytest.fixture
def library(library_address):
    made = Library(library_address)
    yield made
    made.close()


def test_a_new_library_has_every_table(library):
    with library.read() as connection:
        assert set(schema.metadata.tables) | {"alembic_version"} == set(sa.inspect(connection).get_table_names())
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == HEAD


def test_small_things_are_kept_by_name(library):
    accounts.keep(library, "a", {"b": [1, 2.5, None, "x"]})
    assert accounts.kept(library, "a") == {"b": [1, 2.5, None, "x"]}

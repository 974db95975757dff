"""Brings a library to the present schema, step by step, with alembic."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Run the migrations that are missing, in one transaction.

    Two processes may both find a new library: the second waits for the first and then finds nothing to do.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7211001)"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

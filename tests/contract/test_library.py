"""The library over both of its engines: what is written is read, and every earlier schema comes up to the present."""

from __future__ import annotations

import json
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import making
import pytest
import shapely
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from shapely.geometry import box

from planet_assets.exceptions import Misused
from planet_assets.library import accounts, copies, ground, items, saving, schema
from planet_assets.library import jobs as job_rows
from planet_assets.library.engine import HEAD, Library
from planet_assets.library.migrations import upgrade
from planet_assets.model.event import Created

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
STEPS = Path(upgrade.__code__.co_filename).parent
MOMENT = "2025-01-01T10:30:32.403024Z"


def revisions():
    config = Config()
    config.set_main_option("script_location", str(STEPS))
    return [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()][::-1]


@pytest.fixture
def library(library_address):
    made = Library(library_address)
    yield made
    made.close()


def engine_of(address):
    url = address.replace("postgresql://", "postgresql+psycopg://") if "://" in address else f"sqlite:///{address}"
    return sa.create_engine(url)


def sample(column):
    """Something that fits; references meet, since every number is 1 and every text the same."""
    if isinstance(column.type, sa.String):
        return MOMENT[: column.type.length] if column.type.length else MOMENT
    if isinstance(column.type, sa.LargeBinary):
        return b"1"
    return 1.5 if isinstance(column.type, sa.Float | sa.Double) else 1


def contents(engine):
    """Table -> its rows, as the database has them."""
    tables = sa.MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in tables.sorted_tables
            if table.name != "alembic_version"
        }


@pytest.mark.parametrize("revision", revisions())
def test_every_earlier_schema_comes_up_and_keeps_its_rows(library_address, revision):
    engine = engine_of(library_address)
    upgrade(engine, revision)
    tables = sa.MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                connection.execute(sa.insert(table).values({column.name: sample(column) for column in table.c}))
    before = contents(engine)
    assert before and all(len(rows) == 1 for rows in before.values())
    Library(library_address).close()
    after = contents(engine)
    if row := before.pop("listed", None):
        bulk, segment = after["listing_segment"]
        assert (bulk["kind"], segment["kind"], bulk["ids"]) == ("bulk", "gone", segment["ids"])
        assert [json.loads(segment[name]) for name in ("ids", "prints", "documents", "firsts", "moments")] == [
            [row[0][name]] for name in ("id", "fingerprint", "document", "first_seen", "gone_at")
        ]
    for table, [row] in before.items():
        assert [{name: kept[name] for name in row} for kept in after[table]] == [row]
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == HEAD
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_two_may_make_a_new_library_at_once(library_address):
    with ThreadPoolExecutor(4) as threads:
        for made in threads.map(lambda _: Library(library_address), range(4)):
            made.close()
    Library(library_address).close()


def test_a_newer_library_is_refused(library, library_address):
    with library.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Misused, match="written by a newer planet_assets"):
        Library(library_address)


def test_the_tables_of_another_program_are_left_alone(library_address):
    engine = engine_of(library_address)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE job (id INTEGER PRIMARY KEY)"))
    with pytest.raises(Misused, match="tables of another program"):
        Library(library_address)
    assert set(contents(engine)) == {"job"}
    engine.dispose()


def test_small_things_are_kept_by_name(library):
    for value in ({"b": [1, 2.5, None, "x"]}, "0.0", "20220617_100823_37_2465", None):
        accounts.keep(library, "a", value)
        assert accounts.kept(library, "a") == value


def test_text_is_never_cut_nor_cast(library):
    name, folder = "0.0 20220617_100823 日本 " * 40, "/" + "deep/" * 200
    job = making.job(path=f"{folder}{name}.tif", account=name, scene_id="007")
    [job] = job_rows.add(library, [(job, [Created(at=NOW, km2=0.0)])], owner=name, by=name, now=NOW)
    assert job_rows.get(library, job.id) == job
    assert (job.account, job.scene_id) == (name, "007")
    with library.write() as connection:
        for _ in range(2):
            copies._write(connection, job, Path(job.path), cut="", digest="d", verified_by="md5", at=NOW)
    [found] = copies.at(library, [Path(job.path)]).values()
    assert found.key == ("PSScene", "007", "ortho_analytic_4b")


def test_scenes_are_remembered_by_many_at_once(library):
    known = [(making.item(f"s{number}"), '{"id": 1}') for number in range(50)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda turn: items.remember(library, known[:: 1 if turn % 2 else -1], now=NOW), range(8)))
    assert items.feature(library, "PSScene", "s7") == {"id": 1}


def test_reading_waits_for_nobody(library, library_address):
    other = Library(library_address)
    accounts.keep(library, "a", 1)
    with library.write() as connection:
        accounts.write_kept(connection, "a", 2)
        assert accounts.kept(other, "a") == 1
    assert accounts.kept(other, "a") == 2
    other.close()


@pytest.mark.skipif(os.name == "nt", reason="a file in use cannot be written there")
@pytest.mark.parametrize("damage", ["another file", "half", "zeros in the middle", "another program's"])
def test_a_damaged_file_is_said_to_be(tmp_path, damage):
    from planet_assets.exceptions import AssetError

    path = tmp_path / "library.db"
    made = Library(path)
    known = [(making.item(f"s{number}"), "x" * 900) for number in range(300)]
    items.remember(made, known, now=NOW)
    made.close()
    whole = path.read_bytes()
    if damage == "another file":
        path.write_bytes(b"II*\0" + os.urandom(9000))
    elif damage == "half":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "zeros in the middle":
        path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    else:
        path.unlink()
        sqlite3.connect(path).execute("CREATE TABLE moz_places (id INTEGER)").connection.close()
    left = path.read_bytes()
    with pytest.raises(AssetError, match=r"is damaged|another program") as said:
        opened = Library(path)
        try:
            items.feature(opened, "PSScene", "s7")
        finally:
            opened.close()
    assert str(path) in str(said.value) and said.value.hint
    assert path.read_bytes() == left


def test_ground_that_was_unlocked_moves_and_merges_with_the_rest(library, tmp_path):
    west, both = box(9, 45, 9.1, 45.1), box(9, 45, 9.2, 45.1)
    other = Library(tmp_path / "other.db")
    for library_, account, ground_ in ((library, "key:old", west), (other, "us", both)):
        row = {"account": account, "term": "2025", "wkb": shapely.to_wkb(ground_), "revision": 0}
        with library_.write() as connection:
            connection.execute(sa.insert(schema.ground).values(row))
    accounts.merge(library, "key:old", "us")
    assert ground.unlocked(library, "us", "2025").equals(west)
    assert ground.unlocked(library, "key:old", "2025").is_empty
    other.close()
    assert saving.merge(library, tmp_path / "other.db")["ground"] == 1
    assert ground.unlocked(library, "us", "2025").equals(both)
    assert saving.merge(library, tmp_path / "other.db")["ground"] == 0

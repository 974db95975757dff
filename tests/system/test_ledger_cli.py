"""The ledger from the command line and from the manager: shown, exported, drawn, compared with Planet, rebuilt."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
import sandboxes
import sqlalchemy as sa
from commands import Desk

from planet_assets import AssetManager
from planet_assets.cli.main import run
from planet_assets.flow.clock import VirtualClock
from planet_assets.library import accounts, engine, ledger, migrations, spends
from planet_assets.library.engine import Library
from planet_assets.model.quota import QuotaInfo
from planet_assets.model.spend import Foreign
from planet_assets.planet.auth import PlanetAuth

# rasterio silences this warning by itself, but not safely where several threads do so at once.
pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

MIDMONTH = datetime(2026, 11, 18, 10, tzinfo=UTC)


@pytest.fixture
def visitor(tmp_path, monkeypatch):
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(tmp_path / "config.toml"))
    with sandboxes.visited(start=MIDMONTH) as found:
        yield found


def settings(visitor, folder, name="library.db"):
    return {
        "library": str(folder / name),
        "planet": {"api_url": visitor.sandbox.url},
        "rate_limits": {"search": 1000, "activation": 1000, "download": 1000, "orders": 1000},
        "retry_delay": 0.01,
        "output_dir": str(folder / "files"),
    }


def scene(visitor):
    return next(one for one in visitor.items() if "ortho_analytic_4b" in one["assets"])


def billed(visitor):
    return sum(one["km2"] for one in visitor.http.get("/sandbox/charges").json())


def spend_elsewhere(visitor, km2):
    visitor.http.post("/sandbox/spend", json={"km2": km2, "name": "Explorer"}).raise_for_status()


def play(visitor, folder, story, *, clock=None, key=None, **more):
    async def main():
        config = settings(visitor, folder, **more)
        now = clock or VirtualClock(MIDMONTH + timedelta(minutes=1))
        async with AssetManager(key or visitor.sandbox.key, config, name="night.py", clock=now) as manager:
            return await story(manager)

    return asyncio.run(main())


def test_show_export_and_picture(visitor, tmp_path, monkeypatch, capsys):
    one = scene(visitor)

    async def fetch(manager):
        (job,) = await manager.activate_and_download_assets([one], confirm_download=False)
        return job.spent_km2

    spent = play(visitor, tmp_path, fetch)
    monkeypatch.setenv("PLANET_ASSETS_LIBRARY", str(tmp_path / "library.db"))
    monkeypatch.delenv("PL_API_KEY", raising=False)

    def typed(*words):
        code = run([str(word) for word in words])
        return code, capsys.readouterr().out

    picture = tmp_path / "month.svg"
    code, out = typed("ledger", "show", "--json", "--month", "2026-11", "--picture", picture)
    assert code == 0
    document = json.loads(out)
    assert document["account"] == "301722"
    assert document["spent_km2"] == pytest.approx(spent)
    assert [row["kind"] for row in document["rows"]] == ["reserve", "commit"]
    assert {(row["item_id"], row["by"], row["certainty"]) for row in document["rows"]} <= {
        (one["id"], "night.py", "confirmed"),
        (one["id"], "night.py", "assumed"),
    }
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    text = typed("ledger", "show", "--month", "2026-11", "--text")[1]
    assert "night.py" in text and one["id"] in text and "total" in text
    assert json.loads(typed("ledger", "show", "--json", "--month", "2026-10")[1])["rows"] == []
    rows = list(csv.DictReader(io.StringIO(typed("ledger", "export")[1])))
    assert sum(float(row["spent_km2"]) for row in rows) == pytest.approx(spent)
    assert json.loads(typed("ledger", "export", "--format", "json")[1])["rows"][0]["item_id"] == one["id"]
    assert typed("ledger", "show", "--account", "nobody")[0] == 2
    assert typed("ledger", "show", "--month", "soon")[0] == 2
    stated = json.loads(typed("ledger", "budget", "--json", "--daily", "500", "--reserve", "0.1")[1])["budgets"]
    assert stated[0]["daily_km2"] == 500.0
    assert "500 km² a day, 10% of the limit kept back" in typed("ledger", "budget", "--text")[1]
    assert "No budgets." in typed("ledger", "budget", "--text", "--forget", stated[0]["stated_by"])[1]


def test_the_spending_of_others_is_pending_and_never_counted_twice(visitor, tmp_path):
    one = scene(visitor)

    async def fetch(manager):
        await manager.activate_and_download_assets([one], confirm_download=False)

    play(visitor, tmp_path, fetch)
    spend_elsewhere(visitor, 120.0)

    async def compare(manager):
        before = await manager.get_quota_info()
        looked = await manager.reconcile(dry_run=True)
        assert (looked.booked, sum(entry.km2 for entry in looked.found)) == (False, pytest.approx(120.0, rel=1e-3))
        first = await manager.reconcile()
        second = await manager.reconcile()
        after = await manager.get_quota_info()
        assert sum(entry.km2 for entry in first.found) == pytest.approx(120.0, rel=1e-3)
        assert second.found == ()
        assert after.pending_km2 - before.pending_km2 == pytest.approx(120.0, rel=1e-3)
        assert first.drift.word == "agrees"
        (row,) = [row for row in spends.listed(manager.library) if row.is_foreign]
        assert row.rule.startswith("foreign order ") and row.certainty == "confirmed"
        assert row.note == "Explorer"

    play(visitor, tmp_path, compare)


def test_our_own_orders_are_not_the_spending_of_others(visitor, tmp_path):
    one = scene(visitor)
    xs, ys = zip(*one["geometry"]["coordinates"][0], strict=True)
    x, y = sum(xs[:-1]) / (len(xs) - 1), sum(ys[:-1]) / (len(ys) - 1)
    ring = [
        [x - 0.02, y - 0.02],
        [x + 0.02, y - 0.02],
        [x + 0.02, y + 0.02],
        [x - 0.02, y + 0.02],
        [x - 0.02, y - 0.02],
    ]
    roi = {"type": "Polygon", "coordinates": [ring]}

    async def order(manager):
        (job,) = await manager.activate_and_download_assets(
            [one], clip_to_roi=roi, delivery="orders", confirm_download=False
        )
        assert job.downloaded_file_path is not None, job.error_message
        found = await manager.reconcile()
        return job.spent_km2, found

    spent, found = play(visitor, tmp_path, order)
    assert spent == pytest.approx(billed(visitor), rel=1e-3)
    assert found.found == () and found.drift.word == "agrees"

    async def rebuild(manager):
        return sum(entry.km2 for entry in (await manager.reconcile()).found)

    assert play(visitor, tmp_path, rebuild, name="lost.db") == pytest.approx(spent, rel=1e-3)


def test_a_drift_is_named_and_written_only_when_accepted(visitor, tmp_path):
    visitor.http.post("/sandbox/spend", json={"km2": 75.0, "name": "Explorer"}).raise_for_status()
    visitor.http.post("/sandbox/clock", json={"advance_s": 5 * 86400}).raise_for_status()
    clock = VirtualClock(MIDMONTH + timedelta(days=5))
    without = datetime(2026, 11, 22, tzinfo=UTC)  # later than the order, which stays unseen so

    async def compare(manager):
        found = await manager.reconcile(since=without)
        assert (found.drift.word, found.drift.km2) == ("planet_more", pytest.approx(75.0, rel=1e-3))
        assert not spends.listed(manager.library)
        before = await manager.get_quota_info()
        taken = await manager.reconcile(since=without, accept="Explorer, last week")
        assert taken.adjusted_km2 == pytest.approx(75.0, rel=1e-3)
        (row,) = spends.listed(manager.library)
        assert (row.kind, row.note, row.by) == ("adjust", "Explorer, last week", "night.py")
        after = await manager.get_quota_info()
        assert after.remaining_area_km2 == pytest.approx(before.remaining_area_km2)
        assert (await manager.reconcile(since=without)).drift.word == "agrees"

    play(visitor, tmp_path, compare, clock=clock)


def test_a_lost_ledger_is_rebuilt_from_orders(visitor, tmp_path):
    for km2 in (30.0, 45.0):
        spend_elsewhere(visitor, km2)

    async def rebuild(manager):
        found = await manager.reconcile(since=datetime(2026, 11, 1, tzinfo=UTC))
        return sum(entry.km2 for entry in found.found), ledger.balance(manager.library)[1]

    first = play(visitor, tmp_path, rebuild, name="one.db")
    again = play(visitor, tmp_path, rebuild, name="two.db")
    assert first == again == (pytest.approx(75.0, rel=1e-3), pytest.approx(75.0, rel=1e-3))


def test_two_processes_that_reconcile_at_once_count_once(visitor, tmp_path):
    spend_elsewhere(visitor, 50.0)

    async def compare(manager):
        await manager.reconcile()

    threads = [threading.Thread(target=play, args=(visitor, tmp_path, compare)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    library = Library(tmp_path / "library.db")
    assert ledger.balance(library)[1] == pytest.approx(50.0, rel=1e-3)
    library.close()


def test_reconcile_from_the_command_line_with_a_report(visitor, tmp_path):
    desk = Desk(tmp_path, visitor.sandbox)
    today = desk.run("ledger", "reconcile").json()
    assert today["drift"]["word"] in ("agrees", "planet_more")
    day = datetime.now(UTC).date()
    (tmp_path / "usage.csv").write_text(f"Date,Item ID,Area (sq km)\n{day},20260101_a,12.5\n")
    found = desk.run("ledger", "reconcile", "--report", "usage.csv", "--text")
    assert "20260101_a: the report says 12.50 km², the ledger 0 km²" in found.out
    for wrong in (["--accept"], ["--since", "someday"], ["--report", "none.csv"]):
        assert run(["ledger", "reconcile", *wrong]) == 2


def test_a_reset_key_does_not_orphan_the_ledger(visitor, tmp_path):
    async def fetch(manager):
        await manager.activate_and_download_assets([scene(visitor)], confirm_download=False)
        return await manager.get_quota_info()

    old = visitor.sandbox.key
    before = play(visitor, tmp_path, fetch)
    key = visitor.http.post("/sandbox/key").json()["key"]

    async def look(manager):
        return await manager.get_quota_info()

    after = play(visitor, tmp_path, look, key=key)
    assert PlanetAuth(key).digest != PlanetAuth(old).digest
    assert (after.account, after.pending_km2) == (before.account, pytest.approx(before.pending_km2))
    assert after.pending_km2 == pytest.approx(billed(visitor), rel=1e-3)


def test_a_key_that_counted_alone_brings_its_ledger_along_without_counting_twice(tmp_path):
    library = Library(tmp_path / "library.db")
    one = Foreign(key="order:o/i/0", at=MIDMONTH, km2=5.0, rule="foreign order o (confirmed)")
    two = Foreign(key="order:p/i/0", at=MIDMONTH, km2=7.0, rule="foreign order p (confirmed)")
    spends.book(library, "301722", [one], by="a")
    spends.book(library, "key:d", [one, two], by="b")
    accounts.adopt(library, "d", "301722")
    assert ledger.balance(library, "301722")[1] == 12.0
    accounts.adopt(library, "d", "301722")
    assert ledger.balance(library, "301722")[1] == 12.0
    library.close()


def test_a_library_at_0001_is_brought_up_with_its_rows(tmp_path):
    path = tmp_path / "library.db"
    old = sa.create_engine(f"sqlite:///{path}")
    migrations.upgrade(old, "0001")
    values = {"account": "301722", "at": "2026-11-18T10:00:00.000000Z", "kind": "commit", "held": 0.0, "spent": 12.5}
    with old.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO ledger (account, at, kind, held_km2, spent_km2, rule, by) "
                "VALUES (:account, :at, :kind, :held, :spent, 'full footprint (confirmed)', 'old.py')"
            ),
            values,
        )
        connection.execute(sa.text("INSERT INTO kv (key, value) VALUES ('alias:d', '\"301722\"')"))
    old.dispose()
    library = Library(path)
    (row,) = spends.listed(library)
    assert (row.account, row.at, row.spent_km2, row.by, row.key) == ("301722", MIDMONTH, 12.5, "old.py", None)
    assert accounts.account_of_key(library, "d") == "301722"
    with library.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == engine.HEAD
        assert connection.execute(sa.text("SELECT count(*) FROM queue")).scalar() == 0
    ledger.declare(library, QuotaInfo(account="301722", limit_km2=20.0, used_km2=0.0, source="planet", as_of=MIDMONTH))
    assert ledger.quota_of(library, "301722", MIDMONTH).remaining_area_km2 == 7.5
    library.close()


def test_migrations_and_the_present_schema_agree(tmp_path):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    library = Library(tmp_path / "library.db")
    with library.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), engine.schema.metadata) == []
    library.close()

"""Budgets hold for every script on a library, whoever stated them, and name themselves when they refuse."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sandboxes

from planet_assets import AssetManager
from planet_assets.exceptions import OverQuota
from planet_assets.flow.clock import VirtualClock
from planet_assets.library import budgets as budget_rows
from planet_assets.library import ledger
from planet_assets.library.engine import Library
from planet_assets.model.quota import Budget, QuotaInfo
from planet_assets.rules.charges import commit, reserve
from planet_assets.view.text import confirmation_dialog, quota_lines

NOW = datetime(2026, 11, 18, 10, tzinfo=UTC)
ACCOUNT = "301722"


@pytest.fixture
def library(library_address):
    opened = Library(library_address)
    ledger.declare(opened, QuotaInfo(account=ACCOUNT, limit_km2=3000.0, used_km2=0.0, source="planet", as_of=NOW))
    yield opened
    opened.close()


def spend(library, km2, at=NOW):
    with library.write() as connection:
        ledger.take(connection, ACCOUNT, km2, now=at)
        entries = [reserve(km2, "test"), commit(km2, "test")]
        ledger.write(connection, ACCOUNT, entries, at=at, job_id=None, batch_id=None, by="test")


def hold(library, km2, at=NOW):
    with library.write() as connection:
        ledger.take(connection, ACCOUNT, km2, now=at)
        ledger.write(connection, ACCOUNT, [reserve(km2, "test")], at=at, job_id=None, batch_id=None, by="test")


def test_a_day_ends_at_midnight_utc_and_a_week_on_sunday(library):
    budget_rows.state(library, ACCOUNT, {"night.py": Budget(daily_km2=500, weekly_km2=800)})
    spend(library, 380)
    with pytest.raises(OverQuota, match="the daily budget of 500 km² leaves 120 km²") as refused:
        spend(library, 121)
    assert (refused.value.budget, refused.value.shortfall_km2) == ("daily", pytest.approx(1))
    assert "night.py" in str(refused.value)
    spend(library, 120)
    spend(library, 300, at=NOW + timedelta(days=1))
    with pytest.raises(OverQuota) as refused:
        spend(library, 10, at=NOW + timedelta(days=2))
    assert refused.value.budget == "weekly"
    spend(library, 10, at=NOW + timedelta(days=5))  # Monday


def test_held_counts_on_every_day(library):
    budget_rows.state(library, ACCOUNT, {"night.py": Budget(daily_km2=500)})
    hold(library, 400)
    for day in (0, 1):
        with pytest.raises(OverQuota) as refused:
            spend(library, 200, at=NOW + timedelta(days=day))
        assert refused.value.shortfall_km2 == pytest.approx(100)


def test_the_reserve_counts_what_planet_posted(library):
    budget_rows.state(library, ACCOUNT, {"night.py": Budget(reserve_share=0.2)})
    said = QuotaInfo(account=ACCOUNT, limit_km2=3000.0, used_km2=2300.0, source="planet", as_of=NOW)
    ledger.declare(library, said)
    with pytest.raises(OverQuota, match="monthly reserve of 600 km² leaves 100 km²") as refused:
        spend(library, 150)
    assert (refused.value.budget, refused.value.shortfall_km2) == ("reserve", pytest.approx(50))
    spend(library, 100)


def test_a_budget_holds_when_the_quota_is_unknown(library):
    budget_rows.state(library, "mine", {"night.py": Budget(daily_km2=50)})
    with library.write() as connection:
        ledger.take(connection, "mine", 50, now=NOW, allow_unknown=True)
        with pytest.raises(OverQuota):
            ledger.take(connection, "mine", 51, now=NOW, allow_unknown=True)


def test_the_strictest_holds_and_is_taken_back_by_who_stated_it(library):
    budget_rows.state(library, ACCOUNT, {"a.py": Budget(daily_km2=500), "b.py": Budget(daily_km2=100)})
    with pytest.raises(OverQuota):
        spend(library, 101)
    budget_rows.state(library, ACCOUNT, {"b.py": None})
    spend(library, 101)


def test_a_foreign_spend_stops_no_script(library):
    budget_rows.state(library, ACCOUNT, {"a.py": Budget(daily_km2=500)})
    with library.write() as connection:
        row = commit(0, "x")
        foreign = type(row)(kind="adjust", held_km2=0.0, spent_km2=450.0, rule="foreign order x (confirmed)")
        ledger.write(connection, ACCOUNT, [foreign], at=NOW, job_id=None, batch_id=None, by="reconcile")
    spend(library, 500)


def test_threads_that_race_never_pass_a_budget(library):
    budget_rows.state(library, ACCOUNT, {"a.py": Budget(daily_km2=100)})
    granted = []

    def take():
        for _ in range(10):
            try:
                spend(library, 7)
            except OverQuota:
                continue
            granted.append(7)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 98


def settings(sandbox, folder, **quota):
    return {
        "library": str(folder / "library.db"),
        "planet": {"api_url": sandbox.url},
        "rate_limits": {"search": 1000, "activation": 1000, "download": 1000},
        "retry_delay": 0.01,
        "output_dir": str(folder / "files"),
        "quota": quota,
    }


def test_a_setting_binds_other_scripts_and_shows_in_the_dialog(tmp_path, monkeypatch):
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(tmp_path / "config.toml"))

    async def story(visitor):
        sandbox = visitor.sandbox
        clock = VirtualClock(NOW)
        scene = visitor.item()
        async with AssetManager(
            sandbox.key, settings(sandbox, tmp_path, daily_limit_km2=120.0), name="night.py", clock=clock
        ) as first:
            quota = await first.get_quota_info()
            assert [room.left_km2 for room in quota.budgets] == [120.0]
            assert not quota.can_download(121)
            assert "the daily budget of 120 km² leaves 120 km²" in quota_lines(quota, clock.now())
        async with AssetManager(sandbox.key, settings(sandbox, tmp_path), name="day.py", clock=clock) as second:
            plan = await second.plan([scene])
            assert (plan.verdict.word, plan.verdict.budget) == ("over", "daily")
            assert "the daily budget of 120 km² leaves 120 km²" in " ".join(confirmation_dialog(plan).split())
            with pytest.raises(OverQuota, match=r"quota exceeded.*night\.py") as refused:
                await second.run(plan, confirm=False)
            assert refused.value.budget == "daily"
            assert refused.value.shortfall_km2 == pytest.approx(plan.impact.area_km2 - 120)
        assert not [one for one in visitor.http.get("/sandbox/charges").json() if one["km2"]]

    with sandboxes.visited() as visitor:
        asyncio.run(story(visitor))


def test_a_changed_settings_file_counts_at_once(tmp_path, monkeypatch):
    path = tmp_path / "config.toml"
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(path))

    async def left(sandbox, name):
        async with AssetManager(sandbox.key, settings(sandbox, tmp_path), name=name) as manager:
            return [(room.name, room.limit_km2) for room in (await manager.get_quota_info()).budgets]

    with sandboxes.running() as sandbox:
        path.write_text("[quota]\ndaily_limit_km2 = 500\nmonthly_reserve_fraction = 0.25\n")
        assert asyncio.run(left(sandbox, "a.py")) == [("daily", 500.0), ("reserve", 25_000.0)]
        path.write_text("[quota]\ndaily_limit_km2 = 900\n")
        assert asyncio.run(left(sandbox, "b.py")) == [("daily", 900.0)]
        path.write_text("")
        assert asyncio.run(left(sandbox, "c.py")) == []

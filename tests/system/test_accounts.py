"""Whose quota: a key that is reset, accounts without subscription rows, and a clock that jumps."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sandboxes
from commands import Desk
from sandboxes import MILAN, Visitor
from shapely.geometry import mapping, shape

from planet_assets import AssetManager
from planet_assets.cli.main import run
from planet_assets.exceptions import OverQuota
from planet_assets.flow.clock import VirtualClock
from planet_assets.library import accounts, budgets, ledger, spends
from planet_assets.library.engine import Library
from planet_assets.model.quota import Budget
from planet_assets.model.spend import Foreign

# rasterio silences this warning by itself, but not safely where several threads do so at once.
pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

LAST_DAY = datetime(2026, 11, 30, 20, tzinfo=UTC)
SUBSCRIPTION = "301722"
Story = Callable[[AssetManager], Awaitable[Any]]


@pytest.fixture
def visitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visitor]:
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(tmp_path / "config.toml"))
    with sandboxes.visited(start=LAST_DAY, quota_km2=3000.0, scene_product=True) as found:
        yield found


def play(visitor: Visitor, folder: Path, story: Story, *, now: datetime = LAST_DAY, **planet: Any) -> Any:
    async def main() -> Any:
        config = {
            "library": str(folder / "library.db"),
            "planet": {"api_url": visitor.sandbox.url, **planet},
            "rate_limits": {"search": 1000, "activation": 1000, "download": 1000, "orders": 1000},
            "retry_delay": 0.01,
            "output_dir": str(folder / "files"),
        }
        clock = VirtualClock(now + timedelta(minutes=1))
        async with AssetManager(visitor.sandbox.key, config, name="night.py", clock=clock) as manager:
            manager.show_progress = False
            return await story(manager)

    return asyncio.run(main())


async def look(manager: AssetManager) -> Any:
    return await manager.get_quota_info()


def fetching(scene: dict[str, Any], **how: Any) -> Story:
    async def fetch(manager: AssetManager) -> Any:
        return await manager.activate_and_download_assets([scene], confirm_download=False, **how)

    return fetch


def scenes(visitor: Visitor) -> list[dict[str, Any]]:
    return [one for one in visitor.items() if "ortho_analytic_4b" in one["assets"]]


def test_an_account_without_rows_learns_its_quota_from_a_product_and_keeps_its_ledger(visitor, tmp_path):
    visitor.sandbox.fault("subscriptions-empty")
    told = play(visitor, tmp_path, look)
    assert (told.source, told.limit_km2, told.account) == ("planet", 3000.0, "product:290390")
    play(visitor, tmp_path, fetching(scenes(visitor)[0]))
    billed = visitor.sandbox.billed_km2()
    visitor.http.auth = (visitor.sandbox.reset_key(), "")
    assert play(visitor, tmp_path, look).pending_km2 == pytest.approx(billed, rel=1e-3), "a reset key finds it"

    visitor.sandbox.mend()
    named = play(visitor, tmp_path, look)
    assert (named.account, named.pending_km2) == (SUBSCRIPTION, pytest.approx(billed, rel=1e-3))
    visitor.sandbox.fault("subscriptions-empty")
    again = play(visitor, tmp_path, look)
    assert (again.account, again.pending_km2) == (SUBSCRIPTION, named.pending_km2), "it is never counted apart again"


def test_a_name_for_the_account_holds_until_planet_names_it(visitor, tmp_path):
    visitor.sandbox.fault("subscriptions-null-quota")
    visitor.sandbox.fault("subscriptions-empty")

    async def declare(manager: AssetManager) -> Any:
        await manager.get_quota_info()
        return manager.declare_quota(900.0)

    assert play(visitor, tmp_path, declare, account="lab").account == "account:lab"
    play(visitor, tmp_path, fetching(scenes(visitor)[0]), account="lab")
    billed = visitor.sandbox.billed_km2()
    visitor.http.auth = (visitor.sandbox.reset_key(), "")
    found = play(visitor, tmp_path, look, account="lab")
    assert (found.account, found.pending_km2) == ("account:lab", pytest.approx(billed, rel=1e-3))
    visitor.sandbox.mend()
    assert play(visitor, tmp_path, look, account="lab").account == SUBSCRIPTION


def test_the_ledger_of_a_reset_key_is_moved_by_hand_and_two_subscriptions_never_mix(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PLANET_ASSETS_LIBRARY", str(tmp_path / "library.db"))
    library = Library(tmp_path / "library.db")
    for account in ("key:old", "key:new", "1", "2"):
        with library.write() as connection:
            ledger.hold_account(connection, account)
    row = Foreign(key="order:o/i/0", at=LAST_DAY, km2=5.0, rule="foreign order o (confirmed)")
    spends.book(library, "key:old", [row], by="a")
    budgets.state(library, "key:old", {"a": Budget(daily_km2=7.0)})
    accounts.keep(library, "declared:key:old", {"limit": 9.0})
    for wrong in (["1", "--into", "2"], ["key:old", "--into", "key:old"], ["nobody"], ["key:old", "--into", "nobody"]):
        assert run(["ledger", "merge", *wrong]) == 2
        assert ledger.balance(library, "key:old") == (0.0, 5.0)
    assert "never mix" in capsys.readouterr().err
    assert run(["ledger", "merge", "key:old", "--into", "key:new"]) == 0
    assert ledger.balance(library, "key:new") == (0.0, 5.0)
    assert ledger.balance(library, "key:old") == (0.0, 0.0)
    assert budgets.listed(library, "key:new") == {"a": Budget(daily_km2=7.0)}
    assert accounts.kept(library, "declared:key:new") == {"limit": 9.0}
    assert accounts.successor(library, "key:old") == "key:new"
    library.close()


def test_over_the_months_end_nothing_is_spent_twice(visitor, tmp_path):
    first, second, third = scenes(visitor)[:3]
    play(visitor, tmp_path, fetching(first))
    before = visitor.sandbox.billed_km2()
    for hours in (5, 20, 44, 70):
        visitor.sandbox.advance(LAST_DAY.timestamp() + hours * 3600 - visitor_now(visitor))
        now = LAST_DAY + timedelta(hours=hours)
        seen = play(visitor, tmp_path, look, now=now)
        real = visitor.sandbox.state()["used_km2"]
        assert seen.remaining_area_km2 <= 3000.0 - real + 1e-6
    assert seen.remaining_area_km2 == pytest.approx(3000.0 - real), "in the end the new month is whole"

    async def compare(manager: AssetManager) -> Any:
        return (await manager.reconcile()).drift.word

    assert play(visitor, tmp_path, compare, now=now) == "agrees"
    play(visitor, tmp_path, fetching(second), now=now)
    seen = play(visitor, tmp_path, look, now=now)
    assert seen.pending_km2 == pytest.approx(visitor.sandbox.billed_km2() - before, rel=1e-3)

    back = now - timedelta(days=2)  # a clock that is set back forgets nothing that was spent
    again = play(visitor, tmp_path, look, now=back)
    assert again.pending_km2 >= seen.pending_km2
    visitor.sandbox.fault("subscriptions-error")
    assert play(visitor, tmp_path, look, now=back).pending_km2 >= seen.pending_km2
    visitor.sandbox.mend()
    room = int(seen.remaining_area_km2 // 700)
    with pytest.raises(OverQuota):
        for scene in [third, *scenes(visitor)[3 : 3 + room + 1]]:
            play(visitor, tmp_path, fetching(scene), now=back)
    assert visitor.sandbox.state()["used_km2"] <= 3000.0


def visitor_now(visitor: Visitor) -> float:
    text = visitor.sandbox.state()["now"]
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_a_lost_ledger_of_orders_of_ours_comes_back_whole(visitor, tmp_path):
    pytest.importorskip("rasterio")
    play(visitor, tmp_path, fetching(scenes(visitor)[0], clip_to_roi=shape(MILAN), delivery="orders"))

    async def rebuild(manager: AssetManager) -> Any:
        found = await manager.reconcile(since=datetime(2026, 11, 1, tzinfo=UTC))
        return ledger.balance(manager.library)[1], found.quota.pending_km2

    lost = tmp_path / "lost"
    lost.mkdir()
    bill = pytest.approx(visitor.sandbox.billed_km2(), rel=1e-3)
    assert play(visitor, lost, rebuild) == (bill, bill)
    assert play(visitor, lost, rebuild) == (bill, bill)


@pytest.mark.parametrize("bad", [{"used_km2": -5.0}, {"quota_km2": -1.0}, {"used_km2": math.nan}])
def test_areas_that_are_none_leave_the_quota_unknown(tmp_path, bad):
    with sandboxes.visited(start=LAST_DAY, **bad) as visitor:
        seen = play(visitor, tmp_path, look)
        assert not seen.is_known and math.isnan(seen.remaining_area_km2)
        assert seen.why_unknown


def test_quota_show_lists_products_and_reservations(visitor, tmp_path):
    visitor.sandbox.feature("pl:features/my/farms/a", mapping(shape(MILAN)))
    asked = {"aoi_refs": ["pl:features/my/farms/a"], "product_id": 290378}
    visitor.http.post("/account/v1/quota-reservations/", json=asked).raise_for_status()
    shown = Desk(tmp_path, visitor.sandbox).run("quota", "show")
    assert shown.code == 0
    document = shown.json()
    arps, classic = document["products"]
    [reserved] = document["reservations"]
    assert arps["reserved_km2"] == arps["used_km2"] == reserved["km2"] == pytest.approx(101.7, abs=0.1)
    assert classic["limit_km2"] == document["limit_km2"] == 3000
    assert document["products_problem"] is None

"""The client against the sandbox on a real socket."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import math
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sandboxes import MILAN, running
from scripted import Scripted, answer, session, talk

from planet_assets.exceptions import (
    Gone,
    KeyMissing,
    KeyRefused,
    Misused,
    OverQuota,
    PermissionMissing,
    ServerError,
    Unsafe,
)
from planet_assets.flow.clock import RealClock
from planet_assets.model.asset import Asset
from planet_assets.planet import filters
from planet_assets.planet.data import DataApi
from planet_assets.planet.quota import QuotaApi, choose_subscription, quota_info
from planet_assets.planet.session import Session
from planet_assets.sandbox import RunningSandbox

BODY = filters.search_body(geometry=MILAN, start=datetime(2025, 1, 1, tzinfo=UTC), end=datetime(2025, 1, 8, tzinfo=UTC))


async def everything(pages: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """All features of a search."""
    return [feature async for feature in pages]


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    with running() as sandbox:
        yield sandbox


@pytest.fixture
def planet(shared: RunningSandbox) -> RunningSandbox:
    shared.reset()
    return shared


def found(planet: RunningSandbox, **options: Any) -> list[dict[str, Any]]:
    """What a search over Milan finds."""
    return talk(planet, lambda s: everything(DataApi(s).search(BODY, **options)))


def one_asset(planet: RunningSandbox, asset_type: str = "ortho_udm2") -> Asset:
    """An asset that could be activated."""
    scene = next(feature for feature in found(planet, limit=20) if asset_type in feature["assets"])
    return talk(planet, lambda s: DataApi(s).assets("PSScene", scene["id"]))[asset_type]


def test_a_key_is_checked_for_nothing(planet: RunningSandbox) -> None:
    talk(planet, lambda s: DataApi(s).check_key())
    with pytest.raises(KeyRefused, match="Please enter your API key"):
        talk(planet, lambda s: DataApi(s).check_key(), key="wrong")
    with pytest.raises(KeyMissing):
        asyncio.run(DataApi(session(planet.url, None)).check_key())
    assert planet.billed_km2() == 0


def test_a_search_follows_its_pages(planet: RunningSandbox) -> None:
    whole = [feature["id"] for feature in found(planet, sort="acquired asc")]
    assert len(whole) > 12
    assert len(set(whole)) == len(whole)
    assert [feature["id"] for feature in found(planet, sort="acquired asc", page_size=5)] == whole
    assert [feature["id"] for feature in found(planet, sort="acquired asc", page_size=5, limit=12)] == whole[:12]
    assert found(planet, limit=0) == []
    acquired = [feature["properties"]["acquired"] for feature in found(planet, sort="acquired asc")]
    assert acquired == sorted(acquired)


@pytest.mark.parametrize("options", [{"sort": "cloudy"}, {"page_size": 0}, {"page_size": 251}, {"limit": -1}])
def test_a_search_that_cannot_be_meant_is_not_sent(planet: RunningSandbox, options: dict[str, Any]) -> None:
    with pytest.raises(Misused):
        found(planet, **options)
    assert planet.requests() == []


def test_planets_own_words_about_a_filter_reach_the_caller(planet: RunningSandbox) -> None:
    wrong = {"item_types": ["PSScene"], "filter": {"type": "NoSuchFilter", "config": []}}
    with pytest.raises(Misused, match="HTTP 400"):
        talk(planet, lambda s: everything(DataApi(s).search(wrong)))


def page(next_link: str | None, *ids: str) -> str:
    links = {"_next": next_link} if next_link else {}
    return answer(200, json.dumps({"features": [{"id": each} for each in ids], "_links": links}))


def test_an_empty_page_is_no_end() -> None:
    with Scripted(page("/p/2", "a"), page("/p/3"), page(None, "b")) as server:
        scenes = talk(server, lambda s: everything(DataApi(s).search(BODY)))
    assert [scene["id"] for scene in scenes] == ["a", "b"]


def test_pages_in_a_circle_end_with_an_error() -> None:
    with (
        Scripted(page("/p/2", "a"), page("/p/3", "b"), page("/p/2", "c")) as server,
        pytest.raises(ServerError, match="circle"),
    ):
        talk(server, lambda s: everything(DataApi(s).search(BODY)))


def test_empty_pages_without_end_are_not_followed_for_ever() -> None:
    pages = [page(f"/p/{number}") for number in range(300)]
    with Scripted(*pages) as server, pytest.raises(ServerError, match="circle"):
        talk(server, lambda s: everything(DataApi(s).search(BODY)))


def test_a_next_page_elsewhere_is_refused_without_the_key() -> None:
    with Scripted(answer(200)) as thief:
        with Scripted(page(f"{thief.url}/p/2", "a")) as server, pytest.raises(Unsafe, match="not the API"):
            talk(server, lambda s: everything(DataApi(s).search(BODY)))
        assert thief.asked == []


def test_an_item_and_its_assets(planet: RunningSandbox) -> None:
    scene = found(planet, limit=1)[0]
    item = talk(planet, lambda s: DataApi(s).item("PSScene", scene["id"]))
    assert item["id"] == scene["id"]
    assets = talk(planet, lambda s: DataApi(s).assets("PSScene", scene["id"]))
    assert set(assets) == set(scene["assets"])
    assert {asset.status for asset in assets.values()} == {"inactive"}
    with pytest.raises(Gone):
        talk(planet, lambda s: DataApi(s).item("PSScene", "20250101_000000_00_0000"))


@pytest.mark.parametrize("item_id", ["", "..", "../x", "a/b", "a?b", "a\n"])
def test_a_name_that_is_none_is_not_sent(planet: RunningSandbox, item_id: str) -> None:
    with pytest.raises(Misused):
        talk(planet, lambda s: DataApi(s).item("PSScene", item_id))
    assert planet.requests() == []


def test_activation_from_inactive_to_a_link(planet: RunningSandbox) -> None:
    asset = one_asset(planet)
    assert talk(planet, lambda s: DataApi(s).activate(asset)) == "accepted"
    ready = talk(planet, lambda s: DataApi(s).assets(asset.item_type, asset.item_id))[asset.asset_type]
    assert ready.status == "active"
    assert ready.link is not None
    assert ready.link.expires_at is not None
    assert ready.md5 is not None
    assert talk(planet, lambda s: DataApi(s).activate(ready)) == "active"
    assert planet.billed_km2() == 0


def test_an_active_asset_without_a_location_has_no_link(planet: RunningSandbox) -> None:
    asset = one_asset(planet)
    talk(planet, lambda s: DataApi(s).activate(asset))
    planet.fault("location-null")
    ready = talk(planet, lambda s: DataApi(s).assets(asset.item_type, asset.item_id))[asset.asset_type]
    assert (ready.status, ready.link) == ("active", None)


def test_what_the_account_may_not_have(planet: RunningSandbox) -> None:
    asset = one_asset(planet)
    planet.fault("permissions-empty")
    with pytest.raises(PermissionMissing, match="activation failed"):
        talk(planet, lambda s: DataApi(s).activate(asset))
    refused = talk(planet, lambda s: DataApi(s).assets(asset.item_type, asset.item_id))
    assert all(not each.permitted for each in refused.values())


@pytest.mark.parametrize("status", [403, 429])
def test_an_exhausted_quota_is_asked_once(status: int) -> None:
    with running(quota_refusal=status) as planet:
        asset = one_asset(planet)
        planet.fault("quota-exhausted")
        with pytest.raises(OverQuota, match="quota exceeded"):
            talk(planet, lambda s: DataApi(s).activate(asset))
        assert len([each for each in planet.requests() if each["path"].endswith("/activate")]) == 1


def test_a_key_reset_in_mid_job_is_no_missing_permission() -> None:
    with running() as planet:
        asset, old = one_asset(planet), planet.key
        planet.reset_key()
        with pytest.raises(KeyRefused):
            talk(planet, lambda s: DataApi(s).activate(asset), key=old)


def test_an_activation_answered_by_a_login_page_is_no_success(planet: RunningSandbox) -> None:
    asset = one_asset(planet)
    planet.fault("html-200", path="/activate")
    with pytest.raises(ServerError, match="not 202 or 204"):
        talk(planet, lambda s: DataApi(s).activate(asset))


def test_coverage_and_item_types(planet: RunningSandbox) -> None:
    scene = found(planet, limit=1)[0]
    answered = talk(planet, lambda s: DataApi(s).coverage("PSScene", scene["id"], MILAN))
    assert 0 <= answered["clear_percent"] <= 100
    types = talk(planet, lambda s: DataApi(s).item_types())
    assert "ortho_analytic_4b" in next(each for each in types if each["id"] == "PSScene")["supported_asset_types"]


def test_the_quota_of_several_subscriptions(planet: RunningSandbox) -> None:
    rows = talk(planet, lambda s: QuotaApi(s).subscriptions())
    assert len(rows) == 3
    row = choose_subscription(rows)
    assert row is not None
    info = quota_info(row, as_of=datetime(2026, 1, 5, tzinfo=UTC))
    assert (info.limit_km2, info.used_km2, info.interval, info.source) == (100_000.0, 0.0, "monthly", "planet")
    with pytest.raises(Misused, match="not for PlanetScope"):
        choose_subscription(rows, wanted="Landsat and Sentinel (free)")


def test_a_quota_that_nobody_tells_is_unknown(planet: RunningSandbox) -> None:
    planet.fault("subscriptions-null-quota")
    row = choose_subscription(talk(planet, lambda s: QuotaApi(s).subscriptions()))
    info = quota_info(row, as_of=datetime(2026, 1, 5, tzinfo=UTC))
    assert math.isnan(info.remaining_area_km2)
    assert info.account == "301722"
    planet.mend()
    planet.fault("subscriptions-empty")
    assert talk(planet, lambda s: QuotaApi(s).subscriptions()) == []
    planet.mend()
    planet.fault("subscriptions-error")
    with pytest.raises(ServerError, match="temporary error"):
        talk(planet, lambda s: QuotaApi(s).subscriptions())


def test_a_search_may_be_repeated() -> None:
    with Scripted(answer(503), page(None, "a")) as server:
        assert len(talk(server, lambda s: everything(DataApi(s).search(BODY)))) == 1
    assert [head.split()[0] for head in server.asked] == ["POST", "POST"]


def test_an_even_pace_meets_no_refusal() -> None:
    with running(rate_scale=1) as planet:
        scenes = [scene for scene in found(planet, limit=40) if "ortho_udm2" in scene["assets"]][:12]

        async def crowd(s: Session) -> list[str]:
            api = DataApi(s)

            async def one(scene: dict[str, Any]) -> str:
                return await api.activate((await api.assets("PSScene", scene["id"]))["ortho_udm2"])

            return await asyncio.gather(*(one(scene) for scene in scenes))

        assert talk(planet, crowd, clock=RealClock()) == ["accepted"] * len(scenes)
        assert [each for each in planet.requests() if each["status"] == 429] == []


def test_a_client_that_is_too_fast_gets_through_all_the_same() -> None:
    with running(rate_scale=1) as planet:

        async def crowd(s: Session) -> None:
            await asyncio.gather(*(DataApi(s).check_key() for _ in range(8)))

        talk(planet, crowd, clock=RealClock(), rates={"search": 40}, retry_attempts=20, retry_delay_s=0.1)
        statuses = [each["status"] for each in planet.requests()]
        assert 429 in statuses
        assert statuses.count(200) == 8


def test_a_session_outlives_its_loops_and_leaves_nothing_open(planet: RunningSandbox) -> None:
    conversation = session(planet.url, planet.key)

    async def some() -> None:
        await asyncio.gather(*(DataApi(conversation).check_key() for _ in range(4)))

    for _ in range(3):
        asyncio.run(some())
        gc.collect()  # an open socket would warn here, and a warning is an error
    asyncio.run(conversation.aclose())
    asyncio.run(some())


def test_a_session_may_be_closed_and_used_again(planet: RunningSandbox) -> None:
    async def main() -> None:
        conversation = session(planet.url, planet.key)
        for _ in range(2):
            await DataApi(conversation).check_key()
            await conversation.aclose()
        await conversation.aclose()

    asyncio.run(main())


def test_two_loops_may_use_one_session_at_a_time(planet: RunningSandbox) -> None:
    conversation = session(planet.url, planet.key, clock=RealClock(), rates={"search": 1000})
    errors: list[BaseException] = []

    async def some() -> None:
        for _ in range(10):
            await DataApi(conversation).check_key()

    def run() -> None:
        try:
            asyncio.run(some())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert errors == []


def test_a_redirect_to_a_foreign_host_is_refused(planet: RunningSandbox) -> None:
    planet.fault("redirect-foreign")
    with pytest.raises(Unsafe, match="not the API"):
        talk(planet, lambda s: DataApi(s).check_key())
    assert [each for each in planet.requests() if each["path"] == "/foreign"] == []
    assert len(planet.requests()) == 1


def test_the_key_is_in_no_repr_and_no_http_log(planet: RunningSandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    conversation = session(planet.url, planet.key)
    asyncio.run(DataApi(conversation).check_key())
    assert planet.key not in caplog.text
    assert planet.key not in repr(conversation)

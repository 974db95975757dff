"""The client against a Planet on a real socket: the sandbox, and servers that misbehave in ways of their own."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import math
import shutil
import socketserver
import ssl
import subprocess
import threading
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sandboxes import MILAN, running

from planet_assets.exceptions import (
    AssetError,
    Gone,
    KeyMissing,
    KeyRefused,
    Misused,
    NetworkError,
    OverQuota,
    PermissionMissing,
    ServerError,
    Throttled,
    Unsafe,
)
from planet_assets.flow.clock import RealClock, VirtualClock
from planet_assets.model.asset import Asset
from planet_assets.planet import filters, transports
from planet_assets.planet.auth import PlanetAuth
from planet_assets.planet.data import DataApi
from planet_assets.planet.quota import QuotaApi, choose_subscription, quota_info
from planet_assets.planet.session import Session
from planet_assets.sandbox import RunningSandbox

BODY = filters.search_body(geometry=MILAN, start=datetime(2025, 1, 1, tzinfo=UTC), end=datetime(2025, 1, 8, tzinfo=UTC))
CANARY = "PLAKcafe0000canary0000cafe0000canary"
RATE_LIMIT = "max rate reached: retry-in 200ms"
OVER_QUOTA = '{"general":[{"message":"Download quota has been exceeded."}],"field":{}}'

Talk = Callable[[Session], Awaitable[Any]]


class Counting(VirtualClock):
    """A virtual clock that remembers how long anyone wanted to wait."""

    def __init__(self) -> None:
        super().__init__(datetime(2026, 1, 5, 12, tzinfo=UTC))
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await super().sleep(seconds)


class Scripted:
    """A server that gives raw answers in turn, the last one for ever, and notes what it was asked."""

    def __init__(self, *answers: str, tls: ssl.SSLContext | None = None, delay_s: float = 0.0) -> None:
        self.asked: list[str] = []
        script = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                head = b""
                while line := self.rfile.readline():
                    head += line
                    if line == b"\r\n":
                        break
                if head:
                    script.asked.append(head.decode())
                    time.sleep(delay_s)
                    self.wfile.write(answers[min(len(script.asked), len(answers)) - 1].encode())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Scripted:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def answer(status: int, body: str = "{}", **headers: str) -> str:
    """A well-formed answer."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *lines, "", body])


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    with running() as sandbox:
        yield sandbox


@pytest.fixture
def planet(shared: RunningSandbox) -> RunningSandbox:
    shared.reset()
    return shared


def session(url: str, key: str | None, **settings: Any) -> Session:
    """A session that never waits in real time, unless it is told to."""
    quick: dict[str, Any] = {"clock": Counting(), "trust_env": False, "chance": lambda: 0.0, "timeout_s": 5.0}
    return Session(PlanetAuth(key) if key else None, api_url=url, **(quick | settings))


def talk(server: RunningSandbox | Scripted, what: Talk, *, key: str | None = None, **settings: Any) -> Any:
    """The outcome of one conversation."""

    async def main() -> Any:
        async with session(server.url, key or getattr(server, "key", CANARY), **settings) as conversation:
            return await what(conversation)

    return asyncio.run(main())


async def everything(pages: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return [feature async for feature in pages]


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


@pytest.mark.parametrize(
    ("headers", "body", "pause_s"),
    [
        ({}, RATE_LIMIT, 0.2),
        ({}, "slow down", 1.0),
        ({"Retry_After": "0"}, "slow down", 1.0),
        ({"Retry_After": "0", "X_Retry_In": "200ms"}, RATE_LIMIT, 0.2),
        ({"X_Retry_In": "1.5s"}, "slow down", 1.5),
        ({"Retry_After": "7"}, "slow down", 7.0),
        ({"Retry_After": "Mon, 05 Jan 2026 12:00:30 GMT"}, "slow down", 30.0),
    ],
)
def test_every_form_of_slow_down_is_waited_out(headers: dict[str, str], body: str, pause_s: float) -> None:
    clock = Counting()
    with Scripted(answer(429, body, **headers), answer(200)) as server:
        talk(server, lambda s: DataApi(s).check_key(), clock=clock)
    assert len(server.asked) == 2
    assert clock.pauses[0] == pytest.approx(pause_s, abs=0.01)
    assert clock.monotonic() == pytest.approx(pause_s, abs=0.11)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_failing_server_is_asked_again_and_then_given_up(status: int) -> None:
    with Scripted(answer(status, "<html><title>Bad Gateway</title></html>"), answer(200)) as server:
        talk(server, lambda s: DataApi(s).check_key())
    assert len(server.asked) == 2
    clock = Counting()
    with Scripted(answer(status)) as server, pytest.raises(ServerError, match=f"HTTP {status}"):
        talk(server, lambda s: DataApi(s).check_key(), clock=clock, retry_attempts=3, retry_delay_s=2.0)
    assert len(server.asked) == 4
    assert [pause for pause in clock.pauses if pause > 1] == [2.0, 4.0, 8.0]


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        "garbage\r\n\r\n",
        answer(200, '{"type": "FeatureColl'),
        answer(200, "<html>Welcome</html>", Content_Type="text/html"),
        answer(200, '{"cloud": NaN}'),
        answer(200, "[" * 100_000),
    ],
)
def test_an_answer_that_is_none_is_asked_for_again(broken: str) -> None:
    with Scripted(broken, answer(200)) as server:
        talk(server, lambda s: DataApi(s).check_key())
    assert len(server.asked) == 2
    with Scripted(broken) as server, pytest.raises((NetworkError, ServerError)):
        talk(server, lambda s: DataApi(s).check_key(), retry_attempts=0)


def test_an_answer_of_absurd_size_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "LARGEST_ANSWER_BYTES", 1000)
    with Scripted(answer(200, f'"{"x" * 2000}"')) as server, pytest.raises(ServerError, match="more than 1000 bytes"):
        talk(server, lambda s: DataApi(s).check_key(), retry_attempts=0)


def test_a_search_may_be_repeated() -> None:
    with Scripted(answer(503), page(None, "a")) as server:
        assert len(talk(server, lambda s: everything(DataApi(s).search(BODY)))) == 1
    assert [head.split()[0] for head in server.asked] == ["POST", "POST"]


@pytest.mark.parametrize(("first", "times"), [(answer(503), 1), ("", 1), (answer(429, RATE_LIMIT), 2)])
def test_an_order_is_repeated_only_when_it_was_surely_not_heard(first: str, times: int) -> None:
    async def place(s: Session) -> None:
        with contextlib.suppress(ServerError, NetworkError):
            await s.post_json("/compute/ops/orders/v2", body={"name": "x"}, kind="orders")

    with Scripted(first, answer(202)) as server:
        talk(server, place)
    assert len(server.asked) == times


def test_a_wait_of_a_day_is_handed_to_the_caller() -> None:
    clock = Counting()

    async def twice(s: Session) -> None:
        with pytest.raises(Throttled) as refused:
            await DataApi(s).check_key()
        assert refused.value.after_s == 86400
        with pytest.raises(Throttled, match="was not sent"):
            await DataApi(s).check_key()

    with Scripted(answer(429, "slow down", Retry_After="86400"), answer(200)) as server:
        talk(server, twice, clock=clock)
    assert len(server.asked) == 1
    assert clock.monotonic() < 1


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


@pytest.mark.parametrize("rates", [{"activations": 5}, {"search": 0}, {"download": math.inf}])
def test_senseless_rates_are_refused_by_name(rates: dict[str, float]) -> None:
    with pytest.raises(Misused):
        session("http://127.0.0.1:1", None, rates=rates)


def test_nobody_listens() -> None:
    with Scripted() as server:
        url = server.url
    with pytest.raises(NetworkError, match="refused the connection") as caught:
        asyncio.run(DataApi(session(url, CANARY)).check_key())
    assert isinstance(caught.value, ConnectionError)
    assert not caught.value.reached_server


def test_a_host_that_does_not_exist() -> None:
    with pytest.raises(NetworkError, match="cannot be found") as caught:
        asyncio.run(DataApi(session("http://planet.invalid", CANARY, retry_attempts=0)).check_key())
    assert not caught.value.reached_server


def test_a_lost_answer_may_have_been_heard() -> None:
    with Scripted("") as server, pytest.raises(NetworkError, match="broke") as caught:
        talk(server, lambda s: DataApi(s).check_key())
    assert caught.value.reached_server


def test_silence_ends_after_the_timeout() -> None:
    with Scripted(answer(200), delay_s=0.5) as server, pytest.raises(NetworkError, match="in time") as caught:
        talk(server, lambda s: DataApi(s).check_key(), timeout_s=0.1, retry_attempts=0)
    assert caught.value.reached_server


def test_a_certificate_nobody_signed_is_named_as_the_cause(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, *subject]
    subprocess.run(made, check=True, capture_output=True)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    with Scripted(answer(200), tls=server_side) as server:
        with pytest.raises(NetworkError, match=r"not trusted.*SSL_CERT_FILE"):
            talk(server, lambda s: DataApi(s).check_key(), retry_attempts=0)
        trusting = ssl.create_default_context(cafile=str(certificate))
        talk(server, lambda s: DataApi(s).check_key(), verify=trusting)


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted(answer(200)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        asyncio.run(DataApi(session("http://planet.invalid", CANARY, trust_env=True)).check_key())
    assert proxy.asked[0].startswith("GET http://planet.invalid/data/v1/ ")


@pytest.mark.parametrize(
    "url", ["api.planet.com", "ftp://api.planet.com", "https://u:p@api.planet.com", "https://", ""]
)
def test_an_address_that_cannot_be_meant_is_refused(url: str) -> None:
    with pytest.raises(Misused, match=r"planet\.api_url"):
        session(url, CANARY)


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


def test_a_redirect_within_the_api_is_followed_with_the_key() -> None:
    with Scripted(answer(307, Location="/data/v1/other?x=1"), answer(200)) as server:
        talk(server, lambda s: DataApi(s).check_key())
    assert server.asked[1].startswith("GET /data/v1/other?x=1 ")
    assert f"api-key {CANARY}" in server.asked[1]


def test_redirects_in_a_circle_end() -> None:
    with Scripted(answer(302, Location="/data/v1/")) as server, pytest.raises(ServerError, match="circle"):
        talk(server, lambda s: DataApi(s).check_key(), retry_attempts=0)
    assert len(server.asked) == 6


def test_a_redirect_to_a_foreign_host_is_refused(planet: RunningSandbox) -> None:
    planet.fault("redirect-foreign")
    with pytest.raises(Unsafe, match="not the API"):
        talk(planet, lambda s: DataApi(s).check_key())
    assert [each for each in planet.requests() if each["path"] == "/foreign"] == []
    assert len(planet.requests()) == 1


@pytest.mark.parametrize(
    "said",
    [
        answer(400, json.dumps({"message": f"bad header api-key {CANARY}"})),
        answer(401, json.dumps({"message": f"unknown key {CANARY}"})),
        answer(403, f"<Error><Message>{CANARY}</Message></Error>"),
        answer(404, json.dumps({"field": {CANARY: [{"message": CANARY}]}, "general": []})),
        answer(429, OVER_QUOTA.replace("Download", CANARY)),
        answer(500, f"<html><title>{CANARY}</title></html>"),
        answer(302, Location=f"http://{CANARY}.invalid/?api_key={CANARY}"),
        answer(302, Location=f"http://user:{CANARY}@planet.invalid/{CANARY}"),
        answer(302, Location=f"/data/{CANARY}"),
        answer(200, CANARY),
        "",
    ],
)
def test_the_key_is_in_no_error_and_no_log(said: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Scripted(said) as server, pytest.raises(AssetError) as caught:
        talk(server, lambda s: DataApi(s).check_key(), retry_attempts=1)
    error = caught.value
    shown = [str(error), repr(error), repr(error.args), "".join(traceback.format_exception(error))]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("planet_assets")]
    for text in (*shown, *ours):
        assert CANARY.lower() not in text.lower()


def test_the_key_is_in_no_repr_and_no_http_log(planet: RunningSandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    conversation = session(planet.url, planet.key)
    asyncio.run(DataApi(conversation).check_key())
    assert planet.key not in caplog.text
    assert planet.key not in repr(conversation)

"""The transports against servers that misbehave: patience, a broken network, secrets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import shutil
import socket
import ssl
import subprocess
import traceback
from pathlib import Path

import pytest
from scripted import CANARY, OVER_QUOTA, RATE_LIMIT, Counting, Scripted, answer, session, talk

from planet_assets.exceptions import (
    AssetError,
    Misused,
    NetworkError,
    ServerError,
    Throttled,
)
from planet_assets.planet import transports
from planet_assets.planet.data import DataApi
from planet_assets.planet.session import Session


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


def test_nobody_listens() -> None:
    with Scripted() as server:
        url = server.url
    with pytest.raises(NetworkError, match="refused the connection") as caught:
        asyncio.run(DataApi(session(url, CANARY)).check_key())
    assert isinstance(caught.value, ConnectionError)
    assert not caught.value.reached_server


def test_a_host_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
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


@pytest.mark.parametrize("rates", [{"activations": 5}, {"search": 0}, {"download": math.inf}])
def test_senseless_rates_are_refused_by_name(rates: dict[str, float]) -> None:
    with pytest.raises(Misused):
        session("http://127.0.0.1:1", None, rates=rates)


def test_a_redirect_within_the_api_is_followed_with_the_key() -> None:
    with Scripted(answer(307, Location="/data/v1/other?x=1"), answer(200)) as server:
        talk(server, lambda s: DataApi(s).check_key())
    assert server.asked[1].startswith("GET /data/v1/other?x=1 ")
    assert f"api-key {CANARY}" in server.asked[1]


def test_redirects_in_a_circle_end() -> None:
    with Scripted(answer(302, Location="/data/v1/")) as server, pytest.raises(ServerError, match="circle"):
        talk(server, lambda s: DataApi(s).check_key(), retry_attempts=0)
    assert len(server.asked) == 6


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

"""Planet's documents, well formed and not, as values and errors."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from planet_assets.exceptions import (
    AssetError,
    Gone,
    KeyRefused,
    Misused,
    NetworkError,
    OverQuota,
    PermissionMissing,
    ServerError,
    Throttled,
    Unsafe,
)
from planet_assets.planet import parse

REF = ("PSScene", "20220125_075509_67_1061")
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
INACTIVE = {
    "_links": {
        "_self": "https://api.planet.com/data/v1/assets/abc",
        "activate": "https://api.planet.com/data/v1/assets/abc/activate",
        "type": "https://api.planet.com/data/v1/asset-types/ortho_analytic_8b_sr",
    },
    "_permissions": ["download"],
    "md5_digest": None,
    "status": "inactive",
    "type": "ortho_analytic_8b_sr",
}
ACTIVE = INACTIVE | {
    "status": "active",
    "md5_digest": "1A3f7cc98552795f3bdc62f587ec8d0b",
    "expires_at": "2023-03-01T23:25:19.908175",
    "location": "https://api.planet.com/data/v1/download?token=secret",
}
ROW = {
    "id": 301722,
    "state": "active",
    "plan": {"id": 1262, "name": "Education and Research Standard (PlanetScope)"},
    "organization": {"id": 150098, "name": "Example University"},
    "quota_enabled": True,
    "quota_sqkm": 3000,
    "quota_used": 412.37,
    "quota_style": "consumption",
    "quota_interval": "monthly",
    "quota_reset_at": "2026-02-01T00:00:00+00:00",
    "deleted_at": None,
}


def test_an_inactive_asset_has_no_link_and_no_digest() -> None:
    asset = parse.asset(INACTIVE, REF)
    assert (asset.item_type, asset.item_id, asset.asset_type) == (*REF, "ortho_analytic_8b_sr")
    assert (asset.status, asset.permitted, asset.md5, asset.link) == ("inactive", True, None, None)
    assert asset.activate_url == "https://api.planet.com/data/v1/assets/abc/activate"
    assert asset.self_url == "https://api.planet.com/data/v1/assets/abc"


def test_an_active_asset_has_a_link_whose_naive_time_is_utc() -> None:
    asset = parse.asset(ACTIVE, REF)
    assert asset.md5 == "1a3f7cc98552795f3bdc62f587ec8d0b"
    assert asset.link is not None
    assert asset.link.expires_at == datetime(2023, 3, 1, 23, 25, 19, 908175, tzinfo=UTC)
    assert "secret" not in repr(asset)


def test_an_active_asset_may_come_without_a_location() -> None:
    assert parse.asset(ACTIVE | {"location": None}, REF).link is None


def test_missing_keys_are_tolerated() -> None:
    assets = parse.assets({"ortho_udm2": {}}, REF)
    assert assets["ortho_udm2"].asset_type == "ortho_udm2"
    assert assets["ortho_udm2"].permitted
    assert assets["ortho_udm2"].status == "inactive"
    assert parse.assets({}, REF) == {}
    assert not parse.asset(INACTIVE | {"_permissions": []}, REF).permitted


@pytest.mark.parametrize(
    "change",
    [
        {"status": 1},
        {"md5_digest": "short"},
        {"md5_digest": 7},
        {"location": ["https://x"]},
        {"expires_at": "soon"},
        {"_links": "none"},
        {"_permissions": "download"},
        {"type": None},
    ],
)
def test_a_value_of_the_wrong_kind_is_a_malformed_answer(change: dict[str, object]) -> None:
    with pytest.raises(ServerError, match="malformed"):
        parse.asset(ACTIVE | change, REF)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "download?token=x", "https://", "http://[::1/x"])
def test_a_location_that_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(Unsafe):
        parse.asset(ACTIVE | {"location": url}, REF)


@pytest.mark.parametrize("document", [None, [], "assets", {"ortho_udm2": []}, {"ortho_udm2": None}])
def test_a_listing_that_is_no_mapping_is_malformed(document: object) -> None:
    with pytest.raises(ServerError):
        parse.assets(document, REF)


def test_a_subscription_row() -> None:
    row = parse.subscription(ROW)
    assert (row.id, row.plan, row.state, row.quota_enabled) == ("301722", ROW["plan"]["name"], "active", True)
    assert (row.limit_km2, row.used_km2, row.style, row.interval) == (3000.0, 412.37, "consumption", "monthly")
    assert row.resets_at == datetime(2026, 2, 1, tzinfo=UTC)
    assert row.organization == "Example University"


def test_nulls_of_a_subscription_are_unknown_and_not_zero() -> None:
    names = ("quota_sqkm", "quota_used", "quota_interval", "quota_reset_at", "quota_style", "quota_enabled")
    row = parse.subscription(ROW | dict.fromkeys(names))
    assert math.isnan(row.limit_km2)
    assert math.isnan(row.used_km2)
    assert (row.quota_enabled, row.interval, row.resets_at, row.style) == (False, "", None, "consumption")
    assert parse.subscription(ROW | {"deleted_at": "2025-01-01T00:00:00Z"}).state == "deleted"


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": True},
        {"quota_sqkm": "3000"},
        {"quota_sqkm": -1},
        {"quota_used": math.nan},
        {"quota_used": True},
        {"plan": "PlanetScope"},
        {"quota_enabled": "yes"},
    ],
)
def test_a_malformed_subscription_is_not_guessed_at(change: dict[str, object]) -> None:
    with pytest.raises(ServerError):
        parse.subscription(ROW | change)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"field": {}, "general": [{"message": "AOI too complex"}]}', "AOI too complex"),
        ('{"field": null, "general": [{"message": "AOI too complex"}]}', "AOI too complex"),
        (
            '{"field": {"Details": [{"message": "AOI is invalid"}]}, "general": [{"message": "Unable to accept"}]}',
            "Unable to accept; Details: AOI is invalid",
        ),
        ('{"message": "Please enter your API key.", "errors": []}', "Please enter your API key."),
        ('{"message": "Order not in a cancellable state"}', "Order not in a cancellable state"),
        ("max rate reached: retry-in 200ms", "max rate reached: retry-in 200ms"),
        ("<?xml version='1.0'?><Error><Code>X</Code><Message>Bad\n token</Message></Error>", "Bad token"),
        ("<html><head><title>502 Bad Gateway</title></head><body>...</body></html>", "502 Bad Gateway"),
        ("", ""),
        ("{}", ""),
        ("[1, 2]", "[1, 2]"),
        ("\x1b[31mred\x00", "[31mred"),
        ("{" * 100_000, None),
        ("[" * 100_000, None),
    ],
)
def test_what_a_refusal_says(body: str, said: str | None) -> None:
    found = parse.error_message(body)
    assert len(found) <= parse.LONGEST_MESSAGE
    assert said is None or found == said


def test_tokens_are_taken_out_of_messages() -> None:
    body = "see https://x/download?token=abc.def&x=1 eyJhbGciOi.eyJzdWIi.c2ln PLAK123 X-Goog-Signature=ff"
    assert parse.error_message(body) == "see https://x/download?***&x=1 *** *** ***"


OVER = '{"general":[{"message":"Download quota has been exceeded."}],"field":{}}'
NO_KEY = '{"message": "Please enter your API key.", "errors": []}'


@pytest.mark.parametrize(
    ("status", "body", "kind", "error"),
    [
        (403, OVER, "activation", OverQuota),
        (429, OVER, "activation", OverQuota),
        (403, OVER, "download", OverQuota),
        (400, '{"general":[{"message":"Quota check failed - Insufficient quota: ..."}]}', "orders", OverQuota),
        (400, '{"field":{"filter":[{"message":"unknown field quota"}]}}', "data", Misused),
        (429, "max rate reached: retry-in 200ms", "activation", Throttled),
        (401, NO_KEY, "data", KeyRefused),
        (401, NO_KEY, "activation", KeyRefused),
        (401, "", "activation", PermissionMissing),
        (403, "", "activation", PermissionMissing),
        (403, "", "data", PermissionMissing),
        (404, "", "data", Gone),
        (410, "", "data", Gone),
        (400, "", "data", Misused),
        (409, "", "orders", Misused),
        (407, "", "data", NetworkError),
        (408, "", "data", ServerError),
        (500, "", "data", ServerError),
        (503, "over quota of the proxy", "data", ServerError),
    ],
)
def test_what_a_refusal_means(status: int, body: str, kind: str, error: type[AssetError]) -> None:
    found = parse.refusal(status, {}, body, asked="GET api/x", kind=kind, now=NOW)
    assert type(found) is error
    assert f"HTTP {status} to GET api/x" in str(found)


def test_refusals_say_the_words_people_look_for() -> None:
    def said(status: int, body: str, kind: str) -> str:
        return str(parse.refusal(status, {"Retry-After": "3"}, body, asked="GET api/x", kind=kind, now=NOW))

    assert "quota exceeded" in said(403, OVER, "activation")
    assert "activation failed" in said(403, "", "activation")
    assert "reset" in said(401, NO_KEY, "data")


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, "", None),
        ({"Retry-After": "0"}, "", 0.0),
        ({"retry-after": "120"}, "", 120.0),
        ({"Retry-After": "86400"}, "", 86400.0),
        ({"Retry-After": "Mon, 05 Jan 2026 12:00:30 GMT"}, "", 30.0),
        ({"Retry-After": "Mon, 05 Jan 2026 11:00:00 GMT"}, "", 0.0),
        ({"Retry-After": "Mon, 05 Jan 2026 12:00:30"}, "", 30.0),
        ({"Retry-After": "nonsense"}, "", None),
        ({"Retry-After": "-5"}, "", None),
        ({"Retry-After": "nan"}, "", None),
        ({"Retry-After": "9" * 400}, "", None),
        ({"X-Retry-In": "200ms"}, "", 0.2),
        ({"X-Retry-In": "1m30.5s"}, "", 90.5),
        ({"X-Retry-In": "2h"}, "", 7200.0),
        ({"X-Retry-In": "150µs"}, "", 0.00015),
        ({"X-Retry-In": "soon"}, "", None),
        ({"X-Retry-In": "5"}, "", None),
        ({}, "max rate reached: retry-in 200ms", 0.2),
        ({}, "max rate reached: retry-in 1.5s", 1.5),
        ({"Retry-After": "0", "X-Retry-In": "200ms"}, "max rate reached: retry-in 200ms", 0.2),
        ({"Retry-After": "2", "X-Retry-In": "200ms"}, "", 2.0),
    ],
)
def test_how_long_a_server_asks_us_to_wait(headers: dict[str, str], body: str, seconds: float | None) -> None:
    found = parse.retry_after_s(headers, body, NOW)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_reading_and_building_need_no_http_library() -> None:
    code = (
        "import sys, json\n"
        "import planet_assets.planet.auth, planet_assets.planet.parse, planet_assets.planet.filters\n"
        "print(json.dumps([name for name in ('httpx', 'shapely', 'rasterio') if name in sys.modules]))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == []

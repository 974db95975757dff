"""Reads Planet's answers: documents into model values, refusals into the error tree. Pure, and strict about types.

Features become items in `model.item`. A key that is missing is tolerated where the contract lets Planet leave it out; a
value of the wrong kind is a malformed answer and never guessed at.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

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
from planet_assets.model.asset import Asset, Link
from planet_assets.model.item import parse_time
from planet_assets.model.quota import UNKNOWN, Subscription

T = TypeVar("T")

LONGEST_MESSAGE = 300
"""Characters of a server's message that are quoted."""

_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_SECRETS = re.compile(r"(?i)\b(token|api_key|signature|x-goog-[a-z]+)=[^&\s\"'<>]+|\beyJ[\w-]+(?:\.[\w-]*)*|\bPLAK\w+")
_MARKUP_MESSAGE = re.compile(r"(?is)<(message|title)\b[^>]*>(.*?)</\1>")
_GO_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_GO_STEP = re.compile(r"(\d{1,9}(?:\.\d{0,9})?)(h|ms|m|s|us|µs|μs|ns)")
_RETRY_IN = re.compile(r"(?i)retry-in[\s:=]+([0-9.a-zµμ]+)")


def assets(document: object, ref: tuple[str, str]) -> dict[str, Asset]:
    """The assets of an item by asset type; empty when Planet lists none.

    Args:
        document: What `GET .../assets` answered.
        ref: Item type and item id.

    Raises:
        ServerError: the document is malformed.
        Unsafe: a link is no web address.
    """
    listing = document_of(document, f"the assets of {ref[1]}")
    return {name: asset({**document_of(entry, name), "type": name}, ref) for name, entry in listing.items()}


def asset(document: object, ref: tuple[str, str]) -> Asset:
    """One asset of the item `ref`.

    A missing `_permissions` counts as permitted: asking for activation is free, and Planet then says no itself.

    Raises:
        ServerError: the document is malformed.
        Unsafe: its link is no web address.
    """
    entry = document_of(document, f"an asset of {ref[1]}")
    asset_type = field(entry, "type", str, "")
    if not asset_type:
        raise _malformed(f"an asset of {ref[1]} has no type")
    links = field(entry, "_links", dict, {})
    permissions = field(entry, "_permissions", list, ["download"])
    return Asset(
        item_type=ref[0],
        item_id=ref[1],
        asset_type=asset_type,
        status=field(entry, "status", str, "inactive"),
        permitted="download" in permissions,
        md5=_md5(entry, asset_type),
        link=_link(entry, asset_type),
        activate_url=field(links, "activate", str, ""),
        self_url=field(links, "_self", str, ""),
    )


def subscription(document: object) -> Subscription:
    """One row of `my/subscriptions`; areas that are null are NaN.

    Raises:
        ServerError: the row is malformed.
    """
    row = document_of(document, "a subscription")
    return Subscription(
        id=identifier(row, "a subscription"),
        plan=field(field(row, "plan", dict, {}), "name", str, ""),
        state="deleted" if row.get("deleted_at") else field(row, "state", str, ""),
        quota_enabled=field(row, "quota_enabled", bool, False),
        limit_km2=_km2(row, "quota_sqkm"),
        used_km2=_km2(row, "quota_used"),
        style=field(row, "quota_style", str, "") or "consumption",
        interval=field(row, "quota_interval", str, ""),
        resets_at=moment(row, "quota_reset_at"),
        organization=field(field(row, "organization", dict, {}), "name", str, ""),
        term=_term(row),
    )


def _term(row: Mapping[str, Any]) -> str:
    """First and last day of the contract; without a beginning nobody knows."""
    begins, ends = moment(row, "active_from"), moment(row, "active_to")
    if begins is None:
        return ""
    return f"{begins:%Y-%m-%d}/{ends:%Y-%m-%d}" if ends else f"{begins:%Y-%m-%d}/"


def plan_name(document: object) -> str:
    """The name of a row's plan, as far as it can be read."""
    plan = document.get("plan") if isinstance(document, Mapping) else None
    name = plan.get("name") if isinstance(plan, Mapping) else None
    return name if isinstance(name, str) else ""


def identifier(row: Mapping[str, Any], what: str) -> str:
    """The `id` of a row, a number or text; raises `ServerError` where there is none."""
    number = row.get("id")
    if isinstance(number, bool) or not isinstance(number, int | str) or not str(number):
        raise _malformed(f"{what} has no id")
    return str(number)


def moment(row: Mapping[str, Any], name: str) -> datetime | None:
    """A time of a row, aware UTC; None where it is missing or null."""
    text = field(row, name, str, "")
    return _time(text, name) if text else None


def document_of(value: object, what: str) -> Mapping[str, Any]:
    """A JSON object; raises `ServerError` where Planet sent something else."""
    if not isinstance(value, Mapping):
        raise _malformed(f"{what} came as {type(value).__name__}")
    return value


def field(document: Mapping[str, Any], name: str, wanted: type[T], default: T) -> T:
    """A value of the wanted type; the default where it is missing or null."""
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, wanted):
        raise _malformed(f"{name} is a {type(value).__name__}, not {wanted.__name__}")
    return value


def _km2(row: Mapping[str, Any], name: str) -> float:
    value = row.get(name)
    if value is None:
        return UNKNOWN
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise _malformed(f"{name} is no area")
    return float(value)


def _md5(entry: Mapping[str, Any], asset_type: str) -> str | None:
    digest = field(entry, "md5_digest", str, "")
    if not digest:
        return None
    if not _MD5.fullmatch(digest):
        raise _malformed(f"the md5_digest of {asset_type} is no md5")
    return digest.lower()


def _link(entry: Mapping[str, Any], asset_type: str) -> Link | None:
    """Where the bytes lie. Planet may say null even for an active asset. Source: reported."""
    url = field(entry, "location", str, "")
    if not url:
        return None
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise Unsafe(f"The link of {asset_type} is no web address; it was not opened.")
    expires_at = field(entry, "expires_at", str, "")
    return Link(url=url, expires_at=_time(expires_at, "expires_at") if expires_at else None)


def _time(text: str, name: str) -> datetime:
    """Aware UTC. Source: a time without a zone equals its token's `exp`, which is UTC; confirmed."""
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        raise _malformed(f"{name} is no time") from None


def _malformed(what: str) -> ServerError:
    return ServerError(f"Planet's answer is malformed: {what}.", hint="Try again later; nothing was changed.")


def refusal(status: int, headers: Mapping[str, str], body: str, *, asked: str, kind: str, now: datetime) -> AssetError:
    """The error that an answer with a status of 400 or more means.

    The body decides before the status does: an exhausted quota comes as 403 and as 429, and must not be tried again.
    Source: SDK 1.x and reports, confirmed.

    Args:
        status: HTTP status.
        headers: Headers of the answer.
        body: Its text.
        asked: Method, host and path, for people.
        kind: Kind of the request; "activation" has refusals of its own.
        now: The moment, to read a date in Retry-After by.
    """
    said = error_message(body) or "no reason given"
    where = f"(HTTP {status} to {asked})"
    after_s = retry_after_s(headers, body, now)
    if _is_quota(status, body):
        return OverQuota(
            f"quota exceeded: Planet says {said!r} {where}.",
            hint="Wait for the quota to be reset, clip at Planet instead, or ask for more.",
        )
    if status == 429:
        return Throttled(f"Planet asks for a slower pace: {said} {where}.", after_s=after_s)
    if status in (401, 403):
        return _not_allowed(said, where, kind, about_key=status == 401 and (kind != "activation" or _names_key(said)))
    if status in (404, 410):
        return Gone(f"Planet does not have it: {said} {where}.", hint="Check the item, or search for it again.")
    if status == 407:
        return NetworkError(
            f"The proxy wants a password {where}.", hint="Put user and password into HTTPS_PROXY.", reached_server=False
        )
    if status >= 500 or status == 408:
        return ServerError(f"Planet failed to answer: {said} {where}.", hint="Try again later.", after_s=after_s)
    return Misused(f"Planet refused the request: {said} {where}.", hint="Change what is asked for.")


def _not_allowed(said: str, where: str, kind: str, *, about_key: bool) -> AssetError:
    if about_key:
        return KeyRefused(
            f"Planet refused the API key: {said} {where}.",
            hint="Copy the key from your account page at Planet; an older key stops working when it is reset.",
        )
    what = "activation failed: " if kind == "activation" else ""
    return PermissionMissing(
        f"{what}the account may not have it: {said} {where}.",
        hint="See which assets the plan licenses; recent scenes may be under embargo.",
    )


def _is_quota(status: int, body: str) -> bool:
    """Orders say it in a 400 (reported: porder #29), where the bare word may as well be the user's own."""
    text = body.lower()
    return (status in (402, 403, 429) and "quota" in text) or (status == 400 and "insufficient quota" in text)


def _names_key(said: str) -> bool:
    """Activation answers 401 for a missing licence as well as for a bad key; only the gateway speaks of keys."""
    return "api key" in said.lower()


def error_message(body: str) -> str:
    """What a refusal says, from any of the five bodies of the contract; empty when it says nothing.

    `{"field": {...}, "general": [...]}`, `{"message": ...}`, plain text, an object store's XML, a proxy's web page.
    Tokens and control characters are taken out.
    """
    try:
        said = _from_json(json.loads(body))
    except (ValueError, RecursionError):
        markup = _MARKUP_MESSAGE.search(body)
        said = markup[2] if markup else body
    said = _SECRETS.sub("***", said[: 20 * LONGEST_MESSAGE])
    said = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return said if len(said) <= LONGEST_MESSAGE else said[: LONGEST_MESSAGE - 1] + "…"


def _from_json(document: object) -> str:
    if not isinstance(document, Mapping):
        return document if isinstance(document, str) else json.dumps(document)
    said = _messages(document.get("general"))
    fields = document.get("field")
    if isinstance(fields, Mapping):
        said += [f"{name}: {text}" for name, entries in fields.items() for text in _messages(entries)]
    said += _messages(document.get("message"))
    return "; ".join(dict.fromkeys(said))


def _messages(entries: object) -> list[str]:
    if isinstance(entries, str):
        return [entries]
    if isinstance(entries, Mapping):
        return _messages(entries.get("message"))
    return [text for entry in entries for text in _messages(entry)] if isinstance(entries, list) else []


def retry_after_s(headers: Mapping[str, str], body: str, now: datetime) -> float | None:
    """How many seconds the server asks us to wait; the longest of what it says, None when it says nothing.

    `X-Retry-In: 200ms` and the text `retry-in 200ms` are Go durations; `Retry-After` is whole seconds, so 0 for 200 ms,
    or an HTTP date. Source: header names as in the oxy limiter, assumed; the text, confirmed.
    """
    found = {name.lower(): value for name, value in headers.items()}
    text = _RETRY_IN.search(body)
    said = [_go_s(found.get("x-retry-in", "")), _go_s(text[1]) if text else None]
    said.append(_retry_after(found.get("retry-after", "").strip(), now))
    return max((seconds for seconds in said if seconds is not None), default=None)


def _go_s(text: str) -> float | None:
    steps = list(_GO_STEP.finditer(text.strip()))
    if not steps or "".join(step[0] for step in steps) != text.strip():
        return None
    return sum(float(step[1]) * _GO_UNITS_S[step[2]] for step in steps)


def _retry_after(text: str, now: datetime) -> float | None:
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())

"""Whose quota, and how much is left: Planet's word first, else what was declared, else unknown and why."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from planet_assets.exceptions import AssetError, KeyRefused, Misused, ServerError, TryLater
from planet_assets.library import accounts, budgets, ledger
from planet_assets.library.engine import Library
from planet_assets.model.product import Products
from planet_assets.model.quota import UNKNOWN, Budget, QuotaInfo, Subscription
from planet_assets.planet.products import ProductsApi, scenes_quota
from planet_assets.planet.quota import QuotaApi, choose_subscription, quota_info
from planet_assets.rules.allowance import next_interval

FRESH_ENOUGH = timedelta(hours=24)
"""How old a figure of Planet may be when Planet cannot be asked; its own figures move once a day."""


async def read_quota(
    api: QuotaApi,
    products: ProductsApi,
    library: Library,
    *,
    key_digest: str,
    subscription: str | None,
    named: str | None = None,
    near_limit: float,
    now: datetime,
    stated: Mapping[str, Budget | None] | None = None,
) -> QuotaInfo:
    """What may be used, with our pending spend and what the budgets leave.

    Args:
        api: who tells the classic quota.
        products: who tells it where no subscription does.
        library: whose ledger counts.
        key_digest: which key asks.
        subscription: id or plan name the user chose.
        named: name of the account where Planet names none.
        near_limit: share of the limit from which usage is near it.
        now: the moment, UTC.
        stated: budgets to note first.

    Raises:
        KeyRefused: Planet does not know the key.
        Misused: several subscriptions fit and none was chosen.
    """
    try:
        rows = await api.subscriptions()
    except KeyRefused:
        raise
    except (TryLater, AssetError) as error:
        if isinstance(error, Misused):
            raise
        said = quota_info(None, as_of=now, why=f"Planet could not be asked: {error.message}")
        linked = await asyncio.to_thread(account_of, library, key_digest)
        ask_products = isinstance(error, ServerError) and accounts.is_provisional(linked)
    else:
        said = quota_info(choose_subscription(rows, wanted=subscription), as_of=now)
        ask_products = not said.is_known
    if ask_products and (told := await _told_by_products(products, now)):
        said = replace(told, account=said.account or told.account)
    account = await asyncio.to_thread(_whose, library, said.account, key_digest, named)
    return await asyncio.to_thread(_remembered, library, said, account, near_limit, now, stated or {})


async def read_products(api: ProductsApi) -> Products:
    """Products and reservations of the account; where they cannot be read, why not.

    Raises:
        KeyRefused: Planet does not know the key.
    """
    products, reserved, problem = [], [], ""
    try:
        products = await api.products()
        reserved = await api.reservations()
    except KeyRefused:
        raise
    except AssetError as error:
        problem = error.message
    return Products(products=tuple(products), reserved=tuple(reserved), problem=problem)


async def _told_by_products(api: ProductsApi, now: datetime) -> QuotaInfo | None:
    """Accounts of the newer platform have no subscription rows, yet a product with quota. Source: reported."""
    try:
        return scenes_quota(await api.products(), as_of=now)
    except AssetError:
        return None


def _whose(library: Library, told: str, key_digest: str, named: str | None) -> str:
    """The account: Planet's subscription, else the one the key was last seen to spend from, else a stand-in."""
    if told and not accounts.is_provisional(told):
        accounts.adopt(library, key_digest, told)
        return told
    known = accounts.account_of_key(library, key_digest)
    if known is not None and not accounts.is_provisional(known):
        return known
    own = f"key:{key_digest}"
    best = accounts.successor(library, f"account:{named}" if named else told or known or own)
    if best != own:
        accounts.adopt(library, key_digest, best)
    return best


async def listed_subscriptions(api: QuotaApi) -> list[Subscription]:
    """The subscriptions Planet lists for the key; none where it does not tell.

    Raises:
        KeyRefused: Planet does not know the key.
    """
    try:
        return await api.subscriptions()
    except KeyRefused:
        raise
    except AssetError:
        return []


def account_of(library: Library, key_digest: str) -> str:
    """The account a key spends from; before Planet has named one, an account of the key's own."""
    return accounts.account_of_key(library, key_digest) or accounts.successor(library, f"key:{key_digest}")


def declare(
    library: Library, account: str, *, limit_km2: float, used_km2: float, interval: str, now: datetime
) -> QuotaInfo:
    """Say what the account may use where Planet does not.

    Raises:
        Misused: a figure that is no area.
    """
    for name, value in (("limit", limit_km2), ("used", used_km2)):
        if not 0 <= value < 1e9:
            raise Misused(f"{name}={value} is not an area in km².", argument=name)
    resets_at = next_interval(now) if interval == "monthly" else None
    said = QuotaInfo(
        limit_km2=limit_km2,
        used_km2=used_km2,
        interval=interval,
        resets_at=resets_at,
        source="declared",
        as_of=now,
        account=account,
    )
    accounts.keep(
        library,
        f"declared:{account}",
        {"limit": limit_km2, "used": used_km2, "interval": interval, "at": now.isoformat()},
    )
    ledger.declare(library, said)
    return ledger.quota_of(library, account, now)


def _remembered(
    library: Library,
    said: QuotaInfo,
    account: str,
    near_limit: float,
    now: datetime,
    stated: Mapping[str, Budget | None],
) -> QuotaInfo:
    """Store Planet's word, or fall back to a declaration or a fresh memory, and add our pending spend."""
    best = said if said.is_known else _fallback(library, account, said, now)
    ledger.declare(library, replace(best, account=account))
    budgets.state(library, account, stated)
    known = ledger.quota_of(library, account, now)
    why = said.why_unknown
    remembered = best is not said and best.is_known
    return replace(
        known,
        near_limit_share=near_limit,
        why_unknown="" if best.is_known else why,
        not_asked=why if remembered and best.source == "planet" else "",
    )


def _fallback(library: Library, account: str, said: QuotaInfo, now: datetime) -> QuotaInfo:
    declared = accounts.kept(library, f"declared:{account}")
    if declared is not None:
        return QuotaInfo(
            limit_km2=declared["limit"],
            used_km2=declared["used"],
            interval=declared["interval"],
            resets_at=next_interval(now) if declared["interval"] == "monthly" else None,
            source="declared",
            as_of=datetime.fromisoformat(declared["at"]),
        )
    earlier = ledger.quota_of(library, account, now)
    young = earlier.source == "planet" and earlier.as_of is not None and abs(now - earlier.as_of) < FRESH_ENOUGH
    if young and earlier.is_known and (earlier.resets_at is None or earlier.resets_at > now):
        return replace(earlier, pending_km2=0.0)
    return replace(said, limit_km2=UNKNOWN, used_km2=UNKNOWN, source="unknown")

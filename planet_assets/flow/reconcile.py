"""Comparing the ledger with Planet: its posted usage, the orders of everybody on the subscription, a usage report."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from planet_assets.exceptions import AssetError, Misused, NotAllowed, TryLater
from planet_assets.library import items as item_rows
from planet_assets.library import ledger, spends
from planet_assets.library.engine import Library
from planet_assets.model.item import item_from_feature
from planet_assets.model.month import MonthReport
from planet_assets.model.order import Order
from planet_assets.model.quota import QuotaInfo
from planet_assets.model.spend import Foreign, Reconciliation, ReportLine
from planet_assets.model.tariff import Tariff
from planet_assets.rules import months
from planet_assets.rules import reconcile as rules
from planet_assets.rules.allowance import next_interval

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


class Orders(Protocol):
    """What is needed of Planet's Orders API."""

    async def listed(self, **filters: str) -> list[Order]:
        """Orders of the account."""
        ...


class Items(Protocol):
    """What is needed of Planet's Data API."""

    async def item(self, item_type: str, item_id: str) -> dict[str, Any]:
        """A scene's record."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What is compared: the library's ledger and Planet."""

    library: Library
    """Whose ledger."""
    orders: Orders
    """Who lists orders."""
    items: Items
    """Who knows footprints that the library does not."""
    quota: QuotaInfo
    """What Planet says is used."""
    tariff: Tariff
    """By which rules orders of others are counted."""
    now: datetime
    """The moment, UTC."""
    by: str
    """Who reconciles, for the ledger."""


async def reconcile(
    books: Books,
    *,
    since: datetime | None = None,
    report: Sequence[ReportLine] = (),
    accept: str | None = None,
    dry_run: bool = False,
) -> Reconciliation:
    """Find spends that are not ours, keep them in the ledger, and name what is left unexplained.

    Orders of others are always kept: that only ever lowers what remains. What a report tells beyond them, and a drift
    between Planet's figure and the ledger, are written only when accepted.

    Args:
        books: what is compared.
        since: read orders from then on; otherwise from the begin of the interval.
        report: lines of a usage report.
        accept: why the drift, and the report's part, are accepted; None accepts nothing.
        dry_run: True to write nothing.

    Raises:
        Misused: `since` is in the future; a drift is to be accepted where there is none or nothing is posted for
            certain.
    """
    account, library = books.quota.account, books.library
    if since is not None and since > books.now:
        raise Misused(f"{since:%Y-%m-%d %H:%M} UTC is in the future; no order is of then.", argument="since")
    start = since or rules.period_start(books.quota, books.now)
    known = await asyncio.to_thread(spends.listed, library, account=account)
    found, problems = await _foreign(books, start, known)
    if not dry_run:
        found = await asyncio.to_thread(spends.book, library, account, found, by=books.by)
        known = await asyncio.to_thread(spends.listed, library, account=account)
    else:
        counted = {one.key for one in known}
        found = [one for one in found if one.key not in counted]
    differences = rules.report_differences(report, known)
    if accept is not None and not dry_run:
        told = rules.report_spends(report, differences)
        found += await asyncio.to_thread(spends.book, library, account, told, by=books.by)
        known = await asyncio.to_thread(spends.listed, library, account=account)
    drift = rules.drift(books.quota, known, books.now)
    adjusted = 0.0
    if accept is not None and not dry_run and (drift.km2 or not report):
        row = rules.adjustment(drift, accept, books.now)
        await asyncio.to_thread(spends.book, library, account, [row], by=books.by)
        adjusted = row.km2
    return Reconciliation(
        quota=await asyncio.to_thread(ledger.quota_of, library, account, books.now),
        drift=drift,
        found=tuple(found),
        booked=not dry_run,
        adjusted_km2=adjusted,
        differences=tuple(differences),
        problems=tuple(problems),
    )


async def _foreign(books: Books, start: datetime, known: Sequence[Any]) -> tuple[list[Foreign], list[str]]:
    """Spends by orders that no job of this library placed, and what could not be read or priced."""
    try:
        listed = await books.orders.listed(created_on=f"{start:%Y-%m-%dT%H:%M:%SZ}/..")
    except TryLater:
        raise
    except (NotAllowed, Misused) as error:
        return [], [f"The orders of the account could not be read: {error.message}"]
    ours = await asyncio.to_thread(spends.order_names, books.library)
    foreign = [
        order for order in listed if order.name not in ours and (order.created_on is None or order.created_on >= start)
    ]
    footprints = await _footprints(books, foreign)
    found: list[Foreign] = []
    problems: list[str] = []
    for order in foreign:
        priced, unpriced = rules.order_spends(order, footprints, books.tariff, known)
        found += priced
        problems += unpriced
    return found, problems


async def _footprints(books: Books, orders: Sequence[Order]) -> Mapping[str, BaseGeometry]:
    """Footprints of the items of orders: from the library, else from Planet; what nobody has is left out."""
    refs = {
        (item_type, item_id)
        for order in orders
        for item_type, item_id in zip(order.item_types, order.item_ids, strict=True)
        if not item_type.lower().startswith(rules.FREE_ITEM_TYPES)
    }
    found: dict[str, BaseGeometry] = {}
    for item_type, item_id in sorted(refs):
        item = await asyncio.to_thread(item_rows.item, books.library, item_type, item_id)
        try:
            item = item or item_from_feature(await books.items.item(item_type, item_id))
        except TryLater:
            raise
        except AssetError:
            continue
        found[item_id] = item.footprint
    return found


def month(library: Library, account: str, name: str | None, now: datetime) -> MonthReport:
    """A month of the ledger, for example `2026-11`; the present one without a name. Nothing is asked of Planet."""
    first = months.read_month(name, now)
    rows = spends.listed(library, account=account, since=first, before=next_interval(first))
    report = months.month_report(rows, ledger.quota_of(library, account, now), first, now)
    held_km2, _ = ledger.balance(library, account)  # what is held may have been so since an earlier month
    return replace(report, held_km2=max(0.0, held_km2)) if report.is_present else report

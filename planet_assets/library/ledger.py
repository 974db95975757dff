"""The ledger: append-only rows of km² reserved, committed and released. A balance is a sum, never a stored number.

Every row adds to what is *held* (set aside for work that has not spent yet) and to what is *spent*. A row is written in
the transaction of the event that causes it. Taking quota that nothing had set aside is one conditional statement on the
account's row, made while that row is locked: of two that want the last 100 km², one gets them.

The account is Planet's subscription (or a declared name), so colleagues with different keys share one ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from planet_assets.exceptions import OverQuota, QuotaUnknown
from planet_assets.library import budgets as budget_rows
from planet_assets.library.engine import Library, upsert
from planet_assets.library.schema import ledger, quota
from planet_assets.model.quota import UNKNOWN, QuotaInfo
from planet_assets.rules import allowance, budgets
from planet_assets.rules.charges import TOLERANCE_KM2, Entry

_HELD = sa.func.coalesce(sa.func.sum(ledger.c.held_km2), 0.0)
_SPENT = sa.func.coalesce(sa.func.sum(ledger.c.spent_km2), 0.0)
_MINE = ledger.c.account == sa.bindparam("whose")
_SINCE = ledger.c.at >= sa.bindparam("since")
_HELD_NOW = sa.select(_HELD).where(_MINE)
_SPENT_SINCE = sa.select(_SPENT).where(_MINE, _SINCE)
_OURS_SINCE = _SPENT_SINCE.where(ledger.c.kind != "adjust")
_QUOTA = sa.select(quota).where(quota.c.account == sa.bindparam("whose"))
_TOUCH = sa.update(quota).where(quota.c.account == sa.bindparam("whose")).values(revision=quota.c.revision + 1)
_APPEND = sa.insert(ledger)


def declare(library: Library, info: QuotaInfo) -> None:
    """Remember what the account may use, as Planet or the user last said. Unknown figures are stored as unknown."""
    values = {
        "source": info.source,
        "limit_km2": _number(info.limit_km2),
        "used_km2": _number(info.used_km2),
        "interval": info.interval,
        "style": info.style,
        "plan": info.plan,
        "term": info.term,
        "resets_at": info.resets_at,
        "as_of": info.as_of,
    }
    with library.write() as connection:
        hold_account(connection, info.account)
        connection.execute(sa.update(quota).where(quota.c.account == info.account).values(values))


def quota_of(library: Library, account: str, now: datetime) -> QuotaInfo:
    """What the account may use: the remembered figure with our pending spend."""
    with library.read() as connection:
        return _info(connection, account, now)


def write(connection: sa.Connection, account: str, entries: Iterable[Entry], *, at: datetime, **whose: Any) -> None:
    """Append rows. `whose` gives `job_id`, `batch_id` and `by`, and of rows without a job `key` and `note`."""
    rows = [
        {
            "account": account,
            "at": entry.at or at,
            "kind": entry.kind,
            "held_km2": entry.held_km2,
            "spent_km2": entry.spent_km2,
            "rule": entry.rule,
            **whose,
        }
        for entry in entries
    ]
    if rows:
        connection.execute(_APPEND, rows)


def take(connection: sa.Connection, account: str, km2: float, *, now: datetime, allow_unknown: bool = False) -> None:
    """Make sure that `km2` more fit, while holding the account's row until the transaction ends.

    Raises:
        OverQuota: they do not fit; `shortfall_km2` says by how much, `budget` which budget of ours refused.
        QuotaUnknown: nobody knows, and `allow_unknown` is False.
    """
    if km2 <= TOLERANCE_KM2:
        return
    hold_account(connection, account)
    info = _info(connection, account, now)
    if not info.is_known and not allow_unknown:
        raise QuotaUnknown(
            f"The quota of account {account or 'unknown'} is not known.",
            hint="Declare it with `planet-assets quota set --limit ... --used ...`, or pass allow_unknown_quota=True.",
        )
    bounds = _bounds(connection, info, now)
    granted = connection.execute(
        sa.update(quota)
        .where(quota.c.account == account, *(room >= km2 - TOLERANCE_KM2 for room in bounds))
        .values(revision=quota.c.revision + 1)
    )
    if granted.rowcount == 1:
        return
    verdict = allowance.judge(info, km2)
    raise OverQuota(
        f"{' '.join(verdict.reasons)} This counts what other jobs have reserved ({info.pending_km2:,.2f} km² pending).",
        hint="Take fewer scenes, or wait for the reset.",
        shortfall_km2=verdict.shortfall_km2,
        budget=verdict.budget,
    )


def _bounds(connection: sa.Connection, info: QuotaInfo, now: datetime) -> list[sa.ColumnElement[float]]:
    """What the quota and every budget leave, as sums that the taking statement itself makes."""
    mine = ledger.c.account == info.account
    held = sa.select(_HELD).where(mine).scalar_subquery()
    bounds: list[sa.ColumnElement[float]] = []
    stated = budgets.strictest(budget_rows.stated(connection, info.account))
    if info.is_known:
        since = allowance.pending_since(info, now)
        spent = sa.select(_SPENT).where(mine, ledger.c.at >= since).scalar_subquery()
        kept_back, _ = stated.get("reserve", (0.0, ""))
        bounds.append(info.limit_km2 - kept_back * info.limit_km2 - info.used_km2 - held - spent)
    for name, since in budgets.starts(now).items():
        if name in stated:
            ours = sa.select(_SPENT).where(mine, ledger.c.at >= since, ledger.c.kind != "adjust").scalar_subquery()
            bounds.append(stated[name][0] - held - ours)
    return bounds


def balance(library: Library, account: str | None = None) -> tuple[float, float]:
    """(held, spent) km² of an account over all time, or of all accounts."""
    query = sa.select(_HELD, _SPENT)
    with library.read() as connection:
        held, spent = connection.execute(query if account is None else query.where(ledger.c.account == account)).one()
    return float(held), float(spent)


def accounts(library: Library) -> list[str]:
    """Accounts whose quota is remembered, the one that Planet told of last first."""
    with library.read() as connection:
        return list(connection.execute(sa.select(quota.c.account).order_by(quota.c.as_of.desc())).scalars())


def rows(library: Library, *, account: str | None = None, since: datetime | None = None) -> list[dict[str, Any]]:
    """Ledger rows, oldest first."""
    query = sa.select(ledger).order_by(ledger.c.sequence)
    if account is not None:
        query = query.where(ledger.c.account == account)
    if since is not None:
        query = query.where(ledger.c.at >= since)
    with library.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def hold_account(connection: sa.Connection, account: str) -> None:
    """Make the account's row if it is missing, and hold it: the next statement then sees every earlier commit."""
    if connection.execute(_TOUCH, {"whose": account}).rowcount:
        return
    values = {
        "account": account,
        "source": "unknown",
        "interval": "",
        "style": "consumption",
        "plan": "",
        "revision": 0,
    }
    connection.execute(upsert(connection, quota).values(values).on_conflict_do_nothing())
    connection.execute(_TOUCH, {"whose": account})


def _info(connection: sa.Connection, account: str, now: datetime) -> QuotaInfo:
    row = connection.execute(_QUOTA, {"whose": account}).mappings().one_or_none()
    info = QuotaInfo(account=account)
    if row is not None:
        info = replace(
            info,
            limit_km2=UNKNOWN if row["limit_km2"] is None else row["limit_km2"],
            used_km2=UNKNOWN if row["used_km2"] is None else row["used_km2"],
            source=row["source"],
            interval=row["interval"],
            style=row["style"],
            plan=row["plan"],
            term=row["term"],
            resets_at=row["resets_at"],
            as_of=row["as_of"],
        )
    info = allowance.renewed(info, now)
    held = connection.execute(_HELD_NOW, {"whose": account}).scalar_one()
    since = allowance.pending_since(info, now)
    spent = connection.execute(_SPENT_SINCE, {"whose": account, "since": since}).scalar_one()
    known = allowance.with_pending(info, float(held), float(spent))
    stated = budget_rows.stated(connection, account)
    return replace(known, budgets=budgets.rooms(stated, known, float(held), _ours(connection, account, now)))


def _ours(connection: sa.Connection, account: str, now: datetime) -> dict[str, float]:
    """km² that our scripts have spent since the day and the week began."""
    return {
        name: float(connection.execute(_OURS_SINCE, {"whose": account, "since": since}).scalar_one())
        for name, since in budgets.starts(now).items()
    }


def _number(value: float) -> float | None:
    return None if value != value else float(value)

"""The ledger as it is read: rows with the asset they are about, and rows that no job of ours caused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from planet_assets.library import ledger as ledger_rows
from planet_assets.library.engine import Library
from planet_assets.library.schema import event, job, ledger
from planet_assets.model.spend import Foreign, Spend
from planet_assets.rules.charges import Entry


def listed(
    library: Library,
    *,
    account: str | None = None,
    since: datetime | None = None,
    before: datetime | None = None,
    latest: int | None = None,
) -> list[Spend]:
    """Ledger rows in the order they were written; of one account, by when they count, or the latest of them only."""
    state = (job.c.scene_id, job.c.asset_type, job.c.state)
    query = sa.select(ledger, *state).outerjoin(job, job.c.id == ledger.c.job_id).order_by(ledger.c.sequence)
    if account is not None:
        query = query.where(ledger.c.account == account)
    if since is not None:
        query = query.where(ledger.c.at >= since)
    if before is not None:
        query = query.where(ledger.c.at < before)
    if latest is not None:
        query = query.order_by(None).order_by(ledger.c.sequence.desc()).limit(latest)
    with library.read() as connection:
        found = [_spend(row) for row in connection.execute(query).mappings()]
    return found if latest is None else found[::-1]


def book(library: Library, account: str, found: Sequence[Foreign], *, by: str) -> list[Foreign]:
    """Keep foreign spends that the ledger does not hold yet, and return those; all or none."""
    with library.write() as connection:
        ledger_rows.hold_account(connection, account)
        held = set(
            connection.execute(
                sa.select(ledger.c.key).where(ledger.c.account == account, ledger.c.key.is_not(None))
            ).scalars()
        )
        new = [one for one in {one.key: one for one in found}.values() if one.key not in held]
        for one in new:
            entry = Entry(kind="adjust", held_km2=0.0, spent_km2=one.km2, rule=one.rule)
            ledger_rows.write(connection, account, [entry], at=one.at, by=by, key=one.key, note=one.note or None)
    return new


def order_names(library: Library) -> set[str]:
    """Names of the orders that jobs of this library placed or tried to: their cost is in the ledger already."""
    query = sa.select(event.c.payload).where(event.c.kind == "OrderPlacing")
    with library.read() as connection:
        return {json.loads(payload)["name"] for payload in connection.execute(query).scalars()}


def accounts(library: Library) -> list[str]:
    """Accounts that have rows, the one with the latest row first."""
    query = sa.select(ledger.c.account).group_by(ledger.c.account).order_by(sa.func.max(ledger.c.sequence).desc())
    with library.read() as connection:
        return list(connection.execute(query).scalars())


def _spend(row: sa.RowMapping) -> Spend:
    key = row["key"]
    route = json.loads(row["state"])["route"] if row["state"] else "orders" if (key or "").startswith("order:") else ""
    return Spend(
        sequence=row["sequence"],
        account=row["account"],
        at=row["at"],
        kind=row["kind"],
        held_km2=row["held_km2"],
        spent_km2=row["spent_km2"],
        rule=row["rule"],
        by=row["by"],
        item_id=row["scene_id"] or _item_in(key),
        asset_type=row["asset_type"] or "",
        route=route,
        job_id=row["job_id"],
        batch_id=row["batch_id"],
        key=key,
        note=row["note"] or "",
    )


def _item_in(key: str | None) -> str:
    """The scene that a foreign spend's key names: it stands between the slashes."""
    parts = (key or "").split("/")
    return parts[1] if len(parts) == 3 else ""

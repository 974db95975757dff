"""Budgets that hold for every script on the library: who stated which, kept beside the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import sqlalchemy as sa

from planet_assets.library.accounts import write_kept
from planet_assets.library.engine import Library, alone
from planet_assets.library.schema import kv
from planet_assets.model.quota import Budget

_STATED = sa.select(kv.c.value).where(kv.c.key == sa.bindparam("named"))


def stated(connection: sa.Connection, account: str) -> dict[str, Budget]:
    """Budgets of an account by who stated them, in the caller's transaction."""
    text = connection.execute(_STATED, {"named": _key(account)}).scalar_one_or_none()
    return {} if text is None else {who: Budget(**figures) for who, figures in json.loads(text).items()}


def listed(library: Library, account: str) -> dict[str, Budget]:
    """Budgets of an account by who stated them."""
    with library.read() as connection:
        return stated(connection, account)


def state(library: Library, account: str, changes: Mapping[str, Budget | None]) -> dict[str, Budget]:
    """Note what each states; None takes back what it stated earlier. Returns all that hold now."""
    known = listed(library, account)
    if all(known.get(who) == budget for who, budget in changes.items()):
        return known
    with library.write() as connection:
        alone(connection)
        merged: dict[str, Budget | None] = {**stated(connection, account), **changes}
        left = {who: budget for who, budget in merged.items() if budget is not None}
        write_kept(connection, _key(account), {who: asdict(budget) for who, budget in left.items()})
    return left


def _key(account: str) -> str:
    return f"budgets:{account}"

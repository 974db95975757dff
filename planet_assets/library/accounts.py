"""Whose ledger a key spends from, and other small things that are kept by name.

The ledger belongs to Planet's subscription. A key's digest is only an alias of it, so a reset key does not orphan what
was spent, and colleagues with keys of their own share one balance.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from planet_assets.library import ground
from planet_assets.library.engine import Library, alone, upsert
from planet_assets.library.schema import job, kv, ledger, queue, quota

PROVISIONAL = ("key:", "product:", "account:")
"""Beginnings of accounts that stand in while Planet names no subscription."""


def keep(library: Library, key: str, value: Any) -> None:
    """Remember a small thing by name."""
    with library.write() as connection:
        write_kept(connection, key, value)


def write_kept(connection: sa.Connection, key: str, value: Any) -> None:
    """Remember it in the caller's transaction."""
    row = upsert(connection, kv).values(key=key, value=json.dumps(value))
    connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": row.excluded.value}))


def kept(library: Library, key: str, default: Any = None) -> Any:
    """A small thing by name."""
    with library.read() as connection:
        found = _read(connection, key)
    return default if found is None else found


def link_key(library: Library, key_digest: str, account: str) -> None:
    """Remember that a key spends from an account."""
    keep(library, f"alias:{key_digest}", account)


def account_of_key(library: Library, key_digest: str) -> str | None:
    """The account a key was last seen to spend from."""
    found = kept(library, f"alias:{key_digest}")
    return None if found is None else successor(library, str(found))


def is_provisional(account: str) -> bool:
    """True for the account of a key, a product or a name: what it holds moves on when Planet names a subscription."""
    return account.startswith(PROVISIONAL)


def successor(library: Library, account: str) -> str:
    """The account that has taken over what this one held; itself where none has."""
    seen = {account}
    while (following := kept(library, f"moved:{account}")) and following not in seen:
        seen.add(account := following)
    return account


def adopt(library: Library, key_digest: str, account: str) -> None:
    """Note which account a key spends from; what an account of the key's own had counted moves there."""
    earlier = account_of_key(library, key_digest)
    sources = {f"key:{key_digest}", earlier or ""} - {account}
    for source in sorted(filter(is_provisional, sources)):
        if source == earlier or _is_used(library, source):
            merge(library, source, account)
    if earlier != account:
        link_key(library, key_digest, account)


def merge(library: Library, source: str, target: str) -> int:
    """Move what a provisional account holds into another: rows, jobs, queue, ground, declared, budgets; all or none.

    No balance changes but whose it is. Returns how many ledger rows moved.
    """
    with library.write() as connection:
        alone(connection)
        for table in (job, queue):
            connection.execute(sa.update(table).where(table.c.account == source).values(account=target))
        counted = sa.select(ledger.c.key).where(ledger.c.account == target, ledger.c.key.is_not(None))
        # what the account has counted under the same key stays behind, or it would be counted twice
        new = sa.or_(ledger.c.key.is_(None), ledger.c.key.not_in(counted))
        moved = connection.execute(sa.update(ledger).where(ledger.c.account == source, new).values(account=target))
        ground.move(connection, source, target)
        known = sa.select(quota.c.account).where(quota.c.account == target)
        mine = quota.c.account == source
        if connection.execute(known).first() is None:
            connection.execute(sa.update(quota).where(mine).values(account=target))
        else:
            connection.execute(sa.delete(quota).where(mine))
        declared, theirs = (_read(connection, f"declared:{one}") for one in (source, target))
        if declared is not None and theirs is None:
            write_kept(connection, f"declared:{target}", declared)
        budgets, theirs = (_read(connection, f"budgets:{one}") or {} for one in (source, target))
        if budgets:
            write_kept(connection, f"budgets:{target}", {**budgets, **theirs})
        write_kept(connection, f"moved:{source}", target)
    return moved.rowcount


def _is_used(library: Library, account: str) -> bool:
    with library.read() as connection:
        queries = (sa.select(table.c.account).where(table.c.account == account) for table in (ledger, job, quota))
        return any(connection.execute(query.limit(1)).first() is not None for query in queries)


def _read(connection: sa.Connection, key: str) -> Any:
    text = connection.execute(sa.select(kv.c.value).where(kv.c.key == key)).scalar_one_or_none()
    return None if text is None else json.loads(text)

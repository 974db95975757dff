"""Whose ledger a key spends from, and other small things that are kept by name.

The ledger belongs to Planet's subscription. A key's digest is only an alias of it, so a reset key does not orphan what
was spent, and colleagues with keys of their own share one balance.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from planet_assets.library.engine import Library, upsert
from planet_assets.library.schema import job, kv, ledger, queue


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
        text = connection.execute(sa.select(kv.c.value).where(kv.c.key == key)).scalar_one_or_none()
    return default if text is None else json.loads(text)


def link_key(library: Library, key_digest: str, account: str) -> None:
    """Remember that a key spends from an account."""
    keep(library, f"alias:{key_digest}", account)


def account_of_key(library: Library, key_digest: str) -> str | None:
    """The account a key was last seen to spend from."""
    found = kept(library, f"alias:{key_digest}")
    return None if found is None else str(found)


def adopt(library: Library, key_digest: str, account: str) -> None:
    """Note which account a key spends from; what an account of the key's own had counted moves there.

    Everything moves in one transaction, and no balance changes but whose it is.
    """
    earlier = account_of_key(library, key_digest)
    if earlier == account:
        return
    own = f"key:{key_digest}"
    with library.write() as connection:
        for table in (job, queue):
            connection.execute(sa.update(table).where(table.c.account == own).values(account=account))
        counted = sa.select(ledger.c.key).where(ledger.c.account == account, ledger.c.key.is_not(None))
        # what the account has counted under the same key stays behind, or it would be counted twice
        new = sa.or_(ledger.c.key.is_(None), ledger.c.key.not_in(counted))
        connection.execute(sa.update(ledger).where(ledger.c.account == own, new).values(account=account))
    declared = kept(library, f"declared:{own}")
    if declared is not None and kept(library, f"declared:{account}") is None:
        keep(library, f"declared:{account}", declared)
    link_key(library, key_digest, account)

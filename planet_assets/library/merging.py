"""Sites, bundles and shipments of another library, taken over into this one.

A bundle is the same where its id is, or its name and its seal. Another bundle that has the name and revision of one of
ours becomes a later revision here; an open one has shipped nothing, so it gives way. Ready stays ready, told once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from planet_assets.library import schema
from planet_assets.library.bundles import READY, STORE
from planet_assets.library.engine import upsert
from planet_assets.library.schema import bundle, bundle_event, component, shipment, shipped

Row = Mapping[str, Any]


def sites(connection: sa.Connection, rows: Sequence[Row]) -> dict[int, int]:
    """Their numbers of sites -> ours. Folders go by name; a store of the same name elsewhere gets another name."""
    ours: dict[str, Row] = {row["name"]: dict(row) for row in connection.execute(sa.select(schema.site)).mappings()}
    number: dict[int, int] = {}
    for row in rows:
        name, count = row["name"], 1
        while (known := ours.get(name)) is not None and not _same_site(known, row):
            count += 1
            name = f"{row['name']}-{count}"
        if known is None:
            values = {**row, "name": name}
            del values["id"]
            made = connection.execute(sa.insert(schema.site).values(values)).inserted_primary_key
            known = ours[name] = {**values, "id": made[0] if made else None}
        number[row["id"]] = known["id"]
    return number


def bundles(connection: sa.Connection, rows: Mapping[str, Sequence[Row]], number: Mapping[int, int]) -> dict[str, int]:
    """Take over bundles, what they are made of, where they were shipped, and what happened.

    Args:
        connection: of a transaction that is alone.
        rows: every row of the other library, by table.
        number: their numbers of sites -> ours.

    Returns:
        How many were new, by table.
    """
    members: dict[str, list[Row]] = {}
    for one in rows["component"]:
        members.setdefault(one["bundle_id"], []).append(one)
    ids, new = {}, 0
    for row in sorted(rows["bundle"], key=lambda row: (row["name"], row["revision"])):
        ids[row["id"]], is_new = _bundle(connection, row, members.get(row["id"], ()))
        new += is_new

    def here(row: Row) -> dict[str, Any]:
        site = row["site_id"]
        return {**row, "bundle_id": ids[row["bundle_id"]], "site_id": None if site is None else number[site]}

    return {
        "bundle": new,
        "shipment": sum(_shipment(connection, here(row)) for row in rows["shipment"]),
        "shipped": sum(_once(connection, shipped, here(row)) for row in rows["shipped"]),
        "bundle_event": _events(connection, [here(row) for row in rows["bundle_event"]]),
    }


def _same_site(known: Row, row: Row) -> bool:
    if STORE in (known["role"], row["role"]):
        return bool(known["role"] == row["role"] and known["address"] == row["address"])
    return True


def _bundle(connection: sa.Connection, row: Row, members: Sequence[Row]) -> tuple[str, bool]:
    """The id here, and whether it is new."""
    same_bytes = (bundle.c.name == row["name"]) & (bundle.c.seal == row["seal"])
    query = sa.select(bundle).where(sa.or_(bundle.c.id == row["id"], same_bytes)).order_by(bundle.c.id != row["id"])
    known = connection.execute(query).mappings().first()
    if known is None:
        return _new_bundle(connection, row, members)
    if known["sealed_at"] is None:
        if row["sealed_at"] is not None:  # theirs came further; a sealed bundle has their members and no others
            connection.execute(sa.delete(component).where(component.c.bundle_id == known["id"]))
            values = {"sealed_at": row["sealed_at"], "seal": row["seal"]}
            connection.execute(sa.update(bundle).where(bundle.c.id == known["id"]).values(values))
        _members(connection, known["id"], members)
    return known["id"], False


def _new_bundle(connection: sa.Connection, row: Row, members: Sequence[Row]) -> tuple[str, bool]:
    query = sa.select(bundle).where(bundle.c.name == row["name"]).order_by(bundle.c.revision.desc())
    ours = connection.execute(query).mappings().all()
    latest = ours[0] if ours else None
    is_open = row["sealed_at"] is None
    if is_open and latest is not None and latest["sealed_at"] is None:  # a name has one open revision
        _members(connection, latest["id"], members)
        return latest["id"], False
    revision = row["revision"]
    if latest is not None and (is_open or revision in {one["revision"] for one in ours}):
        revision = max(latest["revision"] + 1, revision)
    if latest is not None and latest["sealed_at"] is None and revision >= latest["revision"]:
        revision = max(revision, latest["revision"] + 1) - 1
        later = sa.update(bundle).where(bundle.c.id == latest["id"])
        connection.execute(later.values(revision=revision + 1))
    connection.execute(sa.insert(bundle).values({**row, "revision": revision}))
    _members(connection, row["id"], members)
    return row["id"], True


def _members(connection: sa.Connection, bundle_id: str, members: Sequence[Row]) -> None:
    for one in members:
        _once(connection, component, {**one, "bundle_id": bundle_id})


def _shipment(connection: sa.Connection, row: Row) -> bool:
    """Nobody here works on a shipment that came from elsewhere; what is ready anywhere is ready."""
    free = {**row, "lease_owner": None, "lease_until": None}
    if _once(connection, shipment, free):
        return True
    if row["state"] == READY:
        ours = (shipment.c.bundle_id == row["bundle_id"], shipment.c.site_id == row["site_id"])
        values = {"state": READY, "ready_at": row["ready_at"], "lease_owner": None, "lease_until": None, "error": None}
        connection.execute(sa.update(shipment).where(*ours, shipment.c.state != READY).values(values))
    return False


def _events(connection: sa.Connection, rows: Sequence[Row]) -> int:
    """What happened to a bundle at a site happened once."""
    columns = [bundle_event.c[name] for name in ("bundle_id", "site_id", "kind")]
    known = {tuple(row) for row in connection.execute(sa.select(*columns))}
    new = 0
    for row in sorted(rows, key=lambda row: row["sequence"]):
        key = (row["bundle_id"], row["site_id"], row["kind"])
        if key not in known:
            known.add(key)
            values = {name: value for name, value in row.items() if name != "sequence"}
            connection.execute(sa.insert(bundle_event).values(values))
            new += 1
    return new


def _once(connection: sa.Connection, table: sa.Table, row: Row) -> bool:
    """Insert a row whose key is free; True when it was."""
    keys = [column.name for column in table.primary_key]
    statement = upsert(connection, table).values(row).on_conflict_do_nothing(index_elements=keys)
    return connection.execute(statement.returning(table.c[keys[0]])).first() is not None

"""Bundles and their shipments. A bundle is open, then sealed; a shipment is wanted, then ready, exactly once.

Ready is written by one conditional update, in the transaction that finds every component of the sealed bundle shipped,
so of any number of shippers one is told that it was the one. Who ships holds a lease; what another owner marks is
refused.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from planet_assets.exceptions import LibraryLocked, Misused
from planet_assets.library import schema
from planet_assets.library.engine import Library, alone, is_dead, lease_time, upsert
from planet_assets.library.schema import bundle, bundle_event, component, shipment, shipped
from planet_assets.model.bundle import Bundle, Component, Site
from planet_assets.rules import sealing

LEASE = timedelta(minutes=15)
"""How long a shipper may be silent; every component that arrives renews it."""

WANTED, READY = "wanted", "ready"
STORE = "store"
"""Role of a site that bundles are shipped to."""


def open_one(library: Library, name: str, *, kind: str, by: str, now: datetime) -> Bundle:
    """The bundle of this name that takes components: the open revision, or a new one after the sealed ones.

    Raises:
        Misused: the name cannot stand at a site.
    """
    sealing.checked_name(name, "name")
    with library.write() as connection:
        alone(connection)
        return _opened(connection, name, kind=kind, by=by, now=now)


def add(library: Library, bundle_id: str, more: Sequence[Component]) -> Bundle:
    """Put files into an open bundle, in any number of calls; a file of the same name is replaced.

    Raises:
        Misused: it is sealed, or names collide.
    """
    with library.write() as connection:
        alone(connection)
        return _added(connection, whole(connection, bundle_id), more)


def seal(library: Library, bundle_id: str, *, by: str, now: datetime) -> Bundle:
    """Fix the members; sealing twice is sealing once.

    Raises:
        Misused: it has none.
    """
    with library.write() as connection:
        alone(connection)
        return _sealed(connection, whole(connection, bundle_id), by=by, now=now)


def assemble(
    library: Library, name: str, components: Sequence[Component], *, kind: str, by: str, now: datetime
) -> Bundle:
    """The sealed bundle that holds these files: the newest one when it does, else an open or a new one, sealed now.

    All of it is one transaction.

    Raises:
        Misused: a name cannot stand at a site, or there are no components.
    """
    sealing.checked_name(name, "name")
    with library.write() as connection:
        alone(connection)
        latest = _latest(connection, name)
        if latest is not None and latest.sealed_at is not None and sealing.holds(latest, components):
            _paths(connection, latest, components)
            return whole(connection, latest.id)
        opened = _opened(connection, name, kind=kind, by=by, now=now)
        opened = _added(connection, opened, components)
        return _sealed(connection, opened, by=by, now=now)


def get(library: Library, bundle_id: str) -> Bundle:
    """One bundle with its components.

    Raises:
        Misused: there is none of this id.
    """
    with library.read() as connection:
        return whole(connection, bundle_id)


def add_site(library: Library, name: str, address: str, options: Mapping[str, str]) -> Site:
    """Name a place; a name that is known gets the new address, unless something was shipped to the old one.

    Raises:
        Misused: the name is that of another thing, or bundles are at the old address.
    """
    with library.write() as connection:
        alone(connection)
        row = connection.execute(sa.select(schema.site).where(schema.site.c.name == name)).mappings().one_or_none()
        values = {"role": STORE, "address": address, "options": json.dumps(dict(options))}
        if row is None:
            connection.execute(sa.insert(schema.site).values(name=name, **values))
        elif row["role"] != STORE:
            raise Misused(f"{name} is a folder the library holds files in.", hint="Choose another name.")
        else:
            used = sa.select(shipment.c.bundle_id).where(shipment.c.site_id == row["id"]).limit(1)
            if row["address"] != address and connection.execute(used).first() is not None:
                raise Misused(
                    f"Bundles were shipped to {name} at {row['address']}.", hint="Give the new place another name."
                )
            connection.execute(sa.update(schema.site).where(schema.site.c.id == row["id"]).values(**values))
    return site_named(library, name)


def sites(library: Library) -> list[Site]:
    """Every place that bundles are shipped to, by name."""
    query = sa.select(schema.site).where(schema.site.c.role == STORE).order_by(schema.site.c.name)
    with library.read() as connection:
        return [_site(row) for row in connection.execute(query).mappings()]


def site_named(library: Library, name: str) -> Site:
    """A place by name.

    Raises:
        Misused: there is none.
    """
    for one in sites(library):
        if one.name == name:
            return one
    raise Misused(f"There is no site {name!r}.", hint="`planet-assets site add NAME ADDRESS` names one.", argument="to")


def want(library: Library, bundle_id: str, site_id: int, *, now: datetime) -> None:
    """Note that a sealed bundle is to be at a site; wanting it twice is wanting it once.

    Raises:
        Misused: it is not sealed.
    """
    with library.write() as connection:
        if whole(connection, bundle_id).sealed_at is None:
            raise Misused("The bundle is open; seal it first.")
        row = upsert(connection, shipment).values(
            bundle_id=bundle_id, site_id=site_id, state=WANTED, attempts=0, wanted_at=now
        )
        connection.execute(row.on_conflict_do_nothing(index_elements=["bundle_id", "site_id"]))


def outstanding(library: Library, site_id: int) -> list[Bundle]:
    """Bundles that are wanted at a site and not ready there, the oldest wish first."""
    query = sa.select(shipment.c.bundle_id).where(shipment.c.site_id == site_id, shipment.c.state != READY)
    with library.read() as connection:
        ids = connection.execute(query.order_by(shipment.c.wanted_at, shipment.c.bundle_id)).scalars().all()
        return [whole(connection, one) for one in ids]


def is_ready(library: Library, bundle_id: str, site_id: int) -> bool:
    """True when every component was shipped and the bundle is visible."""
    query = sa.select(shipment.c.state).where(*_of(bundle_id, site_id))
    with library.read() as connection:
        return connection.execute(query).scalar_one_or_none() == READY


def claim(
    library: Library, bundle_id: str, site_id: int, *, owner: str, now: datetime, lease: timedelta = LEASE
) -> bool:
    """Take a shipment for one shipper alone; False when it is ready, or another one that is alive has it."""
    with library.write() as connection:
        at = lease_time(connection, now)
        row = connection.execute(sa.select(shipment).where(*_of(bundle_id, site_id))).mappings().one_or_none()
        if row is None or row["state"] == READY:
            return False
        holder = row["lease_owner"]
        if holder not in (None, owner) and row["lease_until"] > at and not is_dead(holder):
            return False
        same = shipment.c.lease_owner.is_(None) if holder is None else shipment.c.lease_owner == holder
        taken = sa.update(shipment).where(*_of(bundle_id, site_id), shipment.c.state != READY, same)
        values = {"lease_owner": owner, "lease_until": at + lease, "attempts": shipment.c.attempts + 1, "error": None}
        return bool(connection.execute(taken.values(values)).rowcount)


def arrived(library: Library, bundle_id: str, site_id: int, name: str, *, owner: str, now: datetime) -> None:
    """Note that a component is at the site, checked there, and renew the lease.

    Raises:
        LibraryLocked: another shipper has taken over.
    """
    with library.write() as connection:
        until = lease_time(connection, now) + LEASE
        mine = sa.update(shipment).where(*_of(bundle_id, site_id), shipment.c.lease_owner == owner)
        if not connection.execute(mine.values(lease_until=until)).rowcount:
            raise LibraryLocked("Another process ships this bundle now.", hint="It is left to that one.")
        row = upsert(connection, shipped).values(bundle_id=bundle_id, site_id=site_id, name=name, at=now)
        connection.execute(row.on_conflict_do_nothing(index_elements=["bundle_id", "site_id", "name"]))


def ready(library: Library, bundle_id: str, site_id: int, *, owner: str, now: datetime) -> bool:
    """Note that a bundle is visible at a site; True for the one call that was first.

    Raises:
        LibraryLocked: another shipper has taken over and is not done.
        Misused: a component has not arrived, or the bundle is open.
    """
    there = sa.select(shipped.c.name).where(
        shipped.c.bundle_id == bundle_id, shipped.c.site_id == site_id, shipped.c.name == component.c.name
    )
    missing = sa.exists().where(component.c.bundle_id == bundle_id, ~there.exists())
    sealed = sa.exists().where(bundle.c.id == bundle_id, bundle.c.sealed_at.is_not(None))
    mine = (*_of(bundle_id, site_id), shipment.c.state != READY, shipment.c.lease_owner == owner)
    values = {"state": READY, "ready_at": now, "lease_owner": None, "lease_until": None, "error": None}
    with library.write() as connection:
        if connection.execute(sa.update(shipment).where(*mine, sealed, ~missing).values(values)).rowcount:
            note(connection, bundle_id, "ready", by=owner, now=now, site_id=site_id)
            return True
        row = connection.execute(sa.select(shipment).where(*_of(bundle_id, site_id))).mappings().one()
        if row["state"] == READY:
            return False
        if row["lease_owner"] != owner:
            raise LibraryLocked("Another process ships this bundle now.", hint="It is left to that one.")
        raise Misused("Not every component of the bundle has arrived.")


def give_up(library: Library, bundle_id: str, site_id: int, *, owner: str, error: str) -> None:
    """End one's lease; the bundle stays wanted, and what arrived stays noted."""
    mine = sa.update(shipment).where(*_of(bundle_id, site_id), shipment.c.lease_owner == owner)
    with library.write() as connection:
        connection.execute(mine.values(lease_owner=None, lease_until=None, error=error or None))


def events(library: Library, *, after: int = 0) -> list[tuple[int, datetime, str, str, str | None]]:
    """(sequence, when, kind, bundle id, site) of all that happened after a number, in order."""
    query = (
        sa.select(bundle_event, schema.site.c.name.label("site"))
        .join_from(bundle_event, schema.site, schema.site.c.id == bundle_event.c.site_id, isouter=True)
        .where(bundle_event.c.sequence > after)
        .order_by(bundle_event.c.sequence)
    )
    with library.read() as connection:
        return [
            (row["sequence"], row["at"], row["kind"], row["bundle_id"], row["site"])
            for row in connection.execute(query).mappings()
        ]


def _opened(connection: sa.Connection, name: str, *, kind: str, by: str, now: datetime) -> Bundle:
    latest = _latest(connection, name)
    if latest is not None and latest.sealed_at is None:
        return latest
    made, revision = uuid.uuid4().hex, (latest.revision if latest else 0) + 1
    connection.execute(sa.insert(bundle).values(id=made, name=name, revision=revision, kind=kind, opened_at=now))
    note(connection, made, "opened", by=by, now=now)
    return whole(connection, made)


def _added(connection: sa.Connection, opened: Bundle, more: Sequence[Component]) -> Bundle:
    if opened.sealed_at is not None:
        raise Misused(f"{opened.name} is sealed.", hint="Open it again: what is added makes its next revision.")
    sealing.checked_members(opened.components, more)
    for one in more:
        known = {
            "path": str(one.path),
            "size_bytes": one.size_bytes,
            "sha256": one.sha256,
            "asset_type": one.asset_type,
        }
        row = upsert(connection, component).values(bundle_id=opened.id, name=one.name, **known)
        connection.execute(row.on_conflict_do_update(index_elements=["bundle_id", "name"], set_=known))
    return whole(connection, opened.id)


def _sealed(connection: sa.Connection, opened: Bundle, *, by: str, now: datetime) -> Bundle:
    if opened.sealed_at is not None:
        return opened
    if not opened.components:
        raise Misused(f"{opened.name} has no components, so it cannot be sealed.")
    values = {"sealed_at": now, "seal": sealing.seal_of(opened.components)}
    connection.execute(sa.update(bundle).where(bundle.c.id == opened.id).values(values))
    note(connection, opened.id, "sealed", by=by, now=now)
    return whole(connection, opened.id)


def _paths(connection: sa.Connection, known: Bundle, components: Sequence[Component]) -> None:
    """The same bytes may lie elsewhere now."""
    for one in components:
        here = (component.c.bundle_id == known.id, component.c.name == one.name)
        connection.execute(sa.update(component).where(*here).values(path=str(one.path)))


def _latest(connection: sa.Connection, name: str) -> Bundle | None:
    query = sa.select(bundle.c.id).where(bundle.c.name == name).order_by(bundle.c.revision.desc()).limit(1)
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else whole(connection, found)


def whole(connection: sa.Connection, bundle_id: str) -> Bundle:
    """A bundle with its components, in a transaction.

    Raises:
        Misused: there is none of this id.
    """
    row = connection.execute(sa.select(bundle).where(bundle.c.id == bundle_id)).mappings().one_or_none()
    if row is None:
        raise Misused(f"There is no bundle {bundle_id}.")
    query = sa.select(component).where(component.c.bundle_id == bundle_id).order_by(component.c.name)
    members = tuple(
        Component(
            name=one["name"],
            path=Path(one["path"]),
            size_bytes=one["size_bytes"],
            sha256=one["sha256"],
            asset_type=one["asset_type"],
        )
        for one in connection.execute(query).mappings()
    )
    known = {name: row[name] for name in ("id", "name", "revision", "kind", "sealed_at", "seal")}
    return Bundle(**known, components=members)


def _site(row: sa.RowMapping) -> Site:
    options = json.loads(row["options"] or "{}")
    return Site(id=row["id"], name=row["name"], address=row["address"], options=options)


def _of(bundle_id: str, site_id: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return shipment.c.bundle_id == bundle_id, shipment.c.site_id == site_id


def note(
    connection: sa.Connection, bundle_id: str, kind: str, *, by: str, now: datetime, site_id: int | None = None
) -> None:
    """Add an event."""
    connection.execute(sa.insert(bundle_event).values(at=now, bundle_id=bundle_id, site_id=site_id, kind=kind, by=by))

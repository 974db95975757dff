"""Bundles that come from elsewhere, sealed as they were, their files in a folder of ours; and what is ready where."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from planet_assets.exceptions import Corrupt, Gone
from planet_assets.library.bundles import READY, note, whole
from planet_assets.library.engine import Library, alone
from planet_assets.library.schema import bundle, bundle_event, component, shipment, shipped
from planet_assets.model.bundle import Bundle
from planet_assets.rules import sealing

RECEIVED = "received"


def receive(library: Library, told: Bundle, root: Path, *, by: str, now: datetime) -> Bundle:
    """The bundle of this name and seal; where there is none, a sealed one whose files will be below a folder.

    Its revision is the one that was told, or the next that is free.

    Args:
        library: where.
        told: what its manifest says; its id and paths do not count.
        root: folder of the site it comes to.
        by: who brings it.
        now: the time.

    Raises:
        Misused: a name cannot stand here.
        Corrupt: the seal is not that of the members.
    """
    sealing.checked_name(told.name, "name")
    sealing.checked_members((), told.components)
    seal = sealing.seal_of(told.components)
    if told.seal is not None and told.seal != seal:
        raise Corrupt(f"The manifest of {told.name} is not the one that was sealed.", expected=told.seal, got=seal)
    with library.write() as connection:
        alone(connection)
        query = sa.select(bundle.c.id).where(bundle.c.name == told.name, bundle.c.seal == seal)
        if (known := connection.execute(query).scalar()) is not None:
            return whole(connection, known)
        taken = set(connection.execute(sa.select(bundle.c.revision).where(bundle.c.name == told.name)).scalars())
        revision = told.revision if told.revision not in taken else max(taken) + 1
        made = uuid.uuid4().hex
        fresh = Bundle(id=made, name=told.name, revision=revision, kind=told.kind, sealed_at=now, seal=seal)
        values = {name: getattr(fresh, name) for name in ("id", "name", "revision", "kind", "sealed_at", "seal")}
        connection.execute(sa.insert(bundle).values(**values, opened_at=now))
        home = root / sealing.folder_of(fresh)
        rows = [
            {
                "bundle_id": made,
                "name": one.name,
                "path": str(home / one.name),
                "asset_type": one.asset_type,
                "size_bytes": one.size_bytes,
                "sha256": one.sha256,
            }
            for one in told.components
        ]
        connection.execute(sa.insert(component), rows)
        note(connection, made, RECEIVED, by=by, now=now)
        return whole(connection, made)


def find(library: Library, bundle_id: str) -> Bundle:
    """One bundle with its components.

    Raises:
        Gone: there is none of this id.
    """
    with library.read() as connection:
        if connection.execute(sa.select(bundle.c.id).where(bundle.c.id == bundle_id)).first() is None:
            raise Gone(f"There is no bundle {bundle_id[:64]}.")
        return whole(connection, bundle_id)


def ready_at(
    library: Library, site_id: int, *, after: int = 0, limit: int = 100, name: str | None = None
) -> list[tuple[int, datetime, Bundle]]:
    """(sequence, since when, bundle) of all that is ready at a site, after a number, in the order of becoming so."""
    query = sa.select(bundle_event.c.sequence, bundle_event.c.at, bundle_event.c.bundle_id).where(
        bundle_event.c.site_id == site_id, bundle_event.c.kind == READY, bundle_event.c.sequence > after
    )
    if name is not None:
        query = query.join(bundle, bundle.c.id == bundle_event.c.bundle_id).where(bundle.c.name == name)
    with library.read() as connection:
        rows = connection.execute(query.order_by(bundle_event.c.sequence).limit(limit)).all()
        return [(row.sequence, row.at, whole(connection, row.bundle_id)) for row in rows]


def names_there(library: Library, bundle_id: str, site_id: int) -> set[str]:
    """Components that have come to a site."""
    query = sa.select(shipped.c.name).where(shipped.c.bundle_id == bundle_id, shipped.c.site_id == site_id)
    with library.read() as connection:
        return set(connection.execute(query).scalars())


def held(library: Library, *, missing_at: int) -> list[Bundle]:
    """Sealed bundles whose files are here, and that a site is not known to have; the oldest first.

    One that is still coming from elsewhere is not here yet.
    """
    of_one = bundle.c.id
    coming = sa.exists().where(bundle_event.c.bundle_id == of_one, bundle_event.c.kind == RECEIVED)
    come = sa.exists().where(shipment.c.bundle_id == of_one, shipment.c.state == READY)
    there = sa.exists().where(
        shipment.c.bundle_id == of_one, shipment.c.site_id == missing_at, shipment.c.state == READY
    )
    query = sa.select(of_one).where(bundle.c.sealed_at.is_not(None), sa.or_(~coming, come), ~there)
    with library.read() as connection:
        ids: Sequence[str] = connection.execute(query.order_by(bundle.c.sealed_at, of_one)).scalars().all()
        return [whole(connection, one) for one in ids]

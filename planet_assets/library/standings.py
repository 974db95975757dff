"""How elements stand at sites: what is to go where, what waits, who brings it, what has come.

Standings are written in the transaction that changes their element: what is wanted anew waits from then on, and what is
brought meanwhile counts as the older version. A claim is one conditional update, so of two agents one ships. Heartbeats
of sites are beside them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from planet_assets.exceptions import LibraryLocked
from planet_assets.library import schema
from planet_assets.library.engine import Library, is_dead, lease_time, upsert
from planet_assets.library.team_schema import element, standing
from planet_assets.model.standing import FAILED, PRESENT, WANTED, SiteCount, Standing
from planet_assets.rules import destinations as rules

TURN = 7211003
"""PostgreSQL's advisory lock for who changes elements and how they stand."""

LEASE = timedelta(minutes=10)
"""How long an agent may be silent about an element it brings."""

REST = timedelta(minutes=1)
"""How long an element that failed is left alone."""

MOST = 1000
"""Elements that one look at a waiting list tells of."""

BEAT, MEMBER = "heartbeat:", "member:"
_OF = (
    sa.select(standing)
    .where(standing.c.element_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(standing.c.element_id, standing.c.site)
)
VOLUME = ("agentStartTime", "last_scan", "last_emission", "last_reception")
"""Times in milliseconds that the agent of a site tells of itself."""
_WAITS = sa.text("standing.state IN ('wanted', 'failed')")


def follow(connection: sa.Connection, documents: Mapping[str, Mapping[str, Any]], *, now: datetime) -> None:
    """Bring the standings of elements up to what they say now, in the transaction that writes them.

    Args:
        connection: of that transaction.
        documents: element -> its keys as they are written.
        now: the time.
    """
    files = {name: document for name, document in documents.items() if rules.is_file(name)}
    if rules.GLOBAL in documents:
        follow_all(connection, now=now)
    elif files:
        _follow(connection, files, _team(connection), now)


def follow_all(connection: sa.Connection, *, now: datetime) -> None:
    """The same for every file, when the team's parameters or its sites have changed."""
    team, upto = _team(connection), ""
    while (after := _follow_page(connection, upto, team, now)) is not None:
        upto = after


def join(library: Library, site: str, address: str = "", *, now: datetime) -> bool:
    """Make a site one that files go to; what goes everywhere is wanted there from now on. True when it is new.

    Args:
        library: where.
        site: its name.
        address: what people are told of where it is; empty keeps what is known.
        now: the time.
    """
    with turn(library) as connection:
        known = _member(connection, site)
        told = {"address": address or (known or {}).get("address", ""), "upto": "" if known is None else known["upto"]}
        if told != known:
            _set_member(connection, site, told)
    while told["upto"] is not None:  # page by page, so that others may write between; killed, the next call goes on
        with turn(library) as connection:
            told = _member(connection, site) or told
            if told["upto"] is not None:
                told["upto"] = _follow_page(connection, told["upto"], _team(connection), now)
                _set_member(connection, site, told)
    return known is None


def members(library: Library) -> dict[str, str]:
    """Sites that files go to -> where they are said to be."""
    with library.read() as connection:
        return _members(connection)


def documents(library: Library, element_ids: Collection[str]) -> list[dict[str, Any]]:
    """Elements as they are shown, with how they stand, in the order asked; those that are gone are left out."""
    with library.read() as connection:
        query = sa.select(element.c.id, element.c.doc).where(
            element.c.id.in_(list(element_ids)), element.c.deleted_at.is_(None)
        )
        known = {row.id: json.loads(row.doc) for row in connection.execute(query)}
        told = shown(connection, known)
    return [{**known[name], **told.get(name, {}), "_id": name} for name in element_ids if name in known]


def drop(connection: sa.Connection, element_ids: Sequence[str]) -> None:
    """Forget the standings of elements that are deleted."""
    for start in range(0, len(element_ids), MOST):
        some = element_ids[start : start + MOST]
        connection.execute(sa.delete(standing).where(standing.c.element_id.in_(some)))


@contextmanager
def turn(library: Library) -> Iterator[sa.Connection]:
    """One transaction that changes elements or how they stand, and no other beside it."""
    with library.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(TURN)))
        yield connection


def of(connection: sa.Connection, element_ids: Collection[str]) -> dict[str, list[Standing]]:
    """Element -> how it stands, by site."""
    found: dict[str, list[Standing]] = {}
    ids = sorted(set(element_ids))
    for start in range(0, len(ids), MOST):
        for row in connection.execute(_OF, {"ids": ids[start : start + MOST]}).mappings():
            found.setdefault(row["element_id"], []).append(_standing(row))
    return found


def shown(connection: sa.Connection, element_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Element -> the keys `synced_<site>` and so on that show how it stands."""
    return {name: rules.shown(each) for name, each in of(connection, element_ids).items()}


def waiting(
    library: Library, target: str, *, source: str | None = None, limit: int, now: datetime, owner: str | None = None
) -> list[str]:
    """Elements that are to come to a site and nobody brings, by priority, then the oldest wish first.

    Args:
        library: where.
        target: the site they are wanted at.
        source: only what is at this site as it is now; None for all.
        limit: how many at the most.
        now: the time.
        owner: an agent; what it has claimed itself, and not brought, is told too.
    """
    with library.read() as connection:
        at = lease_time(connection, now)
        query = sa.select(standing.c.element_id).where(
            _WAITS,
            standing.c.site == target,
            sa.or_(standing.c.lease_until.is_(None), standing.c.lease_until <= at, standing.c.lease_owner == owner),
            sa.or_(standing.c.state == WANTED, standing.c.tried_at.is_(None), standing.c.tried_at <= at - REST),
        )
        if source is not None:
            there = standing.alias("there")
            has = sa.exists().where(
                there.c.element_id == standing.c.element_id, there.c.site == source, there.c.state == PRESENT
            )
            query = query.where(has)
        order = (standing.c.rank, standing.c.wanted_at, standing.c.element_id)
        query = query.order_by(*order).limit(max(0, min(limit, MOST)))
        return list(connection.execute(query).scalars())


def claim(library: Library, element_id: str, site: str, *, owner: str, now: datetime, lease: timedelta = LEASE) -> bool:
    """Take an element for one agent alone; False when it is not wanted, or another one that is alive has it.

    Claiming what one has already renews the lease.
    """
    with turn(library) as connection:
        at = lease_time(connection, now)
        row = connection.execute(sa.select(standing).where(*_at(element_id, site))).mappings().one_or_none()
        if row is None or row["state"] == PRESENT:
            return False
        holder = row["lease_owner"]
        if holder not in (None, owner) and row["lease_until"] > at and not is_dead(holder):
            return False
        begun = row["syncing_at"] if holder == owner and row["syncing_at"] is not None else now
        values = {"lease_owner": owner, "lease_until": at + lease, "syncing_at": begun, "tried_at": begun}
        connection.execute(sa.update(standing).where(*_at(element_id, site)).values(values))
        return True


def arrived(library: Library, element_id: str, site: str, *, owner: str, now: datetime) -> bool:
    """Note that an element has come; False when it has changed meanwhile, so that it waits again.

    Raises:
        LibraryLocked: another agent has taken over.
    """
    with turn(library) as connection:
        return arrive(connection, element_id, site, owner=owner, now=now)


def arrive(connection: sa.Connection, element_id: str, site: str, *, owner: str, now: datetime) -> bool:
    """The same in a transaction."""
    row = _mine(connection, element_id, site, owner)
    begun = row["syncing_at"] or now
    is_newest = row["wanted_at"] <= begun
    values = _FREE | {"synced_at": begun, "error": None, "error_code": None}
    values["state"] = PRESENT if is_newest else WANTED
    connection.execute(sa.update(standing).where(*_at(element_id, site)).values(values))
    return bool(is_newest)


def failed(
    library: Library, element_id: str, site: str, *, owner: str, error: str, code: int = rules.OTHER, now: datetime
) -> None:
    """Note that an element did not come; it waits again, after a rest.

    Raises:
        LibraryLocked: another agent has taken over.
    """
    with turn(library) as connection:
        _mine(connection, element_id, site, owner)
        values = _FREE | {"state": FAILED, "tried_at": lease_time(connection, now)}
        values |= {"error": error[:500], "error_code": code}
        connection.execute(sa.update(standing).where(*_at(element_id, site)).values(values))


def give_back(library: Library, element_id: str, site: str, *, owner: str) -> None:
    """End one's lease without a word on how it went, as when an agent is stopped."""
    mine = sa.update(standing).where(*_at(element_id, site), standing.c.lease_owner == owner)
    with turn(library) as connection:
        connection.execute(mine.values(_FREE))


def hold(connection: sa.Connection, element_id: str, site: str, *, now: datetime, found_changed: bool = False) -> None:
    """Note that a site has an element as it is now, because it came from there."""
    values = _FREE | {"state": PRESENT, "wanted_at": now, "synced_at": now, "error": None, "error_code": None}
    if found_changed:
        values["modified_at"] = now
    row = upsert(connection, standing).values(element_id=element_id, site=site, rank=0, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["element_id", "site"], set_=values))


def counts(library: Library) -> dict[str, SiteCount]:
    """Site -> how much is wanted, failed and there."""
    query = sa.select(standing.c.site, standing.c.state, sa.func.count()).group_by(standing.c.site, standing.c.state)
    found: dict[str, dict[str, int]] = {}
    with library.read() as connection:
        for site, state, number in connection.execute(query):
            found.setdefault(site, {})[state] = number
    return {
        site: SiteCount(
            site=site,
            wanted=states.get(WANTED, 0) + states.get(FAILED, 0),
            failed=states.get(FAILED, 0),
            present=states.get(PRESENT, 0),
        )
        for site, states in sorted(found.items())
    }


def beat(library: Library, site: str, said: Mapping[str, Any], *, now: datetime) -> None:
    """Note that the agent of a site lives, and what it says of itself."""
    text = json.dumps({**said, "at": now.astimezone(UTC).isoformat()})
    with library.write() as connection:
        row = upsert(connection, schema.kv).values(key=f"{BEAT}{site}", value=text)
        connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": text}))


def beats(library: Library) -> dict[str, dict[str, Any]]:
    """Site -> what its agent said last, with the time `at`."""
    query = sa.select(schema.kv).where(schema.kv.c.key.startswith(BEAT, autoescape=True)).order_by(schema.kv.c.key)
    with library.read() as connection:
        return {row.key.removeprefix(BEAT): json.loads(row.value) for row in connection.execute(query)}


def volumes(connection: sa.Connection, sites: Collection[str]) -> dict[str, dict[str, Any]]:
    """Site -> the keys that show on its element how its agent is: `agentStatus`, `agentVersion`, `last_scan` ..."""
    query = sa.select(schema.kv).where(schema.kv.c.key.in_([f"{BEAT}{one}" for one in sites]))
    found = {}
    for row in connection.execute(query):
        said = json.loads(row.value)
        keys = {"agentStatus": said.get("status"), "agentVersion": said.get("version")}
        keys |= {key: said.get(key) for key in VOLUME}
        keys["lastConnectionSuccess"] = rules.milliseconds(datetime.fromisoformat(said["at"]))
        found[row.key.removeprefix(BEAT)] = {key: value for key, value in keys.items() if value is not None}
    return found


_FREE: dict[str, Any] = {"lease_owner": None, "lease_until": None, "syncing_at": None}


def _team(connection: sa.Connection) -> tuple[list[str], bool]:
    """The sites that are known, and whether files go everywhere unless they say otherwise."""
    told = sa.select(element.c.doc).where(element.c.id == rules.GLOBAL, element.c.deleted_at.is_(None))
    text = connection.execute(told).scalar_one_or_none()
    everywhere = bool(json.loads(text).get(rules.EVERYWHERE)) if text else False
    return list(_members(connection)), everywhere


def _members(connection: sa.Connection) -> dict[str, str]:
    query = sa.select(schema.kv).where(schema.kv.c.key.startswith(MEMBER, autoescape=True)).order_by(schema.kv.c.key)
    return {row.key.removeprefix(MEMBER): json.loads(row.value)["address"] for row in connection.execute(query)}


def _member(connection: sa.Connection, site: str) -> dict[str, Any] | None:
    query = sa.select(schema.kv.c.value).where(schema.kv.c.key == f"{MEMBER}{site}")
    text = connection.execute(query).scalar_one_or_none()
    return None if text is None else dict(json.loads(text))


def _set_member(connection: sa.Connection, site: str, told: Mapping[str, Any]) -> None:
    text = json.dumps(told)
    row = upsert(connection, schema.kv).values(key=f"{MEMBER}{site}", value=text)
    connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": text}))


def _follow_page(connection: sa.Connection, upto: str, team: tuple[list[str], bool], now: datetime) -> str | None:
    """Follow the files after one; the last of them, None when there were no more."""
    page = sa.select(element.c.id, element.c.doc).where(element.c.deleted_at.is_(None), element.c.id.like("/%"))
    found = connection.execute(page.where(element.c.id > upto).order_by(element.c.id).limit(MOST)).all()
    _follow(connection, {row.id: json.loads(row.doc) for row in found}, team, now)
    return found[-1].id if found else None


def _follow(
    connection: sa.Connection, documents: Mapping[str, Mapping[str, Any]], team: tuple[list[str], bool], now: datetime
) -> None:
    known, fresh = of(connection, documents), []
    for name, document in documents.items():
        fresh += _followed(connection, name, document, team, known.get(name, ()), now)
    if fresh:
        connection.execute(sa.insert(standing), fresh)


def _followed(
    connection: sa.Connection,
    element_id: str,
    document: Mapping[str, Any],
    team: tuple[list[str], bool],
    standings: Iterable[Standing],
    now: datetime,
) -> list[dict[str, Any]]:
    """Change standings, and return the rows that are to be added."""
    known = {one.site: one for one in standings}
    rank, time_ms, fresh = rules.rank_of(document), document.get("time"), []
    origin = document.get("origin")
    if isinstance(origin, str) and origin:
        old = known.pop(origin, None)
        if old is None:
            here = {"element_id": element_id, "site": origin, "state": PRESENT}
            fresh.append(here | {"rank": 0, "wanted_at": now, "synced_at": now})
        elif old.state != PRESENT or rules.is_outdated(old.synced_at, time_ms, within=False):
            hold(connection, element_id, origin, now=now)
    for site in rules.destinations(element_id, document, *team):
        old = known.pop(site, None)
        if old is None:
            key = {"element_id": element_id, "site": site}
            fresh.append(key | {"state": WANTED, "rank": rank, "wanted_at": now, "synced_at": None})
            continue
        changes: dict[str, Any] = {} if old.rank == rank else {"rank": rank}
        if rules.is_outdated(old.synced_at if old.state == PRESENT else old.syncing_at, time_ms):
            changes["wanted_at"] = now
            if old.state == PRESENT:
                changes["state"] = WANTED
        if changes:
            connection.execute(sa.update(standing).where(*_at(element_id, site)).values(changes))
    for site, old in known.items():  # not wanted any more; what came stays known, as what it was
        if old.state != PRESENT:
            connection.execute(sa.delete(standing).where(*_at(element_id, site)))
    return fresh


def _mine(connection: sa.Connection, element_id: str, site: str, owner: str) -> sa.RowMapping:
    row = connection.execute(sa.select(standing).where(*_at(element_id, site))).mappings().one_or_none()
    if row is None or row["lease_owner"] != owner:
        raise LibraryLocked("Another agent brings this element now.", hint="It is left to that one.")
    return row


def _at(element_id: str, site: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return standing.c.element_id == element_id, standing.c.site == site


def _standing(row: sa.RowMapping) -> Standing:
    names = ("element_id", "site", "state", "rank", "wanted_at", "syncing_at", "synced_at", "tried_at", "modified_at")
    return Standing(**{name: row[name] for name in (*names, "error", "error_code")})

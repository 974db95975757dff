"""Ground that an account has unlocked (area under management), and prices that depend on what was charged before.

Ground counts as unlocked only once it is certain that Planet charged for it: a body began to arrive, or an order's file
was there; and only the part of it that the job's own rows have counted. A start is priced against that alone, so two
starts over the same ground that are under way together count it twice; when the answers come, what the other one has
paid for is taken back. So the ledger is never below the bill, whatever is lost meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from planet_assets.library.engine import Library
from planet_assets.library.schema import ground as ground_table
from planet_assets.library.schema import job as job_table
from planet_assets.model.event import Event, FetchAnswered, FetchStarting, LinkReady, OrderPlacing
from planet_assets.model.job import DownloadJob
from planet_assets.rules import charges

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


def unlocked(library: Library, account: str, term: str) -> BaseGeometry:
    """What the account has paid for in the term, polygons in lon/lat degrees; empty without a term."""
    with library.read() as connection:
        return _unlocked(connection, account, term)


def price_now(library: Library, job: DownloadJob) -> float | None:
    """What a start of the job would charge now, km²; None where its own price holds."""
    if not charges.depends(job):
        return None
    with library.read() as connection:
        return _price(connection, job)


def merge(connection: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> int:
    """Add what another library knows to be unlocked; returns how many of its rows brought ground."""
    import shapely

    brought = 0
    for row in rows:
        theirs = shapely.from_wkb(row["wkb"])
        if not shapely.covers(_unlocked(connection, row["account"], row["term"]), theirs):
            _add(connection, row["account"], row["term"], theirs)
            brought += 1
    return brought


def move(connection: sa.Connection, source: str, target: str) -> None:
    """What one account has unlocked is another's: they are one subscription."""
    rows = connection.execute(sa.select(ground_table).where(ground_table.c.account == source)).mappings().all()
    merge(connection, [{**row, "account": target} for row in rows])
    connection.execute(sa.delete(ground_table).where(ground_table.c.account == source))


def other_types(library: Library, item_type: str, scene_id: str) -> dict[str, bool]:
    """Asset type -> whether it certainly charged, of those of a scene that were started by the Data route."""
    with library.read() as connection:
        return _started(connection, item_type, scene_id)


class Priced:
    """Prices the events of one transaction; the accounts they are about are held meanwhile."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._ordered: dict[tuple[str, str], BaseGeometry] = {}

    def price(self, job: DownloadJob, event: Event) -> Event:
        """The event with what it charges or has charged, where that depends on what was charged before."""
        if not charges.depends(job):
            return event
        match event:
            case FetchStarting():
                return replace(event, km2=_price(self._connection, job))
            case FetchAnswered() if not job.charged:
                first = replace(job, starts=0)  # a later start counts again: which type came first is Planet's to know
                return replace(event, exact_km2=_price(self._connection, first, settled=True))
            case OrderPlacing() if job.ground_wkt is not None:
                return self._in_order(job, event)
            case LinkReady() if job.counted_wkt and not job.charged:
                return replace(event, exact_km2=_price(self._connection, job, settled=True))
        return event

    def unlock(self, job: DownloadJob, after: DownloadJob) -> None:
        """Keep the ground of a job that has just become certain to be charged."""
        mine = job.counted_wkt if job.route == "orders" else job.ground_wkt
        if job.charged or not after.charged or not mine or not job.terms.term:
            return
        import shapely

        _add(self._connection, after.account, job.terms.term, shapely.from_wkt(mine))

    def _in_order(self, job: DownloadJob, event: OrderPlacing) -> OrderPlacing:
        """Items of one order are charged together, so ground they share is counted with the first of them."""
        import shapely

        from planet_assets.model.geometry import only_areas
        from planet_assets.rules.tariff import new_km2

        if event.km2 == 0:
            return replace(event, counted_wkt="")
        key = (job.account, job.terms.term)
        known = self._ordered.get(key, shapely.MultiPolygon())
        whole = shapely.from_wkt(job.ground_wkt)
        self._ordered[key] = shapely.union(known, whole)
        mine = only_areas(whole.difference(known))
        price = 0.0 if mine.is_empty else new_km2(mine, _unlocked(self._connection, *key))
        return replace(event, km2=price, counted_wkt="" if mine.is_empty else mine.wkt)


def _price(connection: sa.Connection, job: DownloadJob, *, settled: bool = False) -> float:
    """What a start of the job charges, from what is certain; once `settled`, what it may have charged at the most."""
    if job.terms.types == "first" and job.route == "data" and not job.starts:
        started = _started(connection, job.item_type, job.scene_id, but=job.id)
        if job.asset_type not in started and any(started.values()):
            return 0.0
    mine = job.counted_wkt if job.route == "orders" else job.ground_wkt
    if mine is None:
        return job.km2
    if not mine:
        return 0.0
    import shapely

    from planet_assets.rules.tariff import most_km2, new_km2

    price = most_km2 if settled else new_km2
    return price(shapely.from_wkt(mine), _unlocked(connection, job.account, job.terms.term))


def _add(connection: sa.Connection, account: str, term: str, more: BaseGeometry) -> None:
    import shapely

    wkb = shapely.to_wkb(shapely.union(_unlocked(connection, account, term), more))
    where = (ground_table.c.account == account, ground_table.c.term == term)
    values = {"wkb": wkb, "revision": ground_table.c.revision + 1}
    if not connection.execute(sa.update(ground_table).where(*where).values(values)).rowcount:
        connection.execute(sa.insert(ground_table).values(account=account, term=term, wkb=wkb, revision=0))


def _unlocked(connection: sa.Connection, account: str, term: str) -> BaseGeometry:
    import shapely

    where = (ground_table.c.account == account, ground_table.c.term == term)
    found = connection.execute(sa.select(ground_table.c.wkb).where(*where)).scalar_one_or_none() if term else None
    return shapely.MultiPolygon() if found is None else shapely.from_wkb(found)


def _started(connection: sa.Connection, item_type: str, scene_id: str, *, but: str = "") -> dict[str, bool]:
    mine = (job_table.c.item_type == item_type, job_table.c.scene_id == scene_id, job_table.c.id != but)
    found: dict[str, bool] = {}
    for asset_type, text in connection.execute(sa.select(job_table.c.asset_type, job_table.c.state).where(*mine)):
        state = json.loads(text)
        if state["route"] == "data" and state["starts"] and charges.is_charged(asset_type):
            certain = bool(state.get("charged")) and state["spent_km2"] > 0
            found[asset_type] = found.get(asset_type, False) or certain
    return found

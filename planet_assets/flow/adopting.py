"""Orders of the account that somebody placed: which there are, and jobs that fetch what they brought, free.

Source: an order is charged once, when it is accepted, and its results are kept for 90 days (confirmed).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from planet_assets.exceptions import AssetError, Misused
from planet_assets.library import copies, jobs
from planet_assets.library.engine import Library
from planet_assets.model.job import DownloadJob, Terms
from planet_assets.model.order import Delivered, Order
from planet_assets.planet.orders import OrdersApi
from planet_assets.rules import naming
from planet_assets.rules.tools import as_text, suffix

KEPT = timedelta(days=90)
"""How long Planet keeps the results of an order. Source: confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """Where adopted files go, and whose they are."""

    library: Library
    """The library that is to know them."""
    folder: Path
    """Absolute output folder."""
    naming: str
    """planet or asset."""
    account: str
    """The ledger's account; nothing is charged."""
    terms: Terms
    """What holds for the jobs."""


async def recent(api: OrdersApi, now: datetime) -> list[Order]:
    """Every order of the account whose results may still be there, newest first, whoever placed it."""
    since = now - KEPT
    found = await api.listed(created_on=f"{since:%Y-%m-%dT%H:%M:%SZ}/..")
    return [order for order in found if order.created_on is None or order.created_on >= since]


async def chosen(api: OrdersApi, which: Sequence[str] | None, now: datetime) -> list[Order]:
    """Finished orders with their results: by id or name, or all of them for None.

    Raises:
        Misused: no finished order goes by that id or name.
    """
    known = [order for order in await recent(api, now) if order.state in ("success", "partial")]
    for word in which or ():
        if not any(word in (order.id, order.name) for order in known):
            raise Misused(
                f"No finished order of the last 90 days is called {word!r}.",
                hint="`planet-assets orders list` shows them.",
                argument="which",
            )
    wanted = [order for order in known if which is None or order.id in which or order.name in which]
    return [await api.get(order.id) for order in wanted]


def jobs_for(
    adoption: Adoption, found: Sequence[tuple[Order, Sequence[Delivered]]], now: datetime, skipped: Callable[[str], Any]
) -> list[DownloadJob]:
    """A job for every file of the orders that the library neither holds nor fetches.

    Args:
        adoption: where to.
        found: orders with the files of their manifests.
        now: the present.
        skipped: told of what cannot be adopted, in words.
    """
    made: list[DownloadJob] = []
    taken: set[tuple[str, ...]] = set(jobs.unfinished_keys(adoption.library))
    batch_id = uuid.uuid4().hex
    for order, files in found:
        named = [file for file in files if file.item_id and file.asset_type]
        if not named:
            skipped(f"Order {order.id} ({order.name}) holds no file of a scene: it may be an archive.")
        for file in named:
            try:
                job = _job(adoption, order, file, batch_id, now)
            except AssetError as error:
                skipped(f"{file.path!r} of order {order.id}: {error.message}")
                continue
            if job.purchase in taken or _is_held(adoption.library, job):
                continue
            taken.add(job.purchase)
            made.append(job)
    return made


def _job(adoption: Adoption, order: Order, file: Delivered, batch_id: str, now: datetime) -> DownloadJob:
    region, tools = _changes(order)
    added = suffix(order.tools, file.asset_type, clips=any("clip" in tool for tool in order.tools))
    name = naming.file_name(file.item_id, file.asset_type, adoption.naming)
    path = adoption.folder / (naming.ordered_name(name, added=added) if added else name)
    cut = naming.roi_digest(region or "", tools or None) if region or tools else ""
    known = copies.at(adoption.library, [path]).get(path)
    if known is not None and known.cut != cut:
        path = path.with_name(naming.ordered_name(name, cut or order.id[:8], added=added))
    return DownloadJob(
        id=uuid.uuid4().hex,
        batch_id=batch_id,
        account=adoption.account,
        item_type=file.item_type,
        scene_id=file.item_id,
        asset_type=file.asset_type,
        route="orders",
        path=str(path),
        clipped_path=None,
        roi_wkt=region,
        clipping=None,
        terms=adoption.terms,
        bundle=order.bundles[0] if len(set(order.bundles)) == 1 else None,
        tools=tools,
        order_id=order.id,
        order_name=order.name,
        order_asked_at=order.created_on or now,
        km2=0.0,
        created_at=now,
        updated_at=now,
    )


def _changes(order: Order) -> tuple[str | None, str]:
    """The region an order was clipped to, and its other tools as text; a region known by reference stays among them."""
    from shapely.geometry import shape

    region, others = None, list[Mapping[str, Any]]()
    for tool in order.tools:
        aoi = (tool.get("clip") or {}).get("aoi") if "clip" in tool else None
        if isinstance(aoi, Mapping) and aoi.get("type") in ("Polygon", "MultiPolygon"):
            region = shape(aoi).wkt
        else:
            others.append(tool)
    return region, as_text([dict(tool) for tool in others])


def _is_held(library: Library, job: DownloadJob) -> bool:
    changed = bool(job.roi_wkt or job.tools)
    cut = naming.roi_digest(job.roi_wkt or "", job.tools or None) if changed else ""
    return job.key in copies.held(library, {job.key: cut}, whole=not changed)

"""Wires ports to flow: opens what is needed at first use, and hands settings on as plain values."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from planet_assets import config as configuration
from planet_assets.exceptions import Gone, Misused, TryLater
from planet_assets.flow import account as accounts
from planet_assets.flow.acquire import Consent
from planet_assets.flow.drive import Listener
from planet_assets.flow.plan import Request, Scenes, read_request
from planet_assets.flow.reconcile import Books
from planet_assets.flow.run import Runner
from planet_assets.library import items as item_rows
from planet_assets.library.engine import Library, working
from planet_assets.model.job import DownloadJob, Terms
from planet_assets.model.plan import Want
from planet_assets.model.ports import Clock
from planet_assets.model.quota import Budget, QuotaInfo
from planet_assets.planet.auth import PlanetAuth
from planet_assets.planet.data import DataApi
from planet_assets.planet.orders import OrdersApi, brings
from planet_assets.planet.products import ProductsApi
from planet_assets.planet.quota import QuotaApi
from planet_assets.planet.session import Session

ORDER_STARTS_PER_S = 5.0
"""Downloads of ordered files that may start in a second. Source: confirmed (docs.planet.com, Orders)."""


@dataclass(slots=True, kw_only=True)
class Wiring:
    """What stands behind a manager."""

    settings: configuration.Settings
    auth: PlanetAuth
    clock: Clock
    name: str
    """Who spends, for the ledger."""
    budgets: Mapping[str, Budget | None]
    """What the settings say about spending, with where they say it."""
    _library: Library | None = None
    _session: Session | None = None

    def library(self) -> Library:
        """The library, opened at first use."""
        if self._library is None:
            self._library = Library(configuration.library_address(self.settings))
        return self._library

    def data(self) -> DataApi:
        """Planet's Data API."""
        return DataApi(self._planet())

    def orders(self) -> OrdersApi:
        """Planet's Orders API."""
        return OrdersApi(self._planet())

    def account_api(self) -> QuotaApi:
        """Planet's account service."""
        return QuotaApi(self._planet())

    def products_api(self) -> ProductsApi:
        """Planet's account service for products and reservations."""
        return ProductsApi(self._planet())

    async def quota(self) -> QuotaInfo:
        """What may be used, with our pending spend and budgets."""
        return await accounts.read_quota(
            self.account_api(),
            self.products_api(),
            self.library(),
            key_digest=self.auth.digest,
            subscription=self.settings.planet.subscription,
            named=self.settings.planet.account,
            near_limit=self.settings.quota.near_limit,
            now=self.clock.now(),
            stated=self.budgets,
        )

    def declare(self, limit_km2: float, used_km2: float, interval: str) -> QuotaInfo:
        """Note what the user says the account may use."""
        account = accounts.account_of(self.library(), self.auth.digest)
        figures = {"limit_km2": limit_km2, "used_km2": used_km2}
        return accounts.declare(self.library(), account, **figures, interval=interval, now=self.clock.now())

    def books(self, quota: QuotaInfo) -> Books:
        """What reconciling looks at."""
        return Books(
            library=self.library(),
            orders=self.orders(),
            items=self.data(),
            quota=quota,
            tariff=configuration.tariff(self.settings),
            now=self.clock.now(),
            by=self.name,
        )

    async def account(self) -> str:
        """Whose quota the key spends from; Planet is asked where the library has not seen the key yet."""
        account = accounts.account_of(self.library(), self.auth.digest)
        return (await self.quota()).account if account.startswith("key:") else account

    async def gone(self, wants: Sequence[Want]) -> set[tuple[str, str, str]]:
        """Orders, each with an item id and asset type, that do not bring these wants any more; costs nothing."""
        asked: dict[str, list[tuple[str, str]]] = {}
        for want in wants:
            if want.standing is not None:
                asked.setdefault(want.standing.id, []).append((want.item.id, want.asset_type))
        missing = set[tuple[str, str, str]]()
        for order_id, files in asked.items():
            try:
                order = await self.orders().get(order_id)
            except Gone:
                missing |= {(order_id, *file) for file in files}
            except TryLater:
                continue  # nobody can tell now; a job that finds nothing fails at no charge
            else:
                missing |= {(order_id, *file) for file in files if not brings(order, *file)}
        return missing

    async def feature(self, job: DownloadJob) -> dict[str, Any]:
        """A scene's record from the library, or from Planet."""
        known = await asyncio.to_thread(item_rows.feature, self.library(), job.item_type, job.scene_id)
        return known or await self.data().item(job.item_type, job.scene_id)

    async def features(self, job: DownloadJob) -> list[dict[str, Any]]:
        """The records of a job's scenes; a composite has several."""
        ids = job.members or (job.scene_id,)
        return [await self.feature(replace(job, scene_id=scene_id)) for scene_id in ids]

    def request(self, scenes: Scenes, asset_types: Sequence[str] | None, **options: Any) -> Request:
        """What a caller asks for, read and checked; the settings fill in what was not given."""
        return read_request(
            scenes,
            self.settings.asset_types if asset_types is None else asset_types,
            folder=options.pop("output_dir", None) or self.settings.output_dir,
            naming=options.pop("naming", None) or self.settings.naming,
            delivery=options.pop("delivery", None) or self.settings.delivery,
            tariff=configuration.tariff(self.settings),
            concurrent=self._concurrent(options.pop("max_concurrent", None)),
            **options,
        )

    def terms(self, allow_unknown: bool) -> Terms:
        """What is agreed for jobs made now."""
        return Terms(
            retry_attempts=self.settings.retry_attempts,
            retry_delay_s=self.settings.retry_delay,
            repeat=self.settings.quota.repeat,
            allow_unknown_quota=allow_unknown,
        )

    @contextmanager
    def runner(
        self, max_concurrent: int | None, consent: Consent, callback: Listener | None, show: bool | None
    ) -> Iterator[Runner]:
        """Everything a run touches; its connections are closed at the end."""
        from planet_assets.transfer.fetch import Fetcher
        from planet_assets.transfer.lanes import Lanes

        options, limits = configuration.http_options(self.settings), self.settings.rate_limits
        fetcher = Fetcher(
            stall_s=self.settings.timeout,
            chunk_bytes=self.settings.download_chunk_size,
            lanes=Lanes(most=self.settings.connections_per_file),
            **options,
        )
        with working() as owner, fetcher:
            yield Runner(
                library=self.library(),
                api=self.data(),
                orders=self.orders(),
                order_grace=timedelta(seconds=self.settings.orders.grace_s),
                order_look_s=self.settings.orders.look_s,
                starts_per_s={"data": limits.download, "orders": min(limits.download, ORDER_STARTS_PER_S)},
                fetcher=fetcher,
                clock=self.clock,
                concurrent=self._concurrent(max_concurrent),
                by=self.name,
                consent=consent,
                owner=owner,
                callback=callback,
                show=show,
            )

    async def aclose(self) -> None:
        """Close connections and the library; they are opened again when used."""
        if self._session is not None:
            await self._session.aclose()
            self._session = None
        if self._library is not None:
            self._library.close()
            self._library = None

    def _planet(self) -> Session:
        if self._session is None:
            self._session = Session(
                self.auth,
                clock=self.clock,
                api_url=self.settings.planet.api_url,
                rates=self.settings.rate_limits.model_dump(),
                retry_attempts=self.settings.retry_attempts,
                retry_delay_s=self.settings.retry_delay,
                **configuration.http_options(self.settings),
            )
        return self._session

    def _concurrent(self, given: int | None) -> int:
        number = self.settings.max_concurrent_downloads if given is None else given
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 64:
            raise Misused(f"max_concurrent={given!r} is not between 1 and 64.", argument="max_concurrent")
        return number

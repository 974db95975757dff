"""What a manager works with, and its orders: placed and left to Planet, collected later, listed, adopted."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from planet_assets import config as configuration
from planet_assets.door.carrying import Carrier, is_placed, must_wait
from planet_assets.door.holding import Holdings
from planet_assets.door.wiring import Wiring
from planet_assets.exceptions import Misused
from planet_assets.flow import account as accounts
from planet_assets.flow import track as tracking
from planet_assets.flow.account import read_products
from planet_assets.flow.adopting import recent
from planet_assets.flow.clock import RealClock
from planet_assets.flow.consent import Hook, ask_on_terminal
from planet_assets.library import jobs as job_rows
from planet_assets.library import ledger
from planet_assets.library.engine import Library
from planet_assets.model.changes import Changes
from planet_assets.model.job import DownloadJob, JobList
from planet_assets.model.order import Order
from planet_assets.model.plan import Plan
from planet_assets.model.ports import Clock
from planet_assets.model.product import Products
from planet_assets.planet.auth import PlanetAuth


class Desk:
    """A key, settings, a library and who is asked; `AssetManager` is a desk with everything else on it."""

    def __init__(
        self,
        auth: PlanetAuth | str | None = None,
        config: Mapping[str, Any] | configuration.Settings | None = None,
        *,
        clock: Clock | None = None,
        name: str | None = None,
    ) -> None:
        """Prepare; nothing is asked of Planet and no file is opened before it is needed.

        Args:
            auth: API key, or `query.auth`; without one it is looked for in the usual places.
            config: settings by name; unknown keys are refused.
            clock: time, for tests.
            name: who spends, for the ledger; the script's name otherwise.

        Raises:
            KeyMissing: no key was found.
            Misused: a setting is unknown or senseless.
        """
        self.settings = configuration.load(config)
        self.auth = configuration.find_auth(auth)
        self.get_user_confirmation: Hook = ask_on_terminal
        self.progress_callback: Callable[[DownloadJob], None] | None = None
        self.show_progress: bool | None = None
        self.clock: Clock = clock or RealClock()
        self.name = name or Path(sys.argv[0] or "python").name
        self._wires = Wiring(
            settings=self.settings,
            auth=self.auth,
            clock=self.clock,
            name=self.name,
            budgets=configuration.budgets(config, script=self.name),
        )

    @property
    def library(self) -> Library:
        """The library, opened at first use."""
        return self._wires.library()

    @property
    def files(self) -> Holdings:
        """The files the library knows: verify, clean, stats, move, adopt, remove."""
        return Holdings(self.library, self.clock)

    def track(
        self,
        listing: tracking.Records,
        name: str | None = None,
        *,
        complete: bool = False,
        key: str | None = None,
        change_keys: Sequence[str] | None = None,
        dry_run: bool = False,
    ) -> Changes:
        """Which scenes or records are new, modified, unchanged or gone since they were listed last; and remember them.

        A scene is modified when it moves to another publishing stage; metadata that drifts changes nothing.

        Args:
            listing: a FeatureCollection, features, or records of any source.
            name: of the listing; what one is told does not disturb another.
            complete: True when it holds everything that belongs to the name: only then what it lacks is gone.
            key: field that names a record; else the first of id, assetId, uuid.
            change_keys: fields whose change counts; else updated, modified, lastModified, size, checksum, etag.
            dry_run: True to remember nothing.

        Raises:
            Misused: a record that nothing names, or a complete listing without a name.
        """
        how: dict[str, Any] = {"complete": complete, "key": key, "change_keys": change_keys, "dry_run": dry_run}
        return tracking.track(self.library, listing, name=name, now=self._wires.clock.now(), **how)

    def spent_since(self, moment: datetime) -> float:
        """km² that the ledger holds now or has spent since a moment, for `policies.max_per`; Planet is asked nothing.

        Raises:
            Misused: the moment has no time zone.
        """
        if moment.tzinfo is None:
            raise Misused("The moment has no time zone.", hint="Use datetime(..., tzinfo=UTC).", argument="moment")
        account = accounts.account_of(self.library, self.auth.digest)
        held_km2, _ = ledger.balance(self.library, account)
        rows = ledger.rows(self.library, account=account, since=moment)
        return max(0.0, held_km2) + math.fsum(row["spent_km2"] for row in rows)

    async def order(
        self, plan: Plan, *, confirm: Hook | bool = True, allow_unknown_quota: bool | None = None
    ) -> JobList:
        """Carry out a plan up to placed orders, and return: nobody has to wait for Planet. `collect` fetches later.

        Arguments and errors are those of `run`. What is held is had at once.
        """
        allow = self.settings.quota.allow_unknown if allow_unknown_quota is None else allow_unknown_quota
        return await self._carrier(None, self._hook(confirm), enough=is_placed).carry_out(plan, allow_unknown=allow)

    async def collect(
        self,
        jobs: Iterable[str | DownloadJob] | None = None,
        *,
        confirm: Hook | bool = True,
        max_concurrent: int | None = None,
    ) -> JobList:
        """Fetch what orders have brought by now, and return; what is not ready is left for the next time. Free.

        Args:
            jobs: ids or jobs; every ordered one otherwise.
            confirm: who is asked about scenes that waited and can be ordered now, as in `resume`.
            max_concurrent: downloads side by side.
        """
        left = [job for job in await asyncio.to_thread(job_rows.unfinished, self.library) if job.route == "orders"]
        if jobs is not None:
            wanted = {job if isinstance(job, str) else job.id for job in jobs}
            left = [job for job in left if job.id in wanted]
        carrier = self._carrier(max_concurrent, self._hook(confirm), enough=must_wait, spends_again=True)
        return await carrier.resume(left, named=jobs is not None)

    async def list_orders(self) -> list[Order]:
        """The account's orders of the last 90 days, whoever placed them, newest first. Costs nothing."""
        return await recent(self._wires.orders(), self._wires.clock.now())

    async def get_products(self) -> Products:
        """Products with a quota of their own, and areas reserved of them. Costs nothing; raises `KeyRefused`."""
        return await read_products(self._wires.products_api())

    async def adopt_orders(
        self,
        which: Sequence[str] | None = None,
        *,
        output_dir: str | Path | None = None,
        max_concurrent: int | None = None,
        skipped: Callable[[str], Any] | None = None,
    ) -> JobList:
        """Fetch what finished orders brought, Explorer's included, and know it as held. Free; held files are left out.

        Args:
            which: ids or names of orders; every finished one of the last 90 days otherwise.
            output_dir: folder for the files.
            max_concurrent: downloads side by side.
            skipped: told of files that cannot be adopted, in words.

        Raises:
            Misused: no finished order goes by an id or name.
        """
        folder = Path(output_dir or self.settings.output_dir).expanduser().absolute()
        carrier = self._carrier(max_concurrent, None)
        return await carrier.adopt(which, folder, self.settings.naming, skipped or (lambda words: None))

    def _hook(self, confirm: Hook | bool) -> Hook | None:
        if isinstance(confirm, bool):
            return self.get_user_confirmation if confirm else None
        return confirm

    def _carrier(
        self,
        max_concurrent: int | None,
        hook: Hook | None,
        enough: Callable[[DownloadJob], bool] | None = None,
        *,
        spends_again: bool = False,
    ) -> Carrier:
        return Carrier(
            wires=self._wires,
            hook=hook,
            callback=self.progress_callback,
            show=self.show_progress,
            max_concurrent=max_concurrent,
            enough=enough,
            spends_again=spends_again,
        )

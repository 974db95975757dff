"""The same door without await: `AssetManager` and `PlanetScopeQuery` for plain scripts and for notebooks alike.

One background thread runs one event loop for all of them, so calls also work where a loop is running already.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from planet_assets import manager as door
from planet_assets.config import Settings
from planet_assets.door.holding import Holdings
from planet_assets.flow.clock import RealClock
from planet_assets.flow.consent import Hook
from planet_assets.flow.plan import Scenes
from planet_assets.flow.search import FeatureCollection, Moment
from planet_assets.flow.sync import Synced
from planet_assets.flow.track import Records
from planet_assets.model.changes import Changes
from planet_assets.model.clearness import ClearShare
from planet_assets.model.job import DownloadJob, JobList
from planet_assets.model.month import MonthReport
from planet_assets.model.order import Order
from planet_assets.model.plan import DownloadImpact, Plan
from planet_assets.model.ports import Clock
from planet_assets.model.product import Products
from planet_assets.model.quota import QuotaInfo, Subscription
from planet_assets.model.selection import Selection
from planet_assets.model.spend import Reconciliation
from planet_assets.planet.auth import PlanetAuth
from planet_assets.sites import remote
from planet_assets.sites.remote import Document, Ids

T = TypeVar("T")


class _Loop:
    """One event loop on a daemon thread, started at first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine; Ctrl-C cancels it and waits until it has tidied up."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            with contextlib.suppress(BaseException):
                self._settled(future)
            raise

    def _settled(self, future: Future[Any]) -> None:
        async def tidy() -> None:
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others, timeout=1)

        del future
        asyncio.run_coroutine_threadsafe(tidy(), self._running()).result(timeout=30)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="planet-assets-loop", daemon=True).start()
            return self._loop


_LOOP = _Loop()


class AssetManager:
    """`planet_assets.AssetManager` without await. Arguments, results and errors are the same."""

    def __init__(
        self,
        auth: PlanetAuth | str | None = None,
        config: Mapping[str, Any] | Settings | None = None,
        *,
        clock: Clock | None = None,
        name: str | None = None,
    ) -> None:
        self._door = door.AssetManager(auth, config, clock=clock, name=name)

    @property
    def get_user_confirmation(self) -> Hook:
        """The hook that is asked before anything is spent."""
        return self._door.get_user_confirmation

    @get_user_confirmation.setter
    def get_user_confirmation(self, hook: Hook) -> None:
        self._door.get_user_confirmation = hook

    @property
    def progress_callback(self) -> Callable[[DownloadJob], None] | None:
        """Called with a fresh job on every change, on a thread of ours."""
        return self._door.progress_callback

    @progress_callback.setter
    def progress_callback(self, callback: Callable[[DownloadJob], None] | None) -> None:
        self._door.progress_callback = callback

    @property
    def asynchronous(self) -> door.AssetManager:
        """The manager behind this one."""
        return self._door

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that uses `asynchronous`, run where this manager runs."""
        return _LOOP.run(work)

    def search(self, geometry: Any, start_date: Moment, end_date: Moment, **options: Any) -> FeatureCollection:
        """Scenes that touch a geometry, newest first; costs no quota."""
        return _LOOP.run(self._door.search(geometry, start_date, end_date, **options))

    def clear_over_roi(self, scenes: Scenes, roi: Any, *, mode: str = "estimate") -> dict[str, ClearShare]:
        """How clear each scene is over a region, before anything is paid."""
        return _LOOP.run(self._door.clear_over_roi(scenes, roi, mode=mode))

    def select(self, scenes: Scenes, roi: Any, **wish: Any) -> Selection:
        """`select_scenes`, with the clear share over the region where Planet tells it."""
        return _LOOP.run(self._door.select(scenes, roi, **wish))

    def get_quota_info(self) -> QuotaInfo:
        """What may be used, in km²."""
        return _LOOP.run(self._door.get_quota_info())

    def spent_since(self, moment: datetime) -> float:
        """km² that the ledger holds now or has spent since a moment, for `policies.max_per`."""
        return self._door.spent_since(moment)

    def declare_quota(self, limit_km2: float, used_km2: float = 0.0, *, interval: str = "monthly") -> QuotaInfo:
        """Say what the account may use where Planet does not; km²."""
        return self._door.declare_quota(limit_km2, used_km2, interval=interval)

    def reconcile(self, **options: Any) -> Reconciliation:
        """Compare the ledger with Planet's posted usage and with everybody's orders."""
        return _LOOP.run(self._door.reconcile(**options))

    def track(self, listing: Records, name: str | None = None, **options: Any) -> Changes:
        """Which scenes or records are new, modified, unchanged or gone since they were listed last."""
        return self._door.track(listing, name, **options)

    @property
    def files(self) -> Holdings:
        """The files the library knows: verify, clean, stats, move, adopt, remove."""
        return self._door.files

    def month_report(self, month: str | None = None) -> MonthReport:
        """A month of the ledger, `2026-11` or the present one, as a picture."""
        return self._door.month_report(month)

    def calculate_download_impact(
        self, scenes: Scenes, roi: Any = None, asset_types: Sequence[str] | None = None, *, delivery: str | None = None
    ) -> DownloadImpact:
        """What fetching the scenes would cost; no network."""
        return self._door.calculate_download_impact(scenes, roi, asset_types, delivery=delivery)

    def plan(self, scenes: Scenes, asset_types: Sequence[str] | None = None, **options: Any) -> Plan:
        """The thing to look at and confirm before anything is spent."""
        return _LOOP.run(self._door.plan(scenes, asset_types, **options))

    def sync(self, search: str | Path | Mapping[str, Any], **options: Any) -> Synced:
        """The weekly job: search, compare, fetch only what is new."""
        return _LOOP.run(self._door.sync(search, **options))

    def run(self, plan: Plan, **options: Any) -> JobList:
        """Carry out a plan."""
        return _LOOP.run(self._door.run(plan, **options))

    def activate_and_download_assets(
        self,
        scenes: Scenes,
        asset_types: Sequence[str] | None = None,
        output_dir: str | Path | None = None,
        clip_to_roi: Any = None,
        **options: Any,
    ) -> JobList:
        """Check the quota, ask, activate, download, verify and cut: the whole way."""
        return _LOOP.run(
            self._door.activate_and_download_assets(scenes, asset_types, output_dir, clip_to_roi, **options)
        )

    def resume(self, jobs: Iterable[str | DownloadJob] | None = None, **options: Any) -> JobList:
        """Finish what an earlier process left."""
        return _LOOP.run(self._door.resume(jobs, **options))

    def retry_failed_downloads(self, failed_jobs: Sequence[DownloadJob], **options: Any) -> JobList:
        """Try failed, expired or cancelled jobs again."""
        return _LOOP.run(self._door.retry_failed_downloads(failed_jobs, **options))

    def order(self, plan: Plan, **options: Any) -> JobList:
        """Carry out a plan up to placed orders; `collect` fetches later."""
        return _LOOP.run(self._door.order(plan, **options))

    def collect(self, jobs: Iterable[str | DownloadJob] | None = None, **options: Any) -> JobList:
        """Fetch what orders have brought by now."""
        return _LOOP.run(self._door.collect(jobs, **options))

    def list_orders(self) -> list[Order]:
        """The account's orders of the last 90 days, whoever placed them."""
        return _LOOP.run(self._door.list_orders())

    def get_products(self) -> Products:
        """Products with a quota of their own, and areas reserved of them."""
        return _LOOP.run(self._door.get_products())

    def adopt_orders(self, which: Sequence[str] | None = None, **options: Any) -> JobList:
        """Fetch what finished orders brought, Explorer's included; free."""
        return _LOOP.run(self._door.adopt_orders(which, **options))

    def cancel(self, jobs: Iterable[str | DownloadJob], **options: Any) -> JobList:
        """End jobs that nobody works on."""
        return _LOOP.run(self._door.cancel(jobs, **options))

    def check_key(self) -> list[Subscription]:
        """Ask Planet whether it accepts the key; the subscriptions it lists for it."""
        return _LOOP.run(self._door.check_key())

    def get_scene(self, scene_id: str, item_type: str = "PSScene") -> dict[str, Any]:
        """A scene's record as Planet has it now; costs nothing."""
        return _LOOP.run(self._door.get_scene(scene_id, item_type))

    def get_asset_info(self, scene_id: str, asset_type: str, item_type: str = "PSScene") -> dict[str, Any]:
        """What Planet says of one asset; costs nothing."""
        return _LOOP.run(self._door.get_asset_info(scene_id, asset_type, item_type))

    def close(self) -> None:
        """Close connections and the library."""
        _LOOP.run(self._door.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class PlanetScopeQuery:
    """Search for scenes, without await, as scripts written for planetscope-py do.

    Attributes:
        auth: the key that was found, for `AssetManager(query.auth)`.
    """

    def __init__(self, api_key: PlanetAuth | str | None = None, config: Mapping[str, Any] | None = None) -> None:
        """Find the key; nothing is asked of Planet yet.

        Raises:
            KeyMissing: no key was found.
        """
        self._manager = AssetManager(api_key, config)
        self.auth = self._manager.asynchronous.auth

    def search_scenes(
        self,
        geometry: Any,
        start_date: Moment,
        end_date: Moment,
        cloud_cover_max: float | None = None,
        item_types: Sequence[str] = ("PSScene",),
        asset_types: Sequence[str] = (),
        limit: int | None = None,
        **options: Any,
    ) -> FeatureCollection:
        """Scenes that touch a geometry, newest acquisition first; costs no quota.

        Args:
            geometry: GeoJSON, shapely, WKT or the path of a vector file; lon/lat degrees.
            start_date: first day or moment, UTC.
            end_date: last day (included) or moment, UTC.
            cloud_cover_max: share of cloud at the most, 0 to 1.
            item_types: kinds of scene.
            asset_types: scenes that have at least one of these.
            limit: scenes at the most.
            **options: further arguments of `AssetManager.search`.

        Returns:
            A FeatureCollection; each scene has its id at the top level and in `properties["id"]`.
        """
        return self._manager.search(
            geometry,
            start_date,
            end_date,
            cloud_cover_max=cloud_cover_max,
            item_types=item_types,
            asset_types=asset_types,
            limit=limit,
            **options,
        )


class TrackerClient:
    """A tracker of a team, without await: verbs, replies and errors are those of `sites.remote.TrackerClient`."""

    def __init__(self, url: str, token: str | None = None, *, clock: Clock | None = None, **options: Any) -> None:
        self._door = remote.TrackerClient(url, token, clock=clock or RealClock(), **options)
        self.url = self._door.url

    def __repr__(self) -> str:
        return repr(self._door)

    @property
    def token(self) -> str | None:
        """What one is known by; a secret."""
        return self._door.token

    def sign_in(self, username: str, password: str, expires_in: str | None = None) -> dict[str, Any]:
        """Sign in by name or e-mail address; the client has the token from then on."""
        return _LOOP.run(self._door.sign_in(username, password, expires_in))

    def sign_out(self) -> bool:
        """Revoke the token."""
        return _LOOP.run(self._door.sign_out())

    def verify(self) -> dict[str, Any]:
        """Who one is."""
        return _LOOP.run(self._door.verify())

    def create_token(self, expires_in: str | None = None, scope: str = "") -> str:
        """A token of one's own for a program."""
        return _LOOP.run(self._door.create_token(expires_in, scope))

    def create(self, elements: Document | Sequence[Document]) -> Any:
        """Insert elements."""
        return _LOOP.run(self._door.create(elements))

    def read(self, ids: Ids) -> Any:
        """Elements by id."""
        return _LOOP.run(self._door.read(ids))

    def update(self, elements: Document | Sequence[Document]) -> Any:
        """Set keys of elements that are there; None removes a key."""
        return _LOOP.run(self._door.update(elements))

    def upsert(self, elements: Document | Sequence[Document]) -> Any:
        """Update what is there, and create the rest."""
        return _LOOP.run(self._door.upsert(elements))

    def delete(self, ids: Ids) -> Any:
        """Remove elements."""
        return _LOOP.run(self._door.delete(ids))

    def search(self, query: str, *, limit: int | None = None, offset: int | None = None) -> list[str]:
        """Ids of the elements that a query finds."""
        return _LOOP.run(self._door.search(query, limit=limit, offset=offset))

    def search_one(self, query: str) -> dict[str, Any] | None:
        """The first element that a query finds; None when there is none."""
        return _LOOP.run(self._door.search_one(query))

    def search_mongo(
        self, query: Document, sort: Document | None = None, limit: int = 0, skip: int = 0
    ) -> dict[str, Any]:
        """`{count, ids}` of a query in MongoDB's words."""
        return _LOOP.run(self._door.search_mongo(query, sort, limit, skip))

    def graph(self, ids: Ids, depth: int = 0) -> list[Any]:
        """Elements, those they are made of to a depth (0 for all), and the edges between."""
        return _LOOP.run(self._door.graph(ids, depth))

    def lock(self, ids: Ids) -> Any:
        """Lock elements for oneself, all or none."""
        return _LOOP.run(self._door.lock(ids))

    def unlock(self, ids: Ids) -> Any:
        """End one's locks."""
        return _LOOP.run(self._door.unlock(ids))

    def publish(self, elements: Document | Sequence[Document]) -> list[Any]:
        """Publish files: `_id`, `comment` and `origin` each."""
        return _LOOP.run(self._door.publish(elements))

    def comment(self, parents: Ids, text: str, **keys: Any) -> list[Any]:
        """Comment on elements."""
        return _LOOP.run(self._door.comment(parents, text, **keys))

    def version(self, element_id: str, keys: Document) -> Any:
        """Make a new version of an element; `keys` hold its `file`."""
        return _LOOP.run(self._door.version(element_id, keys))

    def list_up(self, source: str, target: str, count: int) -> list[dict[str, Any]]:
        """The next elements that a site is to send to another."""
        return _LOOP.run(self._door.list_up(source, target, count))

    def list_down(self, source: str, target: str, count: int) -> list[dict[str, Any]]:
        """The next elements that a site is to fetch from another."""
        return _LOOP.run(self._door.list_down(source, target, count))

    def sites(self) -> list[dict[str, Any]]:
        """Every site, with its colour and what waits for it."""
        return _LOOP.run(self._door.sites())

    def ask(self, method: str, path: str, *, again: bool = False, **more: Any) -> Any:
        """Any other route: its JSON. `again` says that the request may be repeated."""
        return _LOOP.run(self._door.ask(method, path, again=again, **more))

    def close(self) -> None:
        """Close the connections."""
        _LOOP.run(self._door.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

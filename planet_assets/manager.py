"""The door: `AssetManager`. Quota, plan, confirm, run, resume, retry. Wires ports to flow; decides nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from planet_assets.door.choosing import Chooser
from planet_assets.door.syncing import Syncer, Wish
from planet_assets.exceptions import LibraryLocked, Misused
from planet_assets.export.vector import roi_of
from planet_assets.flow import account as accounts
from planet_assets.flow import plan as planning
from planet_assets.flow import reconcile as reconciling
from planet_assets.flow import replan
from planet_assets.flow.consent import Hook
from planet_assets.flow.plan import Scenes
from planet_assets.flow.saved import read_saved
from planet_assets.flow.search import FeatureCollection, Moment, asset_info, with_clear
from planet_assets.flow.search import search as search_flow
from planet_assets.flow.sync import Synced
from planet_assets.library import jobs as job_rows
from planet_assets.library import ledger
from planet_assets.model.job import DownloadJob, JobList
from planet_assets.model.month import MonthReport
from planet_assets.model.plan import DownloadImpact, Plan
from planet_assets.model.quota import QuotaInfo, Subscription
from planet_assets.model.spend import Reconciliation, ReportLine

REPLANS = 20
REPLAN_PAUSE_S = 0.1


class AssetManager(Chooser):
    """Fetches PlanetScope assets, never spending quota unseen.

    Works as `async with` and without, in notebooks and scripts, over several `asyncio.run`.

    Attributes:
        get_user_confirmation: the hook that is asked before anything is spent, called with `(plan)` or with
            `(quota_info, download_impact)`; plain or async. The default asks on the terminal.
        progress_callback: called with a fresh `DownloadJob` on every change, at most some ten times a second per job.
        settings: every setting, frozen.
        clock, name: time, and who spends, for the ledger.
    """

    async def search(
        self,
        geometry: Any,
        start_date: Moment,
        end_date: Moment,
        *,
        cloud_cover_max: float | None = None,
        item_types: Sequence[str] = ("PSScene",),
        asset_types: Sequence[str] = (),
        limit: int | None = None,
        extra_filter: Mapping[str, Any] | None = None,
        clear_over_roi: bool | str = False,
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
            extra_filter: a filter of Planet's Data API that has to hold too.
            clear_over_roi: True or a mode of `clear_over_roi` to ask of each scene how clear it is over the geometry.

        Raises:
            Misused: dates reversed, cloud cover outside 0..1, an ROI that cannot be meant.
        """
        roi = roi_of(geometry)
        found = await search_flow(
            self._wires.data(),
            self.library,
            roi=roi,
            start=start_date,
            end=end_date,
            cloud_cover_max=cloud_cover_max,
            item_types=item_types,
            asset_types=asset_types,
            limit=limit,
            now=self._wires.clock.now(),
            extra=extra_filter,
        )
        if not clear_over_roi:
            return found
        mode = clear_over_roi if isinstance(clear_over_roi, str) else "estimate"
        return with_clear(found, await self.clear_over_roi(found, roi, mode=mode), roi)

    async def get_quota_info(self) -> QuotaInfo:
        """What may be used, in km²: Planet's figure, else a declared one, else unknown; with our own pending spend.

        Raises:
            KeyRefused: Planet does not know the key.
            Misused: several subscriptions fit; choose one by the setting `planet.subscription`.
        """
        return await self._wires.quota()

    def declare_quota(self, limit_km2: float, used_km2: float = 0.0, *, interval: str = "monthly") -> QuotaInfo:
        """Say what the account may use where Planet does not; km². `interval` is monthly or annual."""
        return self._wires.declare(limit_km2, used_km2, interval)

    async def reconcile(
        self,
        *,
        report: Sequence[ReportLine] = (),
        accept: str | None = None,
        since: datetime | None = None,
        dry_run: bool = False,
    ) -> Reconciliation:
        """Compare the ledger with Planet's posted usage and with the orders of everybody on the subscription.

        Args:
            report: lines of a usage report, as `rules.reports.read_report` reads them.
            accept: why a drift is accepted; without a reason it is only named.
            since: read orders from then on, to rebuild a lost ledger; else from the begin of the interval.
            dry_run: True to write nothing.
        """
        books = self._wires.books(await self.get_quota_info())
        return await reconciling.reconcile(books, since=since, report=report, accept=accept, dry_run=dry_run)

    def month_report(self, month: str | None = None) -> MonthReport:
        """A month of the ledger, `2026-11` or the present one, as a picture; nothing is asked of Planet."""
        account = accounts.account_of(self.library, self.auth.digest)
        return reconciling.month(self.library, account, month, self._wires.clock.now())

    def calculate_download_impact(
        self, scenes: Scenes, roi: Any = None, asset_types: Sequence[str] | None = None, *, delivery: str | None = None
    ) -> DownloadImpact:
        """What fetching the scenes would cost: km² by both routes, bytes, seconds. No network; the library is read.

        Args:
            scenes: GeoJSON features, as a search returns them.
            roi: region of interest to cut to, lon/lat; scenes outside it are left out.
            asset_types: what to fetch of each; the settings' otherwise.
            delivery: as in `plan`.
        """
        how = {"clip_to_roi": roi, "delivery": delivery}
        request = self._wires.request(scenes, asset_types, **how)
        now, account = self._wires.clock.now(), accounts.account_of(self.library, self.auth.digest)
        return planning.impact_of(self.library, request, ledger.quota_of(self.library, account, now), now)

    async def plan(
        self,
        scenes: Scenes,
        asset_types: Sequence[str] | None = None,
        *,
        roi: Any = None,
        output_dir: str | Path | None = None,
        clip_to_roi: Any = None,
        clipping_config: Mapping[str, Any] | None = None,
        partial_read: bool = False,
        delivery: str | None = None,
        tools: Sequence[Mapping[str, Any] | str] | None = None,
        fallback: Mapping[str, str] | None = None,
        naming: str | None = None,
        max_concurrent: int | None = None,
        refetch: Collection[tuple[str, str, str]] = (),
    ) -> Plan:
        """The thing to look at and confirm before anything is spent; `run` carries it out.

        Arguments are those of `activate_and_download_assets`. `refetch` names assets, by item type, id and asset type,
        that are fetched from Planet although they are held: the held file is put aside then.
        """
        options = {"roi": roi, "clip_to_roi": clip_to_roi, "clipping_config": clipping_config, "delivery": delivery}
        options |= {"tools": tools, "fallback": fallback, "refetch": refetch}
        if partial_read:
            options["clipping_config"] = {**(clipping_config or {}), "partial_read": True}
        files = {"output_dir": output_dir, "naming": naming, "max_concurrent": max_concurrent}
        request = self._wires.request(scenes, asset_types, **options, **files)
        quota = await self.get_quota_info()
        now = self._wires.clock.now()
        plan = await asyncio.to_thread(planning.make_plan, self.library, request, quota, now)
        if gone := await self._wires.gone(plan.ordered):
            plan = await asyncio.to_thread(planning.make_plan, self.library, request, quota, now, gone=gone)
        return plan

    async def sync(
        self,
        search: str | Path | Mapping[str, Any],
        *,
        clip: Any = None,
        output_dir: str | Path | None = None,
        asset_types: Sequence[str] | None = None,
        refetch_republished: bool = False,
        confirm: Hook | bool = True,
        dry_run: bool = False,
        allow_unknown_quota: bool | None = None,
        max_concurrent: int | None = None,
        **options: Any,
    ) -> Synced:
        """The weekly job: search, compare, fetch only what is new; what is held costs nothing again.

        Args:
            search: a saved search: a file or mapping with `roi from to cloud item_types assets filter`, or as Planet
                saves searches.
            clip: region to cut to, and to search in where the search names none.
            output_dir: folder for the files.
            asset_types: what to fetch of each scene; the search's word, then the settings', otherwise.
            refetch_republished: True to fetch anew what Planet has republished; it is only listed otherwise, with its
                price. The held file is put aside into `superseded`.
            confirm: who is asked, as in `run`; nobody is where there is nothing to fetch.
            dry_run: True to fetch and remember nothing.
            allow_unknown_quota: True to go on when nobody can tell the quota.
            max_concurrent: downloads side by side.
            **options: `clipping_config delivery tools fallback naming`, as in `plan`.

        Raises:
            Misused: a search that cannot be meant.
            OverQuota, QuotaUnknown: before any request that could cost.
        """
        allow = self.settings.quota.allow_unknown if allow_unknown_quota is None else allow_unknown_quota
        carrier = self._carrier(max_concurrent, self._hook(confirm))
        syncer = Syncer(wires=self._wires, search=self.search, plan=self.plan, carrier=carrier)
        wish = Wish(clip=clip, folder=output_dir, asset_types=asset_types, refetch=refetch_republished, options=options)
        return await syncer.sync(read_saved(search), wish, dry_run=dry_run, allow_unknown=allow)

    async def run(
        self,
        plan: Plan,
        *,
        confirm: Hook | bool = True,
        allow_unknown_quota: bool | None = None,
        max_concurrent: int | None = None,
    ) -> JobList:
        """Carry out a plan: ask, reserve, fetch, verify, cut, place.

        Args:
            plan: what to do.
            confirm: True to ask `get_user_confirmation`, a hook to ask that, False to ask nobody. The quota is checked
                in every case, and a job that would cost more than the plan says ends instead.
            allow_unknown_quota: True to go on when nobody can tell the quota; the setting's word otherwise.
            max_concurrent: downloads side by side; the setting's word otherwise.

        Returns:
            A job for every scene and asset type, in the order given; cancelled ones when the answer was no.

        Raises:
            OverQuota, QuotaUnknown: before any request that could cost.
            CannotAsk: nobody is there to answer.
        """
        allow = self.settings.quota.allow_unknown if allow_unknown_quota is None else allow_unknown_quota
        return await self._carrier(max_concurrent, self._hook(confirm)).carry_out(plan, allow_unknown=allow)

    async def activate_and_download_assets(
        self,
        scenes: Scenes,
        asset_types: Sequence[str] | None = None,
        output_dir: str | Path | None = None,
        clip_to_roi: Any = None,
        clipping_config: Mapping[str, Any] | None = None,
        confirm_download: bool = True,
        max_concurrent: int | None = None,
        *,
        roi: Any = None,
        partial_read: bool = False,
        delivery: str | None = None,
        tools: Sequence[Mapping[str, Any] | str] | None = None,
        fallback: Mapping[str, str] | None = None,
        naming: str | None = None,
        allow_unknown_quota: bool | None = None,
    ) -> JobList:
        """Check the quota, ask, activate, download, verify and cut: the whole way.

        Args:
            scenes: GeoJSON features, as a search returns them.
            asset_types: what to fetch of each scene.
            output_dir: folder for the files.
            clip_to_roi: cut to this: shapely, GeoJSON, WKT, the path of a vector file, or True with `roi=`.
            clipping_config: `buffer_meters output_format compression create_overview extent mask_unusable clip_to_roi`.
            confirm_download: False to skip the question, never the quota check; no more is spent than the plan says.
            max_concurrent: downloads side by side.
            roi: region of interest; scenes outside it are left out.
            partial_read: True to read only the region's tiles of whole scenes, which are charged all the same.
            delivery: "auto" (with an ROI to cut to the cheaper route of each scene, else whole scenes), "data" (whole
                scenes are charged) or "orders" (Planet clips, and charges the clip); the setting's word otherwise.
            tools: what else Planet is to do: harmonize, toar, coregister, reproject, file_format; always by orders.
            fallback: asset type -> what to take of scenes that lack it; the plan says of which.
            naming: "planet" or "asset".
            allow_unknown_quota: True to go on when nobody can tell the quota.

        Returns:
            A job for every scene and asset type, in the order given.

        Raises:
            OverQuota: "quota exceeded", before any request that could cost.
            QuotaUnknown: nobody can tell the quota, and it was not allowed.
            Misused: a malformed scene, a type that no scene has, an ROI that cannot be meant.
        """
        if not (scenes.get("features") if isinstance(scenes, Mapping) else scenes):
            return JobList()
        how: dict[str, Any] = {"roi": roi, "clip_to_roi": clip_to_roi, "clipping_config": clipping_config}
        how |= {
            "tools": tools,
            "partial_read": partial_read,
            "delivery": delivery,
            "output_dir": output_dir,
            "naming": naming,
            "max_concurrent": max_concurrent,
        }
        agreed: dict[str, Any] = {"allow_unknown_quota": allow_unknown_quota, "max_concurrent": max_concurrent}
        for number in range(REPLANS):
            plan = await self.plan(scenes, asset_types, **how)
            with suppress(LibraryLocked):  # another process began to fetch one of the assets meanwhile
                return await self.run(plan, confirm=confirm_download, **agreed)
            await self._wires.clock.sleep(number * REPLAN_PAUSE_S)
        return await self.run(await self.plan(scenes, asset_types, **how), confirm=confirm_download, **agreed)

    async def resume(
        self,
        jobs: Iterable[str | DownloadJob] | None = None,
        *,
        confirm: Hook | bool = True,
        max_concurrent: int | None = None,
    ) -> JobList:
        """Finish what an earlier process left: after a crash, a night, a Ctrl-C.

        Nothing is asked unless going on costs more than was confirmed. Jobs of a living process are left to it, and
        jobs that spend from another subscription to a key of that.

        Args:
            jobs: ids or jobs; everything unfinished otherwise.
            confirm: who is asked about cost on top; False agrees within the quota.
            max_concurrent: downloads side by side.
        """
        left = await asyncio.to_thread(job_rows.unfinished, self.library)
        if jobs is not None:
            wanted = {job if isinstance(job, str) else job.id for job in jobs}
            left = [job for job in left if job.id in wanted]
        carrier = self._carrier(max_concurrent, self._hook(confirm), spends_again=True)
        return await carrier.resume(left, named=jobs is not None)

    async def retry_failed_downloads(
        self, failed_jobs: Sequence[DownloadJob], *, confirm: Hook | bool = False, max_concurrent: int | None = None
    ) -> JobList:
        """Try failed, expired or cancelled jobs again, as new jobs with a reservation of their own.

        What an earlier try brought is used; the quota is checked. A job that was charged may be charged again, which
        the plan counts, so `confirm=True` asks first.
        """
        done: list[DownloadJob] = []
        for batch in replan.alike(failed_jobs):
            features = [feature for job in batch for feature in await self._wires.features(job)]
            scenes = list({feature["id"]: feature for feature in features}.values())
            try:
                plan = await self.plan(scenes, [batch[0].asset_type], **replan.same_way(batch[0]))
            except Misused as error:
                if error.argument != "asset_types":
                    raise
                done += batch  # none of the scenes has the type: that is how they failed, and nothing changed
                continue
            plan = replan.only(plan, {job.key for job in batch}, self._wires.clock.now())
            done += await self.run(plan, confirm=confirm, max_concurrent=max_concurrent)
        return JobList(done)

    async def cancel(self, jobs: Iterable[str | DownloadJob], *, by: str = "", reason: str = "") -> JobList:
        """End jobs that nobody works on; what they had reserved is free again, what they have spent stays spent.

        Their part files go, unless `cleanup_temp_files` is off. Those of failed jobs stay: a retry goes on with them.
        """
        ids = [job if isinstance(job, str) else job.id for job in jobs]
        tidy = self.settings.cleanup_temp_files
        with self._carrier(None, None).runner() as runner:
            return JobList(await runner.cancel(ids, by=by or self._wires.name, reason=reason, tidy=tidy))

    async def check_key(self) -> list[Subscription]:
        """Ask Planet whether it accepts the key; costs nothing.

        Returns:
            The subscriptions it lists for the key; none where it does not tell.

        Raises:
            KeyRefused: Planet does not know the key.
        """
        await self._wires.data().check_key()
        return await accounts.listed_subscriptions(self._wires.account_api())

    async def get_scene(self, scene_id: str, item_type: str = "PSScene") -> dict[str, Any]:
        """A scene's record as Planet has it now, a GeoJSON feature. Costs nothing; raises `Gone` when there is none."""
        return await self._wires.data().item(item_type, scene_id)

    async def get_asset_info(self, scene_id: str, asset_type: str, item_type: str = "PSScene") -> dict[str, Any]:
        """What Planet says of one asset: status, available, permitted, md5. Costs nothing.

        Raises:
            Gone: Planet has no such scene.
        """
        return await asset_info(self._wires.data(), item_type, scene_id, asset_type)

    async def aclose(self) -> None:
        """Close connections and the library; the manager opens them again when used."""
        await self._wires.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

"""The steps of one download by the Data route: ask, activate, begin, fetch, check, place, clip.

Each step is one method that returns the event that happened. A link lives in memory, and, once resolved, in a file of
mode 0600 beside the part; it never enters a row or a log. The whole file is placed under its name before it is cut, so
that what was paid for is safe first.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from planet_assets.exceptions import (
    ActivationFailed,
    Corrupt,
    Declined,
    DiskProblem,
    Gone,
    LinkExpired,
    NetworkError,
    NotYet,
    OutsideRaster,
    OverQuota,
    PermissionMissing,
    Throttled,
    TryLater,
    Unsafe,
)
from planet_assets.flow.drive import Track
from planet_assets.flow.turnstile import Turnstile
from planet_assets.library import copies
from planet_assets.library.engine import Library
from planet_assets.model.asset import Asset, Link, Part, Promise
from planet_assets.model.event import (
    Activate,
    ActivationAsked,
    AskAsset,
    AssetInactive,
    BeginFetch,
    Check,
    Checked,
    Clip,
    Clipped,
    Delayed,
    Event,
    Fetch,
    FetchAnswered,
    Fetched,
    FetchRefused,
    FetchStarting,
    LinkLost,
    LinkReady,
    NotClipped,
    Place,
    Placed,
    Spoiled,
    Step,
    StillActivating,
    UseHeld,
)
from planet_assets.model.item import time_in_id
from planet_assets.model.job import DownloadJob
from planet_assets.model.ports import Clock
from planet_assets.rules import charges, naming, pacing, retry
from planet_assets.rules.choose import EMBARGO, SR_DELAY
from planet_assets.transfer import check as checking
from planet_assets.transfer import place as placing
from planet_assets.transfer.parts import read_mark

if TYPE_CHECKING:
    from planet_assets.transfer.fetch import Fetcher

T = TypeVar("T")
Consent = Callable[[DownloadJob, float], Awaitable[bool]]
"""Asked before a job spends more than was confirmed: the job, and the km² on top."""


class Assets(Protocol):
    """What the steps need of Planet's Data API."""

    async def assets(self, item_type: str, item_id: str) -> dict[str, Asset]:
        """All assets of an item."""
        ...

    async def activate(self, asset: Asset) -> str:
        """Ask Planet to make an asset ready: accepted or active."""
        ...


@dataclass(slots=True, kw_only=True)
class Acquire:
    """Everything the steps touch, wired once for a run."""

    api: Assets
    fetcher: Fetcher
    library: Library
    clock: Clock
    threads: Executor
    consent: Consent
    turnstile: Turnstile
    stopped: Callable[[], bool]
    latencies: list[float] = field(default_factory=list)
    """Seconds that activations took in this run, in the order they were seen."""

    _links: dict[str, Link] = field(default_factory=dict)
    _asking: dict[tuple[str, str], asyncio.Task[dict[str, Asset]]] = field(default_factory=dict)

    async def perform(self, step: Step, track: Track) -> Event | None:
        """Do one step; what goes wrong is raised and becomes an event in `drive`."""
        match step:
            case AskAsset():
                return await self._ask(track)
            case Activate():
                return await self._activate(track.job)
            case UseHeld():
                return await self._in_thread(self._use_held, track.job)
            case BeginFetch():
                return await self._begin(track)
            case Fetch():
                async with self.turnstile.transfer():
                    return await self._in_thread(self._fetch, track)
            case Check():
                return await self._check(track)
            case Place():
                return await self._in_thread(self._place, track.job)
            case Clip():
                return await self._in_thread(self._clip, track.job)
        raise TypeError(f"no way to perform {step}")

    async def _ask(self, track: Track) -> Event:
        """Read the asset; the oldest activation is polled first, and no more of them than downloads can take.

        A first look is never held up, so that every activation is asked for early.
        """
        job = track.job
        if job.activation_asked_at is not None:
            await self.turnstile.enter(job.id, job.activation_asked_at)
        try:
            event = await self._looked_at(job)
        except BaseException:
            self.turnstile.leave(job.id)
            raise
        if isinstance(event, LinkReady) and self.turnstile.try_enter(job.id):
            return event
        self.turnstile.leave(job.id)
        self._links.pop(job.id, None)
        return StillActivating(at=event.at, look_again_at=event.at) if isinstance(event, LinkReady) else event

    async def _looked_at(self, job: DownloadJob) -> Event:
        asset = self._wanted(await self._assets(job), job)
        now = self.clock.now()
        if asset.status == "inactive":
            return AssetInactive(at=now)
        if asset.status != "active" or asset.link is None:
            asked = job.activation_asked_at or now
            pause = pacing.poll_after_s((now - asked).total_seconds(), self.latencies)
            return StillActivating(at=now, look_again_at=now + timedelta(seconds=pause))
        if job.activation_asked_at is not None and job.renewals == 0:
            self.latencies.append((now - job.activation_asked_at).total_seconds())
        self._links[job.id] = asset.link
        return LinkReady(at=now, md5=asset.md5, expires_at=asset.link.expires_at)

    async def _assets(self, job: DownloadJob) -> dict[str, Asset]:
        """All assets of the item; jobs that ask at the same time share one request."""
        key = (job.item_type, job.scene_id)
        task = self._asking.get(key)
        if task is None:
            task = asyncio.ensure_future(self.api.assets(*key))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    def _wanted(self, assets: dict[str, Asset], job: DownloadJob) -> Asset:
        asset = assets.get(job.asset_type)
        if asset is not None and asset.permitted:
            return asset
        acquired = time_in_id(job.scene_id)
        age = self.clock.now() - acquired if acquired is not None else None
        if asset is None and assets:
            if age is not None and age < SR_DELAY and job.asset_type.endswith("_sr"):
                raise NotYet(f"{job.asset_type} of {job.scene_id} is not published yet.", after_s=3600)
            raise ActivationFailed(
                f"{job.scene_id} has no {job.asset_type}.", hint=f"It has: {', '.join(sorted(assets))}."
            )
        if age is not None and age < EMBARGO:
            raise NotYet(
                f"{job.scene_id} may not be downloaded yet: recent scenes are under an embargo on some plans.",
                after_s=86_400,
            )
        raise PermissionMissing(
            f"This key may not download {job.asset_type} of {job.scene_id}.", hint="Ask Planet, or choose another type."
        )

    async def _activate(self, job: DownloadJob) -> Event:
        asset = self._wanted(await self._assets(job), job)
        if not asset.activate_url:
            raise ActivationFailed(f"Planet gives no way to activate {job.asset_type} of {job.scene_id}.")
        answer = await self.api.activate(asset)
        now = self.clock.now()
        pause = 0.0 if answer == "active" else pacing.poll_after_s(0.0, self.latencies)
        return ActivationAsked(at=now, look_again_at=now + timedelta(seconds=pause))

    async def _begin(self, track: Track) -> Event:
        """Before a link is opened: adopt what lies there, refuse a foreign file, see that the price was agreed to."""
        job = track.job
        link = self._links.get(job.id)
        if link is None or (link.expires_at is not None and link.expires_at <= self.clock.now()):
            self.turnstile.leave(job.id)
            return LinkLost(at=self.clock.now(), reason="The link has expired before it was used.")
        adopted = await self._in_thread(self._adoptable, job)
        if adopted is not None:
            self.turnstile.leave(job.id)
            return adopted
        resuming = await self._in_thread(self._can_resume, job)
        extra = 0.0 if resuming else charges.missing_km2(job)
        if extra > 0 and not await self.consent(job, extra):
            self.turnstile.leave(job.id)
            raise Declined(
                f"Going on may charge {job.km2:,.2f} km² that were not confirmed "
                f"({job.spent_km2:,.2f} km² are spent, {extra:,.2f} km² more are needed).",
                hint="Retry the job to be asked, or resume with the permission to spend it again.",
            )
        return FetchStarting(at=self.clock.now(), resuming=resuming)

    def _adoptable(self, job: DownloadJob) -> Event | None:
        """A file that stands at the target already: the promised bytes are adopted, anything else is refused unpaid."""
        path = Path(job.path)
        placing.ensure_folder(path.parent)
        self._refuse_foreign_clip(job)
        if not path.exists() and not path.is_symlink():
            return None
        if job.md5 and path.is_file() and not path.is_symlink() and placing.same_bytes(path, job.md5):
            size = path.stat().st_size
            return Placed(at=self.clock.now(), size_bytes=size, digest=job.md5, how="adopted")
        raise DiskProblem(
            f"{path} is there already and is not the file Planet promises; nothing was spent.",
            hint="Move it away or choose another output folder.",
        )

    def _refuse_foreign_clip(self, job: DownloadJob) -> None:
        if job.clipped_path is None:
            return
        target = Path(job.clipped_path)
        if target.exists() and target not in copies.at(self.library, [target]):
            raise DiskProblem(
                f"{target} is there already and is not ours; nothing was spent.",
                hint="Move it away or choose another output folder.",
            )

    def _can_resume(self, job: DownloadJob) -> bool:
        """True when the kept part can be continued, which on a new link charges nothing."""
        part = self._part(job)
        mark = read_mark(part, self._promise(job))
        return placing.kept_bytes(part) > 0 and mark is not None and mark.etag is not None

    def _part(self, job: DownloadJob) -> Path:
        fingerprint = (job.md5 or job.id)[:12]
        return placing.part_path(Path(job.path), fingerprint)

    def _fetch(self, track: Track) -> Event:
        """Runs on a thread of its own until the body is whole, or something breaks."""
        job, part = track.job, self._part(track.job)
        kept = placing.kept_link(part)
        link = self._links.get(job.id)
        if kept is None and link is None:
            return LinkLost(at=self.clock.now(), reason="The link went with the process that held it.")
        url = kept or (link.url if link is not None else "")
        before = job.bytes_done
        try:
            received = self.fetcher.fetch(
                url,
                part,
                self._promise(job),
                resolved=kept is not None,
                on_resolved=lambda address: placing.keep_link(part, address),
                on_start=lambda offset: self._answered(track, offset),
                before_restart=lambda: self._answered(track, 0),
                on_progress=self._progress(track),
                stopped=self.stopped,
            )
        except LinkExpired as error:
            placing.drop_link(part)
            self._links.pop(job.id, None)
            self.turnstile.leave(job.id)
            return self._refused(track.job, str(error), link_gone=True)
        except NetworkError as error:
            if not error.reached_server and track.job.charge == "intended":
                placing.drop_link(part)
                return self._refused(track.job, str(error), link_gone=False, server_s=error.after_s)
            return self._broken(track.job, error, before)
        except OverQuota:
            self._take_back(track)
            raise
        except Throttled as error:
            if track.job.charge == "intended":
                return self._refused(track.job, str(error), link_gone=False, server_s=error.after_s)
            return self._broken(track.job, error, before)
        except TryLater as error:
            return self._broken(track.job, error, before)
        except (Corrupt, Unsafe) as error:
            _forget_bytes(part)
            return self._spoiled(track.job, error)
        return Fetched(at=self.clock.now(), size_bytes=received.size_bytes, digest=received.md5)

    def _take_back(self, track: Track) -> None:
        """A refusal for lack of quota proves that no body began."""
        if track.job.charge == "intended":
            refusal = self._refused(track.job, "Planet refused for lack of quota.", link_gone=False)
            track.record(refusal)

    def _answered(self, track: Track, offset: int) -> None:
        """The first answer on a link settles what it charges; later ones on the same link change nothing."""
        if track.job.charge in ("intended", "unknown"):
            track.record(FetchAnswered(at=self.clock.now(), offset=offset))

    def _progress(self, track: Track) -> Callable[[int, int | None], None]:
        last_kept = self.clock.monotonic()

        def note(bytes_done: int, total: int | None) -> None:
            nonlocal last_kept
            due = self.clock.monotonic() - last_kept >= 1.0
            last_kept = self.clock.monotonic() if due else last_kept
            track.progress(bytes_done, total, keep=due)

        return note

    def _refused(self, job: DownloadJob, reason: str, *, link_gone: bool, server_s: float | None = None) -> Event:
        if job.charge == "answered" and link_gone:
            return LinkLost(at=self.clock.now(), reason=reason)
        return FetchRefused(
            at=self.clock.now(), reason=reason, link_gone=link_gone, not_before=self._later(job, server_s)
        )

    def _broken(self, job: DownloadJob, error: TryLater, before: int) -> Event:
        return Delayed(
            at=self.clock.now(),
            error_kind=type(error).__name__,
            message=str(error),
            not_before=self._later(job, error.after_s),
            progressed=job.bytes_done > before,
        )

    def _spoiled(self, job: DownloadJob, error: Corrupt | Unsafe) -> Event:
        return Spoiled(
            at=self.clock.now(), error_kind=type(error).__name__, message=str(error), not_before=self._later(job, None)
        )

    def _later(self, job: DownloadJob, server_s: float | None) -> datetime:
        pause = retry.delay_s(job.attempts, base_s=job.terms.retry_delay_s, jitter01=0.5, server_s=server_s)
        return self.clock.now() + timedelta(seconds=pause)

    def _promise(self, job: DownloadJob) -> Promise:
        return Promise(media=naming.media_of(job.asset_type), md5=job.md5)

    async def _check(self, track: Track) -> Event:
        """Compare with the promise; a digest that differs is asked for anew, since Planet may have republished."""
        job, path = track.job, self._part(track.job)
        part = Part(path=str(path), size_bytes=job.size_bytes or 0, md5=job.digest or "")
        promise = self._promise(job)
        self.turnstile.leave(job.id)
        try:
            how = await self._in_thread(checking.check, part, promise)
            return Checked(at=self.clock.now(), how=how)
        except (Corrupt, Unsafe) as error:
            renewed = await self._promised_now(job)
            if job.digest is not None and renewed == job.digest != job.md5:
                how = await self._in_thread(checking.check, part, replace(promise, md5=renewed))
                return Checked(at=self.clock.now(), how=how, md5=None)
            await self._in_thread(_forget_bytes, path)
            return self._spoiled(job, error)

    async def _promised_now(self, job: DownloadJob) -> str | None:
        try:
            asset = (await self._assets(job)).get(job.asset_type)
        except (TryLater, Gone, PermissionMissing):
            return job.md5
        return None if asset is None else asset.md5

    def _place(self, job: DownloadJob) -> Event:
        part = Part(path=str(self._part(job)), size_bytes=job.size_bytes or 0, md5=job.digest or "")
        placing.place(part, Path(job.path))
        self._links.pop(job.id, None)
        return Placed(at=self.clock.now(), size_bytes=job.size_bytes or 0, digest=job.digest or "", how="fetched")

    def _use_held(self, job: DownloadJob) -> Event:
        source, target = Path(job.held_copy or ""), Path(job.path)
        placing.ensure_folder(target.parent)
        self._refuse_foreign_clip(job)
        how = "present" if target.exists() and source.samefile(target) else _link_or_copy(source, target, job.md5)
        return Placed(at=self.clock.now(), size_bytes=target.stat().st_size, digest=job.md5 or "", how=how)

    def _clip(self, job: DownloadJob) -> Event:
        from shapely import from_wkt

        from planet_assets.raster.clip import clip

        if job.clipping is None or job.clipped_path is None or job.roi_wkt is None:
            return NotClipped(at=self.clock.now(), reason="nothing to cut")
        target = Path(job.clipped_path)
        known = copies.at(self.library, [target]).get(target)
        if known is not None and known.is_there and known.cut == naming.roi_digest(job.roi_wkt, job.clipping):
            return Clipped(at=self.clock.now(), size_bytes=known.size_bytes)
        try:
            cut = clip(
                job.path, target, from_wkt(job.roi_wkt), job.clipping, overwrite=target.exists(), stopped=self.stopped
            )
        except OutsideRaster as error:
            return NotClipped(at=self.clock.now(), reason=error.message)
        return Clipped(at=self.clock.now(), size_bytes=cut.bytes)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work, *arguments)


def _link_or_copy(source: Path, target: Path, md5: str | None) -> str:
    """Give a held file a second name, or copy it where the file system cannot; never over another file."""
    if target.exists():
        if md5 and placing.same_bytes(target, md5):
            return "present"
        raise DiskProblem(f"{target} is there already and is another file.", hint="Choose another output folder.")
    try:
        os.link(source, target)
        return "linked"
    except FileNotFoundError:
        raise Gone(f"The file the library held, {source}, is gone.", hint="Plan again.") from None
    except OSError:
        beside = placing.part_path(target, "copy")
        shutil.copyfile(source, beside)
        if md5 and not placing.same_bytes(beside, md5):
            placing.discard(beside)
            raise Corrupt(
                f"{source} is not what the library recorded.", hint="Fetch it anew into another folder."
            ) from None
        placing.place(Part(path=str(beside), size_bytes=beside.stat().st_size, md5=md5 or ""), target)
        return "copied"


def _forget_bytes(part: Path) -> None:
    """Throw away what was received, but keep the address: starting over on the same link charges nothing."""
    address = placing.kept_link(part)
    placing.discard(part)
    if address is not None:
        placing.keep_link(part, address)

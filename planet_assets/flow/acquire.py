"""The steps of one download by the Data route: ask, activate, begin, fetch, check, place, clip.

Each step is one method that returns the event that happened. A link lives in memory, and, once resolved, in a file of
mode 0600 beside the part; it never enters a row or a log. The whole file is placed under its name before it is cut, so
that what was paid for is safe first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from planet_assets.exceptions import (
    AssetError,
    Corrupt,
    Declined,
    DiskProblem,
    Gone,
    LinkExpired,
    NetworkError,
    OverQuota,
    PermissionMissing,
    ServerError,
    Throttled,
    TryLater,
    Unsafe,
)
from planet_assets.flow import files, partial
from planet_assets.flow.asking import Asking
from planet_assets.flow.cut_file import cut_file
from planet_assets.flow.drive import Track
from planet_assets.flow.ordering import Ordering
from planet_assets.flow.turnstile import Turnstile
from planet_assets.library import copies, ground
from planet_assets.library.engine import Library
from planet_assets.model.asset import Part, Promise
from planet_assets.model.event import (
    Activate,
    AskAsset,
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
    FindOrder,
    LinkLost,
    Place,
    Placed,
    PlaceOrder,
    PollOrder,
    Spoiled,
    Step,
    UseHeld,
)
from planet_assets.model.job import DownloadJob
from planet_assets.model.ports import Clock
from planet_assets.rules import charges, naming, retry
from planet_assets.transfer import check as checking
from planet_assets.transfer import place as placing
from planet_assets.transfer.parts import read_mark

if TYPE_CHECKING:
    from planet_assets.transfer.fetch import Fetcher

T = TypeVar("T")
Consent = Callable[[DownloadJob, float], Awaitable[bool]]
"""Asked before a job spends more than was confirmed: the job, and the km² on top."""


@dataclass(slots=True, kw_only=True)
class Acquire:
    """Everything the steps touch, wired once for a run."""

    asking: Asking
    ordering: Ordering
    fetcher: Fetcher
    library: Library
    clock: Clock
    threads: Executor
    consent: Consent
    turnstile: Turnstile
    stopped: Callable[[], bool]
    broke: dict[str, str] = field(default_factory=dict)
    """Job id -> what ended its last transfer in this run, for whoever is asked to pay again."""

    async def perform(self, step: Step, track: Track) -> Event | None:
        """Do one step; what goes wrong is raised and becomes an event in `drive`."""
        match step:
            case AskAsset():
                return await self.asking.ask(track.job)
            case Activate():
                return await self.asking.activate(track.job)
            case UseHeld():
                return await self._in_thread(self._use_held, track.job)
            case PlaceOrder():
                await self.ordering.place(track)
                return None
            case FindOrder():
                await self.ordering.find(track)
                return None
            case PollOrder():
                return await self.ordering.poll(track)
            case BeginFetch():
                return await self._boarded(track)
            case Fetch():
                await self.turnstile.board(track.job.id)
                try:
                    await self.turnstile.start(track.job.route, self.clock)
                    return await self._in_thread(self._fetch, track)
                finally:
                    self.turnstile.land(track.job.id)
            case Check():
                return await self._check(track)
            case Place():
                return await self._in_thread(self._place, track.job)
            case Clip():
                return await self._in_thread(cut_file, self.library, track.job, self.clock, self.stopped)
        raise TypeError(f"no way to perform {step}")

    async def close(self) -> None:
        """End what nobody waits for any more."""
        await self.asking.close()
        await self.ordering.close()

    async def _boarded(self, track: Track) -> Event:
        """Begin once there is room for the body, so that nothing is counted as charged before it is asked for."""
        await self.turnstile.board(track.job.id)
        event: Event | None = None
        try:
            event = await self._begin(track)
        finally:
            if not isinstance(event, FetchStarting):
                self.turnstile.land(track.job.id)
        return event

    async def _begin(self, track: Track) -> Event:
        """Before a link is opened: adopt what lies there, refuse a foreign file, see that the price was agreed to."""
        job = track.job
        link = self.asking.links.get(job.id)
        if link is None or (link.expires_at is not None and link.expires_at <= self.clock.now()):
            self.turnstile.leave(job.id)
            return LinkLost(at=self.clock.now(), reason="The link has expired before it was used.")
        adopted = await self._in_thread(self._adoptable, job)
        if adopted is not None:
            self.turnstile.leave(job.id)
            return adopted
        resuming = await self._in_thread(self._can_resume, job)
        await self._in_thread(files.refuse_no_room, job)
        price = await self._in_thread(ground.price_now, self.library, job)
        extra = charges.unconfirmed_km2(job, resuming=resuming, km2=price)
        if extra > 0 and not await self.consent(job, extra):
            self.turnstile.leave(job.id)
            why = f"{self.broke[job.id]} " if job.id in self.broke else ""
            raise Declined(
                f"{why}Going on may charge {extra:,.2f} km² more than the {job.agreed_km2:,.2f} km² "
                f"that were agreed to ({job.spent_km2:,.2f} km² are spent).",
                hint="Retry the job: the plan of the retry counts that charge, and asks.",
            )
        return FetchStarting(at=self.clock.now(), resuming=resuming, consented_km2=extra)

    def _adoptable(self, job: DownloadJob) -> Event | None:
        """A file that stands at the target already: the promised bytes are adopted, anything else is refused unpaid."""
        path = Path(job.path)
        placing.ensure_folder(path.parent)
        self._refuse_foreign_clip(job)
        if (read := partial.kept(job, self.clock.now())) is not None:
            return read
        if not path.exists() and not path.is_symlink():
            return None
        if job.md5 and path.is_file() and not path.is_symlink() and placing.same_bytes(path, job.md5):
            files.sweep_parts(path)
            size = path.stat().st_size
            return Placed(at=self.clock.now(), size_bytes=size, digest=job.md5, how="adopted")
        if files.put_aside(self.library, job):
            return None
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
        part = files.part_of(job)
        mark = read_mark(part, self._promise(job))
        return placing.kept_bytes(part) > 0 and mark is not None and mark.etag is not None

    def _fetch(self, track: Track) -> Event:
        """Runs on a thread of its own until the body is whole, or something breaks."""
        track.confirm()
        job, part = track.job, files.part_of(track.job)
        if (read := partial.kept(job, self.clock.now())) is not None:
            return read
        kept = placing.kept_link(part)
        link = self.asking.links.get(job.id)
        if kept is None and (link is None or job.charge != "intended"):
            # only the request that an intent was recorded for may open a link: another would be a charge of its own
            return LinkLost(at=self.clock.now(), reason="The link went with the process or file that held it.")
        url = kept or (link.url if link is not None else "")
        before, heard, why_whole = job.bytes_done, False, ""

        def began(offset: int) -> None:
            nonlocal heard
            heard = True
            self._answered(track, offset)

        try:
            if partial.wanted(job) and not job.resuming and not placing.kept_bytes(part):
                done = partial.read(
                    self.fetcher,
                    job,
                    url,
                    began=began,
                    on_progress=self._progress(track),
                    stopped=self.stopped,
                    now=self.clock.now,
                )
                if not isinstance(done, str):
                    return done
                kept, why_whole = placing.kept_link(part), done
                url = kept or url
            received = self.fetcher.fetch(
                url,
                part,
                self._promise(job),
                resolved=kept is not None,
                on_resolved=lambda address: placing.keep_link(part, address),
                on_start=began,
                before_restart=lambda: began(0),
                on_progress=self._progress(track),
                stopped=self.stopped,
            )
        except AssetError as error:
            return self._went_wrong(track, error, before, heard=heard)
        size, digest = received.size_bytes, received.md5
        return Fetched(at=self.clock.now(), size_bytes=size, digest=digest, why_whole=why_whole)

    def _went_wrong(self, track: Track, error: AssetError, before: int, *, heard: bool) -> Event:
        """What an error of the fetch amounts to; raises it where it is no business of the transfer."""
        job, part = track.job, files.part_of(track.job)
        self.broke[job.id] = str(error)
        match error:
            case LinkExpired():
                placing.drop_link(part)
                self.asking.links.pop(job.id, None)
                self.turnstile.leave(job.id)
                return self._refused(job, str(error), link_gone=True)
            case OverQuota():
                self._take_back(track)
                raise error
            case Corrupt() | Unsafe():
                files.forget_bytes(part)
                return self._spoiled(job, error)
            case TryLater() if job.charge == "intended" and _nothing_began(error, part):
                if isinstance(error, NetworkError):
                    placing.drop_link(part)
                return self._refused(job, str(error), link_gone=False, server_s=error.after_s)
            case TryLater():
                return self._broken(job, error, before, heard=heard or isinstance(error, Throttled))
        raise error

    def _take_back(self, track: Track) -> None:
        """A refusal for lack of quota proves that no body began."""
        if track.job.charge == "intended":
            refusal = self._refused(track.job, "Planet refused for lack of quota.", link_gone=False)
            track.record(refusal)

    def _answered(self, track: Track, offset: int) -> None:
        """The first answer on a link settles what it charges; later ones on the same link change nothing."""
        open_still = track.job.charge in ("intended", "unknown")
        if open_still or (track.job.charge == "resumed" and offset == 0):
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
        if job.charge in ("answered", "resumed") and link_gone:
            return LinkLost(at=self.clock.now(), reason=reason)
        return FetchRefused(
            at=self.clock.now(), reason=reason, link_gone=link_gone, not_before=self._later(job, server_s)
        )

    def _broken(self, job: DownloadJob, error: TryLater, before: int, *, heard: bool) -> Event:
        return Delayed(
            at=self.clock.now(),
            error_kind=type(error).__name__,
            message=str(error),
            not_before=self._later(job, error.after_s),
            answered=not isinstance(error, NetworkError) or error.reached_server,
            heard=heard,
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
        job, path = track.job, files.part_of(track.job)
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
            await self._in_thread(files.forget_bytes, path)
            return self._spoiled(job, error)

    async def _promised_now(self, job: DownloadJob) -> str | None:
        if job.route == "orders":
            return job.md5
        try:
            asset = (await self.asking.assets(job)).get(job.asset_type)
        except (TryLater, Gone, PermissionMissing):
            return job.md5
        return None if asset is None else asset.md5

    def _place(self, job: DownloadJob) -> Event:
        part = Part(path=str(files.part_of(job)), size_bytes=job.size_bytes or 0, md5=job.digest or "")
        placing.place(part, Path(job.path))
        files.sweep_parts(Path(job.path))
        self.asking.links.pop(job.id, None)
        return Placed(at=self.clock.now(), size_bytes=job.size_bytes or 0, digest=job.digest or "", how="fetched")

    def _use_held(self, job: DownloadJob) -> Event:
        source, target = Path(job.held_copy or ""), Path(job.path)
        placing.ensure_folder(Path(job.clipped_path or job.path).parent)
        placing.ensure_folder(target.parent)
        self._refuse_foreign_clip(job)
        if not source.exists():
            raise Gone(f"The file the library held, {source}, is gone.", hint="Plan again.")
        if partial.is_held_cut(self.library, job, source):
            cut = Path(job.clipped_path or "")
            if not (cut.exists() and source.samefile(cut)):
                files.link_or_copy(source, cut, None)
            return Clipped(at=self.clock.now(), size_bytes=cut.stat().st_size)
        if source == target and job.route == "orders" and job.md5 and not placing.same_bytes(source, job.md5):
            raise Corrupt(f"{source} is not what it was when it was fetched.", hint="Move it away and plan again.")
        how = "present" if target.exists() and source.samefile(target) else files.link_or_copy(source, target, job.md5)
        return Placed(at=self.clock.now(), size_bytes=target.stat().st_size, digest=job.md5 or "", how=how)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work, *arguments)


def _nothing_began(error: TryLater, part: Path) -> bool:
    """True when an error proves that no body can have begun.

    A limiter refused, nobody was reached, or Planet's API answered, and not with an address of bytes.
    """
    match error:
        case Throttled():
            return True
        case NetworkError():
            return not error.reached_server
        case ServerError():
            return placing.kept_link(part) is None
    return False

"""The durable queue: add scenes at any time, and let `process` fetch what quota and budgets allow, by priority.

An entry is claimed together with the id of the plan that will carry it out, before the plan's jobs are recorded. So of
a run that was killed either the jobs are found by that id, and are resumed, or there are none, and the entry waits
again.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from planet_assets.exceptions import (
    AssetError,
    DiskProblem,
    LibraryLocked,
    Misused,
    NotAllowed,
    QuotaError,
    TryLater,
)
from planet_assets.flow import account as accounts
from planet_assets.flow.consent import Hook, ask_on_terminal, decide, refuse_unpaid
from planet_assets.flow.cutting import read_region
from planet_assets.flow.given import Scenes, as_selected, collection_of, read_scenes
from planet_assets.library import jobs as job_rows
from planet_assets.library import queue as rows
from planet_assets.library.engine import Library, working
from planet_assets.model.item import parse_time
from planet_assets.model.job import JobList
from planet_assets.model.plan import Decision, Plan
from planet_assets.model.ports import Clock
from planet_assets.model.queue import FAILED, RUNNING, WAITING, QueueEntry
from planet_assets.rules import queueing
from planet_assets.rules.choose import wanted_types

HEARTBEAT_S = 30.0
REPLANS = 3


class Door(Protocol):
    """What the queue needs of an `AssetManager`."""

    settings: Any
    auth: Any
    get_user_confirmation: Hook

    @property
    def library(self) -> Library:
        """The library."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...

    @property
    def name(self) -> str:
        """Who spends."""
        ...

    async def get_quota_info(self) -> Any:
        """What may be used."""
        ...

    async def plan(self, scenes: Scenes, asset_types: Sequence[str] | None = None, **options: Any) -> Plan:
        """The thing to confirm."""
        ...

    async def run(self, plan: Plan, **options: Any) -> JobList:
        """Carry out a plan."""
        ...

    async def resume(self, jobs: Any = None, **options: Any) -> JobList:
        """Finish what was left."""
        ...


@dataclass(frozen=True, slots=True)
class _Round:
    """One call of `process`."""

    me: str
    hook: Hook | None
    allow_unknown: bool


class DownloadQueue:
    """Scenes that wait for quota, kept in the library: a kill loses nothing, and several processes may share it."""

    def __init__(self, manager: Any, *, clock: Clock | None = None) -> None:
        """A queue on the manager's library, spending from the manager's account.

        Args:
            manager: an `AssetManager`, with or without await.
            clock: time, for tests; the manager's otherwise.
        """
        self._door: Door = getattr(manager, "asynchronous", manager)
        self._clock: Clock = clock or self._door.clock
        self._by: str = self._door.name

    async def add(
        self,
        scenes: Scenes,
        priority: str | int = "normal",
        not_before: datetime | date | str | None = None,
        *,
        asset_types: Sequence[str] | None = None,
        output_dir: str | Path | None = None,
        roi: Any = None,
        clip_to_roi: Any = None,
        clipping_config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> int:
        """Put scenes into the queue; nothing is spent and nothing is asked of Planet but whose key it is.

        Args:
            scenes: GeoJSON features, as a search returns them; they are kept as they are.
            priority: high, normal, low, or a whole number; the higher goes first.
            not_before: not to be looked at before; a time without zone is UTC.
            asset_types: what to fetch of each scene; the setting's word of today otherwise.
            output_dir: folder for the files.
            roi: region of interest; scenes outside it are left out.
            clip_to_roi: cut to this, or True with `roi=`.
            clipping_config: as in `activate_and_download_assets`.
            **options: further arguments of `AssetManager.plan` that JSON can hold.

        Returns:
            The id of the entry.

        Raises:
            Misused: an argument that cannot be meant, by name.
        """
        given = read_scenes(scenes)
        if not given.items:
            raise Misused("There are no scenes to add.", argument="scenes")
        region, clipping = read_region(*as_selected(given, roi, clip_to_roi), clipping_config)
        wkt = None if region is None else region.wkt
        arguments = {
            "asset_types": wanted_types(self._door.settings.asset_types if asset_types is None else asset_types),
            "output_dir": str(Path(output_dir or self._door.settings.output_dir).expanduser().absolute()),
            "roi": wkt,
            "clip_to_roi": clipping is not None,
            "clipping_config": None if clipping_config is None else dict(clipping_config),
            **{name: value for name, value in options.items() if value is not None},
        }
        self._refuse_unknown(arguments)
        return await asyncio.to_thread(
            rows.add,
            self._door.library,
            account=await self._account(),
            priority=queueing.read_priority(priority),
            scenes=_as_text(scenes),
            scene_count=len({item.ref for item in given.items}),
            arguments=arguments,
            by=self._by,
            now=self._clock.now(),
            not_before=_moment(not_before),
        )

    async def process(
        self, *, confirm: Hook | bool = True, limit: int | None = None, allow_unknown_quota: bool | None = None
    ) -> JobList:
        """Fetch what quota and budgets allow: highest priority first, oldest first among equals.

        What does not fit is left for later, with the reason, while smaller work goes on. Every entry has one turn.

        Args:
            confirm: True to ask the manager's hook about each entry, a hook to ask that, False to ask nobody. A no
                leaves the entry in the queue.
            limit: entries to carry out at the most.
            allow_unknown_quota: True to go on when nobody can tell the quota; the setting's word otherwise.

        Returns:
            The jobs of the entries that had their turn.

        Raises:
            TryLater: Planet cannot be reached; what was not begun waits as before.
            NotAllowed: the key is missing or refused.
            CannotAsk: somebody was to be asked and nobody is there.
        """
        allow = self._door.settings.quota.allow_unknown if allow_unknown_quota is None else allow_unknown_quota
        hook = confirm if not isinstance(confirm, bool) else self._door.get_user_confirmation if confirm else None
        done, seen, worked = JobList(), set[int](), 0
        account = await self._account()
        with working() as me:
            turn = _Round(me, hook, bool(allow))
            while limit is None or worked < limit:
                entry = await asyncio.to_thread(self._next, account, seen)
                if entry is None:
                    break
                seen.add(entry.id)
                jobs = await self._work(entry, turn)
                if jobs is not None:
                    worked += 1
                    done += jobs
        return done

    def list(self, *, open_only: bool = False) -> tuple[QueueEntry, ...]:
        """The entries of the library in order of their turn; with `open_only` those still to be worked on."""
        return tuple(queueing.in_turn(rows.listed(self._door.library, open_only=open_only)))

    def move(self, entry_id: int, priority: str | int) -> QueueEntry:
        """Give an entry another priority; one that failed waits again.

        Raises:
            Misused: there is none of this id, or it has begun or is over.
        """
        return rows.move(self._door.library, entry_id, queueing.read_priority(priority), now=self._clock.now())

    def drop(self, entry_id: int) -> QueueEntry:
        """Take an entry out of the queue.

        Raises:
            Misused: there is none of this id, or it has begun or is over.
        """
        return rows.drop(self._door.library, entry_id, by=self._by, now=self._clock.now())

    def _next(self, account: str, seen: set[int]) -> QueueEntry | None:
        now = self._clock.now()
        entries = rows.listed(self._door.library, account=account, open_only=True)
        by_lease = self._door.library.lease_time(now)
        left = [entry.id for entry in entries if rows.is_left_behind(entry, by_lease)]
        return queueing.due(entries, now, left_behind=left, seen=seen)

    async def _work(self, entry: QueueEntry, turn: _Round) -> JobList | None:
        """The jobs of an entry that was carried out; None when it is not its time."""
        library, now = self._door.library, self._clock.now()
        if entry.state == RUNNING:
            known = await asyncio.to_thread(job_rows.listed, library, batch_id=entry.batch_id)
            if known:
                return await self._resumed(entry, turn)
            if not await asyncio.to_thread(rows.put_back, library, entry, now=now):
                return None
            entry = await asyncio.to_thread(rows.get, library, entry.id)
        try:
            for _ in range(REPLANS):
                with suppress(LibraryLocked):  # another run began to fetch one of the assets meanwhile: plan again
                    return await self._begun(entry, turn)
        except (QuotaError, DiskProblem) as error:
            await self._waits(entry, turn, str(error))
        except (TryLater, NotAllowed) as error:
            await self._waits(entry, turn, str(error))
            raise
        except Misused as error:
            await asyncio.to_thread(rows.fail, library, entry, str(error), now=self._clock.now())
        return None

    async def _begun(self, entry: QueueEntry, turn: _Round) -> JobList | None:
        """Plan, ask, claim and carry out a waiting entry; None when the answer is no or somebody was quicker."""
        library = self._door.library
        entry = await asyncio.to_thread(rows.get, library, entry.id)
        if entry.state != WAITING:
            return None
        scenes = await asyncio.to_thread(rows.scenes, library, entry.id)
        plan = await self._door.plan(scenes, **entry.arguments)
        refuse_unpaid(plan, allow_unknown=turn.allow_unknown or turn.hook is ask_on_terminal)
        decision = await decide(plan, turn.hook, self._clock.now())
        if not decision.proceed:
            await self._waits(entry, turn, f"{decision.by} said no. {decision.reason}".strip())
            return None
        now = self._clock.now()
        if not await asyncio.to_thread(rows.claim, library, entry, batch_id=plan.id, owner=turn.me, now=now):
            return None
        allow = turn.allow_unknown or decision.allow_unknown_quota
        async with self._kept(entry, turn):
            try:
                jobs = await self._door.run(
                    plan, confirm=_given(decision, plan, turn.hook), allow_unknown_quota=True if allow else None
                )
            except AssetError as error:
                await self._given_up(entry, plan.id, turn, error)
                raise
            return await self._settled(entry, jobs, turn)

    async def _resumed(self, entry: QueueEntry, turn: _Round) -> JobList | None:
        """Go on with the jobs of an entry whose run ended before they did."""
        library, now = self._door.library, self._clock.now()
        batch = entry.batch_id or ""
        if not await asyncio.to_thread(rows.claim, library, entry, batch_id=batch, owner=turn.me, now=now):
            return None
        async with self._kept(entry, turn):
            known = await asyncio.to_thread(job_rows.listed, library, batch_id=batch)
            left = [job.id for job in known if not job.status.is_final]
            if left:
                await self._door.resume(left, confirm=False if turn.hook is None else turn.hook)
            return await self._settled(
                entry, JobList(await asyncio.to_thread(job_rows.listed, library, batch_id=batch)), turn
            )

    async def _settled(self, entry: QueueEntry, jobs: JobList, turn: _Round) -> JobList:
        state, reason, later = queueing.outcome(jobs)
        await asyncio.to_thread(
            rows.settle,
            self._door.library,
            entry.id,
            owner=turn.me,
            state=state,
            reason=reason,
            now=self._clock.now(),
            later=later,
        )
        return jobs

    async def _given_up(self, entry: QueueEntry, batch_id: str, turn: _Round, error: AssetError) -> None:
        """After an error an entry whose jobs were recorded goes on with them later; without any it waits again."""
        library = self._door.library
        begun = await asyncio.to_thread(job_rows.listed, library, batch_id=batch_id)
        state = RUNNING if begun else FAILED if isinstance(error, Misused) else WAITING
        await asyncio.to_thread(
            rows.settle, library, entry.id, owner=turn.me, state=state, reason=str(error), now=self._clock.now()
        )

    async def _waits(self, entry: QueueEntry, turn: _Round, reason: str) -> None:
        fresh = await asyncio.to_thread(rows.get, self._door.library, entry.id)
        if fresh.state == WAITING:
            await asyncio.to_thread(rows.note, self._door.library, fresh, reason, now=self._clock.now())

    @asynccontextmanager
    async def _kept(self, entry: QueueEntry, turn: _Round) -> AsyncIterator[None]:
        """Keep the claim on an entry while it is worked on."""

        async def beat() -> None:
            while True:
                await self._clock.sleep(HEARTBEAT_S)
                now = self._clock.now()
                await asyncio.to_thread(rows.renew, self._door.library, entry.id, owner=turn.me, now=now)

        heart = asyncio.create_task(beat())
        try:
            yield
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)

    async def _account(self) -> str:
        known = accounts.account_of(self._door.library, self._door.auth.digest)
        if not known.startswith("key:"):
            return known
        return str((await self._door.get_quota_info()).account) or known

    def _refuse_unknown(self, arguments: Mapping[str, Any]) -> None:
        try:
            inspect.signature(self._door.plan).bind([], **arguments)
            json.dumps(arguments, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise Misused(f"The queue cannot keep these arguments: {error}.", argument="options") from None


def _given(decision: Decision, plan: Plan, hook: Hook | None) -> Hook | bool:
    """The answer that was given to this plan; what costs more than was confirmed is asked anew."""
    if hook is None:
        return False

    async def answer(asked: Plan) -> Decision:
        return decision if asked.id == plan.id else await decide(asked, hook, asked.made_at)

    return answer


def _as_text(scenes: Scenes) -> str:
    try:
        return json.dumps(collection_of(scenes), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Misused(f"A scene is no GeoJSON: {error}.", argument="scenes") from None


def _moment(value: datetime | date | str | None) -> datetime | None:
    """A moment, UTC; a day is its first moment.

    Raises:
        Misused: text that is no ISO 8601 time.
    """
    if value is None:
        return None
    try:
        return parse_time(value if isinstance(value, str) else value.isoformat())
    except ValueError:
        raise Misused(f"not_before={value!r} is no time.", hint="2026-11-18T06:00Z.", argument="not_before") from None

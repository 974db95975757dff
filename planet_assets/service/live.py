"""What happens, as a stream of server-sent events that goes on where a client left off.

One pump a process looks at the tables twice a second while somebody listens; a client reads what is behind its own
cursor when there is more. Progress of jobs passes at most once a second and is not replayed: the next look has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, Header, Query, Request
from sse_starlette import EventSourceResponse
from starlette.concurrency import run_in_threadpool

from planet_assets.exceptions import AssetError, TryLater
from planet_assets.flow.clock import RealClock
from planet_assets.library import feed, items
from planet_assets.library.engine import Library
from planet_assets.library.feed import Happening
from planet_assets.model.people import Caller
from planet_assets.rules.permissions import allowed, sees_all
from planet_assets.service.access import caller as who_asks
from planet_assets.service.access import needs
from planet_assets.view.documents import plain

router = APIRouter(prefix="/v1", tags=["events"])

LOOK_S = 0.5
COUNT_EVERY = 8
"""Scenes are counted in one of so many looks: they come without an event."""
CHECK_S = 10.0
"""Seconds after which a listener's right to listen is looked at again."""
PING_S, STALL_S = 15, 20.0
END_S = 0.8
"""A stream may take this long to end when the service stops: a look more than it needs."""
MOST_LISTENERS = 200

Reader = Annotated[Caller, Depends(needs("read"))]


class Pump:
    """Looks at the tables for all listeners of a process; it rests when there are none."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._clock = RealClock()
        self._task: asyncio.Task[None] | None = None
        self._tick = asyncio.Event()
        self.listeners = 0
        self.heads: dict[str, int] = {}
        self.progress: dict[str, dict[str, Any]] = {}
        self.scenes = 0
        self._looks = 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Keep looking while this lasts."""
        self.listeners += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self.listeners -= 1

    async def next_look(self) -> None:
        """Until the tables were looked at again."""
        await self._tick.wait()

    async def _run(self) -> None:
        while self.listeners:
            await self._clock.sleep(LOOK_S)
            try:
                await self.look()
            except TryLater:
                pass  # a server that is away comes back
            finally:
                before, self._tick = self._tick, asyncio.Event()
                before.set()

    async def look(self) -> None:
        """See how far everything has come."""
        self.heads = await run_in_threadpool(feed.heads, self._library)
        self.progress = await run_in_threadpool(feed.progress, self._library)
        if self._looks % COUNT_EVERY == 0:
            self.scenes = await run_in_threadpool(items.count, self._library)
        self._looks += 1


@router.get("/events", response_class=EventSourceResponse)
async def events(
    request: Request,
    caller: Reader,
    after: Annotated[str, Query(max_length=200)] = "",
    last_event_id: Annotated[str, Header(max_length=200)] = "",
) -> EventSourceResponse:
    """What happens to jobs, plans, bundles and elements, from now on; with Last-Event-ID (or `after`), from there.

    Events: `hello` with the present cursor, `job`, `plan`, `bundle`, `element`, `progress`, `scenes` when more or
    fewer are known, and `reset` when the library is another one than the cursor was of.
    """
    cursor = feed.read_cursor(last_event_id or after)
    pump = _pump(request)
    if pump.listeners >= MOST_LISTENERS:
        raise TryLater("Too many are listening.", after_s=30)
    await pump.look()
    over = anyio.Event()
    stream = _stream(request, caller, pump, cursor if last_event_id or after else None, over)
    return EventSourceResponse(
        stream, ping=PING_S, send_timeout=STALL_S, shutdown_event=over, shutdown_grace_period=END_S
    )


def _pump(request: Request) -> Pump:
    state = request.app.state
    if getattr(state, "pump", None) is None:
        state.pump = Pump(state.library)
    found: Pump = state.pump
    return found


async def _stream(
    request: Request, caller: Caller, pump: Pump, given: dict[str, int] | None, over: anyio.Event
) -> AsyncIterator[dict[str, str]]:
    told = dict[str, dict[str, Any]]()
    clock = RealClock()
    async with pump.listening():
        heads = dict(pump.heads)
        lost = given is not None and any(sequence > heads[name] for name, sequence in given.items())
        cursor = heads if given is None or lost else given
        yield _message("reset" if lost else "hello", {"cursor": feed.written(cursor)}, feed.written(cursor))
        checked = clock.monotonic()
        looks, scenes = 0, pump.scenes
        while not over.is_set():
            if any(pump.heads[name] > sequence for name, sequence in cursor.items()):
                try:
                    found = await run_in_threadpool(_behind, request, cursor)
                except TryLater:
                    return  # the client comes back, and reads on from its cursor
                for one in found:
                    cursor = feed.moved(cursor, one)
                    if _may_see(request, caller, one):
                        yield _message(one.source, _document(one), feed.written(cursor))
                if len(found) >= feed.MOST:
                    continue
            if pump.scenes != scenes:
                scenes = pump.scenes
                yield _message("scenes", {"count": scenes})
            if looks % 2 == 0 and pump.progress != told:
                changed = {name: seen for name, seen in pump.progress.items() if told.get(name) != seen}
                told = pump.progress
                if changed:
                    yield _message("progress", {"jobs": changed})
            looks += 1
            await pump.next_look()
            if clock.monotonic() - checked > CHECK_S:
                checked = clock.monotonic()
                if not await run_in_threadpool(_still_known, request):
                    return


def _behind(request: Request, cursor: dict[str, int]) -> list[Happening]:
    library: Library = request.app.state.library
    return feed.after(library, cursor, library.lease_time(request.app.state.clock.now()))


def _still_known(request: Request) -> bool:
    try:
        return allowed("read", who_asks(request))
    except TryLater:
        return True
    except AssetError:
        return False


def _may_see(request: Request, caller: Caller, one: Happening) -> bool:
    """Author mode hides what others do; plans are seen by those who decide about them."""
    if one.source == "job" or sees_all(caller, author_mode=request.app.state.options.author_mode):
        return True
    return one.more.get("by") == caller.name or (one.source == "plan" and allowed("approve", caller))


def _document(one: Happening) -> dict[str, Any]:
    return {"at": one.at, "verb": one.verb, "subject": one.subject, **one.more}


def _message(event: str, document: dict[str, Any], cursor: str | None = None) -> dict[str, str]:
    text = json.dumps(plain(document), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return {"event": event, "data": text} | ({"id": cursor} if cursor else {})

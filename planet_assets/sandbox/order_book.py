"""The orders of the account: kept, aged by the sandbox's clock, and worked on by threads.

    queued .. running .. success | partial | failed        cancelled, from queued only

An order's times are drawn when it is accepted. Its files are begun when somebody gets it after it started to run, so
that an order nobody asks for costs no work; for one who gets it, it is final when its time has come and its files are
there. What the list has called final stays so: whoever gets it then waits for the files.
Source: states and the 90 days of results are confirmed; how long orders take is assumed.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import shutil
import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from . import order_work

if TYPE_CHECKING:
    from .order_rules import Accepted
    from .world import World

State = Literal["queued", "running", "success", "partial", "failed", "cancelled"]

_PATH = "/compute/ops/orders/v2"
RESULTS_LIFE_S = 90 * 86400.0
_QUEUE_MEDIAN_S = 20.0
_WORK_MEDIAN_S = 240.0
_SIGMA = 0.7
_ITEMS_AT_ONCE = 50  # of one order
_PATIENCE_S = 5.0  # how long an answer waits for files whose time has come but which are still being made
_LONG_PATIENCE_S = 300.0  # and when the order was called final before
_AT_ACCEPTANCE = ("order-fails", "order-partial", "result-missing", "wrong-digest", "hostile-name")


@dataclass(kw_only=True)
class Order:
    """One order; times are seconds since 1970 on the sandbox's clock."""

    id: str
    request: dict[str, Any]
    key: str
    """Digest of the API key that placed it; empty for Explorer's."""
    user: int
    created: float
    starts: float
    ends: float
    lines: list[dict[str, Any]]
    """What is delivered: item_id, bundle, assets."""
    hints: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    """What struck it when it was accepted: the fault's name and the item that it strikes."""
    listed: float = 0.0
    """When it first shows in the list."""
    cancelled: float | None = None
    seen: bool = False
    """Whether somebody has seen it queued."""

    @property
    def outcome(self) -> State:
        """How it ends when nobody cancels it."""
        if "order-fails" in self.faults or (self.request.get("products") and not self.lines):
            return "failed"
        return "partial" if self.hints else "success"


class OrderBook:
    """Every order of the account, oldest first. Safe to use from several threads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.folder = world.folder / "orders"
        self.orders: dict[str, Order] = {}
        self._announced: set[str] = set()
        self._works: dict[str, Future[list[order_work.File]]] = {}
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="sandbox-orders")
        self._stop = threading.Event()
        if world.config.state and self.folder.exists():
            kept = [Order(**json.loads(file.read_text())) for file in self.folder.glob("*/order.json")]
            self.orders = {order.id: order for order in sorted(kept, key=lambda order: (order.created, order.id))}

    def place(self, body: dict[str, Any], found: Accepted, *, key: str, user: int) -> Order:
        """Keep an order that was accepted, with the faults that strike it."""
        now = self._world.now().timestamp()
        items = [line["item_id"] for line in found.lines]
        faults = {name: item for name in _AT_ACCEPTANCE if (item := self.struck(name, items)) is not None}
        starts, ends = self._times(now, len(items))
        order = Order(
            id=str(uuid.uuid4()), request=body, key=key, user=user, created=now, starts=starts, ends=ends,
            lines=found.lines, hints=found.hints, faults=faults, listed=now,
        )  # fmt: skip
        if "order-partial" in faults:
            self._lose(order, faults["order-partial"])
        unlisted = self._world.faults.strike("order-unlisted", place="order", path=_PATH)
        if unlisted:
            order.listed = now + unlisted.seconds
        self.keep(order)
        return order

    def struck(self, name: str, items: list[str]) -> str | None:
        """The item of an order that a fault strikes, None when it strikes none."""
        struck = (i for i in items if self._world.faults.strike(name, place="order", path=_PATH, item=i))
        return next(struck, None)

    def keep(self, order: Order) -> None:
        """Remember an order as it is."""
        with self._world.lock:
            self.orders[order.id] = order
            if self._world.config.state:
                file = self.folder / order.id / "order.json"
                file.parent.mkdir(parents=True, exist_ok=True)
                part = file.with_suffix(f".part{threading.get_ident()}")
                part.write_text(json.dumps(asdict(order)))
                os.replace(part, file)

    def clocked(self, order: Order) -> State:
        """Where an order stands by the clock alone."""
        now = self._world.now().timestamp()
        if order.cancelled is not None:
            return "cancelled"
        if now < order.starts or (self._world.config.queued_once and not order.seen):
            return "queued"
        if now < order.ends:
            return "running"
        return order.outcome

    def active(self, user: int | None = None) -> dict[str, int]:
        """How many orders are queued and running, of one user or of all."""
        states = [self.clocked(order) for order in list(self.orders.values()) if user in (None, order.user)]
        return {"queued_orders": states.count("queued"), "running_orders": states.count("running")}

    def cancel(self, order: Order) -> bool:
        """Cancel an order; False when it is too late."""
        with self._world.lock:
            if self.clocked(order) != "queued":
                return False
            order.cancelled = self._world.now().timestamp()
            self.keep(order)
            return True

    def glance(self, order: Order) -> State:
        """Where an order stands for one who lists it; begins no work."""
        state = self._seen(order)
        if state in ("success", "partial") and order.id not in self._announced:
            work = self._works.get(order.id)
            if work and not work.done():
                return "running"
            self._announced.add(order.id)
        return state

    async def look(self, order: Order) -> State:
        """Where an order stands for one who gets it: its files must be there before it is final."""
        state = self._seen(order)
        if state in ("queued", "failed", "cancelled") or self.gone(order):
            return state
        work = self.work(order)
        if state == "running":
            return state
        patience_s = _LONG_PATIENCE_S if order.id in self._announced else _PATIENCE_S
        done, _ = await asyncio.wait([asyncio.wrap_future(work)], timeout=patience_s)
        for made in done:
            made.result()  # a file that cannot be made is the sandbox's own error, not Planet's
        return state if done else "running"

    def _seen(self, order: Order) -> State:
        """Where an order stands for anybody; noted when that is in the queue."""
        state = self.clocked(order)
        if state == "queued" and not order.seen:
            order.seen = True
            self.keep(order)
        if state in ("queued", "cancelled"):
            return state
        stuck = self._world.faults.strike("order-stuck", place="order", path=f"{_PATH}/{order.id}")
        return "running" if stuck else state

    def work(self, order: Order) -> Future[list[order_work.File]]:
        """The files of an order, being made on a thread if need be; the same promise for all who ask."""
        with self._world.lock:
            promise = self._works.get(order.id)
            if promise is None or (promise.done() and (promise.cancelled() or promise.exception())):
                folder = self.folder / order.id / "files"
                promise = self._works[order.id] = self._workers.submit(
                    order_work.deliver, self._world, order, folder, self._stop
                )
            return promise

    def gone(self, order: Order) -> bool:
        """Whether an order's results are no longer kept."""
        if self._world.now().timestamp() < order.ends + RESULTS_LIFE_S:
            return False
        shutil.rmtree(self.folder / order.id / "files", ignore_errors=True)
        return True

    def clear(self) -> None:
        """Forget every order."""
        with self._world.lock:
            for promise in self._works.values():
                promise.cancel()
            self.orders.clear()
            self._announced.clear()
            self._works.clear()
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of threads; what is being made stays half done."""
        self._stop.set()
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _lose(self, order: Order, item_id: str) -> None:
        """What goes wrong with one item after the order was accepted: all of a `full` order is lost."""
        order.lines = [line for line in order.lines if line["item_id"] != item_id]
        order.hints = [*order.hints, f"PSScene/{item_id}: delivery failed"]
        if order.request.get("order_type", "full") == "full":
            order.lines = []

    def _times(self, now: float, items: int) -> tuple[float, float]:
        """When an order starts and ends."""
        if self._world.config.latency <= 0:
            return now, now
        chance = random.Random(f"{self._world.config.seed}:order:{len(self.orders)}")
        queue, work = (chance.lognormvariate(math.log(m), _SIGMA) for m in (_QUEUE_MEDIAN_S, _WORK_MEDIAN_S))
        starts = now + queue * self._world.config.latency
        return starts, starts + work * (1 + items // _ITEMS_AT_ONCE) * self._world.config.latency

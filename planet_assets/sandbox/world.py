"""Everything the sandbox knows and remembers: its clock, its catalogue, what was activated, its keys and its log.

One object, used by the request handlers on the event loop and by tests from other threads; what must survive a
restart is written to the state folder at once, by atomic replacement.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shapely.geometry.base import BaseGeometry

from . import spends
from .account import Account
from .answers import stamp
from .billing import Bill, Rules
from .config import SandboxConfig
from .faults import Faults
from .filters import EARLIEST, Reach
from .imagery import Imagery
from .life import PREVIEW_EDITION, Feature, is_preview, seen_at
from .order_book import OrderBook
from .scenes import Catalog

SUBSCRIPTION_ID = 301722
FIRST_USER = 43561
"""The number of the first key's user; the next key's is one more."""

_LOOKS_BACK = timedelta(days=180)  # a search without dates in a made catalogue, which has no beginning
_ANSWERS = 32


@dataclass(kw_only=True)
class Activation:
    """An asset that somebody asked for; times are seconds since 1970 on the sandbox's clock."""

    asked: float
    ready: float | None
    """None: never."""
    fails: bool = False
    """Ends inactive again."""
    sick: bool = False
    """Its links answer 400 until it is activated once more."""


@dataclass
class _Kept:
    """What state.json holds."""

    offset_s: float
    born: str
    secret: str
    keys: list[str]
    activations: dict[str, Activation] = field(default_factory=dict)
    editions: dict[str, int] = field(default_factory=dict)
    republished: dict[str, float] = field(default_factory=dict)
    """When an item's files were made anew last, in seconds since 1970 on the sandbox's clock."""
    searches: dict[str, dict[str, Any]] = field(default_factory=dict)
    spends: list[dict[str, Any]] = field(default_factory=list)
    features: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Geometries by their references, pl:features/my/<collection>/<feature>."""
    reservations: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)


class World:
    """One sandbox. Close it when done."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.lock = threading.RLock()
        self._scratch = None if config.state else tempfile.TemporaryDirectory(prefix="planet-sandbox-")
        self.folder = Path(config.state or self._scratch.name)  # type: ignore[union-attr]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = self.folder / "state.json"
        self.kept = self._load() or self._begin()
        rules = Rules(
            style=config.quota_style, repeat=config.repeat, per_asset=config.per_asset, udm2=config.charge_udm2,
            clip_lowers=config.clip_lowers_charge, clip_minimum_km2=config.clip_minimum_km2,
            composite=config.composite_charge,
        )  # fmt: skip
        self.bill = Bill(rules, SUBSCRIPTION_ID, self.folder / "charges.jsonl" if config.state else None)
        self.account = Account(config, self.bill, born=datetime.fromisoformat(self.kept.born), spends=self.kept.spends)
        self.faults = Faults(seed=config.seed)
        for text in config.faults:
            self.faults.switch_on_text(text)
        self.catalog = Catalog(config.catalog, seed=config.seed, pixel_size_m=config.pixel_size_m)
        self.imagery = Imagery(
            config.files or self.folder / "files", pixel_size_m=config.pixel_size_m, given=config.imagery
        )
        self._answers: dict[tuple[bytes, datetime, datetime], list[Feature]] = {}
        self._catalog_lock = threading.Lock()
        self.known: dict[str, Feature] = {}
        self.requests: deque[dict[str, Any]] = deque(maxlen=500_000)
        self.storage_port: int | None = None
        self.wires: dict[tuple[str, int], Any] = {}
        self._paces: dict[tuple[str, str], float] = {}
        self._makers = ThreadPoolExecutor(4, thread_name_prefix="sandbox-files")
        self._made: dict[tuple[str, str, int], Future[tuple[Path, str]]] = {}
        self.orders = OrderBook(self)
        self.save()

    # time

    def now(self) -> datetime:
        """The moment on the sandbox's clock."""
        return datetime.fromtimestamp(time.time() + self.kept.offset_s, UTC)

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        with self.lock:
            self.kept.offset_s += seconds
            self.save()

    # items and files

    def item(self, item_id: str) -> Feature | None:
        """The record as it is shown now, None when unknown or unpublished."""
        feature = self._record(item_id)
        return self.show(feature) if feature else None

    def show(self, feature: Feature) -> Feature | None:
        """The record as it is shown now, and remembered."""
        self.known.setdefault(feature["id"], feature)
        shown = seen_at(feature, self.now(), embargo_days=self.config.embargo_days)
        if shown and feature["id"] in self.kept.republished:
            # Source: UpdateFilter finds what republishing changed, confirmed; that `updated` tells it is assumed
            again = stamp(datetime.fromtimestamp(self.kept.republished[feature["id"]], UTC))
            shown["properties"]["updated"] = max(shown["properties"].get("updated") or again, again)
        if shown and self.faults.strike("permissions-empty", place="item", item=feature["id"]):
            shown["_permissions"] = []
        return shown

    def candidates(self, where: Reach, anywhere: BaseGeometry) -> list[Feature]:
        """Records that may match, a superset. Without an area, made scenes are those somebody has seen."""
        with self._catalog_lock:
            if where.ids is not None:
                return [found for found in map(self._record, where.ids) if found]
            if where.area is None and self.config.catalog is None:
                return list(self.known.values())
            return self._looked_up(where.area or anywhere, where)

    def _looked_up(self, area: BaseGeometry, where: Reach) -> list[Feature]:
        """The catalogue's answer, remembered: the next page asks the same, and made scenes take milliseconds each."""
        tomorrow = self.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        end = min(where.end, tomorrow) if where.end else tomorrow
        start = where.start
        if self.config.catalog is None and start == EARLIEST:
            start = end - _LOOKS_BACK
        question = (area.wkb, start, end)
        if question not in self._answers:
            if len(self._answers) >= _ANSWERS:
                self._answers.pop(next(iter(self._answers)))
            self._answers[question] = self.catalog.search(area, start, end)
        return self._answers[question]

    def _record(self, item_id: str) -> Feature | None:
        return self.known.get(item_id) or self.catalog.get(item_id)

    def edition(self, feature: Feature) -> int:
        """Which making of the item's files is current."""
        preview = PREVIEW_EDITION if is_preview(self.known.get(feature["id"], feature), self.now()) else 0
        return preview + self.kept.editions.get(feature["id"], 0)

    def republish(self, item_id: str) -> None:
        """Make the files of an item anew: other bytes under the same names; its record says `updated` now."""
        with self.lock:
            self.kept.editions[item_id] = self.kept.editions.get(item_id, 0) + 1
            self.kept.republished[item_id] = self.now().timestamp()
            self.save()

    def file(self, feature: Feature, asset_type: str) -> Future[tuple[Path, str]]:
        """Path and md5 of an asset's file, being made on a thread if need be; the same promise for all who ask."""
        key = (feature["id"], asset_type, self.edition(feature))
        with self.lock:
            promise = self._made.get(key)
            if promise is None or (promise.done() and (promise.cancelled() or promise.exception())):
                final = self.known.get(feature["id"], feature)
                promise = self._made[key] = self._makers.submit(self._make, final, asset_type, key[2])
            return promise

    def _make(self, feature: Feature, asset_type: str, edition: int) -> tuple[Path, str]:
        path = self.imagery.path(feature, asset_type, edition)
        with path.open("rb") as body:
            return path, hashlib.file_digest(body, "md5").hexdigest()

    # keys and pace

    def admits(self, key: str | None) -> bool:
        """Whether the key is one of ours."""
        return key in self.kept.keys

    def reset_key(self, old: str | None = None) -> str:
        """Replace a key as a user does on Planet's page: the old one is refused, the account is the same."""
        with self.lock:
            old = old or self.kept.keys[0]
            new = "PLAK" + secrets.token_hex(14)
            self.kept.keys = [new if key == old else key for key in self.kept.keys]
            self.save()
            return new

    def wait_s(self, key: str, kind: str, per_second: float) -> float:
        """0 when a request of this kind may pass, else the seconds to wait. Source: evenly paced, confirmed (SDK).

        Half an interval of earliness is forgiven, so that a well-paced client with a jittery clock passes.
        """
        if self.config.rate_scale <= 0:
            return 0.0
        gap, now = 1 / (per_second * self.config.rate_scale), time.monotonic()
        due = self._paces.get((key, kind), now)
        if now < due - gap / 2:
            return due - now
        self._paces[(key, kind)] = max(due, now) + gap
        return 0.0

    # memory

    def spend(self, km2: float, name: str = "Explorer") -> dict[str, Any]:
        """Somebody else on the subscription spends."""
        with self.lock:
            row = self.account.spend(km2, self.now(), name)
            spends.as_orders(self, row)
            self.save()
            return row

    def feature(self, reference: str, geometry: dict[str, Any]) -> None:
        """Keep an area under a reference, as the Features API would."""
        with self.lock:
            self.kept.features[reference] = geometry
            self.save()

    def user(self, digest: str) -> int:
        """The number of the user whose key has this digest; a key that was reset is the same user's."""
        digests = [hashlib.sha256(key.encode()).hexdigest()[:12] for key in self.kept.keys]
        return digests.index(digest) + FIRST_USER if digest in digests else FIRST_USER

    def reset(self) -> None:
        """Back to the first moment: no charges, orders, activations, faults or log. The clock, keys and areas stay."""
        with self.lock:
            kept = self.kept
            each_item = (kept.activations, kept.editions, kept.republished)
            for held in (*each_item, kept.searches, kept.spends, kept.reservations, kept.jobs):
                held.clear()
            self.orders.clear()
            self.bill.clear()
            self.faults.switch_off()
            self.requests.clear()
            self._paces.clear()
            self.save()

    def save(self) -> None:
        """Write what must survive a restart."""
        if not self.config.state:
            return
        with self.lock:
            part = self._file.with_suffix(f".part{threading.get_ident()}")
            part.write_text(json.dumps(asdict(self.kept)))
            os.replace(part, self._file)

    def close(self) -> None:
        """Let go of threads and of the scratch folder."""
        self._makers.shutdown(wait=True, cancel_futures=True)
        self.orders.close()
        if self._scratch:
            self._scratch.cleanup()

    def _begin(self) -> _Kept:
        now = datetime.fromtimestamp(time.time(), UTC)
        start = self.config.start or now
        offset = start - now if self.config.start else timedelta()
        return _Kept(offset.total_seconds(), start.isoformat(), secrets.token_hex(32), list(self.config.keys))

    def _load(self) -> _Kept | None:
        if not self.config.state or not self._file.exists():
            return None
        kept = _Kept(**json.loads(self._file.read_text()))
        kept.activations = {name: Activation(**row) for name, row in kept.activations.items()}  # type: ignore[arg-type]
        return kept

"""Faults to switch on: everything a client must survive, each with a name.

A fault strikes at its places (the table's first column) unless it is given a `path`: then it strikes wherever the
request's path holds that text. It can be narrowed to an item or an asset type, to a number of strikes and to a
chance. Those of an order strike once, when it is accepted; only order-stuck strikes whenever somebody looks.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field, fields
from typing import Any

_TABLE: dict[str, tuple[str, str]] = {
    "location-null": ("assets", "an asset says active and its location is null"),
    "link-400": ("storage", "a fresh link answers 400 until the asset is activated again; once per asset"),
    "permissions-empty": ("item", "items are found with _permissions [] and cannot be activated"),
    "republished": ("assets", "the file is made anew: other bytes, other md5; once per asset"),
    "assets-empty": ("assets", "the listing of an item's assets is {}"),
    "never-activates": ("activation", "the activation is accepted and never ends"),
    "activation-failed": ("activation", "the activation ends with the asset inactive again; once per asset"),
    "wrong-md5": ("assets", "md5_digest is not that of the file"),
    "cut": ("storage", "the connection closes in mid-body, after `after` bytes (half)"),
    "stall": ("storage", "the body stops after `after` bytes (half) and the connection stays open for `seconds`"),
    "reset": ("storage", "the connection is reset (RST) after `after` bytes (half)"),
    "flip": ("storage", "one byte of the body, at `after` (the middle), is wrong"),
    "truncate-no-length": ("storage", "no Content-Length, and the body ends after `after` bytes (half)"),
    "slow": ("storage", "the body drips at `rate` bytes a second"),
    "gzip": ("storage", "the body comes gzip-encoded though nobody asked for it"),
    "range-ignored": ("storage", "a Range is answered by 200 and the whole body"),
    "wrong-content-range": ("storage", "a Range is answered by 206 with other bytes than asked for"),
    "html-200": ("storage", "a web page with status 200, as a captive portal sends it"),
    "hostile-name": ("storage order", "Content-Disposition, or a result and the manifest, name a file with ../"),
    "expired-link": ("location", "the link is refused as expired, whatever expires_at says"),
    "order-fails": ("order", "an order is accepted and charged, and fails"),
    "order-partial": ("order", "an item of an accepted order is charged and not delivered; a `full` order fails"),
    "order-stuck": ("order", "while it is on, orders never get beyond running; `path` may hold an order's id"),
    "order-unlisted": ("order", "an order shows in the list only after `seconds` of the sandbox's clock"),
    "answer-lost-on-create": ("order", "an order is accepted and charged, and the connection ends without an answer"),
    "result-missing": ("order", "a file of the manifest is missing among the results"),
    "wrong-digest": ("order", "the manifest's digests of a file are not its own"),
    "redirect-loop": ("location", "the link redirects to itself"),
    "redirect-foreign": ("api", "the API redirects to another host, which notes whether credentials came along"),
    "malformed-json": ("api", "the JSON breaks off"),
    "http-500": ("any", "500 Internal Server Error"),
    "502": ("any", "502 Bad Gateway, an HTML page of a proxy"),
    "503": ("any", "503 Service Unavailable, an HTML page of a proxy"),
    "504": ("any", "504 Gateway Timeout, an HTML page of a proxy"),
    "status": ("any", "any `status` (408, 410, 416, ...), with Retry-After when `retry_after` is given"),
    "429-storm": ("any", "429 max rate reached, whatever the pace; Retry-After when `retry_after` is given"),
    "subscriptions-empty": ("subscriptions", "my/subscriptions is an empty list"),
    "subscriptions-error": ("subscriptions", "my/subscriptions answers 500 with a message"),
    "subscriptions-null-quota": ("subscriptions", "every row of my/subscriptions has a null quota"),
    "quota-exhausted": ("quota", "activation and download are refused as over quota, whatever was used"),
}

FAULTS: dict[str, str] = {name: doc for name, (_, doc) in _TABLE.items()}
"""Every fault by name, with one line that says what it does."""

_ONCE_PER_ASSET = {"link-400", "republished", "activation-failed"}


@dataclass(kw_only=True)
class Fault:
    """One fault that is switched on."""

    name: str
    """A key of FAULTS."""
    count: int | None = None
    """How often it strikes; None is always."""
    item: str | None = None
    """Only for this item id."""
    asset_type: str | None = None
    """Only for this asset type."""
    path: str | None = None
    """Only where the request's path holds this text, at whatever place."""
    chance: float = 1.0
    """Probability of each strike."""
    after: int | None = None
    """Bytes of the body that pass before it strikes; None is half of them."""
    rate: float = 100_000.0
    """Bytes a second of `slow`."""
    seconds: float = 3600.0
    """How long `stall` lasts."""
    status: int = 500
    """The status code of `status`."""
    retry_after: str | None = None
    """The header's text, for `status` and `429-storm`: seconds or a date."""
    struck: int = 0
    """How often it has struck."""
    hit: set[tuple[str, str]] = field(default_factory=set)
    """The assets it has struck, for those that strike each asset once."""

    def fits(self, place: str, path: str, item: str, asset_type: str) -> bool:
        """Whether it may strike here, chance aside."""
        if self.count is not None and self.struck >= self.count:
            return False
        if self.name in _ONCE_PER_ASSET and (item, asset_type) in self.hit:
            return False
        home = _TABLE[self.name][0]
        here = self.path in path if self.path is not None else home == "any" or place in home.split()
        return here and self.item in (None, item) and self.asset_type in (None, asset_type)


_OPTIONS = {f.name: f for f in fields(Fault) if f.name not in ("name", "struck", "hit")}


class Faults:
    """The faults that are switched on. Safe to use from several threads."""

    def __init__(self, *, seed: int = 0) -> None:
        self._on: list[Fault] = []
        self._lock = threading.RLock()
        self._random = random.Random(seed)

    def switch_on(self, name: str, **options: Any) -> Fault:
        """Switch a fault on; switching it on again replaces it.

        Raises:
            ValueError: no fault has this name, or it has no such option.
        """
        if name not in FAULTS:
            raise ValueError(f"no fault is called {name!r}; there are: {', '.join(sorted(FAULTS))}")
        unknown = options.keys() - _OPTIONS.keys()
        if unknown:
            raise ValueError(f"a fault has no option {', '.join(sorted(unknown))}; it has: {', '.join(_OPTIONS)}")
        fault = Fault(name=name, **options)
        with self._lock:
            self.switch_off(name)
            self._on.append(fault)
        return fault

    def switch_on_text(self, text: str) -> Fault:
        """Switch a fault on as a command line writes it: `name` or `name:option=value,option=value`."""
        name, _, rest = text.partition(":")
        options: dict[str, Any] = {}
        for pair in filter(None, rest.split(",")):
            key, equals, value = pair.partition("=")
            if not equals:
                raise ValueError(f"in the fault {text!r}: write {key}=VALUE")
            options[key] = _value(key, value)
        return self.switch_on(name, **options)

    def switch_off(self, name: str | None = None) -> None:
        """Switch one fault off, or all."""
        with self._lock:
            self._on = [fault for fault in self._on if name is not None and fault.name != name]

    def strike(
        self, name: str, *, place: str = "", path: str = "", item: str = "", asset_type: str = ""
    ) -> Fault | None:
        """The fault, if it strikes here and now. A strike is counted."""
        with self._lock:
            for fault in self._on:
                if fault.name != name or not fault.fits(place, path, item, asset_type):
                    continue
                if fault.chance < 1 and self._random.random() >= fault.chance:
                    return None
                fault.struck += 1
                fault.hit.add((item, asset_type))
                return fault
        return None

    def listing(self) -> list[dict[str, Any]]:
        """What is switched on, for the control endpoint."""
        with self._lock:
            return [{"name": f.name, "struck": f.struck, **{o: getattr(f, o) for o in _OPTIONS}} for f in self._on]


def _value(key: str, value: str) -> Any:
    if key in ("count", "after", "status"):
        return int(value)
    if key in ("chance", "rate", "seconds"):
        return float(value)
    return value

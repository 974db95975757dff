"""Carries a tracker's elements between a site's folder and the tracker's own store, as their waiting lists say.

    scan     what lies here is told; new files are published
    send     what the hub wants and is here: claim, seal, send, finalize, arrived
    fetch    what is wanted here and the hub has: claim, fetch, compare, place, arrived

A claim is a lease, and every step does nothing where it was done before, so the next agent goes on where one was
killed; on the same machine at once, since it is known by the machine and there is one at a time for a folder. What
somebody has changed here since it came is never written over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from planet_assets import __version__
from planet_assets.exceptions import AssetError, Conflict, DiskProblem, Gone
from planet_assets.flow import scan
from planet_assets.flow.publish import components_of
from planet_assets.flow.pulling import Fetching
from planet_assets.model.bundle import Bundle, Component
from planet_assets.model.ports import Clock
from planet_assets.rules import destinations, packages, sealing
from planet_assets.sites.tracker import Tracker

PAGE = 500
AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How it ended with one element."""

    element_id: str
    """Which."""
    verb: str
    """scanned, modified, sent or fetched."""
    error: str = ""
    """Why it failed; empty when it did not."""


Carry = Callable[[dict[str, Any], Callable[[], Any]], str]
"""Brings one element, renewing its claim meanwhile; the seal of what was brought."""


@dataclass(slots=True, kw_only=True)
class Carrier:
    """The agent of one site; it remembers what it has told the tracker, and nothing that a restart would miss."""

    tracker: Tracker
    """The tracker, and its store."""
    site: str
    """The site it works for."""
    hub: str
    """Name of the tracker's own site."""
    root: Path
    """The site's folder."""
    agent: str
    """Names the machine it works on."""
    clock: Clock
    """The time."""
    rules: scan.Rules = field(default_factory=scan.Rules)
    """What of the folder counts."""
    tell: Callable[[Carried], None] = lambda done: None
    """Told how each element ended."""
    _told: dict[str, tuple[int, int]] = field(default_factory=dict)
    _times: dict[str, int] = field(default_factory=dict)

    def one_pass(self) -> list[Carried]:
        """Scan, send and fetch what there is now.

        Raises:
            AssetError: the tracker does not answer, or the folder cannot be read.
        """
        if not self._times:
            self.tracker.ask("POST", "/v1/sites", again=True, json={"name": self.site})
            self._times["agentStartTime"] = self._now_ms()
        team, volume = self._parameters()
        self._beat("on")
        ended: list[Carried] = []
        if volume.get("enableDiscovery", True) and team.get("enableScans", True) and self._may_scan(team):
            ended += self.scan(scan.rules_of(team, self.rules))
            self._times["last_scan"] = self._now_ms()
        if volume.get("enableEmission", True):
            ended += self._work(self.hub, self.site, "sent", self._send)
            self._times["last_emission"] = self._now_ms()
        if volume.get("enableReception", True):
            ended += self._work(self.site, self.hub, "fetched", self._fetch)
            self._times["last_reception"] = self._now_ms()
        self._beat("on")
        return ended

    def stopped(self) -> None:
        """Say that the agent ends."""
        with suppress(AssetError):
            self._beat("off")

    def scan(self, rules: scan.Rules) -> list[Carried]:
        """Tell the tracker what lies here and it has not been told.

        Raises:
            AssetError: the tracker does not answer, or the folder cannot be read.
        """
        found = scan.scan(self.root, rules, now_s=self.clock.now().timestamp())
        fresh = [one for one in found if self._told.get(one.element_id) != (one.size_bytes, one.mtime_ms)]
        ended: list[Carried] = []
        for start in range(0, len(fresh), PAGE):
            page = fresh[start : start + PAGE]
            entries = [{"id": one.element_id, "size_bytes": one.size_bytes, "mtime_ms": one.mtime_ms} for one in page]
            told = self.tracker.ask("POST", "/v1/sites/scanned", again=True, json={"site": self.site, "found": entries})
            locked = set(told["locked"])
            self._told |= {
                one.element_id: (one.size_bytes, one.mtime_ms) for one in page if one.element_id not in locked
            }
            for verb, key, error in (
                ("scanned", "new", ""),
                ("modified", "modified", ""),
                ("modified", "locked", "somebody has locked it"),
            ):
                ended += [Carried(element_id=name, verb=verb, error=error) for name in told[key]]
        for one in ended:
            self.tell(one)
        return ended

    def _beat(self, status: str) -> None:
        said = {"site": self.site, "agent": self.agent, "status": status, "version": __version__, **self._times}
        self.tracker.ask("POST", "/v1/sites/heartbeat", json=said)

    def _may_scan(self, team: dict[str, Any]) -> bool:
        """False within the seconds that the team wants between two scans."""
        rest = team.get("sleepBetweenScans", 0)
        last = self._times.get("last_scan")
        return last is None or not isinstance(rest, int | float) or self._now_ms() >= last + rest * 1000

    def _now_ms(self) -> int:
        return destinations.milliseconds(self.clock.now())

    def _parameters(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What goes for the team, and for this site; empty where nobody has said."""
        try:
            found = self.tracker.ask("POST", "/api/read/", again=True, json=[destinations.GLOBAL, self.site])
        except Gone:
            found = [None, None]
        team, volume = (one or {} for one in found)
        return team, volume

    def _work(self, target: str, source: str, verb: str, carry: Carry) -> list[Carried]:
        """One page of a waiting list; what is left is for the next pass."""
        query = {"target": target, "source": source, "limit": AT_ONCE, "agent": self.agent}
        waiting = self.tracker.ask("GET", "/v1/sites/waiting", again=True, params=query)["elements"]
        ended = []
        for element in waiting:
            claim = {"element": element["_id"], "site": target, "agent": self.agent}
            if not self.tracker.ask("POST", "/v1/sites/claim", again=True, json=claim)["claimed"]:
                continue
            error, outcome = "", {**claim, "outcome": "arrived"}
            try:
                outcome["seal"] = carry(element, partial(self.tracker.ask, "POST", "/v1/sites/claim", json=claim))
            except AssetError as problem:
                code = destinations.NOT_FOUND if isinstance(problem, Gone) else destinations.OTHER
                error, outcome = str(problem), {**claim, "outcome": "failed", "error": str(problem)[:500], "code": code}
            except BaseException:  # stopped: nobody need wait for the lease
                with suppress(AssetError):
                    self.tracker.ask("POST", "/v1/sites/outcome", json={**claim, "outcome": "given_back"})
                raise
            with suppress(AssetError):  # the lease ran out: another agent has it, or finds it done
                self.tracker.ask("POST", "/v1/sites/outcome", again=True, json=outcome)
            done = Carried(element_id=element["_id"], verb=verb, error=error)
            self.tell(done)
            ended.append(done)
        return ended

    def _send(self, element: dict[str, Any], renew: Callable[[], Any]) -> str:
        name = str(element["_id"])
        try:
            files = scan.members(self.root, name)
            before = [_mark(path) for path in files]
            parts = _coded(components_of(files))
            if [_mark(path) for path in files] != before:
                raise Conflict(f"{name} is being written.", hint="It goes when it has come to rest.")
        except (FileNotFoundError, NotADirectoryError):
            raise Gone(f"{name} is not at {self.site}.") from None
        if not parts:
            raise Gone(f"{name} has no files at {self.site}.")
        seal = sealing.seal_of(parts)
        bundle = Bundle(
            id="", name=packages.bundle_name(name), revision=1, kind=packages.KIND, components=parts, seal=seal
        )
        if not self.tracker.is_visible(bundle):
            for part in parts:
                self.tracker.send(bundle, part)
                renew()
            self.tracker.finish(bundle)
        return seal

    def _fetch(self, element: dict[str, Any], renew: Callable[[], Any]) -> str:
        name = str(element["_id"])
        target = scan.inside(self.root, name)
        found = list(self.tracker.found(packages.bundle_name(name)))
        if not found:
            raise Gone(f"{name} is not at {self.hub}.")
        there = next((one for one in found if one.seal == element.get("seal")), found[-1])
        names = packages.file_names(name, [one.name for one in there.components])
        is_package = packages.is_package(name)
        if not is_package and len(names) != 1:
            raise Conflict(f"{name} is one file, and {self.hub} has {len(names)} of it.")
        finals = {one: target / file if is_package else target for one, file in names.items()}
        missing = [one for one in there.components if not _is_there(finals[one.name], one)]
        self._refuse_changed(element, [finals[one.name] for one in missing])
        depot = Fetching(self.root / scan.HIDDEN, self.tracker, there)
        for one in missing:
            depot.send(there, one)
            renew()
        mtime = element.get("file_mtime")
        for one in missing:
            _placed(depot.gathered(there, one.name), finals[one.name], mtime)
        with suppress(OSError):
            depot.gathered(there, "x").parent.rmdir()
        if is_package:
            target.mkdir(parents=True, exist_ok=True)
        return there.seal or ""

    def _refuse_changed(self, element: dict[str, Any], finals: Iterable[Path]) -> None:
        """What lies here and did not come from the tracker is somebody's work."""
        synced = element.get(f"synced_{self.site}")
        for path in finals:
            if not os.path.lexists(path):
                continue
            written = path.lstat().st_mtime_ns // 1_000_000
            known = {element.get("file_mtime"), self._told.get(str(element["_id"]), (0, 0))[1]}
            if synced is None or (written > synced and written not in known):
                raise Conflict(
                    f"{path} is there already, with other bytes.", hint="Move it away, or publish it from here."
                )


def _coded(parts: Iterable[Component]) -> tuple[Component, ...]:
    """Components under names that may stand at every site."""
    return tuple(
        sorted(
            (
                Component(
                    name=packages.coded(one.path.name), path=one.path, size_bytes=one.size_bytes, sha256=one.sha256
                )
                for one in parts
            ),
            key=lambda one: one.name,
        )
    )


def _mark(path: Path) -> tuple[int, int]:
    told = path.stat()
    return told.st_size, told.st_mtime_ns


def _is_there(path: Path, component: Component) -> bool:
    try:
        if path.is_symlink() or path.stat().st_size != component.size_bytes:
            return False
    except OSError:
        return False
    return components_of([path])[0].sha256 == component.sha256


def _placed(source: Path, final: Path, mtime_ms: object) -> None:
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(mtime_ms, int | float) and 0 <= mtime_ms < 2**53:
            os.utime(source, ns=(int(mtime_ms) * 1_000_000, int(mtime_ms) * 1_000_000))
        os.replace(source, final)
    except OSError as error:
        raise DiskProblem(f"{final} cannot be placed: {error.strerror}.") from None

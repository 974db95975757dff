"""Runs the agent that carries a tracker's elements to and from a folder site."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from planet_assets.cli.agents import Stopped, stoppable
from planet_assets.cli.codes import Code
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.output import Face
from planet_assets.exceptions import AssetError, DiskProblem, Misused

if TYPE_CHECKING:
    from planet_assets.flow.carrier import Carried, Carrier


def run_scan(face: Face, name: str, tracker: str, **what: Any) -> int:
    """One scan, and what it told."""
    with _carrier(name, tracker, **what) as carrier:
        ended = carrier.scan(carrier.rules)
    return _shown(face, ended)


def run_carrier(face: Face, name: str, tracker: str, *, every_s: float | None, **what: Any) -> int:
    """Pass after pass until SIGTERM or Ctrl-C, or one."""
    with _carrier(name, tracker, **what) as carrier:
        if every_s is None:
            return _shown(face, carrier.one_pass())
        carrier.tell = lambda one: face.show(_document(one), lambda: _line(one), compact=True)
        idle = threading.Event()
        with stoppable():
            try:
                face.show({"site": name}, lambda: f"The agent works for {name}.", compact=True)
                while True:
                    try:
                        carrier.one_pass()
                    except AssetError as error:
                        face.say(str(error))
                    idle.wait(every_s)
            except (Stopped, KeyboardInterrupt):
                carrier.stopped()
    return Code.OK


def _shown(face: Face, ended: Sequence[Carried]) -> int:
    face.show([_document(one) for one in ended], lambda: "\n".join(map(_line, ended)) or "Nothing to do.")
    bad = sum(bool(one.error) for one in ended)
    return Code.OK if not bad else Code.PARTLY if bad < len(ended) else Code.ERROR


@contextmanager
def _carrier(
    name: str,
    tracker: str,
    *,
    hub: str,
    include: Sequence[str],
    exclude: Sequence[str],
    package: Sequence[str],
    quiet_s: float,
) -> Iterator[Carrier]:
    from planet_assets import config
    from planet_assets.door import reaching
    from planet_assets.flow.carrier import Carrier
    from planet_assets.flow.clock import RealClock, pause
    from planet_assets.flow.pulling import folder_of_site
    from planet_assets.flow.scan import HIDDEN, Rules
    from planet_assets.library import bundles
    from planet_assets.library.owners import this_machine
    from planet_assets.sites.incoming import only_one
    from planet_assets.sites.tracker import Tracker

    with open_library() as library:
        here, there = bundles.site_named(library, name), bundles.site_named(library, tracker)
    if not there.address.startswith(("http://", "https://")):
        raise Misused(f"{tracker} is no tracker.", hint="`site add NAME https://HOST` names one.", argument="tracker")
    rules = Rules(include=tuple(include), exclude=tuple(exclude), packages=tuple(package), quiet_s=quiet_s)
    remote = Tracker(there.address, config.tracker_token(there.address), pause=pause, verify=reaching.trust())
    root = folder_of_site(here)
    if not root.is_dir():
        raise DiskProblem(f"{root} is no folder.", hint="Is the disk there?")
    with closing(remote), only_one(root / HIDDEN / "agent.lock"):
        yield Carrier(
            tracker=remote,
            site=here.name,
            hub=hub,
            root=root,
            agent=this_machine(),
            clock=RealClock(),
            rules=rules,
        )


def _document(one: Carried) -> dict[str, Any]:
    return {"element": one.element_id, "verb": one.verb, "error": one.error or None}


def _line(one: Carried) -> str:
    return f"{one.verb} {one.element_id}" + (f": {one.error}" if one.error else "")

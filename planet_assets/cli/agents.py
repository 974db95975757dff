"""Runs the agent of a site from the shell: once, or until it is told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from planet_assets.cli.codes import Code
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.output import Face
from planet_assets.exceptions import Misused, TryLater
from planet_assets.view.shipments import NOTHING, published_document, published_line

if TYPE_CHECKING:
    from planet_assets.flow.agent import Pass, Pull, Push
    from planet_assets.library.engine import Library


class Stopped(BaseException):
    """SIGTERM came; whatever was under way is left as it is, and the next run goes on there."""


def run_once(face: Face, *, pulls: Sequence[str], pushes: Sequence[str], into: str | None, everything: bool) -> Pass:
    """One pass, and what came of it on stdout."""
    from planet_assets.flow.agent import one_pass
    from planet_assets.flow.clock import RealClock
    from planet_assets.library.engine import working

    with (
        open_library() as library,
        _work(library, pulls, pushes, into, everything) as (sources, targets),
        working() as owner,
    ):
        done = one_pass(library, sources, targets, owner=owner, clock=RealClock())
    for name, reason in done.away.items():
        face.say(f"{name} is away: {reason}")
    documents = [published_document(one) for one in done.ended]
    face.show(documents, lambda: "\n".join(map(published_line, done.ended)) or NOTHING)
    return done


def run_agent(face: Face, *, pulls: Sequence[str], pushes: Sequence[str], into: str | None, every_s: float) -> int:
    """Pass after pass until SIGTERM or Ctrl-C; one line for each bundle that was brought."""
    from planet_assets import __version__
    from planet_assets.flow.agent import one_pass
    from planet_assets.flow.clock import RealClock
    from planet_assets.library import standings
    from planet_assets.library.engine import working

    clock, idle = RealClock(), threading.Event()
    with open_library() as library, _work(library, pulls, pushes, into, True) as (sources, targets):
        names = [one.site.name for one in sources] + [one.site.name for one in targets]
        said = {"agent": f"{','.join(names)}"[:200], "version": __version__, "status": "on"}
        with working() as owner, stoppable():
            try:
                face.show(
                    {"agent": names}, lambda: f"The agent works for {', '.join(names) or 'no site'}.", compact=True
                )
                while True:
                    for name in names:
                        standings.beat(library, name, said, now=clock.now())
                    try:
                        done = one_pass(library, sources, targets, owner=owner, clock=clock)
                    except TryLater as error:
                        face.say(str(error))
                    else:
                        _tell(face, done)
                    idle.wait(every_s)
            except (Stopped, KeyboardInterrupt):
                pass
        for name in names:
            standings.beat(library, name, {**said, "status": "off"}, now=clock.now())
    return Code.OK


def _tell(face: Face, done: Pass) -> None:
    for one in done.ended:
        face.show(published_document(one), lambda one=one: published_line(one), compact=True)  # type: ignore[misc]
    for name, reason in done.away.items():
        face.say(f"{name} is away: {reason}")


@contextmanager
def stoppable() -> Iterator[None]:
    """A block that SIGTERM ends by `Stopped`."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _work(
    library: Library, pulls: Sequence[str], pushes: Sequence[str], into: str | None, everything: bool
) -> Iterator[tuple[list[Pull], list[Push]]]:
    """What the names stand for, opened.

    Raises:
        Misused: a name is none, or something is missing.
    """
    from planet_assets.door import reaching
    from planet_assets.flow.agent import Pull, Push
    from planet_assets.flow.pulling import folder_of_site
    from planet_assets.library import bundles

    if pulls and into is None:
        raise Misused("Where to? --into names a folder site.", argument="into")
    with ExitStack() as stack:
        target = bundles.site_named(library, into) if into else None
        if target is not None:
            folder_of_site(target)
        sources = []
        for name in pulls:
            site = bundles.site_named(library, name)
            depot = reaching.depot(site)
            stack.callback(depot.close)
            if target is not None:
                sources.append(Pull(site=site, depot=depot, into=target))
        wanted = [(bundles.site_named(library, name), everything) for name in pushes]
        if not pulls and not pushes:
            wanted = [(one, False) for one in bundles.sites(library)]
        targets = []
        for site, all_of_it in wanted:
            depot = reaching.depot(site)
            stack.callback(depot.close)
            targets.append(Push(site=site, depot=depot, everything=all_of_it))
        yield sources, targets

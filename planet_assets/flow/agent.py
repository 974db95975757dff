"""The agent of a site: fetches what others have ready, brings what is wanted elsewhere, again and again.

Nothing it does needs to be undone: stopped or killed anywhere, the next pass goes on where this one was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from planet_assets.exceptions import AssetError
from planet_assets.flow.publish import Depot, ship
from planet_assets.flow.pulling import pull
from planet_assets.library import bundles, receiving
from planet_assets.library.engine import Library
from planet_assets.model.bundle import Published, Site
from planet_assets.model.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A site that bundles are brought to."""

    site: Site
    """Which."""
    depot: Depot
    """What stands behind it."""
    everything: bool = False
    """True to bring all that is held here; else only what is outstanding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A site that bundles are fetched from."""

    site: Site
    """Which."""
    depot: Depot
    """What stands behind it."""
    into: Site
    """A folder site of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """How one pass went."""

    ended: list[Published] = field(default_factory=list)
    """Every bundle that was worked on."""
    away: dict[str, str] = field(default_factory=dict)
    """Site -> why nothing could be asked of it."""

    @property
    def is_good(self) -> bool:
        """True when nothing failed."""
        return not self.away and all(one.state != "failed" for one in self.ended)


def one_pass(
    library: Library,
    pulls: Sequence[Pull],
    pushes: Sequence[Push],
    *,
    owner: str,
    clock: Clock,
    tell: Callable[[Published], None] = lambda done: None,
    stop: Callable[[], bool] = lambda: False,
) -> Pass:
    """Fetch, then bring; a site that is away, or a bundle that fails, does not stop the rest.

    Args:
        library: where it is recorded.
        pulls: where from.
        pushes: where to; what has just been fetched goes on from here.
        owner: names this run.
        clock: the time.
        tell: told how each bundle ended.
        stop: asked between bundles; true ends the pass.
    """
    done = Pass()
    for one in pulls:
        try:
            done.ended.extend(pull(library, one.depot, one.into, owner=owner, clock=clock, tell=tell, stop=stop))
        except AssetError as error:
            done.away[one.site.name] = str(error)
    for to in pushes:
        wanted = {bundle.id: bundle for bundle in bundles.outstanding(library, to.site.id)}
        if to.everything:
            wanted |= {bundle.id: bundle for bundle in receiving.held(library, missing_at=to.site.id)}
        work = list(wanted.values())
        done.ended.extend(ship(library, to.site, work, owner=owner, clock=clock, depot=to.depot, tell=tell, stop=stop))
    return done

"""Fetches bundles from a site into a folder of ours: what is there and not here, resumed, compared, whole.

A pull is a shipment to the folder whose bytes come from the other site, so leases, the order of writes and the one
ready event are those of `publish.ship`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from planet_assets.exceptions import AssetError, Misused
from planet_assets.flow.publish import Depot, ship
from planet_assets.library import bundles, receiving
from planet_assets.library.engine import Library
from planet_assets.model.bundle import Bundle, Component, Published, Site
from planet_assets.model.ports import Clock
from planet_assets.sites.folder import Folder
from planet_assets.sites.incoming import Arrival, held_bytes, is_here


class Fetching(Folder):
    """A folder whose components come from another site; a `Depot` for one bundle."""

    def __init__(self, root: Path, source: Depot, there: Bundle) -> None:
        """Fetch nothing yet.

        Args:
            root: the folder.
            source: where the bytes come from.
            there: the bundle as the other site knows it; its revision may be another.
        """
        super().__init__(root)
        self._source, self._there = source, there

    def send(self, bundle: Bundle, component: Component) -> None:
        """Fetch one file from where an earlier attempt stopped; nothing is done when it is here.

        Raises:
            Corrupt: other bytes came than were sealed.
            AssetError: the other site, or the disk, does not do it.
        """
        if is_here(self, bundle, component):
            return
        start = held_bytes(self, bundle, component)
        with Arrival(self, bundle, component, start) as arrival:
            for block in self._source.blocks(self._there, component, start):
                arrival.take(block)
            if not arrival.end():
                raise AssetError(f"{component.name} of {bundle.name} came short.", hint="Pull again; it goes on there.")


def folder_of_site(site: Site) -> Path:
    """The folder behind a site.

    Raises:
        Misused: it is none.
    """
    if "://" in site.address:
        raise Misused(f"{site.name} is no folder.", hint="Bundles are pulled into a folder site.", argument="into")
    return Path(site.address)


def pull(
    library: Library,
    source: Depot,
    into: Site,
    *,
    owner: str,
    clock: Clock,
    names: Collection[str] = (),
    tell: Callable[[Published], None] = lambda done: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Published]:
    """Fetch every bundle that is at a site and not here; one that fails does not stop the rest.

    Args:
        library: where it is recorded.
        source: what stands behind the other site.
        into: a folder site of ours.
        owner: names this run.
        clock: the time.
        names: only bundles of these names; empty for all.
        tell: told how each ended that was not here.
        stop: asked before each; true ends the pull.
    """
    root, ended = folder_of_site(into), []
    for there in list(source.found()):
        if stop():
            break
        if names and there.name not in names:
            continue
        here = receiving.receive(library, there, root, by=owner, now=clock.now())
        if bundles.is_ready(library, here.id, into.id):
            continue
        depot = Fetching(root, source, there)
        ended += ship(library, into, [here], owner=owner, clock=clock, depot=depot, tell=tell)
    return ended

"""Ships sealed bundles to sites: components first, the visible name last, then the record. Killed anywhere, it goes on.

Order of writes: the wish is recorded, each component is brought, checked and recorded, the bundle becomes visible in
one step at the site, and only then it is recorded as ready. Every step does nothing where it was done before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from planet_assets.exceptions import AssetError, Corrupt, DiskProblem, LibraryLocked, Misused
from planet_assets.flow.clock import pause
from planet_assets.library import bundles, copies
from planet_assets.library.engine import Library
from planet_assets.model.bundle import Bundle, Component, Published, Site
from planet_assets.model.ports import Clock
from planet_assets.rules import sealing


class Depot(Protocol):
    """A place that takes bundles, and gives them."""

    def close(self) -> None:
        """Give back what is open."""
        ...

    def address_of(self, bundle: Bundle) -> str:
        """Where a bundle is visible once it is ready."""
        ...

    def is_visible(self, bundle: Bundle) -> bool:
        """True when the bundle is whole there."""
        ...

    def send(self, bundle: Bundle, component: Component) -> None:
        """Bring one file, checked; nothing is done when its bytes are there."""
        ...

    def finish(self, bundle: Bundle) -> None:
        """Make it visible in one step; nothing is done when it is."""
        ...

    def found(self) -> Iterator[Bundle]:
        """Every bundle that is visible there."""
        ...

    def blocks(self, bundle: Bundle, component: Component, start: int) -> Iterator[bytes]:
        """The bytes of a component from an offset on."""
        ...


def depot_of(site: Site, token_of: Callable[[str], str | None] = lambda address: None, *, verify: Any = True) -> Depot:
    """What stands behind a site's address.

    Args:
        site: the site.
        token_of: what another tracker at an address knows us by.
        verify: how its certificate is checked.

    Raises:
        Misused: the address cannot be meant, or needs an extra.
    """
    if "://" not in site.address:
        from planet_assets.sites.folder import Folder

        return Folder(Path(site.address))
    if site.address.startswith(("http://", "https://")):
        from planet_assets.sites.tracker import Tracker

        return Tracker(site.address, token_of(site.address), pause=pause, verify=verify)
    from planet_assets.sites.objects import Objects

    return Objects(site.address, site.options)


def read_address(address: str, options: Mapping[str, str]) -> str:
    """An address as it is remembered: a folder's whole path, or a store's.

    Raises:
        Misused: it cannot be meant, or a secret would be remembered.
    """
    if secret := [name for name in options if any(word in name.lower() for word in ("secret", "password", "token"))]:
        raise Misused(f"{secret[0]} would be written down.", hint="Put it into the environment.", argument="option")
    if address.startswith("file://"):
        address = address.removeprefix("file://")
    if "://" not in address:
        if options:
            raise Misused("A folder takes no options.", argument="option")
        return str(Path(address).expanduser().absolute())
    if address.startswith(("http://", "https://")):
        if options:
            raise Misused("Another tracker takes no options.", argument="option")
        from planet_assets.sites.addresses import checked_url

        return checked_url(address, has_token=False)
    if "@" in address.split("://", 1)[1].split("/", 1)[0]:
        raise Misused("An address holds no password.", hint="Put it into the environment.", argument="address")
    return address.rstrip("/")


def components_of(
    paths: Sequence[Path], asset_types: Sequence[str] = (), md5s: Sequence[str | None] = ()
) -> list[Component]:
    """Files as components, read to their end.

    Args:
        paths: the files.
        asset_types: what each is of a scene.
        md5s: what each is known to be.

    Raises:
        Corrupt: a file is not what it is known to be.
        DiskProblem: a file cannot be read.
    """
    read = [_digests(path) for path in paths]
    for path, (_, _, md5), known in zip(paths, read, md5s or [None] * len(paths), strict=True):
        if known is not None and known != md5:
            raise Corrupt(
                f"{path} is not the file that was recorded, so it is not published.",
                hint="`library verify --repair` puts it right.",
                expected=known,
                got=md5,
            )
    found = [(path.parent.name, path.name, sha) for path, (_, sha, _) in zip(paths, read, strict=True)]
    names = sealing.names_for(found)
    kinds = asset_types or [""] * len(paths)
    return [
        Component(name=name, path=path, size_bytes=size, sha256=sha, asset_type=kind)
        for name, path, (size, sha, _), kind in zip(names, paths, read, kinds, strict=True)
        if name is not None
    ]


def seal_scene(library: Library, scene_id: str, *, by: str, clock: Clock) -> Bundle:
    """The sealed bundle of all files that are held of a scene.

    Raises:
        Misused: nothing is held of it.
        Corrupt: a file is not what was recorded.
    """
    held = [one for one in copies.every(library) if one.key[1] == scene_id and one.is_there]
    if not held:
        raise Misused(f"The library holds nothing of {scene_id}.", hint="`library stats` and `export csv` tell more.")
    made = components_of([one.path for one in held], [one.key[2] for one in held], [one.digest for one in held])
    return bundles.assemble(library, scene_id, made, kind="scene", by=by, now=clock.now())


def ship(
    library: Library,
    site: Site,
    wanted: Sequence[Bundle],
    *,
    owner: str,
    clock: Clock,
    depot: Depot | None = None,
    tell: Callable[[Published], None] = lambda done: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Published]:
    """Bring sealed bundles to a site, one after another; one that fails does not stop the rest.

    Args:
        library: where it is recorded.
        site: where to.
        wanted: the bundles.
        owner: names this run.
        clock: the time.
        depot: what stands behind the site.
        tell: told how each ended.
        stop: asked before each; true leaves the rest outstanding.
    """
    if depot is None:
        with closing(depot_of(site)) as made:
            return ship(library, site, wanted, owner=owner, clock=clock, depot=made, tell=tell, stop=stop)
    for bundle in wanted:
        bundles.want(library, bundle.id, site.id, now=clock.now())
    ended = []
    for bundle in wanted:
        if stop():
            break
        done = _shipped(library, site, bundle, depot, owner, clock)
        tell(done)
        ended.append(done)
    return ended


def _shipped(library: Library, site: Site, bundle: Bundle, depot: Depot, owner: str, clock: Clock) -> Published:
    def ended(state: str, error: str = "") -> Published:
        address = depot.address_of(bundle) if "ready" in state else ""
        return Published(bundle=bundle, site=site.name, state=state, address=address, error=error)

    if not bundles.claim(library, bundle.id, site.id, owner=owner, now=clock.now()):
        is_ready = bundles.is_ready(library, bundle.id, site.id)
        return ended("already ready" if is_ready else "under way elsewhere")
    try:
        is_there = depot.is_visible(bundle)
        for component in bundle.components:
            if not is_there:
                depot.send(bundle, component)
            bundles.arrived(library, bundle.id, site.id, component.name, owner=owner, now=clock.now())
        depot.finish(bundle)
        first = bundles.ready(library, bundle.id, site.id, owner=owner, now=clock.now())
    except LibraryLocked:
        return ended("under way elsewhere")
    except AssetError as error:
        bundles.give_up(library, bundle.id, site.id, owner=owner, error=str(error))
        return ended("failed", str(error))
    except BaseException:  # stopped: whoever comes next need not wait for the lease
        bundles.give_up(library, bundle.id, site.id, owner=owner, error="")
        raise
    return ended("ready" if first else "already ready")


def _digests(path: Path) -> tuple[int, str, str]:
    """Length, sha256 and md5."""
    sha, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    try:
        with path.open("rb") as body:
            while block := body.read(1 << 20):
                sha.update(block)
                md5.update(block)
                size += len(block)
    except OSError as error:
        raise DiskProblem(f"{path} cannot be read: {error.strerror}.") from None
    return size, sha.hexdigest(), md5.hexdigest()

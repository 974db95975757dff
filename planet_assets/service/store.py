"""The bundles that a tracker keeps itself: a site of its own, in the folder it was given for files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from planet_assets.exceptions import Conflict, Gone, NotAllowed
from planet_assets.library import bundles, receiving, standings
from planet_assets.library.engine import Library
from planet_assets.model.bundle import Bundle, Component, Site
from planet_assets.model.ports import Clock
from planet_assets.sites.folder import Folder
from planet_assets.sites.incoming import held_bytes, is_here

BUNDLES = "bundles"
"""Their folder within that of all files."""


@dataclass(frozen=True, slots=True)
class Store:
    """The tracker's own site."""

    library: Library
    """Where it is recorded."""
    site: Site
    """The site; its address is the folder."""
    folder: Folder
    """What stands behind it."""
    clock: Clock
    """The time."""

    def declare(self, told: Bundle, *, by: str) -> Bundle:
        """Be ready to take a bundle; declaring it twice is declaring it once.

        Raises:
            Misused: a name cannot stand.
        """
        now = self.clock.now()
        made = receiving.receive(self.library, told, self.folder.root, by=by, now=now)
        bundles.want(self.library, made.id, self.site.id, now=now)
        return made

    def is_ready(self, bundle: Bundle) -> bool:
        """True when it is whole and visible here."""
        return bundles.is_ready(self.library, bundle.id, self.site.id)

    def finish(self, bundle: Bundle) -> bool:
        """Make a bundle visible whose components have all come; True for the one call that was first.

        Raises:
            Conflict: components are missing.
        """
        if self.is_ready(bundle):
            return False
        if missing := [one.name for one in bundle.components if not is_here(self.folder, bundle, one)]:
            raise Conflict(
                f"{len(missing)} components of {bundle.name} have not come: {', '.join(missing[:5])}.",
                hint="Send them, then finalize again.",
            )
        # everybody who finishes does the same, so they share one name; ready is told to the first
        owner, now = f"http:{bundle.id}", self.clock.now()
        bundles.want(self.library, bundle.id, self.site.id, now=now)
        if not bundles.claim(self.library, bundle.id, self.site.id, owner=owner, now=now):
            if self.is_ready(bundle):
                return False
            raise Conflict(f"{bundle.name} is being shipped here by another process.", hint="Try again.")
        self.folder.finish(bundle)
        for one in bundle.components:
            bundles.arrived(self.library, bundle.id, self.site.id, one.name, owner=owner, now=now)
        return bundles.ready(self.library, bundle.id, self.site.id, owner=owner, now=now)

    def component(self, bundle: Bundle, name: str) -> Component:
        """A component by name.

        Raises:
            Gone: there is none.
        """
        for one in bundle.components:
            if one.name == name:
                return one
        raise Gone(f"{bundle.name} has no component {name[:60]!r}.")

    def document(self, bundle: Bundle) -> dict[str, Any]:
        """A bundle for the wire, with what has come of it."""
        is_ready = self.is_ready(bundle)
        held = {
            one.name: one.size_bytes if is_ready else held_bytes(self.folder, bundle, one) for one in bundle.components
        }
        return described(bundle) | {
            "state": "ready" if is_ready else "incoming" if bundle.sealed_at else "open",
            "components": [component_document(one) | {"held_bytes": held[one.name]} for one in bundle.components],
        }


def store_of(state: Any) -> Store:
    """The store of a running service.

    Raises:
        NotAllowed: it was given no folder for files.
    """
    options = state.options
    if options.files is None:
        raise NotAllowed("This tracker takes no files.", hint="Start it with `serve --files DIR`.")
    found: Store | None = getattr(state, "store", None)
    if found is None:
        root = options.files / BUNDLES
        site = bundles.add_site(state.library, options.site, str(root), {})
        standings.join(state.library, site.name, now=state.clock.now())
        found = state.store = Store(state.library, site, Folder(root), state.clock)
    return found


def described(bundle: Bundle) -> dict[str, Any]:
    """What a bundle is, without its components."""
    sealed_at = bundle.sealed_at.isoformat() if bundle.sealed_at else None
    known = {name: getattr(bundle, name) for name in ("id", "name", "revision", "kind", "seal")}
    return known | {"sealed_at": sealed_at}


def component_document(one: Component) -> dict[str, Any]:
    """What a component is; where it lies is nobody's business."""
    return {name: getattr(one, name) for name in ("name", "asset_type", "size_bytes", "sha256")}

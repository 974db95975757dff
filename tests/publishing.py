"""A publisher to be killed: `publishing.py LIBRARY SITE SCENE...`; it says `ready` before it begins."""

from __future__ import annotations

import sys

from planet_assets.flow import publish
from planet_assets.flow.clock import RealClock
from planet_assets.library import bundles
from planet_assets.library.engine import Library, working


def main() -> None:
    """Seal and ship what is named."""
    address, site, *scenes = sys.argv[1:]
    library, clock = Library(address), RealClock()
    print("ready", flush=True)
    with working() as owner:
        made = [publish.seal_scene(library, scene, by=owner, clock=clock) for scene in scenes]
        ended = publish.ship(library, bundles.site_named(library, site), made, owner=owner, clock=clock)
    print(*(one.state.replace(" ", "-") for one in ended))


if __name__ == "__main__":
    main()

"""What stands behind a site, reached as this machine is set up: with the token that is kept, and the certificates that
are trusted.
"""

from __future__ import annotations

from typing import Any

from planet_assets import config
from planet_assets.flow.publish import Depot, depot_of
from planet_assets.model.bundle import Site


def depot(site: Site) -> Depot:
    """What stands behind a site's address; give it back with `close`.

    Raises:
        Misused: the address cannot be meant, or needs an extra.
    """
    return depot_of(site, config.tracker_token, verify=trust())


def trust() -> Any:
    """How certificates are checked: by `SSL_CERT_FILE`, the system's store (extra `trust`), or httpx's own."""
    return config.http_options(config.load())["verify"]

"""A local Planet: the Data API, its account and its storage, as an independent second reading of Planet's documents.

Imports nothing of the rest of the package, so that a mistake of the client cannot hide in its own mirror.

app       the routes, and the gate before them      config      the settings of one sandbox
serving   on sockets: in a thread, in a command     control     /sandbox: endpoints for tests
world     all it remembers: clock, keys, files      life        how a record looks as time passes
search    quick and saved searches, paging          filters     what a filter means
data      items, types, thumbnails                  products    PlanetScope's types and bundles
delivery  assets, activation, links                 activation  how long it takes
coverage  how clear an area of a scene is
storage   bytes, on an origin of its own            faults      what can go wrong
account   the subscription and who spends           billing     what is charged: every rule of money
orders    Orders v2                                 order_list  its filters and pages
order_asks, order_rules   what may be asked for     order_book  orders by the clock
order_work   the files of an order                  order_tools clip and the other raster tools
spends    others' orders                            reservations   products and reserved quota, in account_pages
answers   the shapes of answers and errors          tokens      of downloads
scenes    records for any place and time            imagery     rasters for any record
          (over orbit, sky, relief, grid and noise: an invented fleet, weather and land)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app
    from .config import SandboxConfig
    from .faults import FAULTS
    from .serving import RunningSandbox, run, serve

_HOMES = {
    "FAULTS": "faults",
    "RunningSandbox": "serving",
    "SandboxConfig": "config",
    "create_app": "app",
    "run": "serving",
    "serve": "serving",
}

__all__ = ["FAULTS", "RunningSandbox", "SandboxConfig", "create_app", "run", "serve"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: `FAULTS` alone must not cost a web server's start."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)

"""A local Planet: the Data API, its account and its storage, as an independent second reading of Planet's documents.

Imports nothing of the rest of the package, so that a mistake of the client cannot hide in its own mirror.

app        the routes, and the gate before them: log, faults, key, pace
config     the settings of one sandbox
world      what it knows and remembers: clock, catalogue, activations, keys
scenes     records for any place and time        imagery   rasters for any record
search     quick and saved searches, paging      filters   what a filter means
data       items, types, coverage, thumbnails    products  PlanetScope's types and bundles
delivery   assets, activation, links             activation  how long it takes
storage    bytes, on an origin of its own        faults    what can go wrong
account    the subscription and who spends       billing   what is charged: every rule of money
life       how a record looks as time passes     answers   shapes of errors, links
control    /sandbox: for tests                   serving   on sockets, in a thread or in the foreground
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "FAULTS": "faults",
    "RunningSandbox": "serving",
    "SandboxConfig": "config",
    "create_app": "app",
    "run": "serving",
    "serve": "serving",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: `FAULTS` alone must not cost a web server's start."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)

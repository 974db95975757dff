"""Puts the service together: one library, its options, and a router from each file of routes."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from fastapi import FastAPI, Request
from starlette.responses import Response

from planet_assets import __version__
from planet_assets.flow.clock import RealClock
from planet_assets.library.engine import Library
from planet_assets.service import answers, metrics
from planet_assets.service.guard import Guard
from planet_assets.service.live_socket import Sockets
from planet_assets.service.options import ServiceOptions
from planet_assets.service.store import store_of

if TYPE_CHECKING:
    from planet_assets.manager import AssetManager

ROUTES = (
    "routes_sign",
    "routes_people",
    "routes_elements",
    "routes_search",
    "routes_files",
    "routes_graph",
    "routes_planet",
    "routes_plans",
    "live",
    "metrics",
    "page",
    "routes_upload",
    "routes_v1",
    "routes_bundles",
    "routes_sites",
    "routes_assets",
)
"""Files of this folder with a `router`, in the order in which they are asked."""


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """The moment, aware UTC."""


def build(
    library: Library,
    *,
    options: ServiceOptions | None = None,
    manager: AssetManager | None = None,
    clock: Clock | None = None,
) -> FastAPI:
    """The application.

    Args:
        library: where everything is remembered; it stays the caller's to close.
        options: what was chosen at the start; None for the defaults.
        manager: what answers about Planet's side; None for a tracker alone.
        clock: what tells the time.
    """
    options = options or ServiceOptions()
    app = FastAPI(
        title="planet-assets",
        version=__version__,
        description="The tracker of a team: one library for many people and sites.",
        redirect_slashes=False,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        default_response_class=answers.Json,
    )
    app.state.library = library
    app.state.options = options
    app.state.manager = manager
    app.state.clock = clock or RealClock()
    if options.files is not None:
        store_of(app.state)  # from the start, the hub is a site that files go to
    answers.install(app)
    for name in ROUTES:
        app.include_router(import_module(f"planet_assets.service.{name}").router)
    app.add_api_route("/health", health, methods=["GET"], tags=["service"])
    app.add_middleware(Sockets, state=app.state)
    app.add_middleware(Guard, options=options)
    metrics.install(app)
    return app


def health(request: Request) -> Response:
    """Whether the service and its library answer."""
    library: Library = request.app.state.library
    library.check()
    return answers.Json({"status": "ok", "version": __version__})

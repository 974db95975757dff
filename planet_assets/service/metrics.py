"""Figures for Prometheus: what is asked of the service, and how the library stands when it is looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from planet_assets.library import approvals, ledger, overview
from planet_assets.model.people import Caller
from planet_assets.service.access import needs

router = APIRouter(tags=["service"])

KIND = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
STREAMS = ("/v1/events",)
"""Routes that last as long as somebody listens; their time says nothing."""


@router.get("/metrics", response_class=Response)
def metrics(request: Request, caller: Annotated[Caller, Depends(needs("read"))]) -> Response:
    """Figures for Prometheus, of this process and of the library; any token that may read serves."""
    return Response(generate_latest(request.app.state.registry), media_type=KIND)


def install(app: FastAPI) -> None:
    """Count what is asked of an application; each has figures of its own."""
    registry = CollectorRegistry()
    names = ["method", "route", "status"]
    requests = Counter("planet_assets_requests", "Requests answered.", names, registry=registry)
    seconds = Histogram(
        "planet_assets_request_seconds", "Seconds to the last byte.", ["route"], buckets=BUCKETS_S, registry=registry
    )
    registry.register(_Library(app))
    app.state.registry = registry
    app.add_middleware(Meter, requests=requests, seconds=seconds)


class Meter:
    """Middleware that counts requests by the route they met, never by the path that was sent."""

    def __init__(self, app: ASGIApp, requests: Counter, seconds: Histogram) -> None:
        self.app = app
        self._requests = requests
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in ("GET", "POST", "PUT", "DELETE", "PATCH") else "other"
            self._requests.labels(method, route, str(status)).inc()
            if route not in STREAMS:
                self._seconds.labels(route).observe(perf_counter() - began)


class _Library(Collector):
    """The library's figures, read when somebody looks."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def describe(self) -> list[Metric]:
        """Nothing beforehand: the library is not read while the service is put together."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        state = self._app.state
        library, now = state.library, state.clock.now()
        counts = overview.counts(library)
        yield _gauge("jobs", "Download jobs.", "status", counts["jobs"])
        yield _gauge("files", "Files that the library knows.", "state", counts["copies"])
        yield _gauge("scenes", "Scenes that the library knows.", "state", counts["items"])
        yield _gauge("plans", "Plans that were put to the team.", "state", approvals.counts(library))
        quotas = {account: ledger.quota_of(library, account, now) for account in ledger.accounts(library)}
        for name, words in (("limit", "May be used"), ("used", "Posted as used"), ("pending", "Pending by the ledger")):
            told = {account: getattr(quota, f"{name}_km2") for account, quota in quotas.items()}
            known = {account: km2 for account, km2 in told.items() if not math.isnan(km2)}
            yield _gauge(f"quota_{name}_km2", f"{words}, km2.", "account", known)
        pump = getattr(state, "pump", None)
        yield _gauge("listeners", "Open streams of events.", "kind", {"events": pump.listeners if pump else 0})


def _gauge(name: str, words: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"planet_assets_{name}", words, labels=[label])
    for word, value in values.items():
        family.add_metric([word], float(value))
    return family

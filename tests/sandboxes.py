"""Sandboxes for tests: small pixels, no waiting, no request limits, ample quota, and a client that knows the steps."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from planet_assets.sandbox import RunningSandbox, serve

MILAN = {
    "type": "Polygon",
    "coordinates": [[[9.12, 45.42], [9.25, 45.42], [9.25, 45.51], [9.12, 45.51], [9.12, 45.42]]],
}
"""A square of some 10 x 10 km, [lon, lat]."""
ITEMS = "/data/v1/item-types/PSScene/items"
JANUARY = {"gte": "2025-01-01T00:00:00Z", "lt": "2025-01-08T00:00:00Z"}

_files = Path(tempfile.mkdtemp(prefix="sandbox-files-"))
atexit.register(shutil.rmtree, _files, ignore_errors=True)


@contextlib.contextmanager
def running(**settings: Any) -> Iterator[RunningSandbox]:
    """A sandbox on a real socket; settings are those of SandboxConfig. Made files are shared within the process."""
    quick = {"latency": 0, "rate_scale": 0, "pixel_size_m": 120.0, "quota_km2": 100_000.0}
    pixel_size_m = settings.get("pixel_size_m", 120.0)
    imagery = settings.get("imagery")
    if imagery is None:
        quick["files"] = _files / f"{pixel_size_m}-{settings.get('seed', 0)}"
    with serve(**(quick | settings)) as sandbox:
        yield sandbox


@dataclass
class Visitor:
    """A plain HTTP client of one sandbox, with the steps from a search to bytes."""

    sandbox: RunningSandbox
    http: httpx.Client

    def search(self, *filters: dict[str, Any], dates: dict[str, str] = JANUARY, **parameters: Any) -> httpx.Response:
        """A quick search over Milan in the first week of January 2025."""
        where = {"type": "GeometryFilter", "field_name": "geometry", "config": MILAN}
        when = {"type": "DateRangeFilter", "field_name": "acquired", "config": dates}
        body = {"item_types": ["PSScene"], "filter": {"type": "AndFilter", "config": [where, when, *filters]}}
        return self.http.post("/data/v1/quick-search", json=body, params=parameters)

    def items(self, *filters: dict[str, Any], **parameters: Any) -> list[dict[str, Any]]:
        """The first page of that search."""
        features: list[dict[str, Any]] = self.search(*filters, **parameters).raise_for_status().json()["features"]
        return features

    def item(self) -> dict[str, Any]:
        """A scene with everything, of standard quality."""
        everything = ("ortho_analytic_8b_sr", "ortho_analytic_4b", "ortho_udm2", "ortho_analytic_4b_xml")
        return next(item for item in self.items() if set(everything) <= set(item["assets"]))

    def asset(self, item: dict[str, Any], asset_type: str = "ortho_analytic_4b") -> dict[str, Any]:
        """The asset as it stands."""
        listing: dict[str, Any] = self.http.get(f"{ITEMS}/{item['id']}/assets").raise_for_status().json()
        return dict(listing[asset_type])

    def active(self, item: dict[str, Any], asset_type: str = "ortho_analytic_4b") -> dict[str, Any]:
        """The asset, activated."""
        self.http.post(self.asset(item, asset_type)["_links"]["activate"]).raise_for_status()
        return self.asset(item, asset_type)

    def link(self, asset: dict[str, Any]) -> str:
        """The storage address behind an asset's location."""
        answer = self.http.get(asset["location"])
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def fetch(self, link: str, **headers: str) -> httpx.Response:
        """GET from storage, without the key."""
        return httpx.get(link, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def download(self, item: dict[str, Any], asset_type: str = "ortho_analytic_4b") -> httpx.Response:
        """Activate, resolve a new link and fetch the whole file."""
        return self.fetch(self.link(self.active(item, asset_type)))


@contextlib.contextmanager
def visited(**settings: Any) -> Iterator[Visitor]:
    """A running sandbox with a visitor who has its key."""
    with running(**settings) as sandbox, httpx.Client(base_url=sandbox.url, auth=(sandbox.key, ""), timeout=60) as http:
        yield Visitor(sandbox, http)

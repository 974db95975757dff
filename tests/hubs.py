"""Trackers that keep files, on sockets of this machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import teams  # noqa: F401  passwords that are quick to check

from planet_assets.flow import publish
from planet_assets.flow.clock import RealClock
from planet_assets.library import bundles
from planet_assets.library.engine import Library
from planet_assets.model.bundle import Bundle, Site
from planet_assets.service.app import build
from planet_assets.service.options import ServiceOptions
from planet_assets.service.serving import Serving

FILES = {"analytic.tif": 1_200_000, "udm2.tif": 3_000, "metadata.xml": 500, "empty.txt": 0}


@dataclass(frozen=True)
class Hub:
    """A tracker that runs."""

    url: str
    library: Library
    files: Path

    @property
    def site(self) -> Site:
        return bundles.add_site(self.library, "hub", str(self.files), {})


@contextmanager
def hub(folder: Path, *, auth: bool = False, address: str | None = None, **options: Any) -> Iterator[Hub]:
    library, files = Library(address or folder / "hub.db"), folder / "hub"
    try:
        app = build(library, options=ServiceOptions(auth=auth, files=files, **options))
        with Serving(app, "127.0.0.1", 0) as serving:
            yield Hub(serving.url, library, files / "bundles")
    finally:
        library.close()


def sealed(library: Library, folder: Path, name: str = "scene", files: dict[str, int] = FILES) -> Bundle:
    home = folder / name
    home.mkdir(parents=True)
    for file, size in files.items():
        (home / file).write_bytes(random.Random(name + file).randbytes(size))
    parts = publish.components_of(sorted(home.iterdir()))
    return bundles.assemble(library, name, parts, kind="scene", by="me", now=RealClock().now())


def is_whole(folder: Path, name: str, files: dict[str, int] = FILES) -> bool:
    """Every file of a bundle is visible, with the bytes that were sealed."""
    found = {path.name: path.read_bytes() for path in (folder / name).iterdir() if path.name != "manifest.json"}
    return found == {file: random.Random(name + file).randbytes(size) for file, size in files.items()}

"""What ran beside us, by version."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib import metadata

from benchmarks.runs import PEERS

PACKAGES = ("planet-assets", "httpx", "rasterio", "shapely", "pyproj", "sqlalchemy")
TOOLS = {"nginx": ["-v"], "curl": ["--version"], "aria2c": ["--version"], "gdalwarp": ["--version"]}
PEER_PACKAGES = ("planet", "planetscope_py", "stac_asset")


def versions() -> list[str]:
    """Name and version of everything that takes part; what is not there is said."""
    ours = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    return ours + [_tool(name, words) for name, words in TOOLS.items()] + [_peer(name) for name in PEER_PACKAGES]


def _tool(name: str, words: list[str]) -> str:
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/bin:/usr/local/bin")
    if path is None:
        return f"{name} not installed"
    said = subprocess.run([path, *words], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
    return f"{name} {found.group() if found else 'of unknown version'}"


def _peer(name: str) -> str:
    found = sorted(PEERS.glob(f"lib/python*/site-packages/{name}-*.dist-info"))
    return (
        f"{name} {found[0].name.removeprefix(name + '-').removesuffix('.dist-info')}"
        if found
        else f"{name} not installed"
    )

"""Brings the peers: Python packages into a venv of their own, tools by apt-get where that may be done."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys

from benchmarks.runs import PEERS, ROOT

PINS = ROOT / "requirements" / "bench.txt"
TOOLS = {"nginx": "nginx-light", "curl": "curl", "aria2c": "aria2", "gdalwarp": "gdal-bin", "openssl": "openssl"}
"""Command -> its Debian package."""
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def bring() -> None:
    """Install what is missing; what cannot be had is left out, and the table says so."""
    wanted = hashlib.sha256(PINS.read_bytes()).hexdigest()
    mark = PEERS / "installed"
    if not mark.exists() or mark.read_text() != wanted:
        _install_packages()
        if PEERS.exists():
            mark.write_text(wanted)
    lacking = [package for command, package in TOOLS.items() if shutil.which(command, path=PATH) is None]
    if lacking and shutil.which("apt-get") and os.geteuid() == 0:
        _tried(["apt-get", "update", "-qq"])
        _tried(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *lacking])


def _install_packages() -> None:
    uv = ROOT / ".venv" / "bin" / "uv"
    python = str(PEERS / "bin" / "python")
    if not _tried([sys.executable, "-m", "venv", str(PEERS)]):
        return
    install = [str(uv), "pip", "install", "--quiet", "--python", python]
    if not uv.exists():
        install = [python, "-m", "pip", "install", "--quiet"]
    if not _tried([*install, "--require-hashes", "-r", str(PINS)]):
        shutil.rmtree(PEERS, ignore_errors=True)


def _tried(command: list[str]) -> bool:
    """True when the command ended well; else its last line is shown."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no word"]
        print(f"{command[0]} ended with {done.returncode}: {lines[-1]}", file=sys.stderr)
    return done.returncode == 0

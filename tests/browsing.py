"""A headless Chromium for tests of the page: Debian's, installed by apt-get where that may be done."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def program() -> str:
    """The browser; a missing one fails in CI and skips elsewhere."""
    found = _found() or _installed()
    if found is None:
        words = "Chromium is not installed (Debian: apt-get install chromium)"
        pytest.fail(words) if os.environ.get("CI") else pytest.skip(words)
    return found


def _found() -> str | None:
    return next((path for path in map(shutil.which, NAMES) if path), None)


def _installed() -> str | None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return None
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        subprocess.run(["apt-get", *words], env=quiet, capture_output=True, timeout=280, check=False)
    return _found()


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """One browser for a test file."""
    path = program()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield running
        running.close()

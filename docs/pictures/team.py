"""Photographs the page of the tracker for the documentation: a sandbox, a plan that waits, Chromium."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

import sandboxes  # noqa: E402
from browsing import browser  # noqa: E402
from managing import SQUARE, manager_of  # noqa: E402
from teaming import PASSWORD, people_of, team  # noqa: E402

from planet_assets import policies  # noqa: E402
from planet_assets.library.engine import Library  # noqa: E402

DESK = {"viewport": {"width": 1180, "height": 760}, "color_scheme": "light"}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "is_mobile": True, "has_touch": True}


async def fetch(sandbox, folder, hook, **what):
    """A script: two scenes, or what is named."""
    async with manager_of(sandbox, folder) as manager:
        found = await manager.search(SQUARE, "2025-01-01", "2025-01-20")
        plan = await manager.plan(found["features"][what.pop("which")], **what)
        await manager.run(plan, confirm=hook)


def apart(work) -> threading.Thread:
    """Run it beside Playwright, which has a loop of its own in this thread."""
    thread = threading.Thread(target=lambda: asyncio.run(work))
    thread.start()
    return thread


def visit(chrome, url, look):
    """The page of an editor, with the plan shown on the map."""
    page = chrome.new_context(**look).new_page()
    page.goto(url)
    page.fill("#username", "eve")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.click("text=Show it on the map")
    page.wait_for_timeout(1200)
    return page


def main() -> None:
    """Two pictures beside this file."""
    folder = Path(tempfile.mkdtemp())
    library = Library(folder / "library.db")
    secrets = people_of(library, password=PASSWORD)
    with sandboxes.running(quota_km2=9000.0, used_km2=2812.0) as sandbox, team(library, secrets=secrets) as office:
        asyncio.run(fetch(sandbox, folder, lambda plan: True, which=slice(0, 2)))
        hook = policies.ask_team(office.url, token=secrets["ann"], project="floods")
        with browser() as chrome:
            script = apart(
                fetch(sandbox, folder, hook, which=slice(4, 7), roi=SQUARE, clip_to_roi=SQUARE, delivery="auto")
            )
            desk, phone = visit(chrome, office.url, DESK), visit(chrome, office.url, PHONE)
            desk.screenshot(path=str(HERE / "team_page.png"))
            phone.evaluate("scrollTo(0, 0)")
            phone.screenshot(
                path=str(HERE / "team_phone.png"), clip={"x": 0, "y": 0, "width": 390, "height": 1180}, full_page=True
            )
            desk.click("[id^=approve-]")
            script.join()
    library.close()


if __name__ == "__main__":
    main()

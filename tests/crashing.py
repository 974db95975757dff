"""A download in a process of its own, to be killed: `crashing.py URL KEY FOLDER REPEAT download|resume COUNT`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from managing import SQUARE, UDM2, XML, scenes, settings

from planet_assets.manager import AssetManager
from planet_assets.model.plan import Plan
from planet_assets.rules import pacing


def main() -> None:
    """Fetch, or finish, and append what was agreed to on top to `consents.txt`."""
    url, key, folder, repeat, what, count = sys.argv[1:]
    pacing.poll_after_s = lambda age_s, seen, **how: 0.02  # the sandbox activates at once
    asyncio.run(work(url, key, Path(folder), repeat, what, int(count)))


async def work(url: str, key: str, folder: Path, repeat: str, what: str, count: int) -> None:
    """One life of the process."""
    manager = AssetManager(key, settings(url, folder, quota={"repeat": repeat}, max_concurrent_downloads=3))
    manager.show_progress = False

    def agree(plan: Plan) -> bool:
        with (folder / "consents.txt").open("a") as consents:
            consents.write(f"{plan.impact.area_km2}\n")
        return True

    async with manager:
        print("ready", flush=True)
        if what == "resume":
            await manager.resume(confirm=agree)
            return
        await manager.activate_and_download_assets(
            scenes(count), ["ortho_analytic_4b", UDM2, XML], folder / "out", SQUARE, confirm_download=False
        )


if __name__ == "__main__":
    main()

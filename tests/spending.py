"""A process that spends: `python spending.py URL KEY FOLDER NUMBER PLANS` says how each plan ended, a line each."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from managing import ANALYTIC, UDM2, scenes, settings

from planet_assets.exceptions import OverQuota
from planet_assets.manager import AssetManager
from planet_assets.rules import pacing


async def main() -> None:
    """Plans of one to three assets, all processes from the same scenes."""
    url, key, folder, number, plans = sys.argv[1:]
    pacing.poll_after_s = lambda age_s, seen, **how: 0.02  # the sandbox activates at once
    chance = random.Random(int(number))
    async with AssetManager(key, settings(url, Path(folder))) as manager:
        manager.show_progress = False
        for _ in range(int(plans)):
            wanted = chance.sample(scenes(12), chance.choice([1, 1, 2]))
            types = chance.choice([[UDM2], [ANALYTIC], [ANALYTIC, UDM2]])
            try:
                jobs = await manager.activate_and_download_assets(wanted, types, confirm_download=False)
            except OverQuota as error:
                print(f"OverQuota: {error}")
                continue
            [status] = {job.status.value for job in jobs}
            print(f"{status}: {len(jobs)}")


if __name__ == "__main__":
    asyncio.run(main())

"""One of many processes that fetch the same assets into one folder: `together.py URL KEY FOLDER NUMBER SCENES LOCKS`.

It goes through them in an order of its own, ten at a time. LOCKS is `none` where file locks are to do nothing, as on
a file system that has none. A line at the end says how its jobs ended.
"""

from __future__ import annotations

import asyncio
import fcntl
import random
import sys
from collections import Counter
from pathlib import Path

from managing import UDM2, XML, scenes, settings

from planet_assets.manager import AssetManager
from planet_assets.rules import pacing

SMALL = (UDM2, XML, "ortho_analytic_8b_xml", "basic_analytic_4b_rpc")
"""Asset types of a few kB each in the sandbox."""


async def main() -> None:
    """Batches of ten scenes, a type at a time."""
    url, key, folder, number, count, locks = sys.argv[1:]
    pacing.poll_after_s = lambda age_s, seen, **how: 0.02  # the sandbox activates at once
    if locks == "none":
        fcntl.flock = fcntl.lockf = lambda *_: None
    chance = random.Random(int(number))
    batches = [(kind, part) for kind in SMALL for part in (0, 1)]
    chance.shuffle(batches)
    ended: Counter[str] = Counter()
    async with AssetManager(key, settings(url, Path(folder), max_concurrent_downloads=4)) as manager:
        manager.show_progress = False
        for kind, part in batches:
            wanted = scenes(int(count), with_types=SMALL)[part::2]
            chance.shuffle(wanted)
            jobs = await manager.activate_and_download_assets(wanted, [kind], confirm_download=False)
            ended.update(job.status.value for job in jobs)
    print(dict(ended))


if __name__ == "__main__":
    asyncio.run(main())

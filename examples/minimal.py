"""The shortest whole way: find scenes, look at the price, say yes, get files cut to a square in Milan.

Needs a key in PL_API_KEY, and spends quota after your yes. Against the sandbox it spends none: the command
`planet-assets sandbox serve` prints the two lines to export.
"""

from __future__ import annotations

import asyncio

from shapely.geometry import box

from planet_assets import AssetManager

MILAN = box(9.12, 45.42, 9.25, 45.51)


async def main() -> None:
    async with AssetManager() as manager:
        scenes = await manager.search(MILAN, "2025-01-01", "2025-01-31", cloud_cover_max=0.2, limit=3)
        jobs = await manager.activate_and_download_assets(scenes, clip_to_roi=MILAN, output_dir="milan")
        for job in jobs:
            print(job.scene_id, job.status.value, job.clipped_file_path or job.error_message or "")


if __name__ == "__main__":
    asyncio.run(main())

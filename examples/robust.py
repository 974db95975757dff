"""A download that looks after itself: finish yesterday's work, take what the quota allows, try failures again.

The library remembers every job, so the script may be killed at any moment and started again: nothing that was paid for
is fetched twice.
"""

from __future__ import annotations

import asyncio

from shapely.geometry import box

from planet_assets import AssetManager, AssetStatus

MILAN = box(9.12, 45.42, 9.25, 45.51)
PAUSES_S = (1.0, 5.0)


async def affordable(manager: AssetManager, scenes: list) -> list:
    """The first scenes, as many as the quota allows; none when nobody can tell the quota."""
    quota = await manager.get_quota_info()
    chosen: list = []
    for scene in scenes:
        if not quota.can_download(manager.calculate_download_impact([*chosen, scene], MILAN).area_km2):
            print(f"The quota allows {len(chosen)} of {len(scenes)} scenes.")
            break
        chosen.append(scene)
    return chosen


async def fetched(manager: AssetManager, scenes: list) -> list:
    """The jobs of all scenes, failed ones tried again after a pause."""
    jobs = await manager.activate_and_download_assets(
        scenes, clip_to_roi=MILAN, output_dir="robust", confirm_download=False
    )
    for pause_s in PAUSES_S:
        failed = [job for job in jobs if job.status is AssetStatus.FAILED]
        if not failed:
            break
        print(f"Trying {len(failed)} of {len(jobs)} again: {failed[0].error_message}")
        await asyncio.sleep(pause_s)
        again = await manager.retry_failed_downloads(failed)
        jobs = [job for job in jobs if job.status is not AssetStatus.FAILED] + again
    return jobs


async def main() -> None:
    async with AssetManager() as manager:
        for job in await manager.resume(confirm=False):
            print("finished", job.scene_id, job.status.value)
        found = await manager.search(MILAN, "2025-01-01", "2025-01-31", cloud_cover_max=0.2, limit=4)
        for job in await fetched(manager, await affordable(manager, found["features"])):
            print(job.scene_id, job.status.value, job.clipped_file_path or job.error_message or "")


if __name__ == "__main__":
    asyncio.run(main())

"""A program that answers the question itself: it agrees to small plans and never uses the last fifth of the quota.

Run it with a limit in km²: `python confirm_in_automation.py 2000`. It ends with 8 when its own rule said no, as the
command line does.
"""

from __future__ import annotations

import asyncio
import sys

from shapely.geometry import box

from planet_assets import AssetManager, AssetStatus, Decision, Plan

MILAN = box(9.12, 45.42, 9.25, 45.51)
KEEP = 0.2
DECLINED = 8


def rule(most_km2: float):
    """A confirmation hook: called with the plan, answers with a decision and its reason."""

    def small_and_affordable(plan: Plan) -> Decision:
        price, quota = plan.impact.area_km2, plan.quota
        left = quota.remaining_area_km2 - price
        reason = ""
        if price > most_km2:
            reason = f"{price:,.0f} km² are more than the {most_km2:,.0f} km² of one run"
        elif not left >= KEEP * quota.limit_km2:  # also when the quota is unknown: NaN compares as False
            reason = f"less than {KEEP:.0%} of the quota would be left"
        return Decision(
            proceed=not reason, by="the nightly job", at=plan.made_at, limit_km2=min(price, most_km2), reason=reason
        )

    return small_and_affordable


async def main(most_km2: float) -> int:
    async with AssetManager() as manager:
        manager.get_user_confirmation = rule(most_km2)
        scenes = await manager.search(MILAN, "2025-01-01", "2025-01-31", cloud_cover_max=0.2, limit=2)
        jobs = await manager.activate_and_download_assets(scenes, roi=MILAN, output_dir="nightly")
    for job in jobs:
        print(job.scene_id, job.status.value, job.error_message or job.downloaded_file_path)
    return DECLINED if any(job.status is AssetStatus.USER_CANCELLED for job in jobs) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 2000.0)))

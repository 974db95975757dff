"""Many scenes in batches, without await: each batch is checked against the quota, and a share of it is kept back."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from shapely.geometry import box

from planet_assets.blocking import AssetManager

MILAN = box(9.12, 45.42, 9.25, 45.51)
BATCH = 3
MOST_USED = 0.8


def batches(scenes: list, size: int):
    """Lists of at most `size` scenes."""
    left = iter(scenes)
    while batch := list(islice(left, size)):
        yield batch


def main() -> None:
    with AssetManager() as manager:
        found = manager.search(MILAN, "2025-01-01", "2025-01-31", cloud_cover_max=0.2, limit=7)
        for number, batch in enumerate(batches(found["features"], BATCH), 1):
            plan = manager.plan(batch, roi=MILAN, output_dir="batches")
            after = plan.quota.current_usage_km2 + plan.impact.area_km2
            if not after <= MOST_USED * plan.quota.limit_km2:
                print(f"Batch {number} would use more than {MOST_USED:.0%} of the quota; stopping.")
                break
            jobs = manager.run(plan, confirm=False)
            states = ", ".join(f"{count} {word}" for word, count in Counter(job.status.value for job in jobs).items())
            print(f"Batch {number}: {states}, {plan.impact.area_km2:,.0f} km²")


if __name__ == "__main__":
    main()

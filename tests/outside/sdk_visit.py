"""What a user of the official SDK does: search, look, activate, wait, download, validate. Runs in the venv of its own.

    python sdk_visit.py ADDRESS KEY FOLDER

The SDK fetches the bundles spec from a hard-coded address; its cache is filled from the sandbox's instead.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import planet
from planet import Auth, DataClient, Session, data_filter

address, key, folder = sys.argv[1:]
bundles = httpx.get(f"{address}/compute/ops/bundles/spec").json()["bundles"]
planet.specs.PRODUCT_BUNDLES.cache = {
    "bundles": bundles,
    "bundle_names": bundles.keys(),
    "item_types": {name for bundle in bundles.values() for name in bundle["assets"]},
}

SQUARE = {
    "type": "Polygon",
    "coordinates": [[[9.12, 45.42], [9.25, 45.42], [9.25, 45.51], [9.12, 45.51], [9.12, 45.42]]],
}


def moment(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


async def main() -> None:
    async with Session(auth=Auth.from_key(key)) as session:
        client = DataClient(session, base_url=f"{address}/data/v1")
        wanted = data_filter.and_filter(
            [
                data_filter.geometry_filter(SQUARE),
                data_filter.date_range_filter("acquired", gte=moment("2025-01-01"), lt=moment("2025-01-08")),
                data_filter.asset_filter(["ortho_analytic_4b"]),
                data_filter.permission_filter(),
                data_filter.range_filter("cloud_cover", lte=1),
                data_filter.not_filter(data_filter.string_in_filter("quality_category", ["test"])),
            ]
        )
        found = [item async for item in client.search(["PSScene"], search_filter=wanted, limit=0)]
        item = await client.get_item("PSScene", found[0]["id"])
        stats = await client.get_stats(["PSScene"], wanted, "day")
        saved = await client.create_search(["PSScene"], wanted, name="visit")
        again = [item async for item in client.run_search(saved["id"], limit=3)]
        cover = await client.get_item_coverage("PSScene", item["id"], geometry=SQUARE, mode="estimate")
        asset = await client.get_asset("PSScene", item["id"], "ortho_analytic_4b")
        await client.activate_asset(asset)
        asset = await client.wait_asset(asset, delay=0)
        path = await client.download_asset(asset, directory=Path(folder))
        client.validate_checksum(asset, path)
    counted = sum(bucket["count"] for bucket in stats["buckets"])
    said = {"found": len(found), "counted": counted, "again": len(again), "item": item["id"], "path": str(path)}
    print(json.dumps(said | {"cover": cover["status"]}))


asyncio.run(main())

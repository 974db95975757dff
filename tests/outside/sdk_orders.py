"""What a user of the official SDK does with orders and reservations. Runs in the venv of its own.

    python sdk_orders.py ADDRESS KEY FOLDER ITEM,ITEM

The SDK fetches the bundles spec from a hard-coded address; its cache is filled from the sandbox's instead.
"""

import asyncio
import json
import sys
from pathlib import Path

import httpx
import planet
from planet import Auth, OrdersClient, QuotaClient, Session, order_request

address, key, folder, items = sys.argv[1:]
one, two = items.split(",")
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
FARM = "pl:features/my/farms/milan"


async def fetched(client: OrdersClient, order: dict) -> list[str]:
    state = await client.wait(order["id"], delay=0)
    assert state == "success", state
    paths = await client.download_order(order["id"], directory=Path(folder))
    for digest in ("MD5", "SHA256"):
        client.validate_checksum(Path(folder, order["id"]), digest)
    return sorted(path.name for path in paths)


async def ordered(client: OrdersClient) -> dict:
    product = order_request.product([one, two], "analytic_8b_sr_udm2", "PSScene", fallback_bundle="analytic_udm2")
    clip = order_request.clip_tool(SQUARE)
    clipped = await client.create_order(order_request.build_request("clipped", [product], tools=[clip]))
    zipped = await client.create_order(
        order_request.build_request(
            "zipped",
            [order_request.product([one], "analytic_udm2", "PSScene")],
            order_type="partial",
            delivery=order_request.delivery("zip", True, "{{name}}.zip"),
            tools=[
                clip,
                order_request.reproject_tool("EPSG:4326", 0.002),
                order_request.file_format_tool("COG"),
            ],
        )
    )
    names = await fetched(client, clipped)
    archive = await fetched(client, zipped)
    dropped = await client.create_order(order_request.build_request("dropped", [product]))
    cancelled = await client.cancel_order(dropped["id"])
    last = await client.create_order(order_request.build_request("dropped too", [product]))
    bulk = await client.cancel_orders([last["id"], clipped["id"]])
    try:
        await client.cancel_order(clipped["id"])
        conflict = False
    except planet.exceptions.Conflict:
        conflict = True
    listed = [order["name"] async for order in client.list_orders(limit=0)]
    states = [order["name"] async for order in client.list_orders(state="cancelled", name__contains="drop")]
    stats = await client.aggregated_order_stats()
    return {
        "names": names, "archive": archive, "cancelled": cancelled["state"], "bulk": bulk["result"],
        "conflict": conflict, "listed": listed, "states": states, "stats": stats, "id": clipped["id"],
    }  # fmt: skip


async def reserved(client: QuotaClient) -> dict:
    products = [product async for product in client.list_products(supports_reservation=True)]
    estimate = await client.estimate_reservation([FARM], products[0]["id"])
    made = await client.create_reservation([FARM], products[0]["id"])
    job = await client.bulk_create_reservations([FARM], products[0]["id"])
    status = await client.get_job(job["job_id"])
    rows = [row async for row in client.list_reservations(limit=0)]
    row = await client.get_reservation(made["quota_reservations"][0]["id"])
    jobs = [job async for job in client.list_jobs()]
    return {"cost": estimate["total_cost"], "rows": len(rows), "amount": row["amount"], "job": status["status"]} | {
        "jobs": len(jobs), "remaining": made["quota_remaining"]
    }  # fmt: skip


async def main() -> None:
    async with Session(auth=Auth.from_key(key)) as session:
        orders = await ordered(OrdersClient(session, base_url=f"{address}/compute/ops"))
        quota = await reserved(QuotaClient(session, base_url=f"{address}/account/v1"))
    print(json.dumps({"orders": orders, "quota": quota}))


asyncio.run(main())

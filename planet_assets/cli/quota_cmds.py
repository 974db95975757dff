"""The commands about the account: `quota show`, `quota set`, `auth check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.fetch_cmds import open_manager
from planet_assets.cli.options import Group
from planet_assets.cli.output import Face, bar_signs
from planet_assets.view.documents import products_document, quota_document

if TYPE_CHECKING:
    from planet_assets.model.quota import QuotaInfo


@click.group(cls=Group)
def quota() -> None:
    """Show what may still be used, or declare it."""


@quota.command()
def show() -> int:
    """What may still be used: Planet's figure and its age, and what our own ledger adds.

    Products with a quota of their own, and areas reserved of them, are listed below.
    """
    from planet_assets.view.products import products_lines

    face = Face.current()
    with open_manager(face) as manager:
        info = manager.get_quota_info()
        found = manager.get_products()
    document = quota_document(info) | products_document(found)
    face.show(document, lambda: "\n\n".join(filter(None, [_lines(info), products_lines(found)])))
    return Code.OK if info.is_known else Code.QUOTA


@quota.command(name="set")
@click.option("--limit", "limit_km2", type=float, required=True, metavar="KM2", help="What the plan allows, km².")
@click.option("--used", "used_km2", type=float, default=0.0, metavar="KM2", help="What is used by now, km² [0].")
@click.option("--monthly", "interval", flag_value="monthly", default=True, help="The limit is for a month [default].")
@click.option("--annual", "interval", flag_value="annual", help="The limit is for a year.")
def declare(limit_km2: float, used_km2: float, interval: str) -> int:
    """Declare the quota where Planet does not tell it; Planet's own figure wins where there is one."""
    face = Face.current()
    with open_manager(face) as manager:
        info = manager.declare_quota(limit_km2, used_km2, interval=interval)
    _print(face, info)
    return Code.OK


@click.group(cls=Group)
def auth() -> None:
    """Check the API key."""


@auth.command()
def check() -> int:
    """Where the key was found, and whether Planet accepts it; the key itself is never shown."""
    face = Face.current()
    with open_manager(face) as manager:
        key = manager.asynchronous.auth
        face.say(f"Key found: {key.source}.")
        rows = manager.check_key()
    document = {
        "source": key.source,
        "digest": key.digest,
        "accepted": True,
        "subscriptions": [{"id": row.id, "plan": row.plan, "state": row.state} for row in rows],
    }
    lines = [f"  {row.id}  {row.plan or 'without a name'} ({row.state})" for row in rows]
    face.show(document, lambda: "\n".join([f"Planet accepts the key from {key.source}. Subscriptions:", *lines]))
    return Code.OK


def _print(face: Face, info: QuotaInfo) -> None:
    face.show(quota_document(info), lambda: _lines(info))


def _lines(info: QuotaInfo) -> str:
    from planet_assets.flow.clock import RealClock
    from planet_assets.view.text import quota_lines

    return quota_lines(info, RealClock().now(), signs=bar_signs())

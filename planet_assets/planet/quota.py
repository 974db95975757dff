"""What Planet says may be used: reading the subscriptions of a key, and choosing the one that counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from planet_assets.exceptions import Misused, ServerError
from planet_assets.model.quota import QuotaInfo, Subscription
from planet_assets.planet import parse
from planet_assets.planet.session import Session

_SUBSCRIPTIONS = "/auth/v1/experimental/public/my/subscriptions"

_OTHER_PRODUCTS = ("landsat", "sentinel", "basemap", "mosaic", "skysat", "rapideye", "pelican", "tanager", "variable")


class QuotaApi:
    """The account service. The address is Planet's own but undocumented. Source: QGIS plugin and porder, confirmed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def subscriptions(self) -> list[Subscription]:
        """All rows Planet lists for the key; a good key may have none. Areas are as last posted, up to a day old.

        Raises:
            ServerError: a malformed answer; further the errors of `Session.call`.
        """
        rows = await self._session.get_json(_SUBSCRIPTIONS)
        if not isinstance(rows, list):
            raise ServerError("Planet's answer is malformed: the subscriptions are no list.", hint="Try again later.")
        return [row for row in map(_read, rows) if row is not None]


def _read(document: object) -> Subscription | None:
    """A row; None for a malformed one of another product, which must not hide what PlanetScope may use."""
    try:
        return parse.subscription(document)
    except ServerError:
        if _names_another(parse.plan_name(document)):
            return None
        raise


def choose_subscription(rows: Sequence[Subscription], *, wanted: str | None = None) -> Subscription | None:
    """The row whose quota PlanetScope downloads spend.

    Rows named after other products never count. Of the active rest, one named PlanetScope is preferred, and among those
    one that counts area. Without any that counts area, a single PlanetScope row still names the account.

    Args:
        rows: What Planet lists.
        wanted: Id or plan name the user chose.

    Returns:
        The row, or None when none fits.

    Raises:
        Misused: `wanted` fits no row, or several rows fit and nobody has chosen.
    """
    if wanted is not None:
        return _wanted(rows, wanted.strip())
    active = [row for row in rows if row.state == "active" and not _other_product(row)]
    named = [row for row in active if _is_planetscope(row)]
    counting = [row for row in named or active if _counts_area(row)]
    if len(counting) > 1:
        raise _unclear("Several subscriptions could be charged, and nobody has chosen.", counting)
    if counting:
        return counting[0]
    return named[0] if len(named) == 1 else None


def quota_info(row: Subscription | None, *, as_of: datetime, why: str = "") -> QuotaInfo:
    """What a row says may be used; unknown where it says nothing.

    Args:
        row: The chosen row, None when there is none.
        as_of: When Planet was asked, UTC.
        why: Why there is no row, where the caller knows better (Planet did not answer).
    """
    if row is None:
        return QuotaInfo(as_of=as_of, why_unknown=why or "Planet lists no PlanetScope subscription for this key.")
    known = _counts_area(row) and not math.isnan(row.used_km2)
    return QuotaInfo(
        limit_km2=row.limit_km2 if known else math.nan,
        used_km2=row.used_km2 if known else math.nan,
        interval=row.interval,
        resets_at=row.resets_at,
        source="planet" if known else "unknown",
        as_of=as_of,
        account=row.id,
        plan=row.plan,
        style=row.style,
        term=row.term,
        why_unknown="" if known else why or _why_unknown(row),
    )


def _wanted(rows: Sequence[Subscription], wanted: str) -> Subscription:
    found = [row for row in rows if wanted == row.id] or [r for r in rows if wanted.casefold() == r.plan.casefold()]
    if not found:
        raise _unclear(f"Planet lists no subscription {wanted!r}.", rows)
    usable = [row for row in found if row.state == "active" and (_is_planetscope(row) or not _other_product(row))]
    if not usable:
        raise _unclear(f"The subscription {wanted!r} is not active or not for PlanetScope.", rows)
    if len(usable) > 1:
        raise _unclear(f"Several subscriptions are called {wanted!r}.", usable)
    return usable[0]


def _is_planetscope(row: Subscription) -> bool:
    return "planetscope" in row.plan.casefold().replace(" ", "")


def _other_product(row: Subscription) -> bool:
    return _names_another(row.plan)


def _names_another(plan: str) -> bool:
    return any(word in plan.casefold() for word in _OTHER_PRODUCTS)


def _counts_area(row: Subscription) -> bool:
    return row.quota_enabled and not math.isnan(row.limit_km2)


def _why_unknown(row: Subscription) -> str:
    if not row.quota_enabled:
        return f"Planet counts no area for {row.plan or row.id}; that is not the same as unlimited."
    missing = "limit" if math.isnan(row.limit_km2) else "use"
    return f"Planet does not say the {missing} of {row.plan or row.id}."


def _unclear(what: str, rows: Sequence[Subscription]) -> Misused:
    listed = "; ".join(f"{row.id} ({row.plan or 'without a name'}, {row.state}, {_area(row)})" for row in rows)
    return Misused(
        f"{what} Planet lists: {listed or 'none'}.",
        hint="Choose one by its id or plan name (setting planet.subscription).",
        argument="subscription",
    )


def _area(row: Subscription) -> str:
    return f"{row.limit_km2:g} km² {row.interval}".rstrip() if _counts_area(row) else "no area quota"

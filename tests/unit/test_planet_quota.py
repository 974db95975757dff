"""Which subscription counts, and what it says."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from planet_assets.exceptions import Misused, ServerError
from planet_assets.model.quota import Subscription
from planet_assets.planet.quota import QuotaApi, choose_subscription, quota_info

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def row(number: str, plan: str, **changes: Any) -> Subscription:
    values = {
        "id": number,
        "plan": plan,
        "state": "active",
        "quota_enabled": True,
        "limit_km2": 3000.0,
        "used_km2": 412.0,
        "style": "consumption",
        "interval": "monthly",
        "resets_at": datetime(2026, 2, 1, tzinfo=UTC),
    }
    return Subscription(**(values | changes))


PS = row("2", "Education and Research Standard (PlanetScope)")
LANDSAT = row("1", "Landsat and Sentinel (free)", quota_enabled=False, limit_km2=math.nan)
BASEMAPS = row("3", "Education and Research Basemaps")
OTHER_PS = row("4", "PlanetScope Archive", limit_km2=500.0)
CUSTOM = row("5", "Custom contract 2026")
OLD = row("6", "PlanetScope 2024", state="cancelled")
SILENT = row("7", "PlanetScope Monitoring", quota_enabled=False)


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([], None),
        ([LANDSAT], None),
        ([BASEMAPS, LANDSAT], None),
        ([LANDSAT, PS, BASEMAPS, OLD], PS),
        ([CUSTOM, PS], PS),
        ([CUSTOM, LANDSAT], CUSTOM),
        ([OLD], None),
        ([SILENT, LANDSAT], SILENT),
        ([SILENT, PS], PS),
        ([row("8", "Basemaps of PlanetScope")], None),
    ],
)
def test_the_planetscope_row_counts(rows: list[Subscription], chosen: Subscription | None) -> None:
    assert choose_subscription(rows) is chosen


def test_two_that_fit_are_listed_and_the_way_to_choose_is_said() -> None:
    with pytest.raises(Misused) as caught:
        choose_subscription([LANDSAT, PS, OTHER_PS])
    said = str(caught.value)
    assert "2 (Education and Research Standard (PlanetScope), active, 3000 km² monthly)" in said
    assert "4 (PlanetScope Archive" in said
    assert "Landsat" not in said
    assert "planet.subscription" in said


@pytest.mark.parametrize("wanted", ["4", "PlanetScope Archive", " planetscope archive "])
def test_the_user_may_choose_by_id_or_name(wanted: str) -> None:
    assert choose_subscription([LANDSAT, PS, OTHER_PS], wanted=wanted) is OTHER_PS


@pytest.mark.parametrize("wanted", ["99", "1", "3", "6", "PlanetScope"])
def test_a_choice_that_does_not_fit_is_refused_with_the_list(wanted: str) -> None:
    with pytest.raises(Misused, match=r"Planet lists: 1 .*2 .*3 ") as caught:
        choose_subscription([LANDSAT, PS, BASEMAPS, OLD], wanted=wanted)
    assert caught.value.argument == "subscription"


def test_what_a_row_says() -> None:
    info = quota_info(PS, as_of=NOW)
    assert (info.limit_km2, info.used_km2, info.remaining_area_km2) == (3000.0, 412.0, 2588.0)
    assert (info.source, info.as_of, info.account, info.interval) == ("planet", NOW, "2", "monthly")
    assert info.plan == PS.plan
    assert info.why_unknown == ""


@pytest.mark.parametrize(
    ("silent", "why"),
    [
        (SILENT, "not the same as unlimited"),
        (row("8", "PlanetScope", limit_km2=math.nan), "the limit of PlanetScope"),
        (row("8", "PlanetScope", used_km2=math.nan), "the use of PlanetScope"),
        (None, "no PlanetScope subscription"),
    ],
)
def test_what_planet_does_not_say_is_unknown_with_the_reason(silent: Subscription | None, why: str) -> None:
    info = quota_info(silent, as_of=NOW)
    assert not info.is_known
    assert math.isnan(info.remaining_area_km2)
    assert not info.can_download(0.1)
    assert (info.source, info.account) == ("unknown", silent.id if silent else "")
    assert why in info.why_unknown


def test_a_caller_who_knows_better_says_why() -> None:
    assert quota_info(None, as_of=NOW, why="Planet answered 500").why_unknown == "Planet answered 500"


class Answering:
    """A session that answers one document."""

    def __init__(self, document: Any) -> None:
        self.document = document

    async def get_json(self, path: str) -> Any:
        return self.document


def test_a_malformed_row_of_another_product_hides_nothing() -> None:
    good = {"id": 2, "plan": {"name": "PlanetScope"}, "state": "active", "quota_enabled": True, "quota_sqkm": 5}
    bad = {"id": 1, "plan": {"name": "Landsat (free)"}, "quota_sqkm": -1}
    [only] = asyncio.run(QuotaApi(Answering([bad, good])).subscriptions())  # type: ignore[arg-type]
    assert only.id == "2"
    for unclear in ({**bad, "plan": {"name": "PlanetScope"}}, {**bad, "plan": None}, 7):
        with pytest.raises(ServerError):
            asyncio.run(QuotaApi(Answering([unclear, good])).subscriptions())  # type: ignore[arg-type]

"""Search bodies as the contract writes them."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from shapely.geometry import box, shape

from planet_assets.exceptions import Misused
from planet_assets.planet import filters

START = datetime(2025, 1, 1, tzinfo=UTC)
END = datetime(2025, 1, 31, 23, 59, 59, 500000, tzinfo=timezone(timedelta(hours=1)))
ROI = box(9.1, 45.4, 9.2, 45.5)


def test_an_empty_search_matches_everything() -> None:
    assert filters.search_body() == {"item_types": ["PSScene"], "filter": {"type": "AndFilter", "config": []}}


def test_a_full_search() -> None:
    extra = filters.string_in("quality_category", ["standard"])
    body = filters.search_body(
        geometry=ROI,
        start=START,
        end=END,
        cloud_cover_max=0.2,
        asset_types=["ortho_analytic_4b", "ortho_udm2"],
        downloadable=True,
        extra=extra,
    )
    where, when, clouds, has, may, own = body["filter"]["config"]
    assert where["type"] == "GeometryFilter"
    assert where["field_name"] == "geometry"
    assert shape(where["config"]).equals(ROI)
    assert when == {
        "type": "DateRangeFilter",
        "field_name": "acquired",
        "config": {"gte": "2025-01-01T00:00:00Z", "lte": "2025-01-31T22:59:59.500000Z"},
    }
    assert clouds == {"type": "RangeFilter", "field_name": "cloud_cover", "config": {"lte": 0.2}}
    assert has == {"type": "AssetFilter", "config": ["ortho_analytic_4b", "ortho_udm2"]}
    assert may["config"] == ["assets.ortho_analytic_4b:download", "assets.ortho_udm2:download"]
    assert own == extra
    json.dumps(body, allow_nan=False)


def test_every_filter_type_of_the_contract() -> None:
    one = filters.asset(["ortho_udm2"])
    built = [
        filters.and_(one),
        filters.or_(one, one),
        filters.not_(one),
        filters.date_range("updated", gt=START),
        filters.range_("view_angle", gt=-2, lte=5),
        filters.update("ground_control", gte=START),
        filters.geometry_filter({"type": "Point", "coordinates": [9, 45]}, "within"),
        filters.number_in("view_angle", [1, 2.5]),
        filters.string_in("ground_control", [True]),
        one,
        filters.permission(),
    ]
    assert [each["type"] for each in built] == [
        "AndFilter",
        "OrFilter",
        "NotFilter",
        "DateRangeFilter",
        "RangeFilter",
        "UpdateFilter",
        "GeometryFilter",
        "NumberInFilter",
        "StringInFilter",
        "AssetFilter",
        "PermissionFilter",
    ]
    assert built[2]["config"] == one
    assert built[6]["relation"] == "within"
    assert "relation" not in filters.geometry_filter(ROI)
    assert built[8]["config"] == ["true"]
    assert built[10]["config"] == ["assets:download"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"start": datetime(2025, 1, 1)}, "no time zone"),
        ({"start": "2025-01-01"}, "aware datetime"),
        ({"start": END, "end": START}, "reversed"),
        ({"cloud_cover_max": 20}, "20 % is 0.2"),
        ({"cloud_cover_max": -0.1}, "within 0 to 1"),
        ({"cloud_cover_max": math.nan}, "within 0 to 1"),
        ({"cloud_cover_max": True}, "within 0 to 1"),
        ({"item_types": []}, "item type"),
        ({"item_types": "PSScene"}, "list of texts"),
        ({"asset_types": "ortho_udm2"}, "list of texts"),
        ({"asset_types": [None]}, "list of texts"),
        ({"extra": {"config": []}}, "no filter"),
        ({"extra": []}, "no filter"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(Misused, match=says):
        filters.search_body(**arguments)


def test_filters_refuse_nonsense_too() -> None:
    with pytest.raises(Misused, match="acquired, published, updated"):
        filters.date_range("bought", gt=START)
    with pytest.raises(Misused, match="needs a bound"):
        filters.range_("gsd")
    with pytest.raises(Misused, match="no number"):
        filters.number_in("gsd", [math.inf])
    with pytest.raises(Misused, match="no relation"):
        filters.geometry_filter(ROI, "touches")
    with pytest.raises(Misused, match="needs a moment"):
        filters.update("gsd")

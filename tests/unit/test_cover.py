"""Which scenes cover an ROI for the least quota: small grounds where the answer can be told by eye."""

import random
from datetime import UTC, datetime, timedelta

import pytest
import shapely
from pyproj import Geod
from shapely.geometry import MultiPolygon, box, mapping

from planet_assets.exceptions import Misused
from planet_assets.model.item import Item
from planet_assets.rules.cover import select_scenes

ROI = box(9.0, 45.0, 9.4, 45.1)
STANDARD = {"quality_category": "standard", "ground_control": True, "publishing_stage": "finalized"}
TEST = {"quality_category": "test", "ground_control": False, "publishing_stage": "preview"}


def scene(name, west, east, clear=90, day=1, cloud=0.1, south=44.9, north=45.2, kind=STANDARD, **properties):
    return Item(
        item_type="PSScene",
        id=name,
        acquired=datetime(2025, 1, 1, 10, tzinfo=UTC) + timedelta(days=day - 1),
        footprint=box(west, south, east, north),
        cloud_cover=cloud,
        properties={**kind, "clear_percent": clear, **properties},
    )


def ids(selection):
    return [item.id for item in selection.items]


def km2(polygon):
    return abs(Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(polygon))[0]) / 1e6


def test_one_scene_that_sees_it_all_beats_two_that_overlap():
    selection = select_scenes([scene("left", 8.9, 9.25), scene("right", 9.15, 9.5), scene("all", 8.9, 9.5)], ROI)
    assert ids(selection) == ["all"]
    assert selection.coverage == 1
    assert selection.gaps.is_empty
    assert selection.charge_km2["orders"] == pytest.approx(km2(ROI))
    assert selection.charge_km2["data"] == pytest.approx(km2(box(8.9, 44.9, 9.5, 45.2)))
    assert selection.pieces["all"].equals(ROI)


def test_features_come_back_as_they_were_given():
    feature = {
        "type": "Feature",
        "id": "20250101_103032_40_2500",
        "geometry": mapping(box(8.9, 44.9, 9.5, 45.2)),
        "properties": {"acquired": "2025-01-01T10:30:32Z", **STANDARD},
    }
    selection = select_scenes({"type": "FeatureCollection", "features": [feature, dict(feature)]}, mapping(ROI))
    assert selection.scenes == (feature,)
    assert selection.scenes[0] is feature
    assert list(selection) == [feature]
    assert len(selection) == 1


def test_nothing_to_choose_from_is_no_mistake():
    for scenes in ([], [scene("far", 20, 21)], [scene("edge", 8.5, 9.0)]):
        selection = select_scenes(scenes, ROI)
        assert len(selection) == 0
        assert selection.coverage == 0
        assert selection.gaps.equals(ROI)
        assert selection.charge_km2 == {"data": 0, "orders": 0}
        assert selection.left_out == {item.id: "outside the ROI" for item in scenes}


def test_the_route_decides_what_is_dear():
    slim = scene("slim", 8.9, 9.5, south=44.99, north=45.11, clear=10)
    huge = scene("huge", 8.0, 10.0, south=44.0, north=46.0, clear=100)
    assert ids(select_scenes([slim, huge], ROI, route="data")) == ["slim"]
    assert ids(select_scenes([slim, huge], ROI, route="orders")) == ["huge"]


def test_within_a_budget_the_most_ground():
    left, middle, right = scene("left", 8.9, 9.1), scene("middle", 9.1, 9.3), scene("right", 9.25, 9.5)
    half = select_scenes([left, middle, right], ROI, budget_km2=km2(ROI) * 0.76)
    assert ids(half) == ["left", "middle"]
    assert half.coverage == pytest.approx(0.75, abs=1e-3)
    assert half.charge_km2["orders"] <= km2(ROI) * 0.76
    assert half.gaps.equals_exact(box(9.3, 45.0, 9.4, 45.1), 1e-9) or half.gaps.area == pytest.approx(0.01)
    assert len(select_scenes([left, middle, right], ROI, budget_km2=0)) == 0
    assert select_scenes([left, middle, right], ROI, budget_km2=1e6).coverage == 1


def test_a_share_of_the_roi_is_enough_when_asked_for():
    scenes = [scene("left", 8.9, 9.1), scene("middle", 9.1, 9.3), scene("right", 9.3, 9.5)]
    assert ids(select_scenes(scenes, ROI, coverage=0.5)) == ["middle"]
    assert len(select_scenes(scenes, ROI, coverage=0.7)) == 2


def test_test_quality_only_fills_gaps():
    preview = scene("preview", 8.9, 9.5, clear=100, kind=TEST)
    left, right = scene("left", 8.9, 9.2, clear=30), scene("right", 9.3, 9.5, clear=30)
    filled = select_scenes([preview, left, right], ROI, pieces=True)
    assert set(ids(filled)) == {"preview", "left", "right"}
    assert filled.pieces["preview"].equals(box(9.2, 45.0, 9.3, 45.1))
    refused = select_scenes([preview, left, right], ROI, quality="standard")
    assert set(ids(refused)) == {"left", "right"}
    assert refused.coverage == pytest.approx(0.75, abs=1e-3)
    assert "preview" in refused.left_out
    assert ids(select_scenes([preview, left, right], ROI, quality="any")) == ["preview"]


@pytest.mark.parametrize("missing", ["quality_category", "ground_control"])
def test_what_a_record_does_not_say_is_not_usable(missing):
    silent = scene("silent", 8.9, 9.5, kind={key: value for key, value in STANDARD.items() if key != missing})
    assert len(select_scenes([silent], ROI, quality="standard")) == 0
    assert len(select_scenes([silent], ROI)) == 1


def test_pieces_are_disjoint_and_the_clearest_is_on_top():
    dull, bright = scene("dull", 8.9, 9.5, clear=40), scene("bright", 9.1, 9.2, clear=95)
    selection = select_scenes([dull, bright], ROI, pieces=True)
    assert selection.pieces["bright"].equals(box(9.1, 45.0, 9.2, 45.1))
    assert selection.pieces["dull"].equals(ROI.difference(box(9.1, 45.0, 9.2, 45.1)))
    assert selection.charge_km2["orders"] == pytest.approx(km2(ROI), rel=1e-5)
    assert ids(select_scenes([dull, bright], ROI)) == ["dull"]


def test_preferences():
    old, new = scene("old", 8.9, 9.5, clear=99, day=1), scene("new", 8.9, 9.5, clear=50, day=9)
    assert ids(select_scenes([new, old], ROI)) == ["old"]
    assert ids(select_scenes([new, old], ROI, prefer="recent")) == ["new"]
    assert ids(select_scenes([new, old], ROI, prefer=lambda item: item.id == "new")) == ["new"]
    assert ids(select_scenes([new, old], ROI, clear={"new": 0.995})) == ["new"]
    assert ids(select_scenes([new, old], ROI, min_clear=0.6)) == ["old"]


def test_ties_fall_to_the_newer_and_then_to_the_first_id():
    same = [scene("b", 8.9, 9.5, day=2), scene("a", 8.9, 9.5, day=2), scene("c", 8.9, 9.5, day=1)]
    assert ids(select_scenes(same, ROI)) == ["a"]


def test_the_order_of_the_scenes_does_not_matter():
    rng = random.Random(7)
    scenes = [scene(f"s{n}", west, west + 0.12, clear=rng.randint(0, 4)) for n in range(60) for west in [9 + n * 0.006]]
    first = select_scenes(scenes, ROI, pieces=True)
    plain = select_scenes(scenes, ROI)
    for _ in range(3):
        rng.shuffle(scenes)
        again = select_scenes(scenes, ROI, pieces=True)
        assert ids(again) == ids(first)
        assert all(again.pieces[one].equals(first.pieces[one]) for one in ids(first))
        assert ids(select_scenes(scenes, ROI)) == ids(plain)


def test_clouds_and_unknown_shares_are_refused():
    cloudy, silent = scene("cloudy", 8.9, 9.5, cloud=0.5), scene("silent", 8.9, 9.5, cloud=None, clear=None)
    selection = select_scenes([cloudy, silent], ROI, max_cloud=0.2)
    assert selection.left_out == {
        "cloudy": "cloud cover 50%, 20% are allowed",
        "silent": "cloud cover unknown, 20% are allowed",
    }
    assert "unknown" in select_scenes([silent], ROI, min_clear=0.1).left_out["silent"]
    assert len(select_scenes([silent], ROI)) == 1


@pytest.mark.parametrize(
    ("per", "names"),
    [
        ("day", ["2024-12-30", "2025-01-05", "2025-01-06"]),
        ("week", ["2025-W01", "2025-W02"]),
        ("month", ["2024-12", "2025-01"]),
        ("all", ["all"]),
    ],
)
def test_one_cover_for_each_period(per, names):
    scenes = [scene(f"s{day}", 8.9, 9.5, day=day) for day in (-1, 5, 6)]
    selection = select_scenes(scenes, ROI, per=per)
    assert [period.period for period in selection.periods] == names
    assert len(selection) == len(names)
    assert all(period.coverage == 1 and len(period.ids) == 1 for period in selection.periods)
    assert sum(period.charge_km2["data"] for period in selection.periods) == pytest.approx(selection.charge_km2["data"])


def test_a_budget_is_shared_by_all_periods():
    scenes = [scene(f"s{day}", 8.9, 9.5, day=day, clear=day) for day in range(1, 6)]
    for pieces in (False, True):
        selection = select_scenes(scenes, ROI, per="day", budget_km2=2.5 * km2(ROI), pieces=pieces)
        assert ids(selection) == ["s4", "s5"]
        assert [period.coverage for period in selection.periods] == [0, 0, 0, 1, 1]


def test_a_roi_over_the_antimeridian():
    west, east = scene("west", 179.0, 180.0), scene("east", -180.0, -179.0)
    selection = select_scenes([west, east], box(179.8, 45.0, 180.3, 45.1))
    assert set(ids(selection)) == {"west", "east"}
    assert selection.coverage == 1


def test_a_roi_of_several_parts():
    roi = MultiPolygon([box(9.0, 45.0, 9.1, 45.1), box(9.3, 45.0, 9.4, 45.1)])
    selection = select_scenes([scene("left", 8.9, 9.2), scene("middle", 9.15, 9.25), scene("right", 9.2, 9.5)], roi)
    assert set(ids(selection)) == {"left", "right"}
    assert "middle" in selection.left_out


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("budget_km2", -1),
        ("budget_km2", float("nan")),
        ("coverage", 0),
        ("coverage", 1.2),
        ("coverage", float("nan")),
        ("prefer", "cheap"),
        ("quality", "good"),
        ("per", "year"),
        ("route", "auto"),
        ("max_cloud", 20),
        ("min_clear", -0.1),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(argument, value):
    with pytest.raises(Misused) as raised:
        select_scenes([scene("all", 8.9, 9.5)], ROI, **{argument: value})
    assert raised.value.argument == argument

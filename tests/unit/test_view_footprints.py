"""The map of footprints: everything inside the text, true to the ground, the same every time."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from shapely.geometry import MultiPolygon, Point, Polygon, box

from planet_assets.model.item import Item, items_from
from planet_assets.view.footprints import MOST_DRAWN, footprints_svg
from planet_assets.view.globe import globe_svg

MILAN = box(9.04, 45.40, 9.28, 45.52)
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "milan_psscene_2025-01.json"
SVG = "{http://www.w3.org/2000/svg}"


def item(name, footprint=MILAN, day=1, cloud=0.1):
    return Item(
        item_type="PSScene",
        id=name,
        acquired=datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day),
        footprint=footprint,
        cloud_cover=cloud,
        properties={},
    )


def paths(svg):
    """Title -> path element."""
    found = {}
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        title = path.find(f"{SVG}title")
        if title is not None:
            found[title.text.split(" ")[0]] = path
    return found


def extent(path):
    numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", path.get("d"))]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


def test_real_scenes_make_one_path_each():
    if not SHARED.exists():
        assert not os.environ.get("CI"), "the shared data must be there in CI"
        pytest.skip("the shared data is not part of a public clone")
    items = items_from(json.loads(SHARED.read_text(encoding="utf-8")))
    svg = footprints_svg(items, MILAN)
    assert set(paths(svg)) == {one.id for one in items} | {"region"}
    assert svg == footprints_svg(list(reversed(items)), MILAN)
    assert "59 scenes" in svg
    assert len(svg) < 60_000


def test_nothing_is_loaded_and_nothing_runs():
    svg = footprints_svg([item("a")], MILAN)
    assert not re.search(r"<(script|image|style|a|foreignObject|use)\b|href|url\(|on\w+=", svg)
    assert set(re.findall(r"https?://[^\"']*", svg)) == {"http://www.w3.org/2000/svg"}


def test_what_enters_as_text_is_escaped():
    svg = footprints_svg([item('<script>"x"&')], None)
    ElementTree.fromstring(svg)
    assert "<script" not in svg


def test_a_square_on_the_ground_is_a_square_in_the_picture():
    square = box(10.0, 60.0, 10.2, 60.1)  # at 60 degrees north a degree of longitude is half as long
    west, north, east, south = extent(paths(footprints_svg([item("a", square)]))["a"])
    assert (east - west) == pytest.approx(south - north, rel=0.01)


def test_both_sides_of_the_antimeridian_lie_side_by_side():
    split = MultiPolygon([box(179.9, -17, 180, -16.9), box(-180, -17, -179.9, -16.9)])
    svg = footprints_svg([item("a", split)])
    west, _, east, _ = extent(paths(svg)["a"])
    assert east - west > 100
    assert "180°" in svg
    assert "179.9°W" in svg


def test_chosen_scenes_stand_out():
    svg = footprints_svg([item("a", day=1), item("b", day=2)], MILAN, chosen={"b"})
    grey, bright = paths(svg)["a"], paths(svg)["b"]
    assert grey.get("stroke") == "#8a8f98"
    assert bright.get("stroke") != "#8a8f98"
    assert "1 not chosen" in svg
    assert svg.index(">a ·") < svg.index(">b ·"), "chosen ones lie on top"


def test_colours_follow_the_dates():
    found = paths(footprints_svg([item(name, day=day) for name, day in (("a", 0), ("b", 9), ("c", 9), ("d", 18))]))
    colours = {name: path.get("stroke") for name, path in found.items()}
    assert colours["b"] == colours["c"]
    assert len(set(colours.values())) == 3


def test_of_very_many_the_first_are_drawn_and_the_map_says_so():
    svg = footprints_svg([item(f"s{n}", day=n / 100) for n in range(MOST_DRAWN + 7)])
    assert len(paths(svg)) == MOST_DRAWN
    assert "7 more not drawn" in svg


@pytest.mark.parametrize(
    "footprint",
    [box(9, 45, 9.00001, 45.00001), box(-180, -90, 180, 90), box(0, 89.9, 90, 90), box(-1, -1, 1, 1)],
    ids=["tiny", "the world", "the pole", "zero, zero"],
)
def test_odd_places_are_drawn(footprint):
    svg = footprints_svg([item("a", footprint)], footprint)
    ElementTree.fromstring(svg)
    assert "nan" not in svg
    assert "inf" not in svg


def test_nothing_to_draw():
    assert ElementTree.fromstring(footprints_svg([])).get("width") == "0"
    assert "0 scenes" in footprints_svg([], MILAN)


def test_own_land_is_used():
    land = {"type": "FeatureCollection", "features": [{"geometry": box(0, 30, 20, 50).__geo_interface__}]}
    assert footprints_svg([], MILAN, land=land) != footprints_svg([], MILAN)


def test_land_around_the_antipode_does_not_flood_the_globe():
    land = {"features": [{"geometry": Polygon([(-90, 1), (90, 1), (90, 89), (-90, 89)]).__geo_interface__}]}
    there = globe_svg(Point(0, 45), land, x=50, y=50, radius_px=50)
    behind = globe_svg(Point(179, -45), land, x=50, y=50, radius_px=50)
    shown = [re.search(r'<path d="([^"]*)"', svg).group(1) for svg in (there, behind)]
    west, north, east, south = extent(type("P", (), {"get": lambda *_: shown[0]})()) if shown[0] else (0, 0, 0, 0)
    assert (east - west) * (south - north) > 4000
    assert not shown[1] or "M" in shown[1]

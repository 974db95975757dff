"""Tools of the Orders API: read, checked, named; and which file of an order is whose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planet_assets.exceptions import Misused
from planet_assets.model.asset import Link
from planet_assets.model.order import Order, Result
from planet_assets.planet.orders import brings, delivered
from planet_assets.rules.tools import as_text, from_text, read_tools, refuse_unfit, suffix

SR, FOUR, UDM2, XML = "ortho_analytic_8b_sr", "ortho_analytic_4b", "ortho_udm2", "ortho_analytic_4b_xml"
ITEM = "20250107_101327_51_24c0"


def test_text_and_mappings_say_the_same_in_planets_order():
    said = read_tools(["file_format", "reproject=EPSG:32632,resolution=3,kernel=cubic", "harmonize=Sentinel-2"])
    assert said == read_tools(
        [
            {"harmonize": {"target_sensor": "Sentinel-2"}},
            {"reproject": {"projection": "EPSG:32632", "resolution": 3, "kernel": "cubic"}},
            {"file_format": {"format": "COG"}},
        ]
    )
    assert [name for tool in said for name in tool] == ["harmonize", "reproject", "file_format"]
    assert from_text(as_text(said)) == said and as_text([]) == ""
    assert read_tools(None) == read_tools([]) == []
    assert read_tools("toar=5000") == [{"toar": {"scale_factor": 5000}}]


@pytest.mark.parametrize(
    "tool",
    [{}, {"toar": 3}, {"toar": {}, "clip": {}}, "toar=0", "toar=x", "composite=day", "coregister", 7, {"tile": {}}],
)
def test_what_cannot_be_meant_names_the_argument(tool):
    with pytest.raises(Misused) as refused:
        read_tools([tool])
    assert refused.value.argument == "tools"


def test_a_tool_is_taken_once():
    with pytest.raises(Misused, match="twice"):
        read_tools(["toar", "toar"])


@pytest.mark.parametrize(
    ("tool", "types"),
    [
        ("harmonize=Sentinel-2", [FOUR]),
        ("harmonize=Sentinel-2", [UDM2]),
        ("harmonize=PS2", [SR]),
        ("toar", [SR]),
        ("composite", [FOUR, XML]),
        ("file_format", ["basic_analytic_4b"]),
        ("coregister=other", [FOUR]),
    ],
)
def test_what_planet_would_not_apply_is_refused(tool, types):
    with pytest.raises(Misused):
        refuse_unfit(read_tools([tool]), types, [ITEM])


def test_names_carry_planets_suffixes():
    tools = read_tools(["harmonize=Sentinel-2", "reproject=EPSG:32632", "file_format"])
    assert suffix(tools, SR, clips=True) == "_harmonized_clip_reproject_file_format"
    assert suffix(tools, UDM2, clips=True) == "_clip_reproject_file_format"
    assert suffix(tools, XML, clips=True) == "_clip" and suffix(tools, XML, clips=False) == ""
    assert suffix([], SR, clips=True) == "_clip"
    assert suffix(read_tools(["toar"]), FOUR, clips=False) == "_toar"


def order(*names: str, state: str = "success") -> Order:
    link = Link(url="https://example.org/x", expires_at=None)
    results = tuple(Result(name=f"0a1b2c3d-0/{name}", link=link) for name in names)
    return Order(id="0a1b2c3d-0", name="n", state=state, results=results)


def test_an_order_brings_what_lies_in_its_results():
    done = order(f"PSScene/{ITEM}_3B_AnalyticMS_clip.tif", f"../../{ITEM}_3B_udm2_clip.tif")
    assert brings(done, ITEM, FOUR) and brings(done, ITEM, UDM2)
    assert not brings(done, ITEM, XML) and not brings(done, "20250107_101325_23_24c0", FOUR)
    assert brings(order(state="queued"), ITEM, FOUR)
    assert not brings(order(state="failed"), ITEM, FOUR)
    assert not brings(replace(done, state="cancelled"), ITEM, FOUR)


def test_composites_have_a_name_of_ours_whatever_planet_calls_them():
    paths = ["composite.tif", "composite_udm2.tif", "123_composite_clip.tif", "../composite.tif", "x/y_metadata.json"]
    manifest = {"files": [{"path": path, "annotations": {}} for path in paths]}
    files = {file.path: (file.item_id, file.asset_type) for file in delivered(order(*paths), manifest)}
    assert files["composite.tif"] == files["../composite.tif"] == ("order_0a1b2c3d", "composite")
    assert files["composite_udm2.tif"] == ("order_0a1b2c3d", "composite_udm2")
    assert files["123_composite_clip.tif"] == ("order_0a1b2c3d_123", "composite")
    assert files["x/y_metadata.json"] == ("", "")
    assert brings(order("composite.tif"), "composite_ab", FOUR)
    assert not brings(order("composite.tif"), "composite_ab", UDM2)

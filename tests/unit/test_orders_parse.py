"""Orders and manifests as Planet writes them, malformed and hostile ones too: read, or refused in our own words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planet_assets.exceptions import ServerError
from planet_assets.planet.orders import delivered, manifest_link, order_body, parse_order

ID = "11111111-2222-4333-8444-555555555555"
LINK = "https://api.planet.com/compute/ops/download/?token=x"
RESULTS = [
    {"name": f"{ID}/{name}", "location": LINK, "expires_at": "2026-01-06T12:00:00Z"}
    for name in ("a.tif", "manifest.json")
]
ORDER = {
    "id": ID,
    "name": "pa-1",
    "state": "partial",
    "created_on": "2026-01-05T12:00:00Z",
    "products": [{"item_ids": ["i1", "i2"], "item_type": "PSScene", "product_bundle": "visual"}],
    "error_hints": ["PSScene/i2: delivery failed"],
    "_links": {"results": RESULTS},
}
ENTRY = {
    "path": "a.tif",
    "size": 12,
    "digests": {"md5": "1A3f7cc98552795f3bdc62f587ec8d0b"},
    "annotations": {"planet/item_id": "i1", "planet/asset_type": "ortho_visual"},
}
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_an_order_and_its_manifest():
    order = parse_order(ORDER)
    assert (order.item_ids, order.bundles, order.is_final) == (("i1", "i2"), ("visual",), True)
    [file] = delivered(order, {"files": [ENTRY]})
    assert (file.item_id, file.asset_type, file.size_bytes) == ("i1", "ortho_visual", 12)
    assert file.md5 == "1a3f7cc98552795f3bdc62f587ec8d0b"
    assert manifest_link(order) is not None


@pytest.mark.parametrize("document", [None, [], {}, {"id": None}, {"id": 7}, {"id": "../../etc"}, {"id": ""}])
def test_what_is_no_order(document):
    with pytest.raises(ServerError, match="malformed"):
        parse_order(document)


@settings(max_examples=150)
@given(st.sampled_from(sorted(ORDER.keys() - {"id"})), json)
def test_any_field_may_be_anything(name, value):
    order = parse_order(ORDER | {name: value})
    assert order.id == ID
    manifest_link(order)


@settings(max_examples=150)
@given(json)
def test_results_may_be_anything(value):
    parse_order(ORDER | {"_links": {"results": value}})
    parse_order(ORDER | {"products": [{"item_ids": value, "product_bundle": value, "item_type": value}]})


@settings(max_examples=150)
@given(st.sampled_from(sorted(ENTRY)), json)
def test_a_manifest_entry_may_be_anything(name, value):
    for file in delivered(parse_order(ORDER), {"files": [ENTRY | {name: value}, value]}):
        assert file.path == "a.tif"
        assert file.size_bytes is None or file.size_bytes >= 0
        assert file.md5 is None or len(file.md5) == 32


@pytest.mark.parametrize("manifest", [None, [], "x", {}, {"files": None}, {"files": {"a": 1}}])
def test_what_is_no_manifest(manifest):
    with pytest.raises(ServerError, match="manifest is malformed"):
        delivered(parse_order(ORDER), manifest)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://x/y", "javascript:1", "", None, 5])
def test_a_link_that_is_no_web_address_is_none(address):
    order = parse_order(ORDER | {"_links": {"results": [{"name": f"{ID}/a.tif", "location": address}]}})
    assert order.results == ()


def test_tools_stand_in_the_order_that_planet_wants():
    tools = [{"file_format": {"format": "COG"}}, {"harmonize": {"target_sensor": "Sentinel-2"}}]
    body = order_body(name="n", item_type="PSScene", item_ids=["i"], bundle="b", aoi={"type": "Polygon"}, tools=tools)
    assert [next(iter(tool)) for tool in body["tools"]] == ["harmonize", "clip", "file_format"]
    assert body["order_type"] == "partial"
    assert "subscription_id" not in body

"""Which bundles an order names: the fewest that bring every asset type, and none the item cannot fill."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planet_assets.exceptions import Misused
from planet_assets.rules.bundles import BUNDLES, MOST_ITEMS, assignment, bundles_for, can_clip, chunks
from planet_assets.rules.naming import known_types

TYPES = sorted({asset for assets in BUNDLES.values() for asset in assets})


@pytest.mark.parametrize(
    ("wanted", "bundles"),
    [
        (["ortho_analytic_4b"], ("analytic_udm2",)),
        (["ortho_analytic_4b", "ortho_udm2", "ortho_analytic_4b_xml"], ("analytic_udm2",)),
        (["ortho_visual"], ("visual",)),
        (["ortho_analytic_8b_sr"], ("analytic_8b_sr_udm2",)),
        (["ortho_visual", "ortho_analytic_4b"], ("analytic_udm2", "visual")),
        (["ortho_analytic_4b", "ortho_analytic_8b"], ("analytic_udm2", "analytic_8b_udm2")),
    ],
)
def test_the_bundles_people_know(wanted, bundles):
    assert bundles_for(wanted) == bundles


def test_every_type_has_a_bundle():
    assert set(TYPES) == set(known_types())
    for asset_type in TYPES:
        assert asset_type in BUNDLES[assignment([asset_type])[asset_type]]


def test_a_bundle_that_the_item_cannot_fill_is_not_taken():
    has = ["ortho_analytic_4b", "ortho_udm2", "ortho_analytic_4b_xml"]
    assert bundles_for(["ortho_udm2"], has) == ("analytic_udm2",)
    with pytest.raises(Misused, match="No product bundle delivers ortho_analytic_8b") as caught:
        bundles_for(["ortho_udm2", "ortho_analytic_8b"], has)
    assert caught.value.argument == "asset_types"
    with pytest.raises(Misused):
        bundles_for(["ortho_analytic_4b"], ["ortho_analytic_4b"])


@given(st.sets(st.sampled_from(TYPES), min_size=1, max_size=5))
def test_no_fewer_bundles_would_do_and_the_order_of_types_does_not_matter(wanted):
    chosen = bundles_for(sorted(wanted))
    assert chosen == bundles_for(sorted(wanted, reverse=True))
    assert wanted <= {asset for name in chosen for asset in BUNDLES[name]}
    for fewer in combinations(BUNDLES, len(chosen) - 1):
        assert not wanted <= {asset for name in fewer for asset in BUNDLES[name]}
    assert set(assignment(sorted(wanted)).values()) <= set(chosen)


@given(st.integers(0, 1200), st.integers(1, 600))
def test_chunks_keep_every_item_and_the_limit(count, size):
    items = [f"i{number}" for number in range(count)]
    parts = chunks(items, size)
    assert [item for part in parts for item in part] == items
    assert all(len(part) <= min(size, MOST_ITEMS) for part in parts)


def test_basic_is_not_clipped():
    assert not can_clip("basic_analytic_udm2")
    assert can_clip("analytic_udm2")

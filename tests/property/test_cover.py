"""The best set of scenes: against every subset where there are few, within its guarantees where there are more."""

import itertools
import math
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon, box

from planet_assets.model.item import Item
from planet_assets.rules import setcover
from planet_assets.rules.area import areas_km2, geodesic_km2
from planet_assets.rules.cover import select_scenes

ROI = box(9.0, 45.0, 9.3, 45.2)
ROI_KM2 = geodesic_km2(ROI)
MILLIONTH_KM2 = 1e-3  # areas of many shapes are worked out quicker than by pyproj, true to a millionth
SPECK = 1e-8  # square degrees: some pixels of 3 m
NEARLY_KM2 = 0.1  # a geodesic with a corner more runs elsewhere: up to 0.05 km² over edges as long as these
KIND = {"quality_category": "standard", "ground_control": True}
COMMON = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def tilted(lon, lat, wide, high, angle):
    """A rectangle turned about its middle, as the footprints of a descending or ascending pass are."""
    corners = np.array([[-wide, -high], [wide, -high], [wide, high], [-wide, high]]) / 2
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return Polygon(corners @ turn + [lon, lat])


def as_item(number, footprint, clear, day=0):
    return Item(
        item_type="PSScene",
        id=f"s{number:06d}",
        acquired=datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day, seconds=number),
        footprint=footprint,
        cloud_cover=0.0,
        properties={**KIND, "clear_percent": clear},
    )


FOOTPRINTS = st.builds(
    tilted,
    lon=st.floats(8.95, 9.35),
    lat=st.floats(44.97, 45.23),
    wide=st.floats(0.08, 0.4),
    high=st.floats(0.05, 0.3),
    angle=st.floats(-0.4, 0.4),
)


@st.composite
def scenes(draw, most=6, least=1):
    shapes = draw(st.lists(FOOTPRINTS, min_size=least, max_size=most))
    return [as_item(number, shape, draw(st.integers(0, 100))) for number, shape in enumerate(shapes)]


def seen(items):
    """What some scenes see of the ROI."""
    return shapely.union_all([item.footprint for item in items]).intersection(ROI)


def subsets(items, route):
    """Every subset: (ground, charge in km²), by unions of shapely."""
    costs = [geodesic_km2(item.footprint if route == "data" else item.footprint.intersection(ROI)) for item in items]
    for count in range(len(items) + 1):
        for chosen in itertools.combinations(range(len(items)), count):
            yield seen([items[at] for at in chosen]), sum(costs[at] for at in chosen)


@COMMON
@given(items=scenes(), route=st.sampled_from(["data", "orders"]))
def test_the_least_charge_of_all_subsets_that_see_everything(items, route):
    everything = seen(items)
    selection = select_scenes(items, ROI, route=route)
    assert everything.difference(seen(selection.items)).area < SPECK
    least = min(cost for ground, cost in subsets(items, route) if everything.difference(ground).area < 1e-12)
    assert selection.charge_km2[route] <= least + MILLIONTH_KM2


@COMMON
@given(items=scenes(), route=st.sampled_from(["data", "orders"]), coverage=st.floats(0.05, 0.95))
def test_the_least_charge_of_all_subsets_that_see_enough(items, route, coverage):
    need = coverage * ROI_KM2
    every = [(geodesic_km2(ground), cost) for ground, cost in subsets(items, route)]
    enough = [cost for covered, cost in every if covered >= need + NEARLY_KM2]
    selection = select_scenes(items, ROI, coverage=coverage, route=route)
    assert geodesic_km2(seen(selection.items)) >= min(need, max(covered for covered, _ in every)) - NEARLY_KM2
    assert not enough or selection.charge_km2[route] <= min(enough) + MILLIONTH_KM2


@COMMON
@given(items=scenes(), share=st.floats(0, 1.5), route=st.sampled_from(["data", "orders"]))
def test_the_most_ground_that_a_budget_buys(items, share, route):
    budget = share * ROI_KM2
    selection = select_scenes(items, ROI, budget_km2=budget, route=route)
    most = max(geodesic_km2(ground) for ground, cost in subsets(items, route) if cost <= budget)
    assert selection.charge_km2[route] <= budget + 1e-9
    assert geodesic_km2(seen(selection.items)) >= most - NEARLY_KM2


@COMMON
@given(items=scenes(least=2), share=st.floats(0.05, 1.2), route=st.sampled_from(["data", "orders"]))
def test_greedy_keeps_its_guarantees(monkeypatch, items, share, route):
    monkeypatch.setattr(setcover, "EXACT_UP_TO", 0)
    every, everything = list(subsets(items, route)), seen(items)
    budget = share * ROI_KM2
    bought = select_scenes(items, ROI, budget_km2=budget, route=route)
    assert bought.charge_km2[route] <= budget + 1e-9
    most = max(geodesic_km2(ground) for ground, cost in every if cost <= budget)
    assert geodesic_km2(seen(bought.items)) >= (1 - 1 / math.e) / 2 * most - NEARLY_KM2

    free = select_scenes(items, ROI, route=route)
    assert everything.difference(seen(free.items)).area < SPECK
    least = min(cost for ground, cost in every if everything.difference(ground).area < 1e-12)
    assert free.charge_km2[route] <= (1 + math.log(ROI_KM2 / setcover.PIXEL_KM2)) * least + MILLIONTH_KM2


@COMMON
@given(items=scenes(most=9), days=st.lists(st.integers(0, 2), min_size=9, max_size=9), data=st.data())
def test_pieces_are_disjoint_and_together_the_ground_that_is_covered(items, days, data):
    items = [as_item(n, item.footprint, item.properties["clear_percent"], days[n]) for n, item in enumerate(items)]
    budget = data.draw(st.none() | st.floats(0, 2.5 * ROI_KM2))
    selection = select_scenes(items, ROI, per="day", pieces=True, budget_km2=budget)
    charge = math.fsum(areas_km2(list(selection.pieces.values())))
    assert math.isclose(selection.charge_km2["orders"], charge, abs_tol=1e-9)
    assert budget is None or charge <= budget + 1e-9
    for period in selection.periods:
        pieces = [selection.pieces[one] for one in period.ids]
        for one, other in itertools.combinations(pieces, 2):
            assert one.intersection(other).area < 1e-9
        ground = seen([item for item in selection.items if item.id in period.ids])
        assert shapely.union_all(pieces).symmetric_difference(ground).area < SPECK
        assert period.gaps.symmetric_difference(ROI.difference(ground)).area < SPECK
        if budget is None:
            there = seen([item for item in items if f"{item.acquired:%Y-%m-%d}" == period.period])
            assert there.difference(ground).area < SPECK


@COMMON
@given(
    items=scenes(most=9),
    order=st.randoms(use_true_random=False),
    pieces=st.booleans(),
    share=st.none() | st.floats(0, 1.5),
)
def test_the_same_scenes_give_the_same_selection_in_any_order(items, order, pieces, share):
    shuffled = order.sample(items, len(items))
    budget = None if share is None else share * ROI_KM2
    first, second = (select_scenes(each, ROI, pieces=pieces, budget_km2=budget) for each in (items, shuffled))
    assert [item.id for item in first.items] == [item.id for item in second.items]
    assert all(first.pieces[one].equals(second.pieces[one]) for one in first.pieces)


@COMMON
@given(items=scenes(most=8, least=2), poor=st.lists(st.booleans(), min_size=8, max_size=8), pieces=st.booleans())
def test_scenes_that_are_not_usable_only_fill_gaps(items, poor, pieces):
    bad = {item.id for item, flag in zip(items, poor, strict=False) if flag}
    items = [
        replace(item, properties={**item.properties, "quality_category": "test"}) if item.id in bad else item
        for item in items
    ]
    selection = select_scenes(items, ROI, pieces=pieces)
    left_open = ROI.difference(seen([item for item in items if item.id not in bad]))
    for item in selection.items:
        if item.id in bad:
            assert item.footprint.intersection(left_open).area > 0
            assert not pieces or selection.pieces[item.id].difference(left_open).area < SPECK
    good = [item for item in items if item.id not in bad]
    assert seen(good).difference(seen([item for item in selection.items if item.id not in bad])).area < SPECK


def crowd(count, bounds, seed=3, days=1):
    rng = np.random.default_rng(seed)
    west, south, east, north = bounds
    return [
        as_item(
            number,
            tilted(rng.uniform(west, east), rng.uniform(south, north), 0.4, 0.18, rng.uniform(0.15, 0.3)),
            int(rng.integers(0, 101)),
            number % days,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("pieces", [False, True])
def test_many_candidates_leave_nothing_open_that_one_of_them_sees(pieces):
    roi = box(9.0, 45.0, 10.5, 45.8)
    items = crowd(1500, (9.0, 45.0, 10.3, 45.8))
    selection = select_scenes(items, roi, pieces=pieces)
    ground = shapely.union_all([item.footprint for item in items]).intersection(roi)
    chosen = shapely.union_all([item.footprint for item in selection.items])
    missed = shapely.get_parts(ground.difference(chosen))
    assert max(areas_km2(missed), default=0) <= setcover.PIXEL_KM2
    assert selection.charge_km2["orders"] < (1.001 if pieces else 2.4) * geodesic_km2(ground)


def test_sample_points_cost_little_against_looking_at_all(monkeypatch):
    items, roi = crowd(500, (9.0, 45.0, 10.0, 45.6)), box(9.0, 45.0, 10.0, 45.6)
    thinned = select_scenes(items, roi)
    monkeypatch.setattr(setcover, "FEW", 10_000)
    assert thinned.charge_km2["orders"] <= 1.2 * select_scenes(items, roi).charge_km2["orders"]


@pytest.mark.parametrize("pieces", [False, True])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("bounds", [(9.12, 45.42, 9.247, 45.51), (9.0, 45.0, 10.0, 45.6)])
def test_many_candidates_use_a_budget_as_well_as_few(monkeypatch, bounds, share, pieces):
    west, south, east, north = bounds
    items, roi = crowd(500, (west - 0.15, south - 0.15, east + 0.15, north + 0.15)), box(*bounds)
    budget = share * geodesic_km2(roi)
    thinned = select_scenes(items, roi, budget_km2=budget, pieces=pieces)
    assert thinned.charge_km2["orders"] <= budget + 1e-9
    monkeypatch.setattr(setcover, "FEW", 10_000)
    assert thinned.coverage >= 0.9 * select_scenes(items, roi, budget_km2=budget, pieces=pieces).coverage


@pytest.mark.soak
@pytest.mark.parametrize("bounds", [(9.12, 45.42, 9.247, 45.51), (8.5, 44.9, 11.4, 46.6), (-1, 43, 7, 49)])
@pytest.mark.parametrize("pieces", [False, True])
def test_a_hundred_thousand_footprints_in_seconds(bounds, pieces):
    items = crowd(100_000, bounds)
    began = time.process_time()
    selection = select_scenes(items, box(*bounds), pieces=pieces)
    took_s = time.process_time() - began
    print(f"{bounds} pieces={pieces}: {len(selection)} of {len(items)} in {took_s:.1f} s, {selection.coverage:.4f}")
    assert took_s < 60

"""Which assets are wanted: held, lacking, outside and doubled are told apart before anything is priced."""

from __future__ import annotations

from datetime import timedelta

import pytest
from making import NOW, item
from shapely.geometry import box

from planet_assets.exceptions import Misused
from planet_assets.rules.choose import choose, may_come, wanted_types, why_lacking

TYPE, SR = "ortho_analytic_4b", "ortho_analytic_4b_sr"
ONE, TWO = item("20250110_100000_00_0001"), item("20250110_100000_00_0002", west=10.0)


def test_scenes_given_twice_count_once() -> None:
    chosen = choose([ONE, TWO, ONE], [TYPE, TYPE])
    assert chosen.fetch == ((ONE, TYPE), (TWO, TYPE))
    assert chosen.duplicates == (ONE.id,)


def test_scenes_outside_the_roi_are_left_out_and_named() -> None:
    chosen = choose([ONE, TWO], [TYPE], roi=box(9.02, 45.02, 9.05, 45.05))
    assert (chosen.fetch, chosen.outside) == (((ONE, TYPE),), (TWO.id,))


def test_a_region_with_latitude_first_is_a_mistake_and_not_an_empty_plan() -> None:
    with pytest.raises(Misused, match=r"1 of 2 do when its coordinates change places"):
        choose([ONE, TWO], [TYPE], roi=box(45.02, 9.02, 45.05, 9.05))
    assert choose([ONE], [TYPE], roi=box(100.0, 10.0, 100.1, 10.1)).fetch == ()


def test_what_is_held_is_not_wanted_again() -> None:
    chosen = choose([ONE, TWO], [TYPE], held={(*ONE.ref, TYPE)})
    assert (chosen.fetch, chosen.held) == (((TWO, TYPE),), ((ONE, TYPE),))


def test_one_scene_that_lacks_the_type_is_named_and_the_rest_goes_on() -> None:
    rich = item(assets=(TYPE, SR), permissions=(TYPE, SR))
    chosen = choose([rich, TWO], [SR])
    assert chosen.fetch == ((rich, SR),)
    [(lacking, asset_type, reason)] = chosen.lacking
    assert (lacking, asset_type) == (TWO, SR) and "it has ortho_analytic_4b" in reason


def test_a_type_that_no_scene_has_is_a_mistake() -> None:
    with pytest.raises(Misused, match=r"None of the 2 scenes has .*They have: ortho_analytic_4b"):
        choose([ONE, TWO], [SR])


def test_a_record_that_says_nothing_is_asked_about_later() -> None:
    assert why_lacking(item(assets=()), SR) == ""


def test_permissions_are_read() -> None:
    assert "may not download" in why_lacking(item(permissions=("ortho_udm2",)), TYPE)
    assert "no permission at all" in why_lacking(item(permissions=()), TYPE)
    assert why_lacking(item(permissions=(TYPE,)), TYPE) == ""


def test_what_may_still_come() -> None:
    young, old = NOW - timedelta(hours=5), NOW - timedelta(days=50)
    assert may_come(item(permissions=(), acquired=young), TYPE, NOW)
    assert not may_come(item(permissions=(), acquired=old), TYPE, NOW)
    assert may_come(item(acquired=young), SR, NOW)
    assert not may_come(item(acquired=old), SR, NOW)


@pytest.mark.parametrize("names", [[], ["Not A Type"], ["../x"], [None]])
def test_names_that_cannot_be_types_are_refused(names: list[str]) -> None:
    with pytest.raises(Misused):
        wanted_types(names)


def test_aliases_are_understood() -> None:
    assert wanted_types(["ortho_analytic_sr", SR]) == [SR]
    assert wanted_types(TYPE) == [TYPE]

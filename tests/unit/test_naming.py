"""File names: Planet's own from our table, and never anything hostile."""

from __future__ import annotations

import pytest

from planet_assets.exceptions import Misused, Unsafe
from planet_assets.rules import naming

ID = "20220304_093300_37_2430"


@pytest.mark.parametrize(
    ("asset_type", "name"),
    [
        ("ortho_analytic_8b_sr", f"{ID}_3B_AnalyticMS_SR_8b.tif"),
        ("ortho_analytic_4b", f"{ID}_3B_AnalyticMS.tif"),
        ("ortho_udm2", f"{ID}_3B_udm2.tif"),
        ("ortho_visual", f"{ID}_3B_Visual.tif"),
        ("ortho_analytic_4b_xml", f"{ID}_3B_AnalyticMS_metadata.xml"),
        ("basic_analytic_4b_rpc", f"{ID}_1B_AnalyticMS_RPC.TXT"),
        ("ortho_panchromatic", f"{ID}_ortho_panchromatic.tif"),
    ],
)
def test_planets_own_names(asset_type: str, name: str) -> None:
    assert naming.file_name(ID, asset_type) == name


def test_names_by_asset_type() -> None:
    assert naming.file_name(ID, "ortho_udm2", "asset") == f"{ID}_ortho_udm2.tif"
    assert naming.file_name(ID, "ortho_analytic_4b_xml", "asset") == f"{ID}_ortho_analytic_4b_xml.xml"
    with pytest.raises(Misused, match="naming='server'"):
        naming.file_name(ID, "ortho_udm2", "server")


@pytest.mark.parametrize("style", ["planet", "asset"])
def test_no_two_types_share_a_name(style: str) -> None:
    names = [naming.file_name(ID, asset_type, style).lower() for asset_type in naming.known_types()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("bad", ["../x", "a/b", "a\\b", "", ".hidden", "con", "LPT1.x", "a..b", "x" * 200, "a\nb", "é"])
def test_hostile_ids_are_refused(bad: str) -> None:
    with pytest.raises(Unsafe, match="cannot be part of a file name"):
        naming.file_name(bad, "ortho_udm2")


def test_clipped_names() -> None:
    assert naming.clipped_name("a_3B_udm2.tif") == "a_3B_udm2_clipped.tif"
    assert naming.clipped_name("a.tif", "0f3a9b12") == "a_clipped_0f3a9b12.tif"
    assert naming.roi_digest("POLYGON A") != naming.roi_digest("POLYGON B")
    assert naming.roi_digest("POLYGON A") == naming.roi_digest("POLYGON A")


def test_media_of_types() -> None:
    kinds = [naming.media_of(kind) for kind in ("ortho_udm2", "ortho_analytic_4b_xml", "basic_analytic_4b_rpc")]
    assert kinds == ["tiff", "xml", "text"]
    assert naming.is_raster("ortho_visual") and not naming.is_raster("ortho_analytic_4b_xml")

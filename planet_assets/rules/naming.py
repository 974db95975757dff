"""File names: from a table of ours, never from a server.

Planet's own names are what people's scripts match, for example `20220304_093300_37_2430_3B_AnalyticMS_SR_8b.tif`.
Source: confirmed (contract sections 2.6 and 7b), the names of older asset types assumed by analogy.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from planet_assets.exceptions import Misused, Unsafe

SUFFIXES = {
    "ortho_analytic_3b": "3B_Analytic.tif",
    "ortho_analytic_3b_xml": "3B_Analytic_metadata.xml",
    "ortho_analytic_4b": "3B_AnalyticMS.tif",
    "ortho_analytic_4b_sr": "3B_AnalyticMS_SR.tif",
    "ortho_analytic_4b_xml": "3B_AnalyticMS_metadata.xml",
    "ortho_analytic_8b": "3B_AnalyticMS_8b.tif",
    "ortho_analytic_8b_sr": "3B_AnalyticMS_SR_8b.tif",
    "ortho_analytic_8b_xml": "3B_AnalyticMS_8b_metadata.xml",
    "ortho_visual": "3B_Visual.tif",
    "ortho_udm2": "3B_udm2.tif",
    "basic_analytic_4b": "1B_AnalyticMS.tif",
    "basic_analytic_4b_rpc": "1B_AnalyticMS_RPC.TXT",
    "basic_analytic_4b_xml": "1B_AnalyticMS_metadata.xml",
    "basic_analytic_8b": "1B_AnalyticMS_8b.tif",
    "basic_analytic_8b_xml": "1B_AnalyticMS_8b_metadata.xml",
    "basic_udm2": "1B_udm2.tif",
}
"""Asset type -> what follows the item id in Planet's file name."""

ALIASES = {"ortho_analytic_sr": "ortho_analytic_4b_sr"}
"""Names people use -> the asset type Planet lists."""

_CUT_NAME = r"_clip(ped)?(_[0-9a-f]{8})?$"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,119}")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def asset_type_of(name: str) -> str:
    """The asset type Planet lists under a name people use.

    Raises:
        Misused: it cannot be an asset type.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9_]{3,60}", name):
        raise Misused(f"{name!r} is not an asset type.", hint="For example ortho_analytic_4b.", argument="asset_types")
    return ALIASES.get(name, name)


def media_of(asset_type: str) -> str:
    """What a file of the asset type must look like: tiff, xml or text."""
    if asset_type.endswith("_xml"):
        return "xml"
    return "text" if asset_type.endswith("_rpc") else "tiff"


def is_raster(asset_type: str) -> bool:
    """True for asset types that can be cut."""
    return media_of(asset_type) == "tiff"


def file_name(item_id: str, asset_type: str, naming: str = "planet") -> str:
    """The name of the whole file.

    Args:
        item_id: Planet's id.
        asset_type: for example ortho_analytic_4b.
        naming: "planet" for Planet's own names, "asset" for `<item>_<asset_type>.<suffix>`.

    Raises:
        Unsafe: the id or the type cannot be part of a file name.
        Misused: an unknown `naming`.
    """
    for text in (item_id, asset_type):
        if not _PLAIN.fullmatch(text) or _RESERVED.fullmatch(text) or ".." in text:
            raise Unsafe(f"{text!r} cannot be part of a file name.", hint="Planet's ids have letters, digits and _.")
    if naming == "planet" and asset_type in SUFFIXES:
        return f"{item_id}_{SUFFIXES[asset_type]}"
    if naming not in ("planet", "asset"):
        raise Misused(f"naming={naming!r} is not known.", hint="Use 'planet' or 'asset'.", argument="naming")
    return f"{item_id}_{asset_type}.{ {'tiff': 'tif', 'xml': 'xml', 'text': 'txt'}[media_of(asset_type)] }"


def asset_of(name: str) -> tuple[str, str] | None:
    """Item id and asset type that a file's name says, Planet's way or `<item>_<asset_type>`; None when it says none."""
    stem, _, suffix = name.rpartition(".")
    plain = re.sub(_CUT_NAME, "", stem)
    ends = [(f"_{rest.rpartition('.')[0]}", rest.rpartition(".")[2], kind) for kind, rest in SUFFIXES.items()]
    ends += [(f"_{kind}", {"tiff": "tif", "xml": "xml", "text": "txt"}[media_of(kind)], kind) for kind in SUFFIXES]
    found = [(end, kind) for end, ending, kind in ends if plain.endswith(end) and suffix.lower() == ending.lower()]
    if not found:
        return None
    end, kind = max(found, key=lambda pair: len(pair[0]))
    item_id = plain.removesuffix(end)
    return (item_id, kind) if _PLAIN.fullmatch(item_id) and ".." not in item_id else None


def is_cut_name(name: str) -> bool:
    """True for names that cut files get, here or at Planet."""
    return re.search(_CUT_NAME, name.rpartition(".")[0]) is not None


def clipped_name(name: str, roi_digest: str = "") -> str:
    """The name of the cut file; a second ROI in one folder adds its digest."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}_clipped{'_' + roi_digest if roi_digest else ''}.{suffix}"


def ordered_name(name: str, roi_digest: str = "", *, added: str = "_clip") -> str:
    """The name of a file that Planet changed, with Planet's own suffix; a second ROI in one folder adds its digest."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}{added}{'_' + roi_digest if roi_digest else ''}.{suffix}"


def roi_digest(roi_wkt: str, clipping: object = None) -> str:
    """Eight hex digits that tell one way of cutting from another."""
    return hashlib.sha256(f"{roi_wkt}|{clipping}".encode()).hexdigest()[:8]


def known_types() -> Iterable[str]:
    """Every asset type of PSScene in the table."""
    return SUFFIXES.keys()

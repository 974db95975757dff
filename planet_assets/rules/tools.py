"""Tools of the Orders API besides the clip: which there are, what they take, and what they add to a file's name.

Source: names, options and the order of processing are confirmed (contract 3); that `_harmonized`, `_coreg` and
`_file_format` are the suffixes is assumed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from planet_assets.exceptions import Misused
from planet_assets.rules.naming import is_raster

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "harmonize": ("target_sensor",),
    "toar": ("scale_factor",),
    "coregister": ("anchor_item",),
    "composite": ("group_by",),
    "reproject": ("projection", "resolution", "kernel"),
    "file_format": ("format",),
}
"""Tool -> its options, the first of which a bare value stands for; in the order Planet works them off."""

KERNELS = ("near", "bilinear", "cubic", "cubicspline", "lanczos", "average", "mode")
SUFFIXES = {
    "harmonize": "_harmonized",
    "toar": "_toar",
    "coregister": "_coreg",
    "reproject": "_reproject",
    "file_format": "_file_format",
}
BEFORE_CLIP = ("harmonize", "toar")
"""What Planet does before it clips."""

Tool = dict[str, dict[str, Any]]
"""One tool as the Orders API takes it: its name, and its options."""


def read_tools(given: Sequence[Mapping[str, Any] | str] | None) -> list[Tool]:
    """Tools as they were given, checked and in Planet's order.

    Args:
        given: each a mapping as the Orders API takes it, or text: `harmonize=Sentinel-2`,
            `reproject=EPSG:32632,resolution=3,kernel=cubic`, `toar`.

    Raises:
        Misused: a tool or an option that is unknown, twice there, or cannot be meant.
    """
    if isinstance(given, str | Mapping):
        given = [given]
    found: dict[str, dict[str, Any]] = {}
    for one in given or ():
        name, options = _from_text(one) if isinstance(one, str) else _from_mapping(one)
        if name == "clip":
            raise _misused("The clip is no tool here.", "Use clip_to_roi=, or --clip.")
        if name not in OPTIONS:
            raise _misused(f"There is no tool {name!r}.", f"Known: {', '.join(OPTIONS)}.")
        if name in found:
            raise _misused(f"The tool {name} is given twice.", "An order takes each once.")
        for option in options:
            if option not in OPTIONS[name]:
                raise _misused(f"{name} has no option {option!r}.", f"Known: {', '.join(OPTIONS[name])}.")
        found[name] = _checked(name, options)
    return [{name: found[name]} for name in OPTIONS if name in found]


def refuse_unfit(tools: Sequence[Tool], asset_types: Sequence[str], item_ids: Collection[str]) -> None:
    """Refuse tools that Planet would not apply to what is wanted.

    Raises:
        Misused: it names the tool and why.
    """
    images = [name for name in asset_types if "analytic" in name and is_raster(name)]
    reflectance = [name for name in images if name.endswith("_sr")]
    options = {name: wanted for tool in tools for name, wanted in tool.items()}
    if basic := [name for name in asset_types if name.startswith("basic_")]:
        raise _misused(f"Planet applies no tools to {basic[0]}.", "Leave it out, or the tools.")
    sensor = options.get("harmonize", {}).get("target_sensor")
    if sensor == "Sentinel-2" and (not images or len(reflectance) < len(images)):
        raise _misused("harmonize to Sentinel-2 is for surface reflectance.", "Choose an asset type that ends in _sr.")
    if sensor == "PS2" and (not images or reflectance):
        raise _misused("harmonize to PS2 is for analytic files that are no surface reflectance.", "")
    if "toar" in options and (not images or reflectance):
        raise _misused("toar needs an analytic asset type that is no surface reflectance.", "")
    if "composite" in options and (others := [name for name in asset_types if not is_raster(name)]):
        raise _misused(f"No composite is made of {others[0]}.", "Leave it out.")
    anchor = options.get("coregister", {}).get("anchor_item")
    if anchor is not None and anchor not in item_ids:
        raise _misused(f"coregister: the anchor {anchor} is none of the scenes.", "Add it, or choose one of them.")


def as_text(tools: Sequence[Tool]) -> str:
    """Tools as text that is the same for the same tools; empty for none."""
    return json.dumps(list(tools), sort_keys=True, separators=(",", ":")) if tools else ""


def from_text(text: str) -> list[Tool]:
    """What `as_text` wrote."""
    return json.loads(text) if text else []


def suffix(tools: Sequence[Mapping[str, Any]], asset_type: str, *, clips: bool) -> str:
    """What Planet adds to the name of a file of this type."""
    if not is_raster(asset_type):
        return "_clip" if clips and asset_type.endswith("_xml") else ""
    image = "analytic" in asset_type
    acts = {"harmonize": image, "toar": image and not asset_type.endswith("_sr")}
    names = [name for tool in tools for name in tool if acts.get(name, True)]
    before = "".join(SUFFIXES.get(name, "") for name in names if name in BEFORE_CLIP)
    after = "".join(SUFFIXES.get(name, "") for name in names if name not in BEFORE_CLIP)
    return f"{before}{'_clip' if clips else ''}{after}"


def _from_mapping(tool: object) -> tuple[str, dict[str, Any]]:
    if not isinstance(tool, Mapping) or len(tool) != 1:
        raise _misused(f"{tool!r} is no tool.", "For example {'harmonize': {'target_sensor': 'Sentinel-2'}}.")
    [(name, options)] = tool.items()
    if not isinstance(options or {}, Mapping):
        raise _misused(f"The options of {name} are no mapping.", "")
    return str(name), dict(options or {})


def _from_text(text: str) -> tuple[str, dict[str, Any]]:
    """`name=value,option=value`: the bare value stands for the tool's first option."""
    name, _, rest = text.strip().partition("=")
    options: dict[str, Any] = {}
    for number, word in enumerate(part for part in rest.split(",") if part.strip()):
        option, is_named, value = word.partition("=")
        if not is_named:
            known = OPTIONS.get(name, ("value",))
            option, value = known[0] if number == 0 else option, word
        options[option.strip()] = value.strip()
    return name.strip(), options


def _checked(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a tool, with numbers as numbers and what Planet needs filled in."""
    match name:
        case "harmonize":
            return {"target_sensor": _one_of(name, options.get("target_sensor"), ("Sentinel-2", "PS2"))}
        case "toar":
            scale = _number(name, "scale_factor", options.get("scale_factor", 10000))
            return {"scale_factor": int(scale) if scale.is_integer() else scale}
        case "coregister":
            anchor = options.get("anchor_item")
            if not isinstance(anchor, str) or not anchor:
                raise _misused("coregister needs an anchor_item.", "For example coregister=<scene id>.")
            return {"anchor_item": anchor}
        case "composite":
            return {"group_by": _one_of(name, options.get("group_by", "order"), ("order", "strip_id"))}
        case "reproject":
            return _reprojection(options)
        case _:
            return {"format": _one_of(name, options.get("format", "COG"), ("COG",))}


def _reprojection(options: Mapping[str, Any]) -> dict[str, Any]:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    projection = options.get("projection")
    try:
        CRS.from_user_input(projection)
    except (CRSError, TypeError):
        raise _misused(f"reproject: {projection!r} is no projection.", "For example EPSG:32632.") from None
    checked: dict[str, Any] = {"projection": projection}
    if "resolution" in options:
        checked["resolution"] = _number("reproject", "resolution", options["resolution"])
    if "kernel" in options:
        checked["kernel"] = _one_of("reproject", options["kernel"], KERNELS)
    return checked


def _number(tool: str, option: str, value: object) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise _misused(f"{tool}: {option}={value!r} is no positive number.", "")
    return number


def _one_of(tool: str, value: object, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise _misused(f"{tool} does not take {value!r}.", f"Use one of {', '.join(allowed)}.")
    return str(value)


def _misused(message: str, hint: str) -> Misused:
    return Misused(message, hint=hint, argument="tools")

"""From scenes to a plan: choose, estimate, check. Nothing is asked of Planet here; the library is read."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planet_assets.exceptions import Misused
from planet_assets.flow.comparing import compared
from planet_assets.flow.composing import compose
from planet_assets.flow.cutting import read_region
from planet_assets.flow.given import Ref, Scenes, as_selected, clipped_at_planet, pieces_within, read_scenes
from planet_assets.flow.known import Key, bare, comes_later, look_up, substitutes, with_removed
from planet_assets.flow.masking import refuse_unmaskable
from planet_assets.flow.naming_files import Namer
from planet_assets.library import ground, jobs
from planet_assets.library.engine import Library
from planet_assets.model.item import Item
from planet_assets.model.job import Clipping
from planet_assets.model.plan import DownloadImpact, Plan
from planet_assets.model.quota import QuotaInfo
from planet_assets.model.selection import Chosen
from planet_assets.model.tariff import Tariff
from planet_assets.rules import allowance
from planet_assets.rules.aoi import Aoi, acceptable
from planet_assets.rules.area import buffered
from planet_assets.rules.bundles import assignment
from planet_assets.rules.choose import wanted_types
from planet_assets.rules.estimate import Basis, estimate, in_part, routed
from planet_assets.rules.grouping import order_groups
from planet_assets.rules.naming import is_raster
from planet_assets.rules.prices import Paid, types_of
from planet_assets.rules.tariff import NOTHING, settled
from planet_assets.rules.tools import as_text, read_tools, refuse_unfit
from planet_assets.rules.udm2 import is_udm2

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

__all__ = ["DELIVERIES", "Request", "Scenes", "impact_of", "make_plan", "read_request"]

DELIVERIES = ("data", "orders", "auto")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller asks for, read and checked."""

    items: tuple[Item, ...]
    """The scenes."""
    asset_types: tuple[str, ...]
    """Asset types by Planet's names."""
    folder: Path
    """Absolute output folder."""
    roi: BaseGeometry | None = None
    """Region of interest, lon/lat."""
    clipping: Clipping | None = None
    """How to cut; None to leave files whole."""
    aoi: Aoi | None = None
    """The region as Planet's clip takes it; None where Planet is not to clip."""
    pieces: Mapping[Ref, BaseGeometry] = field(default_factory=dict)
    """Item -> the part of the region it is cut to, where each has one of its own."""
    planets_pieces: Mapping[Ref, BaseGeometry] = field(default_factory=dict)
    """The same as Planet's clip takes them."""
    naming: str = "planet"
    """planet or asset."""
    route: str = "auto"
    """data, orders, or auto for the cheaper one of each scene."""
    fallback: Mapping[str, str] = field(default_factory=dict)
    """Asset type -> what is taken of scenes that lack it."""
    tools: str = ""
    """What else Planet is to do to the files, as JSON; empty for nothing."""
    recodes: bool = False
    """True when the way a cut file is written was asked for, which Planet's clip does not follow."""
    why_data: str = ""
    """Why Planet cannot clip, in words, where auto takes whole scenes for that."""
    tariff: Tariff = Tariff()
    """By which rules Planet charges."""
    concurrent: int = 3
    """Downloads side by side."""
    anew: frozenset[Key] = frozenset()
    """Assets to fetch from Planet although they are held."""

    @property
    def reads_parts(self) -> bool:
        """True when only the region's tiles are read of whole scenes."""
        return self.clipping is not None and self.clipping.partial_read

    def cutting(self, asset_type: str) -> Clipping | None:
        """How a file is cut here; masks say themselves what is unusable, and stay whole in that."""
        clipping = self.clipping if is_raster(asset_type) else None
        if clipping is not None and is_udm2(asset_type):
            return replace(clipping, mask_unusable=False)
        return clipping

    def planets_region(self, ref: Ref) -> BaseGeometry | None:
        """What Planet clips an item to; None where Planet is not to clip."""
        return None if self.aoi is None else self.planets_pieces.get(ref, self.aoi.geometry)

    def aoi_wkt(self, ref: Ref) -> str | None:
        """The same as text, by which files are known."""
        region = self.planets_region(ref)
        return None if region is None else region.wkt


def read_request(
    scenes: Scenes,
    asset_types: Sequence[str],
    *,
    folder: str | Path,
    naming: str,
    tariff: Tariff,
    concurrent: int,
    roi: Any = None,
    clip_to_roi: Any = None,
    clipping_config: Mapping[str, Any] | None = None,
    delivery: str = "auto",
    tools: Sequence[Mapping[str, Any] | str] | None = None,
    fallback: Mapping[str, str] | None = None,
    refetch: Collection[Key] = (),
) -> Request:
    """The arguments of the public face, read and checked; nothing is asked of anyone.

    Raises:
        Misused: the first argument that cannot be meant, by name.
    """
    given = read_scenes(scenes)
    region, clipping = read_region(*as_selected(given, roi, clip_to_roi), clipping_config)
    delivery = _for_parts(delivery, clipping, clipping_config)
    if delivery not in DELIVERIES:
        raise Misused(f"delivery={delivery!r} is not known.", hint="Use data, orders or auto.", argument="delivery")
    items, types, made = given.items, tuple(wanted_types(asset_types)), read_tools(tools)
    if made:
        refuse_unfit(made, types, {item.id for item in items})
        delivery = _for_tools(delivery)
    aoi, why_data = _planets_cut(region, clipping, delivery)
    pieces = pieces_within(given, region) if clipping is not None else {}
    planets_pieces: dict[Ref, BaseGeometry] = {}
    if pieces and aoi is not None and clipping is not None:
        aoi, planets_pieces = clipped_at_planet(pieces, aoi, clipping)
    return Request(
        items=items,
        asset_types=types,
        folder=Path(folder).expanduser().absolute(),
        roi=region,
        clipping=clipping,
        aoi=aoi,
        pieces=pieces,
        planets_pieces=planets_pieces,
        naming=naming,
        route=delivery,
        tools=as_text(made),
        fallback={wanted_types(name)[0]: wanted_types(other)[0] for name, other in (fallback or {}).items()},
        recodes=bool({"output_format", "compression", "create_overview"} & (clipping_config or {}).keys()),
        why_data=why_data,
        tariff=tariff,
        concurrent=concurrent,
        anew=frozenset(refetch),
    )


def _for_parts(delivery: str, clipping: Clipping | None, options: Mapping[str, Any] | None) -> str:
    """Parts are read of whole scenes, by the Data route; an order brings no more than its clip anyway."""
    if not (options or {}).get("partial_read"):
        return delivery
    if clipping is None:
        raise Misused("partial_read needs a region.", hint="Give clip_to_roi.", argument="partial_read")
    if delivery == "orders":
        hint = "Use delivery='data', or leave partial_read out: an order brings the clip alone, and charges no more."
        raise Misused("partial_read reads whole scenes in part.", hint=hint, argument="partial_read")
    return "data"


def _for_tools(delivery: str) -> str:
    """Tools run at Planet, so that nothing but an order will do."""
    if delivery == "data":
        raise Misused("Tools run at Planet, in an order.", hint="Use delivery='auto' or 'orders'.", argument="tools")
    return "orders"


def _planets_cut(region: BaseGeometry | None, clipping: Clipping | None, delivery: str) -> tuple[Aoi | None, str]:
    """The region for Planet's clip, or why auto takes whole scenes where Planet cannot cut as is wanted.

    Raises:
        Misused: Planet cannot cut like that, and an order was asked for.
    """
    if region is None or clipping is None or delivery == "data":
        return None, ""
    try:
        if clipping.extent == "tiles":
            raise Misused(
                "extent='tiles' needs pixels outside the ROI, which Planet cuts away.",
                hint="Use extent='window', or delivery='data'.",
                argument="clipping_config",
            )
        return acceptable(buffered(region, clipping.buffer_m)), ""
    except Misused as error:
        if delivery == "orders":
            raise
        return None, error.message


def impact_of(library: Library | None, request: Request, quota: QuotaInfo, now: datetime) -> DownloadImpact:
    """What a request would cost; the library tells what is held already."""
    request = replace(request, tariff=settled(request.tariff, quota))
    chosen = look_up(library, request, now).chosen
    return _impact(request, chosen, _basis(library, request, chosen, quota.account))


def make_plan(
    library: Library, request: Request, quota: QuotaInfo, now: datetime, *, gone: Collection[tuple[str, str, str]] = ()
) -> Plan:
    """The thing a person confirms; `gone` names files of orders, by order, item and type, that are lost.

    Raises:
        Misused: an asset type that no scene has.
        Unsafe: a scene id that cannot be part of a file name.
    """
    request = replace(request, tariff=settled(request.tariff, quota))
    made = compose(library, request, now, gone) if '"composite"' in request.tools else None
    known = look_up(library, request, now, gone=gone) if made is None else made.known
    chosen = known.chosen
    refuse_unmaskable(library, request, chosen)
    basis = _basis(library, request, chosen if made is None else made.inputs, quota.account)
    impact = _with_fallbacks(_impact(request, chosen if made is None else made.inputs, basis), request)
    impact = with_removed(library, impact, chosen)
    later, coming = _later(request, chosen, basis, now) if made is None else (None, Chosen(fetch=()))
    bundles = _bundles(impact, chosen) if made is None else dict(made.bundles)
    if later is not None:
        bundles |= _bundles(later, coming)
    namer = Namer(library, request, bundles, known, {} if made is None else made.members)
    free = [(item, name, (*item.ref, name)) for item, name in chosen.held]
    wants = tuple(namer.want(item, asset_type) for item, asset_type in chosen.fetch)
    return Plan(
        id=uuid.uuid4().hex,
        made_at=now,
        wants=wants,
        impact=impact,
        verdict=allowance.judge_impact(quota, impact),
        quota=quota,
        asset_types=request.asset_types,
        roi_wkt=None if request.roi is None else request.roi.wkt,
        delivery=request.route,
        in_pieces=bool(request.pieces),
        order_count=len(set(order_groups(wants).values())),
        already_held=tuple(namer.want(item, name) for item, name, key in free if key in known.held),
        under_way=tuple(
            (namer.want(item, name), known.moving[key][0])
            for item, name, key in free
            if key in known.moving and key not in known.held
        ),
        ordered=tuple(namer.want(item, name) for item, name, key in free if key in known.standing),
        lacking=tuple((namer.want(item, name), reason) for item, name, reason in chosen.lacking),
        later=later,
        items=request.items,
        **compared(library, request),
    )


def _later(request: Request, chosen: Chosen, basis: Basis, now: datetime) -> tuple[DownloadImpact | None, Chosen]:
    """What would be charged for what is lacking and may come, and that; None where nothing is to come."""
    lacking = [(item, name) for item, name, _ in chosen.lacking if comes_later(chosen, item, name, now)]
    coming = Chosen(fetch=tuple((bare(item), name) for item, name in lacking))
    return (_impact(request, coming, basis) if lacking else None), coming


def _with_fallbacks(impact: DownloadImpact, request: Request) -> DownloadImpact:
    """The impact, saying which scenes bring something else than was asked for."""
    taken: dict[tuple[str, str], list[str]] = {}
    for item, asset_type, other in substitutes(request):
        taken.setdefault((asset_type, other), []).append(item.id)
    notes = [f"Fall-back: {other} instead of {name} of {', '.join(ids)}." for (name, other), ids in taken.items()]
    return replace(impact, assumptions=(*impact.assumptions, *notes))


def _basis(library: Library | None, request: Request, chosen: Chosen, account: str) -> Basis:
    """The rules, and what the library knows was paid for before."""
    tariff = request.tariff
    if library is None:
        return Basis(tariff=tariff)
    unlocked = ground.unlocked(library, account, tariff.term) if tariff.is_aum else NOTHING
    refs = {item.ref for item, _ in chosen.fetch} if tariff.types == "first" else set()
    paid = Paid(unlocked=unlocked, types={ref: ground.other_types(library, *ref) for ref in refs})
    return Basis(tariff=tariff, paid=paid, learned=jobs.bytes_per_km2(library))


def _impact(request: Request, chosen: Chosen, basis: Basis) -> DownloadImpact:
    clip = None if request.aoi is None else request.aoi.geometry
    region, pieces = (request.roi, request.pieces) if clip is None else (clip, request.planets_pieces)
    figures = estimate(chosen, roi=region, pieces=pieces, basis=basis, concurrent=request.concurrent)
    if request.reads_parts:
        figures = in_part(figures, chosen)
    if request.route == "data" or (request.route == "auto" and request.aoi is None):
        note = f"Whole scenes: {request.why_data}"
        return replace(figures, assumptions=(*figures.assumptions, note)) if request.why_data else figures
    cheapest = request.route == "auto"
    impact = routed(figures, chosen, clip=clip, pieces=pieces, cheapest=cheapest, basis=basis)
    more = 0.0 if request.aoi is None else request.aoi.added_km2
    note = f"The ROI was simplified for Planet's clip, which adds {more:,.4f} km² to each scene at the most."
    notes = (*([_in_pieces(request.tariff)] if request.pieces else ()), *([note] if more > 0 else ()))
    return replace(impact, assumptions=(*impact.assumptions, *notes))


def _in_pieces(tariff: Tariff) -> str:
    """What has to be known before many small clips are ordered."""
    return (
        f"Pieces: a clip is taken to charge {tariff.clip_minimum_km2:g} km² at the least (quota.clip_minimum_km2). "
        "Where a plan charges more for a small one, as some are reported to, pieces may cost more than they save."
    )


def _bundles(impact: DownloadImpact, chosen: Chosen) -> dict[Key, str]:
    """Asset -> bundle, of what is delivered by the Orders route."""
    ordered = {one.item_id for one in impact.wants if one.route == "orders"}
    return {
        (*item.ref, asset_type): bundle
        for item, types in types_of(chosen.fetch)
        if item.id in ordered
        for asset_type, bundle in assignment(types, item.assets).items()
    }

"""From scenes to a plan: choose, estimate, check. Nothing is asked of Planet here; the library is read."""

from __future__ import annotations

import math
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planet_assets.exceptions import Misused
from planet_assets.export.vector import roi_of
from planet_assets.library import copies, jobs
from planet_assets.library.engine import Library
from planet_assets.model.item import Feature, Item, items_from
from planet_assets.model.job import Clipping, DownloadJob, purchase
from planet_assets.model.plan import DownloadImpact, Plan, Want, WantImpact
from planet_assets.model.quota import QuotaInfo
from planet_assets.model.selection import Chosen
from planet_assets.rules import allowance, naming
from planet_assets.rules.aoi import Aoi, acceptable
from planet_assets.rules.area import buffered
from planet_assets.rules.bundles import assignment
from planet_assets.rules.choose import choose, wanted_types, with_ground
from planet_assets.rules.estimate import estimate, routed, types_of

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Scenes = Sequence[Feature | Item] | Mapping[str, Any]
"""GeoJSON features as a search returns them, or a FeatureCollection."""


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
    naming: str = "planet"
    """planet or asset."""
    route: str = "data"
    """data, orders, or auto for the cheaper one of each scene."""
    repeat: str = "each"
    """Whether a repeated download charges again."""
    concurrent: int = 3
    """Downloads side by side."""


def read_request(
    scenes: Scenes,
    asset_types: Sequence[str],
    *,
    folder: str | Path,
    naming: str,
    repeat: str,
    concurrent: int,
    roi: Any = None,
    clip_to_roi: Any = None,
    clipping_config: Mapping[str, Any] | None = None,
    delivery: str = "data",
) -> Request:
    """The arguments of the public face, read and checked; nothing is asked of anyone.

    Raises:
        Misused: the first argument that cannot be meant, by name.
    """
    region, clipping = read_region(roi, clip_to_roi, clipping_config)
    if delivery not in DELIVERIES:
        raise Misused(f"delivery={delivery!r} is not known.", hint="Use data, orders or auto.", argument="delivery")
    aoi = None
    if region is not None and clipping is not None and delivery != "data":
        aoi = acceptable(buffered(region, clipping.buffer_m))
    return Request(
        items=tuple(items_from(scenes)),
        asset_types=tuple(wanted_types(asset_types)),
        folder=Path(folder).expanduser().absolute(),
        roi=region,
        clipping=clipping,
        aoi=aoi,
        naming=naming,
        route=delivery,
        repeat=repeat,
        concurrent=concurrent,
    )


def impact_of(library: Library | None, request: Request) -> DownloadImpact:
    """What a request would cost; the library tells what is held already."""
    chosen = _chosen(library, request)[0]
    return _impact(library, request, chosen)


def make_plan(library: Library, request: Request, quota: QuotaInfo, now: datetime) -> Plan:
    """The thing a person confirms.

    Raises:
        Misused: an asset type that no scene has.
        Unsafe: a scene id that cannot be part of a file name.
    """
    chosen, held, under_way = _chosen(library, request)
    impact = _impact(library, request, chosen)
    namer = _Namer(library, request, _bundles(impact, chosen))
    lacking = tuple((namer.want(item, asset_type), reason) for item, asset_type, reason in chosen.lacking)
    return Plan(
        id=uuid.uuid4().hex,
        made_at=now,
        wants=tuple(namer.want(item, asset_type) for item, asset_type in chosen.fetch),
        impact=impact,
        verdict=allowance.judge_impact(quota, impact),
        quota=quota,
        asset_types=request.asset_types,
        roi_wkt=None if request.roi is None else request.roi.wkt,
        delivery=request.route,
        already_held=tuple(
            namer.want(item, asset_type, held=held.get((*item.ref, asset_type)))
            for item, asset_type in chosen.held
            if (*item.ref, asset_type) not in under_way
        ),
        under_way=tuple(
            (namer.want(item, asset_type, cut=under_way[*item.ref, asset_type][1]), under_way[*item.ref, asset_type][0])
            for item, asset_type in chosen.held
            if (*item.ref, asset_type) in under_way
        ),
        lacking=lacking,
        items=request.items,
    )


def _chosen(
    library: Library | None, request: Request
) -> tuple[Chosen, Mapping[copies.Key, copies.Held], Mapping[copies.Key, tuple[str, bool]]]:
    """What to fetch, what is held, and which jobs are under way already, each with whether Planet cuts its file."""
    keys = [(*item.ref, asset_type) for item in request.items for asset_type in wanted_types(request.asset_types)]
    wkt = None if request.aoi is None else request.aoi.geometry.wkt
    held = {} if library is None else copies.held(library, keys, cut=naming.roi_digest(wkt) if wkt else "")
    wanted = set(keys)
    moving = {} if library is None else jobs.unfinished_keys(library)
    regions = ("", purchase(("", "", ""), "orders", wkt)[3])
    under_way = {bought: job_id for bought, job_id in moving.items() if bought[3] in regions and bought[:3] in wanted}
    ours = {bought[:3]: (job_id, bought[3] != "") for bought, job_id in sorted(under_way.items(), reverse=True)}
    chosen = choose(request.items, request.asset_types, roi=request.roi, held=held.keys() | ours.keys())
    return chosen if request.aoi is None else with_ground(chosen, request.aoi.geometry), held, ours


def _impact(library: Library | None, request: Request, chosen: Chosen) -> DownloadImpact:
    figures = estimate(
        chosen,
        roi=request.roi if request.aoi is None else request.aoi.geometry,
        repeat=request.repeat,
        learned={} if library is None else jobs.bytes_per_km2(library),
        concurrent=request.concurrent,
    )
    if request.route == "data":
        return figures
    impact = routed(figures, chosen, cheapest=request.route == "auto", clips=request.aoi is not None)
    more = 0.0 if request.aoi is None else request.aoi.added_km2
    note = f"The ROI was simplified for Planet's clip, which adds {more:,.4f} km² to each scene at the most."
    return replace(impact, assumptions=(*impact.assumptions, note)) if more > 0 else impact


def _bundles(impact: DownloadImpact, chosen: Chosen) -> dict[copies.Key, str]:
    """Asset -> bundle, of what is delivered by the Orders route."""
    ordered = {one.item_id for one in impact.wants if one.route == "orders"}
    return {
        (*item.ref, asset_type): bundle
        for item, types in types_of(chosen.fetch)
        if item.id in ordered
        for asset_type, bundle in assignment(types, item.assets).items()
    }


@dataclass(slots=True)
class _Namer:
    """Gives every want its paths; two ROIs in one folder get names of their own."""

    library: Library
    request: Request
    bundles: Mapping[copies.Key, str]
    """What is ordered, by which bundle."""
    _known: dict[Path, copies.Held] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.request.clipping is None:
            return
        names = [
            self.request.folder / name(self._name(item, asset_type))
            for item in self.request.items
            for asset_type in self.request.asset_types
            for name in (naming.clipped_name, naming.ordered_name)
        ]
        self._known = copies.at(self.library, names)

    def want(self, item: Item, asset_type: str, *, held: copies.Held | None = None, cut: bool = False) -> Want:
        """`cut`: Planet is cutting it already, for a job under way."""
        request = self.request
        bundle = self.bundles.get((*item.ref, asset_type))
        if bundle is not None or cut or (held is not None and held.cut):
            return self._ordered(item, asset_type, bundle, held)
        clipping = request.clipping if naming.is_raster(asset_type) else None
        wkt = request.roi.wkt if request.roi is not None and clipping is not None else None
        path = request.folder / self._name(item, asset_type)
        return Want(
            item=item,
            asset_type=asset_type,
            roi_wkt=wkt,
            clipping=clipping,
            path=str(path),
            clipped_path=None if wkt is None else str(self._clipped(path, wkt, clipping)),
            held_path=None if held is None else str(held.path),
            held_digest=None if held is None else held.digest,
        )

    def _ordered(self, item: Item, asset_type: str, bundle: str | None, held: copies.Held | None) -> Want:
        """A file that Planet cuts, or has cut; whole where no region was given."""
        wkt = None if self.request.aoi is None else self.request.aoi.geometry.wkt
        path = self.request.folder / self._name(item, asset_type)
        if wkt is not None:
            plain = path.with_name(naming.ordered_name(path.name))
            digest, known = naming.roi_digest(wkt), self._known.get(plain)
            other = known is not None and known.cut != digest
            path = path.with_name(naming.ordered_name(path.name, digest)) if other else plain
        return Want(
            item=item,
            asset_type=asset_type,
            roi_wkt=wkt,
            route="orders",
            bundle=bundle,
            path=str(path),
            held_path=None if held is None else str(held.path),
            held_digest=None if held is None else held.digest,
        )

    def _name(self, item: Item, asset_type: str) -> str:
        return naming.file_name(item.id, asset_type, self.request.naming)

    def _clipped(self, path: Path, wkt: str, cut: Clipping | None) -> Path:
        plain = path.with_name(naming.clipped_name(path.name))
        digest = naming.roi_digest(wkt, cut)
        known = self._known.get(plain)
        if known is None or known.cut == digest:
            return plain
        return path.with_name(naming.clipped_name(path.name, digest))


def read_region(
    roi: Any, clip_to_roi: Any, options: Mapping[str, Any] | None
) -> tuple[BaseGeometry | None, Clipping | None]:
    """The region of interest and how to cut, from the arguments of the public face.

    `clip_to_roi` is a region, or True with `roi=`, or False or None; `clipping_config["clip_to_roi"] = False` also
    leaves files whole.

    Raises:
        Misused: True without a region, or what a region or an option cannot be.
    """
    clipping = read_clipping(options)
    if clip_to_roi is True and roi is None:
        raise Misused("clip_to_roi=True needs roi=.", hint="Or give the region itself.", argument="clip_to_roi")
    wanted = clip_to_roi not in (None, False) if isinstance(clip_to_roi, bool | None) else True
    wanted = wanted and bool((options or {}).get("clip_to_roi", True))
    named = clip_to_roi if not isinstance(clip_to_roi, bool) and clip_to_roi is not None else roi
    region = None if named is None else roi_of(named)
    return region, clipping if wanted and region is not None else None


def alike(jobs: Sequence[DownloadJob]) -> list[list[DownloadJob]]:
    """Jobs that were asked for in the same way, together: same asset type, route, folder, ROI and cut."""
    groups: dict[tuple[object, ...], list[DownloadJob]] = {}
    for job in jobs:
        groups.setdefault((job.asset_type, job.route, Path(job.path).parent, job.roi_wkt, job.clipping), []).append(job)
    return list(groups.values())


def read_clipping(options: Mapping[str, object] | None) -> Clipping:
    """The wiki's `clipping_config` as a `Clipping`.

    Raises:
        Misused: an unknown key, or a value that cannot be meant; by name.
    """
    known = {"clip_to_roi", "buffer_meters", "output_format", "compression", "create_overview", "extent"}
    given = dict(options or {})
    for key in given:
        if key not in known:
            raise Misused(
                f"clipping_config has an unknown key {key!r}.",
                hint=f"Known: {', '.join(sorted(known))}.",
                argument="clipping_config",
            )
    formats = {"gtiff": "GTiff", "geotiff": "GTiff", "cog": "COG"}
    return Clipping(
        buffer_m=_metres(given.get("buffer_meters", 0.0)),
        output_format=formats[_one_of(given.get("output_format", "GTiff"), formats, "output_format")],
        compression=_one_of(given.get("compression") or "none", ("lzw", "deflate", "zstd", "none"), "compression")
        if "compression" in given
        else "deflate",
        overviews=bool(given.get("create_overview", False)),
        extent=_one_of(given.get("extent", "window"), ("window", "tiles"), "extent"),
    )


def _metres(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e6:
        raise Misused(f"buffer_meters={value!r} is not a number of metres.", argument="clipping_config")
    return float(value)


def _one_of(value: object, allowed: Sequence[str] | Mapping[str, str], name: str) -> str:
    word = str(value).lower()
    if word not in allowed:
        raise Misused(f"{name}={value!r} is not known.", hint=f"Use one of {', '.join(allowed)}.", argument=name)
    return word


def only(plan: Plan, keys: Collection[tuple[str, str, str]], now: datetime) -> Plan:
    """The part of a plan that is about these assets, priced and judged anew."""
    wants = tuple(want for want in plan.wants if want.key in keys)
    pairs = {(want.item.id, want.asset_type) for want in wants}
    prices = tuple(one for one in plan.impact.wants if (one.item_id, one.asset_type) in pairs)
    impact = replace(
        plan.impact,
        wants=prices,
        scene_count=len({one.item_id for one in prices}),
        data_km2=math.fsum(one.data_km2 for one in prices),
        orders_km2=math.fsum(one.orders_km2 for one in prices),
        bytes_low=sum(one.bytes_low for one in prices),
        bytes_high=sum(one.bytes_high for one in prices),
    )
    return replace(
        plan,
        wants=wants,
        impact=impact,
        verdict=allowance.judge_impact(plan.quota, impact),
        already_held=tuple(want for want in plan.already_held if want.key in keys),
        under_way=tuple((want, job_id) for want, job_id in plan.under_way if want.key in keys),
        lacking=tuple((want, reason) for want, reason in plan.lacking if want.key in keys),
        made_at=now,
    )


def extra_plan(job: DownloadJob, km2: float, item: Item, quota: QuotaInfo, now: datetime) -> Plan:
    """What to ask when going on with a job costs more than was confirmed."""
    price = WantImpact(
        item_id=job.scene_id,
        asset_type=job.asset_type,
        data_km2=km2,
        orders_km2=km2,
        overlap_km2=math.nan,
        bytes_low=0,
        bytes_high=job.size_bytes or 0,
    )
    impact = DownloadImpact(
        route=job.route,
        wants=(price,),
        scene_count=1,
        data_km2=km2,
        orders_km2=km2,
        bytes_high=job.size_bytes or 0,
        assumptions=(
            f"{job.scene_id} was charged {job.spent_km2:,.2f} km² already; starting over may charge it again.",
        ),
    )
    want = Want(item=item, asset_type=job.asset_type, route=job.route, path=job.path)
    return Plan(
        id=job.id,
        made_at=now,
        wants=(want,),
        impact=impact,
        verdict=allowance.judge(quota, km2),
        quota=quota,
        asset_types=(job.asset_type,),
        items=(item,),
    )


def same_way(job: DownloadJob) -> dict[str, Any]:
    """The arguments of the public face that ask for a job's asset in the same way again."""
    cut = job.clipping
    options = cut and {
        "buffer_meters": cut.buffer_m,
        "output_format": cut.output_format,
        "compression": cut.compression,
        "create_overview": cut.overviews,
        "extent": cut.extent,
    }
    path = Path(job.path)
    return {
        "output_dir": path.parent,
        "delivery": job.route,
        "clip_to_roi": job.roi_wkt,
        "clipping_config": options,
        "naming": "asset" if job.asset_type in path.name else "planet",
    }

"""Which scenes, and which part of the ROI each supplies, cover it for the least quota, or most of it for a budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from planet_assets.exceptions import Misused
from planet_assets.model.clearness import ClearShare
from planet_assets.model.geometry import RoiLike, as_roi
from planet_assets.model.item import Feature, Item, items_from
from planet_assets.model.selection import PeriodCover, Selection
from planet_assets.rules.area import areas_km2, geodesic_km2
from planet_assets.rules.clearness import best_known, region_digest
from planet_assets.rules.ground import PIXEL_KM2, Candidates, robust_difference, robust_intersection, robust_union
from planet_assets.rules.setcover import Cover, best_cover

Prefer = str | Callable[[Item], float]
"""clear, recent, or a function of an item whose higher values are preferred."""

PERIODS: Mapping[str, str] = {"all": "all", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
"""Period -> its name as strftime writes it; weeks are those of ISO 8601."""

KNOWN: Mapping[str, tuple[str, ...]] = {
    "prefer": ("clear", "recent"),
    "quality": ("preferential", "standard", "any"),
    "per": tuple(PERIODS),
    "route": ("data", "orders"),
}
"""Words that an argument may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the caller asked for, checked."""

    roi: BaseGeometry
    budget_km2: float
    coverage: float
    prefer: Prefer
    quality: str
    pieces: bool
    per: str
    max_cloud: float | None
    min_clear: float | None
    clear: Mapping[str, ClearShare]
    route: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """Items that see some of the ROI, what they see, and what each would cost; arrays of shape (n,)."""

    items: list[Item]
    clips: NDArray[np.object_]
    clip_km2: NDArray[np.float64]
    full_km2: NDArray[np.float64]

    def only(self, keep: Sequence[int]) -> _Seen:
        at = np.asarray(keep, dtype=np.int64)
        items = [self.items[position] for position in keep]
        return _Seen(items=items, clips=self.clips[at], clip_km2=self.clip_km2[at], full_km2=self.full_km2[at])


def select_scenes(
    scenes: Selection | Sequence[Feature | Item] | Mapping[str, Any],
    roi: RoiLike,
    budget_km2: float | None = None,
    coverage: float = 1.0,
    prefer: Prefer = "clear",
    quality: str = "preferential",
    pieces: bool = False,
    per: str = "all",
    max_cloud: float | None = None,
    min_clear: float | None = None,
    clear: Mapping[str, float | ClearShare] | None = None,
    route: str = "orders",
) -> Selection:
    """The scenes that cover the ROI for the least quota, or as much of it as the budget buys.

    Quota comes first and `prefer` decides between equals, so a cloudy scene may be chosen because it is cheaper: say
    with `min_clear` what is too cloudy to be worth anything. With `pieces=True` every choice costs the same, the ground
    once, and each spot is supplied by the most preferred scene that sees it. Up to a dozen scenes a period the least
    charge is found exactly; among more, greedily (`rules.setcover` says how near), and there up to 2 % more is spent
    for preferred scenes. The same scenes give the same selection, in whatever order they come.

    Args:
        scenes: features as a search returns them, or items.
        roi: region of interest, lon/lat degrees.
        budget_km2: what may be charged over all periods; None for whatever it takes.
        coverage: share of the ROI to cover in each period, 0 to 1.
        prefer: clear (the largest clear share), recent, or a function of an item. Then come clearer, larger and
            newer scenes, and the id.
        quality: preferential lets scenes that are not usable only fill gaps, standard refuses them, any makes no
            difference. Usable is standard quality, with ground control, not a preview.
        pieces: each scene supplies only its own piece of the ROI; without it, all it sees of the ROI.
        per: one cover for everything, or one for each UTC day, ISO week or month.
        max_cloud: scenes with a larger cloud_cover are refused, 0 to 1.
        min_clear: scenes with a smaller clear share are refused, 0 to 1; those whose share nobody knows, too.
        clear: item id -> clear share over the ROI, 0 to 1, where it is known. Else what a search noted of the scene
            over this very ROI, else the whole scene's share.
        route: whose charge is to be least: orders (clipped) or data (whole footprints).

    Raises:
        Misused: an argument is out of its range, or a scene cannot be read.
    """
    _refuse_unknown(prefer=prefer, quality=quality, per=per, route=route)
    _refuse_out_of_range(budget_km2, coverage, max_cloud=max_cloud, min_clear=min_clear)
    given = list(scenes.get("features") or []) if isinstance(scenes, Mapping) else list(scenes)
    items, region = items_from(given), as_roi(roi)
    known = region_digest(region)
    wish = _Wish(
        roi=region,
        budget_km2=math.inf if budget_km2 is None else budget_km2,
        coverage=coverage,
        prefer=prefer,
        quality=quality,
        pieces=pieces,
        per=per,
        max_cloud=max_cloud,
        min_clear=min_clear,
        clear={item.id: best_known(item, clear or {}, known) for item in items},
        route=route,
    )
    return _select(given, items, wish)


def _select(given: Sequence[Feature | Item], items: Sequence[Item], wish: _Wish) -> Selection:
    as_given = {item.ref: scene for item, scene in zip(reversed(items), reversed(given), strict=True)}
    unique = {item.ref: item for item in reversed(items)}
    newest_first = sorted(unique.values(), key=lambda item: (-item.acquired.timestamp(), item.id))
    seen = _seen(newest_first, wish.roi)
    reasons = [_why_not(item, wish) for item in seen.items]
    usable = seen.only([position for position, reason in enumerate(reasons) if not reason])
    periods = [item.acquired.strftime(PERIODS[wish.per]) for item in usable.items]
    need_km2 = math.inf if wish.coverage >= 1 else wish.coverage * geodesic_km2(wish.roi)
    cover = best_cover(_candidates(usable, periods, wish), need_km2=need_km2, budget_km2=wish.budget_km2)
    chosen = sorted(cover.chosen, key=lambda at: (usable.items[at].acquired, usable.items[at].id))
    shares = _shares(usable, cover, wish)
    inside = {item.ref for item in seen.items}
    left_out = {item.id: "outside the ROI" for item in newest_first if item.ref not in inside}
    return Selection(
        scenes=tuple(as_given[usable.items[at].ref] for at in chosen),
        items=tuple(usable.items[at] for at in chosen),
        roi=wish.roi,
        pieces={usable.items[at].id: shares[at] for at in chosen},
        in_pieces=wish.pieces,
        **_figures(usable, chosen, shares, wish.roi),
        periods=tuple(_period(name, usable, periods, chosen, shares, wish.roi) for name in sorted(set(periods))),
        candidates=tuple(reversed(usable.items)),
        candidates_km2={"data": math.fsum(seen.full_km2), "orders": math.fsum(seen.clip_km2)},
        clear={item.id: wish.clear[item.id] for item in usable.items},
        left_out=left_out | {item.id: why for item, why in zip(seen.items, reasons, strict=True) if why},
    )


def is_usable(item: Item) -> bool:
    """Standard quality, with ground control, and not a preview; what the record does not say speaks against it."""
    says = item.properties
    is_standard = says.get("quality_category") == "standard" and says.get("publishing_stage") != "preview"
    return is_standard and says.get("ground_control") in (True, "true")


def _seen(items: list[Item], roi: BaseGeometry) -> _Seen:
    """The items that see more than a pixel of the ROI."""
    footprints = np.array([item.footprint for item in items], dtype=object)
    near = np.sort(shapely.STRtree(footprints).query(roi, predicate="intersects"))
    clips = footprints[near]
    shapely.prepare(roi)
    cut = ~shapely.covers(roi, clips)
    full_km2 = areas_km2(clips)
    clips[cut] = robust_intersection(clips[cut], roi)
    clip_km2 = full_km2.copy()
    clip_km2[cut] = areas_km2(clips[cut])
    seen = _Seen(items=[items[at] for at in near], clips=clips, clip_km2=clip_km2, full_km2=full_km2)
    return seen.only(np.flatnonzero(clip_km2 > PIXEL_KM2).tolist())


def _why_not(item: Item, wish: _Wish) -> str:
    """Why an item cannot be chosen; empty when it can."""
    if wish.max_cloud is not None and not (item.cloud_cover is not None and item.cloud_cover <= wish.max_cloud):
        cloud = "unknown" if item.cloud_cover is None else f"{item.cloud_cover:.0%}"
        return f"cloud cover {cloud}, {wish.max_cloud:.0%} are allowed"
    said = wish.clear[item.id]
    share = said.share
    if wish.min_clear is not None and not share >= wish.min_clear:
        words = "unknown" if math.isnan(share) else f"{share:.0%}"
        where = " over the ROI" if said.is_over_roi else ""
        return f"clear share{where} {words}, {wish.min_clear:.0%} are asked for"
    if wish.quality == "standard" and not is_usable(item):
        return "test quality, no ground control, or a preview"
    return ""


def _candidates(seen: _Seen, periods: Sequence[str], wish: _Wish) -> Candidates:
    costs = (
        None if wish.pieces and wish.route == "orders" else seen.clip_km2 if wish.route == "orders" else seen.full_km2
    )
    tiers = [wish.quality == "preferential" and not is_usable(item) for item in seen.items]
    return Candidates(
        clips=seen.clips,
        km2=seen.clip_km2,
        costs_km2=costs,
        scores=_scores(seen.items, wish),
        groups=np.unique(np.array(periods, dtype=str), return_inverse=True)[1].astype(np.int64),
        tiers=np.array(tiers, dtype=np.int64),
        region=wish.roi,
    )


def _scores(items: Sequence[Item], wish: _Wish) -> NDArray[np.float64]:
    """The rank of each by what is preferred, then by its clear share; equals share a rank, the unknown come last."""
    clear = [wish.clear[item.id].share for item in items]
    if callable(wish.prefer):
        wanted = [float(wish.prefer(item)) for item in items]
    else:
        wanted = clear if wish.prefer == "clear" else [item.acquired.timestamp() for item in items]
    merits = np.nan_to_num(np.array([wanted, clear], dtype=float).reshape(2, -1), nan=-math.inf, neginf=-math.inf)
    return np.unique(merits, axis=1, return_inverse=True)[1].astype(float).ravel()


def _shares(seen: _Seen, cover: Cover, wish: _Wish) -> dict[int, BaseGeometry]:
    """What each chosen scene is to supply."""
    pieces = cover.pieces if wish.pieces else seen.clips[list(cover.chosen)]
    return dict(zip(cover.chosen, pieces, strict=True))


def _figures(
    seen: _Seen, chosen: Sequence[int], shares: Mapping[int, BaseGeometry], roi: BaseGeometry
) -> dict[str, Any]:
    """Coverage, charge and gaps of some chosen scenes.

    Coverage is told from the gaps: no edge of a piece lies there, so that whole cover is 1 and not nearly so.
    """
    covered = robust_union(np.array([seen.clips[at] for at in chosen], dtype=object))
    parts = shapely.get_parts(robust_difference(roi, covered))
    parts = parts[areas_km2(parts) > PIXEL_KM2]
    gaps = shapely.multipolygons(parts)
    return {
        "coverage": max(0.0, 1.0 - geodesic_km2(gaps) / geodesic_km2(roi)) if chosen else 0.0,
        "charge_km2": {
            "data": math.fsum(seen.full_km2[at] for at in chosen),
            "orders": math.fsum(areas_km2([shares[at] for at in chosen])),
        },
        "gaps": gaps,
    }


def _period(
    name: str,
    seen: _Seen,
    periods: Sequence[str],
    chosen: Sequence[int],
    shares: Mapping[int, BaseGeometry],
    roi: BaseGeometry,
) -> PeriodCover:
    mine = [at for at in chosen if periods[at] == name]
    return PeriodCover(period=name, ids=tuple(seen.items[at].id for at in mine), **_figures(seen, mine, shares, roi))


def _refuse_unknown(**words: object) -> None:
    for argument, word in words.items():
        if word not in KNOWN[argument] and not (argument == "prefer" and callable(word)):
            hint = f"Known: {', '.join(KNOWN[argument])}."
            raise Misused(f"{argument} is {word!r}.", hint=hint, argument=argument)


def _refuse_out_of_range(budget_km2: float | None, coverage: float, **shares: float | None) -> None:
    if budget_km2 is not None and not budget_km2 >= 0:
        raise Misused(f"The budget is {budget_km2} km².", hint="Give an area of 0 or more.", argument="budget_km2")
    if not 0 < coverage <= 1:
        raise Misused(
            f"coverage is {coverage}.", hint="It is a share of the ROI, above 0 up to 1.", argument="coverage"
        )
    for argument, share in shares.items():
        if share is not None and not 0 <= share <= 1:
            raise Misused(f"{argument} is {share}.", hint="It is a share, 0 to 1: 0.2 for 20 %.", argument=argument)

"""Plans and quotas as plain text for a terminal; its tables and quantities come from the two modules beside it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from datetime import datetime

from planet_assets.model.plan import DownloadImpact, Plan, Want
from planet_assets.model.quota import QuotaInfo
from planet_assets.model.selection import USABLE_CLEAR, Selection
from planet_assets.model.tariff import Tariff
from planet_assets.rules import budgets
from planet_assets.view.tables import impact_table, jobs_table, search_table
from planet_assets.view.units import (
    count,
    exact_km2,
    human_bytes,
    human_duration,
    human_km2,
    human_time,
    named,
    plain,
)

__all__ = [
    "confirmation_dialog",
    "human_bytes",
    "human_duration",
    "human_km2",
    "impact_table",
    "jobs_table",
    "plan_text",
    "quota_lines",
    "search_table",
]

RULE = "=" * 50
WIDTH = 96
MOST_PERIODS = 31
WHY_UNKNOWN = "Planet does not say what this account may use."

ROUTE_CHARGES = {
    "data": "each whole scene, cut here or not",
    "orders": "only what Planet cuts out of the ROI",
    "mixed": "each scene by the route that costs less",
}
"""What each route of Planet charges per image, in words."""

NEW_GROUND = {
    "data": "ground of whole scenes that is not unlocked yet",
    "orders": "ground inside the ROI that is not unlocked yet",
    "mixed": "ground that is not unlocked yet",
}
"""The same under area under management."""


def route_charges(route: str, tariff: Tariff) -> str:
    """What a route charges under a tariff, in words."""
    if tariff.is_aum:
        return NEW_GROUND[route if tariff.clip_lowers or route != "orders" else "data"]
    if route == "orders" and not tariff.clip_lowers:
        return "each whole scene; a clip is declared to save nothing"
    return ROUTE_CHARGES[route]


def confirmation_dialog(plan: Plan) -> str:
    """What a person is asked to agree to, up to the line of the question."""
    impact = plan.impact
    lines = [
        RULE,
        "DOWNLOAD CONFIRMATION",
        RULE,
        f"Scenes to download: {impact.scene_count}",
        f"Asset types: {list(plan.asset_types)}",
        *_price_lines(plan),
        *_size_lines(impact),
        *_left_out_lines(plan),
        "",
        "Current Quota Status:",
        *_quota_status_lines(plan),
        *_assumption_lines(impact),
        "",
        RULE,
    ]
    return "\n".join(lines)


def plan_text(plan: Plan) -> str:
    """A plan at full length: every scene, both prices, what is left out and why, and what the quota says."""
    impact = plan.impact
    lines = [
        f"Plan {plain(plan.id)}, made {human_time(plan.made_at)}",
        f"{count(impact.scene_count, 'scene')}, {count(len(impact.wants), 'file')}: {', '.join(plan.asset_types)}",
    ]
    if math.isfinite(impact.roi_km2):
        lines.append(f"ROI: {human_km2(impact.roi_km2)}")
    lines += ["", impact_table(plan)] if impact.wants else ["", "Nothing has to be fetched."]
    lines += ["", *_price_lines(plan), *_size_lines(impact), *_left_out_lines(plan)]
    lines += ["", "Quota:", *_quota_status_lines(plan), *_assumption_lines(impact)]
    return "\n".join(lines)


def _price_lines(plan: Plan) -> list[str]:
    impact = plan.impact
    other = "orders" if impact.route == "data" else "data"
    lines = [
        f"Total estimated area: {exact_km2(impact.area_km2)}",
        f"  Charged by the {impact.route} route: {route_charges(impact.route, impact.tariff)}",
    ]
    if plan.roi_wkt is None:
        whole = NEW_GROUND["data"] if impact.tariff.is_aum else "each whole scene"
        lines[1] = f"  Charged by the {impact.route} route: {whole}; without an ROI no route costs less"
    elif math.isclose(impact.area_km2, impact.other_area_km2, rel_tol=1e-6, abs_tol=1e-6):
        lines.append(f"  The {other} route would charge the same")
    else:
        charges = route_charges(other, impact.tariff)
        lines.append(f"  The {other} route would charge {exact_km2(impact.other_area_km2)}: {charges}")
    return [*lines, *_order_lines(plan), *_way_lines(plan)]


WAYS = {
    "whole": "every scene whole",
    "clipped": "every scene clipped at Planet",
    "composites": "a composite of each day, charged by its {rule}",
    "pieces": "the best set of each day in pieces: the floor",
    "usable": "only usable scenes, clipped",
}
"""The ways to buy a region, in words."""


def way_rows(plan: Plan) -> list[tuple[str, float, str]]:
    """Words, km² and size of each way to buy the region."""
    made = {"composites": "file", "pieces": "order"}
    return [
        (
            WAYS[way.name].format(rule=way.rule),
            way.km2,
            count(way.scenes, "scene") + (f", {count(way.files, made[way.name])}" if way.name in made else ""),
        )
        for way in plan.ways
    ]


WAYS_NOTE = (
    "The first four bring the same ground of each day. Usable: standard quality, ground control, no preview, "
    f"clear >= {USABLE_CLEAR:.0%}."
)


def _way_lines(plan: Plan) -> list[str]:
    rows = way_rows(plan)
    if not rows:
        return []
    width, digits = max(len(words) for words, _, _ in rows), max(len(exact_km2(km2)) for _, km2, _ in rows)
    listed = [f"    {words:<{width}}  {exact_km2(km2):>{digits}}  {size}" for words, km2, size in rows]
    return ["  One image of each scene over this ROI would cost", *listed, *(f"  {line}" for line in _entry(WAYS_NOTE))]


def _order_lines(plan: Plan) -> list[str]:
    """How many orders it takes, where that is not simply one."""
    if plan.in_pieces:
        takes = f", in {count(plan.order_count, 'order')}: one for each piece and bundle" if plan.order_count else ""
        return [f"  Each scene is cut to its own piece of the ROI{takes}"]
    return [f"  In {count(plan.order_count, 'order')}"] if plan.order_count > 1 else []


def selection_lines(chosen: Selection) -> list[str]:
    """What a selection covers, what it costs beside all that could have been taken, and what was left out."""
    scenes = count(len(chosen.candidates), "scene")
    orders = f", in {count(len(chosen), 'order')} for each product bundle" if chosen.in_pieces else ""
    lines = [
        f"{len(chosen)} of {scenes} cover {_percent_down(chosen.coverage)} of the ROI",
        f"  {exact_km2(chosen.charge_km2['orders'])} clipped by orders{orders}; all that touch it: "
        f"{exact_km2(chosen.candidates_km2['orders'])}",
        f"  {exact_km2(chosen.charge_km2['data'])} as whole scenes; all that touch it: "
        f"{exact_km2(chosen.candidates_km2['data'])}",
    ]
    if len(chosen.periods) > 1:
        covers = [f"{one.period} {_percent_down(one.coverage)}" for one in chosen.periods]
        lines += _entry(
            f"Covered each: {', '.join(covers[:MOST_PERIODS])}{'' if len(covers) <= MOST_PERIODS else ' ...'}"
        )
    reasons: dict[str, list[str]] = {}
    for item_id, why in chosen.left_out.items():
        reasons.setdefault(why, []).append(item_id)
    lines += [line for why, ids in reasons.items() for line in _entry(f"Left out, {why}: {named(ids)}")]
    if not any(said.is_over_roi for said in chosen.clear.values()):
        lines += _entry("Clear shares are those of whole scenes: --clear-over-roi asks Planet for those over the ROI.")
    return lines


def _percent_down(share: float) -> str:
    """A share that is only called 100 % when it is."""
    return f"{math.floor(1000 * share + 1e-9) / 10:g}%"


def _size_lines(impact: DownloadImpact) -> list[str]:
    details = [count(len(impact.wants), "file")]
    if impact.bytes_low != impact.bytes_high:
        details.append(f"{human_bytes(impact.bytes_low)} to {human_bytes(impact.bytes_high)}")
    if math.isfinite(impact.seconds):
        details.append(f"about {human_duration(impact.seconds)}")
    return [f"Estimated file size: {human_bytes(impact.estimated_bytes)}", f"  {', '.join(details)}"]


def left_out(
    impact: DownloadImpact,
    lacking: Sequence[tuple[Want, str]] = (),
    under_way: Sequence[tuple[Want, str]] = (),
    ordered: Sequence[Want] = (),
    later: DownloadImpact | None = None,
) -> list[str]:
    """What is not fetched and not charged, each kind in one sentence with its reason."""
    sentences = []
    if impact.held:
        names = named(f"{item_id} {asset_type}" for item_id, asset_type in impact.held)
        sentences.append(f"Already held: {count(len(impact.held), 'file')} (0 km²), taken from the library: {names}")
    if under_way:
        names = named(f"{want.item.id} {want.asset_type}" for want, _ in under_way)
        sentences.append(f"Under way already: {count(len(under_way), 'file')} (0 km² more): {names}")
    if ordered:
        names = named(f"{want.item.id} {want.asset_type}" for want in ordered)
        sentences.append(f"Ordered before: {count(len(ordered), 'file')} (0 km²), fetched from that order: {names}")
    if impact.outside:
        sentences.append(f"Outside the ROI: {count(len(impact.outside), 'scene')}: {named(impact.outside)}")
    if impact.duplicates:
        sentences.append(f"Given twice: {count(len(impact.duplicates), 'scene')}: {named(impact.duplicates)}")
    reasons: dict[tuple[str, str], list[str]] = {}
    for want, reason in lacking:
        reasons.setdefault((want.asset_type, reason), []).append(want.item.id)
    for (asset_type, reason), ids in reasons.items():
        scenes = count(len(ids), "scene")
        sentences.append(f"Cannot be had now: {asset_type} of {scenes}: {named(ids)}: {plain(reason)}")
    if later is not None:
        files, price = count(len(later.wants), "file"), exact_km2(later.area_km2)
        sentences.append(f"Waiting: {files} may come; then asked about, {price} by the {later.route} route")
    return sentences


def left_out_of(plan: Plan) -> list[str]:
    """`left_out` of a whole plan."""
    return left_out(plan.impact, plan.lacking, plan.under_way, plan.ordered, plan.later)


def _left_out_lines(plan: Plan) -> list[str]:
    lines = [line for sentence in left_out_of(plan) for line in _entry(sentence)]
    return ["", "Left out, not charged:", *lines] if lines else []


def _quota_status_lines(plan: Plan) -> list[str]:
    quota, required = plan.quota, plan.impact.area_km2
    remaining = quota.remaining_area_km2
    lines = [
        f"  Used: {_used_of_limit(quota)}",
        f"  Remaining: {exact_km2(remaining)}",
        f"  Required: {exact_km2(required)}",
        f"  Available after download: {_available_after(plan, remaining - required)}",
        f"  Source: {source_of(quota, plan.made_at)}",
    ]
    if quota.is_known and quota.pending_km2 > 0:
        lines.insert(1, f"    of which {exact_km2(quota.pending_km2)} pending: ours, not posted by Planet yet")
    lines += [f"  Budget: {budgets.words(room)}" for room in quota.budgets]
    return lines + [line for reason in obstacles(plan) for line in _entry(reason)]


def obstacles(plan: Plan) -> tuple[str, ...]:
    """Why a plan may not be carried out as it is, or why one should look twice; a plan that fits needs no words."""
    quota, verdict = plan.quota, plan.verdict
    if verdict.word == "over":
        return verdict.reasons or ("quota exceeded: this does not fit.",)
    if not quota.is_known:
        return (f"The quota is unknown: {quota.why_unknown or WHY_UNKNOWN}",)
    if verdict.word == "near_limit":
        return ("Near the limit.", *verdict.reasons)
    return verdict.reasons if verdict.word == "unknown" else ()


def _used_of_limit(quota: QuotaInfo) -> str:
    if math.isnan(quota.limit_km2):
        return exact_km2(quota.current_usage_km2)
    used = exact_km2(quota.current_usage_km2).removesuffix(" km²")
    share = f" ({quota.usage_percentage:.1%})" if quota.is_known else ""
    return f"{used} / {exact_km2(quota.limit_km2)}{share}"


def _available_after(plan: Plan, left_km2: float) -> str:
    if left_km2 >= 0 or math.isnan(left_km2):
        return exact_km2(left_km2)
    missing_km2 = plan.verdict.shortfall_km2 if plan.verdict.word == "over" else -left_km2
    return f"none, {exact_km2(missing_km2)} missing"


def source_of(quota: QuotaInfo, now: datetime | None) -> str:
    """Who says so and when; how long ago that is, where the present is given; why it could not be asked again."""
    said = _said_by(quota, now)
    return f"{said}. Remembered: {plain(quota.not_asked)}" if quota.not_asked else said


def _said_by(quota: QuotaInfo, now: datetime | None) -> str:
    who = {"planet": "Planet", "declared": "declared in the settings"}.get(quota.source, plain(quota.source))
    if quota.as_of is None:
        return f"{who}, age unknown" if quota.is_known else who
    if now is None:
        return f"{who}, as of {human_time(quota.as_of)}"
    return f"{who}, {human_duration((now - quota.as_of).total_seconds())} ago ({human_time(quota.as_of)})"


def _assumption_lines(impact: DownloadImpact) -> list[str]:
    if not impact.assumptions:
        return []
    return ["", "Assumed:", *(line for text in impact.assumptions for line in _entry(text))]


def _entry(text: str) -> list[str]:
    """An indented line, wrapped; nothing is cut out of long words, so that ids and addresses can be copied."""
    return textwrap.wrap(
        plain(text),
        WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def quota_lines(quota: QuotaInfo, now: datetime, *, signs: str = "█▒·") -> str:
    """The quota as a bar with a legend, its reset and its age.

    Args:
        quota: What may be used.
        now: The moment its age is told for, UTC.
        signs: What used, pending and remaining are drawn with; `#+.` where a terminal has no blocks.
    """
    if quota.is_known:
        rows = [
            (f"{signs[0]} Used", exact_km2(quota.used_km2)),
            (f"{signs[1]} Pending", f"{exact_km2(quota.pending_km2)}   ours, not posted by Planet yet"),
            (f"{signs[2]} Remaining", f"{exact_km2(quota.remaining_area_km2)}   of {exact_km2(quota.limit_km2)}"),
        ]
        bar = [f"  {_bar(quota, signs)} {quota.usage_percentage:.1%}"]
        closing = ["  Near the limit."] if quota.is_near_limit else []
    else:
        rows = [("  Limit", exact_km2(quota.limit_km2)), ("  Used", exact_km2(quota.used_km2))]
        bar = []
        closing = _entry(f"The quota is unknown: {quota.why_unknown or WHY_UNKNOWN}")
    if quota.resets_at is not None:
        rows.append(("  Resets", f"{human_time(quota.resets_at)}{_ahead(quota.resets_at, now)}"))
    rows += [("  Budget", budgets.words(room)) for room in quota.budgets]
    rows.append(("  Source", source_of(quota, now)))
    width = max(len(label) for label, _ in rows)
    title = quota_title(quota)
    legend = [f"  {label:<{width}}  {value}" for label, value in rows]
    return "\n".join([f"Quota: {title}" if title else "Quota", *bar, *legend, *closing])


def quota_title(quota: QuotaInfo) -> str:
    """Plan, account, interval, and how it is charged where that is not per image, as far as they are known."""
    style = "area under management" if quota.style == "aum" else ""
    return " · ".join(plain(part) for part in (quota.plan, quota.account, quota.interval, style) if part)


def _bar(quota: QuotaInfo, signs: str, width: int = 40) -> str:
    """Used, pending and remaining of the limit; whatever is not nothing is at least one sign wide."""
    limit = quota.limit_km2 or math.inf
    used = min(width, max(round(width * quota.used_km2 / limit), int(quota.used_km2 > 0)))
    pending = min(width - used, max(round(width * quota.pending_km2 / limit), int(quota.pending_km2 > 0)))
    return signs[0] * used + signs[1] * pending + signs[2] * (width - used - pending)


def _ahead(moment: datetime, now: datetime) -> str:
    seconds = (moment - now).total_seconds()
    return f", in {human_duration(seconds)}" if seconds > 0 else ""

"""The ledger in words: what was spent on what, when, and by which script; and how it compares with Planet."""

from __future__ import annotations

import math
from collections.abc import Sequence

from planet_assets.model.spend import Drift, Reconciliation, Spend
from planet_assets.view.tables import Grid, as_text, cell_km2
from planet_assets.view.units import count, exact_km2, human_time, plain

MOST_FOUND = 20


def ledger_table(rows: Sequence[Spend]) -> str:
    """One row a row of the ledger, the oldest first."""
    if not rows:
        return "The ledger has no rows here."
    cells = [
        [
            human_time(row.at).removesuffix(" UTC"),
            row.kind,
            plain(row.item_id),
            plain(row.asset_type),
            _signed(row.spent_km2),
            _signed(row.held_km2),
            plain(row.rule),
            plain(row.by),
            plain(row.note),
        ]
        for row in rows
    ]
    spent, held = (math.fsum(values) for values in zip(*((row.spent_km2, row.held_km2) for row in rows), strict=True))
    cells.append(["total", "", "", "", cell_km2(spent), cell_km2(held), "", "", ""])
    head = ["at (UTC)", "kind", "scene", "asset", "km²", "held km²", "rule", "by", "note"]
    return as_text(Grid(head=head, rows=cells, total=True).used())


def reconciliation_text(found: Reconciliation) -> str:
    """What Planet says, what the ledger says, and every difference by name."""
    lines = [drift_words(found.drift), ""]
    if found.found:
        total = math.fsum(one.km2 for one in found.found)
        verb = "are kept in the ledger" if found.booked else "would be kept in the ledger"
        lines.append(f"{count(len(found.found), 'spend')} of others, {exact_km2(total)}, {verb}:")
        for one in found.found[:MOST_FOUND]:
            scene = one.key.split("/")[1] if one.key.count("/") == 2 else ""
            lines.append(
                f"  {human_time(one.at)}  {exact_km2(one.km2)}  {plain(scene)}  {plain(one.rule)} {plain(one.note)}"
            )
        if len(found.found) > MOST_FOUND:
            lines.append(f"  and {len(found.found) - MOST_FOUND:,} more")
    else:
        lines.append("No order of others that the ledger did not know.")
    for difference in found.differences:
        report, ledger = exact_km2(difference.report_km2), exact_km2(difference.ledger_km2)
        lines.append(f"  {plain(difference.name)}: the report says {report}, the ledger {ledger}")
    lines += [f"  {plain(problem)}" for problem in found.problems]
    if found.adjusted_km2:
        lines.append(f"The drift was accepted: {_signed(found.adjusted_km2)} km² were written as adjustment.")
    remaining = exact_km2(found.quota.remaining_area_km2)
    return "\n".join([*lines, "", f"Remaining: {remaining}, {exact_km2(found.quota.pending_km2)} pending."])


def drift_words(drift: Drift) -> str:
    """Planet's figure against the ledger, in a sentence or two."""
    span = f"since {human_time(drift.since)}"
    if not drift.is_known:
        return f"Planet posts no usage for this account; the ledger has {exact_km2(drift.possible_km2)} {span}."
    low, high = exact_km2(drift.certain_km2), exact_km2(drift.possible_km2)
    ledger = f"{high}" if low == high else f"{high}, {low} of it before {human_time(drift.settled_before)}"
    facts = f"Planet has posted {exact_km2(drift.posted_km2)} {span}; the ledger has {ledger}."
    if drift.word == "agrees":
        return f"{facts} They agree, as far as Planet has posted."
    if drift.word == "planet_more":
        return f"{facts} Drift: Planet counts {exact_km2(drift.km2)} more than the ledger can explain."
    return f"{facts} Drift: the ledger counts {exact_km2(-drift.km2)} more than Planet has posted."


def _signed(km2: float) -> str:
    return "" if km2 == 0 else f"{km2:+,.2f}"

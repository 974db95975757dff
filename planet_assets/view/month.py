"""A month as a picture: what was spent day by day, what is held, what is left, and the pace against the days gone.

Inline SVG that stands alone in a file and in a notebook. Days are UTC days, areas km².
"""

from __future__ import annotations

import math
from html import escape
from itertools import accumulate

from planet_assets.model.month import MonthReport
from planet_assets.view.marks import AMBER, BLUE, GREY, RED
from planet_assets.view.units import exact_km2, human_km2

WIDTH, HEIGHT = 720.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 14.0, 46.0, 34.0
FOREIGN = "#8b5fbf"


def month_svg(report: MonthReport) -> str:
    """The month as SVG: cumulated spend in steps, held on top of it, limit and even pace as lines."""
    top = _top(report)
    body = [
        _grid(report, top),
        _steps(report, top),
        _held(report, top),
        _limit(report, top),
        _today(report),
        _title(report),
    ]
    look = "max-width:100%;height:auto;display:block;font-family:system-ui,sans-serif"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" width="{WIDTH:.0f}" '
        f'height="{HEIGHT:.0f}" style="{look}" font-size="11" fill="currentColor" role="img" '
        f'aria-label="{escape(month_words(report))}">{"".join(body)}</svg>'
    )


def month_words(report: MonthReport) -> str:
    """The month in one sentence, for those who cannot see the picture and for the line under it."""
    parts = [f"{report.first:%B %Y}: {exact_km2(report.spent_km2)} spent by the ledger"]
    if report.foreign_km2:
        parts.append(f"of which {exact_km2(report.foreign_km2)} not ours")
    if report.held_km2:
        parts.append(f"{exact_km2(report.held_km2)} held")
    if report.is_present and report.quota.is_known:
        parts.append(f"{exact_km2(report.quota.remaining_area_km2)} left of {exact_km2(report.quota.limit_km2)}")
    if report.is_present and report.has_limit:
        ahead = _counted(report) - report.pace_km2
        parts.append(f"{human_km2(abs(ahead))} {'above' if ahead > 0 else 'below'} an even pace")
    return ", ".join(parts) + "."


def _counted(report: MonthReport) -> float:
    """Used by Planet's word and pending by ours where Planet says something, else what the ledger says."""
    return report.quota.current_usage_km2 if report.quota.is_known else report.spent_km2 + report.held_km2


def _top(report: MonthReport) -> float:
    figures = [report.spent_km2 + report.held_km2, 1.0]
    if report.has_limit:
        figures.append(report.quota.limit_km2)
    if report.is_present and report.quota.is_known:
        figures.append(_counted(report))
    return _round_up(max(figures) * 1.02)


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 4, 5, 8 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 2.5, 4, 5, 8, 10) if value <= power * step * (1 + 1e-9))


def _x(report: MonthReport, days: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * days / len(report.days)


def _y(km2: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * max(0.0, km2) / top


def _grid(report: MonthReport, top: float) -> str:
    lines = []
    for step in range(5):
        km2 = top * step / 4
        y = _y(km2, top)
        lines.append(
            f'<path d="M{LEFT:.1f} {y:.1f}H{WIDTH - RIGHT:.1f}" stroke="currentColor" stroke-opacity="0.15"/>'
            f'<text x="{LEFT - 6:.1f}" y="{y + 4:.1f}" text-anchor="end" fill-opacity="0.75">{km2:,.6g}</text>'
        )
    for number in range(1, len(report.days) + 1):
        if number == 1 or number % 5 == 0:
            x = _x(report, number - 0.5)
            place = f'x="{x:.1f}" y="{HEIGHT - BOTTOM + 15:.1f}" text-anchor="middle" fill-opacity="0.75"'
            lines.append(f"<text {place}>{number}</text>")
    caption = f'x="{WIDTH - RIGHT:.1f}" y="{HEIGHT - 4:.1f}" text-anchor="end" fill-opacity="0.6"'
    return "".join(lines) + f"<text {caption}>day of {report.first:%B %Y}, UTC; km²</text>"


def _steps(report: MonthReport, top: float) -> str:
    """Cumulated spend up to today, ours below and that of others above it."""
    shown = math.ceil(report.gone_days) or (0 if report.now < report.first else 1)
    days = report.days[: min(shown, len(report.days))]
    ours = list(accumulate(day.ours_km2 for day in days))
    total = list(accumulate(day.ours_km2 + day.foreign_km2 for day in days))
    areas = [_area(report, total, top, FOREIGN)] if report.foreign_km2 else []
    areas.append(_area(report, ours, top, BLUE))
    hints = []
    for number, (day, sum_km2) in enumerate(zip(days, total, strict=True)):
        if day.ours_km2 or day.foreign_km2:
            x, width = _x(report, number), _x(report, 1) - _x(report, 0)
            words = f"{day.day}: {exact_km2(day.ours_km2)}"
            words += f" and {exact_km2(day.foreign_km2)} not ours" if day.foreign_km2 else ""
            y = _y(sum_km2, top)
            place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{HEIGHT - BOTTOM - y:.1f}"'
            hints.append(f'<rect {place} fill="transparent"><title>{escape(words)}</title></rect>')
    return "".join(areas) + "".join(hints)


def _area(report: MonthReport, sums: list[float], top: float, colour: str) -> str:
    if not sums or max(sums) <= 0:
        return ""
    path = f"M{LEFT:.1f} {_y(0, top):.1f}"
    for number, km2 in enumerate(sums):
        path += f"V{_y(km2, top):.1f}H{_x(report, number + 1):.1f}"
    return f'<path d="{path}V{_y(0, top):.1f}Z" fill="{colour}" fill-opacity="0.75"/>'


def _held(report: MonthReport, top: float) -> str:
    """What is reserved, on today's column above what is spent."""
    if report.held_km2 <= 0 or not report.is_present:
        return ""
    number = min(int(report.gone_days), len(report.days) - 1)
    high, low = _y(report.spent_km2 + report.held_km2, top), _y(report.spent_km2, top)
    x, width = _x(report, number), _x(report, 1) - _x(report, 0)
    place = f'x="{x:.1f}" y="{high:.1f}" width="{width:.1f}" height="{max(1.5, low - high):.1f}"'
    return f'<rect {place} fill="{AMBER}"><title>{escape(exact_km2(report.held_km2))} held</title></rect>'


def _limit(report: MonthReport, top: float) -> str:
    if not report.has_limit:
        return ""
    y, end = _y(report.quota.limit_km2, top), WIDTH - RIGHT
    words = escape(f"limit {exact_km2(report.quota.limit_km2)}")
    limit = (
        f'<path d="M{LEFT:.1f} {y:.1f}H{end:.1f}" stroke="{RED}" stroke-width="1.5"/>'
        f'<text x="{LEFT + 4:.1f}" y="{y - 4:.1f}" fill="{RED}">{words}</text>'
    )
    pace = f'<path d="M{LEFT:.1f} {_y(0, top):.1f}L{end:.1f} {y:.1f}" stroke="{GREY}" stroke-dasharray="5 4"/>'
    if not report.is_present:
        return limit + pace
    x, posted = _x(report, report.gone_days), _y(_counted(report), top)
    dot = (
        f'<circle cx="{x:.1f}" cy="{posted:.1f}" r="4" fill="none" stroke="currentColor" stroke-width="1.5">'
        f"<title>used and pending: {escape(exact_km2(_counted(report)))}</title></circle>"
    )
    left = (
        f'<path d="M{x:.1f} {y:.1f}V{posted - 5:.1f}" stroke="currentColor" stroke-opacity="0.45" '
        'stroke-dasharray="1 3"/>'
        if report.quota.remaining_area_km2 > 0 and posted - 5 > y
        else ""
    )
    return limit + pace + left + dot


def _today(report: MonthReport) -> str:
    if not report.is_present:
        return ""
    x = _x(report, report.gone_days)
    return f'<path d="M{x:.1f} {HEIGHT - BOTTOM:.1f}v5" stroke="currentColor" stroke-width="2"/>'


def _title(report: MonthReport) -> str:
    figures = [(BLUE, f"spent {human_km2(report.spent_km2 - report.foreign_km2)}")]
    if report.foreign_km2:
        figures.append((FOREIGN, f"not ours {human_km2(report.foreign_km2)}"))
    if report.is_present:
        figures.append((AMBER, f"held {human_km2(report.held_km2)}"))
        figures.append(("", f"left {human_km2(report.quota.remaining_area_km2)}"))
    if report.has_limit:
        figures.append((GREY, "even pace"))
    parts, x = [], LEFT + 4.0
    for colour, words in figures:
        ground = f'fill="{colour}"' if colour else 'fill="none" stroke="currentColor" stroke-opacity="0.5"'
        parts.append(f'<rect x="{x:.1f}" y="20" width="10" height="10" {ground}/>')
        parts.append(f'<text x="{x + 14:.1f}" y="29">{escape(words)}</text>')
        x += 30.0 + 6.2 * len(words)
    name = f'<text x="{LEFT + 4:.1f}" y="13" font-size="13" font-weight="600">{report.first:%B %Y}</text>'
    return name + "".join(parts)

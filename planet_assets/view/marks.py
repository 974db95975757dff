"""The pieces notebook pages are put together from: tables, badges, swatches and bars as HTML with its style inline.

Nothing is loaded and nothing runs. Text has the colour of its surroundings, and grounds are faint tints of middle
colours, so that one page serves light and dark themes. Whatever enters as text is escaped here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from planet_assets.view.tables import NUMBERS, PROSE, Grid

BLUE, AMBER, GREEN, RED, GREY = "#3b82c4", "#d99a1c", "#2f9e62", "#dc4c45", "#8a8f98"
MOST_ROWS = 500
OPEN_ROWS = 12  # longer tables are folded

_PAGE = "font-family:system-ui,sans-serif;font-size:13px;line-height:1.5;max-width:860px;margin:4px 0"
_FAINT = "rgba(128,134,144,0.28)"


def page(*blocks: str) -> str:
    """Blocks one below the other."""
    return f'<div style="{_PAGE}">{"".join(blocks)}</div>'


def heading(words: str, aside: str = "", badge_html: str = "") -> str:
    """A title with something quieter beside it."""
    quiet_look = "opacity:0.7;margin-right:8px;white-space:nowrap"
    quiet = f'<span style="{quiet_look}">{escape(aside)}</span>' if aside else ""
    title = f'<b style="font-size:14px;margin-right:8px">{escape(words)}</b>'
    return f'<div style="margin-bottom:6px">{title}{quiet}{badge_html}</div>'


def badge(words: str, colour: str) -> str:
    """A word on a tinted ground."""
    look = f"border:1px solid {colour};background:{colour}26;border-radius:9px;padding:1px 8px;white-space:nowrap"
    return f'<span style="{look};margin-right:6px;font-size:12px">{escape(words)}</span>'


def note(words: str, *, colour: str = "") -> str:
    """A quiet line, or one with a coloured edge that wants to be read."""
    if colour:
        return (
            f'<div style="border-left:3px solid {colour};background:{colour}1a;padding:4px 10px;margin:6px 0">'
            f"{escape(words)}</div>"
        )
    return f'<div style="opacity:0.75">{escape(words)}</div>'


def points(title: str, sentences: Iterable[str]) -> str:
    """A list under a title; nothing when there is nothing to say."""
    entries = "".join(f'<li style="margin:1px 0">{escape(sentence)}</li>' for sentence in sentences)
    if not entries:
        return ""
    listed = f'<ul style="margin:2px 0 0 18px;padding:0">{entries}</ul>'
    return f'<div style="margin-top:8px"><b>{escape(title)}</b>{listed}</div>'


def stacked_bar(shares: Sequence[tuple[float, str, str]], *, label: str, tick: float | None = None) -> str:
    """A bar of shares (0 to 1 of its width, colour, words), with a tick where one has to watch out."""
    width, height, x = 720.0, 20.0, 0.0
    pieces = []
    for share, colour, words in shares:
        # what is not nothing stays visible, and nothing runs over the end
        piece = min(width - x, max(width * share, 2.0)) if share > 0 else 0.0
        if piece > 0:
            pieces.append(
                f'<rect x="{x:.1f}" y="2" width="{piece:.1f}" height="{height:.0f}" fill="{colour}">'
                f"<title>{escape(words)}</title></rect>"
            )
        x += piece
    mark = (
        f'<path d="M{width * tick:.1f} 0V{height + 4:.0f}" stroke="currentColor" stroke-dasharray="3 2"/>'
        if tick is not None and 0 < tick < 1
        else ""
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height + 4:.0f}" width="{width:.0f}" '
        f'style="max-width:100%;height:auto;display:block" role="img" aria-label="{escape(label)}">'
        f'<rect x="0.5" y="2.5" width="{width - 1:.0f}" height="{height - 1:.0f}" fill="currentColor" '
        f'fill-opacity="0.07" stroke="currentColor" stroke-opacity="0.3"/>{"".join(pieces)}{mark}</svg>'
    )


def legend(entries: Iterable[tuple[str, str, str]]) -> str:
    """Swatch, name and value of each part of a bar; no colour is an empty swatch."""
    parts = []
    for colour, name, value in entries:
        ground = f"background:{colour}" if colour else "background:rgba(128,134,144,0.14);outline:1px solid " + _FAINT
        swatch = f'<span style="display:inline-block;width:10px;height:10px;margin-right:6px;{ground}"></span>'
        words = f"{swatch}{escape(name)} <b>{escape(value)}</b>"
        parts.append(f'<span style="margin-right:22px;white-space:nowrap">{words}</span>')
    return f'<div style="margin:5px 0">{"".join(parts)}</div>'


def card(title: str, figure: str, words: str, *, colour: str = "") -> str:
    """A figure with what it means; a coloured one is the one that counts."""
    edge = f"border:2px solid {colour}" if colour else f"border:1px solid {_FAINT}"
    return (
        f'<div style="{edge};border-radius:6px;padding:6px 14px;min-width:150px">'
        f'<div style="opacity:0.75;font-size:12px">{escape(title)}</div>'
        f'<div style="font-size:19px;font-weight:600;white-space:nowrap">{escape(figure)}</div>'
        f'<div style="opacity:0.75;font-size:12px">{escape(words)}</div></div>'
    )


def row(blocks: Iterable[str]) -> str:
    """Blocks side by side, as far as the page is wide."""
    return f'<div style="display:flex;flex-wrap:wrap;gap:10px;margin:8px 0">{"".join(blocks)}</div>'


def progress(percent: float, colour: str) -> str:
    """A small bar of what has arrived."""
    done = f"width:{min(max(percent, 0.0), 100.0):.0f}%;height:5px;background:{colour}"
    inner = f'<span style="display:block;{done}"></span>'
    return f'<span style="display:inline-block;width:64px;background:{_FAINT};vertical-align:middle">{inner}</span>'


def table(grid: Grid, *, title: str, html_columns: Iterable[str] = ()) -> str:
    """A table, folded when it is long; the cells of `html_columns` are HTML of ours, all others are escaped."""
    ours = set(html_columns)
    edge = f"border-bottom:1px solid {_FAINT}"
    tail = grid.rows[-1:] if grid.total else []
    body = grid.rows[: len(grid.rows) - len(tail)]
    head = "".join(_cell("th", name, name, f"{edge};font-weight:600") for name in grid.head)
    lines = [
        "".join(
            _cell("td", name, cell, edge + (";font-weight:600" if line in tail else ""), raw=name in ours)
            for name, cell in zip(grid.head, line, strict=True)
        )
        for line in [*body[:MOST_ROWS], *tail]
    ]
    rows = "".join(f'<tr style="background:none">{line}</tr>' for line in [head, *lines])
    more = note(f"{len(body) - MOST_ROWS:,} more rows are not shown.") if len(body) > MOST_ROWS else ""
    is_open = " open" if len(body) <= OPEN_ROWS else ""
    cells = f'<table style="border-collapse:collapse;font-size:12px;margin:4px 0">{rows}</table>'
    summary = f'<summary style="cursor:pointer">{escape(title)}</summary>'
    return (
        f'<details{is_open} style="margin-top:8px">{summary}<div style="overflow-x:auto">{cells}</div>{more}</details>'
    )


def _cell(tag: str, column: str, text: str, look: str, *, raw: bool = False) -> str:
    words = text if raw else escape(text)
    wrapping = "normal;overflow-wrap:anywhere;min-width:170px" if column == PROSE else "nowrap"
    place = f"text-align:{'right' if column in NUMBERS else 'left'};white-space:{wrapping}"
    return f'<{tag} style="{place};padding:3px 12px 3px 0;vertical-align:top;{look}">{words}</{tag}>'

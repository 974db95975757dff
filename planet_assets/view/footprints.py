"""Footprints as a map in SVG: when each scene was taken by its colour, the ROI over them, and where on Earth it is.

Everything stands in the text itself: no network, no script, no style sheet that could leak into a page. Lines and
letters take the colour of the text around them, so that the map is legible on light and on dark.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from planet_assets.model.item import Item
from planet_assets.view.globe import globe_svg
from planet_assets.view.units import human_cloud, human_time, plain

KM_PER_DEGREE = 111.32  # along a meridian, near enough for a scale bar
MOST_DRAWN = 1500
LEFT_PX, BOTTOM_PX, SIDE_PX, TOP_PX = 52.0, 24.0, 142.0, 6.0
DATE_COLOURS = ((70, 104, 222), (28, 158, 160), (222, 165, 38), (226, 84, 46))
NOT_CHOSEN = "#8a8f98"
FAINT = 'fill-opacity="0.04" stroke-width="0.8" stroke-opacity="0.6"'
ROI_COLOUR = "#d6246e"
GAP_LOOK = 'fill="#d6246e" fill-opacity="0.3" stroke="#d6246e" stroke-width="1.4" stroke-dasharray="4 3"'
LABEL_PX = (36.0, 14.0)
"""Room that a label takes, across and down."""
NEAR = 0.25
"""Air around the ROI where its pieces are drawn, as a share of its size."""
PAPER = (
    "<style>svg{color:#1b2129;background:#ffffff}"
    "@media (prefers-color-scheme:dark){svg{color:#e3e8ee;background:#12161c}}</style>"
)
"""A sheet for a picture that is a file of its own: nothing around it says what is light or dark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A stretch of the globe in lon/lat degrees and the pixels it is drawn on; plate carrée, true at its middle."""

    west: float
    """Left edge, degrees; may lie beyond 180."""
    south: float
    """Lower edge, degrees."""
    east: float
    """Right edge, degrees."""
    north: float
    """Upper edge, degrees."""
    width_px: float
    """Width of the map."""
    height_px: float
    """Height of the map."""

    def pixels(self, lonlat: np.ndarray) -> np.ndarray:
        """Lon/lat degrees as px from the upper left corner of the picture."""
        x = LEFT_PX + (lonlat[:, 0] - self.west) / (self.east - self.west) * self.width_px
        y = TOP_PX + (self.north - lonlat[:, 1]) / (self.north - self.south) * self.height_px
        return np.column_stack([x, y])

    @property
    def km_per_px(self) -> float:
        """Ground along the middle parallel."""
        km = (self.east - self.west) * KM_PER_DEGREE * math.cos(math.radians((self.south + self.north) / 2))
        return km / self.width_px


def footprints_svg(
    items: Sequence[Item],
    roi: BaseGeometry | None = None,
    *,
    chosen: Collection[str] | None = None,
    pieces: Mapping[str, BaseGeometry] | None = None,
    gaps: BaseGeometry | None = None,
    land: Mapping[str, Any] | None = None,
    width: int = 640,
) -> str:
    """A map of scenes and their region of interest; the same input gives the same text.

    Args:
        items: The scenes; of very many, the first are drawn and the map says so.
        roi: Region of interest, lon/lat degrees.
        chosen: Ids that stand out; the others are drawn grey. None for all.
        pieces: Id -> the part that the scene is to supply, lon/lat; it is filled, and its footprint only outlined.
        gaps: Ground of the ROI that nothing covers, lon/lat.
        land: GeoJSON FeatureCollection for the small globe; None for Natural Earth.
        width: Width of the picture in px.
    """
    ordered = sorted(items, key=lambda item: (item.acquired, item.id))
    drawn = ordered[:MOST_DRAWN]
    shapes = [item.footprint for item in drawn if not item.footprint.is_empty]
    shapes += [roi] if roi is not None and not roi.is_empty else []
    if not shapes:
        return '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 0 0" width="0" height="0"></svg>'
    turn = _across_the_antimeridian(shapes)
    near = [roi.buffer(NEAR * max(_size(roi)))] if pieces and roi is not None and not roi.is_empty else shapes
    frame = _frame([_turned(one, turn) for one in near], max(200.0, width - LEFT_PX - SIDE_PX))
    height = TOP_PX + max(frame.height_px, 250.0) + BOTTOM_PX
    title = f"Footprints of {len(items):,} scenes"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" width="{width}" '
        f'style="max-width:100%;height:auto" role="img" aria-label="{title}" '
        'font-family="system-ui,sans-serif" font-size="11" fill="currentColor">',
        _graticule(frame),
        *_within(frame, _footprints(drawn, chosen, frame, turn, outlines=bool(pieces))),
        *_within(frame, _pieces(drawn, pieces or {}, frame, turn)),
        _roi(roi, frame, turn, filled=not pieces),
        _gaps(gaps, frame, turn),
        _scale_bar(frame),
        _side(ordered, roi, _Marks(chosen, bool(pieces), gaps), width - SIDE_PX + 18, _middle(roi, shapes), land),
        _not_drawn(len(items) - len(drawn), width - SIDE_PX + 18, height - 8),
        "</svg>",
    ]
    return "".join(parts)


def on_paper(svg: str) -> str:
    """A map as a file of its own, on light paper or dark."""
    head, rest = svg.split(">", 1)
    return f"{head}>{PAPER}{rest}\n"


def _across_the_antimeridian(shapes: Sequence[BaseGeometry]) -> bool:
    """True when the shapes lie on both sides of 180 degrees and are nearer to each other that way round."""
    west, _, east, _ = shapely.total_bounds(shapes)
    if east - west <= 180:
        return False
    longitudes = shapely.get_coordinates(shapes)[:, 0]
    turned = np.where(longitudes < 0, longitudes + 360, longitudes)
    return float(np.ptp(turned)) < float(np.ptp(longitudes))


def _turned(geometry: BaseGeometry, turn: bool) -> BaseGeometry:
    if not turn:
        return geometry
    return shapely.transform(
        geometry, lambda xy: np.column_stack([np.where(xy[:, 0] < 0, xy[:, 0] + 360, xy[:, 0]), xy[:, 1]])
    )


def _frame(shapes: Sequence[BaseGeometry], width_px: float) -> Frame:
    """The bounds of the shapes with some air, grown to a shape that is neither a strip nor a tower."""
    west, south, east, north = (float(edge) for edge in shapely.total_bounds(shapes))
    squeeze = max(0.05, math.cos(math.radians((south + north) / 2)))
    wide, high = max((east - west) * squeeze, 0.002), max(north - south, 0.002)
    wide, high = 1.08 * wide, 1.08 * high
    wide, high = max(wide, high / 1.05), max(high, wide / 1.9)
    lon, lat = (west + east) / 2, (south + north) / 2
    return Frame(
        west=lon - wide / squeeze / 2,
        east=lon + wide / squeeze / 2,
        south=max(-90.0, lat - high / 2),
        north=min(90.0, lat + high / 2),
        width_px=width_px,
        height_px=width_px * high / wide,
    )


def _size(geometry: BaseGeometry) -> tuple[float, float]:
    west, south, east, north = geometry.bounds
    return east - west, north - south


def _within(frame: Frame, parts: list[str]) -> list[str]:
    """Parts cut off at the frame: a nested picture clips without an id, which two maps of a page would share."""
    box = f'x="{LEFT_PX}" y="{TOP_PX}" width="{frame.width_px:.1f}" height="{frame.height_px:.1f}"'
    inner = f"{LEFT_PX} {TOP_PX} {frame.width_px:.1f} {frame.height_px:.1f}"
    return [f'<svg {box} viewBox="{inner}" overflow="hidden">', *parts, "</svg>"] if parts else []


def _footprints(
    items: Sequence[Item], chosen: Collection[str] | None, frame: Frame, turn: bool, *, outlines: bool = False
) -> list[str]:
    """One path a scene, earlier ones below, chosen ones on top; the more there are, the fainter each is filled."""
    stands_out = [chosen is None or item.id in chosen for item in items]
    dates = [item.acquired.timestamp() for item in items]
    first, span = min(dates, default=0.0), (max(dates, default=0.0) - min(dates, default=0.0)) or 1.0
    filled = 0.0 if outlines else max(0.05, min(0.3, 1.6 / max(1, sum(stands_out))))
    bright = f'fill-opacity="{filled:.2f}" stroke-width="1.2"'
    paths: tuple[list[str], list[str]] = ([], [])
    for item, date, out in zip(items, dates, stands_out, strict=True):
        colour = _date_colour((date - first) / span) if out else NOT_CHOSEN
        label = escape(f"{plain(item.id)} · {human_time(item.acquired)} · cloud {human_cloud(item.cloud_cover)}")
        paths[out].append(
            f'<path d="{_path(_turned(item.footprint, turn), frame)}" fill="{colour}" stroke="{colour}" '
            f'{bright if out else FAINT} stroke-linejoin="round"><title>{label}</title></path>'
        )
    return [*paths[False], *paths[True]]


def _pieces(items: Sequence[Item], pieces: Mapping[str, BaseGeometry], frame: Frame, turn: bool) -> list[str]:
    """The part that each scene is to supply, in the colour of its date."""
    dates = [item.acquired.timestamp() for item in items]
    first, span = min(dates, default=0.0), (max(dates, default=0.0) - min(dates, default=0.0)) or 1.0
    filled = max(0.15, min(0.55, 2.2 / max(1, len(pieces))))
    paths = []
    for item, date in zip(items, dates, strict=True):
        piece = pieces.get(item.id)
        if piece is None or piece.is_empty:
            continue
        colour = _date_colour((date - first) / span)
        label = escape(f"Piece of {plain(item.id)} · {human_time(item.acquired)}")
        paths.append(
            f'<path d="{_path(_turned(piece, turn), frame)}" fill="{colour}" fill-opacity="{filled:.2f}" '
            f'stroke="{colour}" stroke-width="1.6" stroke-linejoin="round"><title>{label}</title></path>'
        )
    return [*paths, *_labels([item for item in items if item.id in pieces], pieces, frame, turn)]


def _labels(items: Sequence[Item], pieces: Mapping[str, BaseGeometry], frame: Frame, turn: bool) -> list[str]:
    """The day of each piece in its middle, where there is room for it."""
    taken: list[tuple[float, float]] = []
    labels = []
    for item in sorted(items, key=lambda item: pieces[item.id].area):
        middle = _turned(pieces[item.id].representative_point(), turn)
        x, y = frame.pixels(shapely.get_coordinates(middle))[0]
        if any(abs(x - left) < LABEL_PX[0] and abs(y - top) < LABEL_PX[1] for left, top in taken):
            continue
        taken.append((x, y))
        words = item.acquired.strftime("%m-%d")
        labels.append(f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" font-weight="600">{words}</text>')
    return labels


def _gaps(gaps: BaseGeometry | None, frame: Frame, turn: bool) -> str:
    if gaps is None or gaps.is_empty:
        return ""
    return f'<path d="{_path(_turned(gaps, turn), frame)}" {GAP_LOOK}><title>gap: nothing covers it</title></path>'


def _roi(roi: BaseGeometry | None, frame: Frame, turn: bool, *, filled: bool) -> str:
    if roi is None or roi.is_empty:
        return ""
    d = _path(_turned(roi, turn), frame)
    return (
        f'<path d="{d}" fill="{ROI_COLOUR}" fill-opacity="{0.10 if filled else 0:.2f}" stroke="{ROI_COLOUR}" '
        'stroke-width="2.4" stroke-linejoin="round"><title>region of interest</title></path>'
    )


def _path(geometry: BaseGeometry, frame: Frame) -> str:
    commands = []
    for polygon in getattr(geometry, "geoms", [geometry]):
        if not isinstance(polygon, Polygon):
            continue
        for ring in (polygon.exterior, *polygon.interiors):
            pixels = frame.pixels(shapely.get_coordinates(ring))[:-1]
            commands.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in pixels) + "Z")
    return "".join(commands)


def _date_colour(share: float) -> str:
    """A colour between the first date (0) and the last (1); each of them reads on light and on dark."""
    position = min(max(share, 0.0), 1.0) * (len(DATE_COLOURS) - 1)
    below = min(int(position), len(DATE_COLOURS) - 2)
    mixed = (
        round(low + (high - low) * (position - below))
        for low, high in zip(DATE_COLOURS[below], DATE_COLOURS[below + 1], strict=True)
    )
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def _graticule(frame: Frame) -> str:
    """The frame with meridians and parallels at round degrees."""
    right, bottom = LEFT_PX + frame.width_px, TOP_PX + frame.height_px
    lines, labels = [], []
    for lon in _round_steps(frame.west, frame.east, frame.width_px / 95):
        x = frame.pixels(np.array([[lon, frame.south]]))[0, 0]
        lines.append(f"M{x:.1f} {TOP_PX:.1f}V{bottom:.1f}")
        labels.append(f'<text x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{_degrees(lon, "EW")}</text>')
    for lat in _round_steps(frame.south, frame.north, frame.height_px / 75):
        y = frame.pixels(np.array([[frame.west, lat]]))[0, 1]
        lines.append(f"M{LEFT_PX:.1f} {y:.1f}H{right:.1f}")
        labels.append(f'<text x="{LEFT_PX - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{_degrees(lat, "NS")}</text>')
    return (
        f'<rect x="{LEFT_PX}" y="{TOP_PX}" width="{frame.width_px:.1f}" height="{frame.height_px:.1f}" rx="3" '
        'fill-opacity="0.035" stroke="currentColor" stroke-opacity="0.3"/>'
        f'<path d="{"".join(lines)}" fill="none" stroke="currentColor" stroke-opacity="0.14"/>'
        f'<g fill-opacity="0.75">{"".join(labels)}</g>'
    )


def _round_steps(low: float, high: float, wanted: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two values; about as many as wanted."""
    step = _round_number((high - low) / max(2.0, wanted))
    first = math.ceil(low / step)
    return [round(number * step, 10) for number in range(first, math.floor(high / step) + 1)]


def _round_number(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999)


def _degrees(value: float, signs: str) -> str:
    """`9.2°E`; longitudes beyond 180 are told from the other side."""
    value = value - 360 if value > 180 else value + 360 if value < -180 else value
    sign = "" if value == 0 or abs(value) == 180 else signs[value < 0]
    return f"{abs(value):.6g}°{sign}"


def _scale_bar(frame: Frame) -> str:
    km = _round_number(frame.km_per_px * 60)
    length = km / frame.km_per_px
    x, y = LEFT_PX + 12, TOP_PX + frame.height_px - 12
    words = f"{km:g} km" if km >= 1 else f"{km * 1000:g} m"
    return (
        f'<path d="M{x:.1f} {y - 5:.1f}V{y:.1f}H{x + length:.1f}V{y - 5:.1f}" fill="none" stroke="currentColor" '
        f'stroke-width="1.6"/><text x="{x + length / 2:.1f}" y="{y - 6:.1f}" text-anchor="middle">{words}</text>'
    )


@dataclass(frozen=True, slots=True)
class _Marks:
    """What is marked on the map besides the scenes."""

    chosen: Collection[str] | None
    pieces: bool
    gaps: BaseGeometry | None


def _side(
    items: Sequence[Item],
    roi: BaseGeometry | None,
    marks: _Marks,
    x: float,
    centre: Point,
    land: Mapping[str, Any] | None,
) -> str:
    """The column beside the map: the globe, and what the colours mean."""
    parts = [globe_svg(centre, land, x=x + 50, y=TOP_PX + 52, radius_px=50)]
    y = TOP_PX + 130.0
    if items:
        parts.append(_date_legend(items, x, y))
        y += 62
    if roi is not None and not roi.is_empty:
        parts.append(
            _key(x, y, f'fill="{ROI_COLOUR}" fill-opacity="0.1" stroke="{ROI_COLOUR}" stroke-width="2"', "ROI")
        )
        y += 19
    for look, words in _marked(items, marks):
        parts.append(_key(x, y, look, words))
        y += 19
    return "".join(parts)


def _marked(items: Sequence[Item], marks: _Marks) -> list[tuple[str, str]]:
    """What stands beside the map about scenes chosen and not, pieces and gaps."""
    keys = []
    if marks.chosen is not None:
        mine = sum(item.id in marks.chosen for item in items)
        colour = _date_colour(0.5)
        look = f'fill="{colour}" fill-opacity="{0.5 if marks.pieces else 0.25}" stroke="{colour}" stroke-width="1.2"'
        keys.append((look, f"{mine:,} {'pieces' if marks.pieces else 'chosen'}"))
        if mine < len(items):
            keys.append((f'fill="none" stroke="{NOT_CHOSEN}"', f"{len(items) - mine:,} not chosen"))
    if marks.gaps is not None and not marks.gaps.is_empty:
        keys.append((GAP_LOOK, "gap"))
    return keys


def _not_drawn(number: int, x: float, y: float) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}">{number:,} more not drawn</text>' if number > 0 else ""


def _date_legend(items: Sequence[Item], x: float, y: float) -> str:
    """The colours of the dates, as a row of patches: a gradient needs an id, which two maps of a page would share."""
    first, last = (moment.strftime("%Y-%m-%d") for moment in (items[0].acquired, items[-1].acquired))
    patches = 25 if first != last else 1
    wide = 104 / patches
    row = "".join(
        f'<rect x="{x + wide * n:.2f}" y="{y:.1f}" width="{wide + 0.3:.2f}" height="8" '
        f'fill="{_date_colour(n / max(1, patches - 1))}"/>'
        for n in range(patches)
    )
    scenes = f"{len(items):,} scene{'' if len(items) == 1 else 's'}"
    last_line = f'<text x="{x + 104:.1f}" y="{y + 38:.1f}" text-anchor="end">{last}</text>' if patches > 1 else ""
    return (
        f'<text x="{x:.1f}" y="{y - 6:.1f}" font-weight="600">{scenes}</text>{row}'
        f'<text x="{x:.1f}" y="{y + 22:.1f}">{first}</text>{last_line}'
    )


def _key(x: float, y: float, look: str, words: str) -> str:
    return (
        f'<rect x="{x + 1:.1f}" y="{y - 5:.1f}" width="16" height="10" rx="1" {look}/>'
        f'<text x="{x + 24:.1f}" y="{y + 4:.1f}">{escape(words)}</text>'
    )


def _middle(roi: BaseGeometry | None, shapes: Sequence[BaseGeometry]) -> Point:
    subject = roi if roi is not None and not roi.is_empty else shapes[0]
    return subject.representative_point()

"""Reading a usage report of Planet's: CSV whose columns are recognised by what their names say."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime

from planet_assets.exceptions import Misused
from planet_assets.model.spend import ReportLine

DATES = ("date", "day", "time", "created", "downloaded", "ordered")
ITEMS = ("item id", "scene id", "image id", "item", "scene", "image", "asset id")
AREAS = ("area", "sqkm", "km2", "km²", "sq km", "quota", "hectare", "sqm")
_FORMS = ("%Y/%m/%d", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d", "%b %d, %Y", "%d %b %Y")


def read_report(text: str) -> list[ReportLine]:
    """The lines of a report; those without an area, such as totals without a date, are left out.

    Raises:
        Misused: no column tells the date or the area, or a line cannot be read, by its number.
    """
    lines = text.lstrip("\ufeff").splitlines()
    head = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=head.count)
    table = list(csv.reader(lines, delimiter=separator))
    start = next((n for n, row in enumerate(table) if any(cell.strip() for cell in row)), None)
    if start is None:
        raise Misused("The usage report is empty.", argument="report")
    names = [re.sub(r"[\s_\-]+", " ", cell).strip().lower() for cell in table[start]]
    day, item = _column(names, DATES), _column(names, ITEMS)
    area = _column([name if n not in (day, item) else "" for n, name in enumerate(names)], AREAS)
    if day is None or area is None:
        missing = "date" if day is None else "area"
        hint = f"Its columns: {', '.join(names)}."
        raise Misused(f"No column of the usage report tells the {missing}.", hint=hint, argument="report")
    scale = _scale(names[area])
    found = []
    for number, row in enumerate(table[start + 1 :], start + 2):
        cells = [*row, *([""] * (len(names) - len(row)))]
        if not cells[day].strip() or not cells[area].strip():
            continue
        try:
            km2 = _number(cells[area], separator) * scale
            line = ReportLine(day=_day(cells[day]), km2=km2, item_id="" if item is None else cells[item].strip())
        except ValueError as error:
            raise Misused(f"Line {number} of the usage report: {error}.", argument="report") from None
        found.append(line)
    return found


def _column(names: Sequence[str], words: Sequence[str]) -> int | None:
    """The first column whose name holds one of the words; earlier words say it better."""
    return next((number for word in words for number, name in enumerate(names) if word in name), None)


def _scale(name: str) -> float:
    """km² of one unit of the column."""
    if re.search(r"\bha\b|hectare", name):
        return 0.01
    return 1e-6 if re.search(r"(?<!k)m2\b|(?<!k)m²|\bsqm\b|square met", name) else 1.0


def _number(text: str, separator: str) -> float:
    digits = text.strip().replace(" ", "").replace("\u00a0", "")
    if "," in digits and "." in digits:
        thousands = "," if digits.rindex(".") > digits.rindex(",") else "."
        digits = digits.replace(thousands, "").replace(",", ".")
    elif "," in digits:
        digits = digits.replace(",", "." if separator != "," else "")
    value = float(digits)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{text!r} is no area")
    return value


def _day(text: str) -> date:
    text = text.strip()
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        pass
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    raise ValueError(f"{text!r} is no date")

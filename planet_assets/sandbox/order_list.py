"""The list of orders: its filters, its order and its pages.

Source: names and meaning of the parameters are the SDK's, confirmed. The page size, the form of the marker and that
one number is an exact moment are assumed. Everyone's orders on the subscription are listed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any

from . import answers
from .order_asks import Refused

PAGE = 20
LARGEST_PAGE = 500
STATES = ("queued", "running", "failed", "success", "partial", "cancelled")
_SORTED_BY = ("name", "created_on", "state", "last_modified")
_Test = Callable[[dict[str, Any]], bool]


def page(
    rows: list[dict[str, Any]], parameters: dict[str, str], users: dict[str, int]
) -> tuple[list[dict[str, Any]], str | None]:
    """One page of the rows that match, and the marker of the next one.

    Raises:
        Refused: a parameter is malformed.
    """
    tests = _tests(parameters, users)
    found = _ordered([row for row in rows if all(test(row) for test in tests)], parameters.get("sort_by"))
    size = parameters.get("page_size", str(PAGE))
    if not size.isdigit() or not 1 <= int(size) <= LARGEST_PAGE:
        raise Refused(page_size=f"Must be a number from 1 to {LARGEST_PAGE}")
    start = _start(found, parameters.get("page_marker"))
    end = start + int(size)
    return found[start:end], _marker(found[end - 1]["id"]) if end < len(found) else None


def _tests(parameters: dict[str, str], users: dict[str, int]) -> list[_Test]:
    tests: list[_Test] = []
    for name, value in parameters.items():
        if name == "state":
            if value not in STATES:
                raise Refused(state=f"Bad state '{value}'")
            tests.append(_equals("state", value))
        elif name == "source_type" and value != "all":
            tests.append(_equals("source_type", value))
        elif name == "name":
            tests.append(_equals("name", value))
        elif name == "name__contains":
            tests.append(lambda row, value=value: value in row["name"])  # type: ignore[misc]
        elif name in ("created_on", "last_modified"):
            tests.append(_between(name, value))
        elif name == "hosting":
            wanted = value.lower() == "true"
            tests.append(lambda row, wanted=wanted: bool(row.get("hosting")) == wanted)  # type: ignore[misc]
        elif name == "destination_ref":
            tests.append(
                lambda row, value=value: (row["delivery"].get("destination") or {}).get("ref") == value  # type: ignore[misc]
            )
        elif name == "user_id" and value != "all":
            if not value.isdigit():
                raise Refused(user_id="Must be a number or 'all'")
            tests.append(lambda row, value=value: users.get(row["id"]) == int(value))  # type: ignore[misc]
    return tests


def _equals(name: str, value: str) -> _Test:
    return lambda row: row[name] == value


def _between(name: str, value: str) -> _Test:
    """A moment, or an interval that `..` leaves open."""
    first, slash, last = value.partition("/")
    try:
        start = None if first == ".." else answers.moment(first)
        end = start if not slash else None if last == ".." else answers.moment(last)
    except ValueError:
        raise Refused(**{name: f"'{value}' is neither a date-time nor an interval"})

    def within(row: dict[str, Any]) -> bool:
        at: datetime = answers.moment(row[name])
        return (start is None or at >= start) and (end is None or at <= end)

    return within


def _ordered(rows: list[dict[str, Any]], sort_by: str | None) -> list[dict[str, Any]]:
    """Rows by the fields of `sort_by`, the newest first without it."""
    rows = sorted(rows, key=lambda row: str(row["id"]))
    for part in reversed((sort_by or "created_on DESC").split(",")):
        name, _, way = part.strip().partition(" ")
        if name not in _SORTED_BY or way.upper() not in ("", "ASC", "DESC"):
            raise Refused(sort_by=f"Bad sort '{part}'")
        rows.sort(key=lambda row, name=name: _key(row, name), reverse=way.upper() == "DESC")  # type: ignore[misc]
    return rows


def _key(row: dict[str, Any], name: str) -> Any:
    return answers.moment(row[name]) if name in ("created_on", "last_modified") else row[name]


def _start(rows: list[dict[str, Any]], marker: str | None) -> int:
    """Where the page after the marked order begins."""
    if marker is None:
        return 0
    at = [index for index, row in enumerate(rows) if _marker(row["id"]) == marker]
    if not at:
        raise Refused(page_marker="Not a valid page marker")
    return at[0] + 1


def _marker(order_id: str) -> str:
    return base64.urlsafe_b64encode(order_id.encode()).decode().rstrip("=")

"""Lists as the account service pages them: limit and offset, filters by `{field}__{operator}`, fields, sort.

Source: the SDK's quota client and Planet's notebook, confirmed; `%` as the wildcard of `like` is assumed.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from . import answers


def page(request: Request, rows: list[dict[str, Any]], parameters: Mapping[str, str]) -> Response:
    """A page by limit and offset, of the rows that pass the filters; `next` is null on the last one."""
    try:
        limit, offset = (int(request.query_params.get(name, least)) for name, least in (("limit", 50), ("offset", 0)))
        for name, value in parameters.items():
            if name not in ("limit", "offset", "fields", "sort"):
                field, _, operator = name.partition("__")
                rows = [row for row in rows if _passes(row[field], operator or "eq", value)]
        sort = parameters.get("sort")
        if sort:
            rows = sorted(rows, key=lambda row: row[sort.lstrip("-")], reverse=sort.startswith("-"))
        fields = parameters.get("fields")
        shown = [{f: row[f] for f in fields.split(",")} if fields else row for row in rows[offset : offset + limit]]
    except (KeyError, ValueError, TypeError) as error:
        return answers.message(400, f"Bad parameter: {error}")

    def at(start: int) -> str:
        asked = dict(request.query_params) | {"limit": str(limit), "offset": str(start)}
        return f"{answers.origin(request)}{request.url.path}?{urlencode(asked)}"

    meta = {
        "args": {"limit": limit, "offset": offset},
        "count": len(rows),
        "next": at(offset + limit) if offset + limit < len(rows) else None,
        "prev": at(max(0, offset - limit)) if offset > 0 else None,
    }
    return answers.as_json({"meta": meta, "results": shown})


_OPERATORS: dict[str, Callable[[Any, str], bool]] = {
    "eq": lambda held, value: bool(held == _like(held, value)),
    "ne": lambda held, value: bool(held != _like(held, value)),
    "lt": lambda held, value: bool(held < _like(held, value)),
    "lte": lambda held, value: bool(held <= _like(held, value)),
    "gt": lambda held, value: bool(held > _like(held, value)),
    "gte": lambda held, value: bool(held >= _like(held, value)),
    "like": lambda held, value: fnmatch.fnmatchcase(str(held), value.replace("%", "*")),
    "ilike": lambda held, value: fnmatch.fnmatchcase(str(held).lower(), value.lower().replace("%", "*")),
    "icontains": lambda held, value: value.lower() in str(held).lower(),
    "isnull": lambda held, value: (held is None) == (value.lower() == "true"),
    "in": lambda held, value: str(held) in value.split(","),
    "notin": lambda held, value: str(held) not in value.split(","),
}


def _passes(held: Any, operator: str, value: str) -> bool:
    return _OPERATORS[operator](held, value)


def _like(held: Any, value: str) -> Any:
    """A parameter as the type of what it is compared with."""
    return type(held)(value) if isinstance(held, int | float) else value

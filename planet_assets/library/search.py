"""Finds elements: a question becomes SQL over `element_key`, which has every value of every element under its key.

Why a table of values and not an index for each key: people invent keys as they go, and a search by any of them has to
be quick without anybody having configured it, on both engines, with the same answer. What no index can say (regular
expressions, members of lists) narrows by SQL first and is then decided element by element; regular expressions are
RE2's, whose time grows with the text and no faster.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from planet_assets.exceptions import Misused
from planet_assets.library import element_rows
from planet_assets.library.element_rows import chunks
from planet_assets.library.engine import Library, lease_time
from planet_assets.library.team_schema import element, element_key
from planet_assets.model.element import Element
from planet_assets.model.query import (
    Compare,
    Contains,
    Every,
    Exists,
    Length,
    Member,
    Node,
    Not,
    Null,
    Regex,
    Some,
    Word,
)
from planet_assets.rules.elements import indexed
from planet_assets.rules.matching import ORDER, PROSE, matches
from planet_assets.rules.query import certain

MOST_IDS = 100_000
"""How many ids one answer has at the most."""
OPERATORS: dict[str, Any] = dict(ORDER)
"""They make conditions of columns as well."""
PEEK = 5000
"""How far rows are counted when it is decided where to begin."""


class Page(NamedTuple):
    """Part of an answer."""

    ids: list[str]
    """Ids of the elements, sorted."""
    total: int
    """How many there are without paging."""


def search(
    library: Library,
    node: Node,
    *,
    now: datetime,
    seen_by: str | None = None,
    sort: Sequence[tuple[str, bool]] = (),
    limit: int | None = None,
    offset: int = 0,
) -> Page:
    """Ids of the elements that answer a question, by id or as sorted.

    Args:
        library: where.
        node: the question.
        now: by which leases are judged.
        seen_by: name of somebody who sees only what they wrote.
        sort: keys to sort by, and whether downward.
        limit: how many ids at the most.
        offset: how many to leave out first.

    Raises:
        Misused: a regular expression is none.
    """
    if seen_by is not None:
        node = Every((node, Compare("author", "=", text=seen_by)))
    expressions = {one: _expression(one) for one in _regexes(node)}
    most = MOST_IDS if limit is None else min(limit, MOST_IDS)
    with library.read() as connection:
        asked = _Question(connection, lease_time(connection, now), expressions)
        return asked.page(asked.resolved(node), sort, most, offset)


def first(library: Library, node: Node, *, now: datetime, seen_by: str | None = None) -> Element | None:
    """The first element that answers a question; None when none does."""
    page = search(library, node, now=now, seen_by=seen_by, limit=1)
    with library.read() as connection:
        found = element_rows.fetch(connection, page.ids, now=lease_time(connection, now))
    return found.get(page.ids[0]) if page.ids else None


@dataclass(frozen=True)
class _Question:
    connection: sa.Connection
    now: datetime
    expressions: dict[Regex, Any]

    def resolved(self, node: Node) -> Node:
        """An id between slashes is meant as such if there is one."""
        if isinstance(node, Every):
            return Every(tuple(self.resolved(part) for part in node.parts))
        if isinstance(node, Regex) and node.or_exactly:
            exactly = Compare(node.key, "=", text=f"/{node.pattern}/")
            query = self._ids(exactly).limit(1)
            return exactly if self.connection.execute(query).first() else node
        return node

    def page(self, node: Node, sort: Sequence[tuple[str, bool]], most: int, offset: int) -> Page:
        parts = node.parts if isinstance(node, Every) else (node,)
        exact = tuple(part for part in parts if _is_exact(part))
        rest = tuple(part for part in parts if not _is_exact(part))
        query = self._ids(Every((*exact, *(_hint(part) for part in rest))))
        if rest:
            found = self._filtered(query, rest[0] if len(rest) == 1 else Every(rest))
            return Page(self._sorted(found, sort)[offset : offset + most], len(found))
        if sort:
            found = self._all(query)
            return Page(self._sorted(found, sort)[offset : offset + most], len(found))
        ordered_query = query.order_by(query.selected_columns[0])
        ids = list(self.connection.execute(ordered_query.limit(most).offset(offset)).scalars())
        if len(ids) < most and (ids or offset == 0):
            return Page(ids, offset + len(ids))
        count = sa.select(sa.func.count()).select_from(query.subquery())
        return Page(ids, self.connection.execute(count).scalar_one())

    def _all(self, query: sa.Select[Any]) -> list[str]:
        return list(self.connection.execute(query).scalars())

    def _filtered(self, query: sa.Select[Any], rest: Node) -> list[str]:
        def found(expression: Regex, text: str) -> bool:
            return self.expressions[expression].search(text) is not None

        if isinstance(rest, Regex) and rest.key == "_id":
            search = self.expressions[rest].search
            return [one for one in self._all(query.order_by(sa.text("1"))) if search(one)]
        if _keys(rest) <= {"_id"}:
            return [one for one in self._all(query.order_by(sa.text("1"))) if matches(rest, {"_id": one}, found)]
        ids = query.subquery()
        rows = sa.select(element.c.id, element.c.doc).join(ids, ids.c[0] == element.c.id).order_by(element.c.id)
        return [
            one for one, doc in self.connection.execute(rows) if matches(rest, {"_id": one, **json.loads(doc)}, found)
        ]

    def _ids(self, node: Node) -> sa.Select[Any]:
        """Ids of the elements that answer: begun at the part that fewest answer, or at all elements."""
        parts = list(node.parts) if isinstance(node, Every) else [node]
        starts = [(part, found) for part in parts if (found := self._starts(part))]
        if not starts:
            conditions = [self._condition(part, element.c.id) for part in parts]
            return sa.select(element.c.id).where(element.c.deleted_at.is_(None), *conditions)
        chosen, ways = min(starts, key=lambda start: self._size(*start)) if len(starts) > 1 else starts[0]
        begun: sa.Select[Any] = ways[0] if len(ways) == 1 else sa.select(sa.union(*ways).subquery().c[0])
        rest = [part for part in parts if part is not chosen]
        ids = begun.where(*(self._condition(part, begun.selected_columns[0]) for part in rest))
        return ids if len(ways) > 1 or _is_once(chosen) else ids.distinct()

    def _size(self, part: Node, starts: list[sa.Select[Any]]) -> int:
        """How many rows it begins with, as far as it is worth counting."""
        if isinstance(part, Word | Some | Contains):
            return PEEK
        some = sa.union_all(*(sa.select(one.limit(PEEK).subquery()) for one in starts)).subquery()
        return int(self.connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())

    def _starts(self, node: Node) -> list[sa.Select[Any]]:
        """Where the elements that answer can be read off indexes, together; nothing for what is no beginning."""
        if isinstance(node, Word):
            sign = _like(node)
            rows = element_key.alias()
            prose = (rows.c.key.in_(PROSE), rows.c.kind == "s", rows.c.text.ilike(sign, escape="\\"))
            named = (element.c.deleted_at.is_(None), element.c.id.ilike(sign, escape="\\"))
            return [sa.select(rows.c.element_id).where(*prose), sa.select(element.c.id).where(*named)]
        if isinstance(node, Contains) and node.key == "_id":
            return [sa.select(element.c.id).where(_contains(node, element.c.id), element.c.deleted_at.is_(None))]
        if isinstance(node, Contains) and node.key != "lock":
            rows = element_key.alias()
            return [sa.select(rows.c.element_id).where(rows.c.key == node.key, _contains(node, rows.c.text))]
        if isinstance(node, Some):
            found = [self._starts(part) for part in node.parts]
            return [one for some in found for one in some] if all(found) else []
        if not isinstance(node, Compare | Exists | Null | Length):
            return []
        if node.key == "_id":
            return [sa.select(element.c.id).where(_of_id(node, element.c.id), element.c.deleted_at.is_(None))]
        if node.key == "lock":
            return [sa.select(element.c.id).where(self._locked(node, element))]
        rows = element_key.alias()
        return [sa.select(rows.c.element_id).where(rows.c.key == node.key, way) for way in _ways(node, rows)]

    def _condition(self, node: Node, column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        """Whether the element of a row answers."""
        if isinstance(node, Every):
            return sa.and_(sa.true(), *(self._condition(part, column) for part in node.parts))
        if isinstance(node, Some):
            return sa.or_(sa.false(), *(self._condition(part, column) for part in node.parts))
        if isinstance(node, Not):
            return sa.not_(self._condition(node.part, column))
        if isinstance(node, Word):
            sign = _like(node)
            in_id = column.ilike(sign, escape="\\")
            rows = element_key.alias()
            holds = (rows.c.key.in_(PROSE), rows.c.kind == "s", rows.c.text.ilike(sign, escape="\\"))
            return sa.or_(in_id, sa.exists().where(rows.c.element_id == column, *holds))
        if isinstance(node, Contains):
            rows = element_key.alias()
            mine = (rows.c.element_id == column, rows.c.key == node.key, _contains(node, rows.c.text))
            return _contains(node, column) if node.key == "_id" else sa.exists().where(*mine)
        assert isinstance(node, Compare | Exists | Null | Length)
        if node.key == "_id":
            return _of_id(node, column)
        if node.key == "lock":
            locked = element.alias()
            return sa.exists().where(locked.c.id == column, self._locked(node, locked))
        rows = element_key.alias()
        return sa.exists().where(
            rows.c.element_id == column, rows.c.key == node.key, sa.or_(sa.false(), *_ways(node, rows, is_known=True))
        )

    def _locked(self, node: Compare | Exists | Null | Length, rows: sa.FromClause) -> sa.ColumnElement[bool]:
        here = sa.and_(rows.c.lock_owner.is_not(None), rows.c.lock_until > self.now)
        if isinstance(node, Exists):
            return here
        if isinstance(node, Compare) and node.text is not None:
            return sa.and_(here, _holds(node, rows.c.lock_owner, node.text))
        return sa.false()

    def _sorted(self, ids: list[str], sort: Sequence[tuple[str, bool]]) -> list[str]:
        """In the order of keys: what lacks one before numbers, numbers before texts, and then by id.

        The planners of both engines can be led astray by sorted joins over a table of values; two plain reads cannot.
        """
        found = sorted(ids)
        for key, is_down in reversed(sort):
            if key == "_id":
                found.sort(reverse=is_down)
                continue
            ranks = self._ranks(key, is_down, found)
            found.sort(key=lambda one, ranks=ranks: ranks.get(one, _LACKING), reverse=is_down)  # type: ignore[misc]
        return found

    def _ranks(self, key: str, is_down: bool, ids: list[str]) -> dict[str, _Rank]:
        """By what each element is sorted: the least (or greatest) of its values under a key."""
        rows, best = element_key.alias(), sa.func.max if is_down else sa.func.min
        columns = (rows.c.element_id, best(rows.c.number), best(rows.c.text))
        query = sa.select(*columns).where(rows.c.key == key, rows.c.kind.in_(("s", "n", "b")))
        query = query.group_by(rows.c.element_id)
        parts = [query] if len(ids) > PEEK else [query.where(rows.c.element_id.in_(some)) for some in chunks(ids)]
        return {
            one: (1, number, "") if number is not None else (2, 0.0, words)
            for part in parts
            for one, number, words in self.connection.execute(part)
        }


_Rank = tuple[int, float, str]
_LACKING: _Rank = (0, 0.0, "")


def _expression(node: Regex) -> Any:
    try:
        import re2
    except ImportError:
        raise Misused(
            "A search by regular expression needs google-re2.", hint='pip install "planet-assets[server]"'
        ) from None
    options = re2.Options()
    options.case_sensitive = not node.ignore_case
    options.log_errors = False
    options.max_mem = 4 * 2**20
    pattern = f"(?m){node.pattern}" if node.multi_line else node.pattern
    try:
        return re2.compile(pattern, options)
    except re2.error:
        raise Misused(
            f"{node.pattern[:60]!r} is no regular expression here.",
            hint="They are RE2's: without look-ahead and back-references.",
            argument="query",
        ) from None


def _is_exact(node: Node) -> bool:
    """True when SQL alone decides it."""
    if isinstance(node, Every | Some):
        return all(_is_exact(part) for part in node.parts)
    if isinstance(node, Not):
        return _is_exact(node.part)
    return not isinstance(node, Regex | Member)


def _hint(node: Node) -> Node:
    """What SQL can say about a part that it cannot decide: at least all that answer it."""
    if isinstance(node, Regex) and len(piece := certain(node)) > 1:
        return Contains(node.key, piece)
    if isinstance(node, Regex | Member):
        return Exists(node.key) if node.key != "_id" else Every()
    if isinstance(node, Every):
        return Every(tuple(part if _is_exact(part) else _hint(part) for part in node.parts))
    if isinstance(node, Some):
        return Some(tuple(part if _is_exact(part) else _hint(part) for part in node.parts))
    return Every()


def _regexes(node: Node) -> Iterator[Regex]:
    if isinstance(node, Every | Some):
        for part in node.parts:
            yield from _regexes(part)
    elif isinstance(node, Not):
        yield from _regexes(node.part)
    elif isinstance(node, Member):
        yield from _regexes(node.node)
    elif isinstance(node, Regex):
        yield node


def _keys(node: Node) -> set[str]:
    return set(_walk(node))


def _walk(node: Node) -> Iterator[str]:
    if isinstance(node, Every | Some):
        for part in node.parts:
            yield from _walk(part)
    elif isinstance(node, Not):
        yield from _walk(node.part)
    else:
        yield from PROSE if isinstance(node, Word) else (node.key,)


def _of_id(node: Compare | Exists | Null | Length, column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    if isinstance(node, Compare) and node.text is not None:
        return _holds(node, column, node.text)
    return sa.true() if isinstance(node, Exists) else sa.false()


def _ways(
    node: Compare | Exists | Null | Length, rows: sa.FromClause, *, is_known: bool = False
) -> list[sa.ColumnElement[bool]]:
    """Each way in which a value may answer, of which each reads an index.

    Where the element `is_known`, its few values are looked at: a range would tempt SQLite to read it for each element.
    """
    if isinstance(node, Exists):
        return [sa.true()]
    if isinstance(node, Null):
        return [rows.c.kind == "z"]
    if isinstance(node, Length):
        return [sa.and_(rows.c.kind == "a", rows.c.text == str(node.members))]
    is_range, ways = is_known and node.op != "=", []
    if node.text is not None:
        words = rows.c.text + "" if is_range else rows.c.text
        ways.append(sa.and_(_holds(node, words, indexed(node.text)), rows.c.kind == "s"))
    if node.number is not None:
        ways.append(_holds(node, rows.c.number + 0 if is_range else rows.c.number, node.number))
    if node.truth is not None:
        ways.append(sa.and_(rows.c.text == ("true" if node.truth else "false"), rows.c.kind == "b"))
    return ways


def _is_once(node: Node) -> bool:
    """True when no element can be found twice at such a beginning: its values are kept once each."""
    if isinstance(node, Compare):
        return node.op == "=" or node.key in ("_id", "lock")
    return isinstance(node, Length) or (isinstance(node, Exists) and node.key in ("_id", "lock"))


def _contains(node: Contains, column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether a text has it; one that the index has shortened may."""
    return sa.or_(column.like(_like(node), escape="\\"), column.like("%\x1f%"))


def _like(node: Word | Contains) -> str:
    text = node.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{text}%"


def _holds(node: Compare, column: sa.ColumnElement[Any], value: str | float) -> sa.ColumnElement[bool]:
    found: sa.ColumnElement[bool] = OPERATORS[node.op](column, value)
    return found

"""Many at once: no update is lost, of those who race for a lock one wins, and a search says what the documents say."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from teams import addresses, running

from planet_assets.library import element_events, elements
from planet_assets.library import search as library_search
from planet_assets.library.engine import Library
from planet_assets.model.query import Regex
from planet_assets.rules import elements as rules
from planet_assets.rules import query_mongo
from planet_assets.rules.matching import matches
from planet_assets.rules.query import certain, parsed

WRITERS, COUNTERS = 16, 4
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ids = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def team(request, tmp_path_factory):
    with addresses(request.param, tmp_path_factory.mktemp("races")) as address, running(address) as made:
        for number in range(WRITERS):
            made.add(f"w{number}", "editor")
        yield made


def at_once(team, work):
    """One call for each writer, all begun together; their answers."""
    gate = threading.Barrier(WRITERS)

    def begun(number):
        client = team.by(f"w{number}")
        gate.wait()
        return work(client, number)

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(begun, range(WRITERS)))


def counted_up(client, path, times):
    """Add one so many times, each time to what was read."""
    done = 0
    while done < times:
        read = client.get(f"/v1/elements/{path}")
        counter = read.json()["document"]["counter"]
        reply = client.patch(
            f"/v1/elements/{path}", json={"counter": counter + 1}, headers={"If-Match": read.headers["etag"]}
        )
        assert reply.status_code in (200, 412)
        done += reply.status_code == 200


def no_update_is_lost(team, times):
    path = f"counter-{next(ids)}"
    team.by("admin").post("/api/create", json={"_id": path, "counter": 0}).raise_for_status()

    def write(client, number):
        for turn in range(times):
            reply = client.put("/api/update", json={"_id": path, f"k{number}": turn})
            assert reply.status_code == 200 and reply.json()[f"k{number}"] == turn
        if number < COUNTERS:
            counted_up(client, path, max(1, times // 10))

    at_once(team, write)
    [found] = elements.read(team.library, [path], now=NOW)
    ones = COUNTERS * max(1, times // 10)
    assert found.document["counter"] == ones
    assert all(found.document[f"k{number}"] == times - 1 for number in range(WRITERS))
    assert found.rev == 1 + WRITERS * times + ones
    told, after = [], 0
    while some := element_events.after(team.library, after, element_id=path):
        told, after = told + some, some[-1].sequence
    assert [one.rev for one in told] == list(range(1, found.rev + 1)), "each change is an event, in their order"


def test_sixteen_writers_lose_no_update(team):
    no_update_is_lost(team, 2)


@pytest.mark.soak
def test_sixteen_writers_lose_no_update_of_many(team):
    no_update_is_lost(team, 1000)


def test_of_sixteen_who_race_for_a_lock_one_wins(team):
    for _ in range(2):
        a, b = f"/lock/{next(ids)}", f"/lock/{next(ids)}"
        team.by("admin").post("/api/create", json=[{"_id": a}, {"_id": b}]).raise_for_status()
        wanted = [a, b] if next(ids) % 2 else [b, a]
        statuses = at_once(team, lambda client, _, wanted=wanted: client.put("/api/lock/", json=wanted).status_code)
        assert sorted(statuses) == [200] + [409] * (WRITERS - 1)
        winner = f"w{statuses.index(200)}"
        assert {one["lock"] for one in team.by("admin").post("/api/read", json=[a, b]).json()} == {winner}


def test_of_sixteen_who_publish_a_file_one_does(team):
    asked = {"_id": f"/publish/{next(ids)}", "comment": "c", "origin": "o"}
    statuses = at_once(team, lambda client, _: client.post("/api/publish/", json=asked).status_code)
    assert sorted(statuses) == [201] + [409] * (WRITERS - 1)
    found = team.by("admin").get(f"/api/search/%23parent:{asked['_id']}").json()
    assert len(found) == 1, "one child, in the same transaction"


# What the index says is what the documents say

KEYS = st.sampled_from(["a", "b", "tags"])
SCALARS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from(["x", "y", "1", "true", "xylophone", "é\u0001"]),
    st.booleans(),
    st.floats(-2, 2),
)
DOCUMENTS = st.dictionaries(
    KEYS, st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(KEYS, SCALARS, max_size=2)), max_size=3
)
NUMBERS = st.one_of(st.integers(-3, 3), st.floats(-2, 2), st.sampled_from(["x", "y", "1"]))
CONDITIONS = st.one_of(
    SCALARS,
    st.builds(lambda op, value: {op: value}, st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), NUMBERS),
    st.builds(lambda op, value: {op: value}, st.sampled_from(["$eq", "$ne"]), SCALARS),
    st.builds(lambda op, some: {op: some}, st.sampled_from(["$in", "$nin", "$all"]), st.lists(SCALARS, max_size=3)),
    st.builds(lambda value: {"$exists": value}, st.booleans()),
    st.builds(lambda value: {"$size": value}, st.integers(0, 3)),
    st.builds(
        lambda value: {"$regex": value}, st.sampled_from(["x", "^y", "1$", ".y.", "xyl", "lop+h", "^xy.*ne$", "é"])
    ),
    st.builds(lambda value: {"$not": {"$gt": value}}, st.integers(-3, 3)),
    st.builds(lambda value: {"$elemMatch": {"$gt": value}}, st.integers(-3, 3)),
    st.just(None),
)
QUERIES = st.recursive(
    st.dictionaries(st.sampled_from(["a", "b", "tags", "tags.a", "author"]), CONDITIONS, max_size=2),
    lambda inner: st.builds(
        lambda op, some: {op: some}, st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def library(request, tmp_path_factory):
    with addresses(request.param, tmp_path_factory.mktemp("search")) as address:
        made = Library(address)
        yield made
        made.close()


def found_re2(node, text):
    import re2

    return re2.search(node.pattern, text) is not None


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents=st.lists(DOCUMENTS, min_size=1, max_size=5), queries=st.lists(QUERIES, min_size=1, max_size=6))
def test_a_search_says_what_the_documents_say(library, documents, queries):
    tag = f"t{next(ids)}"
    made = elements.create(
        library, [{"_id": f"{tag}/{n}", **each, "tag": tag} for n, each in enumerate(documents)], by="ann", now=NOW
    )
    kept = {one.id: {"_id": one.id, **one.document} for one in made}
    for asked in queries:
        query = {"$and": [{"tag": tag}, asked]}
        node = query_mongo.parsed(query)
        expected = sorted(one for one, document in kept.items() if matches(node, document, found_re2))
        page = library_search.search(library, node, now=NOW)
        assert (page.ids, page.total) == (expected, len(expected)), asked
        by_key = library_search.search(library, node, now=NOW, sort=[("a", True), ("b", False)])
        assert sorted(by_key.ids) == expected
        part = library_search.search(library, node, now=NOW, limit=2, offset=1)
        assert (part.ids, part.total) == (expected[1:3], len(expected))
    elements.delete(library, list(kept), by="ann", now=NOW)
    assert library_search.search(library, query_mongo.parsed({"tag": tag}), now=NOW).total == 0


@settings(max_examples=300, deadline=None)
@given(
    pattern=st.one_of(st.text("ab.^$*+?\\d1xpLQE", max_size=8), st.text("ab.*?+", min_size=3, max_size=5)),
    texts=st.lists(st.text("ab1d.+xL\n", max_size=8), min_size=5, max_size=10),
)
def test_what_a_match_is_sure_to_have_is_in_it(pattern, texts):
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        found = re2.compile(pattern, options)
    except re2.error:
        return
    piece = certain(Regex("k", pattern))
    assert all(piece in text for text in texts if found.search(text))


def test_sorted_by_what_lacks_a_key_then_numbers_then_texts(library):
    tag = f"sort-{next(ids)}"
    values = {"a": None, "b": 2, "c": [1, 9], "d": "10", "e": "9", "f": 1.5, "g": None}
    elements.create(library, [{"_id": f"{tag}/{n}", "tag": tag, "v": v} for n, v in values.items()], by="ann", now=NOW)

    def order(*sort, **paging):
        page = library_search.search(library, query_mongo.parsed({"tag": tag}), now=NOW, sort=sort, **paging)
        return "".join(one[-1] for one in page.ids)

    assert order(("v", False)) == "agcfbde"
    assert order(("v", True)) == "edcbfag", "by the greatest of several, and ids upward still"
    assert order(("_id", True)) == "gfedcba"
    assert order(("tag", True), ("v", False), limit=3, offset=2) == "cfb"


@pytest.mark.parametrize("asked", ['cell:"a 1" cloud<0.5', "scene:x orbit:9", "type:x time>5 time<9", "lock:x n:1"])
def test_what_else_must_hold_is_looked_up_by_element(tmp_path, asked):
    """SQLite would rather read a whole range for each element that begins, which takes seconds of 100,000."""
    library = Library(tmp_path / "library.db")
    with library.read() as connection:
        query = library_search._Question(connection, NOW, {})._ids(parsed(asked))
        text = str(query.compile(library.engine, compile_kwargs={"literal_binds": True}))
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    library.close()
    inner = [line for number, line in enumerate(plan) if "CORRELATED" in plan[number - 1]]
    assert inner and all("element_id=?" in line for line in inner), plan


@given(text=st.text(max_size=2000))
def test_what_the_index_keeps_of_a_text_is_short_and_tells_texts_apart(text):
    kept = rules.indexed(text)
    assert len(kept.encode()) <= rules.TEXT_BYTES + 65 and "\0" not in kept
    if len(text.encode()) > rules.TEXT_BYTES:
        assert rules.indexed(text + "x") != kept

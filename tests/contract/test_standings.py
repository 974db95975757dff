"""Where elements stand, on both engines: wishes, waiting lists, leases, what comes while it changes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from planet_assets.exceptions import LibraryLocked
from planet_assets.library import standings
from planet_assets.library.engine import Library
from planet_assets.library.team_schema import element

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def library(library_address):
    made = Library(library_address)
    for site in ("hub", "paris", "rome"):
        standings.join(made, site, now=NOW)
    yield made
    made.close()


def put(library, name, now=NOW, **document):
    """What the tracker does when an element is written."""
    document = {"time": int(now.timestamp() * 1000), **document}
    values = {"kind": "file", "doc": json.dumps(document), "rev": 1, "created_at": now, "updated_at": now}
    with library.write() as connection:
        known = connection.execute(sa.select(element.c.id).where(element.c.id == name)).first()
        write = sa.update(element).where(element.c.id == name) if known else sa.insert(element)
        connection.execute(write.values(id=name, **values))
        standings.follow(connection, {name: document}, now=now)


def states(library, name):
    with library.read() as connection:
        return {one.site: one.state for one in standings.of(connection, [name]).get(name, ())}


def waiting(library, target, source=None, now=NOW, limit=100):
    return standings.waiting(library, target, source=source, limit=limit, now=now)


def bring(library, name, site, now, owner="agent"):
    assert standings.claim(library, name, site, owner=owner, now=now)
    return standings.arrived(library, name, site, owner=owner, now=now)


def test_from_a_wish_to_delivered(library):
    put(library, "/a", origin="paris", sync_rome=True)
    assert states(library, "/a") == {"paris": "present", "rome": "wanted"}
    assert waiting(library, "rome", "paris") == ["/a"] and waiting(library, "rome", "hub") == []
    assert standings.claim(library, "/a", "rome", owner="one", now=at(5))
    assert not standings.claim(library, "/a", "rome", owner="two", now=at(6))
    assert waiting(library, "rome", now=at(6)) == []
    assert standings.arrived(library, "/a", "rome", owner="one", now=at(9))
    assert waiting(library, "rome") == [] and not standings.claim(library, "/a", "rome", owner="two", now=at(10))
    with library.read() as connection:
        shown = standings.shown(connection, ["/a"])["/a"]
    assert shown["synced_rome"] == int(at(5).timestamp() * 1000) and "synced_paris" in shown
    counts = standings.counts(library)
    assert counts["rome"].present == 1 and counts["paris"].present == 1


def test_the_order_is_priority_then_age(library):
    put(library, "/old", at(0), sync_rome=True)
    put(library, "/new", at(9), sync_rome=True)
    put(library, "/first", at(20), sync_rome=True, sync_priority=5)
    put(library, "/last", at(1), sync_rome=True, sync_priority=-5)
    assert waiting(library, "rome") == ["/first", "/old", "/new", "/last"]
    assert waiting(library, "rome", limit=2) == ["/first", "/old"]
    put(library, "/last", at(1), sync_rome=True, sync_priority=9)
    assert waiting(library, "rome")[0] == "/last"


def test_what_changes_while_it_comes_waits_again(library):
    put(library, "/a", at(0), origin="paris", sync_rome=True)
    assert standings.claim(library, "/a", "rome", owner="one", now=at(1))
    put(library, "/a", at(2), origin="paris", sync_rome=True)
    assert not standings.arrived(library, "/a", "rome", owner="one", now=at(3)), "an older version came"
    assert states(library, "/a")["rome"] == "wanted" and waiting(library, "rome", now=at(3)) == ["/a"]
    assert bring(library, "/a", "rome", at(4))
    put(library, "/a", at(0), origin="paris", sync_rome=True, note="x")
    assert states(library, "/a")["rome"] == "present", "its time did not move"
    put(library, "/a", at(9), origin="rome", sync_paris=True)
    assert states(library, "/a") == {"rome": "present", "paris": "wanted"}


def test_hub_chains_need_the_hub(library):
    put(library, "/a", origin="paris", sync_rome=True, sync_hub=True)
    assert waiting(library, "hub", "paris") == ["/a"] and waiting(library, "rome", "hub") == []
    assert bring(library, "/a", "hub", at(1))
    assert waiting(library, "rome", "hub") == ["/a"]


def test_wishes_follow_the_team(library):
    put(library, "/a", origin="paris")
    put(library, "/b", origin="paris", syncEverywhere=False)
    assert states(library, "/a") == {"paris": "present"}
    put(library, "rsyncGlobalParameters", syncEverywhere=True)
    assert states(library, "/a") == {"paris": "present", "rome": "wanted", "hub": "wanted"}
    assert states(library, "/b") == {"paris": "present"}
    assert standings.join(library, "oslo", "https://oslo", now=at(1)) and not standings.join(library, "oslo", now=at(1))
    assert standings.members(library)["oslo"] == "https://oslo"
    assert states(library, "/a")["oslo"] == "wanted"
    put(library, "rsyncGlobalParameters", syncEverywhere=False)
    assert states(library, "/a") == {"paris": "present"}
    with library.write() as connection:
        standings.drop(connection, ["/a"])
    assert states(library, "/a") == {}


def test_a_site_that_joins_is_followed_page_by_page_and_goes_on(library, monkeypatch):
    monkeypatch.setattr(standings, "MOST", 2)
    for number in range(5):
        put(library, f"/p/{number}", syncEverywhere=True)
    follow, pages = standings._follow, []

    def killed(*told):
        if len(pages) == 1:
            raise KeyboardInterrupt
        pages.append(told)
        follow(*told)

    monkeypatch.setattr(standings, "_follow", killed)
    with pytest.raises(KeyboardInterrupt):
        standings.join(library, "oslo", now=at(1))
    monkeypatch.setattr(standings, "_follow", follow)
    assert waiting(library, "oslo", limit=2) == ["/p/0", "/p/1"]
    assert not standings.join(library, "oslo", now=at(2))
    monkeypatch.setattr(standings, "MOST", 100)
    assert waiting(library, "oslo") == [f"/p/{number}" for number in range(5)]


def test_failures_rest_and_leases_end(library):
    put(library, "/a", sync_rome=True)
    assert standings.claim(library, "/a", "rome", owner="one", now=NOW)
    standings.failed(library, "/a", "rome", owner="one", error="gone", code=23, now=NOW)
    real = datetime.now(UTC)
    if library.path is not None:  # elsewhere the server's clock says when
        assert waiting(library, "rome", now=at(59)) == [] and waiting(library, "rome", now=at(61)) == ["/a"]
    with library.read() as connection:
        assert standings.shown(connection, ["/a"])["/a"]["syncError_rome"] == 23
    lease = timedelta(0)
    assert standings.claim(library, "/a", "rome", owner="two", now=real, lease=lease)
    assert standings.claim(library, "/a", "rome", owner="three", now=real + timedelta(seconds=1))
    for tell in (standings.arrived, lambda *a, **k: standings.failed(*a, error="", **k)):
        with pytest.raises(LibraryLocked):
            tell(library, "/a", "rome", owner="two", now=real)
    standings.give_back(library, "/a", "rome", owner="three")
    assert standings.claim(library, "/a", "rome", owner="four", now=real)


def test_of_many_agents_one_brings_each(library):
    names = [f"/f{number}" for number in range(20)]
    for name in names:
        put(library, name, sync_rome=True)

    def work(agent):
        return [name for name in names if standings.claim(library, name, "rome", owner=agent, now=NOW)]

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(work, "abcd"))
    assert sorted(name for each in taken for name in each) == sorted(names)


def test_a_waiting_list_reads_an_index(tmp_path):
    library, seen = Library(tmp_path / "library.db"), []
    sa.event.listen(library.engine, "before_cursor_execute", lambda *told: seen.append(told[2:4]))
    waiting(library, "rome", "paris")
    query, values = next(one for one in seen if "ORDER BY" in one[0])
    with library.read() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)]
    library.close()
    assert "ix_standing_waiting" in plan[0] and not any("TEMP B-TREE" in line for line in plan)


def test_heartbeats(library):
    standings.beat(library, "rome", {"agent": "x", "status": "on"}, now=NOW)
    standings.beat(library, "rome", {"agent": "x", "status": "off"}, now=at(1))
    assert standings.beats(library) == {"rome": {"agent": "x", "status": "off", "at": at(1).isoformat()}}

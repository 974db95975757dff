"""Segments of events: exported once, imported once, and libraries that have seen all of them say the same."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from planet_assets.cli.main import run
from planet_assets.exceptions import Conflict, Corrupt, Misused
from planet_assets.library import element_events, elements, offline, publishing
from planet_assets.library.engine import Library

NOW = datetime(2025, 1, 1, tzinfo=UTC)
ENDS = datetime(2030, 1, 1, tzinfo=UTC)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def library(tmp_path):
    made = Library(tmp_path / "library.db")
    yield made
    made.close()


@pytest.fixture
def on_each(library_address):
    """A library on each engine in turn."""
    made = Library(library_address)
    yield made
    made.close()


@pytest.fixture
def laptop(tmp_path):
    made = Library(tmp_path / "laptop.db")
    yield made
    made.close()


def documents(library):
    found = {event.element_id for event in element_events.after(library, limit=100_000)}
    return {
        one.id: (one.kind, dict(one.document))
        for one in elements.read(library, sorted(found), now=ENDS)
        if one is not None
    }


def carry(library, name, folder, now=ENDS):
    offline.export(library, folder, name, now=now)


def test_a_laptop_comes_home(on_each, laptop, tmp_path):
    library = on_each
    shared = tmp_path / "shared"
    elements.create(library, [{"_id": "/a", "n": 1, "m": 1}, {"_id": "/b"}], by="ann", now=at(0))
    carry(library, "office", shared)
    assert offline.read_in(laptop, shared) == {"office": 2}
    assert documents(laptop) == documents(library)
    elements.update(laptop, [{"_id": "/a", "n": 2, "x": None}], by="bob", now=at(20))
    publishing.publish(laptop, [{"_id": "/c", "comment": "c", "origin": "laptop"}], by="bob", now=at(21))
    publishing.comment(laptop, ["/a"], {"comment": "hm"}, by="bob", now=at(22), seen_by=None)
    elements.delete(laptop, ["/b"], by="bob", now=at(23))
    elements.lock(laptop, ["/a"], by="bob", now=at(24))
    elements.update(library, [{"_id": "/a", "m": 5, "n": 9}], by="ann", now=at(10))
    for _ in range(2):
        carry(laptop, "laptop", shared)
        carry(library, "office", shared)
    assert len(list(shared.iterdir())) == 3, "nothing new, nothing written"
    assert offline.read_in(library, shared) == {"laptop": 5} and offline.read_in(laptop, shared) == {"office": 1}
    for which in (library, laptop):
        before = element_events.last(which)
        assert not any(offline.read_in(which, shared).values()) and element_events.last(which) == before
    assert documents(library) == documents(laptop)
    assert documents(library)["/a"][1]["n"] == 2 and documents(library)["/a"][1]["m"] == 5
    assert "/b" not in documents(library) and "/c" in documents(library)
    assert elements.read(library, ["/a"], now=ENDS)[0].lock_owner is None, "locks stay where they are"
    actors = {event.actor for event in element_events.after(library)}
    assert actors == {"ann", "bob@laptop"}


def test_a_deletion_stays_unless_it_was_changed_later(library, laptop, tmp_path):
    elements.create(library, [{"_id": name, "n": 1} for name in ("/early", "/late")], by="ann", now=at(0))
    carry(library, "office", tmp_path / "s")
    offline.read_in(laptop, tmp_path / "s")
    elements.delete(library, ["/early", "/late"], by="ann", now=at(10))
    elements.update(laptop, [{"_id": "/early", "n": 2}], by="bob", now=at(5))
    elements.update(laptop, [{"_id": "/late", "n": 2}], by="bob", now=at(15))
    carry(library, "office", tmp_path / "s")
    carry(laptop, "laptop", tmp_path / "s")
    offline.read_in(library, tmp_path / "s")
    offline.read_in(laptop, tmp_path / "s")
    assert documents(library) == documents(laptop)
    assert set(documents(library)) == {"/late"} and documents(library)["/late"][1]["n"] == 2


def test_what_is_missing_or_damaged_is_said(library, laptop, tmp_path):
    shared = tmp_path / "s"
    for number in range(3):
        elements.create(library, [{"_id": f"/{number}"}], by="ann", now=at(number))
        carry(library, "office", shared, now=at(number))
    first, second, third = sorted(shared.iterdir())
    kept = second.read_text()
    second.unlink()
    with pytest.raises(Conflict, match="are missing"):
        offline.read_in(laptop, shared)
    assert set(documents(laptop)) == {"/0"}
    for damaged in (kept[:-20], kept.replace('"create"', '"explode"'), "", kept.replace('"count": 1', '"count": 2')):
        second.write_text(damaged)
        with pytest.raises(Corrupt):
            offline.read_in(laptop, shared)
    second.write_text(kept)
    assert offline.read_in(laptop, shared) == {"office": 2} and len(documents(laptop)) == 3
    head, *lines = third.read_text().splitlines()
    third.write_text("\n".join([json.dumps(json.loads(head) | {"library": "another"}), *lines]))
    with pytest.raises(Conflict, match="Two libraries"):
        offline.read_in(laptop, shared)
    with pytest.raises(Misused):
        carry(library, "../x", shared)
    assert first.exists() and offline.read_in(laptop, tmp_path / "nothing") == {}


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, 100))])
def test_libraries_that_have_seen_everything_say_the_same(tmp_path, seed):
    chance, shared = random.Random(seed), tmp_path / "shared"
    libraries = {name: Library(tmp_path / f"{name}.db") for name in ("one", "two", "three")}
    names = [f"/{number}" for number in range(4)]
    for turn in range(60):
        site, library = chance.choice(sorted(libraries.items()))
        when, name = at(turn), chance.choice(names)
        what = chance.random()
        if what < 0.6:
            key = chance.choice("abc")
            elements.upsert(library, [{"_id": name, key: chance.randrange(9)}], by="x", now=when)
        elif what < 0.7:
            elements.update(library, [{"_id": name, chance.choice("abc"): None}], by="x", now=when)
        elif what < 0.75:
            elements.delete(library, [name], by="x", now=when)
        elif what < 0.85:
            carry(library, site, shared, now=when)
        else:
            offline.read_in(library, shared)
    for site, library in libraries.items():
        carry(library, site, shared)
    for library in libraries.values():
        offline.read_in(library, shared)
    found = [documents(library) for library in libraries.values()]
    assert found[0] == found[1] == found[2]
    for library in libraries.values():
        library.close()


IMPORT = """
import sys
from pathlib import Path
from planet_assets.library import offline
from planet_assets.library.engine import Library
print(flush=True)
offline.read_in(Library(sys.argv[1]), Path(sys.argv[2]))
"""


def test_killed_anywhere_it_is_applied_once(library, laptop, tmp_path, monkeypatch):
    monkeypatch.setattr(offline, "MOST", 20)
    for number in range(10):
        elements.create(laptop, [{"_id": f"/{number}-{part}"} for part in range(20)], by="bob", now=at(number))
    carry(laptop, "laptop", tmp_path / "s")
    assert len(list((tmp_path / "s").iterdir())) == 10
    start = [sys.executable, "-c", IMPORT, str(library.path), str(tmp_path / "s")]
    chance = random.Random(3)
    for _ in range(2):
        one = subprocess.Popen(start, stdout=subprocess.PIPE)
        one.stdout.readline()
        time.sleep(chance.random() * 0.2)
        one.send_signal(signal.SIGKILL)
        one.communicate()
    offline.read_in(library, tmp_path / "s")
    assert element_events.last(library) >= 200 and len(element_events.after(library)) == 200
    assert documents(library) == documents(laptop)


def test_the_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PLANET_ASSETS_LIBRARY", str(tmp_path / "a.db"))
    library = Library(tmp_path / "a.db")
    elements.create(library, [{"_id": "/a"}], by="ann", now=NOW)
    library.close()
    assert run(["site", "export", str(tmp_path / "s"), "--as", "a"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["last"] == 1
    assert run(["site", "export", str(tmp_path / "s"), "--as", "a", "--text"]) == 0
    assert capsys.readouterr().out == "Nothing new.\n"
    monkeypatch.setenv("PLANET_ASSETS_LIBRARY", str(tmp_path / "b.db"))
    assert run(["site", "import", str(tmp_path / "s"), "--text"]) == 0
    assert capsys.readouterr().out == "a: 1 events\n"
    assert run(["site", "export", str(tmp_path / "s"), "--as", "a/b"]) == 2

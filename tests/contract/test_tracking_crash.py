"""Ten threads and four processes on one tracker, the processes killed at random: no record is lost, none is torn."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from planet_assets.compat.upload_tracker import UploadTracker
from planet_assets.library import listings
from planet_assets.library.engine import Library

NOW = datetime(2025, 1, 1, tzinfo=UTC)
PAGE = 5
"""Records of one call; they are there together or not at all."""

REMEMBER = """
import itertools, json, sys
from datetime import UTC, datetime
from planet_assets.library import listings
from planet_assets.library.engine import Library
address, name = sys.argv[1:]
library = Library(address)
print("-1", flush=True)
for turn in itertools.count():
    page = {f"{name}-{turn}-{part}": f"{turn}" for part in range(5)}
    listings.remember(
        library, "shared", page, now=datetime.now(UTC), describe=lambda key: json.dumps({"id": key, "pad": "x" * 500})
    )
    print(turn, flush=True)
"""

REGISTER = """
import itertools, sys
from planet_assets.compat.upload_tracker import UploadTracker
address, name = sys.argv[1:]
tracker = UploadTracker(address)
print("-1", flush=True)
for turn in itertools.count():
    tracker.register_components(f"{name}-{turn}", "scene", [(f"c{part}", "/x", part) for part in range(5)])
    tracker.mark_completed(f"{name}-{turn}", "c0", "ab")
    print(turn, flush=True)
"""


def beset(program, address, work, *, turns, seconds):
    """Four processes, killed one after another, beside ten threads; what each process said it had done, by name."""
    start = [sys.executable, "-c", program, address]
    runs = {f"p{n}": subprocess.Popen([*start, f"p{n}"], stdout=subprocess.PIPE, text=True) for n in range(4)}
    heads = {name: run.stdout.readline() for name, run in runs.items()}
    chance = random.Random(4)
    with ThreadPoolExecutor(10) as pool:
        threads = [pool.submit(work, f"t{n}", turn) for turn in range(turns) for n in range(10)]
        for run in runs.values():
            time.sleep(seconds * chance.random())
            run.send_signal(signal.SIGKILL)
        for each in threads:
            each.result()
    told = {name: (heads[name] + run.communicate()[0]).split() for name, run in runs.items()}
    done = {f"{name}-{turn}" for name, turns in told.items() for turn in turns if turn != "-1"}
    return done | {f"t{n}-{turn}" for turn in range(turns) for n in range(10)}


def remembered(address, *, turns, seconds):
    library = Library(address)

    def work(name, turn):
        page = {f"{name}-{turn}-{part}": f"{turn}" for part in range(PAGE)}
        listings.remember(library, "shared", page, now=NOW, describe=lambda key: json.dumps({"id": key}))

    done = beset(REMEMBER, address, work, turns=turns, seconds=seconds)
    pages: dict[str, int] = {}
    for one in listings.entries(library, "shared"):
        page, _, _ = one.id.rpartition("-")
        assert json.loads(one.document)["id"] == one.id and one.fingerprint == page.rpartition("-")[2]
        pages[page] = pages.get(page, 0) + 1
    assert done <= pages.keys(), "what was said to be remembered is"
    assert set(pages.values()) == {PAGE}, "a page is there whole"
    library.close()


def test_a_listing(library_address):
    remembered(library_address, turns=3, seconds=0.2)


@pytest.mark.soak
def test_a_listing_for_long(library_address):
    remembered(library_address, turns=100, seconds=10)


def registered(path, *, turns, seconds):
    tracker = UploadTracker(path)

    def work(name, turn):
        tracker.register_components(f"{name}-{turn}", "scene", [(f"c{part}", "/x", part) for part in range(PAGE)])
        tracker.mark_completed(f"{name}-{turn}", "c0", "ab")

    done = beset(REGISTER, str(path), work, turns=turns, seconds=seconds)
    left: dict[str, set[str]] = {}
    for one in tracker.get_incomplete():
        left.setdefault(one.asset_id, set()).add(one.component)
    assert done <= left.keys()
    whole = {f"c{part}" for part in range(PAGE)}
    assert all(parts in (whole, whole - {"c0"}) for parts in left.values()), "a registration is there whole"
    assert all(left[name] == whole - {"c0"} and tracker.completed_sha256s(name) == {"c0": "ab"} for name in done)
    tracker.close()


def test_an_upload_tracker(tmp_path):
    registered(tmp_path / "state.db", turns=3, seconds=0.2)


@pytest.mark.soak
def test_an_upload_tracker_for_long(tmp_path):
    registered(tmp_path / "state.db", turns=100, seconds=10)

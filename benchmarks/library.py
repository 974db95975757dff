"""Transitions of jobs a second, each a transaction of its own, on both engines, beside them bare and a JSON file.

The scratch folder lies in memory where it can, so PostgreSQL flushes nothing either: the figures are the engines' own.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.runs import ROOT, scratch, told
from benchmarks.table import Row, missing

sys.path.insert(0, str(ROOT / "tests"))
import postgres

NOW = datetime(2025, 6, 1, tzinfo=UTC)
JSON_SHARE = 100
"""A JSON file is rewritten so many times less often than the others commit; it takes long enough."""


def rows(quick: bool) -> list[Row]:
    """Measure in a fresh process, on files in the scratch folder."""
    jobs = 200 if quick else 5000
    with scratch(10**9) as folder:
        got = told("library", folder, str(jobs), "1" if quick else "3")
    ours, what = got["record"], f"transitions a second, {jobs:,} jobs"
    peers = {
        "bare sqlite3: row and event, WAL, FULL": got["sqlite"],
        "JSON file, written anew": got["json"],
    }
    lines = [_beside(what, ours, peer, theirs) for peer, theirs in peers.items()]
    tables = [_table("SQLite", got["sqlite"])]
    if "server" in got:
        peer = "bare psycopg: row and event"
        lines.append(_beside(f"{what}, on PostgreSQL", got["record_server"], peer, got["server"]))
        tables.append(_table("PostgreSQL", got["server"]))
    else:
        tables.append(missing("library", "commits a second, PostgreSQL", "", "its server is not installed"))
    return [*lines, *tables]


def _beside(what: str, ours: float, peer: str, theirs: float) -> Row:
    return Row(
        section="library",
        what=what,
        ours=f"{ours:,.0f}/s",
        peer=peer,
        theirs=f"{theirs:,.0f}/s",
        ratio=ours / theirs,
        note="jobs.record: lifecycle, row, event and ledger in one transaction",
    )


def _table(engine: str, commits_per_s: float) -> Row:
    return Row(
        section="library",
        what=f"commits a second at the table level, {engine}",
        ours=f"{commits_per_s:,.0f}/s",
        ratio=commits_per_s,
        target=20_000,
        unit="/s",
        note=f"what {engine} allows here on one connection, without our code",
    )


# What the worker does


def work(folder: Path, count: int, rounds: int) -> dict[str, float]:
    """Commits a second, medians of turns."""
    ways: dict[str, Callable[[Path, int], float]] = {
        "record": lambda path, count: _record(str(path.with_suffix(".db")), count),
        "sqlite": _sqlite,
        "json": _json,
    }
    with ExitStack() as running:
        with suppress(postgres.Missing):
            server = running.enter_context(postgres.cluster())
            ways["record_server"] = lambda _, count: _on_server(server, _record, count)
            ways["server"] = lambda _, count: _on_server(server, _psycopg, count)
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds):
            for name, way in ways.items():
                taken[name].append(way(folder / f"{name}-{number}", count))
    return {name: median(some) for name, some in taken.items()}


def _on_server(server: postgres.Cluster, way: Callable[[str, int], float], count: int) -> float:
    with server.database() as address:
        return way(address, count)


def _record(address: str, count: int) -> float:
    from planet_assets.library import jobs
    from planet_assets.library.engine import Library
    from planet_assets.model.event import AssetInactive, Created
    from planet_assets.model.job import DownloadJob, Terms

    def job(number: int) -> DownloadJob:
        names = {"id": f"{number:032x}", "batch_id": "b", "account": "a", "scene_id": f"20250601_{number:06d}_00_2400"}
        kind = {"item_type": "PSScene", "asset_type": "ortho_analytic_4b", "route": "data", "path": f"/x/{number}.tif"}
        cut = {"clipped_path": None, "roi_wkt": None, "clipping": None}
        return DownloadJob(**names, **kind, **cut, terms=Terms(), km2=0.0, created_at=NOW, updated_at=NOW)

    library = Library(address)
    try:
        begun = [(job(number), [Created(at=NOW, km2=0.0)]) for number in range(count)]
        made = jobs.add(library, begun, owner="bench", by="bench", now=NOW, allow_unknown=True)
        began = time.perf_counter()
        for one in made:
            jobs.record(library, one, AssetInactive(at=NOW), by="bench")
        return count / (time.perf_counter() - began)
    finally:
        library.close()


def _psycopg(address: str, count: int) -> float:
    import psycopg

    state = "x" * 600
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE job (id TEXT PRIMARY KEY, revision INTEGER, state TEXT)")
        connection.execute("CREATE TABLE event (id BIGSERIAL PRIMARY KEY, job_id TEXT, what TEXT)")
        some = [(f"{number:032x}", state) for number in range(count)]
        connection.cursor().executemany("INSERT INTO job VALUES (%s, 0, %s)", some)
        connection.commit()
        began = time.perf_counter()
        for name, _ in some:
            with connection.pipeline():
                connection.execute("UPDATE job SET revision = 1, state = %s WHERE id = %s", (state, name))
                connection.execute("INSERT INTO event (job_id, what) VALUES (%s, %s)", (name, "inactive"))
                connection.commit()
        return count / (time.perf_counter() - began)


def _sqlite(path: Path, count: int) -> float:
    connection = sqlite3.connect(path.with_suffix(".db"), isolation_level=None)
    for line in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"):
        connection.execute(line)
    connection.execute("CREATE TABLE job (id TEXT PRIMARY KEY, revision INTEGER, state TEXT)")
    connection.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, job_id TEXT, what TEXT)")
    state = "x" * 600
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO job VALUES (?, 0, ?)", ((f"{number:032x}", state) for number in range(count)))
    connection.execute("COMMIT")
    began = time.perf_counter()
    for number in range(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "UPDATE job SET revision = 1, state = ? WHERE id = ? AND revision = 0", (state, f"{number:032x}")
        )
        connection.execute("INSERT INTO event (job_id, what) VALUES (?, ?)", (f"{number:032x}", "inactive"))
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return count / took


def _json(path: Path, count: int) -> float:
    jobs = {f"{number:032x}": {"revision": 0, "state": "x" * 600} for number in range(count)}
    moves = max(2, count // JSON_SHARE)
    began = time.perf_counter()
    for number in range(moves):
        jobs[f"{number:032x}"]["revision"] = 1
        path.with_suffix(".json").write_text(json.dumps(jobs))
    return moves / (time.perf_counter() - began)


if __name__ == "__main__":
    print(json.dumps(work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))

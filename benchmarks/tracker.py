"""The tracker with 100,000 elements: searches, reads and writes over HTTP, beside bare SQLite in the same run.

The service is a process of its own without sign-in; clients keep their connections. The bare statements read and write
rows with the same documents, each write a transaction, in a database that is set up as the library is.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import quote

from benchmarks.runs import ROOT, Broken, scratch, told
from benchmarks.table import Row, missing

Request = tuple[str, str, Any]
CLIENTS = 8
SEARCHES = {
    "one key, 10 of 100,000": "scene:{scene}",
    "two keys, a range, 50 of 100,000": "cell:{cell} cloud<0.5",
    "a number that a text may be too, 10 of 100,000": "orbit:{orbit}",
    "one key, the first 100 of 50,000": "type:analytic",
    "an id that ends so, by expression": "_id:/{number}.tif$/",
}


def rows(quick: bool) -> list[Row]:
    """Measure each engine in a fresh process."""
    count, asked = (5_000, 200) if quick else (100_000, 2_000)
    lines: list[Row] = []
    with scratch(2 * 10**9) as folder:
        lines += _lines("SQLite", told("tracker", folder, "sqlite", str(count), str(asked)), count, quick)
        sys.path.insert(0, str(ROOT / "tests"))
        import postgres

        try:
            with postgres.cluster() as cluster, cluster.database() as address:
                lines += _lines("PostgreSQL", told("tracker", folder, address, str(count), str(asked)), count, quick)
        except (postgres.Missing, Broken) as error:
            lines.append(missing("tracker", f"{count:,} elements, PostgreSQL", "", str(error)))
    return lines


def _lines(engine: str, got: dict[str, Any], count: int, quick: bool) -> list[Row]:
    found = [
        Row(
            section="tracker",
            what=f"{count:,} elements created, {engine}",
            ours=f"{got['create']:,.0f}/s",
            note="2,000 a request",
        )
    ]
    for name in SEARCHES:
        ms, p99_ms = got[name]
        is_key = "expression" not in name
        found.append(
            Row(
                section="tracker",
                what=f"search by {name}, {engine}",
                ours=f"{ms:.3g} ms",
                ratio=ms,
                target=20.0 if is_key and not quick else None,
                at_most=True,
                unit=" ms",
                note=f"median over HTTP, p99 {p99_ms:.3g} ms",
            )
        )
    for verb in ("read", "write"):
        one, many, bare = got[verb], got[f"{verb} by {CLIENTS}"], got[f"bare {verb}"]
        p99 = f"p99 {many['p99_ms']:.3g} ms"
        found.append(
            Row(
                section="tracker",
                what=f"{verb}s of one element, {engine}",
                ours=f"{many['rate']:,.0f}/s",
                peer="bare SQLite statements",
                theirs=f"{bare:,.0f}/s",
                ratio=many["rate"] / bare,
                note=f"{CLIENTS} clients, {p99}; alone {one['rate']:,.0f}/s, p99 {one['p99_ms']:.3g} ms",
            )
        )
    return found


# What the worker does


def work(folder: Path, engine: str, count: int, asked: int) -> dict[str, Any]:
    """Rates a second, and milliseconds."""
    address = str(folder / "library.db") if engine == "sqlite" else engine
    chance = random.Random(7)
    with served(address, folder) as port:
        found: dict[str, Any] = {"create": count / _filled(port, count)}
        for name, template in SEARCHES.items():
            times = _taken(port, partial(_searching, template, chance, count), asked // 10)
            found[name] = (median(times) * 1e3, quantiles(times, n=100)[98] * 1e3)
        for verb, ask in (("read", partial(_reading, chance, count)), ("write", partial(_writing, chance, count))):
            for clients in (1, CLIENTS):
                name = verb if clients == 1 else f"{verb} by {clients}"
                found[name] = _rate(port, ask, asked, clients)
    return found | _bare(folder / f"bare-{os.getpid()}.db", count, asked)


def _searching(template: str, chance: random.Random, count: int) -> Request:
    return "GET", f"/api/search/{_query(template, chance, count)}?limit=100", None


def _reading(chance: random.Random, count: int) -> Request:
    return "POST", "/api/read/", _id(chance.randrange(count))


def _writing(chance: random.Random, count: int) -> Request:
    return "PUT", "/api/update/", {"_id": _id(chance.randrange(count)), "note": chance.random()}


def _id(number: int) -> str:
    return f"/scenes/2025/{number:06d}.tif"


def _document(number: int) -> dict[str, Any]:
    return {
        "_id": _id(number),
        "type": "analytic" if number % 2 else "udm2",
        "scene": f"scene {number // 10}",
        "cell": f"cell {number // 100}",
        "orbit": number // 10,
        "cloud": number % 100 / 100,
        "comment": "scanned at office",
        "origin": "office",
    }


def _query(template: str, chance: random.Random, count: int) -> str:
    number = chance.randrange(count)
    text = template.format(
        scene=f'"scene {number // 10}"', cell=f'"cell {number // 100}"', orbit=number // 10, number=f"{number:06d}"
    )
    return quote(quote(text, safe=""), safe="")


def _filled(port: int, count: int) -> float:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    began = time.perf_counter()
    for start in range(0, count, 2000):
        _asked(line, "POST", "/api/create/", [_document(number) for number in range(start, min(count, start + 2000))])
    took = time.perf_counter() - began
    line.close()
    return took


def _taken(port: int, ask: Callable[[], Request], times: int) -> list[float]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    taken = []
    for _ in range(max(10, times)):
        what = ask()
        began = time.perf_counter()
        _asked(line, *what)
        taken.append(time.perf_counter() - began)
    line.close()
    return taken


def _rate(port: int, ask: Callable[[], Request], times: int, clients: int) -> dict[str, float]:
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        shares = list(pool.map(lambda _: _taken(port, ask, times // clients), range(clients)))
    took = time.perf_counter() - began
    taken = [one for share in shares for one in share]
    return {"rate": len(taken) / took, "p99_ms": quantiles(taken, n=100)[98] * 1e3}


def _asked(line: http.client.HTTPConnection, method: str, path: str, body: Any) -> None:
    line.request(method, path, None if body is None else json.dumps(body))
    reply = line.getresponse()
    data = reply.read()
    assert reply.status in (200, 201), (reply.status, data[:200])


@contextlib.contextmanager
def served(address: str, folder: Path) -> Iterator[int]:
    """The port of a tracker on a library, while this lasts."""
    log = folder / "serve.log"
    with log.open("w") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "planet_assets", "serve", "--no-auth", "--port", "0"],
            env={**os.environ, "PLANET_ASSETS_LIBRARY": address},
            stdout=out,
            stderr=out,
        )
    try:
        for _ in range(600):
            found = [line.split()[1] for line in log.read_text().splitlines() if line.startswith("tracker:")]
            if found:
                with contextlib.suppress(OSError):
                    line = http.client.HTTPConnection("127.0.0.1", int(found[0].rsplit(":", 1)[1]), timeout=10)
                    _asked(line, "GET", "/health", None)
                    line.close()
                    break
            time.sleep(0.05)
        else:
            raise Broken("the tracker did not start")
        yield int(found[0].rsplit(":", 1)[1])
    finally:
        child.terminate()
        child.wait(10)


def _bare(path: Path, count: int, asked: int) -> dict[str, float]:
    """The same documents by statements alone."""
    rows = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        rows.execute(f"PRAGMA {pragma}")
    rows.execute("CREATE TABLE element (id TEXT PRIMARY KEY, doc TEXT NOT NULL)")
    rows.execute("BEGIN")
    rows.executemany(
        "INSERT INTO element VALUES (?, ?)", ((_id(number), json.dumps(_document(number))) for number in range(count))
    )
    rows.execute("COMMIT")
    chance = random.Random(7)
    began = time.perf_counter()
    for _ in range(asked):
        rows.execute("SELECT doc FROM element WHERE id = ?", (_id(chance.randrange(count)),)).fetchone()
    read = asked / (time.perf_counter() - began)
    began = time.perf_counter()
    for _ in range(asked):
        number = chance.randrange(count)
        rows.execute("BEGIN IMMEDIATE")
        rows.execute("UPDATE element SET doc = ? WHERE id = ?", (json.dumps(_document(number)), _id(number)))
        rows.execute("COMMIT")
    written = asked / (time.perf_counter() - began)
    rows.close()
    return {"bare read": read, "bare write": written}


if __name__ == "__main__":
    print(json.dumps(work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))

"""A listing of 1,000,000 assets against what is remembered, 2 % of them changed, beside two usual ways to do it.

Ours is `listings.remember`: read ids and fingerprints, compare, write what changed, one transaction. The peers do what
mmmeta's `update` and an ORM's merge do, a statement or more a row, over fewer rows, and are scaled up.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.runs import ROOT, Broken, scratch, told
from benchmarks.table import Row, missing

NOW = datetime(2025, 6, 1, tzinfo=UTC)
CHANGED = 50
"""One in so many has changed."""
SHARE = 100
"""The peers get so many times fewer rows."""


def rows(quick: bool) -> list[Row]:
    """Measure each engine in a fresh process."""
    count = 20_000 if quick else 1_000_000
    what = f"listing of {count:,} assets against what is held, 2 % changed"
    lines: list[Row] = []
    with scratch(4 * 10**9) as folder:
        got = told("tracking", folder, "sqlite", str(count), "1" if quick else "5")
        ours = got["ours"]
        for peer, name in (
            ("select", "SQLAlchemy Core, a SELECT a row, as mmmeta"),
            ("merge", "SQLAlchemy ORM, merge"),
        ):
            lines.append(
                Row(
                    section="tracking",
                    what=what,
                    ours=f"{ours:.3g} s",
                    peer=name,
                    theirs=f"{got[peer]:,.0f} s",
                    ratio=got[peer] / ours,
                    note=f"peers over {count // SHARE:,} rows, scaled up",
                )
            )
        lines.append(_target(f"{what}, SQLite", ours, quick))
        try:
            lines.append(_target(f"{what}, PostgreSQL", _on_postgresql(folder, count, quick), quick))
        except Broken as error:
            lines.append(missing("tracking", f"{what}, PostgreSQL", "", str(error)))
    return lines


def _target(what: str, seconds: float, quick: bool) -> Row:
    return Row(
        section="tracking",
        what=what,
        ours=f"{seconds:.3g} s",
        ratio=seconds,
        target=None if quick else 1.6,
        at_most=True,
        unit=" s",
        note="keys read, compared, changes written and committed",
    )


def _on_postgresql(folder: Path, count: int, quick: bool) -> float:
    sys.path.insert(0, str(ROOT / "tests"))
    import postgres

    try:
        with postgres.cluster() as cluster, cluster.database() as address:
            seconds: float = told("tracking", folder, address, str(count), "1" if quick else "5")["ours"]
            return seconds
    except postgres.Missing as error:
        raise Broken(str(error)) from None


# What the worker does


def work(folder: Path, engine: str, count: int, rounds: int) -> dict[str, float]:
    """Seconds, medians."""
    ours = _ours(str(folder / "library.db") if engine == "sqlite" else engine, count, rounds)
    if engine != "sqlite":
        return {"ours": ours}
    few = max(1, count // SHARE)
    peers: dict[str, Callable[[Path, int], float]] = {"select": _select, "merge": _merge}
    return {"ours": ours} | {name: way(folder / f"{name}.db", few) * count / few for name, way in peers.items()}


def _listing(count: int, edition: int) -> dict[str, str]:
    """Each edition changes other ids than the one before; what it changed stays so."""
    found = {}
    for number in range(count):
        digest = hashlib.md5(f"{number} {number % CHANGED < edition}".encode(), usedforsecurity=False).hexdigest()
        found[f"2025{number:07d}_{number % 9973:04d}_24bf/ortho_analytic_4b"] = digest
    return found


def _ours(address: str, count: int, rounds: int) -> float:
    from planet_assets.library import listings
    from planet_assets.library.engine import Library

    library = Library(address)
    taken = []
    try:
        listings.remember(library, "assets", _listing(count, 0), now=NOW)
        for number in range(1, rounds + 1):
            listing = _listing(count, number)
            with _vacuumed(library):
                gc.collect()
                began = time.perf_counter()
                found = listings.remember(library, "assets", listing, now=NOW, complete=True)
                taken.append(time.perf_counter() - began)
            assert len(found.modified) == count // CHANGED and not found.new and not found.gone
    finally:
        library.close()
    return median(taken)


@contextlib.contextmanager
def _vacuumed(library: object) -> Iterator[None]:
    """PostgreSQL's autovacuum comes by once a minute; a weekly listing always finds it done."""
    import sqlalchemy as sa

    engine: sa.Engine = library.engine  # type: ignore[attr-defined]
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE listing_segment"))
    yield


def _select(path: Path, count: int) -> float:
    import sqlalchemy as sa

    engine = sa.create_engine(f"sqlite:///{path}")
    files = sa.Table("files", sa.MetaData(), sa.Column("id", sa.Text, primary_key=True), sa.Column("digest", sa.Text))
    files.create(engine)
    with engine.begin() as connection:
        connection.execute(
            files.insert(), [{"id": key, "digest": print_} for key, print_ in _listing(count, 0).items()]
        )
    listing = _listing(count, 1)
    began = time.perf_counter()
    with engine.begin() as connection:
        for key, digest in listing.items():
            found = connection.execute(sa.select(files.c.digest).where(files.c.id == key)).scalar_one()
            if found != digest:
                connection.execute(files.update().where(files.c.id == key).values(digest=digest))
    took = time.perf_counter() - began
    engine.dispose()
    return took


def _merge(path: Path, count: int) -> float:
    import sqlalchemy as sa
    from sqlalchemy import orm

    base = orm.declarative_base()

    class File(base):  # type: ignore[valid-type, misc]
        __tablename__ = "files"
        id = sa.Column(sa.Text, primary_key=True)
        digest = sa.Column(sa.Text)

    engine = sa.create_engine(f"sqlite:///{path}")
    base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all([File(id=key, digest=digest) for key, digest in _listing(count, 0).items()])
        session.commit()
    listing = _listing(count, 1)
    began = time.perf_counter()
    with orm.Session(engine) as session:
        for key, digest in listing.items():
            session.merge(File(id=key, digest=digest))
        session.commit()
    took = time.perf_counter() - began
    engine.dispose()
    return took


if __name__ == "__main__":
    print(json.dumps(work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))

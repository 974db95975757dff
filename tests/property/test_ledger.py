"""The ledger under many hands: balances are sums, and of two that want the last km² one gets them."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import spending
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from managing import FLOAT_KM2, check_money, hand_over
from sandboxes import running

from planet_assets.exceptions import LibraryLocked, Misused, OverQuota, QuotaUnknown
from planet_assets.library import accounts, ledger
from planet_assets.library import jobs as job_rows
from planet_assets.library.engine import Library, working
from planet_assets.library.schema import job as job_table
from planet_assets.model.event import Cancelled, Created, FetchRefused, FetchStarting, LinkReady
from planet_assets.model.job import DownloadJob, Terms
from planet_assets.model.quota import QuotaInfo

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
NUMBERS = itertools.count()
OURS: dict[str, Any] = {"owner": "t", "by": "t", "now": NOW}


def job_of(km2: float, name: str = "", account: str = "us") -> DownloadJob:
    """A job for a scene of its own."""
    name = name or f"{next(NUMBERS)}-{threading.get_ident()}"
    asset = {"item_type": "PSScene", "scene_id": name, "asset_type": "ortho_udm2"}
    return DownloadJob(
        id=name,
        batch_id="b",
        account=account,
        clipped_path=None,
        roi_wkt=None,
        clipping=None,
        terms=Terms(),
        km2=km2,
        created_at=NOW,
        updated_at=NOW,
        route="data",
        path=f"/x/{name}",
        **asset,
    )


def reserve(library: Library, km2: float, name: str = "", account: str = "us", **options: Any) -> DownloadJob:
    """Reserve for one new job."""
    made = [(job_of(km2, name, account), [Created(at=NOW, km2=km2)])]
    [job] = job_rows.add(library, made, owner="t", by="t", now=NOW, **options)
    return job


def with_limit(address: str, km2: float, used: float = 0.0) -> Library:
    """A library with one account."""
    library = Library(address)
    info = QuotaInfo(limit_km2=km2, used_km2=used, source="planet", as_of=NOW, account="us")
    ledger.declare(library, info)
    return library


@pytest.fixture
def library(library_address: str) -> Any:
    made = with_limit(library_address, 1000.0)
    yield made
    made.close()


@pytest.mark.parametrize("km2", [-1.0, float("nan"), float("inf")])
def test_a_price_that_is_no_area_is_refused(library: Library, km2: float) -> None:
    with pytest.raises(Misused, match="no area"):
        reserve(library, km2, allow_unknown=True)
    assert ledger.rows(library) == []


def test_an_unknown_quota_is_not_infinite(library_address: str) -> None:
    library = Library(library_address)
    with pytest.raises(QuotaUnknown):
        reserve(library, 1.0)
    assert reserve(library, 1.0, allow_unknown=True).held_km2 == 1.0
    library.close()


def test_all_or_nothing(library: Library) -> None:
    jobs = [(job_of(km2), [Created(at=NOW, km2=km2)]) for km2 in (600.0, 600.0)]
    with pytest.raises(OverQuota) as refused:
        job_rows.add(library, jobs, owner="t", by="t", now=NOW)
    assert refused.value.shortfall_km2 == pytest.approx(200.0)
    assert job_rows.listed(library) == [] and ledger.rows(library) == []


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prices=st.lists(st.floats(0.0, 400.0), min_size=1, max_size=12), ends=st.lists(st.booleans(), max_size=12))
def test_balances_are_sums_and_never_over_the_limit(library: Library, prices: list[float], ends: list[bool]) -> None:
    us = f"account {next(NUMBERS)}"
    ledger.declare(library, QuotaInfo(limit_km2=1000.0, used_km2=0.0, source="planet", as_of=NOW, account=us))
    expected_spent = 0.0
    for price, ends_early in zip(prices, itertools.chain(ends, itertools.repeat(False)), strict=False):
        try:
            job = reserve(library, price, account=us)
        except OverQuota:
            assert expected_spent + price > 1000.0 - 1e-6
            continue
        if ends_early:
            job_rows.record(library, job, Cancelled(at=NOW, by="t"))
            continue
        job = job_rows.record(library, job, LinkReady(at=NOW, md5=None, expires_at=None))
        job_rows.record(library, job, FetchStarting(at=NOW, resuming=False))
        expected_spent += price
    assert ledger.balance(library, us) == pytest.approx((0.0, expected_spent))
    assert sum(ledger.balance(library, us)) <= 1000.0 + 1e-6
    quota = ledger.quota_of(library, us, NOW)
    assert quota.remaining_area_km2 == pytest.approx(1000.0 - expected_spent)


def _race(tries: list[Callable[[], DownloadJob]]) -> tuple[int, int]:
    """How many got it, and how many were refused, when all try at once."""
    barrier = threading.Barrier(len(tries))

    def attempt(work: Callable[[], DownloadJob]) -> bool:
        barrier.wait()
        try:
            work()
        except OverQuota as error:
            assert "quota exceeded" in str(error)
            return False
        return True

    with ThreadPoolExecutor(len(tries)) as threads:
        outcomes = list(threads.map(attempt, tries))
    return outcomes.count(True), outcomes.count(False)


@pytest.mark.parametrize("round_", range(5))
def test_of_two_threads_that_want_the_last_100_one_gets_them(library: Library, round_: int) -> None:
    reserve(library, 900.0, "most")
    assert _race([lambda: reserve(library, 100.0), lambda: reserve(library, 100.0)]) == (1, 1)
    assert ledger.balance(library) == (1000.0, 0.0)


def test_of_two_connections_that_want_the_last_100_one_gets_them(library: Library, library_address: str) -> None:
    reserve(library, 900.0, "most")
    other = Library(library_address)
    assert _race([lambda: reserve(library, 100.0), lambda: reserve(other, 100.0)]) == (1, 1)
    other.close()


def test_many_threads_never_go_over(library: Library) -> None:
    chance = random.Random(1)
    prices = [chance.uniform(20.0, 120.0) for _ in range(24)]
    got, refused = _race([lambda price=price: reserve(library, price) for price in prices])
    assert got + refused == 24 and refused > 0
    assert 880.0 < sum(ledger.balance(library)) <= 1000.0 + 1e-6


def _grab(address: str, seed: int) -> tuple[float, int]:
    chance, library, got, refused = random.Random(seed), Library(address), 0.0, 0
    for number in range(12):
        price = chance.uniform(10.0, 60.0)
        try:
            job = reserve(library, price, f"{seed}-{number}")
        except OverQuota:
            refused += 1
            continue
        if chance.random() < 0.3:
            job_rows.record(library, job, Cancelled(at=NOW, by="t"))
        else:
            got += price
    library.close()
    return got, refused


def test_many_processes_never_go_over(library: Library, library_address: str) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=context) as processes:
        outcomes = list(processes.map(_grab, [library_address] * 4, range(4)))
    kept = sum(got for got, _ in outcomes)
    assert sum(refused for _, refused in outcomes) > 0
    assert ledger.balance(library)[0] == pytest.approx(kept)
    assert kept <= 1000.0 + 1e-6


def test_what_is_taken_back_is_taken_from_the_day_of_its_start(library: Library) -> None:
    """Days later it would make room that is not there, since the start no longer counts as pending."""
    job = reserve(library, 100.0)
    job = job_rows.record(library, job, LinkReady(at=NOW, md5=None, expires_at=None))
    job = job_rows.record(library, job, FetchStarting(at=NOW, resuming=False))
    later = NOW + timedelta(days=6)
    refusal = FetchRefused(at=later, reason="slept", link_gone=False, not_before=later)
    job_rows.record(library, job, refusal)
    info = QuotaInfo(limit_km2=1000.0, used_km2=950.0, source="planet", as_of=later, account="us")
    ledger.declare(library, info)
    assert ledger.quota_of(library, "us", later).remaining_area_km2 == 0.0
    with pytest.raises(OverQuota):
        job_rows.add(library, [(job_of(60.0), [Created(at=later, km2=60.0)])], owner="t", by="t", now=later)


def _spenders(address: str, folder: Path, processes: int, plans: int) -> None:
    """Processes race with real downloads for a quota that holds about half of what they want."""
    with running(pixel_size_m=240.0, quota_km2=6000.0) as sandbox:
        environment = {**hand_over(folder / "scenes.json"), "LIBRARY_OF_TEST": address}
        command = [sys.executable, spending.__file__, sandbox.url, sandbox.key, str(folder)]
        started = [
            subprocess.Popen([*command, str(number), str(plans)], env=environment, stdout=subprocess.PIPE, text=True)
            for number in range(processes)
        ]
        words = [process.communicate(timeout=600)[0].split("\n") for process in started]
        assert {process.returncode for process in started} == {0}
        lines = [line for said in words for line in said if line]
        assert len(lines) == processes * plans
        assert {line.split(":")[0] for line in lines} == {"completed", "OverQuota"}
        assert all("quota exceeded" in line for line in lines if line.startswith("OverQuota"))
        assert sandbox.billed_km2() <= 6000.0 + FLOAT_KM2
        library = Library(address)
        check_money(library, sandbox.billed_km2())
        assert sum(ledger.balance(library)) <= 6000.0 + FLOAT_KM2
        charged = [(charge["item_id"], charge["asset_type"]) for charge in sandbox.charges()]
        assert len(charged) == len(set(charged))
        ends = Counter(line.split(":")[0] for line in lines)
        print(f"{processes} processes x {plans} plans: {dict(ends)}, {sandbox.billed_km2():.1f} of 6000 km² billed")
        library.close()


def test_processes_with_real_managers_never_go_over(library_address: str, tmp_path: Path) -> None:
    _spenders(library_address, tmp_path, 4, 10)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_many_processes_with_real_managers_never_go_over(library_address: str, tmp_path: Path) -> None:
    _spenders(library_address, tmp_path, 16, 50)


def test_a_job_under_way_moves_with_its_account(library: Library) -> None:
    """The key is seen to belong to a subscription while a job of it runs: nothing is counted in two places."""
    account = accounts.account_of_key(library, "k") or "key:k"
    [job] = job_rows.add(
        library, [(job_of(100.0, account=account), [Created(at=NOW, km2=100.0)])], **OURS, allow_unknown=True
    )
    accounts.adopt(library, "k", "us")
    job = job_rows.record(library, job, LinkReady(at=NOW, md5=None, expires_at=None))
    job = job_rows.record(library, job, FetchStarting(at=NOW, resuming=False))
    assert job.account == "us" and job_rows.get(library, job.id).account == "us"
    assert ledger.balance(library, "us") == (0.0, 100.0)
    assert ledger.balance(library, "key:k") == (0.0, 0.0)


def test_a_job_that_another_moved_is_refused(library: Library) -> None:
    job = reserve(library, 100.0)
    job_rows.record(library, job, Cancelled(at=NOW, by="t"))
    for work in (
        lambda: job_rows.record(library, job, LinkReady(at=NOW, md5=None, expires_at=None)),
        lambda: job_rows.progress(library, job),
        lambda: job_rows.confirm(library, job),
    ):
        with pytest.raises(LibraryLocked, match="moved by another"):
            work()
    assert ledger.balance(library) == (0.0, 0.0)


def test_a_claim_ends_with_its_run_and_not_before(library: Library) -> None:
    with working() as mine, working() as theirs:
        [job] = job_rows.add(library, [(job_of(1.0), [Created(at=NOW, km2=1.0)])], owner=mine, by="t", now=NOW)
        assert job_rows.claim(library, [job.id], owner=theirs, now=NOW) == []
        assert job_rows.held_elsewhere(library, [job.id], owner=theirs, now=NOW) == {job.id: mine}
        lapse(library, job)
        assert job_rows.held_elsewhere(library, [job.id], owner=theirs, now=NOW) == {}
        assert job_rows.claim(library, [job.id], owner=theirs, now=NOW) == [job]
    with working() as next_run:
        assert job_rows.claim(library, [job.id], owner=next_run, now=NOW) == [job]


def lapse(library: Library, job: DownloadJob) -> None:
    """As if the claim had not been renewed for long."""
    with library.write() as connection:
        connection.execute(
            sa.update(job_table).where(job_table.c.id == job.id).values(lease_until=datetime.min.replace(tzinfo=UTC))
        )


@pytest.mark.parametrize("wrong", [timedelta(hours=-1), timedelta(hours=1)])
def test_machines_on_one_server_judge_claims_by_its_clock(postgres_address: str, wrong: timedelta) -> None:
    """Neither a clock that is ahead takes a claim early, nor one that is behind keeps it for ever."""
    library, now = with_limit(postgres_address, 1000.0), datetime.now(UTC)
    with working() as mine, working() as theirs:
        [job] = job_rows.add(library, [(job_of(1.0), [Created(at=NOW, km2=1.0)])], owner=mine, by="t", now=now + wrong)
        assert job_rows.claim(library, [job.id], owner=theirs, now=now - wrong) == []
        assert set(job_rows.held_elsewhere(library, [job.id], owner=theirs, now=now - wrong)) == {job.id}
        [until] = postgres_lease(library, job)
        assert timedelta(0) < until - now <= job_rows.LEASE + timedelta(minutes=5)
    library.close()


def postgres_lease(library: Library, job: DownloadJob) -> list[datetime]:
    """Until when the job is claimed."""
    with library.read() as connection:
        return list(connection.execute(sa.select(job_table.c.lease_until).where(job_table.c.id == job.id)).scalars())

"""The real manager against the sandbox on real sockets: what a user does, and what must never happen."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rasterio
from managing import (
    ANALYTIC,
    FLOAT_KM2,
    SQUARE,
    SR,
    TYPES,
    UDM2,
    XML,
    awaited,
    check_money,
    leftovers,
    manager_of,
    md5,
    scenes,
    settings,
    true_md5,
)
from sandboxes import running

from planet_assets import blocking
from planet_assets.exceptions import (
    AssetError,
    CannotAsk,
    DiskProblem,
    Gone,
    Misused,
    NetworkError,
    OverQuota,
    QuotaUnknown,
)
from planet_assets.flow.consent import ask_on_terminal
from planet_assets.library import jobs as job_rows
from planet_assets.library import ledger
from planet_assets.manager import AssetManager
from planet_assets.model.asset import AssetStatus
from planet_assets.model.job import DownloadJob
from planet_assets.model.plan import Decision
from planet_assets.sandbox import RunningSandbox

S = AssetStatus
SHORT = 350_000  # bytes of a small analytic file, roughly


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox activates at once; nobody needs a second between looks."""
    monkeypatch.setattr("planet_assets.rules.pacing.poll_after_s", lambda age_s, seen, **how: min(3600.0, 0.01 + age_s))


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running() as served:
        yield served


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., AssetManager]]:
    """Managers on one library; closed, and their money checked, at the end."""
    made: list[tuple[AssetManager, RunningSandbox]] = []

    def manager(sandbox: RunningSandbox, **config: Any) -> AssetManager:
        made.append((manager_of(sandbox, tmp_path, **config), sandbox))
        return made[-1][0]

    yield manager
    for one, sandbox in made:
        check_money(one.library, sandbox.billed_km2())
        asyncio.run(one.aclose())


def asked(sandbox: RunningSandbox, text: str) -> list[str]:
    """Paths that were asked for and hold a text."""
    return [request["path"] for request in sandbox.requests() if text in request["path"]]


def costly(sandbox: RunningSandbox) -> list[str]:
    """Requests that could cost: activation, links, storage."""
    return [path for word in ("activate", "/download", "/storage") for path in asked(sandbox, word)]


# The happy path


@awaited
async def test_a_scene_becomes_verified_and_cut_files(sandbox: RunningSandbox, make: Any, tmp_path: Path) -> None:
    manager = make(sandbox)
    wanted = scenes(2)
    jobs = await manager.activate_and_download_assets(wanted, TYPES, tmp_path / "out", SQUARE)

    assert [(job.scene_id, job.asset_type) for job in jobs] == [(s["id"], kind) for s in wanted for kind in TYPES]
    for job in jobs:
        assert job.status is S.COMPLETED, job.error_message
        assert md5(job.original_file_path) == true_md5(sandbox, job) == job.md5
        assert (job.progress_percentage, job.held_km2) == (100.0, 0.0)
        if job.asset_type == XML:
            assert job.clipped_file_path is None
            continue
        with rasterio.open(job.clipped_file_path) as cut, rasterio.open(job.original_file_path) as whole:
            assert cut.width < whole.width
            assert cut.crs == whole.crs
        assert job.downloaded_file_path == job.clipped_file_path
    assert jobs[0].original_file_path.name == f"{wanted[0]['id']}_3B_AnalyticMS.tif"
    assert jobs[0].clipped_file_path.name == f"{wanted[0]['id']}_3B_AnalyticMS_clipped.tif"
    assert jobs[2].original_file_path.name == f"{wanted[0]['id']}_3B_AnalyticMS_metadata.xml"
    assert leftovers(tmp_path) == []
    assert abs(sum(job.spent_km2 for job in jobs) - sandbox.billed_km2()) < FLOAT_KM2
    kinds = [type(event).__name__ for event in job_rows.history(manager.library, jobs[0].id)]
    assert kinds == [
        *("Created", "AssetInactive", "ActivationAsked", "LinkReady", "FetchStarting", "FetchAnswered"),
        *("Fetched", "Checked", "Placed", "Clipped"),
    ]


@awaited
async def test_the_plan_says_what_is_charged(sandbox: RunningSandbox, make: Any) -> None:
    manager = make(sandbox)
    impact = manager.calculate_download_impact(scenes(2), SQUARE, [ANALYTIC, UDM2])
    plan = await manager.plan(scenes(2), [ANALYTIC, UDM2], roi=SQUARE, clip_to_roi=True)
    assert costly(sandbox) == [] and manager.library is not None
    jobs = await manager.run(plan)
    assert impact["area_km2"] == plan.impact.area_km2 == pytest.approx(sandbox.billed_km2(), rel=1e-4)
    assert sum(job.size_bytes for job in jobs) > 0
    quota = await manager.get_quota_info()
    assert quota.pending_km2 == pytest.approx(sandbox.billed_km2(), rel=1e-6)
    assert quota.remaining_area_km2 == pytest.approx(100_000 - sandbox.billed_km2(), rel=1e-6)


@awaited
async def test_a_day_later_the_posted_spend_is_not_counted_for_ever(sandbox: RunningSandbox, make: Any) -> None:
    manager = make(sandbox)
    await manager.activate_and_download_assets(scenes(1), [ANALYTIC])
    sandbox.advance(86_400)
    quota = await manager.get_quota_info()
    assert quota.used_km2 == pytest.approx(sandbox.billed_km2(), rel=1e-6)
    assert quota.pending_km2 == pytest.approx(sandbox.billed_km2(), rel=1e-6)  # twice for a while, never not at all


@awaited
async def test_held_files_are_never_asked_for_again(sandbox: RunningSandbox, make: Any, tmp_path: Path) -> None:
    manager = make(sandbox)
    first = await manager.activate_and_download_assets(scenes(2), TYPES, tmp_path / "out", SQUARE)
    billed, before = sandbox.billed_km2(), len(sandbox.requests())
    manager.get_user_confirmation = lambda plan: pytest.fail("nothing is fetched, so nobody is asked")
    again = await manager.activate_and_download_assets(scenes(2), TYPES, tmp_path / "out", SQUARE)
    paths = [request["path"] for request in sandbox.requests()[before:]]
    assert [path for path in paths if "subscriptions" not in path] == []
    assert sandbox.billed_km2() == billed
    assert [job.downloaded_file_path for job in again] == [job.downloaded_file_path for job in first]
    assert {job.spent_km2 for job in again} == {0.0}


@awaited
async def test_another_folder_is_linked_at_no_charge(sandbox: RunningSandbox, make: Any, tmp_path: Path) -> None:
    manager = make(sandbox)
    [first] = await manager.activate_and_download_assets(scenes(1), [ANALYTIC], tmp_path / "a")
    billed = sandbox.billed_km2()
    [second] = await manager.activate_and_download_assets(scenes(1), [ANALYTIC], tmp_path / "b", SQUARE)
    assert second.status is S.COMPLETED
    assert second.original_file_path.samefile(first.original_file_path)
    assert second.clipped_file_path.exists()
    assert (sandbox.billed_km2(), second.spent_km2) == (billed, 0.0)


@awaited
async def test_a_held_file_that_was_changed_gets_no_second_name(
    sandbox: RunningSandbox, make: Any, tmp_path: Path
) -> None:
    manager = make(sandbox)
    [first] = await manager.activate_and_download_assets(scenes(1), [UDM2], tmp_path / "a")
    data = bytearray(first.original_file_path.read_bytes())
    data[-1] ^= 0xFF
    first.original_file_path.write_bytes(data)
    [second] = await manager.activate_and_download_assets(scenes(1), [UDM2], tmp_path / "b")
    assert second.status is S.FAILED and "not what it was" in second.error_message
    assert not (tmp_path / "b" / first.original_file_path.name).exists()
    first.original_file_path.unlink()
    [third] = await manager.activate_and_download_assets(scenes(1), [UDM2], tmp_path / "b")
    assert third.status is S.COMPLETED and md5(third.original_file_path) == true_md5(sandbox, third)


@awaited
async def test_two_rois_in_one_folder_have_names_of_their_own(
    sandbox: RunningSandbox, make: Any, tmp_path: Path
) -> None:
    manager = make(sandbox)
    west = {"type": "Polygon", "coordinates": [[[9.15, 45.44], [9.18, 45.44], [9.18, 45.49], [9.15, 45.44]]]}
    [one] = await manager.activate_and_download_assets(scenes(1), [ANALYTIC], tmp_path / "out", SQUARE)
    kept = md5(one.clipped_file_path)
    [two] = await manager.activate_and_download_assets(scenes(1), [ANALYTIC], tmp_path / "out", west)
    assert one.clipped_file_path != two.clipped_file_path
    assert md5(one.clipped_file_path) == kept
    assert len(sandbox.charges()) == 1


@awaited
async def test_the_same_file_found_at_the_target_is_adopted(sandbox: RunningSandbox, make: Any, tmp_path: Path) -> None:
    [job] = await make(sandbox).activate_and_download_assets(scenes(1), [UDM2], tmp_path / "a")
    stranger = AssetManager(sandbox.key, settings(sandbox.url, tmp_path / "other"))
    target = tmp_path / "b" / job.original_file_path.name
    target.parent.mkdir()
    target.write_bytes(job.original_file_path.read_bytes())
    async with stranger:
        [adopted] = await stranger.activate_and_download_assets(
            scenes(1), [UDM2], tmp_path / "b", confirm_download=False
        )
        check_money(stranger.library, 0.0)
    assert adopted.status is S.COMPLETED
    assert (adopted.spent_km2, len(sandbox.charges())) == (0.0, 1)


@awaited
async def test_a_foreign_file_at_the_target_is_refused_unpaid(
    sandbox: RunningSandbox, make: Any, tmp_path: Path
) -> None:
    manager = make(sandbox)
    plan = await manager.plan(scenes(1), [ANALYTIC], output_dir=tmp_path / "out")
    target = Path(plan.wants[0].path)
    target.parent.mkdir()
    target.write_text("mine")
    [job] = await manager.run(plan)
    assert job.status is S.FAILED and "is not the file Planet promises" in job.error_message
    assert target.read_text() == "mine"
    assert sandbox.charges() == [] and asked(sandbox, "/storage") == []
    assert job.held_km2 == job.spent_km2 == 0.0


@awaited
async def test_a_foreign_cut_is_refused_unpaid(sandbox: RunningSandbox, make: Any, tmp_path: Path) -> None:
    manager = make(sandbox)
    plan = await manager.plan(scenes(1), [ANALYTIC], clip_to_roi=SQUARE)
    target = Path(plan.wants[0].clipped_path)
    target.parent.mkdir()
    target.write_text("mine")
    [job] = await manager.run(plan)
    assert job.status is S.FAILED and "not ours" in job.error_message
    assert target.read_text() == "mine" and sandbox.charges() == []


# Consent and quota


def _two(quota: Any, impact: Any) -> bool:
    return bool(impact["area_km2"] < quota.remaining_area_km2)


async def _two_async(quota_info: Any, download_impact: Any) -> bool:
    return _two(quota_info, download_impact)


async def _one_async(plan: Any) -> bool:
    return bool(plan.verdict.allows)


@pytest.mark.parametrize("hook", [_two, _two_async, _one_async, lambda plan: True, lambda *given: _two(*given)])
@awaited
async def test_hooks_of_one_or_two_arguments_plain_or_async(sandbox: RunningSandbox, make: Any, hook: Any) -> None:
    manager = make(sandbox)
    manager.get_user_confirmation = hook
    [job] = await manager.activate_and_download_assets(scenes(1), [UDM2])
    assert job.status is S.COMPLETED


@pytest.mark.parametrize(
    "answer", [False, None, Decision(proceed=True, by="policy", at=None, limit_km2=1.0, reason="small ones only")]
)
@awaited
async def test_declined_means_cancelled_and_nothing_reserved(sandbox: RunningSandbox, make: Any, answer: Any) -> None:
    manager = make(sandbox)
    manager.get_user_confirmation = lambda plan: answer
    jobs = await manager.activate_and_download_assets(scenes(2), [ANALYTIC])
    assert {job.status for job in jobs} == {S.USER_CANCELLED}
    assert costly(sandbox) == [] and ledger.rows(manager.library) == []
    assert await manager.resume() == []


@awaited
async def test_nobody_to_ask_is_an_error_and_not_a_hang(
    sandbox: RunningSandbox, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = make(sandbox)
    manager.get_user_confirmation = ask_on_terminal
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CannotAsk, match="nobody to ask"):
        await manager.activate_and_download_assets(scenes(1), [ANALYTIC])
    assert costly(sandbox) == [] and ledger.rows(manager.library) == []


@pytest.mark.parametrize("confirm", [True, False])
@awaited
async def test_over_quota_is_refused_before_anything_costly(make: Any, confirm: bool) -> None:
    with running(quota_km2=900.0) as sandbox:
        manager = make(sandbox)
        with pytest.raises(OverQuota, match="quota exceeded") as refused:
            await manager.activate_and_download_assets(scenes(2), [ANALYTIC, UDM2], confirm_download=confirm)
        assert refused.value.shortfall_km2 > 0
        assert costly(sandbox) == [] and job_rows.listed(manager.library) == []


@awaited
async def test_unknown_quota_names_the_two_ways_out(sandbox: RunningSandbox, make: Any) -> None:
    sandbox.fault("subscriptions-null-quota")
    manager = make(sandbox)
    with pytest.raises(QuotaUnknown, match=r"quota set --limit.*allow_unknown_quota=True"):
        await manager.activate_and_download_assets(scenes(1), [UDM2])
    assert costly(sandbox) == []
    [job] = await manager.activate_and_download_assets(scenes(1), [UDM2], allow_unknown_quota=True)
    assert job.status is S.COMPLETED


@pytest.mark.parametrize("fault", ["subscriptions-null-quota", "subscriptions-empty", "subscriptions-error"])
@awaited
async def test_a_declared_quota_counts(sandbox: RunningSandbox, make: Any, fault: str) -> None:
    sandbox.fault(fault)
    manager = make(sandbox, retry_attempts=1)
    manager.declare_quota(1000.0, 100.0)
    quota = await manager.get_quota_info()
    assert (quota.source, quota.remaining_area_km2) == ("declared", 900.0)
    [job] = await manager.activate_and_download_assets(scenes(1), [ANALYTIC])
    quota = await manager.get_quota_info()
    assert quota.remaining_area_km2 == pytest.approx(900.0 - job.spent_km2)
    with pytest.raises(OverQuota, match="quota exceeded"):
        await manager.activate_and_download_assets(scenes(2), [ANALYTIC])


@awaited
async def test_quota_used_up_between_plan_and_run(make: Any) -> None:
    with running(quota_km2=1000.0) as sandbox:
        manager = make(sandbox)
        one, two = ([scene] for scene in scenes(2))
        first, second = await manager.plan(one, [ANALYTIC]), await manager.plan(two, [ANALYTIC])
        assert first.verdict.allows and second.verdict.allows
        await manager.run(first)
        with pytest.raises(OverQuota, match="quota exceeded"):
            await manager.run(second)
        assert len(sandbox.charges()) == 1


@awaited
async def test_planets_own_refusal_for_quota_fails_the_job_and_frees_the_reservation(
    sandbox: RunningSandbox, make: Any
) -> None:
    sandbox.fault("quota-exhausted")
    manager = make(sandbox)
    [job] = await manager.activate_and_download_assets(scenes(1), [ANALYTIC])
    assert job.status is S.FAILED and "quota exceeded" in job.error_message and job.error_kind == "OverQuota"
    assert ledger.balance(manager.library) == (0.0, 0.0)


@awaited
async def test_quota_that_ends_between_activation_and_download(sandbox: RunningSandbox, make: Any) -> None:
    manager = make(sandbox)
    sandbox.fault("quota-exhausted", path="/download")
    [job] = await manager.activate_and_download_assets(scenes(1), [ANALYTIC])
    assert job.status is S.FAILED and "quota exceeded" in job.error_message
    assert ledger.balance(manager.library) == (0.0, 0.0)


@awaited
async def test_a_disk_too_small_is_said_before_anyone_is_asked(
    sandbox: RunningSandbox, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = make(sandbox)
    manager.get_user_confirmation = lambda plan: pytest.fail("asked")
    monkeypatch.setattr("planet_assets.flow.files.free_bytes", lambda folder: 100_000)
    with pytest.raises(DiskProblem, match="too little for"):
        await manager.activate_and_download_assets(scenes(1), [ANALYTIC])
    assert costly(sandbox) == []


@awaited
async def test_a_disk_that_fills_up_meanwhile_fails_the_job_unpaid(
    sandbox: RunningSandbox, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = make(sandbox)
    plan = await manager.plan(scenes(1), [ANALYTIC])
    monkeypatch.setattr("planet_assets.door.carrying.refuse_bad_disk", lambda plan: None)
    monkeypatch.setattr("planet_assets.flow.files.free_bytes", lambda folder: 100_000)
    [job] = await manager.run(plan)
    assert job.status is S.FAILED and "too little for" in job.error_message
    assert sandbox.charges() == [] and ledger.balance(manager.library) == (0.0, 0.0)


# Bad input, and things that are not there


@awaited
async def test_an_empty_list_gives_an_empty_list(sandbox: RunningSandbox, make: Any) -> None:
    assert await make(sandbox).activate_and_download_assets([]) == []
    assert await make(sandbox).activate_and_download_assets({"type": "FeatureCollection", "features": []}) == []


@awaited
async def test_one_scene_that_lacks_the_type_fails_while_others_run(sandbox: RunningSandbox, make: Any) -> None:
    manager = make(sandbox)
    [good], [poor] = scenes(1, with_types=[SR]), scenes(1, without=SR)
    jobs = await manager.activate_and_download_assets([poor, good], [SR])
    assert [job.status for job in jobs] == [S.FAILED, S.COMPLETED]
    assert "activation failed" in jobs[0].error_message and "it has basic_" in jobs[0].error_message
    retried = await manager.retry_failed_downloads([jobs[0]])
    assert [job.status for job in retried] == [S.FAILED]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": None, "properties": {}}, "has no id"),
        ({"geometry": None}, "has no geometry"),
        ({"id": "../../evil"}, "file name"),
    ],
)
@awaited
async def test_a_malformed_scene_refuses_everything(
    sandbox: RunningSandbox, make: Any, change: dict[str, Any], words: str
) -> None:
    manager = make(sandbox)
    good, bad = scenes(2)
    with pytest.raises(AssetError, match=words):
        await manager.activate_and_download_assets([good, {**bad, **change}], [UDM2])
    assert costly(sandbox) == [] and job_rows.listed(manager.library) == []


@pytest.mark.parametrize("name", ["ortho_analytic_99b", "Ortho Analytic", ""])
@awaited
async def test_an_unknown_type_is_refused(sandbox: RunningSandbox, make: Any, name: str) -> None:
    with pytest.raises(Misused):
        await make(sandbox).activate_and_download_assets(scenes(1), [name])
    assert costly(sandbox) == []


@awaited
async def test_asset_info(sandbox: RunningSandbox, make: Any) -> None:
    manager, scene = make(sandbox), scenes(1)[0]
    info = await manager.get_asset_info(scene["id"], ANALYTIC)
    assert (info["status"], info["available"], info["md5"]) == ("inactive", True, None)
    [job] = await manager.activate_and_download_assets([scene], [ANALYTIC])
    info = await manager.get_asset_info(scene["id"], ANALYTIC)
    assert (info["status"], info["md5"]) == ("active", job.md5)
    assert not (await manager.get_asset_info(scene["id"], "ortho_analytic_3b"))["available"]
    with pytest.raises(Gone):
        await manager.get_asset_info("20250101_000000_00_0000", ANALYTIC)


@awaited
async def test_a_scene_under_embargo_waits_and_is_had_later(make: Any) -> None:
    from datetime import UTC, datetime

    from planet_assets.flow.clock import RealClock

    class Then(RealClock):
        """The sandbox's own time, as it was in January 2025."""

        def now(self) -> datetime:
            return sandbox.world.now()

    with running(embargo_days=30.0, start=datetime(2025, 1, 10, tzinfo=UTC)) as sandbox:
        manager = make(sandbox)
        manager._wires.clock = Then()
        scene = {**scenes(1)[0], "_permissions": []}
        [job] = await manager.activate_and_download_assets([scene], [ANALYTIC])
        assert job.status is S.WAITING and job.not_before is not None and job.held_km2 == 0.0
        [again] = await manager.resume()
        assert again.status is S.WAITING
        sandbox.advance(40 * 86_400)
        manager.get_user_confirmation = lambda plan: True
        [had] = await manager.resume()
        assert had.id == job.id and had.status is S.COMPLETED, had.error_message
        assert had.agreed_km2 == pytest.approx(had.km2)


@awaited
async def test_no_network_is_a_connection_error(make: Any, tmp_path: Path) -> None:
    with running() as sandbox:
        manager = make(sandbox, retry_attempts=0)
    with pytest.raises(ConnectionError) as refused:
        await manager.get_asset_info(scenes(1)[0]["id"], ANALYTIC)
    assert isinstance(refused.value, NetworkError)


# Progress, loops, doors


@awaited
async def test_progress_callback_sees_every_status(sandbox: RunningSandbox, make: Any) -> None:
    manager, seen = make(sandbox), []
    manager.progress_callback = seen.append
    [job] = await manager.activate_and_download_assets(scenes(1), [ANALYTIC], clip_to_roi=SQUARE)
    statuses = list(dict.fromkeys(one.status for one in seen))
    assert statuses == [S.ACTIVATING, S.ACTIVE, S.DOWNLOADING, S.CLIPPING, S.COMPLETED]
    assert seen[-1] == job


def test_several_event_loops_on_one_manager(sandbox: RunningSandbox, make: Any) -> None:
    manager = make(sandbox)
    one, two = ([scene] for scene in scenes(2))
    for wanted in (one, two, one):
        [job] = asyncio.run(manager.activate_and_download_assets(wanted, [UDM2]))
        assert job.status is S.COMPLETED


@awaited
async def test_closed_and_used_again(sandbox: RunningSandbox, tmp_path: Path) -> None:
    async with manager_of(sandbox, tmp_path) as manager:
        await manager.activate_and_download_assets(scenes(1), [UDM2])
    async with manager:
        [job] = await manager.activate_and_download_assets(scenes(1), [UDM2])
    assert job.status is S.COMPLETED and len(sandbox.charges()) == 1


@pytest.mark.parametrize("inside_a_loop", [False, True])
def test_the_door_without_await(sandbox: RunningSandbox, tmp_path: Path, inside_a_loop: bool) -> None:
    def use() -> list[DownloadJob]:
        with blocking.AssetManager(sandbox.key, settings(sandbox.url, tmp_path)) as manager:
            manager.get_user_confirmation = lambda plan: True
            return manager.activate_and_download_assets(scenes(1), [UDM2], clip_to_roi=SQUARE)

    async def inside() -> list[DownloadJob]:
        return use()

    [job] = asyncio.run(inside()) if inside_a_loop else use()
    assert job.status is S.COMPLETED and job.clipped_file_path.exists()


# Stopping, resuming, and two at once


async def _cut_short(manager: AssetManager, work: Any, when: Callable[[DownloadJob], bool]) -> None:
    """Cancel a run when a job has come so far, as Ctrl-C does."""
    reached = asyncio.Event()
    manager.progress_callback = lambda job: reached.set() if when(job) else None
    task = asyncio.ensure_future(work)
    await asyncio.wait({task, asyncio.ensure_future(reached.wait())}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    manager.progress_callback = None


@pytest.mark.parametrize("stage", [S.ACTIVATING, S.ACTIVE, S.DOWNLOADING])
@awaited
async def test_ctrl_c_leaves_jobs_that_resume_finishes(
    sandbox: RunningSandbox, make: Any, tmp_path: Path, stage: AssetStatus
) -> None:
    manager = make(sandbox)
    sandbox.fault("slow", rate=300_000.0)
    work = manager.activate_and_download_assets(scenes(3), [ANALYTIC], tmp_path / "out", SQUARE)
    await _cut_short(manager, work, lambda job: job.status is stage)
    sandbox.mend()
    left = job_rows.unfinished(manager.library)
    assert left
    check_money(manager.library, sandbox.billed_km2())
    await manager.resume(confirm=False)
    jobs = job_rows.listed(manager.library)
    assert len(jobs) == 3 and {job.status for job in jobs} == {S.COMPLETED}
    for job in jobs:
        assert md5(job.original_file_path) == true_md5(sandbox, job)
    assert leftovers(tmp_path) == []
    assert len(sandbox.charges()) == 3  # parts were continued over the addresses that were kept


@awaited
async def test_cancelled_jobs_give_back_what_is_not_spent_and_leave_no_parts(
    sandbox: RunningSandbox, make: Any, tmp_path: Path
) -> None:
    manager = make(sandbox, max_concurrent_downloads=1)
    sandbox.fault("slow", rate=200_000.0)
    work = manager.activate_and_download_assets(scenes(3), [ANALYTIC], tmp_path / "out")
    await _cut_short(manager, work, lambda job: job.bytes_done > 0)
    assert leftovers(tmp_path) != []
    ended = await manager.cancel([job.id for job in job_rows.unfinished(manager.library)], reason="changed my mind")
    assert {job.status for job in ended} == {S.USER_CANCELLED} and len(ended) == 3
    assert leftovers(tmp_path) == []
    held, spent = ledger.balance(manager.library)
    assert held == pytest.approx(0.0, abs=1e-9) and spent == pytest.approx(sandbox.billed_km2())
    assert len(sandbox.charges()) == 1, "one body began, one is charged"


@awaited
async def test_retry_goes_on_with_the_part_of_a_failed_job(sandbox: RunningSandbox, make: Any, tmp_path: Path) -> None:
    manager = make(sandbox, retry_attempts=0)
    sandbox.fault("cut", count=1)
    [job] = await manager.activate_and_download_assets(scenes(1), [ANALYTIC], tmp_path / "out")
    assert job.status is S.FAILED and "download failed" in job.error_message
    assert leftovers(tmp_path) != [] and not Path(job.path).exists()
    [again] = await manager.retry_failed_downloads([job])
    assert again.status is S.COMPLETED and md5(again.original_file_path) == true_md5(sandbox, again)
    assert leftovers(tmp_path) == [] and len(sandbox.charges()) == 1


@awaited
async def test_two_runs_of_one_process_fetch_each_asset_once(
    sandbox: RunningSandbox, make: Any, tmp_path: Path
) -> None:
    one, two = make(sandbox), make(sandbox)
    sandbox.fault("slow", rate=1_000_000.0)
    results = await asyncio.gather(
        one.activate_and_download_assets(scenes(3), [ANALYTIC], tmp_path / "a", SQUARE),
        two.activate_and_download_assets(scenes(3), [ANALYTIC], tmp_path / "b"),
        one.activate_and_download_assets(scenes(2), [ANALYTIC], tmp_path / "a", SQUARE),
    )
    for folder, jobs in zip(("a", "b", "a"), results, strict=True):
        assert {job.status for job in jobs} == {S.COMPLETED}
        for job in jobs:
            assert job.original_file_path.parent == tmp_path / folder
            assert md5(job.original_file_path) == true_md5(sandbox, job)
    assert all(job.clipped_file_path.exists() for job in (*results[0], *results[2]))
    assert len(sandbox.charges()) == 3


@awaited
async def test_jobs_of_another_subscription_are_left_alone(sandbox: RunningSandbox, make: Any) -> None:
    import sqlalchemy as sa

    from planet_assets.library.schema import job as table

    manager = make(sandbox, max_concurrent_downloads=1)
    sandbox.fault("slow", rate=200_000.0)
    work = manager.activate_and_download_assets(scenes(1), [ANALYTIC])
    await _cut_short(manager, work, lambda job: job.bytes_done > 0)
    with manager.library.write() as connection:
        connection.execute(sa.update(table).values(account="somebody else's"))
    assert await manager.resume(confirm=False) == []
    with pytest.raises(Misused, match="somebody else's"):
        await manager.resume(job_rows.unfinished(manager.library))
    account = (await manager.get_quota_info()).account
    with manager.library.write() as connection:
        connection.execute(sa.update(table).values(account=account))
    sandbox.mend()
    assert [job.status for job in await manager.resume(confirm=False)] == [S.COMPLETED]


@awaited
async def test_a_charge_beyond_what_was_confirmed_is_asked_for(
    sandbox: RunningSandbox, make: Any, tmp_path: Path
) -> None:
    """The part and its address are lost: only a second start can help, which may charge again."""
    manager = make(sandbox, max_concurrent_downloads=1)
    sandbox.fault("slow", rate=200_000.0)
    work = manager.activate_and_download_assets(scenes(1), [ANALYTIC], tmp_path / "out")
    await _cut_short(manager, work, lambda job: job.bytes_done > 0)
    sandbox.mend()
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    plans = []
    manager.get_user_confirmation = lambda plan: plans.append(plan)
    [job] = await manager.resume()
    assert job.status is S.FAILED and "more than" in job.error_message
    assert len(sandbox.charges()) == 1 and plans[0].impact.area_km2 == pytest.approx(job.km2)
    [job] = await manager.retry_failed_downloads([job], confirm=lambda plan: True)
    assert job.status is S.COMPLETED and len(sandbox.charges()) == 2


@awaited
async def test_with_nobody_to_ask_no_more_is_spent_than_the_plan_said(
    sandbox: RunningSandbox, make: Any, tmp_path: Path
) -> None:
    manager = make(sandbox, max_concurrent_downloads=1)
    unasked = {"output_dir": tmp_path / "out", "confirm_download": False}
    sandbox.fault("slow", rate=200_000.0)
    work = manager.activate_and_download_assets(scenes(1), [ANALYTIC], **unasked)
    await _cut_short(manager, work, lambda job: job.bytes_done > 0)
    sandbox.mend()
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    [job] = await manager.activate_and_download_assets(scenes(1), [ANALYTIC], **unasked)
    assert job.status is S.FAILED and "more than" in job.error_message
    assert len(sandbox.charges()) == 1


# Faults


def _end(job: DownloadJob) -> str:
    return f"{job.status.value}: {job.error_message}"


CURED = [  # those of a storage in all their ways: tests/faults/test_classes.py
    ("cut", {"count": 3, "after": 1000}),
    ("reset", {"count": 2}),
    ("flip", {"count": 1}),
    ("range-ignored", {}),
    ("hostile-name", {}),
    ("link-400", {}),
    ("location-null", {"count": 2}),
    ("expired-link", {"count": 3}),
    ("republished", {}),
    ("assets-empty", {"count": 0}),
    ("activation-failed", {}),
    ("http-500", {"count": 2, "path": "/download"}),
    ("http-500", {"count": 2, "path": "/assets"}),
    ("503", {"count": 2, "path": "activate"}),
    ("malformed-json", {"count": 2, "path": "/assets"}),
    ("429-storm", {"count": 5, "path": "/assets"}),
    ("429-storm", {"count": 3, "path": "/download"}),
]


@pytest.mark.parametrize(("name", "options"), CURED, ids=[f"{name}-{options}" for name, options in CURED])
@awaited
async def test_faults_that_pass_end_with_the_right_bytes(
    sandbox: RunningSandbox, make: Any, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    manager = make(sandbox, timeout=0.5)
    if name == "range-ignored":
        sandbox.fault("cut", count=2)
    plan = await manager.plan(scenes(1), [ANALYTIC])
    sandbox.fault(name, **options)
    [job] = await manager.run(plan)
    assert job.status is S.COMPLETED, _end(job)
    assert md5(job.original_file_path) == true_md5(sandbox, job)
    assert leftovers(tmp_path) == []
    assert sandbox.billed_km2() <= job.agreed_km2 + FLOAT_KM2


LASTING = [
    ("cut", {"after": 0}, "download failed"),
    ("flip", {}, "download failed"),
    ("wrong-md5", {}, "md5"),
    ("gzip", {}, "compressed"),
    ("html-200", {}, "download failed"),
    ("expired-link", {}, "led to no bytes"),
    ("redirect-loop", {}, "circles"),
    ("redirect-foreign", {"path": "/assets"}, "not the API"),
    ("permissions-empty", {}, "may not|no permission|activation failed"),
    ("assets-empty", {}, "may not"),
    ("http-500", {"path": "/storage"}, "download failed"),
    ("http-500", {"path": "/assets"}, "activation failed"),
    ("429-storm", {"path": "/assets"}, "slower pace"),
    ("quota-exhausted", {}, "quota exceeded"),
    ("status", {"status": 416, "path": "/storage"}, "download failed"),
    ("status", {"status": 404, "path": "/assets"}, "activation failed"),
]


@pytest.mark.parametrize(("name", "options", "words"), LASTING, ids=[f"{name}-{o}" for name, o, _ in LASTING])
@awaited
async def test_faults_that_last_end_with_a_clear_message_and_no_file(
    sandbox: RunningSandbox, make: Any, tmp_path: Path, name: str, options: dict[str, Any], words: str
) -> None:
    import re

    manager = make(sandbox, timeout=0.5, retry_attempts=1)
    plan = await manager.plan(scenes(1), [ANALYTIC])
    sandbox.fault(name, **options)
    [job] = await manager.run(plan)
    assert job.status in (S.FAILED, S.EXPIRED), _end(job)
    assert re.search(words, job.error_message), _end(job)
    assert sandbox.key not in job.error_message and "token" not in job.error_message
    assert not Path(job.path).exists()
    assert sandbox.billed_km2() <= job.agreed_km2 + FLOAT_KM2
    sandbox.mend()
    [again] = await manager.retry_failed_downloads([job])
    assert again.status is S.COMPLETED, _end(again)
    assert md5(again.original_file_path) == true_md5(sandbox, again)


@awaited
async def test_an_activation_that_never_ends_fails_after_a_day(sandbox: RunningSandbox, make: Any) -> None:
    from datetime import UTC, datetime

    from planet_assets.flow.clock import VirtualClock

    manager = make(sandbox)
    manager._wires.clock = VirtualClock(datetime.now(UTC))
    sandbox.fault("never-activates")
    [job] = await manager.activate_and_download_assets(scenes(1), [ANALYTIC])
    assert job.status is S.FAILED and "has not made" in job.error_message
    assert ledger.balance(manager.library) == (0.0, 0.0)

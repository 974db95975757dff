"""Only the first type of a scene charges: which one that was, two starts under way together cannot tell."""

from __future__ import annotations

from datetime import UTC, datetime

from planet_assets.library import jobs, ledger
from planet_assets.library.engine import Library
from planet_assets.model.event import AssetInactive, Created, FetchAnswered, FetchStarting, LinkLost, LinkReady
from planet_assets.model.job import DownloadJob, Terms
from planet_assets.model.quota import QuotaInfo

NOW = datetime(2025, 1, 10, tzinfo=UTC)


def started(library: Library, asset_type: str) -> DownloadJob:
    job = DownloadJob(
        id=asset_type,
        batch_id="b",
        account="us",
        item_type="PSScene",
        scene_id="20250110_100000_00_0001",
        asset_type=asset_type,
        route="data",
        path=f"/nowhere/{asset_type}.tif",
        clipped_path=None,
        roi_wkt=None,
        clipping=None,
        terms=Terms(types="first"),
        km2=100.0,
        created_at=NOW,
        updated_at=NOW,
    )
    created = Created(at=NOW, km2=100.0)
    [job] = jobs.add(library, [(job, [created])], owner="o", by="tests", now=NOW)
    return begun(library, job)


def begun(library: Library, job: DownloadJob) -> DownloadJob:
    for event in (AssetInactive(at=NOW), LinkReady(at=NOW, md5=None, expires_at=None)):
        job = jobs.record(library, job, event)
    return jobs.record(library, job, FetchStarting(at=NOW, resuming=False))


def test_a_type_that_started_counts_again_when_it_starts_again(tmp_path) -> None:
    library = Library(tmp_path / "library.db")
    ledger.declare(library, QuotaInfo(limit_km2=1e4, used_km2=0.0, source="planet", as_of=NOW, account="us"))
    one, two = started(library, "ortho_analytic_4b"), started(library, "ortho_visual")
    assert ledger.balance(library) == (0.0, 200.0)
    one = jobs.record(library, one, FetchAnswered(at=NOW, offset=0))
    two = jobs.record(library, two, FetchAnswered(at=NOW, offset=0))
    assert abs(ledger.balance(library)[1] - 100.0) < 1e-3, "only one of the two charges"
    two = begun(library, jobs.record(library, two, LinkLost(at=NOW, reason="gone")))
    assert abs(ledger.balance(library)[1] - 200.0) < 1e-3, "it may have been the one that charges each time"
    third = started(library, "ortho_udm2")
    assert third.spent_km2 == 0.0
    library.close()

"""What a person reads before and after spending: true figures, units, and *unknown* in words."""

import math
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shapely.geometry import box

from planet_assets.model.asset import AssetStatus
from planet_assets.model.item import Item
from planet_assets.model.job import DownloadJob, Terms
from planet_assets.model.plan import DownloadImpact, Plan, Verdict, Want, WantImpact
from planet_assets.model.quota import QuotaInfo
from planet_assets.view import text
from planet_assets.view.units import exact_km2, human_time, plain

NOW = datetime(2025, 1, 20, 9, 0, tzinfo=UTC)
QUOTA = QuotaInfo(
    limit_km2=3000, used_km2=1200, pending_km2=34, interval="monthly", source="planet", as_of=NOW - timedelta(hours=9)
)


def item(name="20250101_103032_40_2500", **more):
    given = {
        "item_type": "PSScene",
        "id": name,
        "acquired": datetime(2025, 1, 1, 10, 30, tzinfo=UTC),
        "footprint": box(9, 45, 9.3, 45.2),
        "cloud_cover": 0.02,
        "properties": {},
    }
    return Item(**given | more)


def plan(*, scenes=15, quota=QUOTA, verdict=None, roi_wkt="POLYGON((9 45,9.1 45,9.1 45.1,9 45))", **impact):
    items = tuple(item(f"scene_{number}") for number in range(scenes))
    wants = tuple(
        WantImpact(
            item_id=it.id,
            asset_type="ortho_analytic_4b",
            data_km2=400.0,
            orders_km2=245.67 / scenes,
            overlap_km2=245.67 / scenes,
            bytes_low=200_000_000,
            bytes_high=226_666_667,
        )
        for it in items
    )
    given = {
        "route": "orders",
        "wants": wants,
        "scene_count": scenes,
        "data_km2": 400.0 * scenes,
        "orders_km2": 245.67,
        "bytes_low": 3_000_000_000,
        "bytes_high": 3_400_000_000,
        "seconds": 754.0,
    }
    return Plan(
        id="plan-1",
        made_at=NOW,
        wants=tuple(Want(item=it, asset_type="ortho_analytic_4b") for it in items),
        impact=DownloadImpact(**given | impact),
        verdict=verdict or Verdict(word="fits"),
        quota=quota,
        asset_types=("ortho_analytic_4b",),
        roi_wkt=roi_wkt,
        items=items,
    )


def job(**more):
    given = {
        "id": "j1",
        "batch_id": "b",
        "account": "a",
        "item_type": "PSScene",
        "scene_id": "20250101_103032_40_2500",
        "asset_type": "ortho_visual",
        "route": "data",
        "path": "/data/planet/scene.tif",
        "clipped_path": None,
        "roi_wkt": None,
        "clipping": None,
        "terms": Terms(),
        "km2": 400.0,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return DownloadJob(**given | more)


def test_the_dialog_has_the_lines_of_the_wiki():
    wiki = [
        "==================================================",
        "DOWNLOAD CONFIRMATION",
        "==================================================",
        "Scenes to download: 15",
        "Asset types: ['ortho_analytic_4b']",
        "Total estimated area: 245.67 km²",
        "Estimated file size: 3.2 GB",
        "",
        "Current Quota Status:",
        "  Used: 1,234 / 3,000 km² (41.1%)",
        "  Remaining: 1,766 km²",
        "  Required: 245.67 km²",
        "  Available after download: 1,520.33 km²",
        "",
        "==================================================",
    ]
    lines = text.confirmation_dialog(plan()).splitlines()
    rest = iter(lines)
    assert all(line in rest for line in wiki), "the wiki's lines, in the wiki's order"
    assert "Proceed" not in "\n".join(lines)


def test_the_dialog_says_what_the_other_route_costs_what_is_pending_and_how_old_the_quota_is():
    dialog = text.confirmation_dialog(plan())
    assert "The data route would charge 6,000 km²: each whole scene" in dialog
    assert "of which 34 km² pending" in dialog
    assert "Source: Planet, 9 h ago (2025-01-20 00:00 UTC)" in dialog
    assert "3.0 GB to 3.4 GB, about 13 min" in dialog


def test_the_dialog_without_an_roi_names_no_cheaper_route():
    dialog = text.confirmation_dialog(plan(route="data", orders_km2=6000.0, roi_wkt=None))
    assert "without an ROI no route costs less" in dialog
    assert "orders route" not in dialog


def test_what_is_left_out_is_named_with_its_reason():
    lacking = tuple((Want(item=item(f"late_{n}"), asset_type="ortho_analytic_4b_sr"), "not made yet") for n in range(6))
    shown = replace(
        plan(
            held=(("a", "ortho_visual"),), outside=("b", "c"), duplicates=("d",), assumptions=("Each start charges.",)
        ),
        lacking=lacking,
        under_way=((Want(item=item("moving"), asset_type="ortho_visual"), "job-1"),),
    )
    for words in (text.confirmation_dialog(shown), text.plan_text(shown)):
        assert "Already held: 1 file (0 km²), taken from the library: a ortho_visual" in words
        assert "Under way already: 1 file (0 km² more): moving ortho_visual" in words
        assert "Outside the ROI: 2 scenes: b, c" in words
        assert "Given twice: 1 scene: d" in words
        assert "6 scenes: late_0, late_1, late_2, late_3 and 2 more: not made yet" in " ".join(words.split())
        assert "Assumed:\n  Each start charges." in words


def test_an_unknown_quota_says_so_and_why():
    quota = QuotaInfo(why_unknown="Planet lists no subscription for this key.")
    words = text.confirmation_dialog(plan(quota=quota, verdict=Verdict(word="unknown", shortfall_km2=math.nan)))
    assert "  Used: unknown\n  Remaining: unknown\n" in words
    assert "Available after download: unknown" in words
    assert "The quota is unknown: Planet lists no subscription for this key." in words
    limit_known = text.confirmation_dialog(plan(quota=replace(quota, limit_km2=3000)))
    assert "  Used: unknown / 3,000 km²\n" in limit_known


def test_over_the_quota_says_how_much_is_missing():
    verdict = Verdict(word="over", shortfall_km2=145.67, reasons=("quota exceeded: 145.67 km² are missing.",))
    words = text.confirmation_dialog(plan(quota=replace(QUOTA, used_km2=2866), verdict=verdict))
    assert "Available after download: none, 145.67 km² missing" in words
    assert "  quota exceeded: 145.67 km² are missing." in words


def test_the_plan_adds_up_per_scene():
    lines = text.plan_text(plan(scenes=3)).splitlines()
    total = next(line for line in lines if line.startswith("total"))
    assert total.split() == ["total", "3", "1,200.0", "245.7", "640.0", "MB"]
    assert any(line.split()[:4] == ["scene_0", "2025-01-01", "10:30", "UTC"] for line in lines)


def test_an_impact_without_an_roi_has_no_column_for_it():
    assert "in ROI" in text.impact_table(plan())
    assert "in ROI" not in text.impact_table(plan(orders_km2=6000.0, roi_wkt=None))


def test_the_bar_shows_even_a_little():
    quota = replace(QUOTA, used_km2=0.5, pending_km2=0.5)
    bar = text.quota_lines(quota, NOW, signs="#+.").splitlines()[1].split()[0]
    assert bar == "#+" + "." * 38
    full = text.quota_lines(replace(QUOTA, used_km2=5000), NOW, signs="#+.")
    assert "#" * 40 in full
    assert "Near the limit." in full


def test_quota_lines_tell_reset_and_age():
    words = text.quota_lines(replace(QUOTA, resets_at=datetime(2025, 2, 1, tzinfo=UTC), plan="Basic"), NOW)
    assert words.startswith("Quota: Basic · monthly\n")
    assert "2025-02-01 00:00 UTC, in 11 days 15 h" in words
    assert "1,766 km²   of 3,000 km²" in words
    assert "unknown" in text.quota_lines(QuotaInfo(), NOW)


def test_a_quota_of_nothing_is_used_up():
    words = text.quota_lines(replace(QUOTA, limit_km2=0, used_km2=0, pending_km2=0), NOW)
    assert "100.0%" in words


def test_jobs_show_status_figures_and_outcome():
    jobs = [
        job(status=AssetStatus.COMPLETED, spent_km2=400.0, file_bytes=45_300_000),
        job(status=AssetStatus.DOWNLOADING, held_km2=400.0, size_bytes=100, bytes_done=42),
        job(status=AssetStatus.FAILED, error_message="download failed: the disk\x1b[31m is full"),
        job(status=AssetStatus.WAITING, error_message="Not made yet.", not_before=NOW),
    ]
    table = text.jobs_table(jobs)
    done, under_way, failed, waiting = table.splitlines()[2:6]
    assert done.split() == [jobs[0].scene_id, "ortho_visual", "completed", "45.3", "MB", "400.0", "scene.tif"]
    assert "downloading 42%" in under_way
    assert failed.endswith("download failed: the disk [31m is full")
    assert waiting.endswith("Not made yet. Next look 2025-01-20 09:00 UTC.")
    assert table.endswith("Files are in /data/planet")
    assert text.jobs_table([]) == "No jobs."


def test_search_table():
    pytest.importorskip("planet_assets.rules.area")
    table = text.search_table([item(), item("b", cloud_cover=None, properties={"instrument": "PSB.SD"})])
    assert "2%" in table
    assert "unknown" in table
    assert "PSB.SD" in table
    assert text.search_table([]) == "No scenes."


@pytest.mark.parametrize(
    ("area", "words"),
    [
        (1234.5, "1,234.5 km²"),
        (3000, "3,000 km²"),
        (0, "0 km²"),
        (-0.0, "0 km²"),
        (2.346, "2.35 km²"),
        (0.001, "<0.01 km²"),
        (math.nan, "unknown"),
        (math.inf, "unknown"),
        (100, "100 km²"),
    ],
)
def test_areas(area, words):
    assert text.human_km2(area) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (3_200_000_000, "3.2 GB"),
        (None, "unknown"),
        (math.nan, "unknown"),
        (5e18, "5,000.0 PB"),
    ],
)
def test_bytes_are_powers_of_ten(size, words):
    assert text.human_bytes(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (3599, "1 h"),
        (12_000, "3 h 20 min"),
        (86_400, "1 day"),
        (190_000, "2 days 5 h"),
        (math.nan, "unknown"),
        (None, "unknown"),
        (-5, "0 s"),
    ],
)
def test_durations(seconds, words):
    assert text.human_duration(seconds) == words


def test_prices_keep_two_decimals():
    assert [exact_km2(area) for area in (245.67, 1520.333, 1766, 0.0)] == [
        "245.67 km²",
        "1,520.33 km²",
        "1,766 km²",
        "0 km²",
    ]


def test_foreign_text_cannot_steer_the_terminal():
    assert plain("a\x1b]0;title\x07\r\nb\u202e") == "a ]0;title b"
    assert human_time(None) == "unknown"


def test_text_starts_without_the_heavy_libraries():
    code = (
        "import sys, planet_assets.view.text;"
        "heavy = {'shapely', 'pyproj', 'rasterio', 'httpx', 'numpy'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""What a notebook shows: escaped, loading nothing, and never a nan."""

import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from shapely.geometry import box

from planet_assets.model.asset import AssetStatus
from planet_assets.model.item import Item
from planet_assets.model.job import DownloadJob, JobList, Terms
from planet_assets.model.plan import DownloadImpact, Plan, Verdict, Want, WantImpact
from planet_assets.model.quota import QuotaInfo
from planet_assets.view import page

NOW = datetime(2025, 1, 20, 9, 0, tzinfo=UTC)
QUOTA = QuotaInfo(limit_km2=3000, used_km2=1200, pending_km2=34, source="planet", as_of=NOW - timedelta(hours=9))
EVIL = '<img src=x onerror="alert(1)">'


class Tree(HTMLParser):
    """Checks that tags close in order, and collects their names and the words between them."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.words = [], [], ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def plan(number=3, *, name="scene", verdict="fits", quota=QUOTA, roi=True, **impact):
    items = tuple(
        Item(
            item_type="PSScene",
            id=f"{name}_{n}",
            acquired=NOW,
            footprint=box(9 + n / 10, 45, 9.3 + n / 10, 45.2),
            cloud_cover=0.02,
            properties={},
        )
        for n in range(number)
    )
    wants = tuple(
        WantImpact(
            item_id=item.id,
            asset_type="ortho_visual",
            data_km2=500.0,
            orders_km2=20.0,
            overlap_km2=20.0,
            bytes_low=10**8,
            bytes_high=2 * 10**8,
        )
        for item in items
    )
    given = {
        "route": "data",
        "wants": wants,
        "scene_count": number,
        "data_km2": 500.0 * number,
        "orders_km2": 20.0 * number,
        "roi_km2": 25.0 if roi else math.nan,
        "bytes_low": 10**8 * number,
        "bytes_high": 2 * 10**8 * number,
        "seconds": 300.0,
    }
    return Plan(
        id="p1",
        made_at=NOW,
        wants=tuple(Want(item=item, asset_type="ortho_visual") for item in items),
        impact=DownloadImpact(**given | impact),
        verdict=Verdict(word=verdict, reasons=(f"because it is {verdict}",)),
        quota=quota,
        asset_types=("ortho_visual",),
        roi_wkt=box(9, 45, 9.1, 45.1).wkt if roi else None,
        items=items,
    )


def job(**more):
    given = {
        "id": "j1",
        "batch_id": "b",
        "account": "a",
        "item_type": "PSScene",
        "scene_id": "scene_1",
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


SHOWN = {
    "quota": lambda: QUOTA,
    "unknown quota": QuotaInfo,
    "impact": lambda: plan().impact,
    "plan": plan,
    "plan without an ROI": lambda: plan(roi=False),
    "plan of nothing": lambda: plan(0),
    "plan with an unknown quota": lambda: plan(verdict="unknown", quota=QuotaInfo(limit_km2=10)),
    "plan without a price": lambda: plan(verdict="over", data_km2=math.nan, seconds=math.nan),
    "job": job,
    "jobs": lambda: JobList([job(status=status) for status in AssetStatus]),
    "no jobs": JobList,
}


@pytest.mark.parametrize("make", SHOWN.values(), ids=SHOWN)
def test_values_show_themselves_well_formed_and_alone(make):
    html = make()._repr_html_()
    tree = Tree(html)
    assert not {"script", "style", "link", "img", "iframe", "object"} & set(tree.tags)
    assert not re.search(r"href|url\(|\son\w+=", html)
    assert not re.search(r"\bnan\b|\binf\b|None", tree.words)


def test_foreign_text_is_escaped_everywhere():
    evil = plan(name=EVIL, quota=replace(QUOTA, plan=EVIL, account=EVIL), outside=(EVIL,), assumptions=(EVIL,))
    evil = replace(evil, id=EVIL, lacking=((evil.wants[0], EVIL),), asset_types=(EVIL,))
    jobs = [job(scene_id=EVIL, asset_type=EVIL, error_message=EVIL, status=AssetStatus.FAILED)]
    unknown = QuotaInfo(why_unknown=EVIL, source=EVIL)
    for html in (page.plan_html(evil), page.jobs_html(jobs), page.quota_html(unknown), page.impact_html(evil.impact)):
        assert "img" not in Tree(html).tags
        assert EVIL in Tree(html).words


def test_the_quota_tells_its_figures_and_its_age():
    words = Tree(page.quota_html(replace(QUOTA, resets_at=datetime(2025, 2, 1, tzinfo=UTC)), NOW)).words
    for part in ("1,200 km²", "34 km²", "1,766 km²", "41.1% of 3,000 km²", "9 h ago", "Resets 2025-02-01"):
        assert part in words
    assert "as of 2025-01-20 00:00 UTC" in Tree(page.quota_html(QUOTA)).words


def test_the_bar_never_runs_over_its_end():
    html = page.quota_html(replace(QUOTA, used_km2=2999.9, pending_km2=5000))
    pieces = [float(width) for width in re.findall(r'<rect x="[\d.]+" y="2" width="([\d.]+)"', html)]
    assert sum(pieces) <= 720.01
    assert len(pieces) == 2


def test_an_unknown_quota_says_why():
    words = Tree(page.quota_html(QuotaInfo(why_unknown="Planet answered 500."))).words
    assert "The quota is unknown: Planet answered 500." in words


def test_a_plan_shows_both_prices_the_map_and_the_verdict():
    html = page.plan_html(plan(verdict="near_limit"))
    words = Tree(html).words
    for part in ("data route (chosen)", "1,500 km²", "orders route", "60 km²", "near the limit", "This plan"):
        assert part in words
    assert "because it is near_limit" in words
    assert "Footprints of 3 scenes" in html


def test_long_tables_are_folded_and_cut_with_a_word():
    assert "<details open" in page.plan_html(plan(3))
    long = page.impact_html(plan(520).impact)
    assert "<details style" in long
    assert "20 more rows are not shown" in long
    assert "260,000.0" in long, "the total counts all"


def test_jobs_sum_up():
    jobs = [
        job(status=AssetStatus.COMPLETED, spent_km2=400.0, file_bytes=45_300_000),
        job(status=AssetStatus.DOWNLOADING, held_km2=400.0, size_bytes=100, bytes_done=42),
    ]
    html = page.jobs_html(jobs)
    words = Tree(html).words
    assert "2 jobs" in words
    assert "45.3 MB, 800 km²" in words
    assert "1 completed" in words
    assert "width:42%" in html
    assert "Files are in /data/planet" in words

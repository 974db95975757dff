"""Every Python snippet of the wiki page runs with only the package's name changed; where the page is wrong, mended."""

from __future__ import annotations

import asyncio
import builtins
import json
import os
from pathlib import Path

import pytest
import sandboxes
import wikipage
from shapely.geometry import box
from snippets import close_managers, compiled, run_in
from wikipage import MENDINGS, ROOT, SNIPPETS

from planet_assets.model.asset import AssetStatus
from planet_assets.model.plan import Decision

ROI = box(9.04, 45.40, 9.28, 45.52)
"""The page's own region."""
WANTED = {"ortho_analytic_4b", "ortho_visual", "ortho_udm2"}
PIXEL_SIZE_M = {"Custom Clipping Configuration": 60.0}
"""Smaller pixels where a cut must be large enough for an overview."""

# rasterio silences this warning by itself, but not safely where several threads do so at once.
pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

PREAMBLE = """
import asyncio
from datetime import datetime
from shapely.geometry import box, shape
from planet_assets import AssetManager, AssetStatus, DownloadJob, PlanetScopeQuery
from planet_assets.exceptions import AssetError

query = PlanetScopeQuery()
auth = query.auth
roi = box(9.04, 45.40, 9.28, 45.52)
results = query.search_scenes(roi, "2024-01-01", "2024-06-30")
scenes = results["features"][:4]

# What earlier snippets of the page leave behind.
asset_manager = AssetManager(auth)
quota_info = await asset_manager.get_quota_info()
selected_scenes = results["features"][:5]
high_priority_scenes, regular_scenes = results["features"][4:6], results["features"][6:9]
"""


def page() -> list[str]:
    if not wikipage.PAGE.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{wikipage.PAGE} is absent; in CI it has to be there")
        pytest.skip("../shared/seeds is not part of a public clone")
    return wikipage.page_lines()


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """A saved search of few scenes, so that snippets that take all of a search stay quick."""
    where = {"type": "GeometryFilter", "field_name": "geometry", "config": ROI.__geo_interface__}
    clear = {"type": "RangeFilter", "field_name": "cloud_cover", "config": {"lte": 0.2}}
    found = []
    with sandboxes.visited() as visitor:
        for month in ("01", "06"):
            dates = {"gte": f"2024-{month}-01T00:00:00Z", "lt": f"2024-{month}-08T00:00:00Z"}
            features = visitor.search(where, clear, dates=dates).json()["features"]
            found.append([one for one in features if set(one["assets"]) >= WANTED])
    low, high = found
    path = tmp_path_factory.mktemp("wiki") / "catalog.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [*low[:2], *high[:20]]}))
    return path


class Scene:
    """One snippet's stage: a fresh account with ample quota, a fresh library, a person who says yes."""

    def __init__(self, sandbox, capsys, asked):
        self.sandbox, self.capsys, self.asked = sandbox, capsys, asked
        self.names = {"__name__": "__main__"}
        self.output = ""

    async def run(self, source, name):
        await run_in(self.names, source, name)
        self.output += self.capsys.readouterr().out

    def jobs(self, status=AssetStatus.COMPLETED, name="downloads"):
        found = self.names[name]
        assert found, "the snippet must have downloaded something"
        assert [job.status for job in found] == [status] * len(found), [job.error_message for job in found]
        return found

    def clipped(self, name="downloads"):
        import rasterio

        for job in self.jobs(name=name):
            assert job.clipped_file_path.name.endswith(("_clip.tif", "_clipped.tif"))
            assert job.original_file_path is None
            with rasterio.open(job.clipped_file_path) as file:
                assert file.width > 1 and file.read(1).any()


@pytest.fixture
def scene(catalog, tmp_path, monkeypatch, capsys, request):
    asked = []
    snippet = getattr(request.node, "callspec", None)
    pixel_size_m = PIXEL_SIZE_M.get(snippet.params["snippet"].heading, 120.0) if snippet else 120.0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("planet_assets.flow.consent.can_ask", lambda: True)
    monkeypatch.setattr(builtins, "input", lambda question: asked.append(question) or "y")
    with sandboxes.running(catalog=repixelled(catalog, pixel_size_m), pixel_size_m=pixel_size_m) as sandbox:
        visit(monkeypatch, sandbox, tmp_path)
        yield Scene(sandbox, capsys, asked)
        asyncio.run(close_managers())


def repixelled(catalog, pixel_size_m):
    """The catalog, its records telling this size of pixels, which the sandbox then makes."""
    found = json.loads(catalog.read_text())
    for feature in found["features"]:
        feature["properties"]["pixel_resolution"] = pixel_size_m
    path = catalog.with_name(f"catalog-{pixel_size_m}.json")
    path.write_text(json.dumps(found))
    return path


def visit(monkeypatch, sandbox, folder):
    """The environment of a user of this sandbox."""
    monkeypatch.setenv("PL_API_KEY", sandbox.key)
    monkeypatch.setenv("PLANET_ASSETS__PLANET__API_URL", sandbox.url)
    monkeypatch.setenv("PLANET_ASSETS_LIBRARY", str(folder / "library.db"))
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(folder / "config.toml"))
    for kind in ("SEARCH", "ACTIVATION", "DOWNLOAD"):
        monkeypatch.setenv(f"PLANET_ASSETS__RATE_LIMITS__{kind}", "1000")
    monkeypatch.setenv("PLANET_ASSETS__RETRY_DELAY", "0.01")


# What holds before a snippet (it may need more than the preamble) and after it.


async def one_failed(scene):
    """`downloads` of which one has failed, as the snippets on states and on retry expect."""
    lost = scene.names["scenes"][1]["id"]
    scene.sandbox.fault("assets-empty", item=lost)
    scene.names["downloads"] = await scene.names["asset_manager"].activate_and_download_assets(scene.names["scenes"])
    scene.sandbox.mend()
    assert [job.scene_id for job in scene.names["downloads"] if job.status is AssetStatus.FAILED] == [lost]


async def basic_asset_management(scene):
    assert "Current usage: 0.0 / 100000.0 km²\nRemaining: 100000.0 km²\nUsage: 0.0%" in scene.output
    assert "Downloaded 10 assets" in scene.output
    scene.clipped()
    assert len(scene.asked) == 1 and "DOWNLOAD CONFIRMATION" in scene.asked[0]


async def checking_quota(scene):
    assert "Monthly Limit: 100,000 km²" in scene.output and "Download is within quota limits" in scene.output


async def impact(scene):
    found = scene.names["impact"]
    assert found["scene_count"] == 20 and "Number of scenes: 20" in scene.output
    assert found["avg_scene_area_km2"] == pytest.approx(found["area_km2"] / 20)
    assert f"After download: {found['area_km2']:.1f} km²" in scene.output


async def basic_download(scene):
    assert len(scene.jobs()) == 10 and "Successful: 10\nFailed: 0" in scene.output
    assert {job.asset_type for job in scene.jobs()} == {"ortho_analytic_4b", "ortho_visual"}
    scene.clipped()


async def all_completed(scene):
    scene.jobs()


async def progress(scene):
    for job in scene.jobs():
        assert f"{job.scene_id}: 100.0% - completed" in scene.output


async def nobody_asked(scene):
    scene.jobs()
    assert scene.asked == []


async def custom_logic(scene):
    manager, quota = scene.names["asset_manager"], scene.names["quota_info"]
    logic = scene.names["custom_confirmation_logic"]
    assert logic(quota, {"area_km2": 10}) is True
    plan = await manager.plan(scene.names["scenes"])
    expected = AssetStatus.COMPLETED if logic(quota, plan.impact) else AssetStatus.USER_CANCELLED
    scene.names["downloads"] = await manager.activate_and_download_assets(scene.names["scenes"])
    scene.jobs(expected)
    assert scene.asked == []


async def asset_types(scene):
    assert len(scene.jobs()) == 12
    for name in WANTED:
        assert f"{name}: 4/4 successful" in scene.output


async def clipping(scene):
    scene.clipped()
    assert scene.output.count("Original: ") == scene.output.count("_clip.tif\n") == 4


async def clipping_configuration(scene):
    import rasterio

    scene.clipped()
    for job in scene.jobs():
        with rasterio.open(job.clipped_file_path) as file:
            assert file.compression.name == "lzw"
            assert file.overviews(1) or min(file.width, file.height) < 128


async def states(scene):
    assert scene.output.count("Status: completed") == 3 and scene.output.count("Status: failed") == 1
    assert scene.output.count("File: ") == 3 and scene.output.count("Error: ") == 1


async def retried(scene):
    assert "Retry successful: 1/1" in scene.output
    scene.jobs(name="retry_downloads")


async def robust(scene):
    names, workflow = scene.names, scene.names["robust_download_workflow"]
    assert len(await workflow(names["asset_manager"], names["scenes"], names["roi"])) == 4
    lost = names["results"]["features"][6]["id"]
    scene.sandbox.fault("result-missing", item=lost)
    await scene.run("again = await robust_download_workflow(asset_manager, results['features'][4:8], roi)", "again")
    assert len(scene.names["again"]) == 3, "what an order did not bring is asked of another, and lacks again"
    assert "Initial download: 3/4 successful\nRetrying failed downloads..." in scene.output
    assert "Final result: 3/4 successful" in scene.output


async def configurations(scene):
    for name in ("fast_config", "slow_config", "large_file_config"):
        await scene.run(f"AssetManager(auth, {name})", name)


async def batches(scene):
    await scene.run("downloads = await batch_download(scenes, batch_size=3)", "usage")
    assert len(scene.jobs()) == 4 and "Processing batch 2: 1 scenes" in scene.output
    assert scene.asked == []


async def discovery(scene):
    found, good = scene.names["results"]["features"], scene.names["high_quality_scenes"]
    assert len(good) == 20 < len(found), "the winter scenes must have been filtered out"
    assert len(scene.jobs()) == 20
    scene.clipped()


async def geopackage(scene):
    import pyogrio

    assert all(Path(path).exists() for path in scene.names["downloaded_files"])
    layers = pyogrio.list_layers("analysis_with_imagery.gpkg")
    assert len(layers) >= 2


async def monitored(scene):
    assert "Quota Status: 0.0%" in scene.output and scene.names["quota_info"].limit_km2 == 100_000


async def selection(scene):
    chosen = scene.names["optimized_scenes"]
    assert 0 < len(chosen) <= 22
    areas = [scene.names["asset_manager"].calculate_download_impact([one])["area_km2"] for one in chosen]
    assert areas == sorted(areas)


async def queue(scene):
    assert "Processing 2 scenes...\nProcessing 3 scenes..." in scene.output, "high priority comes first"
    assert scene.names["auto_manager"].download_queue == []
    assert len(scene.sandbox.charges()) == 5


async def quiet(scene):
    assert scene.output == ""


async def timeouts(scene):
    assert scene.names["asset_manager"].settings.timeout == 600


async def availability(scene):
    assert scene.names["available_scenes"] == scene.names["scenes"]


async def connection(scene):
    """The wrapper meets a dead address first, and the sandbox when it tries again."""
    scene.jobs()
    dead = {"planet": {"api_url": "http://127.0.0.1:9"}, "retry_attempts": 0}
    managers = [scene.names["AssetManager"](scene.names["auth"], dead), scene.names["asset_manager"]]
    item = scene.names["scenes"][0]["id"]

    async def operation():
        return await managers.pop(0).get_asset_info(item, "ortho_analytic_4b")

    assert (await scene.names["robust_asset_manager_operation"](operation))["status"] == "active"
    assert managers == []


BEFORE = {"DownloadJob Status Tracking": one_failed, "Retry Failed Downloads": one_failed}
AFTER = {
    "Basic Asset Management": basic_asset_management,
    "Checking Quota Usage": checking_quota,
    "Download Impact Calculation": impact,
    "Basic Download Workflow": basic_download,
    "Advanced Download Configuration": all_completed,
    "Progress Tracking": progress,
    "Interactive Confirmation": nobody_asked,
    "Custom Confirmation Logic": custom_logic,
    "Available Asset Types": asset_types,
    "Automatic Clipping During Download": clipping,
    "Custom Clipping Configuration": clipping_configuration,
    "DownloadJob Status Tracking": states,
    "Retry Failed Downloads": retried,
    "Common Download Errors": all_completed,
    "Robust Download with Error Recovery": robust,
    "Concurrent Download Management": configurations,
    "Memory Management": batches,
    "With Scene Discovery": discovery,
    "With GeoPackage Export": geopackage,
    "1. Monitor Quota Usage": monitored,
    "2. Efficient Scene Selection": selection,
    "3. Automated Download Management": queue,
    "1. Quota exceeded errors": quiet,
    "2. Download timeouts": timeouts,
    "3. Asset activation failures": availability,
    "4. Network connection issues": connection,
}


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.heading)
def test_snippet_runs(snippet, scene):
    source = wikipage.mended(wikipage.source(page(), snippet), snippet.heading)

    async def story():
        await scene.run(PREAMBLE, "preamble")
        if snippet.heading in BEFORE:
            await BEFORE[snippet.heading](scene)
        spent = scene.sandbox.billed_km2()
        await scene.run(source, snippet.heading)
        await AFTER[snippet.heading](scene)
        await bill_is_known(scene, spent)

    asyncio.run(story())


async def bill_is_known(scene, before):
    """What the sandbox charged is what our ledger holds as pending."""
    quota = await scene.names["AssetManager"](scene.names["auth"]).get_quota_info()
    assert quota.pending_km2 == pytest.approx(scene.sandbox.billed_km2(), rel=1e-3)
    assert scene.sandbox.billed_km2() >= before


def test_every_snippet_is_in_the_table():
    lines = page()
    assert len(SNIPPETS) == 26
    assert set(AFTER) == {snippet.heading for snippet in SNIPPETS}, "every snippet says what must hold after it"
    assert wikipage.stray(lines) == []
    for snippet in SNIPPETS:
        assert wikipage.heading_above(lines, snippet) == snippet.heading
        assert lines[snippet.first - 2] == "" and lines[snippet.last] == ""
        compiled(wikipage.mended(wikipage.source(lines, snippet), snippet.heading), snippet.heading)


def test_a_line_of_code_outside_the_table_is_noticed():
    lines = page()
    assert wikipage.stray([*lines, "quota_info = await asset_manager.get_quota_info()"]) != []
    assert wikipage.stray([*lines, "    return []"]) != []


def test_errors_carry_the_words_of_the_page(scene, monkeypatch, tmp_path, catalog):
    [snippet] = [one for one in SNIPPETS if one.heading == "Common Download Errors"]
    with sandboxes.running(catalog=catalog, quota_km2=100.0) as poor:
        visit(monkeypatch, poor, tmp_path)

        async def story():
            await scene.run(PREAMBLE, "preamble")
            await scene.run(wikipage.source(page(), snippet), snippet.heading)

        asyncio.run(story())
        assert "Quota limit reached - try fewer scenes" in scene.output
        assert poor.billed_km2() == 0


# The page as published is wrong where it is mended.


def original(heading):
    [snippet] = [one for one in SNIPPETS if one.heading == heading]
    return wikipage.source(page(), snippet)


def test_await_in_a_plain_function_is_no_python():
    with pytest.raises(SyntaxError, match="await"):
        compiled(original("Memory Management"), "as published")


def test_a_name_is_unbound_when_nothing_failed(scene):
    async def story():
        await scene.run(PREAMBLE, "preamble")
        await scene.run(original("Robust Download with Error Recovery"), "as published")
        with pytest.raises(NameError, match="retry_successful"):
            await scene.run("await robust_download_workflow(asset_manager, scenes, roi)", "usage")

    asyncio.run(story())


def test_high_priority_came_last(scene):
    async def story():
        await scene.run(PREAMBLE, "preamble")
        await scene.run(original("3. Automated Download Management"), "as published")

    asyncio.run(story())
    assert "Processing 3 scenes...\nProcessing 2 scenes..." in scene.output


def test_the_availability_filter_dropped_inactive_assets(scene):
    async def story():
        await scene.run(PREAMBLE, "preamble")
        await scene.run(original("3. Asset activation failures"), "as published")

    asyncio.run(story())
    assert scene.names["available_scenes"] == []


def test_every_mending_stands_in_the_documentation():
    written = (ROOT / "docs" / "wiki.md").read_text(encoding="utf-8")
    for mending in MENDINGS:
        for text in (mending.heading, mending.wrong, mending.right, mending.why):
            assert all(line.strip() in written for line in text.splitlines()), text
    assert f"{len(SNIPPETS)} snippets" in written
    assert f"{len(MENDINGS)} of them" in written


def test_a_hook_may_be_given_instead_of_the_dialog(scene):
    """The page's `custom_confirmation_logic` has two arguments; a hook of a plan has one, and either may be async."""

    async def hook(plan):
        return Decision(proceed=True, by="policy", at=plan.made_at, limit_km2=plan.impact.area_km2)

    async def story():
        await scene.run(PREAMBLE, "preamble")
        scene.names["asset_manager"].get_user_confirmation = hook
        await scene.run("downloads = await asset_manager.activate_and_download_assets(scenes[:1])", "usage")

    asyncio.run(story())
    scene.jobs()
    assert scene.asked == []

"""The page in a browser, against the real tracker and the sandbox: approve, refuse, watch, on a desk and on a phone."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sandboxes
from browsing import browser
from managing import SQUARE, check_money, manager_of
from teaming import PASSWORD, people_of, team

from planet_assets import policies
from planet_assets.library import items
from planet_assets.library.engine import Library
from planet_assets.model.item import item_from_feature

HOSTILE = "<img src=x onerror=document.title='owned'>"
DESK = {"viewport": {"width": 1280, "height": 820}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
WAIT_MS = 20_000


@pytest.fixture(scope="module")
def chrome():
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def sandbox():
    with sandboxes.running(quota_km2=9000.0, used_km2=812.0) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def library(folder):
    made = Library(folder / "library.db")
    yield made
    made.close()


@pytest.fixture(scope="module")
def office(library, chrome):
    with team(library, secrets=people_of(library, password=PASSWORD)) as running:
        yield running


class Script(threading.Thread):
    """A user's script: finds scenes, plans some and runs the plan by the team's word."""

    def __init__(self, sandbox, folder, hook, which):
        super().__init__()
        self._how = sandbox, folder, hook, which
        self.jobs, self.problem = [], None
        self.start()

    def run(self):
        try:
            asyncio.run(self._run(*self._how))
        except Exception as error:
            self.problem = error

    async def _run(self, sandbox, folder, hook, which):
        async with manager_of(sandbox, folder) as manager:
            found = await manager.search(SQUARE, "2025-01-01", "2025-01-07")
            plan = await manager.plan(found["features"][which], roi=SQUARE)
            self.jobs = await manager.run(plan, confirm=hook)

    def ended(self):
        """The jobs, once it is over."""
        self.join(60)
        assert not self.is_alive() and self.problem is None, self.problem
        return [job.status.value for job in self.jobs]


def visit(chrome, url, name="eve", **look):
    """A page on which somebody has signed in."""
    page = chrome.new_context(**(DESK | look)).new_page()
    page.set_default_timeout(WAIT_MS)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda said: "Content Security" in said.text and page.problems.append(said.text))
    page.goto(url)
    page.fill("#username", name)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_selector("#link:has-text('live')")
    return page


def leave(page):
    assert page.problems == [] and "owned" not in page.title()
    page.context.close()


def until(page, expression):
    """Wait for something on the page; its own rules let no text be evaluated inside of it."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(expression)


def counted(page, state):
    return int(page.inner_text(f"#legend label:has(#show-{state})").split()[0])


def ask_team(office, **more):
    return policies.ask_team(office.url, token=office.secrets["ann"], **more)


def test_approved_on_the_page_and_seen_on_the_map(chrome, office, sandbox, folder, library):
    page = visit(chrome, office.url)
    watching = visit(chrome, office.url, name="gus", color_scheme="dark")
    script = Script(sandbox, folder, ask_team(office, project=HOSTILE[:100]), slice(0, 2))
    page.wait_for_selector("#tab-plans .count")
    card = page.locator("article.state-waiting")
    text = card.inner_text()
    assert "for ann" in text and HOSTILE[:100] in text, "names are text"
    assert all(word in text for word in ("Whole scenes", "Clipped at Planet", "Left now", "% of the region"))
    assert card.locator("svg .footprint").count() == 1 and counted(page, "waiting") == 2
    assert watching.locator("[id^=approve-]").count() == 0, "a guest has no say"
    card.get_by_role("button", name="Show it on the map").click()
    card.get_by_label("Reason").fill("good price")
    card.get_by_role("button", name="Approve").click()
    assert script.ended() == ["completed", "completed"]
    for each in (page, watching):
        each.wait_for_selector("#legend label:has(#show-held):has-text('2 here')")
    assert counted(page, "waiting") == 0 and "good price" in page.inner_text("#pane-plans")
    assert "pending" in watching.inner_text("#quota") and " 0 km² pending" not in watching.inner_text("#quota")
    watching.click("#tab-jobs")
    assert watching.locator("#pane-jobs .state-completed").count() == 2
    check_money(library, sandbox.billed_km2())
    leave(page)
    leave(watching)


def test_refused_on_the_page(chrome, office, sandbox, folder):
    page = visit(chrome, office.url)
    script = Script(sandbox, folder, ask_team(office), slice(2, 3))
    card = page.locator("article.state-waiting")
    card.get_by_role("button", name="Refuse").click()
    assert "Say why" in card.inner_text() and script.is_alive(), "a refusal needs a reason"
    page.keyboard.type("not this month")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert script.ended() == ["user_cancelled"]
    assert "not this month" in script.jobs[0].error_message and "eve" in script.jobs[0].error_message
    page.wait_for_selector("#pane-plans .state-refused")
    leave(page)


def test_what_passes_unasked_is_agreed_on_the_page(chrome, office):
    page = visit(chrome, office.url, name="root")
    page.click("#agree summary")
    page.fill("#rule-budgets", "person ann")
    page.get_by_role("button", name="Agree").click()
    page.wait_for_selector("#agree [role=alert]:has-text('is no budget')")
    page.fill("#rule-above", "12.5")
    page.fill("#rule-budgets", "person:ann 300\nproject:milan 80")
    page.get_by_role("button", name="Agree").click()
    page.wait_for_selector("#pane-plans:has-text('Plans of up to 12.5')")
    assert office.of("gus").get("/v1/rules").json()["budgets"] == {"person:ann": 300.0, "project:milan": 80.0}
    office.of("root").put("/v1/rules", json={})
    leave(page)


def test_a_scene_and_what_is_said_of_it(chrome, office, library):
    page = visit(chrome, office.url, name="ann")
    page.click("#tab-scenes")
    page.locator("#pane-scenes tr:has(.state-held) button").first.click()
    until(page, "document.querySelector('.quicklook')?.naturalWidth > 100")
    assert "ortho_analytic_4b" in page.inner_text("#pane-look table")
    for words in (HOSTILE, "<script>document.title='owned'</script>"):
        page.fill("#comment", words)
        page.get_by_role("button", name="Comment").click()
        page.wait_for_selector(f".comment:has-text({words!r})")
    page.click("#lock")
    page.wait_for_selector("text=locked by ann")
    page.fill("#query", "type:scene")
    page.press("#query", "Enter")
    page.wait_for_selector("#pane-look h3:has-text('Elements')")
    assert page.locator("#pane-look img, #pane-look script").count() == 0
    page.click("#tab-plans")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#tab-jobs", "aria-selected") == "true"
    leave(page)


def test_a_server_that_is_started_anew(chrome, library, office):
    with team(library, secrets=office.secrets) as first:
        port = int(first.url.rsplit(":", 1)[1])
        page = visit(chrome, first.url)
        before = page.inner_text("#pane-plans")
    page.wait_for_selector("#link.lost")
    _ask(library, "after the restart")
    with team(library, secrets=office.secrets, port=port) as second:
        page.wait_for_selector("article.state-waiting:has-text('after the restart')")
        page.wait_for_selector("#link:has-text('live')")
        assert "after the restart" not in before
        page.click("#sign-out")
        page.wait_for_selector("#username")
        assert page.request.get(f"{second.url}/v1/me").status == 401
        leave(page)


def _ask(library, project):
    from planet_assets.library import approvals
    from planet_assets.model.approval import Approval

    now = datetime.now(UTC)
    shown = {"verdict": {"word": "fits", "reasons": []}, "quota": {}, "scenes": [], "asset_types": [], "route": "data"}
    numbers = {"data_km2": 1.0, "orders_km2": 1.0, "bytes": 1, "scene_count": 1, "file_count": 1}
    times = {"posted_at": now, "expires_at": now}
    names = {"id": "restarted", "plan_id": "restarted", "account": "a", "by": "ann", "project": project}
    approvals.post(library, Approval(**names, **times, km2=1.0, document={**shown, **numbers}), now=now)


def test_ten_thousand_scenes_and_a_phone(chrome, library, office):
    begin, known = datetime(2024, 1, 1, tzinfo=UTC), []
    for number in range(10_000):
        x, y = 8 + (number % 100) / 50, 44 + (number // 100) / 50
        ring = [[x, y], [x + 0.02, y], [x + 0.02, y + 0.02], [x, y + 0.02], [x, y]]
        properties = {"acquired": (begin + timedelta(minutes=number)).isoformat(), "item_type": "PSScene"}
        geometry = {"type": "Polygon", "coordinates": [ring]}
        feature = {"type": "Feature", "id": f"many_{number}", "geometry": geometry, "properties": properties}
        known.append((item_from_feature(feature), json.dumps(feature)))
    items.remember(library, known[:5000], now=begin)
    page = visit(chrome, office.url, **PHONE)
    items.remember(library, known[5000:], now=begin)
    until(page, "/10,?0[0-9]{2} only known/.test(document.querySelector('#legend').innerText)")
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    for tab in ("plans", "jobs", "scenes", "sites", "look"):
        page.tap(f"#tab-{tab}")
        assert page.evaluate(wide), f"{tab} is wider than the phone"
    page.fill("#query", "many_77")
    page.tap("#search button")
    page.wait_for_selector("#pane-look a:has-text('many_7777')")
    leave(page)


def test_nothing_from_the_network_and_no_inline_code(office):
    client = office.of("")
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert "<style" not in answer.text and "onload" not in answer.text and " style=" not in answer.text
    assert answer.text.count("<script") == 1 and "//" not in answer.text.replace("<!doctype", "").split("<body")[0]
    assert client.get("/", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    for name in ("app.js", "leaflet/leaflet-src.esm.js", "ne110.geojson"):
        assert client.get(f"/page/{name}").status_code == 200
    for name in ("../page.py", "%2e%2e/page.py", "index.html", "leaflet/LICENSE", ""):
        assert client.get(f"/page/{name}").status_code == 404

"""`site push`, `pull` and `agent` as a user types them: a scene from a hub to a folder and on to another hub."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from commands import Desk
from hubs import hub, is_whole, sealed

from planet_assets.cli.main import run
from planet_assets.flow.clock import RealClock
from planet_assets.flow.publish import ship
from planet_assets.library import bundles, standings
from planet_assets.library.engine import Library


@pytest.fixture(scope="module")
def hubs(tmp_path_factory):
    with hub(tmp_path_factory.mktemp("one")) as one, hub(tmp_path_factory.mktemp("two")) as two:
        yield one, two


def publish(here, folder, name):
    """At a hub itself: into its own folder."""
    made = sealed(here.library, folder, name)
    [done] = ship(here.library, here.site, [made], owner="me", clock=RealClock())
    assert done.state == "ready"


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    """Commands in this process: code, and what went to stdout and stderr."""
    monkeypatch.setenv("PLANET_ASSETS_LIBRARY", str(tmp_path / "library.db"))
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.chdir(tmp_path)

    def typed(*words):
        code = run(list(words))
        return code, *capsys.readouterr()

    return typed


def named(shell, **sites):
    for name, address in sites.items():
        assert shell("site", "add", name, address)[0] == 0


def test_pull_and_push(hubs, tmp_path, shell):
    one, two = hubs
    publish(one, tmp_path / "made", "pulled")
    named(shell, one=one.url, two=two.url, here="here")
    assert shell("site", "pull", "one")[0] == 2, "where to"
    code, out, _ = shell("site", "pull", "one", "--into", "here")
    assert code == 0 and [row["state"] for row in json.loads(out)] == ["ready"]
    assert is_whole(tmp_path / "here", "pulled")
    assert "Nothing" in shell("site", "pull", "one", "--into", "here", "--text")[1]
    assert json.loads(shell("site", "push", "two")[1]) == [], "nothing is outstanding"
    code, out, _ = shell("site", "push", "two", "--all")
    assert code == 0 and json.loads(out)[0]["state"] == "ready" and is_whole(two.files, "pulled")
    assert shell("site", "push", "nowhere")[0] == 2
    assert shell("site", "pull", "one", "--into", "two")[0] == 2, "no folder"


def test_the_agent_ends_cleanly(hubs, tmp_path, shell):
    one, two = hubs
    named(shell, one=one.url, two=two.url, here="here")
    agent = Desk(tmp_path).start("site", "agent", "--from", "one", "--into", "here", "--to", "two", "--every", "0.1")
    assert "two" in agent.stdout.readline()
    publish(one, tmp_path / "made", "live")
    for _ in range(300):
        if (two.files / "live").exists():
            break
        time.sleep(0.1)
    assert is_whole(two.files, "live") and is_whole(tmp_path / "here", "live")
    os.kill(agent.pid, signal.SIGTERM)
    out, err = agent.communicate(timeout=30)
    assert agent.returncode == 0 and '"ready"' in out and "Traceback" not in err
    library = Library(tmp_path / "library.db")
    assert {beat["status"] for beat in standings.beats(library).values()} == {"off"}
    ready = [event[3:] for event in bundles.events(library) if event[2] == "ready"]
    assert len(ready) == len(set(ready)), "stopped anywhere, nothing is told twice"
    library.close()


def test_a_site_that_is_away_is_said(shell):
    named(shell, gone="http://127.0.0.1:9", here="here")
    code, _, err = shell("site", "agent", "--from", "gone", "--into", "here", "--once")
    assert code == 5 and "gone is away" in err
    assert shell("site", "add", "bad", "https://user:pass@host")[0] == 2
    assert shell("site", "add", "bad", "https://host", "--option", "a=b")[0] == 2

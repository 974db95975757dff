"""A tracker from the shell: every verb, in JSON, and exit codes that say what to do."""

from __future__ import annotations

import io
import json
import stat

import pytest
from teams import running

from planet_assets.cli.main import run
from planet_assets.service import passwords

WORD = "correct horse battery"


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    with running(str(tmp_path_factory.mktemp("team") / "library.db")) as made:
        made.add("ann", "editor", secret=passwords.hashed(WORD))
        yield made


@pytest.fixture
def shell(team, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("PLANET_ASSETS_TRACKER", team.url)
    monkeypatch.delenv("PLANET_ASSETS_TRACKER_TOKEN", raising=False)

    def typed(*words, stdin=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = run(["tracker", *words])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out.strip() else said.err

    return typed


def test_every_verb_and_its_exit_code(team, shell, tmp_path):
    code, said = shell("search", "*")
    assert code == 6 and "Unauthorized" in said
    assert shell("sign-in", "ann", stdin="wrong\n")[0] == 6
    assert shell("sign-in", "ann", "--for", "2h", stdin=f"{WORD}\n") == (
        0,
        {"_id": "ann", "username": "ann", "class": "editor"},
    )
    assert stat.S_IMODE((tmp_path / "trackers.json").stat().st_mode) == 0o600
    assert shell("verify")[1]["_id"] == "ann"
    (tmp_path / "more.json").write_text('[{"_id": "/b"}, {"_id": "/c"}]')
    assert shell("create", '{"_id": "/a", "cloud": 0.1}')[1]["author"] == "ann"
    assert shell("create", f"@{tmp_path / 'more.json'}")[0] == 0
    assert shell("create", '{"_id": "/a"}')[0] == 11, "it is there"
    assert shell("create", "-", stdin='[{"_id": "/a"}, {"_id": "/d"}]')[0] == 3, "some of it"
    assert shell("read", "/a", "/none")[0] == 3 and shell("read", "/none")[0] == 4
    assert shell("update", '{"_id": "/a", "cloud": 0.3}')[1]["cloud"] == 0.3
    assert shell("upsert", '[{"_id": "/e", "n": 1}]')[1][0]["n"] == 1
    assert shell("search", "_id:/a", "cloud>0.2") == (0, ["/a"]) and shell("search", "cloud>9")[0] == 4
    assert shell("search-mongo", '{"cloud": {"$gt": 0.2}}', "--sort", '{"_id": -1}')[1] == {"count": 1, "ids": ["/a"]}
    assert len(shell("graph", "/a", "--depth", "1")[1]) == 1
    assert shell("lock", "/a")[1]["lock"] == "ann" and "lock" not in shell("unlock", "/a")[1]
    team.by("user").put("/api/lock", json="/b").raise_for_status()
    assert shell("lock", "/b")[0] == 11
    assert shell("publish", '{"_id": "/p", "comment": "c", "origin": "o"}')[1][1]["#parent"] == "/p"
    assert shell("comment", "/p", "/a", "-m", "well")[1][0]["comment"] == "well"
    assert shell("version", "/p", '{"file": "/p"}')[1]["version"] == 2
    assert shell("delete", "/c") == (0, "/c")
    for bad in ("{", "3", "[1]", "@/nowhere"):
        assert shell("create", bad)[0] == 2
    assert shell("sign-out")[0] == 0 and shell("verify")[0] == 6
    assert (
        WORD not in (tmp_path / "trackers.json").read_text() and "pat_" not in (tmp_path / "trackers.json").read_text()
    )


def test_no_tracker_and_one_that_is_away(shell, monkeypatch):
    assert shell("--url", "http://127.0.0.1:9", "verify")[0] == 5
    assert shell("--url", "http://tracker.example.org", "sign-in", "ann", stdin=f"{WORD}\n")[0] == 2
    monkeypatch.delenv("PLANET_ASSETS_TRACKER")
    code, said = shell("verify")
    assert code == 2 and "--url" in said

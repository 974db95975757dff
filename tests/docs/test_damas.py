"""Scripts written for damas-core: the Python of their document, and every verb in its True, False and None shapes."""

from __future__ import annotations

import ast
import itertools
import os
import re

import pytest
import seeds
from teams import running

from planet_assets.compat.damas import http_connection
from planet_assets.exceptions import NetworkError
from planet_assets.service import passwords

SEED = seeds.SEEDS / "sync_tracker.txt"
WORD = "correct horse battery"


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    with running(str(tmp_path_factory.mktemp("team") / "library.db")) as made:
        made.add("ann", "editor", secret=passwords.hashed(WORD))
        yield made


@pytest.fixture(scope="module")
def project(team):
    made = http_connection(f"{team.url}/api")
    assert made.verify() is False
    assert made.signIn("ann", "wrong") is False
    assert made.signIn("ann", WORD) is True and made.verify() is True
    return made


def snippets():
    """(statement, what it prints) of the document's Python."""
    if not SEED.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{SEED} is absent; in CI it has to be there")
        pytest.skip("../shared/seeds is not part of a public clone")
    lines = SEED.read_text(encoding="utf-8").splitlines()
    found = []
    for line, after in itertools.pairwise(lines):
        if line.startswith((">>> project.", "project.")):
            found.append((line.removeprefix(">>> "), after.removeprefix("# ")))
    return found


def test_the_python_of_the_document(project):
    paths = ["/project/path/to/file", "/project/path/to/file1", "/project/another_file_path"]
    project.create([{"_id": one} for one in (*paths, "asset_id", "asset_id1", "asset_id2")])
    run = snippets()
    assert len(run) == 4
    for statement, printed in run:
        got = eval(statement, {"project": project})
        expected = ast.literal_eval(re.sub(r"\bu'", "'", printed))
        if isinstance(expected, bool):
            assert got is expected
            continue
        assert isinstance(got, list) == isinstance(expected, list)
        for one, shown in zip(
            [got] if isinstance(got, dict) else got, expected if isinstance(expected, list) else [expected], strict=True
        ):
            assert {key: type(value) for key, value in shown.items()} == {key: type(one[key]) for key in shown}
            assert one["#parent"] == shown["#parent"] and one["comment"] == "text" and one["author"] == "ann"


def test_the_publication_of_the_document(project):
    """A new file, with its child; a file that is tracked already is None."""
    asked = {"_id": "/project/path/new_file", "comment": "text", "origin": "sitename"}
    parent, child = project.publish(asked)
    assert parent["_id"] == asked["_id"] and parent["author"] == "ann" and isinstance(parent["time"], int)
    assert child["#parent"] == asked["_id"] and child["comment"] == "text" and child["origin"] == "sitename"
    assert project.publish(asked) is None


def test_every_verb_says_no_in_its_own_way(team, project):
    made = project.create({"_id": "/x", "n": 1})
    assert made["author"] == "ann" and project.create({"_id": "/x"}) is None
    assert project.read("/x") == made and project.read("/none") is None
    assert project.read(["/x", "/none"]) == [made, None]
    assert project.update({"_id": "/x", "n": 2})["n"] == 2 and project.update({"_id": "/none", "n": 2}) is None
    assert project.upsert([{"_id": "/x", "n": 3}, {"_id": "/y"}])[0]["n"] == 3
    assert project.search("_id:/x n>2") == ["/x"] and project.search_one("_id:/none") is None
    assert project.search("") is None, "what is refused"
    assert project.search_mongo({"n": {"$gt": 2}})["count"] == 1
    assert project.create({"src_id": "/y", "tgt_id": "/x"}) and len(project.graph("/x")) == 3
    assert project.version("/x", {"file": "/x"})["version"] == 2 and project.version("/none", {"file": "/x"}) is None
    assert project.comment({"#parent": "/none", "comment": "c"}) is None and project.comment({"comment": "c"}) is None
    team.by("user").put("/api/lock", json="/y").raise_for_status()
    assert project.lock(["/x", "/y"]) is False and project.unlock("/y") is False
    assert project.unlock("/x") is False, "it is not locked"
    assert project.lock("/x") is True and project.unlock("/x") is True
    assert project.delete("/none") is False and project.delete("/x") is True
    assert team.secrets["user"] not in repr(project) and project.token not in repr(project)


def test_signing_out_ends_the_token(team):
    project = http_connection(team.url)
    assert project.signIn("ann", WORD, "1h") is True
    token = project.token
    assert project.signOut() is True and project.verify() is False
    assert http_connection(team.url, token).verify() is False


def test_a_tracker_that_is_away_is_an_error():
    with pytest.raises(NetworkError):
        http_connection("http://127.0.0.1:9").read("/x")

"""The modern routes about elements: revisions, locks with a lease, comments, history; typed errors."""

from __future__ import annotations

import itertools

import pytest
from teams import running

ids = itertools.count()


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    with running(str(tmp_path_factory.mktemp("tracker") / "library.db")) as made:
        yield made


def made(team, **keys):
    reply = team.by("user").post("/v1/elements", json={"_id": f"/v1/{next(ids)}", **keys})
    assert reply.status_code == 201
    return reply.json(), reply.json()["id"].replace("/", "%2F")


def error(reply):
    return reply.status_code, reply.json()["error"]["kind"]


def test_a_change_may_insist_on_what_was_read(team):
    element, path = made(team, x=1)
    assert element["rev"] == 1 and element["kind"] == "file" and element["document"]["author"] == "user"
    editor = team.by("editor")
    read = editor.get(f"/v1/elements/{path}")
    changed = editor.patch(f"/v1/elements/{path}", json={"x": 2}, headers={"If-Match": read.headers["etag"]})
    assert changed.json()["document"]["x"] == 2 and changed.headers["etag"] == '"2"'
    late = editor.patch(f"/v1/elements/{path}", json={"x": 3}, headers={"If-Match": read.headers["etag"]})
    assert error(late) == (412, "Changed") and "rev 2" in late.json()["error"]["message"]
    assert error(editor.delete(f"/v1/elements/{path}", headers={"If-Match": '"1"'})) == (412, "Changed")
    assert error(editor.patch(f"/v1/elements/{path}", json={"x": 3}, headers={"If-Match": "x"})) == (400, "Misused")
    assert editor.patch(f"/v1/elements/{path}", json={"x": None}).json()["document"].get("x") is None
    assert editor.delete(f"/v1/elements/{path}", headers={"If-Match": '"3"'}).status_code == 204
    assert error(editor.get(f"/v1/elements/{path}")) == (404, "Gone")
    history = editor.get(f"/v1/history/{path}").json()["events"]
    assert [(one["verb"], one["rev"]) for one in history] == [
        ("create", 1),
        ("update", 2),
        ("update", 3),
        ("delete", 4),
    ]
    assert history[2]["changed"] == {"x": None} and history[1]["actor"] == "editor"


def test_errors_have_a_kind(team):
    element, path = made(team)
    user = team.by("user")
    assert error(user.post("/v1/elements", json={"_id": element["id"]})) == (409, "Conflict")
    assert error(user.post("/v1/elements", json=[1])) == (400, "Misused")
    assert error(user.post("/v1/elements", content=b"{")) == (400, "Misused")
    assert error(user.patch(f"/v1/elements/{path}", json={"x": 1})) == (403, "NotAllowed")
    assert error(team.by(None).get(f"/v1/elements/{path}")) == (401, "SignInNeeded")
    assert error(user.get("/v1/elements", params={"limit": 0})) == (400, "Misused")
    assert error(user.get("/v1/elements", params={"q": "x:/(/"})) == (400, "Misused")


def test_a_lock_is_a_lease(team):
    element, path = made(team)
    taken = team.by("user").put(f"/v1/locks/{path}", json={"lease_s": 60})
    assert taken.json()["owner"] == "user"
    assert error(team.by("other").put(f"/v1/locks/{path}")) == (409, "Conflict")
    assert error(team.by("editor").patch(f"/v1/elements/{path}", json={"x": 1})) == (409, "Conflict")
    assert [one["id"] for one in team.by("guest").get("/v1/locks", params={"owner": "user"}).json()["locks"]] == [
        element["id"]
    ]
    assert team.by("guest").get(f"/v1/elements/{path}").json()["lock"]["owner"] == "user"
    assert team.by("user").put(f"/v1/locks/{path}").json()["until"] > taken.json()["until"], "renewed, for longer"
    assert error(team.by("other").delete(f"/v1/locks/{path}")) == (409, "Conflict")
    assert team.by("admin").delete(f"/v1/locks/{path}").status_code == 204
    for bad in ({"lease_s": 0}, {"lease_s": "x"}, {"lease_s": True}, [1]):
        assert error(team.by("user").put(f"/v1/locks/{path}", json=bad)) == (400, "Misused")


def test_comments_are_listed_in_their_order(team):
    _, path = made(team)
    for word in ("one", "two", "<script>"):
        assert team.by("user").post(f"/v1/comments/{path}", json={"comment": word}).status_code == 201
    said = team.by("guest").get(f"/v1/comments/{path}").json()["comments"]
    assert [one["document"]["comment"] for one in said] == ["one", "two", "<script>"] and said[0]["kind"] == "comment"
    assert error(team.by("guest").post(f"/v1/comments/{path}", json={"comment": "x"})) == (403, "NotAllowed")
    assert error(team.by("user").post(f"/v1/comments/{path}", json={"comment": ""})) == (400, "Misused")
    assert error(team.by("user").post("/v1/comments/none", json={"comment": "x"})) == (404, "Gone")


def test_elements_are_found_in_pages(team):
    tag = f"page-{next(ids)}"
    for _ in range(5):
        made(team, tag=tag)
    first = team.by("guest").get("/v1/elements", params={"q": f"tag:{tag}", "limit": 2}).json()
    rest = team.by("guest").get("/v1/elements", params={"q": f"tag:{tag}", "offset": 2}).json()
    assert first["total"] == rest["total"] == 5 and len(first["elements"]) == 2 and len(rest["elements"]) == 3

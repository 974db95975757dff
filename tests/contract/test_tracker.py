"""The routes of the tracker: every status and shape of its contract, on both engines, over a real socket."""

from __future__ import annotations

import itertools
import json
import re
from urllib.parse import quote

import pytest
from teams import CLASSES, addresses, running

ids = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def team(request, tmp_path_factory):
    with addresses(request.param, tmp_path_factory.mktemp("tracker")) as address, running(address) as made:
        yield made


@pytest.fixture
def new():
    """A path that nothing has."""
    return lambda: f"/new/{next(ids)}"


def shape(reply):
    """Types of what came back: an object as the sorted keys that were asked for, null as None."""
    try:
        found = reply.json()
    except ValueError:
        return "text"
    if isinstance(found, list):
        return [None if one is None else type(one).__name__ for one in found]
    return type(found).__name__


CREATE = "POST", "/api/create/"
READ = "POST", "/api/read/"
UPDATE = "PUT", "/api/update/"
UPSERT = "POST", "/api/upsert/"
DELETE = "DELETE", "/api/delete/"
SEARCH_MONGO = "POST", "/api/search_mongo/"
PUBLISH = "POST", "/api/publish/"
LOCK = "PUT", "/api/lock/"
UNLOCK = "PUT", "/api/unlock/"
COMMENT = "POST", "/api/comment/"
GRAPH = "POST", "/api/graph/0"
OBJECT, TEXT = "dict", "text"

# A and B exist; N1, N2 are new ids for each row
TABLE = [
    (CREATE, {"_id": "N1", "x": 1}, 201, OBJECT),
    (CREATE, {"x": 1}, 201, OBJECT),
    (CREATE, {"_id": "null"}, 201, OBJECT),
    (CREATE, {"_id": "x{#}", "x": 1}, 201, OBJECT),
    (CREATE, {"_id": ["N1", "N2"], "x": 1}, 201, [OBJECT, OBJECT]),
    (CREATE, [{"_id": "N1"}], 201, [OBJECT]),
    (CREATE, [{"_id": "N1"}, {"_id": "A"}], 207, [OBJECT, None]),
    (CREATE, [{"_id": "N1"}, {"_id": "N1"}], 207, [OBJECT, None]),
    (CREATE, {"_id": "A"}, 409, TEXT),
    (CREATE, [{"_id": "A"}, {"_id": "B"}], 409, TEXT),
    (CREATE, [{"_id": "N1"}, 3], 400, TEXT),
    (CREATE, [], 400, TEXT),
    (CREATE, {}, 400, TEXT),
    (CREATE, "A", 400, TEXT),
    (CREATE, {"_id": 7}, 400, TEXT),
    (CREATE, {"_id": ""}, 400, TEXT),
    (CREATE, {"_id": "a\u0007b"}, 400, TEXT),
    (CREATE, {"a.b": 1}, 400, TEXT),
    (CREATE, {"$where": 1}, 400, TEXT),
    (CREATE, {"_id": "N1", "password": "secret-word"}, 400, TEXT),
    (READ, "A", 200, OBJECT),
    (READ, ["A"], 200, [OBJECT]),
    (READ, ["B", "A", "B"], 200, [OBJECT] * 3),
    (READ, ["A", "N1"], 207, [OBJECT, None]),
    (READ, "N1", 404, TEXT),
    (READ, ["N1", "N2"], 404, TEXT),
    (READ, "a\0b", 404, TEXT),
    (LOCK, ["A", "a\0b"], 207, [OBJECT, None]),
    (("DELETE", "/api/graphDelete/"), "a\0b", 404, TEXT),
    (READ, {}, 400, TEXT),
    (READ, [], 400, TEXT),
    (READ, 7, 404, TEXT),
    (READ, ["A", 7], 207, [OBJECT, None]),
    (READ, [True], 400, TEXT),
    (UPDATE, {"_id": 7, "y": 1}, 404, TEXT),
    (LOCK, [7], 404, TEXT),
    (DELETE, 7, 404, TEXT),
    (READ, None, 400, TEXT),
    (UPDATE, {"_id": "A", "y": 1}, 200, OBJECT),
    (UPDATE, [{"_id": "A", "y": 2}], 200, OBJECT),
    (UPDATE, {"_id": ["A", "B"], "y": 3}, 200, [OBJECT, OBJECT]),
    (UPDATE, [{"_id": "A", "y": 4}, {"_id": "N1", "y": 4}], 207, [OBJECT, None]),
    (UPDATE, {"_id": "N1", "y": 5}, 404, TEXT),
    (UPDATE, {"_id": "A"}, 400, TEXT),
    (UPDATE, {"y": 1}, 400, TEXT),
    (UPDATE, [], 400, TEXT),
    (UPSERT, {"_id": "A", "z": 1}, 200, OBJECT),
    (UPSERT, {"z": 1}, 200, OBJECT),
    (UPSERT, [{"_id": "N1"}, {"_id": "A", "z": 2}], 200, [OBJECT, OBJECT]),
    (UPSERT, {"_id": ["A", "N1"], "z": 3}, 200, [OBJECT, OBJECT]),
    (UPSERT, [None], 400, TEXT),
    (DELETE, "A", 200, "str"),
    (DELETE, ["A", "B"], 200, ["str", "str"]),
    (DELETE, ["A", "N1"], 207, ["str", None]),
    (DELETE, "N1", 404, TEXT),
    (DELETE, "", 400, TEXT),
    (DELETE, None, 400, TEXT),
    (GRAPH, "A", 200, [OBJECT]),
    (GRAPH, ["A", "B"], 200, [OBJECT, OBJECT]),
    (GRAPH, ["A", "N1"], 207, [OBJECT, None]),
    (GRAPH, "N1", 404, TEXT),
    (GRAPH, {}, 400, TEXT),
    (("POST", "/api/graph/-1"), "A", 400, TEXT),
    (SEARCH_MONGO, {"query": {"x": 1}}, 200, OBJECT),
    (SEARCH_MONGO, {"queryobj": '{"query": {"x": 1}, "limit": 2}'}, 200, OBJECT),
    (SEARCH_MONGO, {"query": {"$where": "1"}}, 400, TEXT),
    (SEARCH_MONGO, {"query": {"x": {"$regex": "(?=a)"}}}, 400, TEXT),
    (SEARCH_MONGO, {"query": {"x": 1}, "limit": -1}, 400, TEXT),
    (SEARCH_MONGO, [], 400, TEXT),
    (PUBLISH, {"_id": "N1", "comment": "c", "origin": "o"}, 201, [OBJECT, OBJECT]),
    (PUBLISH, [{"_id": "N1", "comment": "c", "origin": "o"}], 201, [OBJECT, OBJECT]),
    (PUBLISH, {"_id": ["N1", "N2"], "comment": "c", "origin": "o"}, 201, [OBJECT] * 4),
    (PUBLISH, [{"_id": p, "comment": "c", "origin": "o"} for p in ("N1", "A")], 207, [OBJECT, None, OBJECT, None]),
    (PUBLISH, {"_id": "A", "comment": "c", "origin": "o"}, 409, TEXT),
    (PUBLISH, {"_id": "relative", "comment": "c", "origin": "o"}, 400, TEXT),
    (PUBLISH, {"_id": "N1", "origin": "o"}, 400, TEXT),
    (PUBLISH, {"_id": "N1", "comment": "c"}, 400, TEXT),
    (LOCK, "A", 200, OBJECT),
    (LOCK, ["A", "B"], 200, [OBJECT, OBJECT]),
    (LOCK, ["A", "N1"], 207, [OBJECT, None]),
    (LOCK, "N1", 404, TEXT),
    (LOCK, {}, 400, TEXT),
    (UNLOCK, "A", 200, OBJECT),
    (UNLOCK, ["A", "N1"], 207, [OBJECT, None]),
    (UNLOCK, ["N1"], 404, TEXT),
    (UNLOCK, 3, 404, TEXT),
    (UNLOCK, None, 400, TEXT),
    (COMMENT, {"#parent": "A", "comment": "c"}, 201, [OBJECT]),
    (COMMENT, {"#parent": ["A", "B"], "comment": "c"}, 201, [OBJECT, OBJECT]),
    (COMMENT, {"#parent": ["A", "N1"], "comment": "c"}, 207, [OBJECT, None]),
    (COMMENT, {"#parent": "N1", "comment": "c"}, 404, TEXT),
    (COMMENT, {"#parent": "A"}, 400, TEXT),
    (COMMENT, {"#parent": "A", "comment": ""}, 400, TEXT),
    (COMMENT, {"#parent": "A", "comment": 3}, 400, TEXT),
    (COMMENT, {"comment": "c"}, 400, TEXT),
    (("POST", "/api/version/A"), {"file": "/f/x.tif"}, 201, OBJECT),
    (("POST", "/api/version/A"), {"x": 1}, 400, TEXT),
    (("POST", "/api/version/N1"), {"file": "/f/x.tif"}, 404, TEXT),
    (("GET", "/api/read/A"), None, 200, OBJECT),
    (("GET", "/api/read/A/"), None, 200, OBJECT),
    (("GET", "/api/read/A,B"), None, 200, [OBJECT, OBJECT]),
    (("GET", "/api/read/A,N1"), None, 207, [OBJECT, None]),
    (("GET", "/api/read/N1"), None, 404, TEXT),
    (("GET", "/api/read/"), None, 400, TEXT),
    (("GET", "/api/read"), None, 400, TEXT),
    (("GET", "/api/graph/0/A"), None, 200, [OBJECT]),
    (("GET", "/api/graph/0/"), None, 400, TEXT),
    (("GET", "/api/graph/x/A"), None, 400, TEXT),
    (("GET", "/api/graph_forwards/1/A"), None, 200, ["str"]),
    (("GET", "/api/graph_backwards/1/A,N1"), None, 207, ["str", None]),
    (("GET", "/api/graph_forwards/1/N1"), None, 404, TEXT),
    (("DELETE", "/api/graphDelete/"), ["A", "N1"], 207, ["str", None]),
    (("GET", "/api/search/nothing:atall"), None, 200, []),
    (("GET", "/api/search/"), None, 400, TEXT),
    (("GET", "/api/search_one/nothing:atall"), None, 200, "NoneType"),
    (("GET", "/api/search_one/_id:A"), None, 200, OBJECT),
    (("GET", "/api/search/x:/(%3F=a)/"), None, 400, TEXT),
    (("GET", "/api/verify"), None, 200, OBJECT),
    (("GET", "/api/nothing"), None, 404, TEXT),
    (("PATCH", "/api/create/"), {"x": 1}, 405, TEXT),
]


def test_statuses_and_shapes(team, new):
    """Row by row; the trailing slash makes no difference."""
    client = team.by("admin")
    rows = [{name: new() for name in ("A", "B", "N1", "N2")} for _ in TABLE]
    there = [{"_id": known[name]} for known in rows for name in ("A", "B")]
    assert client.post("/api/create", json=there).status_code == 201
    for number, (((method, path), body, status, expected), known) in enumerate(zip(TABLE, rows, strict=True)):
        text = json.dumps(body)
        for name, real in known.items():
            text = text.replace(f'"{name}"', json.dumps(real))
            path = re.sub(rf"([/,:]){name}(?![a-z])", lambda found, real=real: found[1] + quote(real, safe=""), path)
        content = None if body is None and method == "GET" else text.encode()
        if number % 2 and method != "GET":
            path = path.rstrip("/")
        reply = client.request(method, path, content=content)
        assert (reply.status_code, shape(reply)) == (status, expected), (method, path, body, reply.text)
        kind = "text/html" if expected == TEXT else "application/json"
        assert reply.headers["content-type"].startswith(kind)


def test_malformed_json_is_one_line(team):
    for raw in (b'{"a":', b"\xff\xfe", b'{"a": NaN}', b'{"a": 1e999}', b"[" * 100_000, b'"\\ud800"', b"1" * 5000):
        reply = team.by("admin").post("/api/create/", content=raw)
        assert reply.status_code == 400 and "\n" not in reply.text, raw[:20]


ROLES = [
    # nobody, guest, user, editor, admin
    ("GET", "/api/read/A", None, (401, 200, 200, 200, 200)),
    ("POST", "/api/read/", "A", (401, 200, 200, 200, 200)),
    ("GET", "/api/search/x:1", None, (401, 200, 200, 200, 200)),
    ("GET", "/api/search_one/x:1", None, (401, 200, 200, 200, 200)),
    ("POST", "/api/search_mongo/", {"query": {}}, (401, 200, 200, 200, 200)),
    ("GET", "/api/graph/0/A", None, (401, 200, 200, 200, 200)),
    ("GET", "/api/graph_forwards/0/A", None, (401, 200, 200, 200, 200)),
    ("GET", "/api/graph_backwards/0/A", None, (401, 200, 200, 200, 200)),
    ("GET", "/api/verify/", None, (401, 200, 200, 200, 200)),
    ("POST", "/api/create/", {"_id": "N"}, (401, 403, 201, 201, 201)),
    ("POST", "/api/publish/", {"_id": "N", "comment": "c", "origin": "o"}, (401, 403, 201, 201, 201)),
    ("POST", "/api/comment/", {"#parent": "A", "comment": "c"}, (401, 403, 201, 201, 201)),
    ("POST", "/api/version/A", {"file": "/x"}, (401, 403, 201, 201, 201)),
    ("PUT", "/api/lock/", "A", (401, 403, 200, 200, 200)),
    ("PUT", "/api/unlock/", "A", (401, 403, 200, 200, 200)),
    ("PUT", "/api/update/", {"_id": "A", "x": 1}, (401, 403, 403, 200, 200)),
    ("POST", "/api/upsert/", {"_id": "A", "x": 1}, (401, 403, 403, 200, 200)),
    ("POST", "/api/upsert/", {"_id": "N", "x": 1}, (401, 403, 403, 200, 200)),
    ("DELETE", "/api/delete/", "A", (401, 403, 403, 200, 200)),
    ("DELETE", "/api/graphDelete/", "A", (401, 403, 403, 200, 200)),
    ("POST", "/api/create/", "malformed", (401, 403, 400, 400, 400)),
]


def test_every_class_on_every_route(team, new):
    """Each on an element of its own; who may do what is no matter of the engine."""
    if team.library.path is None:
        return
    names = (None, *CLASSES)
    elements = iter([new() for _ in range(len(ROLES) * len(names))])
    made = [{"_id": f"/new/{number}", "author": "admin"} for number in range(int(next(elements)[5:]), next(ids))]
    assert team.by("admin").post("/api/create", json=made).status_code == 201
    elements = iter([one["_id"] for one in made])
    for method, path, body, expected in ROLES:
        found = []
        for name in names:
            text, where = json.dumps(body), path
            if "A" in (text.strip('"'), path[-1]) or '"A"' in text:
                element = next(elements)
                text, where = text.replace('"A"', json.dumps(element)), re.sub(r"A$", quote(element, safe=""), path)
            content = text.replace('"N"', json.dumps(new())).encode() if body is not None else None
            found.append(team.by(name).request(method, where, content=content).status_code)
        assert found == list(expected), (method, path)
    reply = team.by(None).get("/api/read/x")
    assert reply.json() == "Unauthorized" and reply.headers["www-authenticate"] == "Bearer"


def test_author_mode_hides_what_somebody_else_wrote(team, new):
    mine, theirs, nobodys = new(), new(), new()
    team.by("editor").post("/api/create", json={"_id": mine, "tag": mine}).raise_for_status()
    team.by("other").post("/api/create", json={"_id": theirs, "tag": mine}).raise_for_status()
    shared = new()
    team.by("admin").post("/api/create", json={"_id": shared, "tag": mine, "author": ["other", "editor"]})
    team.by("admin").post("/api/create", json={"_id": nobodys, "tag": mine, "author": 7}).raise_for_status()
    edge = new()
    team.by("admin").post("/api/create", json={"_id": edge, "src_id": theirs, "tgt_id": mine}).raise_for_status()
    client = team.by("editor")
    with team.option(author_mode=True):
        assert client.post("/api/read", json=[mine, theirs, shared, nobodys]).json()[1::2] == [None, None]
        assert client.get("/api/read/" + theirs.replace("/", "%2F")).status_code == 404
        assert client.get(f"/api/search/tag:{mine}").json() == sorted([mine, shared])
        assert client.get(f"/api/search_one/_id:{theirs}").json() is None
        assert client.post("/api/search_mongo", json={"query": {"tag": mine}}).json()["count"] == 2
        assert [one["_id"] for one in client.post("/api/graph/0", json=mine).json()] == [mine]
        assert client.put("/api/update", json={"_id": theirs, "x": 1}).status_code == 404
        assert client.post("/api/upsert", json={"_id": theirs, "x": 1}).status_code == 409
        assert client.request("DELETE", "/api/delete", json=theirs).status_code == 404
        assert client.put("/api/lock", json=theirs).status_code == 404
        assert client.post("/api/comment", json={"#parent": theirs, "comment": "c"}).status_code == 404
        assert client.post("/api/version/" + theirs.replace("/", "%2F"), json={"file": "x"}).status_code == 404
        everything = team.by("admin").get(f"/api/search/tag:{mine}").json()
    assert everything == sorted([mine, theirs, shared, nobodys])
    assert "x" not in team.by("admin").post("/api/read", json=theirs).json()


def test_what_only_an_admin_may_set(team, new):
    path = new()
    made = team.by("user").post("/api/create", json={"_id": path, "author": "admin", "time": 1, "lock": "x"}).json()
    assert made["author"] == "user" and made["time"] > 10**12 and "lock" not in made
    changes = {"_id": path, "author": "editor", "time": 1, "class": "admin", "x": 1}
    changed = team.by("editor").put("/api/update", json=changes).json()
    assert changed == {**made, "x": 1}
    changed = team.by("admin").put("/api/update", json=changes).json()
    assert changed["author"] == "editor" and changed["time"] == 1 and changed["class"] == "admin"


def test_locks_are_for_one_and_keep_others_out(team, new):
    a, b = new(), new()
    team.by("admin").post("/api/create", json=[{"_id": a}, {"_id": b}])
    assert team.by("user").put("/api/lock/", json=a).json()["lock"] == "user"
    assert team.by("user").put("/api/lock/", json=a).status_code == 200
    assert team.by("other").put("/api/lock/", json=[b, a]).status_code == 409
    assert "lock" not in team.by("user").post("/api/read", json=b).json(), "all or none"
    for method, path, body in (
        ("PUT", "/api/update", {"_id": a, "x": 1}),
        ("POST", "/api/upsert", {"_id": a, "x": 1}),
        ("POST", "/api/version/" + a.replace("/", "%2F"), {"file": "x"}),
        ("DELETE", "/api/delete", a),
        ("DELETE", "/api/graphDelete", a),
        ("PUT", "/api/unlock", a),
    ):
        reply = team.by("editor").request(method, path, json=body)
        assert reply.status_code == 409 and "user" in reply.text, path
    assert team.by("user").get(f"/api/search/lock:user _id:{a}").json() == [a]
    assert "lock" not in team.by("user").put("/api/unlock/", json=a).json()
    assert team.by("user").put("/api/unlock/", json=a).status_code == 200
    team.by("user").put("/api/lock/", json=a)
    assert team.by("admin").put("/api/unlock/", json=a).status_code == 200, "an admin may break it"
    assert team.by("editor").put("/api/update", json={"_id": a, "x": 1}).json()["x"] == 1


def test_publish_version_and_comment_keep_what_was(team, new):
    client, path = team.by("user"), f"{new()}.tif"
    asked = {"_id": path, "comment": "first", "origin": "paris", "file": path, "colour": "red"}
    parent, child = client.post("/api/publish", json=asked).json()
    assert parent == {**asked, "author": "user", "time": parent["time"]}
    assert child == {**parent, "_id": child["_id"], "#parent": path} and len(child["_id"]) == 24
    new_head = client.post("/api/version/" + path.replace("/", "%2F"), json={"file": path, "comment": "second"}).json()
    assert new_head["version"] == 2 and new_head["comment"] == "second" and new_head["colour"] == "red"
    [old] = [
        one
        for one in client.post("/api/read", json=client.get(f"/api/search/%23parent:{path}").json()).json()
        if one["_id"] != child["_id"]
    ]
    assert old["file"] == path.replace(".tif", f"_{parent['time']}.tif") and old["comment"] == "first"
    [said] = client.post("/api/comment", json={"#parent": path, "comment": "<b>nice</b>"}).json()
    assert said["author"] == "user" and said["#parent"] == path and said["comment"] == "<b>nice</b>"


def test_ids_in_paths_may_hold_anything(team):
    client = team.by("editor")
    for name in ("/a/b#1", "/a,b", "/100%", "/é/ü", "/dir/", "/a b", "/x?y", "#parent"):
        client.post("/api/create", json={"_id": name, "odd": True}).raise_for_status()
        sent = "".join(f"%{byte:02X}" for byte in name.encode())
        assert client.get(f"/api/read/{sent}").json()["_id"] == name
        assert client.get(f"/api/graph/0/{sent},{sent}").json()[1]["_id"] == name
    assert client.get("/api/read//dir/").json()["_id"] == "/dir/", "slashes need no encoding"
    assert client.get("/api/read/%FF").status_code == 400
    assert client.get("/api/search/odd:true").headers["x-total-count"] == "8"
    assert client.get("/api/search/100%25").json() == ["/100%"], "a lone % is itself"


def test_search_is_typed_and_paged(team):
    client = team.by("user")
    tag = "search-is-typed"
    client.post(
        "/api/create",
        json=[
            {"_id": f"/s/{n}", "tag": tag, "n": n, "text": str(n), "when": f"2025-01-{n + 1:02}", "even": n % 2 == 0}
            for n in range(20)
        ],
    ).raise_for_status()

    def found(query, **paging):
        reply = client.get(f"/api/search/{query}", params=paging)
        return [int(one[3:]) for one in reply.json()], int(reply.headers["x-total-count"])

    assert found(f"tag:{tag} n:7") == ([7], 1) == found(f"tag:{tag} text:7") == found(f'tag:{tag} text:"7"')
    assert found(f'tag:{tag} n:"7"')[1] == 0, "a quoted value is text"
    assert found(f"tag:{tag} n>=3 n<6")[1] == 3
    assert found(f"tag:{tag} n>2 n<=2.5")[1] == 0
    assert found(f"tag:{tag} when<2025-01-03")[1] == 2
    assert found(f"tag:{tag} even:true")[1] == 10
    assert found(f"tag:{tag} text:/^1./")[1] == 10
    assert found(f"_id:/s/ tag:{tag}")[1] == 0, "an id between slashes is an id"
    assert found(f"_id:/^.s.1$/ tag:{tag}") == ([1], 1)
    ids, total = found(f"tag:{tag}", limit=3, offset=2)
    assert len(ids) == 3 and total == 20 and ids == found(f"tag:{tag}")[0][2:5]
    mongo = client.post(
        "/api/search_mongo",
        json={"query": {"tag": tag, "n": {"$in": [3, 9, 4]}}, "sort": {"n": -1}, "limit": 2, "skip": 1},
    ).json()
    assert mongo == {"count": 3, "ids": ["/s/4", "/s/3"]}


def test_a_regular_expression_cannot_run_away(team):
    client = team.by("guest")
    team.by("user").post("/api/create", json={"_id": "/evil", "bait": "a" * 5000 + "b"}).raise_for_status()
    reply = client.post("/api/search_mongo", json={"query": {"bait": {"$regex": "(a+)+$"}}})
    assert reply.json()["count"] == 0
    assert client.get("/api/search/bait:/(a*)*b$/").json() == ["/evil"]


def test_edges_are_walked_both_ways(team, new):
    client, a, b, c = team.by("editor"), new(), new(), new()
    client.post("/api/create", json=[{"_id": one} for one in (a, b, c)]).raise_for_status()
    edges = [{"_id": f"{s}>{t}", "src_id": s, "tgt_id": t} for s, t in ((a, b), (b, c), (c, a))]
    client.post("/api/create", json=edges).raise_for_status()
    names = [one["_id"] for one in edges]
    assert [one["_id"] for one in client.post("/api/graph/0", json=c).json()] == [c, b, a, names[1], names[0], names[2]]
    assert client.post("/api/graph_backwards/1", json=c).json() == [c, b, names[1]]
    assert client.post("/api/graph_forwards/1", json=c).json() == [c, a, names[2]]
    assert set(client.request("DELETE", "/api/graphDelete", json=[a]).json()) == {a, names[0], names[2]}
    assert client.post("/api/graph_forwards/0", json=b).json() == [b, c, names[1]]


def test_two_switches_for_other_editions_of_the_tracker(team, new):
    a, b, c = new(), new(), new()
    with team.option(create_returns_ids=True):
        assert team.by("user").post("/api/create", json={"_id": a}).json() == a
        assert team.by("user").post("/api/create", json=[{"_id": a}, {"_id": b}]).json() == [None, b]
    asked = [{"_id": a, "x": 1}, {"_id": c}]
    with team.option(created_first=True):
        found = team.by("editor").post("/api/upsert", json=asked).json()
    assert [one["_id"] for one in found] == [c, a]
    assert [one["_id"] for one in team.by("editor").post("/api/upsert", json=asked).json()] == [a, c]


def test_files_are_taken_whole_and_given_out(team, new, tmp_path):
    path, data = f"{new()}.tif", bytes(range(256)) * 5000
    sent = path.replace("/", "%2F")
    assert team.by("user").put(f"/api/upload/{sent}", content=data).status_code == 501
    with team.option(files=tmp_path / "files"):
        made = team.by("user").put(f"/api/upload/{sent}", content=data)
        assert made.status_code == 201 and made.json()["file_size"] == len(data) and made.json()["author"] == "user"
        got = team.by("guest").get(f"/api/file/{sent}")
        assert got.content == data and "attachment" in got.headers["content-disposition"]
        part = team.by("guest").get(f"/api/file/{sent}", headers={"Range": "bytes=10-19"})
        assert part.status_code == 206 and part.content == data[10:20]
        assert team.by("guest").put(f"/api/upload/{sent}", content=data).status_code == 403
        assert team.by("user").put(f"/api/upload/{sent}", content=data).status_code == 403, "to replace is to update"
        other = new()
        form = team.by("editor").post("/api/upload", data={"path": other}, files={"file": ("x", b"abc")})
        assert form.status_code == 201 and team.by("user").get(f"/api/file/{other}").content == b"abc"
        assert (
            team.by("editor").post("/api/upload", data={"path": other}, files={"file": ("x", b"abd")}).status_code
            == 200
        )
        assert team.by("user").get("/api/file/%2Fnothing").status_code == 404
        for bad in ("relative", "%2Fdir%2F", ""):
            assert team.by("editor").put(f"/api/upload/{bad}", content=b"x").status_code in (400, 405), bad
        assert not list((tmp_path / "files").glob(".*")), "nothing is left of what was not kept"
    assert team.by(None).get("/api/lostPassword/a@b.c").status_code == 501

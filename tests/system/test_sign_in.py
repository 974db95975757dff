"""Signing in and out, and everything that keeps strangers out: on a real socket."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from teams import running

from planet_assets.library import people
from planet_assets.service import passwords

WORD = "correct horse battery"


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    with running(str(tmp_path_factory.mktemp("team") / "library.db")) as made:
        made.add("ann", "user", secret=passwords.hashed(WORD))
        yield made


def sign_in(team, name, password=WORD, **more):
    return httpx.post(f"{team.url}/api/signIn", data={"username": name, "password": password, **more})


def bearer(team, secret):
    return httpx.Client(base_url=team.url, headers={"Authorization": f"Bearer {secret}"})


def test_a_name_or_an_address_and_a_password(team):
    people.change(
        team.library, "ann", {"email": "Ann@Example.org", "full_name": "Ann A"}, now=team.app.state.clock.now()
    )
    for name in ("ann", "ann@example.org", "ANN@example.org"):
        found = sign_in(team, name).json()
        assert found["_id"] == "ann" and found["user"]["class"] == "user" and found["user"]["fullname"] == "Ann A"
        with bearer(team, found["token"]) as client:
            assert client.get("/api/verify").json() == found["user"]
    assert "password" not in str(found) and "argon2" not in str(found)
    assert httpx.post(f"{team.url}/api/signIn/", json={"username": "ann", "password": WORD}).status_code == 200
    for name, word in (("ann", "wrong"), ("nobody", WORD), ("ann\0", WORD), ("", "")):
        reply = sign_in(team, name, word)
        assert reply.status_code == 401 and reply.json() == "Unauthorized"
    assert httpx.post(f"{team.url}/api/signIn", content=b"\xff=\xff").status_code == 401


def test_a_sign_in_lasts_as_long_as_was_asked(team):
    assert sign_in(team, "ann", expiresIn="nonsense").status_code == 401
    assert sign_in(team, "ann", expiresIn="0").status_code == 403, "without end is for admins"
    made = sign_in(team, "ann", expiresIn="1ms").json()["token"]
    time.sleep(0.01)
    with bearer(team, made) as client:
        assert client.get("/api/verify").status_code == 401
    with bearer(team, sign_in(team, "ann", expiresIn="2h").json()["token"]) as client:
        newest = client.get("/v1/tokens").json()["tokens"][-1]
    assert newest["expires_at"][:10] and "hash" not in newest


def test_signing_out_revokes_that_token_only(team):
    first, second = (sign_in(team, "ann").json()["token"] for _ in range(2))
    with bearer(team, first) as client:
        assert client.post("/api/signOut").status_code == 200
        assert client.get("/api/verify").status_code == 401
    with bearer(team, second) as client:
        assert client.get("/api/verify").status_code == 200
        third = client.post("/api/createToken", json={"expiresIn": "1h", "scope": "read"}).json()
        with bearer(team, third) as reader:
            assert reader.get("/api/search/*").status_code == 200
            assert reader.post("/api/create", json={"x": 1}).status_code == 403
            assert reader.get("/v1/me").json()["scope"] == "read"
        named = client.get("/v1/tokens").json()["tokens"][-1]["id"]
        assert client.delete(f"/v1/tokens/{named}").status_code == 204
        with bearer(team, third) as reader:
            assert reader.get("/api/verify").status_code == 401
        assert client.delete("/v1/tokens/unknown").status_code == 404


def test_a_new_password_ends_every_sign_in(team):
    team.add("bea", "user", secret=passwords.hashed(WORD))
    old = sign_in(team, "bea").json()["token"]
    with bearer(team, old) as client:
        assert client.put("/v1/me/password", json={"old": "wrong", "new": WORD + "!"}).status_code == 403
        assert client.put("/v1/me/password", json={"old": WORD, "new": "short"}).status_code == 400
        assert client.put("/v1/me/password", json={"old": WORD, "new": WORD + "!"}).status_code == 204
        assert client.get("/api/verify").status_code == 401
    assert team.by("bea").get("/api/verify").status_code == 401, "tokens of programs as well"
    assert sign_in(team, "bea").status_code == 401
    assert sign_in(team, "bea", WORD + "!").status_code == 200


@pytest.mark.parametrize("kind", ["sha1", "md5"])
def test_an_old_digest_is_good_once_and_hashed_anew(team, kind):
    name = f"old-{kind}"
    team.add(name, "user", secret=hashlib.new(kind, WORD.encode()).hexdigest().upper(), kind=kind)
    assert sign_in(team, name, "wrong").status_code == 401
    assert people.secret_of(team.library, name).kind == kind
    assert sign_in(team, name).status_code == 200
    kept = people.secret_of(team.library, name)
    assert kept.kind == "argon2id" and kept.hash.startswith("$argon2id$")
    assert sign_in(team, name).status_code == 200


def test_guessers_wait(team):
    team.add("cat", "user", secret=passwords.hashed(WORD))
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda n: sign_in(team, "cat", f"guess {n}"), range(12)))
    slowed = [one for one in replies if one.status_code == 429]
    assert {one.status_code for one in replies} == {401, 429} and slowed
    assert all(int(one.headers["retry-after"]) >= 1 for one in slowed)
    assert sign_in(team, "cat").status_code == 429, "even the right one waits"
    assert sign_in(team, "ann").status_code == 200, "others do not"


def test_who_is_disabled_is_out_at_once(team):
    team.add("dan", "admin", secret=passwords.hashed(WORD))
    assert team.by("admin").patch("/v1/people/dan", json={"disabled": True}).json()["disabled"] is True
    assert team.by("dan").get("/api/verify").status_code == 401 and sign_in(team, "dan").status_code == 401


def test_an_admin_keeps_the_people(team):
    admin, user = team.by("admin"), team.by("user")
    made = admin.post("/v1/people", json={"name": "eve", "email": "eve@example.org"})
    assert made.status_code == 201 and made.json()["must_change"] is True
    assert sign_in(team, "eve", made.json()["password"]).json()["must_change"] is True
    assert admin.post("/v1/people", json={"name": "eve"}).status_code == 409
    assert admin.post("/v1/people", json={"name": "Eve"}).status_code == 400
    assert admin.post("/v1/people", json={"name": "eva", "email": "EVE@example.org"}).status_code == 409
    assert user.post("/v1/people", json={"name": "mallory"}).status_code == 403
    assert user.patch("/v1/people/user", json={"role": "admin"}).status_code == 403
    [shown] = [one for one in user.get("/v1/people").json()["people"] if one["name"] == "eve"]
    assert shown == {"name": "eve", "role": "user", "full_name": "", "disabled": False}
    assert admin.patch("/v1/people/eve", json={"role": "editor"}).json()["role"] == "editor"
    assert admin.delete("/v1/people/eve").status_code == 204
    assert admin.patch("/v1/people/eve", json={"role": "user"}).status_code == 404
    assert admin.delete("/v1/people/admin").status_code == 409, "nobody would be left"


def test_people_are_elements_without_secrets(team):
    admin, user = team.by("admin"), team.by("user")
    new = {"username": "fay", "class": "editor", "password": WORD, "email": "fay@example.org", "fullname": "Fay"}
    made = admin.post("/api/create", json=new)
    assert made.status_code == 201 and made.json()["_id"] == "fay" and "password" not in made.json()
    assert sign_in(team, "fay").status_code == 200
    assert admin.post("/api/create", json=new).status_code == 409
    assert user.get("/api/read/fay").json() == {"_id": "fay", "username": "fay", "class": "editor", "fullname": "Fay"}
    assert admin.put("/api/update", json={"_id": "fay", "password": WORD + "?"}).status_code == 200
    assert sign_in(team, "fay").status_code == 401 and sign_in(team, "fay", WORD + "?").status_code == 200
    assert admin.put("/api/update", json={"_id": "fay", "class": "king"}).status_code == 400
    assert team.by("editor").put("/api/update", json={"_id": "fay", "class": "admin"}).status_code == 404
    assert user.post("/api/create", json={"_id": "fay"}).status_code == 409
    made = user.post("/api/create", json={"username": "gil", "class": "admin", "x": 1}).json()
    assert "username" not in made and "class" not in made, "an element like any other"
    assert admin.request("DELETE", "/api/delete", json="fay").json() == "fay"
    assert sign_in(team, "fay", WORD + "?").status_code == 401


def test_no_secret_is_kept_shown_or_logged(team, caplog):
    caplog.set_level("DEBUG")
    word, admin = "a word of its own", team.by("admin")
    admin.post("/api/create", json={"username": "hal", "class": "user", "password": word}).raise_for_status()
    token = sign_in(team, "hal", word).json()["token"]
    with bearer(team, token) as client:
        told = [
            client.get("/api/read/hal"),
            client.get("/api/verify"),
            client.get("/v1/me"),
            client.get("/v1/tokens"),
            admin.get("/v1/people"),
            admin.get("/v1/people/hal/tokens"),
            admin.post("/api/search_mongo", json={"query": {}}),
            client.post("/api/create", json={"_id": "/x", "token": token}),
            client.put("/v1/me/password", json={"old": token, "new": word}),
            client.post("/api/create", content=f'{{"password": "{word}"'.encode()),
        ]
    kept = b"".join(path.read_bytes() for path in team.library.path.parent.iterdir())
    ours = [one for one in caplog.records if not one.name.startswith(("httpx", "httpcore", "asyncio"))]
    texts = [one.text for one in told] + [one.getMessage() for one in ours]
    for secret in (word, token, people.secret_of(team.library, "hal").hash):
        assert not [one for one in texts if secret in one]
    assert word.encode() not in kept and token.encode() not in kept


def test_a_cookie_alone_changes_nothing(team):
    with httpx.Client(base_url=team.url) as browser:
        signed = browser.post("/api/signIn", data={"username": "ann", "password": WORD})
        for line in signed.headers.get_list("set-cookie"):
            assert "samesite=strict" in line.lower()
            assert ("httponly" in line.lower()) == line.startswith("planet_assets_session")
        assert browser.get("/api/verify").status_code == 200
        assert browser.post("/api/create", json={"x": 1}).status_code == 403
        assert browser.post("/api/create", json={"x": 1}, headers={"X-CSRF-Token": "0" * 64}).status_code == 403
        right = {"X-CSRF-Token": browser.cookies["planet_assets_csrf"]}
        assert right["X-CSRF-Token"] == signed.json()["csrf"]
        assert browser.post("/api/create", json={"x": 1}, headers=right).status_code == 201
        evil = {**right, "Origin": "http://evil.example"}
        assert browser.post("/api/create", json={"x": 1}, headers=evil).status_code == 403
        assert browser.post("/api/signOut", headers=right).status_code == 200
        assert browser.get("/api/verify").status_code == 401
    reply = httpx.get(f"{team.url}/health")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_without_sign_in_only_for_this_machine(tmp_path):
    hosts = frozenset({"localhost", "127.0.0.1", "::1"})
    with running(str(tmp_path / "library.db"), auth=False, hosts=hosts) as lab:
        assert lab.by(None).post("/api/create", json={"_id": "/x"}).json()["author"] == "lab"
        assert lab.by(None).get("/api/verify").json() == {}
        assert lab.by(None).post("/api/signIn", data={"username": "a", "password": "b"}).status_code == 404
        rebound = lab.by(None).get("/api/read/%2Fx", headers={"Host": "evil.example"})
        assert rebound.status_code == 403

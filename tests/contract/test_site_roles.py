"""Who may do what with sites, bundles and assets: every class on every route, and nobody without a token."""

from __future__ import annotations

import httpx
import pytest
from teams import running

ROLES = ("guest", "user", "editor", "admin")
ID = "a" * 32
ROUTES = {
    ("GET", "/v1/bundles"): "guest",
    ("GET", f"/v1/bundles/{ID}"): "guest",
    ("GET", f"/v1/bundles/{ID}/files/x"): "guest",
    ("POST", "/v1/bundles"): "user",
    ("PUT", f"/v1/uploads/{ID}/x"): "user",
    ("POST", f"/v1/bundles/{ID}/finalize"): "user",
    ("GET", "/v1/sites"): "guest",
    ("GET", "/v1/sites/waiting?target=x"): "guest",
    ("GET", "/api/listup/a/b/5"): "guest",
    ("GET", "/api/listdown/a/b/5"): "guest",
    ("POST", "/v1/sites"): "editor",
    ("POST", "/v1/sites/claim"): "user",
    ("POST", "/v1/sites/outcome"): "user",
    ("POST", "/v1/sites/heartbeat"): "user",
    ("POST", "/v1/sites/scanned"): "editor",
    ("POST", "/v1/assets"): "user",
    ("GET", "/v1/assets"): "guest",
    ("GET", f"/v1/assets/{ID}"): "guest",
    ("POST", f"/v1/assets/{ID}/presign"): "guest",
    ("PUT", f"/v1/assets/{ID}/finalize"): "user",
    ("PUT", f"/v1/assets/{ID}/compiled"): "user",
    ("PUT", f"/v1/assets/{ID}/approve"): "editor",
    ("PUT", f"/v1/assets/{ID}/reject"): "editor",
}


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roles")
    with running(str(folder / "library.db"), files=folder / "files") as made:
        yield made


def test_every_class_on_every_route(team):
    with httpx.Client(base_url=team.url, trust_env=False) as api:
        for (method, path), least in ROUTES.items():
            assert api.request(method, path).status_code == 401, path
            for role in ROLES:
                answer = api.request(method, path, headers={"Authorization": f"Bearer {team.secrets[role]}"})
                may = ROLES.index(role) >= ROLES.index(least)
                assert (answer.status_code == 403) is not may, (method, path, role, answer.text)
                assert answer.status_code not in (401, 405) and answer.status_code < 500


def test_an_upload_by_link_needs_the_link(team):
    path = f"{team.url}/v1/uploads/asset/{ID}/x"
    for query in ("", "?expires=1", "?expires=99999999999&signature=x"):
        assert httpx.put(f"{path}{query}", content=b"x", trust_env=False).status_code in (400, 404)
    made = httpx.post(
        f"{team.url}/v1/assets",
        json={"asset_type": "x", "components": ["a"]},
        headers={"Authorization": f"Bearer {team.secrets['user']}"},
        trust_env=False,
    ).json()
    link = made["upload_urls"][0]["url"]
    assert httpx.put(link, content=b"x", trust_env=False).status_code == 200
    assert httpx.put(link.replace("signature=", "signature=0"), content=b"x", trust_env=False).status_code == 403


def test_author_mode_hides_what_others_wrote(team):
    def ask(role, path):
        return httpx.get(
            f"{team.url}{path}", headers={"Authorization": f"Bearer {team.secrets[role]}"}, trust_env=False
        ).json()

    def tell(role, path, body):
        headers = {"Authorization": f"Bearer {team.secrets[role]}"}
        return httpx.post(f"{team.url}{path}", json=body, headers=headers, trust_env=False).json()

    tell("admin", "/v1/sites", {"name": "rome"})
    tell("user", "/api/create/", {"_id": "/mine", "sync_rome": True})
    tell("editor", "/api/create/", {"_id": "/theirs", "sync_rome": True})
    asset = tell("editor", "/v1/assets", {"asset_type": "x", "components": ["a"]})["asset"]["id"]
    with team.option(author_mode=True):
        waiting = {
            role: {one["_id"] for one in ask(role, "/v1/sites/waiting?target=rome")["elements"]}
            for role in ("user", "admin")
        }
        assert waiting == {"user": {"/mine"}, "admin": {"/mine", "/theirs"}}
        assert ask("user", f"/v1/assets/{asset}").get("error") and ask("admin", f"/v1/assets/{asset}")["id"] == asset

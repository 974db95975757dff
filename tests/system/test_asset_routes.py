"""Assets that come file by file: links, reasons to wait, digests that differ, what is refused."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hubs import hub

from planet_assets.library import bundles


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    with hub(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture
def api(there):
    with httpx.Client(base_url=there.url, trust_env=False) as made:
        yield made


def created(api, **more):
    body = {"asset_type": "scene", "name": "s", "components": ["a.tif", "deep/b c.xml"], **more}
    answer = api.post("/v1/assets", json=body)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert "secret" not in told["asset"] and told["asset"]["state"] == "pending"
    return told["asset"]["id"], {one["component"]: one["url"] for one in told["upload_urls"]}


def state(api, asset):
    found = api.get(f"/v1/assets/{asset}").json()
    return found["state"], found["pending_reasons"]


def sent(api, links):
    for name, url in links.items():
        answer = api.put(url, content=str(name).encode())
        assert answer.json()["sha256"] == hashlib.sha256(str(name).encode()).hexdigest()


def test_ready_when_no_reason_is_left(api, there):
    asset, links = created(api, pending_reasons=["review_required", "compile_pending"])
    assert api.put(f"/v1/assets/{asset}/finalize").status_code == 409, "nothing has come"
    sent(api, links)
    assert api.put(f"/v1/assets/{asset}/finalize").json()["state"] == "pending"
    assert state(api, asset) == ("pending", ["compile_pending", "review_required"])
    assert api.post(f"/v1/assets/{asset}/presign", json={"operation": "read"}).status_code == 409
    assert api.put(f"/v1/assets/{asset}/approve").json()["pending_reasons"] == ["compile_pending"]
    assert api.put(f"/v1/assets/{asset}/compiled").json()["state"] == "ready"
    for _ in range(2):
        assert api.put(f"/v1/assets/{asset}/finalize").json()["state"] == "ready"
    told = api.get(f"/v1/assets/{asset}", params={"include_presigned": "true"}).json()
    for name, link in told["presigned_urls"].items():
        assert api.get(link["url"]).content == name.encode()
        assert api.get(link["url"], headers={"Range": "bytes=1-2"}).content == name.encode()[1:3]
    ready = [one for one in bundles.events(there.library) if one[2] == "ready" and one[3] == told["bundle_id"]]
    assert len(ready) == 1 and not list(there.files.glob(f".assets/{asset}/*"))
    assert api.get("/v1/assets", params={"state": "ready"}).json()["assets"][0]["id"] == asset


def test_sealed_bytes_stay(api):
    asset, links = created(api, pending_reasons=["review_required"])
    sent(api, links)
    api.put(f"/v1/assets/{asset}/finalize")
    assert api.put(links["a.tif"], content=b"a.tif").status_code == 200, "the same again is safe"
    assert api.put(links["a.tif"], content=b"other").status_code == 409
    files = {"files": [{"path": "a.tif", "sha256": "0" * 64}]}
    assert api.put(f"/v1/assets/{asset}/finalize", json=files).status_code == 422
    assert api.put(f"/v1/assets/{asset}/reject", json={"reason": " "}).status_code == 400
    assert api.put(f"/v1/assets/{asset}/reject", json={"reason": "clouds"}).json()["state"] == "abandoned"
    for path in ("finalize", "approve"):
        assert api.put(f"/v1/assets/{asset}/{path}").status_code == 409
    assert api.put(links["a.tif"], content=b"a.tif").status_code == 409


def test_a_digest_that_differs_is_said_and_mended(api):
    asset, links = created(api)
    sent(api, links)
    files = {"files": [{"path": "a.tif", "sha256": hashlib.sha256(b"right").hexdigest()}]}
    assert api.put(f"/v1/assets/{asset}/finalize", json=files).status_code == 422
    assert api.put(links["a.tif"], content=b"right").status_code == 200
    assert api.put(f"/v1/assets/{asset}/finalize", json=files).json()["state"] == "ready"


def test_a_single_file(api):
    asset, links = created(api, name="model.bin", components=None)
    assert list(links) == [None]
    sent(api, links)
    files = {"files": [{"path": "model.bin", "sha256": hashlib.sha256(b"None").hexdigest()}]}
    assert api.put(f"/v1/assets/{asset}/finalize", json=files).json()["state"] == "ready"
    links = api.post(f"/v1/assets/{asset}/presign", json={}).json()["presigned_urls"]
    assert api.get(links["model.bin"]["url"]).content == b"None"


def test_links_are_for_one_file_one_way(api):
    asset, links = created(api)
    good = links["a.tif"]
    for wrong in (good.replace("a.tif", "deep/b%20c.xml"), good[:-1] + "x", good.replace("expires=", "expires=1")):
        assert api.put(wrong, content=b"x").status_code in (403, 404)
    assert api.get(good).status_code == 403, "a link to write does not read"
    fresh = api.post(f"/v1/assets/{asset}/presign", json={"operation": "write", "components": ["a.tif"]}).json()
    assert api.put(fresh["presigned_urls"]["a.tif"]["url"], content=b"x").status_code == 200
    assert api.post(f"/v1/assets/{asset}/presign", json={"operation": "write", "components": ["no"]}).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {"asset_type": ""},
        {"asset_type": "a\0b"},
        {"asset_type": "x", "components": ["../x"]},
        {"asset_type": "x", "components": ["/etc/passwd"]},
        {"asset_type": "x", "components": ["a//b"]},
        {"asset_type": "x", "components": [5]},
        {"asset_type": "x", "components": []},
        {"asset_type": "x", "components": ["a", "A"]},
        {"asset_type": "x", "components": ["x" * 300]},
        {"asset_type": "x", "pending_reasons": ["because"]},
        {"asset_type": "x", "content": {"a": 1}},
    ],
)
def test_assets_that_cannot_be_are_refused(api, wrong):
    assert api.post("/v1/assets", json=wrong).status_code == 400


def test_unknown_assets(api):
    assert api.get("/v1/public/client-config").json() == {}
    for path in ("/v1/assets/x", "/v1/assets/%2e%2e"):
        assert api.get(path).status_code == 404
    assert api.put("/v1/assets/x/finalize").status_code == 404
    assert api.put("/v1/uploads/asset/x/y?expires=99999999999&signature=%ff", content=b"").status_code == 404


def test_many_finalize_at_once(api, there):
    asset, links = created(api)
    sent(api, links)
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda _: api.put(f"/v1/assets/{asset}/finalize").status_code, range(6)))
    assert set(codes) <= {200, 409} and 200 in codes
    made = api.put(f"/v1/assets/{asset}/finalize").json()
    ready = [one for one in bundles.events(there.library) if one[2] == "ready" and one[3] == made["bundle_id"]]
    assert len(ready) == 1

"""`planet-assets tracker`: sign in, ask and tell, exit codes, and a token that stays where it belongs."""

from __future__ import annotations

import io
import json
import stat
from datetime import UTC, datetime

import pytest
from hubs import hub

from planet_assets.cli.main import run
from planet_assets.exceptions import DiskProblem, Unsafe
from planet_assets.library import people
from planet_assets.service import passwords
from planet_assets.sites import tokens

PASSWORD = "a good long password"


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    with hub(tmp_path_factory.mktemp("hub"), auth=True) as made:
        people.first(made.library, "admin", secret=passwords.hashed(PASSWORD), now=datetime.now(UTC))
        yield made


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.delenv("PLANET_ASSETS_TRACKER", raising=False)

    def typed(*words, given=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        code = run(["tracker", *words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err and PASSWORD not in out + err
        return code, out, err

    return typed


def test_a_session(there, shell, tmp_path):
    assert shell("who")[0] == 2, "which tracker"
    assert shell("sign-in", there.url, "--name", "admin", "--password-stdin", given="wrong\n")[0] == 6
    assert shell("--url", there.url, "read", "/x")[0] == 6, "nobody is known"
    code, out, _ = shell("sign-in", there.url, "--name", "admin", "--password-stdin", given=f"{PASSWORD}\n")
    assert code == 0 and json.loads(out)["user"]["_id"] == "admin" and "token" not in out
    kept = tmp_path / "trackers.json"
    token = next(iter(json.loads(kept.read_text()).values()))
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(shell("who")[1])["_id"] == "admin"
    assert shell("create", '{"_id": "/s/a.tif", "n": 1}')[0] == 0
    assert shell("create", '{"_id": "/s/a.tif"}')[0] == 11
    assert shell("create", "-", given='[{"_id": "/s/b.tif"}, {"_id": "/s/a.tif"}]')[0] == 3
    assert shell("create", "no json")[0] == 2 and shell("create", "5")[0] == 2
    code, out, _ = shell("read", "/s/a.tif")
    assert code == 0 and json.loads(out)["n"] == 1
    assert shell("read", "/s/a.tif", "/gone")[0] == 3 and shell("read", "/gone")[0] == 4
    assert json.loads(shell("update", '{"_id": "/s/a.tif", "n": null, "m": "x"}')[1])["m"] == "x"
    assert shell("upsert", '{"_id": "/s/c.tif", "m": "x"}')[0] == 0
    assert json.loads(shell("search", "m:x", "--limit", "1")[1]) == ["/s/a.tif"]
    assert shell("search", "m:nothing")[0] == 4 and shell("search", "m:x", "m:nothing")[0] == 4
    (tmp_path / "query.json").write_text('{"m": {"$in": ["x"]}}')
    asked = shell("search-mongo", f"@{tmp_path / 'query.json'}", "--sort", '{"_id": -1}', "--limit", "1")
    assert json.loads(asked[1]) == {"count": 2, "ids": ["/s/c.tif"]}
    assert shell("search-mongo", "@/nowhere")[0] == 2
    assert shell("lock", "/s/a.tif")[0] == 0 and shell("unlock", "/s/a.tif")[0] == 0
    code, out, _ = shell(
        "publish", "/p/a.tif", "--comment", "first", "--origin", "paris", "--key", "n=5", "--key", "t=a"
    )
    assert code == 0 and (json.loads(out)[0]["n"], json.loads(out)[0]["t"]) == (5, "a")
    assert shell("publish", "/p/b.tif", "--comment", "c", "--origin", "o", "--key", "wrong")[0] == 2
    assert shell("comment", "/p/a.tif", "look")[0] == 0
    assert json.loads(shell("version", "/p/a.tif", "/p/a.tif")[1])["version"] > 0
    assert "/p/a.tif" in shell("graph", "/p/a.tif", "--text")[1]
    assert "paris" in shell("sites", "--text")[1]
    assert shell("delete", "/s/a.tif", "/s/b.tif", "/s/c.tif")[0] == 0
    assert shell("sign-out")[0] == 0 and json.loads(kept.read_text()) == {}
    assert token and shell("--url", there.url, "who")[0] == 6


def test_a_token_stays_where_it_belongs(shell, tmp_path, monkeypatch):
    path = tmp_path / "tokens.json"
    tokens.keep(path, "https://one.example/", "secret")
    assert tokens.find(path, "https://ONE.example:443") == "secret"
    for other in ("http://one.example", "https://one.example:8443", "https://two.example"):
        assert tokens.find(path, other) is None
    assert tokens.find(path, "https://two.example", "https://two.example", "told") == "told"
    assert tokens.find(path, "https://one.example", "https://two.example", "told") == "secret"
    path.chmod(0o644)
    with pytest.raises(Unsafe, match="chmod 600"):
        tokens.find(path, "https://one.example")
    path.unlink()
    path.touch(0o600)
    path.write_text("{")
    with pytest.raises(DiskProblem):
        tokens.find(path, "https://one.example")
    code, _, err = shell("sign-in", "http://example.org", "--name", "a", "--password-stdin", given="x\n")
    assert code == 2 and "without TLS" in err
    assert shell("--url", "http://127.0.0.1:9", "who")[0] == 5

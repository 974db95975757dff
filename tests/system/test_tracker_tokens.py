"""Tokens of trackers: kept for one address, readable by one person, never sent unprotected."""

from __future__ import annotations

import io

import pytest

from planet_assets.cli.main import run
from planet_assets.exceptions import DiskProblem, Unsafe
from planet_assets.sites import tokens


def test_a_token_stays_where_it_belongs(tmp_path, monkeypatch, capsys):
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
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n"))
    assert run(["tracker", "--url", "http://example.org", "sign-in", "a"]) == 2
    assert "without TLS" in capsys.readouterr().err
    assert run(["tracker", "--url", "http://127.0.0.1:9", "verify"]) == 5
    assert run(["tracker", "--url", "ftp://x", "verify"]) == 2

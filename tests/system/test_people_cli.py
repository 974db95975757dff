"""The people of a team from the shell, on a library that nobody serves."""

from __future__ import annotations

import hashlib
import json

import pytest

from planet_assets.cli.main import run
from planet_assets.library import people
from planet_assets.library.engine import Library
from planet_assets.service import passwords


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PLANET_ASSETS_LIBRARY", str(tmp_path / "library.db"))

    def typed(*words):
        code = run(["people", *words])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out.strip() else said.err

    return typed


def secret_of(tmp_path, name):
    library = Library(tmp_path / "library.db")
    found = people.secret_of(library, name)
    library.close()
    return found


def test_from_adding_to_disabling(shell, tmp_path):
    assert shell("list") == (0, {"people": []})
    code, made = shell("add", "ann", "--role", "admin", "--email", "Ann@example.org", "--full-name", "Ann A")
    assert code == 0 and made["email"] == "ann@example.org" and made["must_change"] is True
    kept = secret_of(tmp_path, "ann@example.org")
    assert passwords.is_right(made["password"], kept.hash, kept.kind) and made["password"] not in repr(kept)
    assert shell("add", "ann")[0] == 11 and shell("add", "Ann")[0] == 2 and shell("add", "bob")[0] == 0
    code, fresh = shell("password", "ann")
    assert passwords.is_right(fresh["password"], secret_of(tmp_path, "ann").hash, "first")
    assert shell("change", "bob", "--role", "editor")[1]["role"] == "editor"
    assert shell("change", "bob", "--disable")[1]["disabled"] is True
    assert shell("change", "bob")[0] == 2 and shell("change", "nobody", "--enable")[0] == 4
    assert shell("password", "nobody")[0] == 4
    assert shell("change", "ann", "--disable")[0] == 11, "nobody would be left who may administer"
    assert [one["name"] for one in shell("list")[1]["people"]] == ["ann", "bob"]
    assert "password" not in shell("list")[1]["people"][0]


def test_users_of_another_tracker_are_taken_over(shell, tmp_path):
    digest = hashlib.sha1(b"open sesame", usedforsecurity=False).hexdigest()
    users = [
        {"_id": "ann", "username": "ann", "class": "admin", "password": digest, "email": "ann@example.org"},
        {"_id": "bob", "class": "guest", "fullname": "Bob"},
    ]
    (tmp_path / "users.json").write_text(json.dumps(users))
    assert shell("import", str(tmp_path / "users.json"))[1] == {"added": ["ann", "bob"], "known": []}
    assert shell("import", str(tmp_path / "users.json"))[1] == {"added": [], "known": ["ann", "bob"]}
    kept = secret_of(tmp_path, "ann")
    assert kept.kind == "sha1" and passwords.is_right("open sesame", kept.hash, kept.kind)
    assert secret_of(tmp_path, "bob").hash is None, "nobody can sign in without a password"
    for bad in ("[1]", "{", '{"username": "eve", "class": "king"}', '{"username": "Eve"}'):
        (tmp_path / "users.json").write_text(bad)
        assert shell("import", str(tmp_path / "users.json"))[0] == 2
    assert shell("import", str(tmp_path / "none.json"))[0] == 2

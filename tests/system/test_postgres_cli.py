"""The commands on a PostgreSQL library, and what they say when it cannot be had; never a password."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from commands import Desk
from sandboxes import running

from planet_assets.exceptions import Misused
from planet_assets.library.engine import Library


@pytest.fixture
def desk(tmp_path, postgres_address):
    with running() as sandbox:
        yield Desk(tmp_path, sandbox, {"PLANET_ASSETS_LIBRARY": postgres_address})


def without_password(answer, address):
    password = sa.make_url(address).password
    assert password and password not in answer.out + answer.err
    return answer


def test_the_whole_way(desk, postgres_address):
    def run(*words, **more):
        return without_password(desk.run(*words, **more), postgres_address)

    saved = desk.saved(desk.scenes("--limit", 3))
    fetched = run("download", saved, "--assets", "ortho_udm2", "--delivery", "data", "-d", "out", "--yes")
    assert fetched.code == 0, fetched.err
    assert {job["status"] for job in run("jobs", "list").json()["jobs"]} == {"completed"}
    assert run("resume").code == 0
    added = run("queue", "add", saved, "--assets", "ortho_analytic_4b_xml", "-d", "out")
    assert added.code == 0, added.err
    assert run("queue", "run", "--yes").code == 0
    assert len(run("jobs", "list").json()["jobs"]) == 6
    assert run("ledger", "show").code == 0 and run("quota", "show").code == 0
    [found] = [one for one in run("doctor").json()["findings"] if one["hop"] == "library"]
    assert found["state"] == "ok" and "PostgreSQL" in found["words"] and "0 unfinished jobs" in found["words"]
    assert "***" in run("config", "show").json()["library"]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"port": 9}, 5, "does not answer"),
        ({"password": "wrong-secret"}, 2, "password authentication failed"),
        ({"database": "nothing_here"}, 2, "does not exist"),
        ({"query": {"password": "wrong-secret"}, "password": None}, 2, "authentication failed"),
    ],
)
def test_a_server_that_cannot_be_had_is_one_clear_line(tmp_path, postgres_address, change, code, words):
    address = sa.make_url(postgres_address)
    if "database" in change:
        address = address.set(database=change["database"])
    elif "query" in change:
        address = sa.URL.create("postgresql", address.username, None, address.host, address.port, address.database)
        address = address.update_query_dict(change["query"])
    else:
        address = address.set(**change)
    text = address.render_as_string(hide_password=False)
    answer = Desk(tmp_path, None, {"PLANET_ASSETS_LIBRARY": text}).run("jobs", "list")
    assert (answer.code, words in answer.err) == (code, True), answer.err
    assert answer.err.count("\n") == 1
    for secret in ("wrong-secret", sa.make_url(postgres_address).password):
        assert secret not in answer.err + answer.out


@pytest.mark.parametrize(
    "address", ["postgresql://a:s3cret@host:port/db", "mysql://u:s3cret@h/d", "postgresql://[a:s3cret"]
)
def test_an_address_that_cannot_be_meant(tmp_path, address):
    answer = Desk(tmp_path, None, {"PLANET_ASSETS_LIBRARY": address}).run("jobs", "list")
    assert answer.code == 2 and "s3cret" not in answer.err and "postgresql://" in answer.err


def test_without_psycopg_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(Misused, match="needs psycopg") as said:
        Library("postgresql://u:p@127.0.0.1:9/x")
    assert said.value.hint == 'pip install "planet-assets[postgres]"'

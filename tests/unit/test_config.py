"""Settings: the wiki's keys, where each value came from, and keys that nobody knows refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planet_assets import config
from planet_assets.exceptions import KeyMissing, Misused

WIKI = {
    "max_concurrent_downloads": 5,
    "download_chunk_size": 16384,
    "retry_attempts": 5,
    "retry_delay": 10,
    "timeout": 600,
    "rate_limits": {"activation": 3, "download": 10},
    "cleanup_temp_files": False,
    "asset_types": ["ortho_analytic_8b", "ortho_udm2"],
}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without settings and keys."""
    import os

    for name in [name for name in os.environ if name.upper().startswith(("PLANET_ASSETS", "PL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(tmp_path / "config.toml"))
    return tmp_path


def test_the_wikis_keys() -> None:
    settings = config.load(WIKI)
    assert settings.max_concurrent_downloads == 5 and settings.timeout == 600
    assert (settings.rate_limits.activation, settings.rate_limits.search) == (3, 10)
    assert settings.asset_types == ("ortho_analytic_8b", "ortho_udm2")
    assert config.load(settings) is settings


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_concurent_downloads": 3}, "Did you mean max_concurrent_downloads?"),
        ({"rate_limits": {"activations": 3}}, "Did you mean rate_limits.activation?"),
        ({"quota": {"alow_unknown": True}}, "Did you mean quota.allow_unknown?"),
        ({"zzz": 1}, "Known: max_concurrent_downloads"),
    ],
)
def test_misspelt_keys_are_refused_by_name_with_a_suggestion(given: dict[str, Any], words: str) -> None:
    with pytest.raises(Misused, match="There is no setting") as refused:
        config.load(given)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_concurrent_downloads", 0),
        ("max_concurrent_downloads", "many"),
        ("retry_attempts", -1),
        ("timeout", 0),
        ("timeout", float("inf")),
        ("naming", "server"),
        ("download_chunk_size", 1),
    ],
)
def test_senseless_values_are_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(Misused, match=f"The setting {key} .argument. is wrong"):
        config.load({key: value})


def test_environment_and_file_and_argument(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nowhere / "config.toml").write_text("timeout = 100\nretry_attempts = 1\n[quota]\nnear_limit = 0.5\n")
    monkeypatch.setenv("PLANET_ASSETS__TIMEOUT", "200")
    monkeypatch.setenv("PLANET_ASSETS__QUOTA__REPEAT", "once")
    monkeypatch.setenv("PLANET_ASSETS__ASSET_TYPES", '["ortho_udm2"]')
    settings = config.load({"retry_attempts": 7})
    assert (settings.timeout, settings.retry_attempts, settings.asset_types) == (200, 7, ("ortho_udm2",))
    assert (settings.quota.repeat, settings.quota.near_limit) == ("once", 0.5)
    where = {key: source for key, _, source in config.origins({"retry_attempts": 7})}
    assert where["timeout"] == where["quota.repeat"] == "environment"
    assert where["quota.near_limit"] == str(nowhere / "config.toml")
    assert (where["retry_attempts"], where["naming"]) == ("argument", "default")


def test_a_wrong_value_says_where_it_came_from(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANET_ASSETS__TIMEOUT", "soon")
    with pytest.raises(Misused, match=r"timeout \(environment\)"):
        config.load()
    monkeypatch.delenv("PLANET_ASSETS__TIMEOUT")
    (nowhere / "config.toml").write_text("timeout = 'soon'")
    with pytest.raises(Misused, match=r"timeout \(.*config.toml\)"):
        config.load()


@pytest.mark.parametrize("text", ["timeout = ", "\x00", "[a"])
def test_a_broken_file_is_named(nowhere: Path, text: str) -> None:
    (nowhere / "config.toml").write_text(text)
    with pytest.raises(Misused, match=r"config.toml cannot be read"):
        config.load()


def test_a_broken_list_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANET_ASSETS__ASSET_TYPES", "[ortho_udm2")
    with pytest.raises(Misused, match="PLANET_ASSETS__ASSET_TYPES"):
        config.load()


def test_a_section_named_like_a_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANET_ASSETS__TIMEOUT", "5")
    monkeypatch.setenv("PLANET_ASSETS__TIMEOUT__DEEPER", "6")
    with pytest.raises(Misused, match="TIMEOUT"):
        config.load()


def test_where_the_key_is_found(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyMissing, match="PL_API_KEY"):
        config.find_auth()
    (nowhere / ".planet.json").write_text(json.dumps({"key": "from-the-file"}))
    assert config.find_auth().source == "~/.planet.json"
    monkeypatch.setenv("PL_API_KEY", "from-the-environment")
    assert config.find_auth().source == "PL_API_KEY"
    assert config.find_auth("mine").source == "argument"


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_API_KEY", "PLAKsecret")
    texts = [repr(config.find_auth()), str(config.find_auth()), repr(config.origins()), repr(config.load())]
    assert not any("PLAKsecret" in text for text in texts)


@pytest.mark.parametrize("text", ["[]", "not json", '{"key": 5}', "{}"])
def test_key_files_that_hold_no_key(nowhere: Path, text: str) -> None:
    (nowhere / ".planet.json").write_text(text)
    with pytest.raises(KeyMissing):
        config.find_auth()


def test_where_the_library_lies(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.library_address(config.load()).endswith("library.db")
    monkeypatch.setenv("PLANET_ASSETS_LIBRARY", "/elsewhere.db")
    assert config.library_address(config.load()) == "/elsewhere.db"
    assert config.library_address(config.load({"library": "/mine.db"})) == "/mine.db"

"""A tracker behind TLS: its certificate is checked, and a signed-in site is pushed to with the token that was kept."""

from __future__ import annotations

import io
import ssl
from datetime import UTC, datetime

import certificates
import pytest
from hubs import sealed

from planet_assets.blocking import TrackerClient
from planet_assets.cli.main import run
from planet_assets.exceptions import NetworkError
from planet_assets.library import people
from planet_assets.library.engine import Library
from planet_assets.service import passwords
from planet_assets.service.app import build
from planet_assets.service.options import ServiceOptions
from planet_assets.service.serving import Serving
from planet_assets.sites.tracker import Tracker

PASSWORD = "a good long password"


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    folder, pair = tmp_path_factory.mktemp("tls"), certificates.certificate()
    library = Library(folder / "library.db")
    people.first(library, "admin", secret=passwords.hashed(PASSWORD), now=datetime.now(UTC))
    app = build(library, options=ServiceOptions(files=folder / "files", secure=True))
    with Serving(app, "127.0.0.1", 0, certificate=pair) as serving:
        yield serving.url
    library.close()


def test_a_certificate_that_nobody_trusts_is_refused(there, tmp_path):
    with TrackerClient(there) as client, pytest.raises(NetworkError, match=r"(?i)certificate"):
        client.sign_in("admin", PASSWORD)
    trusted = ssl.create_default_context(cafile=str(certificates.certificate()[0]))
    with TrackerClient(there, verify=trusted) as client:
        assert client.sign_in("admin", PASSWORD)["user"]["_id"] == "admin"
        token = client.token
    library = Library(tmp_path / "library.db")
    made = sealed(library, tmp_path / "made", files={"a.tif": 10})
    library.close()
    with Tracker(there, token) as depot, pytest.raises(NetworkError, match=r"(?i)certificate"):
        depot.is_visible(made)
    with Tracker(there, token, verify=trusted) as depot:
        assert not depot.is_visible(made)


def test_a_site_is_pushed_to_by_who_is_signed_in(there, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.certificate()[0]))
    monkeypatch.setenv("PLANET_ASSETS_LIBRARY", str(tmp_path / "library.db"))
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(tmp_path / "config.toml"))
    library = Library(tmp_path / "library.db")
    sealed(library, tmp_path / "made", "pushed", files={"a.tif": 10})
    library.close()
    assert run(["site", "add", "team", there]) == 0
    assert run(["site", "push", "team", "--all", "--text"]) != 0
    assert "Unauthorized" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert run(["tracker", "sign-in", there, "--name", "admin", "--password-stdin"]) == 0
    capsys.readouterr()
    assert run(["site", "push", "team", "--all", "--text"]) == 0
    out = capsys.readouterr().out
    assert "pushed: ready" in out and PASSWORD not in out

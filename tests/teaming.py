"""A team on a real server: its people, each with a token, and clients that speak for them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from planet_assets.library import people, tokens
from planet_assets.library.engine import Library
from planet_assets.model.people import Person, Role
from planet_assets.service.app import build
from planet_assets.service.options import ServiceOptions
from planet_assets.service.serving import Serving

PASSWORD = "correct horse battery"
TEAM = {"gus": Role.GUEST, "ann": Role.USER, "ben": Role.USER, "eve": Role.EDITOR, "root": Role.ADMIN}


@dataclass
class Team:
    """A running tracker."""

    library: Library
    url: str
    secrets: dict[str, str]
    _clients: dict[str, httpx.Client] = field(default_factory=dict)

    def of(self, name: str) -> httpx.Client:
        """A client that speaks for somebody; for nobody where the name is empty."""
        if name not in self._clients:
            headers = {"Authorization": f"Bearer {self.secrets[name]}"} if name else {}
            self._clients[name] = httpx.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False)
        return self._clients[name]

    def close(self) -> None:
        """Hang up."""
        for client in self._clients.values():
            client.close()


def people_of(library: Library, *, password: str | None = None) -> dict[str, str]:
    """Add the team, and give each a token: name -> secret."""
    now, found = datetime.now(UTC), {}
    secret = None
    if password is not None:
        from planet_assets.service.passwords import hashed

        secret = hashed(password)
    for name, role in TEAM.items():
        people.add(library, Person(name=name, role=role), secret=secret, now=now)
        found[name] = tokens.issue(library, name, expires_at=None, now=now)[1]
    return found


@contextlib.contextmanager
def team(library: Library, *, port: int = 0, secrets: dict[str, str] | None = None, **options: Any) -> Iterator[Team]:
    """A tracker of the library on loopback."""
    known = people_of(library) if secrets is None else secrets
    with Serving(build(library, options=ServiceOptions(**options)), "127.0.0.1", port) as serving:
        running = Team(library, serving.url, known)
        try:
            yield running
        finally:
            running.close()

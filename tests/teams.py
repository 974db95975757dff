"""A tracker on a real socket, with somebody of each class: one for a whole test file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher

from planet_assets.flow.clock import RealClock
from planet_assets.library import people, tokens
from planet_assets.library.engine import Library
from planet_assets.model.people import Person, Role
from planet_assets.service import passwords
from planet_assets.service.app import build
from planet_assets.service.options import ServiceOptions
from planet_assets.service.serving import Serving

CLASSES = [str(role) for role in Role]
passwords._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""What a guesser is slowed by would slow the tests as well."""


@dataclass
class Team:
    """A tracker that runs."""

    url: str
    library: Library
    app: Any
    secrets: dict[str, str] = field(default_factory=dict)
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    def by(self, name: str | None = "admin") -> httpx.Client:
        """A client that is signed in as somebody; None for nobody."""
        key = name or ""
        if key not in self.clients:
            headers = {"Authorization": f"Bearer {self.secrets[name]}"} if name else {}
            self.clients[key] = httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)
        return self.clients[key]

    def add(self, name: str, role: str, *, secret: str | None = None, kind: str = "argon2id") -> None:
        """Somebody more."""
        now = RealClock().now()
        people.add(self.library, Person(name=name, role=Role(role)), secret=secret, kind=kind, now=now)
        self.secrets[name] = tokens.issue(self.library, name, expires_at=now + timedelta(hours=1), now=now)[1]

    @contextlib.contextmanager
    def option(self, **changed: Any) -> Iterator[None]:
        """Options of the service, for a while."""
        from dataclasses import replace

        before = self.app.state.options
        self.app.state.options = replace(before, **changed)
        try:
            yield
        finally:
            self.app.state.options = before


@contextlib.contextmanager
def running(address: str, **options: Any) -> Iterator[Team]:
    """A tracker over a new library; people are named as their classes, and a second user is `other`."""
    library = Library(address)
    app = build(library, options=ServiceOptions(**options))
    with Serving(app, "127.0.0.1", 0) as serving:
        team = Team(serving.url, library, app)
        for name in (*CLASSES, "other"):
            team.add(name, "user" if name == "other" else name)
        yield team
        for client in team.clients.values():
            client.close()
    library.close()


@contextlib.contextmanager
def addresses(engine: str, folder: Path) -> Iterator[str]:
    """Where a new library may lie, on an engine."""
    if engine == "sqlite":
        yield str(folder / "library.db")
        return
    import postgres

    try:
        cluster = postgres.shared()
    except postgres.Missing as error:
        pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(str(error))
    with cluster.database() as address:
        yield address

"""The stage on which faults are played, and what it stands on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from certificates import certificate, server_side
from forge import Forge
from managing import hand_over, scenes
from sandboxes import running
from stage import Front, Stage

from planet_assets.library.engine import Library
from planet_assets.sandbox import RunningSandbox


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    if not hasattr(os, "fork"):
        pytest.skip("processes cannot be forked here")
    with Forge(hand_over(tmp_path_factory.mktemp("scenes") / "scenes.json")) as one:
        yield one


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library without anything."""
    path = tmp_path_factory.mktemp("library") / "library.db"
    Library(path).close()
    return path


@contextmanager
def _world(encrypted: bool) -> Iterator[tuple[RunningSandbox, Front]]:
    more = {"certificate": certificate()} if encrypted else {}
    with running(pixel_size_m=240.0, **more) as sandbox:
        port = sandbox.world.storage_port
        assert port is not None
        with Front(port, tls=server_side() if encrypted else None) as front:
            yield sandbox, front


@pytest.fixture(scope="module")
def worlds() -> Iterator[Callable[[bool], tuple[RunningSandbox, Front]]]:
    """The sandbox and its front, open and encrypted, each made when it is first needed."""
    made: dict[bool, tuple[RunningSandbox, Front]] = {}
    with ExitStack() as stack:

        def world(encrypted: bool) -> tuple[RunningSandbox, Front]:
            if encrypted not in made:
                made[encrypted] = stack.enter_context(_world(encrypted))
            sandbox, front = made[encrypted]
            sandbox.reset()
            sandbox.world.storage_port = front.port
            front.script()
            front.requests.clear()
            return sandbox, front

        yield world


@pytest.fixture
def stage(
    worlds: Callable[[bool], tuple[RunningSandbox, Front]],
    forge: Forge,
    empty: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Stage]:
    sandbox, front = worlds(False)
    [scene] = scenes(1)
    (tmp_path / "scenes.json").write_text(json.dumps({"type": "FeatureCollection", "features": [scene]}))
    shutil.copy(empty, tmp_path / "library.db")

    def address() -> str:
        return str(request.getfixturevalue("postgres_address"))

    made = Stage(sandbox, front, forge, tmp_path, scene, lambda: worlds(True), address)
    yield made
    made.mend()
    for each in made.ending:
        each()

"""The command line as a person or a script meets it: real processes with a home, a library and a key of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import warm
from sandboxes import MILAN

from planet_assets.sandbox import RunningSandbox

COMMAND = (sys.executable, "-m", "planet_assets")
WEEK = ("--from", "2025-01-01", "--to", "2025-01-07")


@dataclass
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What stands on stdout, which must be JSON."""
        return json.loads(self.out)


@dataclass
class Desk:
    """A place to work at: a folder, an environment, and a sandbox where there is one."""

    folder: Path
    sandbox: RunningSandbox | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = {
            name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "COVERAGE_PROCESS_START") if name in os.environ
        }
        self.environment = {
            **kept,
            "HOME": str(self.folder),
            "USERPROFILE": str(self.folder),
            "PLANET_ASSETS_LIBRARY": str(self.folder / "library.db"),
            "PLANET_ASSETS__RETRY_DELAY": "0.05",
            "PYTHONPATH": os.pathsep.join(sys.path),
            **self.environment,
        }
        if self.sandbox is not None:
            self.environment["PL_API_KEY"] = self.sandbox.key
            self.environment["PLANET_ASSETS__PLANET__API_URL"] = self.sandbox.url
        self.roi = self.folder / "roi.geojson"
        self.roi.write_text(json.dumps(MILAN))

    def run(self, *arguments: object, given: str = "", **environment: str | None) -> Answer:
        """Run a command to its end, with no terminal near; check what holds for every command."""
        variables = self._variables(environment)
        if warm.can() and not any(name.startswith(("PYTHON", "LD_")) for name in environment):
            return self.checked(*warm.run(list(map(str, arguments)), self.folder, variables, given))
        with self.start(*arguments, **environment) as process:
            out, err = process.communicate(given, timeout=120)
        return self.checked(process.returncode, out, err)

    def start(self, *arguments: object, **environment: str | None) -> subprocess.Popen[str]:
        """Start a command; a variable given as None is taken away."""
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=self.folder,
            env=self._variables(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def _variables(self, more: dict[str, str | None]) -> dict[str, str]:
        return {name: value for name, value in {**self.environment, **more}.items() if value is not None}

    def here(self, monkeypatch: pytest.MonkeyPatch, *arguments: object, **environment: str) -> Answer:
        """Run a command within this process, where many runs would otherwise each load everything anew."""
        from click.testing import CliRunner

        from planet_assets.cli import main

        with monkeypatch.context() as stage:
            stage.chdir(self.folder)
            with CliRunner().isolation(env={**self.environment, **environment}) as (out, err, _):
                code = main.run(list(map(str, arguments)))
            return self.checked(code, out.getvalue().decode(), err.getvalue().decode())

    def checked(self, code: int, out: str, err: str) -> Answer:
        """No command shows a traceback or a key, whatever happens."""
        assert "Traceback" not in err, err
        if key := self.environment.get("PL_API_KEY"):
            assert key not in out + err
        return Answer(code, out, err)

    def scenes(self, *options: object) -> list[dict[str, Any]]:
        """Scenes over Milan in the first week of 2025."""
        features: list[dict[str, Any]] = self.run("search", "--roi", self.roi, *WEEK, *options).json()["features"]
        return features

    def saved(self, features: list[Any], name: str = "scenes.json") -> Path:
        """Scenes in a file."""
        path = self.folder / name
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        return path

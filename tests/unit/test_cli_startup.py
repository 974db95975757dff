"""What starting a command may load: `--help` almost nothing, `jobs list` no rasters, geometry or network."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from planet_assets import exceptions
from planet_assets.cli.codes import TABLE, Code, code_of
from planet_assets.cli.main import COMMANDS, main

HEAVY = ("sqlalchemy", "alembic", "httpx", "shapely", "pyproj", "rasterio", "numpy", "pydantic", "starlette", "tqdm")


def loaded(tmp_path: Path, *arguments: str) -> set[str]:
    """Heavy packages that a command loads."""
    code = (
        "import sys; from planet_assets.cli.main import run; code = run(sys.argv[1:]); "
        f"print('LOADED', *[name for name in {HEAVY!r} if name in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={
            **os.environ,
            "PLANET_ASSETS_LIBRARY": str(tmp_path / "library.db"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("download", "--help"), ("jobs", "list", "--help")])
def test_help_loads_next_to_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert loaded(tmp_path, *arguments) == set()


def test_listing_jobs_needs_neither_geometry_nor_rasters_nor_network(tmp_path: Path) -> None:
    loaded(tmp_path, "jobs", "list")  # makes the library
    assert loaded(tmp_path, "jobs", "list", "--text") <= {"sqlalchemy", "pydantic"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_lives_where_the_table_says_and_has_help(name: str) -> None:
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(importlib.import_module(f"planet_assets.cli.{module}"), attribute)
    assert command.help
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0
    for option in command.params:
        assert not isinstance(option, click.Option) or option.help, f"{name}: {option.name} has no help"


def test_every_error_has_an_exit_code() -> None:
    tree = [kind for kind in vars(exceptions).values() if isinstance(kind, type)]
    codes = {kind.__name__: code_of(kind) for kind in tree if issubclass(kind, exceptions.AssetError)}
    assert codes["NetworkError"] == codes["NotYet"] == Code.TRY_LATER
    assert codes["LibraryLocked"] == Code.LOCKED
    assert codes["KeyMissing"] == codes["PermissionMissing"] == Code.AUTH
    assert codes["OverQuota"] == codes["QuotaUnknown"] == Code.QUOTA
    assert codes["CannotAsk"] == Code.DECLINED
    assert codes["Corrupt"] == Code.VERIFICATION
    assert codes["Misused"] == Code.USAGE
    assert codes["DiskProblem"] == codes["ClipFailed"] == Code.ERROR
    assert set(TABLE) <= set(tree)

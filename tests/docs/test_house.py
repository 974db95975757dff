"""The rules of the house: import law, style, types, budgets, what is installed, what is loaded, what may be written."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from wikipage import ROOT

BIN = Path(sys.executable).parent
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 420, 60
MOST_PACKAGES = 35
HEAVY = {"httpx", "shapely", "rasterio", "pyproj", "sqlalchemy", "pydantic", "numpy", "click", "pyogrio", "starlette"}
SOURCES = sorted((ROOT / "planet_assets").rglob("*.py"))


def passes(*command, timeout=280):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git clone")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_import_law():
    passes(str(BIN / "lint-imports"), "--no-cache")


def test_style():
    passes(str(BIN / "ruff"), "check", ".")
    passes(str(BIN / "ruff"), "format", "--check", ".")


def test_types():
    passes(str(BIN / "mypy"))


def test_files_are_short():
    lengths = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_functions_are_short():
    """Docstrings do not count."""
    lengths = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1 - docstring_lines(node)
                lengths[f"{path.relative_to(ROOT)}:{node.name}"] = length
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FUNCTION} == {}


def docstring_lines(node):
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return first.end_lineno - first.lineno + 1 if is_docstring and isinstance(first.value.value, str) else 0


def required(name, extras=(), found=None):
    """Names of everything that installing a package brings, markers of this interpreter applied."""
    found = set() if found is None else found
    for text in metadata.requires(name) or []:
        need = Requirement(text)
        wanted = not need.marker or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))
        key = re.sub(r"[-_.]+", "-", need.name).lower()
        if wanted and key not in found:
            found.add(key)
            required(need.name, need.extras, found)
    return found


def test_migrations_are_one_chain_and_the_library_knows_its_end():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from planet_assets.library.engine import HEAD

    config = Config()
    config.set_main_option("script_location", str(ROOT / "planet_assets" / "library" / "migrations"))
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [HEAD]
    chain = [step.revision for step in script.walk_revisions()]
    assert chain == sorted(chain, reverse=True), "the newest is recognised by its number"


def test_few_packages_are_required():
    packages = required("planet-assets")
    assert "httpx" in packages and "starlette" not in packages
    assert len(packages) <= MOST_PACKAGES, sorted(packages)


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, planet_assets; print(sorted(set(sys.modules) & {HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from planet_assets.cli.main import run; run(['--help']); "
        f"print(sorted(set(sys.modules) & {HEAVY - {'click'}!r}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "search" in done.stdout


def test_no_lock_file_with_addresses_is_kept():
    assert not [path for path in tracked() if path.name in ("uv.lock", "poetry.lock", "Pipfile.lock")]


def test_pins_hold_hashes_and_no_addresses():
    text = (ROOT / "requirements" / "all.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^[\w.-]+==", text, re.MULTILINE)
    assert len(pins) > 30 and text.count("--hash=sha256:") >= len(pins) and "://" not in text


def test_every_extra_is_optional():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    hard = {re.split(r"[<>=\[ ]", need)[0] for need in project["dependencies"]}
    soft = {re.split(r"[<>=\[ ]", need)[0] for needs in project["optional-dependencies"].values() for need in needs}
    assert not hard & soft


def test_ci_runs_the_tests_of_the_readme():
    command = (ROOT / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert command.endswith("make test")
    assert "\nmake test\n" in (ROOT / "README.md").read_text(encoding="utf-8")

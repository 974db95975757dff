"""The reference says everything: settings, events, errors, commands, words, folders and public names."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from wikipage import ROOT

import planet_assets
from planet_assets import config, exceptions
from planet_assets.model.event import EVENTS

sys.path.insert(0, str(ROOT / "docs"))
import render

PUBLIC = [name for name in planet_assets.__all__ if name != "__version__"]


def test_every_setting_is_documented():
    page = render.settings_page()
    known = [name for name, _, _ in config.origins({})]
    assert [name for name, _, _ in render.settings()] == known
    for name, _, meaning in render.settings():
        assert meaning, f"{name} has no sentence under it in config.py"
        assert f"`{name}`\n: {meaning}" in page
        assert f"`PLANET_ASSETS__{name.upper().replace('.', '__')}`" in page


def test_every_event_and_its_fields_are_documented():
    page, docs = render.events_page(), render.attribute_docs(sys.modules["planet_assets.model.event"])
    for name, kind in EVENTS.items():
        assert f"## {name}\n" in page and inspect.getdoc(kind)
        for field in kind.__dataclass_fields__:
            assert field == "at" or docs[name].get(field), f"{name}.{field} has no sentence"


def drawn_tree():
    """(class, parent) of every line of the drawing."""
    pairs, above = [], []
    for line in render.drawing().splitlines():
        found = re.match(r"^([│├└─\s]*)(\w+)", line)
        depth = len(found[1]) // 4
        above[depth:] = [found[2]]
        pairs.append((found[2], above[depth - 1] if depth else "Exception"))
    return pairs


def test_the_error_tree_is_the_drawing():
    classes = [(each.__name__, each.__bases__[0].__name__) for each in render.errors()]
    assert drawn_tree() == classes
    for each in render.errors():
        assert issubclass(each, exceptions.AssetError) and inspect.getdoc(each)
        assert f"`{each.__name__}`\n: " in render.errors_page()


def test_every_command_is_documented():
    page = render.commands_page()
    named = [path for path, _ in render.commands()]
    assert len(named) > 12 and "planet-assets quota show" in named
    for path, command in render.commands():
        assert f" {path}\n" in page
        assert command.help, f"{path} has no help"
        for option in [each for each in command.params if each.param_type_name == "option" and not each.hidden]:
            assert option.help, f"{path} {option.name} has no help"
            assert option.opts[0] in page
    assert "| 130 |" in page


def test_every_public_name_has_a_docstring():
    for name in PUBLIC:
        thing = getattr(planet_assets, name)
        assert inspect.getdoc(thing), name
        assert f"{thing.__module__}.{name}" in render.names_page()
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                assert inspect.getdoc(getattr(thing, member)), f"{name}.{member}"
    for module, names in render.MORE_NAMES.items():
        assert all(inspect.getdoc(getattr(import_module(module), name)) for name in names)


def test_the_glossary_has_every_word_of_the_design():
    design = ROOT.parent / "shared" / "DESIGN.md"
    if not design.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{design} is absent; in CI it has to be there")
        pytest.skip("../shared/DESIGN.md is not part of a public clone")
    words = design.read_text(encoding="utf-8").split("## 9. Words")[1].split("## 10.")[0]
    rows = [line.split("|")[1] for line in words.splitlines() if line.startswith("| ")][1:]
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = {term.strip() for line in glossary.splitlines() for term in line.split(",")}
    assert [word for row in rows for word in re.split(r"[,/]", row) if word.strip() not in terms] == []


def test_the_package_is_described_once():
    """The paragraph in one breath stands in the package's own docstring and on the first page."""
    breath = " ".join((planet_assets.__doc__ or "").split("\n\n")[1].split())
    index = " ".join((ROOT / "docs" / "index.md").read_text(encoding="utf-8").split())
    assert breath in index


def test_every_folder_is_on_the_map():
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    top = {Path(name).parts[0] for name in tracked if "/" in name}
    inner = {
        Path(name).parts[1] for name in tracked if name.startswith(("planet_assets/", "tests/")) and name.count("/") > 1
    }
    for folder in {each for each in top | inner if not each.startswith(".")}:
        assert f"{folder}/" in contributing, f"CONTRIBUTING does not name {folder}/"
    for module in (ROOT / "planet_assets").glob("[!_]*.py"):
        assert f"`{module.name}`" in contributing, f"CONTRIBUTING does not name {module.name}"


def test_pages_lead_somewhere():
    """Relative links of README, CONTRIBUTING and the pages."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    render.write_all(ROOT / "docs" / "reference")
    for page in pages:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name} leads to {link}"


def test_the_documentation_builds(tmp_path):
    """As `make docs` builds it: a warning is an error."""
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(tmp_path / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = (tmp_path / "html" / "reference" / "names.html").read_text(encoding="utf-8")
    assert "activate_and_download_assets" in names

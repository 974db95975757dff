"""The command `doctor`: tests every hop from the key to the disk, and can write a report without secrets."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli.codes import Code, code_of
from planet_assets.cli.options import Command
from planet_assets.cli.output import Face, as_json
from planet_assets.exceptions import AssetError, DiskProblem

if TYPE_CHECKING:
    from planet_assets.config import Settings

PACKAGES = ("planet-assets", "httpx", "shapely", "pyproj", "rasterio", "numpy", "sqlalchemy", "alembic", "click")
EXTRAS = ("pyogrio", "truststore", "starlette", "uvicorn", "ipywidgets", "psycopg")
LITTLE_SPACE_BYTES = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What one hop showed."""

    hop: str
    """What was looked at."""
    state: str
    """ok, warn, fail, or skipped."""
    words: str
    """What was found, and what to do."""
    code: int = Code.OK
    """The exit code of a failure."""


@click.command(cls=Command)
@click.option("--directory", "-d", metavar="D", help="Output folder to test [the setting output_dir].")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write the findings here, as JSON.")
def doctor(directory: str | None, report: Path | None) -> int:
    """Test every hop: settings, key, network, Planet, quota, disk, library. Spends nothing and shows no secret."""
    face = Face.current()
    findings = []
    for finding in examined(directory):
        findings.append(finding)
        if not face.as_json:
            click.echo(f"{finding.state:<7}  {finding.hop:<10}  {finding.words}")
    document = {"findings": [asdict(finding) for finding in findings], "versions": versions()}
    if face.as_json:
        click.echo(as_json(document))
    if report is not None:
        _write(report, document)
        face.say(f"The report is in {report}; it holds no secrets.")
    return next((finding.code for finding in findings if finding.state == "fail"), Code.OK)


def examined(directory: str | None) -> Iterator[Finding]:
    """Hop by hop; one that fails does not keep the others from being looked at."""
    from planet_assets import config

    yield Finding("versions", "ok", _versions_line())
    try:
        settings = config.load()
    except AssetError as error:
        yield _failed("settings", error)
        return
    path = config.config_path()
    yield Finding("settings", "ok", str(path) if path.exists() else f"defaults; {path} is not there")
    network = config.network_words(settings)
    yield Finding("network", "ok", f"proxy: {network['proxy']}; trust: {network['trust']}")
    yield from _account(settings)
    yield _tested("disk", lambda: _disk(directory or settings.output_dir))
    yield _tested("library", lambda: _library(config.library_address(settings)))


def versions() -> dict[str, str]:
    """Versions of what takes part."""
    known = {"python": platform.python_version(), "system": platform.platform()}
    for name in (*PACKAGES, *EXTRAS):
        try:
            known[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            known[name] = "not installed"
    return known


def _account(settings: Settings) -> Iterator[Finding]:
    """Key, API and quota."""
    from planet_assets import config
    from planet_assets.blocking import AssetManager
    from planet_assets.view.units import exact_km2

    try:
        key = config.find_auth()
    except AssetError as error:
        yield _failed("key", error)
        yield Finding("planet", "skipped", "needs a key")
        return
    yield Finding("key", "ok", f"found: {key.source}")
    with AssetManager(key, settings, name="doctor") as manager:
        try:
            rows = manager.check_key()
        except AssetError as error:
            yield _failed("planet", error)
            return
        yield Finding("planet", "ok", f"{settings.planet.api_url} accepts the key; {len(rows)} subscriptions")
        try:
            quota = manager.get_quota_info()
        except AssetError as error:
            yield _failed("quota", error)
            return
    if quota.is_known:
        yield Finding("quota", "ok", f"{exact_km2(quota.remaining_area_km2)} remain of {exact_km2(quota.limit_km2)}")
    else:
        yield Finding("quota", "warn", f"unknown: {quota.why_unknown} Declare it with `planet-assets quota set`.")


def _disk(named: str) -> Finding:
    """Write, flush and remove a small file where downloads will go, and see how much room there is."""
    from planet_assets.library.engine import file_system_of
    from planet_assets.view.units import human_bytes

    folder = Path(named).expanduser().absolute()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".planet-assets-") as file:
            file.write(b"0" * 4096)
            file.flush()
    except OSError as error:
        hint = "Choose another folder with --directory or the setting output_dir."
        raise DiskProblem(f"{place} cannot be written: {error.strerror}.", hint=hint) from None
    free = shutil.disk_usage(place).free
    state = "ok" if free > LITTLE_SPACE_BYTES else "warn"
    kind = file_system_of(place) or "unknown kind"
    made = "" if place == folder else ", will be made"
    return Finding("disk", state, f"{folder}{made}: writable, {human_bytes(free)} free ({kind})")


def _library(address: str) -> Finding:
    """Open the library and count what it holds."""
    from planet_assets.library import jobs as job_rows
    from planet_assets.library.engine import NETWORK_FILE_SYSTEMS, Library, file_system_of
    from planet_assets.view.units import count

    library = Library(address)
    try:
        left = len(job_rows.unfinished(library))
        kind = file_system_of(library.path.parent) if library.path else "PostgreSQL"
        words = f"{library.where} ({kind or 'unknown kind'}); {count(left, 'unfinished job')}"
    finally:
        library.close()
    if kind in NETWORK_FILE_SYSTEMS:
        return Finding("library", "warn", f"{words}; on a network file system only one process at a time may use it")
    return Finding("library", "ok", words)


def _tested(hop: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except AssetError as error:
        return _failed(hop, error)


def _failed(hop: str, error: AssetError) -> Finding:
    return Finding(hop, "fail", str(error), code_of(type(error)))


def _versions_line() -> str:
    known = versions()
    return f"planet-assets {known['planet-assets']}, Python {known['python']}, {sys.platform}"


def _write(report: Path, document: dict[str, Any]) -> None:
    try:
        report.write_text(as_json(document) + "\n", encoding="utf-8")
    except OSError as error:
        raise DiskProblem(f"The report {report} cannot be written: {error.strerror}.") from None

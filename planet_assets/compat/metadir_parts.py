"""Parts of a metadir: its configuration, its key-value store, and the files on disk that records are made from."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from planet_assets.exceptions import DiskProblem, Misused, NetworkError
from planet_assets.flow.clock import RealClock
from planet_assets.library.jsonfile import write_whole
from planet_assets.rules import metadir as rules
from planet_assets.rules.metadir import Record

FOLDER = "_mmmeta"

log = logging.getLogger(__name__)

FetchError = NetworkError
"""mmmeta's name; nothing here fetches."""


class ConfigError(Misused):
    """`_mmmeta/config.yml` cannot be used."""


class StoreError(Misused):
    """A key or value cannot be stored."""


class ValidationError(Misused):
    """A record lacks a required key."""


class Config:
    """`_mmmeta/config.yml`: what names a record, what it must have, what is kept, and where its file is."""

    def __init__(self, path: Path) -> None:
        """Read the file; without one, records are named by `content_hash` and kept whole.

        Raises:
            ConfigError: it is no such file.
            Misused: PyYAML is not installed (extra `metadir`).
        """
        self._values = _read_yaml(path) if path.exists() else {}
        self._metadata = _section(self._values, "metadata", path)
        self._remote = _section(self._values, "remote", path)

    def __getitem__(self, item: str) -> Any:
        return self._values.get(item)

    def __contains__(self, item: object) -> bool:
        return item in self._values

    @property
    def unique(self) -> str:
        """The key that names a record."""
        return str(self._metadata.get("unique") or "content_hash")

    @property
    def file_name(self) -> str:
        """The key that holds the name of the file."""
        return str(self._metadata.get("file_name") or self.unique)

    @property
    def required_keys(self) -> set[str]:
        """Keys without which a record is not valid."""
        return {self.unique, self.file_name, *_listed(self._metadata.get("required"))}

    @property
    def keys(self) -> set[str]:
        """Keys that are kept of a record; empty where all are."""
        named = {*_listed(self._metadata.get("required")), *_listed(self._metadata.get("include"))}
        return {*self.required_keys, *named} if named else set()

    def get_remote(self, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """(name, address) of a record's file at each remote; one whose template asks for a missing key is left out."""
        known = {key: rules.cell(value) for key, value in data.items() if value is not None}
        for name, template in self._remote.items():
            try:
                yield str(name), str(template).format(**known)
            except (KeyError, IndexError, ValueError):
                log.debug("The remote %s cannot be told of %s", name, data.get(self.unique))


class Store:
    """Small values that travel with the metadir, a text file each. Numbers, times and truths come back as such."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def __getitem__(self, key: str) -> Any:
        try:
            text = self._path(key).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise DiskProblem(f"The stored {key} cannot be read: {error}.") from None
        if text in ("True", "False"):
            return text == "True"
        return None if text == "" else rules.moment(text) or rules.number_or_text(text)

    def __setitem__(self, key: str, value: Any = "") -> None:
        self._write(key, value)
        self.touch()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                yield path.name, self[path.name]

    def touch(self, key: str = "store_last_updated") -> None:
        """Store the present time under a key."""
        now = RealClock().now()
        for name in dict.fromkeys((key, "store_last_updated")):
            self._write(name, now)

    def serialize(self) -> dict[str, Any]:
        """All of it."""
        return dict(self)

    def to_string(self) -> str:
        """All of it as lines."""
        return "\n".join(f"{key}: {value}" for key, value in self)

    def _write(self, key: str, value: Any) -> None:
        path = self._path(key)
        text = rules.cell(value).replace(" ", "T", 1) if isinstance(value, datetime) else rules.cell(value)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        except OSError as error:
            raise DiskProblem(f"{path} cannot be written: {error.strerror}.") from None

    def _path(self, key: str) -> Path:
        if not key or "/" in key or os.sep in key or key.startswith("."):
            raise StoreError(f"illegal key: {key}", argument="key")
        return self.folder / key


def json_files(root: Path) -> Iterator[tuple[Path, Record | None]]:
    """Every metadata file below a folder, in order, with its record; None where it is none."""
    for path in walked(root):
        if path.suffix != ".json":
            continue
        try:
            found = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
            if not isinstance(found, dict):
                raise ValueError("it is no JSON object")
            json.dumps(found, ensure_ascii=False).encode()
        except (ValueError, OSError, RecursionError) as error:
            log.error("The metadata file %s is passed over: %s", path, error)
            yield path, None
        else:
            yield path, rules.flat(found)


def plain_files(root: Path) -> Iterator[tuple[Path, Record | None]]:
    """Every file below a folder, in order, with a record made from the file itself."""
    for path in walked(root):
        try:
            with path.open("rb") as body:
                digest = hashlib.file_digest(body, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
                found = os.fstat(body.fileno())
            name = path.relative_to(root).as_posix()
            name.encode()
        except (OSError, ValueError) as error:
            log.error("The file %s is passed over: %s", path, error)
            yield path, None
            continue
        yield (
            path,
            {
                "file_name": path.name,
                "file_path": name,
                "file_size": found.st_size,
                "created_at": datetime.fromtimestamp(found.st_ctime, UTC),
                "modified_at": datetime.fromtimestamp(found.st_mtime, UTC),
                "content_hash": digest,
            },
        )


def walked(root: Path) -> Iterator[Path]:
    """Plain files below a folder in the order of their names, without metadirs.

    Raises:
        Misused: there is no such folder.
    """
    if not root.is_dir():
        raise Misused(f"There is no folder {root}.", argument="files_root")
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if name != FOLDER)
        yield from (path for name in sorted(names) if (path := Path(folder) / name).is_file())


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError:
        raise Misused(f"{path} needs PyYAML.", hint='pip install "planet-assets[metadir]"') from None
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}.") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no keys.", hint="It looks like `metadata: {unique: id}`.")
    return found


def _section(values: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    found = values.get(name) or {}
    if not isinstance(found, Mapping):
        raise ConfigError(f"{name} in {path} holds no keys.", hint="It looks like `metadata: {unique: id}`.")
    return found


def _listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else [] if value is None else [str(value)]

"""`AssetTracker`: what is new or changed in a listing, and what is held, in one JSON file beside the files.

Keys and change hashes are those of `rules.changes`. The file may be changed by several threads and processes at once;
deleting it starts anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from planet_assets.compat import environment
from planet_assets.exceptions import DiskProblem, Misused
from planet_assets.flow.clock import RealClock
from planet_assets.library.jsonfile import JsonFile, write_whole
from planet_assets.rules.changes import CHANGE_KEYS, ID_KEYS, VOLATILE, fingerprint, key_of

DEFAULT_FILE = "asset_metadata.json"

log = logging.getLogger(__name__)

AssetRecord = dict[str, Any]
"""One entry of the JSON file, or one record of a listing."""


class AssetTracker:
    """Remembers what was downloaded. Safe to share between threads, and the file between processes."""

    def __init__(self, storage_dir: str | os.PathLike[str], metadata_file: str | None = None) -> None:
        """Read nothing yet; the file is made by the first record.

        Args:
            storage_dir: folder of the files.
            metadata_file: name of the JSON file in it; by default `ASSET_METADATA_FILE`, else `asset_metadata.json`.

        Raises:
            Misused: the name leads out of the folder.
        """
        name = metadata_file or environment.asset_metadata_file() or DEFAULT_FILE
        if Path(name).name != name:
            raise Misused(f"metadata_file is a name in storage_dir, not a path: {name}", argument="metadata_file")
        self.storage_dir = Path(storage_dir)
        self.metadata_file = self.storage_dir / name
        self._file = JsonFile(self.metadata_file)
        if not self.metadata_file.exists():
            log.info("No existing metadata file found")

    @property
    def metadata(self) -> dict[str, AssetRecord]:
        """All records by key: a snapshot."""
        return self._file.read()

    def get_new_assets(self, api_assets: Iterable[AssetRecord]) -> list[AssetRecord]:
        """Those that need to be downloaded, in the order given: new, changed, failed before, or gone from the disk.

        Raises:
            Misused: a record has nothing that names it.
        """
        known = self.metadata
        wanted: dict[str, AssetRecord] = {}
        for asset in api_assets:
            key = self._get_asset_key(asset)
            record = known.get(key)
            if key not in wanted and (record is None or not self._is_held(record) or self._differs(record, asset)):
                wanted[key] = asset
        return list(wanted.values())

    def mark_asset_downloaded(self, asset: AssetRecord, filepath: str | os.PathLike[str], success: bool = True) -> None:
        """Record an attempt, good or bad. A good one before it is kept as a version."""
        self.mark_assets_downloaded([(asset, filepath, success)])

    def mark_assets_downloaded(self, marks: Iterable[tuple[AssetRecord, str | os.PathLike[str], bool]]) -> None:
        """Record many attempts by one write: (asset, filepath, success) each."""
        made = [(self._get_asset_key(asset), self._record(asset, Path(path), good)) for asset, path, good in marks]
        if not made:
            return
        with self._file.change() as records:
            for key, record in made:
                records[key] = _succeeding(records.get(key), record)

    def is_asset_downloaded(self, asset: AssetRecord) -> bool:
        """True when it was recorded, successfully, and its file stands in full length."""
        record = self.metadata.get(self._get_asset_key(asset))
        return record is not None and self._is_held(record)

    def is_asset_modified(self, asset: AssetRecord) -> bool:
        """True when it was recorded and has changed since; what was never recorded is new, not modified."""
        record = self.metadata.get(self._get_asset_key(asset))
        return record is not None and self._differs(record, asset)

    def cleanup_missing_files(self) -> int:
        """Drop the records whose file is gone.

        Returns:
            How many.
        """
        gone: list[str] = []
        with self._file.change() as records:
            for key, record in list(records.items()):
                if record.get("success") and self._path_of(record) is None:
                    log.info("File missing, removing from metadata: %s", record.get("filename") or key)
                    gone.append(key)
                    del records[key]
        return len(gone)

    def forget_assets(self, assets: Iterable[AssetRecord]) -> int:
        """Drop the records of many assets by one write; files stay.

        Returns:
            How many were known.
        """
        keys = {self._get_asset_key(asset) for asset in assets}
        with self._file.change() as records:
            known = keys & records.keys()
            for key in known:
                del records[key]
        return len(known)

    def get_stats(self) -> dict[str, int | float]:
        """The seven figures; successful + failed = total, existing + missing = successful."""
        records = self.metadata.values()
        good = [record for record in records if record.get("success")]
        present = [path for record in good if (path := self._path_of(record)) is not None]
        size_bytes = sum(path.stat().st_size for path in present)
        return {
            "total_tracked_assets": len(records),
            "successful_downloads": len(good),
            "failed_downloads": len(records) - len(good),
            "existing_files": len(present),
            "missing_files": len(good) - len(present),
            "total_size_bytes": size_bytes,
            "total_size_mb": round(size_bytes / 1024**2, 2),
        }

    def print_stats(self) -> None:
        """The figures, one a line."""
        print(self.stats_text())  # noqa: T201  that is what it is for

    def stats_text(self) -> str:
        """The figures as text."""
        lines = [f"{name.replace('_', ' ')}: {value:,}" for name, value in self.get_stats().items()]
        return "\n".join(["Asset tracking", *("  " + line for line in lines)])

    def get_versions(self, asset: AssetRecord) -> list[AssetRecord]:
        """Every successful record of an asset, oldest first, the present one last."""
        record = self.metadata.get(self._get_asset_key(asset))
        if record is None:
            return []
        now = {name: value for name, value in record.items() if name != "versions"}
        return [*record.get("versions", []), *([now] if record.get("success") else [])]

    def export_json(self, path: str | os.PathLike[str]) -> Path:
        """Write all records to another file in one step.

        Raises:
            DiskProblem: it cannot be written.
        """
        return _written(Path(path), json.dumps(self.metadata, indent=2, ensure_ascii=False))

    def import_json(self, path: str | os.PathLike[str]) -> int:
        """Merge the records of another device's file: of each asset, the later attempt stands.

        Files that this device does not hold are offered again. Merging twice changes nothing more.

        Returns:
            How many records were taken.

        Raises:
            Misused: there is no such file, or it holds no records.
        """
        if not Path(path).is_file():
            raise Misused(f"There is no file {path}.", argument="path")
        theirs = JsonFile(Path(path)).read()
        if strange := [key for key, record in theirs.items() if not isinstance(record, dict)]:
            raise Misused(f"{path} holds no asset records: {strange[0]!r} is none.", argument="path")
        taken = 0
        with self._file.change() as records:
            for key, record in theirs.items():
                mine = records.get(key)
                if mine is None or _moment(mine) < _moment(record):
                    records[key] = record if mine is None else _succeeding(mine, record)
                    taken += 1
        return taken

    def write_report(self, path: str | os.PathLike[str]) -> Path:
        """A page to look at in a browser: the figures, and a row for each asset. It loads nothing from elsewhere.

        Raises:
            DiskProblem: it cannot be written.
        """
        rows = []
        for key, record in sorted(self.metadata.items()):
            state = "failed" if not record.get("success") else "held" if self._is_held(record) else "missing"
            cells = (key, record.get("filename", ""), state, record.get("file_size", ""), _moment(record).isoformat())
            versions = len(record.get("versions", [])) + 1
            rows.append("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in (*cells, versions)) + "</tr>")
        head = "".join(f"<th>{name}</th>" for name in ("asset", "file", "state", "bytes", "recorded", "versions"))
        return _written(
            Path(path),
            "<!doctype html><html lang='en'><meta charset='utf-8'><title>Assets</title>"
            "<style>body{font:14px sans-serif}td,th{padding:2px 10px;text-align:left}</style>"
            f"<pre>{escape(self.stats_text())}</pre><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table></html>\n",
        )

    def _get_asset_key(self, asset: AssetRecord) -> str:
        """What names an asset: `id`, `assetId`, `uuid`, else a digest of what does not change. May be overridden."""
        if any(asset.get(name) not in (None, "") for name in ID_KEYS):
            return key_of(asset)
        lasting = {name: value for name, value in asset.items() if name not in (*CHANGE_KEYS, *VOLATILE, *ID_KEYS)}
        if not lasting:
            return key_of(asset)  # says what is missing
        text = json.dumps(lasting, sort_keys=True, default=str)
        return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()

    def _get_asset_hash(self, asset: AssetRecord) -> str:
        """What tells a change: the six fields, or all but what drifts. May be overridden."""
        return fingerprint(asset)

    def _differs(self, record: AssetRecord, asset: AssetRecord) -> bool:
        """Compares by what the source said then: another tool's file may have been hashed in another way."""
        before = record.get("api_data")
        was = self._get_asset_hash(before) if isinstance(before, dict) and before else record.get("content_hash")
        return was != self._get_asset_hash(asset)

    def _is_held(self, record: AssetRecord) -> bool:
        path = self._path_of(record)
        return (
            bool(record.get("success"))
            and path is not None
            and record.get("file_size")
            in (
                None,
                path.stat().st_size,
            )
        )

    def _path_of(self, record: Mapping[str, Any]) -> Path | None:
        """The file of a record, also after the whole folder was moved; None when it is gone."""
        places = [self.storage_dir / record[name] for name in ("relative_path", "filepath") if record.get(name)]
        return next((place for place in places if place.is_file()), None)

    def _record(self, asset: AssetRecord, path: Path, success: bool) -> AssetRecord:
        path = path.absolute()
        found = path.stat() if path.is_file() else None
        inside = path.is_relative_to(self.storage_dir.absolute())
        return {
            "asset_id": self._get_asset_key(asset),
            "filename": path.name,
            "filepath": str(path),
            "relative_path": path.relative_to(self.storage_dir.absolute()).as_posix() if inside else None,
            "download_date": RealClock().now().isoformat(),
            "success": bool(success),
            "content_hash": self._get_asset_hash(asset),
            "file_size": found.st_size if found else None,
            "file_modified": datetime.fromtimestamp(found.st_mtime, UTC).isoformat() if found else None,
            "api_data": dict(asset),
        }


def is_tracking_disabled() -> bool:
    """True when the environment says `DISABLE_ASSET_TRACKING=1`."""
    return environment.asset_tracking_disabled()


def _succeeding(before: AssetRecord | None, record: AssetRecord) -> AssetRecord:
    """A record that follows another: what was had in another version is kept."""
    versions = list((before or {}).get("versions", []))
    if before and before.get("success") and before.get("content_hash") != record.get("content_hash"):
        versions.append({name: value for name, value in before.items() if name != "versions"})
    return {**record, "versions": versions} if versions else record


def _moment(record: Mapping[str, Any]) -> datetime:
    """When a record was made; other tools wrote local times without a zone, which are read as UTC."""
    try:
        found = datetime.fromisoformat(str(record.get("download_date")))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _written(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise DiskProblem(f"{path} cannot be written: {error.strerror}.") from None
    return path

"""`mmmeta`: metadata of files from a remote place, and what this machine did with each of them.

A publisher writes changes as segments into `_mmmeta/db`; how the folder travels is the user's business; a consumer
merges the segments into `_mmmeta/state.db` and keeps its own keys there. Folders of mmmeta 0.4.4 are read, and it reads
ours. Text stays text, zero stays zero, what is absent counts as false, and any number of processes may work at once.
"""

from __future__ import annotations

import csv
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from planet_assets.compat import environment
from planet_assets.compat.metadir_files import File, Files, own_keys
from planet_assets.compat.metadir_parts import (
    FOLDER,
    Config,
    ConfigError,
    FetchError,
    Store,
    StoreError,
    ValidationError,
    json_files,
    plain_files,
)
from planet_assets.exceptions import DiskProblem, Misused
from planet_assets.flow.clock import RealClock
from planet_assets.library.jsonfile import locked
from planet_assets.library.metastate import Rows, State
from planet_assets.library.segments import APPEND, SQUASHED, History, Segments
from planet_assets.rules import metadir as rules
from planet_assets.rules.metadir import Record, Tally

__all__ = ["ConfigError", "FetchError", "File", "Files", "Metadir", "StoreError", "ValidationError", "mmmeta"]

Five = tuple[int, int, int, int, int]
"""(updated, added, invalid, deleted, skipped)."""

log = logging.getLogger(__name__)


class Metadir:
    """The folder `_mmmeta` below a path."""

    def __init__(
        self, base_path: str | os.PathLike[str] | None = None, files_root: str | os.PathLike[str] | None = None
    ) -> None:
        """Read the configuration.

        Args:
            base_path: folder that holds `_mmmeta`; by default `MMMETA`, else the working folder.
            files_root: where files and their metadata are; by default base_path, else `MMMETA_FILES_ROOT`.

        Raises:
            ConfigError: `_mmmeta/config.yml` is no such file.
        """
        self._base = Path(base_path).absolute() if base_path else environment.metadir_base()
        named = files_root or base_path or environment.metadir_files_root() or self._base
        self._files_root = Path(named).absolute()
        self._folder = self._base / FOLDER
        self.config = Config(self._folder / "config.yml")
        self.store = Store(self._folder / "_store")
        names = {self.config.unique, self.config.file_name}
        self._segments = Segments(self._folder / "db", self.config.unique, names)
        self._state = State(self._folder / "state.db", self.config.unique)

    def __repr__(self) -> str:
        return f"<Metadir: {self._folder}>"

    def __len__(self) -> int:
        return len(self.files)

    @property
    def files(self) -> Files:
        """What is known of every file."""
        return Files(self)

    def generate(
        self,
        path: str | os.PathLike[str] | None = None,
        replace: bool = False,
        ensure_metadata: bool = False,
        ensure_files: bool = False,
        no_meta: bool = False,
    ) -> Five:
        """Publish what the metadata files below a folder say; a segment is written only when something changed.

        Args:
            path: the folder; `files_root` by default.
            replace: True to forget all that was published before.
            ensure_metadata: True to note as gone what has no metadata file any more.
            ensure_files: True to note as gone what has no file any more.
            no_meta: True to describe the files themselves, which then need no metadata.

        Returns:
            (updated, added, invalid, deleted, skipped). A file that cannot be read is invalid; the others go on.
        """
        root = Path(path).absolute() if path else self._files_root
        now, tally, seen = RealClock().now(), Tally(), set[str]()
        with self._alone():
            history = self._segments.load()
            known = {} if replace else dict(history.records)
            for where, record in (plain_files if no_meta else json_files)(root):
                kept = None if record is None else self._kept(record, where, whole=no_meta)
                if kept is None:
                    tally.invalid += 1
                    continue
                if ensure_files and not self.files.ensure(kept):
                    kept |= dict(zip(rules.DELETED, (1, now, "original-missing"), strict=True))
                    if (known.get(kept[self.config.unique]) or {}).get("__deleted"):
                        kept.pop("__deleted_at")  # since when it is gone is no news
                seen.add(kept[self.config.unique])
                rules.merge(tally, known, kept[self.config.unique], kept, prefix="meta", now=now)
            if ensure_metadata and history.is_whole:
                rules.miss(tally, known, seen, prefix="meta", now=now)
            self._publish(tally, history, now, replace=replace)
        _told(tally)
        return tally.figures

    def update(self, replace: bool = False, cleanup: bool = False) -> Five:
        """Merge what was published into what this machine knows; keys set here stay as they are.

        Args:
            replace: True to forget this machine's own keys.
            cleanup: True to drop keys that are neither configured nor set here.

        Returns:
            (updated, added, invalid, deleted, skipped).
        """
        with self._alone():
            tally = self._merge(replace=replace, cleanup=cleanup)
        _told(tally)
        return tally.figures

    def squash(self, prune: bool = False) -> None:
        """Write one segment that holds the whole history.

        Args:
            prune: True to remove the segments it replaces; only when every consumer gets the new one.

        Raises:
            DiskProblem: a segment cannot be read, so the history would lose it.
        """
        with self._alone():
            history = self._segments.load()
            if not history.is_whole:
                raise DiskProblem(
                    f"A segment in {self._segments.folder} cannot be read, so nothing is squashed.",
                    hint="The log names it; bring it back, or move it away.",
                )
            if history.records:
                now = RealClock().now()
                rows = list(history.records.values())
                path = self._segments.write(rows, now, after=history.last, suffix=SQUASHED)
                if prune:
                    self._segments.prune(path)

    def inspect(self) -> dict[str, Any]:
        """How many files are known, and where."""
        return {"files": len(self), "path": str(self._folder)}

    def touch(self, key: str) -> None:
        """Store the present time under a key."""
        self.store.touch(key)

    def dump(self, out: IO[str] | None = None) -> None:
        """Write every file with its remote addresses as CSV."""
        rows = [file.serialize() for file in self.files]
        columns = list(dict.fromkeys(key for row in rows for key in row))
        writer = csv.DictWriter(out or sys.stdout, columns or [self.config.unique])
        writer.writeheader()
        for row in rows:
            writer.writerow({key: rules.cell(value) for key, value in row.items()})

    @property
    def state_last_updated(self) -> datetime | None:
        """When this machine changed something last; None when it never did."""
        return self._latest("__state_last_updated")

    @property
    def meta_last_updated(self) -> datetime | None:
        """When something was published last, as far as it is merged here."""
        return self._latest("__meta_last_updated")

    @property
    def last_touched(self) -> datetime | None:
        """The latest of these, and of the store."""
        times = (self.store["store_last_updated"], self.state_last_updated, self.meta_last_updated)
        return max((one for one in times if isinstance(one, datetime)), default=None)

    def _latest(self, key: str) -> datetime | None:
        times = (row.get(key) for row in self.files._table())
        return max((one for one in times if isinstance(one, datetime)), default=None)

    def _kept(self, record: Record, where: Path, *, whole: bool) -> Record | None:
        """The part of a record that is published; None when it is not valid."""
        keys = set() if whole else self.config.keys
        kept = {key: value for key, value in record.items() if not keys or key in keys}
        try:
            self.files.validate(kept)
        except ValidationError as error:
            log.error("The record of %s is not valid: %s", where, error.message)
            return None
        return {**kept, self.config.unique: rules.cell(kept[self.config.unique])}

    def _publish(self, tally: Tally, history: History, now: datetime, *, replace: bool = False) -> None:
        if tally.changes_anything:
            rows = [{**row, self.config.unique: uid} for uid, row in tally.rows.items()]
            suffix = SQUASHED if replace else APPEND
            path = self._segments.write(rows, now, after=history.last, suffix=suffix)
            if replace:
                self._segments.prune(path)
            self.touch("meta_last_updated")
        elif replace:
            self._segments.clear()

    def _merge(self, *, replace: bool = False, cleanup: bool = False) -> Tally:
        """The caller holds the lock."""
        now, tally = RealClock().now(), Tally()
        history = self._segments.load()
        unique = self.config.unique
        with self._state.change() as rows:
            if replace:
                rows.drop()
            known = {str(row[unique]): row for row in rows.select()}
            for uid, record in history.records.items():
                if missing := rules.lacking(record, self.config.required_keys):
                    log.error("The record %s is not valid: Missing keys: %s", uid, ", ".join(missing))
                    tally.invalid += 1
                    continue
                own = own_keys(known.get(uid, {}))
                told = {key: value for key, value in record.items() if key not in own}
                rules.merge(tally, known, uid, told, prefix="state", now=now, equal=rules.stored_alike)
            merged = {uid: row for uid, row in known.items() if row.get("__state_added")}
            if history.is_whole:  # a row of this machine alone was never published, so it cannot be missing
                rules.miss(tally, merged, history.records.keys(), prefix="state", now=now)
            for uid, row in tally.rows.items():
                rows.put({**row, unique: uid})
            if cleanup:
                self._clean(rows)
            rows.note("segments", history.mark if history.is_whole else "")
        if tally.changes_anything:
            self.touch("state_last_updated")
        return tally

    def _clean(self, rows: Rows) -> None:
        own = {key for row in rows.select() for key in own_keys(row)}
        keys = self.config.keys
        for name in list(rows.types):
            if keys and not name.startswith("_") and name not in keys | own:
                rows.drop_column(name)

    def _merge_news(self) -> None:
        """Merge when segments have come since the last time."""
        with self._state.look() as rows:
            known = rows.noted("segments")
        if known is None or known != self._segments.mark():
            with self._alone():
                self._merge()

    def _put(self, records: Iterable[Mapping[str, Any]], *, may_exist: bool) -> list[str]:
        """Publish records at once, in one segment, and know them here; returns what names them."""
        now, tally, unique = RealClock().now(), Tally(), self.config.unique
        with self._alone():
            history = self._segments.load()
            known = dict(history.records)
            for record in records:
                flat = rules.flat(record)
                self.files.validate(flat)
                flat[unique] = rules.cell(flat[unique])
                if not may_exist and flat[unique] in known and not known[flat[unique]].get("__deleted"):
                    raise Misused(f"{flat[unique]} is there already.", hint="`upsert` changes what is there.")
                rules.merge(tally, known, flat[unique], flat, prefix="meta", now=now)
            self._publish(tally, history, now)
            self._merge()
        return list(tally.rows)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer at a time, also against other processes."""
        with ExitStack() as stack:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(self._folder / ".lock"))
            except OSError as error:
                raise DiskProblem(f"{self._folder} cannot be written: {error.strerror}.") from None
            yield


mmmeta = Metadir


def _told(tally: Tally) -> None:
    """The figures, in the words of mmmeta's log."""
    log.info("Updated %d files.", tally.updated)
    log.info("Added %d new files.", tally.added)
    log.info("Skipped %d not changed files.", tally.skipped)
    if tally.invalid:
        log.warning("%d invalid files", tally.invalid)
    if tally.deleted:
        log.warning("%d soft deleted files", tally.deleted)

"""`File` and `Files`: what a metadir knows of its files, asked and changed as mmmeta's users do."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from planet_assets.compat.metadir_parts import ValidationError
from planet_assets.exceptions import Misused
from planet_assets.flow.clock import RealClock
from planet_assets.library import metaquery
from planet_assets.library.metastate import NOTES, OWN, quoted
from planet_assets.rules import metadir as rules
from planet_assets.rules.metadir import Record

if TYPE_CHECKING:
    from planet_assets.compat.metadir import Metadir


class File:
    """What is known of one file. Changes are kept by `save`."""

    def __init__(self, metadir: Metadir, data: Record) -> None:
        self._metadir = metadir
        self._data = {key: value for key, value in data.items() if key != OWN}
        self._changed: set[str] = set()

    def __repr__(self) -> str:
        return f"<File: {self.uid}>"

    def __getitem__(self, key: str) -> Any:
        return self._data.get(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self.update(**{key: value})

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def get(self, key: str, default: Any = None) -> Any:
        """A value, or the default where there is none."""
        return self._data.get(key, default)

    def update(self, **data: Any) -> None:
        """Change several values; nothing is written yet."""
        self._data |= data
        self._changed |= data.keys()
        self._data["__state_last_updated"] = RealClock().now()

    def save(self) -> None:
        """Write what was changed here, and only that."""
        if self._changed:
            row = {key: self._data[key] for key in self._changed}
            self._metadir.files._save(self.uid, row, self._data["__state_last_updated"])
            self._changed.clear()

    def serialize(self) -> Record:
        """All values, remote addresses included."""
        return {**self._data, **vars(self.remote)}

    @property
    def uid(self) -> str:
        """What names it."""
        return str(self._data[self._metadir.config.unique])

    @property
    def name(self) -> str:
        """The name of the file."""
        return str(self._data.get(self._metadir.config.file_name) or self.uid)

    @property
    def remote(self) -> SimpleNamespace:
        """Where it is: one address for each `remote` of the configuration."""
        return SimpleNamespace(**dict(self._metadir.config.get_remote(self._data)))


class Files:
    """Every file that a metadir knows; those that are gone are passed over unless `__deleted` is asked for.

    What was published since the last look is merged first.
    """

    def __init__(self, metadir: Metadir) -> None:
        self._metadir = metadir
        self.config = metadir.config

    def __call__(self, **asked: Any) -> Iterator[File]:
        """The same as `find`."""
        return self.find(**asked)

    def __iter__(self) -> Iterator[File]:
        return self.find()

    def __len__(self) -> int:
        return self.count()

    def __contains__(self, file: File | Mapping[str, Any]) -> bool:
        return self.find_one(**{self.config.unique: file[self.config.unique]}) is not None

    def find(self, **asked: Any) -> Iterator[File]:
        """Files of which all keywords hold.

        A value is compared as it is; a list means any of its values; a mapping holds operators: gt, lt, gte, lte, !=,
        in, notin, between, like, startswith, endswith. False is also what has no value. `order_by`, `_limit` and
        `_offset` as in mmmeta.

        Raises:
            Misused: an operator is not known.
        """
        return iter([File(self._metadir, row) for row in self._table(asked)])

    def find_one(self, **asked: Any) -> File | None:
        """The first of them; None when there is none."""
        return next(self.find(**{**asked, "_limit": 1}), None)

    def all(self) -> Iterator[File]:
        """Every file."""
        return self.find()

    def count(self, **asked: Any) -> int:
        """How many there are."""
        self._metadir._merge_news()
        with self._metadir._state.look() as rows:
            return rows.count(*metaquery.where(rows, asked))

    @property
    def columns(self) -> list[str]:
        """Keys of which any file has a value."""
        self._metadir._merge_news()
        with self._metadir._state.look() as rows:
            return [name for name in rows.types if name not in (OWN, NOTES)]

    def distinct(self, *keys: str) -> list[Record]:
        """The values, or groups of values, that occur."""
        groups = {tuple(rules.cell(file[key]) for key in keys): [file[key] for key in keys] for file in self}
        return [dict(zip(keys, values, strict=True)) for values in groups.values()]

    def insert(self, row: Mapping[str, Any] | None = None, /, **data: Any) -> str:
        """Publish a file that has no metadata file, at once; returns what names it.

        Raises:
            Misused: it is there already.
            ValidationError: a required key is missing.
        """
        return self.insert_many([{**(row or {}), **data}])[0]

    def insert_many(self, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Publish many files in one segment; all or none."""
        return self._metadir._put(list(rows), may_exist=False)

    def upsert(
        self, row: Mapping[str, Any] | None = None, keys: str | Sequence[str] | None = None, /, **data: Any
    ) -> str:
        """Publish a file, or what has changed of it.

        Args:
            row: the record; keywords add to it.
            keys: keys by which a record that does not name itself is found.

        Raises:
            ValidationError: a required key is missing.
        """
        record = self._named({**(row or {}), **data}, keys)
        self.upsert_many([record])
        return str(record[self.config.unique])

    def upsert_many(self, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Publish what has changed of many files in one segment; all or nothing. Returns those that have changed."""
        return self._metadir._put(list(rows), may_exist=True)

    def update(self, row: Mapping[str, Any], keys: str | Sequence[str] | None = None) -> int:
        """Set keys of files on this machine alone; returns of how many.

        Args:
            row: what to set.
            keys: keys of it that choose the files; by default the one that names them.
        """
        chosen = [keys] if isinstance(keys, str) else list(keys or [self.config.unique])
        changes = {key: value for key, value in row.items() if key not in chosen}
        found = list(self.find(**{key: row.get(key) for key in chosen}))
        for file in found:
            file.update(**changes)
            file.save()
        return len(found)

    def delete(self, **asked: Any) -> int:
        """Forget files on this machine; what is published comes back when it changes or by `update(replace=True)`."""
        self._metadir._merge_news()
        with self._metadir._state.change() as rows:
            return rows.delete(*metaquery.where(rows, asked))

    def validate(self, data: File | Mapping[str, Any]) -> bool:
        """True when a record has all it must have.

        Raises:
            ValidationError: keys are missing.
        """
        if missing := rules.lacking(_data(data), self.config.required_keys):
            raise ValidationError(f"Missing keys: {', '.join(missing)}")
        return True

    def ensure(self, data: File | Mapping[str, Any]) -> bool:
        """True when the file itself lies below the files root."""
        name = rules.cell(_data(data).get(self.config.file_name))
        return bool(name) and os.path.exists(self._metadir._files_root / name)

    def _named(self, record: Record, keys: str | Sequence[str] | None) -> Record:
        if record.get(self.config.unique) in (None, "") and keys:
            chosen = [keys] if isinstance(keys, str) else keys
            found = self.find_one(**{key: record.get(key) for key in chosen})
            if found is not None:
                return {**record, self.config.unique: found.uid}
        return record

    def _table(self, asked: Mapping[str, Any] | None = None) -> list[Record]:
        self._metadir._merge_news()
        with self._metadir._state.look() as rows:
            where, values = metaquery.where(rows, asked or {})
            return rows.select(where, values, metaquery.tail(rows, asked or {}))

    def _save(self, uid: str, row: Record, at: datetime) -> None:
        unique = self.config.unique
        if unique in row and str(row[unique]) != uid:
            raise Misused(f"{unique} names the file and cannot be changed.", argument=unique)
        with self._metadir._state.change() as rows:
            [known] = rows.select(f"{quoted(unique)} = ?", [uid]) or [{}]
            own = sorted(own_keys(known) | {key for key in row if not key.startswith("__")} - {unique})
            rows.put({**row, unique: uid, "__state_last_updated": at, OWN: json.dumps(own)})


def own_keys(row: Mapping[str, Any]) -> set[str]:
    """Keys of a row that this machine set."""
    with suppress(ValueError, TypeError):
        return set(json.loads(row.get(OWN) or "[]"))
    return set()


def _data(file: File | Mapping[str, Any]) -> Mapping[str, Any]:
    return file._data if isinstance(file, File) else file

"""The shared history of a metadir: CSV segments that are only ever added, in the order of their names.

A segment holds the changed keys of changed records. It is written aside and takes its name in one step, so a tool that
copies the folder never meets half of one. The name is a time that is later than every segment seen before, whatever the
clocks of the publishers say, and two publishers never take the same one.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from planet_assets.exceptions import DiskProblem
from planet_assets.library.jsonfile import write_whole
from planet_assets.rules import metadir as rules
from planet_assets.rules.metadir import KEYS, KINDS, Record

APPEND, SQUASHED = ".append", ".squashed"
SEEN = "__seen"
"""A note of mmmeta for itself."""

csv.field_size_limit(2**31 - 1)  # a long text is no error

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What all segments say together."""

    records: dict[str, Record]
    """Uid -> record, those that are gone included."""
    is_whole: bool
    """False when a segment could not be read; then nothing may be taken for missing."""
    last: datetime | None
    """The time in the name of the newest segment."""
    mark: str
    """Tells this history from a later one."""


class Segments:
    """The folder `db` of a metadir."""

    def __init__(self, folder: Path, unique: str, names: Collection[str]) -> None:
        """Read nothing yet.

        Args:
            folder: where the segments are.
            unique: the key that names a record.
            names: keys whose text is never taken for a number.
        """
        self.folder, self.unique, self.names = folder, unique, frozenset(names)

    def mark(self) -> str:
        """Tells whether another segment has come."""
        return json.dumps([(path.name, path.stat().st_size) for path in self._steps()])

    def load(self) -> History:
        """Apply the newest squashed segment and all after it.

        Raises:
            DiskProblem: the folder cannot be read.
        """
        records: dict[str, Record] = {}
        steps, is_whole = self._steps(), True
        mark = self.mark()
        for path in steps:
            try:
                for uid, changes in list(self._read(path)):
                    records.setdefault(uid, {self.unique: uid}).update(changes)
            except (ValueError, csv.Error) as error:
                log.error("The segment %s cannot be read and is passed over: %s", path, error)
                is_whole = False
            except OSError as error:
                raise DiskProblem(f"The segment {path} cannot be read: {error.strerror}.") from None
        times = [found for path in steps if (found := _time_of(path)) is not None]
        return History(records=records, is_whole=is_whole, last=max(times, default=None), mark=mark)

    def write(self, rows: Sequence[Mapping[str, Any]], now: datetime, *, after: datetime | None, suffix: str) -> Path:
        """Add a segment; each row holds the keys that it changes, and the one that names it.

        Raises:
            DiskProblem: it cannot be written.
        """
        columns = sorted({key for row in rows for key in row} - {self.unique})
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, [self.unique, *columns, KEYS, KINDS])
        writer.writeheader()
        for row in rows:
            kinds = {key: found for key, one in row.items() if (found := rules.kind(one))}
            cells = {key: rules.cell(one) for key, one in row.items()}
            keys = ",".join(key for key in row if key != self.unique)
            # mmmeta takes an empty list of keys for none at all, which would blank every other column
            writer.writerow({**cells, KEYS: keys or self.unique, KINDS: json.dumps(kinds, ensure_ascii=False)})
        at = now.astimezone(UTC).replace(tzinfo=None)
        if after is not None and at <= after:
            at = after + timedelta(microseconds=1)
        path = self.folder / f"{at.isoformat(timespec='microseconds')}-{secrets.token_hex(3)}{suffix}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.getvalue())
        except OSError as error:
            raise DiskProblem(f"The segment {path} cannot be written: {error.strerror}.") from None
        return path

    def prune(self, kept: Path) -> None:
        """Remove every segment that is older than one that holds it all."""
        for path in self._all():
            if path.name < kept.name:
                path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove every segment."""
        for path in self._all():
            path.unlink(missing_ok=True)

    def _all(self) -> list[Path]:
        try:
            found = [path for path in self.folder.iterdir() if path.name.endswith((APPEND, SQUASHED))]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DiskProblem(f"{self.folder} cannot be read: {error.strerror}.") from None
        return sorted(path for path in found if not path.name.startswith("."))

    def _steps(self) -> list[Path]:
        every = self._all()
        squashed = [number for number, path in enumerate(every) if path.name.endswith(SQUASHED)]
        return every[squashed[-1] :] if squashed else every

    def _read(self, path: Path) -> Iterator[tuple[str, Record]]:
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                uid = row.get(self.unique)
                if not uid or None in row or None in row.values():
                    raise ValueError(f"the row {list(row.values())[:3]} is not whole")
                kinds, keys = row.pop(KINDS, None), row.pop(KEYS, None)
                yield uid, self._ours(row, json.loads(kinds)) if kinds else self._foreign(row, keys)

    def _ours(self, row: Mapping[str, str], kinds: Mapping[str, str]) -> Record:
        spoken = {key: text for key, text in row.items() if (text or key in kinds) and key != self.unique}
        return {key: rules.value(text, kinds.get(key)) for key, text in spoken.items()}

    def _foreign(self, row: Mapping[str, str], keys: str | None) -> Record:
        spoken = (set(keys.split(",")) if keys else row.keys()) - {self.unique, SEEN}
        return {key: rules.foreign_value(key, text, self.names) for key, text in row.items() if key in spoken}


def _time_of(path: Path) -> datetime | None:
    try:
        return datetime.fromisoformat(path.name[:26])
    except ValueError:
        return None

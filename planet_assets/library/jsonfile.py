"""One JSON file that threads and processes change together: one at a time, each change whole or not at all.

A lock file beside it admits one writer; the system frees it when a process dies. Readers need no lock, because a new
content takes the name in one step.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from planet_assets.exceptions import AssetError, DiskProblem


class JsonFile:
    """A mapping kept in one file, read anew whenever the file is another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[tuple[int, int, int], str] | None = None

    def read(self) -> dict[str, Any]:
        """The whole content, the caller's own; empty when there is no file.

        Raises:
            AssetError: the file holds something else; it is left as it is.
            DiskProblem: it cannot be read.
        """
        try:
            with open(self.path, encoding="utf-8") as stream:
                found = os.fstat(stream.fileno())
                mark = (found.st_ino, found.st_size, found.st_mtime_ns)
                seen = self._seen
                text = seen[1] if seen is not None and seen[0] == mark else stream.read()
        except FileNotFoundError:
            return {}
        except UnicodeDecodeError:
            raise self._strange() from None
        except OSError as error:
            raise DiskProblem(f"{self.path} cannot be read: {error.strerror}.") from None
        try:
            content = json.loads(text)
        except ValueError:
            raise self._strange() from None
        if not isinstance(content, dict):
            raise self._strange()
        self._seen = (mark, text)
        return content

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """The content, to be changed in place; written when the block ends well.

        Raises:
            AssetError: the file holds something else; it is left as it is.
            DiskProblem: the folder cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.with_name(f".{self.path.name}.lock")):
                content = self.read()
                yield content
                write_whole(self.path, json.dumps(content, indent=2, ensure_ascii=False, default=str))
        except OSError as error:
            if isinstance(error, AssetError):
                raise
            raise DiskProblem(f"{self.path} cannot be written: {error.strerror or error}.") from None

    def _strange(self) -> AssetError:
        return AssetError(
            f"{self.path} is no JSON object and is left as it is.", hint="Move it away, or restore it from a copy."
        )


def write_whole(path: Path, text: str) -> None:
    """Give a file a new content in one step, durably.

    Raises:
        OSError: the disk refused; the old content stands.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}~")
    try:
        with open(fresh, "x", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, path)
    finally:
        with suppress(FileNotFoundError):
            fresh.unlink()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file alone, against other threads and other processes; waits for its turn.

    Raises:
        OSError: the lock cannot be made.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(fd)
        yield
    finally:
        os.close(fd)


def _lock(fd: int) -> None:
    try:
        import fcntl
    except ImportError:
        import msvcrt  # Windows waits ten seconds for a lock, then says so

        msvcrt.locking(fd, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        return
    fcntl.flock(fd, fcntl.LOCK_EX)

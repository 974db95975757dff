"""Takes the bytes of a component into a folder site: from where an earlier attempt stopped, and whole or not at all.

A part lies beside the files that gather and is its component only when length and digest are those that were sealed.
One writer at a time: a second one could change bytes that were just compared.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from planet_assets.exceptions import Conflict, Corrupt, DiskProblem
from planet_assets.model.bundle import Bundle, Component
from planet_assets.sites.folder import Folder

if sys.platform != "win32":
    import fcntl

_WRITING: set[Path] = set()
_TURN = threading.Lock()
_BLOCK_BYTES = 1 << 20


def is_here(folder: Folder, bundle: Bundle, component: Component) -> bool:
    """True when a component has come whole and was compared."""
    return folder.is_visible(bundle) or folder.gathered(bundle, component.name).exists()


def held_bytes(folder: Folder, bundle: Bundle, component: Component) -> int:
    """How many bytes of a component are here; an arrival may go on after them."""
    if is_here(folder, bundle, component):
        return component.size_bytes
    try:
        return min(folder.part(bundle, component.name).stat().st_size, component.size_bytes)
    except OSError:
        return 0


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Be the only one on this machine who is in such a block for a path; the file there is a lock and nothing else.

    Raises:
        Conflict: somebody else is.
        DiskProblem: the lock cannot be made.
    """
    busy = Conflict(f"{path.parent.name} is worked on by another request.", hint="Wait until it has ended.")
    with _TURN:
        if path in _WRITING:
            raise busy
        _WRITING.add(path)
    fd = -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if sys.platform != "win32":
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _let_go(path, fd)
        raise busy from None
    except OSError as error:
        _let_go(path, fd)
        raise DiskProblem(f"{path} cannot be made: {error.strerror}.") from None
    try:
        yield
    finally:
        _let_go(path, fd)


def _let_go(path: Path, fd: int) -> None:
    with suppress(OSError):
        if fd >= 0:
            os.close(fd)
    with _TURN:
        _WRITING.discard(path)


class Arrival:
    """One component on its way in. Use it as a block; what has come stays when the block ends early."""

    def __init__(self, folder: Folder, bundle: Bundle, component: Component, offset: int) -> None:
        """Prepare to write from an offset.

        Args:
            folder: where to.
            bundle: of which.
            component: which file.
            offset: where the bytes begin that will be given; at most what is here.
        """
        self._folder, self._bundle, self._component = folder, bundle, component
        self._path, self._offset, self._fd = folder.part(bundle, component.name), offset, -1

    def __enter__(self) -> Arrival:
        """Open the part.

        Raises:
            Conflict: the bytes begin beyond what is here, or somebody else is writing it.
            DiskProblem: it cannot be opened.
        """
        with _TURN:
            if self._path in _WRITING:
                raise Conflict(f"{self._component.name} is coming already.", hint="Wait until it has ended.")
            _WRITING.add(self._path)
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the part."""
        self._close()

    def take(self, block: bytes) -> None:
        """Write the next bytes.

        Raises:
            Corrupt: they are more than were sealed; then nothing of it is kept.
            DiskProblem: the disk refuses.
        """
        if self._offset + len(block) > self._component.size_bytes:
            self._path.unlink(missing_ok=True)
            raise self._corrupt("more bytes")
        try:
            view = memoryview(block)
            while view:
                written = os.write(self._fd, view)
                self._offset += written
                view = view[written:]
        except OSError as error:
            raise DiskProblem(f"{self._path} cannot be written: {error.strerror}.") from None

    def end(self) -> bool:
        """Compare and give the name; False while bytes are missing.

        Raises:
            Corrupt: the bytes are others than were sealed; then none of them is kept.
            DiskProblem: the disk refuses.
        """
        if self._offset < self._component.size_bytes:
            return False
        try:
            with self._path.open("rb") as body:
                digest = hashlib.file_digest(body, "sha256").hexdigest()
            if digest != self._component.sha256:
                self._path.unlink(missing_ok=True)
                raise self._corrupt(digest)
            os.fsync(self._fd)
            os.replace(self._path, self._folder.gathered(self._bundle, self._component.name))
        except OSError as error:
            if not self._folder.is_visible(self._bundle):  # else another one was quicker
                raise DiskProblem(f"{self._path} cannot be placed: {error.strerror}.") from None
        return True

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
            if sys.platform != "win32":
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"{self._component.name} is coming already.", hint="Wait until it has ended.") from None
        except OSError as error:
            raise DiskProblem(f"{self._path} cannot be written: {error.strerror}.") from None
        held = os.fstat(self._fd).st_size
        if not 0 <= self._offset <= held:
            raise Conflict(f"{held} bytes of {self._component.name} are here.", hint=f"Go on at {held}, or begin at 0.")
        os.ftruncate(self._fd, self._offset)
        os.lseek(self._fd, self._offset, os.SEEK_SET)

    def _close(self) -> None:
        _let_go(self._path, self._fd)
        self._fd = -1

    def _corrupt(self, got: str) -> Corrupt:
        return Corrupt(
            f"{self._component.name} did not arrive as it was sealed.",
            hint="Send it again from the beginning.",
            expected=self._component.sha256,
            got=got,
        )

"""A folder as a site: files gather in a hidden folder beside, which takes its name in one step when it is whole."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from planet_assets.exceptions import Corrupt, DiskProblem, Misused
from planet_assets.model.bundle import Bundle, Component
from planet_assets.rules import sealing

_BLOCK_BYTES = 1 << 20


class Folder:
    """A folder that bundles are shipped to; several shippers may work on it at once."""

    def __init__(self, root: Path) -> None:
        """Touch nothing yet."""
        self.root = root

    def close(self) -> None:
        """Nothing is open between calls."""

    def address_of(self, bundle: Bundle) -> str:
        """Where a bundle is visible once it is ready."""
        return str(self._final(bundle))

    def is_visible(self, bundle: Bundle) -> bool:
        """True when the bundle stands there.

        Raises:
            DiskProblem: something else has its name.
        """
        final = self._final(bundle)
        if not os.path.lexists(final):
            return False
        try:
            found = (final / sealing.MANIFEST).read_bytes()
        except OSError:
            found = b""
        if found != sealing.manifest(bundle):
            raise DiskProblem(
                f"{final} is there already and is another thing.", hint="Move it away, or publish to another site."
            )
        return True

    def send(self, bundle: Bundle, component: Component) -> None:
        """Bring one file; nothing is done when its bytes are there.

        Raises:
            Corrupt: the file here is not what was sealed, or did not arrive so.
            DiskProblem: it cannot be read or written.
        """
        gathering = self._gathering(bundle)
        target = gathering / component.name
        try:
            gathering.mkdir(parents=True, exist_ok=True)
            if target.is_file() and target.stat().st_size == component.size_bytes:
                with target.open("rb") as there:
                    if hashlib.file_digest(there, "sha256").hexdigest() == component.sha256:
                        return
            _copied(component, target)
        except FileNotFoundError as error:
            if not self.is_visible(bundle):  # else another shipper was quicker
                raise DiskProblem(f"{error.filename} is gone.", hint="`library verify` tells more.") from None
        except OSError as error:
            raise DiskProblem(f"{target} cannot be written: {error.strerror}.") from None

    def finish(self, bundle: Bundle) -> None:
        """Make the bundle visible, whole, in one step; nothing is done when it is.

        Raises:
            DiskProblem: something else has its name, or the disk refuses.
        """
        if self.is_visible(bundle):
            return
        gathering, final = self._gathering(bundle), self._final(bundle)
        members = {one.name for one in bundle.components}
        try:
            _written(gathering / sealing.MANIFEST, sealing.manifest(bundle))
            for left in gathering.iterdir():  # of a shipper that was killed
                if left.name not in members | {sealing.MANIFEST}:
                    left.unlink(missing_ok=True)
            _flush(gathering)
            os.rename(gathering, final)
            _flush(self.root)
        except OSError as error:
            if not self.is_visible(bundle):  # else another shipper was quicker
                raise DiskProblem(f"{final} cannot be made: {error.strerror}.") from None

    def gathered(self, bundle: Bundle, name: str) -> Path:
        """Where a component waits that has come whole."""
        return self._gathering(bundle) / name

    def placed(self, bundle: Bundle, name: str) -> Path:
        """Where a component of a visible bundle lies."""
        return self._final(bundle) / name

    def part(self, bundle: Bundle, name: str) -> Path:
        """Where a component lies of which bytes are missing yet."""
        return self._gathering(bundle) / f".{name}.part"

    def found(self) -> Iterator[Bundle]:
        """Every bundle that is visible here, by name; what is no bundle is passed over.

        Raises:
            DiskProblem: the folder cannot be read.
        """
        try:
            names = sorted(path.name for path in self.root.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return
        except OSError as error:
            raise DiskProblem(f"{self.root} cannot be read: {error.strerror}.") from None
        for name in names:
            with suppress(OSError, Misused):
                manifest = (self.root / name / sealing.MANIFEST).read_bytes()
                told = sealing.read_manifest(manifest)
                if sealing.folder_of(told) == name:
                    yield told

    def blocks(self, bundle: Bundle, component: Component, start: int) -> Iterator[bytes]:
        """The bytes of a component from an offset on.

        Raises:
            DiskProblem: it cannot be read.
        """
        path = self._final(bundle) / component.name
        try:
            with path.open("rb") as body:
                body.seek(start)
                while block := body.read(_BLOCK_BYTES):
                    yield block
        except OSError as error:
            raise DiskProblem(f"{path} cannot be read: {error.strerror}.") from None

    def _final(self, bundle: Bundle) -> Path:
        return self.root / sealing.folder_of(bundle)

    def _gathering(self, bundle: Bundle) -> Path:
        """Named by the seal, so that what gathers for other contents is never mixed in."""
        return self.root / f".{sealing.folder_of(bundle)}.{(bundle.seal or '')[:16]}.incoming"


def _copied(component: Component, target: Path) -> None:
    """Copy aside, hold against the seal, flush, and only then give the name."""
    fresh = target.with_name(f".{secrets.token_hex(8)}~")
    digest, size = hashlib.sha256(), 0
    try:
        with component.path.open("rb") as source, fresh.open("xb") as out:
            while block := source.read(_BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        if (size, digest.hexdigest()) != (component.size_bytes, component.sha256):
            raise Corrupt(
                f"{component.path} is not the file that was sealed.",
                hint="`library verify` says what it is; publish again when it is right.",
                expected=component.sha256,
                got=digest.hexdigest(),
            )
        os.replace(fresh, target)
    finally:
        with suppress(OSError):
            fresh.unlink()


def _written(path: Path, data: bytes) -> None:
    fresh = path.with_name(f".{secrets.token_hex(8)}~")
    with fresh.open("xb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, path)


def _flush(folder: Path) -> None:
    if os.name == "nt":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

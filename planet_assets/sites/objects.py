"""An object store as a site: components first, each read back and compared, the manifest last and only once.

    <prefix>/<bundle>/<seal>/<component>     bytes; nobody looks there without the manifest
    <prefix>/<bundle>/manifest.json          makes the bundle visible; put only where there is none

Keys of components hold the seal, so what a killed or another publisher left is never mixed in. Credentials come from
where the store's own tools look for them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from planet_assets.exceptions import Corrupt, DiskProblem, Gone, Misused, NetworkError, NotAllowed
from planet_assets.model.bundle import Bundle, Component
from planet_assets.rules import sealing


class Objects:
    """A bucket, or a part of one."""

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        """Ask nothing yet.

        Args:
            address: s3://bucket/prefix, gs://, az:// or another that obstore knows.
            options: how it is reached, in obstore's words: endpoint, region, ...

        Raises:
            Misused: the address is none, or obstore is not installed (extra `objects`).
        """
        try:
            import obstore
            from obstore.store import from_url
        except ImportError:
            raise Misused("Object stores need obstore.", hint='pip install "planet-assets[objects]"') from None
        self.address = address.rstrip("/")
        self._api: Any = obstore
        plain = {"allow_http": "true"} if str(options.get("endpoint", "")).startswith("http://") else {}
        try:
            make: Any = from_url
            self._store = make(self.address, config=dict(options) or None, client_options=plain or None)
        except Exception as error:  # noqa: BLE001  each kind of store has errors of its own
            raise Misused(
                f"The store {self.address} cannot be meant: {_first_line(error)}", argument="address"
            ) from None

    def close(self) -> None:
        """Nothing is open between calls."""

    def address_of(self, bundle: Bundle) -> str:
        """Where a bundle is visible once it is ready."""
        return f"{self.address}/{self._manifest_key(bundle)}"

    def is_visible(self, bundle: Bundle) -> bool:
        """True when the bundle's manifest stands there.

        Raises:
            DiskProblem: another manifest has its name.
            NetworkError: the store does not answer.
        """
        found = self._read(self._manifest_key(bundle))
        if found is None:
            return False
        if found != self._manifest(bundle):
            raise DiskProblem(
                f"{self.address_of(bundle)} is there already and is another thing.",
                hint="Remove it, or publish to another site.",
            )
        return True

    def send(self, bundle: Bundle, component: Component) -> None:
        """Bring one file and read it back; nothing is done when its bytes are there.

        Raises:
            Corrupt: the file here is not what was sealed, or did not arrive so.
            DiskProblem: it cannot be read.
            NetworkError: the store does not answer.
        """
        key = self._key(bundle, component)
        if self._digest(key, component.size_bytes) == component.sha256:
            return
        try:
            with component.path.open("rb") as source:
                here = hashlib.file_digest(source, "sha256").hexdigest()
                size = source.tell()
        except OSError as error:
            raise DiskProblem(f"{component.path} cannot be read: {error.strerror}.") from None
        if (here, size) != (component.sha256, component.size_bytes):
            raise Corrupt(
                f"{component.path} is not the file that was sealed.",
                hint="`library verify` says what it is; publish again when it is right.",
                expected=component.sha256,
                got=here,
            )
        self._asked("put", key, component.path)
        there = self._digest(key, component.size_bytes)
        if there != component.sha256:
            raise Corrupt(
                f"{component.name} did not arrive as it was sent.",
                hint="Publish again.",
                expected=component.sha256,
                got=there or "another length",
            )

    def finish(self, bundle: Bundle) -> None:
        """Make the bundle visible; nothing is done when it is.

        Raises:
            DiskProblem: another manifest has its name.
            NetworkError: the store does not answer.
        """
        if not self.is_visible(bundle) and not self._asked("put", self._manifest_key(bundle), self._manifest(bundle)):
            self.is_visible(bundle)  # another shipper was quicker; it must be the same

    def found(self) -> Iterator[Bundle]:
        """Every bundle that is visible there, by name; what is no bundle is passed over.

        Raises:
            NetworkError: the store does not answer.
        """
        listed = self._asked("list_with_delimiter", "") or {"common_prefixes": []}
        for name in sorted(one.strip("/").rsplit("/", 1)[-1] for one in listed["common_prefixes"]):
            data = self._read(f"{name}/{sealing.MANIFEST}")
            with suppress(Misused):
                if data is not None and sealing.folder_of(told := sealing.read_manifest(data)) == name:
                    yield told

    def blocks(self, bundle: Bundle, component: Component, start: int) -> Iterator[bytes]:
        """The bytes of a component from an offset on.

        Raises:
            Gone: it is not there.
            NetworkError: the store does not answer.
        """
        if start >= component.size_bytes:
            return
        found = self._asked(
            "get", self._key(bundle, component), options={"range": {"offset": start}} if start else None
        )
        if found is None:
            raise Gone(f"{component.name} of {bundle.name} is not at {self.address}.")
        try:
            yield from map(bytes, found)
        except Exception as error:  # noqa: BLE001  each kind of store has errors of its own
            raise NetworkError(f"{self.address} broke off: {_first_line(error)}", hint="Try again.") from None

    def _manifest(self, bundle: Bundle) -> bytes:
        """The manifest, saying of each component which object it is."""
        document = json.loads(sealing.manifest(bundle))
        for one in document["components"]:
            one["href"] = f"{(bundle.seal or '')[:16]}/{one['name']}"
        return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"

    def _key(self, bundle: Bundle, component: Component) -> str:
        return f"{sealing.folder_of(bundle)}/{(bundle.seal or '')[:16]}/{component.name}"

    def _manifest_key(self, bundle: Bundle) -> str:
        return f"{sealing.folder_of(bundle)}/{sealing.MANIFEST}"

    def _digest(self, key: str, size_bytes: int) -> str | None:
        """What an object's bytes say of themselves; None when there is none of this length."""
        head = self._asked("head", key)
        if head is None or head["size"] != size_bytes:
            return None
        digest = hashlib.sha256()
        for block in self._asked("get", key):
            digest.update(block)
        return digest.hexdigest()

    def _read(self, key: str) -> bytes | None:
        found = self._asked("get", key)
        return None if found is None else bytes(found.bytes())

    def _asked(self, verb: str, key: str, data: Any = None, *, options: Any = None) -> Any:
        """One request; None for what is not there, and for a put where something is.

        Raises:
            NotAllowed: the credentials do not do.
            NetworkError: everything else.
        """
        from obstore.exceptions import AlreadyExistsError, NotFoundError, PermissionDeniedError, UnauthenticatedError

        try:
            if verb == "put":
                mode = "create" if isinstance(data, bytes) else "overwrite"
                return self._api.put(self._store, key, data, mode=mode)
            if options is not None:
                return self._api.get(self._store, key, options=options)
            return getattr(self._api, verb)(self._store, key)
        except (FileNotFoundError, NotFoundError, AlreadyExistsError):
            return None
        except (PermissionDeniedError, UnauthenticatedError):
            raise NotAllowed(
                f"{self.address} refused the credentials.", hint="They come from the environment, as for its own tools."
            ) from None
        except Exception as error:  # noqa: BLE001  each kind of store has errors of its own
            raise NetworkError(f"{self.address} did not do it: {_first_line(error)}", hint="Publish again.") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

"""Another tracker as a site: components go up from where they stopped, it compares them, and finalizing makes them
visible there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from planet_assets.exceptions import Conflict, Corrupt, DiskProblem, LibraryLocked, NetworkError, ServerError
from planet_assets.model.bundle import Bundle, Component
from planet_assets.rules import sealing
from planet_assets.sites import wire
from planet_assets.sites.addresses import checked_url

T = TypeVar("T")

ATTEMPTS = 4
_BLOCK_BYTES = 1 << 18


class Tracker:
    """The bundles of another tracker; what is asked twice is done once, so every request may be repeated."""

    def __init__(
        self,
        address: str,
        token: str | None = None,
        *,
        timeout_s: float = 60.0,
        verify: Any = True,
        pause: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Ask nothing yet.

        Args:
            address: https://HOST[:PORT].
            token: what it knows us by.
            timeout_s: seconds without an answer.
            verify: how certificates are checked.
            pause: waits so many seconds before a request is repeated.

        Raises:
            Misused: the address cannot be meant.
        """
        self.address = checked_url(address, has_token=bool(token))
        self._client = httpx.Client(**wire.settings(self.address, token, timeout_s=timeout_s, verify=verify))
        self._pause = pause
        self._ids: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Tracker({self.address!r})"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def address_of(self, bundle: Bundle) -> str:
        """Where a bundle is visible once it is ready."""
        return f"{self.address}/v1/bundles/{self._ids.get(bundle.seal or '') or self._declared(bundle)['id']}"

    def is_visible(self, bundle: Bundle) -> bool:
        """True when the bundle is whole there."""
        return bool(self._declared(bundle)["state"] == "ready")

    def send(self, bundle: Bundle, component: Component) -> None:
        """Bring one file; nothing is done when its bytes are there.

        Raises:
            Corrupt: the file here is not what was sealed, or did not arrive so.
            DiskProblem: it cannot be read.
            NetworkError: the tracker does not answer.
        """

        def sent() -> None:
            told = self._declared(bundle)
            held = next(int(one["held_bytes"]) for one in told["components"] if one["name"] == component.name)
            path = f"/v1/uploads/{told['id']}/{quote(component.name, safe='')}"
            if held == component.size_bytes and told["state"] == "ready":
                return
            left = str(max(0, component.size_bytes - held))
            answer = self._asked(
                "PUT", path, params={"offset": held}, content=_read(component, held), headers={"Content-Length": left}
            )
            if answer["held_bytes"] != component.size_bytes:
                raise NetworkError(f"{component.name} did not arrive whole.", hint="Publish again; it goes on there.")

        self._patiently(sent)

    def finish(self, bundle: Bundle) -> None:
        """Make it visible; nothing is done when it is."""
        made = self._declared(bundle)["id"]
        self._patiently(lambda: self._asked("POST", f"/v1/bundles/{made}/finalize"))

    def found(self, name: str | None = None) -> Iterator[Bundle]:
        """Every bundle that is ready there, or those of one name; the oldest first."""
        after: int | None = 0
        while after is not None:
            told = self._page(after, name)
            for one in told["bundles"]:
                bundle = sealing.described(one)
                self._ids[bundle.seal or ""] = str(one["id"])
                yield bundle
            after = told["next"]

    def blocks(self, bundle: Bundle, component: Component, start: int) -> Iterator[bytes]:
        """The bytes of a component from an offset on.

        Raises:
            NetworkError: the tracker does not answer, or broke off.
            Gone: it is not there.
        """
        if start >= component.size_bytes:
            return
        made = self._ids.get(bundle.seal or "") or self._declared(bundle)["id"]
        path = f"/v1/bundles/{made}/files/{quote(component.name, safe='')}"
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        try:
            with self._client.stream("GET", path, headers=headers) as response:
                if response.status_code not in (200, 206):
                    raise wire.refusal(response.status_code, response.headers, response.read(), self.address)
                skip = start if response.status_code == 200 else 0
                for block in response.iter_raw():
                    yield block[skip:]
                    skip = max(0, skip - len(block))
        except httpx.HTTPError as error:
            raise wire.no_answer(error, self.address) from None

    def ask(self, method: str, path: str, *, again: bool = False, **more: Any) -> Any:
        """Any other route: its JSON. `again` says that the request may be repeated.

        Raises:
            AssetError: the tracker refuses, or does not answer.
        """
        if again:
            return self._patiently(lambda: self._asked(method, path, **more))
        return self._asked(method, path, **more)

    def _declared(self, bundle: Bundle) -> Any:
        body = {"name": bundle.name, "revision": bundle.revision, "kind": bundle.kind, "seal": bundle.seal}
        parts = [
            {"name": one.name, "size_bytes": one.size_bytes, "sha256": one.sha256, "asset_type": one.asset_type}
            for one in bundle.components
        ]
        told = self._patiently(lambda: self._asked("POST", "/v1/bundles", json={**body, "components": parts}))
        self._ids[bundle.seal or ""] = str(told["id"])
        return told

    def _page(self, after: int, name: str | None) -> Any:
        params = {"after": after, "limit": 100} | ({"name": name} if name is not None else {})
        return self._patiently(lambda: self._asked("GET", "/v1/bundles", params=params))

    def _asked(self, verb: str, path: str, **more: Any) -> Any:
        try:
            response = self._client.request(verb, path, **more)
        except httpx.HTTPError as error:
            raise wire.no_answer(error, self.address) from None
        return wire.answer_of(response, self.address)

    def _patiently(self, work: Callable[[], T]) -> T:
        """Again after a pause while the other side may come back."""
        for attempt in range(ATTEMPTS):
            try:
                return work()
            except (NetworkError, ServerError, LibraryLocked, Conflict) as error:
                if attempt == ATTEMPTS - 1:
                    raise
                self._pause(min(30.0, getattr(error, "after_s", None) or 0.2 * 2**attempt))
        raise AssertionError("unreachable")


def _read(component: Component, start: int) -> Iterator[bytes]:
    left = component.size_bytes - start
    try:
        with component.path.open("rb") as body:
            body.seek(start)
            while left and (block := body.read(min(left, _BLOCK_BYTES))):
                left -= len(block)
                yield block
    except OSError as error:
        raise DiskProblem(f"{component.path} cannot be read: {error.strerror}.") from None
    if left:
        raise Corrupt(
            f"{component.path} is not the file that was sealed: it is shorter.",
            hint="`library verify` says what it is; publish again when it is right.",
        )

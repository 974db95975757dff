"""The API key as a value that signs requests and never shows itself. Finding it is the business of `config`."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any, NoReturn, Self

from planet_assets.exceptions import KeyMissing, Misused


class PlanetAuth:
    """A key and where it came from. It cannot be pickled, and no text made of it holds the key."""

    __slots__ = ("_key", "digest", "source")

    def __init__(self, key: str, *, source: str = "argument") -> None:
        """Hold a key.

        Args:
            key: The API key; white space around it is dropped.
            source: Where it was found, for people: "argument", "PL_API_KEY", "~/.planet.json".

        Raises:
            KeyMissing: the key is empty.
            Misused: it is no text, or holds characters that no key has.
        """
        if not isinstance(key, str):
            raise Misused(f"The API key ({source}) is a {type(key).__name__}, not text.", argument="api_key")
        key = key.strip()
        if not key:
            raise KeyMissing(
                f"The API key ({source}) is empty.", hint="Copy it from your account page at Planet into PL_API_KEY."
            )
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise Misused(
                f"The API key ({source}) holds a space or a character that no key has.",
                hint="Copy it again, without quotes and line breaks.",
                argument="api_key",
            )
        self._key = key
        self.source = source
        self.digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        """Short digest of the key, safe to store: names the account's alias."""

    def header(self) -> tuple[str, str]:
        """The header that signs a request. Source: what the SDK sends, verified."""
        return "Authorization", f"api-key {self._key}"

    def scrubbed(self, text: str) -> str:
        """The text without the key, for messages that quote a server; host names come in lower case."""
        return re.sub(re.escape(self._key), "***", text, flags=re.IGNORECASE)

    def __repr__(self) -> str:
        return f"PlanetAuth(key=***, source={self.source!r}, digest={self.digest!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlanetAuth) and hmac.compare_digest(self._key, other._key)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("PlanetAuth holds an API key and is never pickled; find the key anew in the other process.")

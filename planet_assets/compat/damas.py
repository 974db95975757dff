"""`http_connection` as scripts written for damas-core and its trackers call it: True or False, a value or None.

What the tracker refuses comes back as False or None, as it did there; `planet_assets.blocking.TrackerClient` has the
same verbs with errors that say why. A tracker that does not answer is an error here too.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from planet_assets.blocking import TrackerClient
from planet_assets.exceptions import AssetError, Misused, TryLater

__all__ = ["http_connection"]

T = TypeVar("T")
Document = Mapping[str, Any]
Ids = str | Sequence[str]


class http_connection:  # the name is theirs
    """A project on a tracker: `project = http_connection("https://tracker.example.org")`."""

    def __init__(self, server_url: str, token: str | None = None, **options: Any) -> None:
        """Ask nothing yet.

        Args:
            server_url: the tracker's address; one that ends in /api is taken without it.
            token: what one is known by; `signIn` gets one.
            options: those of TrackerClient.
        """
        self.serverURL = server_url.rstrip("/").removesuffix("/api")
        self._client = TrackerClient(self.serverURL, token, **options)
        # their scripts close nothing
        weakref.finalize(self, self._client.close).atexit = False

    def __repr__(self) -> str:
        return f"http_connection({self.serverURL!r})"

    @property
    def token(self) -> str | None:
        """What one is known by; None before signing in."""
        return self._client.token

    def signIn(self, username: str, password: str, expiresIn: str | None = None) -> bool:
        """Sign in by name or e-mail address."""
        return _granted(lambda: self._client.sign_in(username, password, expiresIn))

    def signOut(self) -> bool:
        """End the sign-in; the token is no good any more."""
        return _granted(self._client.sign_out)

    def verify(self) -> bool:
        """Whether one is signed in."""
        return _granted(self._client.verify)

    def create(self, elements: Document | Sequence[Document]) -> Any:
        """Insert elements; None when they are there."""
        return _value(lambda: self._client.create(elements))

    def read(self, identifiers: Ids) -> Any:
        """Elements by id; None when there are none."""
        return _value(lambda: self._client.read(identifiers))

    def update(self, elements: Document | Sequence[Document]) -> Any:
        """Change keys of elements, None removes one; None when there are no such elements."""
        return _value(lambda: self._client.update(elements))

    def upsert(self, elements: Document | Sequence[Document]) -> Any:
        """Insert or change elements."""
        return _value(lambda: self._client.upsert(elements))

    def delete(self, identifiers: Ids) -> bool:
        """Delete elements; False when there are none."""
        return _granted(lambda: self._client.delete(identifiers))

    def search(self, query: str) -> list[str] | None:
        """Ids of the elements that a query finds."""
        return _value(lambda: self._client.search(query))

    def search_one(self, query: str) -> dict[str, Any] | None:
        """The first element that a query finds; None when it finds none."""
        return _value(lambda: self._client.search_one(query))

    def search_mongo(
        self, query: Document, sort: Document | None = None, limit: int = 0, skip: int = 0
    ) -> dict[str, Any] | None:
        """`{count, ids}` of a query in MongoDB's words."""
        return _value(lambda: self._client.search_mongo(query, sort, limit, skip))

    def graph(self, identifiers: Ids, depth: int = 0) -> list[Any] | None:
        """Elements, the sources of edges that lead to them, and those edges."""
        return _value(lambda: self._client.graph(identifiers, depth))

    def lock(self, identifiers: Ids) -> bool:
        """Take elements for editing; False when another person has one, and then none is taken."""
        return _granted(lambda: self._client.lock(identifiers))

    def unlock(self, identifiers: Ids) -> bool:
        """Give elements back; False when one is not locked, or locked for somebody else."""

        def mine() -> bool:
            found = self._client.read(identifiers)
            name = self._client.verify().get("_id")
            elements = [found] if isinstance(found, Mapping) else found
            owners = {None if one is None else one.get("lock") for one in elements}
            if None in owners or (name is not None and owners != {name}):
                return False
            self._client.unlock(identifiers)
            return True

        return _value(mine) or False

    def publish(self, elements: Document | Sequence[Document]) -> list[Any] | None:
        """Add files to the index: their elements, then a child of each; None when one is tracked already."""
        return _value(lambda: self._client.publish(elements))

    def comment(self, elements: Document | Sequence[Document]) -> Any:
        """Add a comment to an element, or to several: `{"#parent": id or ids, "comment": text}`; None on failure."""

        def said() -> Any:
            asked = [elements] if isinstance(elements, Mapping) else list(elements)
            made = [one for each in asked for one in self._commented(each)]
            is_one = isinstance(elements, Mapping) and isinstance(elements.get("#parent"), str)
            return made[0] if is_one else made

        return _value(said)

    def version(self, identifier: str, keys: Document) -> dict[str, Any] | None:
        """Make a new version of a file; None when it is not there."""
        return _value(lambda: self._client.version(identifier, keys))

    def _commented(self, one: Document) -> list[Any]:
        if "#parent" not in one or not isinstance(one.get("comment"), str):
            raise Misused("A comment has a #parent and a comment.")
        more = {key: value for key, value in one.items() if key not in ("#parent", "comment")}
        return self._client.comment(one["#parent"], one["comment"], **more)


def _value(ask: Callable[[], T]) -> T | None:
    """What the tracker gives; None for what it refuses."""
    try:
        return ask()
    except TryLater:
        raise
    except AssetError:
        return None


def _granted(ask: Callable[[], object]) -> bool:
    """Whether the tracker grants it."""

    def done() -> bool:
        ask()
        return True

    return _value(done) or False

"""The client of a tracker: the verbs of its API with await, and errors by what the caller can do about them.

Repeated without asking is only what changes nothing, or may be done twice: reading, locking one's own, signing out, and
anything for which no connection was made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

import httpx

from planet_assets.exceptions import Misused, TryLater
from planet_assets.model.ports import Clock
from planet_assets.sites import wire
from planet_assets.sites.addresses import checked_url

Document = Mapping[str, Any]
Ids = str | Sequence[str]

ATTEMPTS = 4
FIRST_PAUSE_S = 0.2


class TrackerClient:
    """One tracker, and who one is there. Nothing is asked before the first call; several `asyncio.run` may use it.

    Replies are as the tracker gives them: one element for one, a list for a list, None in it for what was not there.
    """

    def __init__(
        self, url: str, token: str | None = None, *, clock: Clock, timeout_s: float = 30.0, verify: Any = True
    ) -> None:
        """Prepare to ask.

        Args:
            url: https://HOST[:PORT]; http:// for this machine.
            token: what one is known by; `sign_in` gets one.
            clock: time.
            timeout_s: seconds without an answer.
            verify: how certificates are checked: True, or an SSL context.

        Raises:
            Misused: the address cannot be meant, or a token would cross a network unprotected.
        """
        self.url = checked_url(url, has_token=bool(token))
        self._token, self._clock, self._timeout_s, self._verify = token, clock, timeout_s, verify
        self._line: tuple[asyncio.AbstractEventLoop, httpx.AsyncClient] | None = None

    def __repr__(self) -> str:
        return f"TrackerClient({self.url!r})"

    @property
    def token(self) -> str | None:
        """What one is known by; a secret."""
        return self._token

    async def sign_in(self, username: str, password: str, expires_in: str | None = None) -> dict[str, Any]:
        """Sign in by name or e-mail address; the client has the token from then on.

        Raises:
            SignInNeeded: one of them is wrong.
            Misused: the password would cross a network unprotected.
        """
        checked_url(self.url, has_token=True)
        fields = {"username": username, "password": password} | ({"expiresIn": expires_in} if expires_in else {})
        told = await self._ask("POST", "/api/signIn", data=fields)
        self._token = str(told.get("token") or "") or None
        return {key: value for key, value in told.items() if key not in ("token", "csrf")}

    async def sign_out(self) -> bool:
        """Revoke the token; the client has none from then on."""
        await self._ask("POST", "/api/signOut", again=True)
        self._token = None
        return True

    async def verify(self) -> dict[str, Any]:
        """Who one is; empty where the tracker knows no people."""
        return dict(await self._ask("GET", "/api/verify", again=True))

    async def create_token(self, expires_in: str | None = None, scope: str = "") -> str:
        """A token of one's own for a program; `scope` may be `read`."""
        fields = {"expiresIn": expires_in} if expires_in else {}
        return str(await self._ask("POST", "/api/createToken", data={**fields, "scope": scope}))

    async def create(self, elements: Document | Sequence[Document]) -> Any:
        """Insert elements.

        Raises:
            Conflict: all of them are there already.
        """
        return await self._ask("POST", "/api/create/", json=_plain(elements))

    async def read(self, ids: Ids) -> Any:
        """Elements by id.

        Raises:
            Gone: none of them is there.
        """
        return await self._ask("POST", "/api/read/", json=_ids(ids), again=True)

    async def update(self, elements: Document | Sequence[Document]) -> Any:
        """Set keys of elements that are there; None removes a key.

        Raises:
            Gone: none of them is there.
            Conflict: another person has locked one.
        """
        return await self._ask("PUT", "/api/update/", json=_plain(elements))

    async def upsert(self, elements: Document | Sequence[Document]) -> Any:
        """Update what is there, and create the rest."""
        return await self._ask("POST", "/api/upsert/", json=_plain(elements))

    async def delete(self, ids: Ids) -> Any:
        """Remove elements; the ids of those that were there."""
        return await self._ask("DELETE", "/api/delete/", json=_ids(ids))

    async def search(self, query: str, *, limit: int | None = None, offset: int | None = None) -> list[str]:
        """Ids of the elements that a query finds, `key:value key>5` and so on."""
        if not query.strip():
            raise Misused("A search needs a query; `*` finds everything.", argument="query")
        path = f"/api/search/{quote(quote(query, safe=''), safe='')}"
        params = {name: value for name, value in (("limit", limit), ("offset", offset)) if value is not None}
        return list(await self._ask("GET", path, params=params, again=True))

    async def search_one(self, query: str) -> dict[str, Any] | None:
        """The first element that a query finds; None when there is none."""
        path = f"/api/search_one/{quote(quote(query, safe=''), safe='')}"
        found = await self._ask("GET", path, again=True)
        return None if found is None else dict(found)

    async def search_mongo(
        self, query: Document, sort: Document | None = None, limit: int = 0, skip: int = 0
    ) -> dict[str, Any]:
        """`{count, ids}` of a query in MongoDB's words; what could run away is refused."""
        body = {"query": dict(query), "sort": dict(sort or {}), "limit": limit, "skip": skip}
        return dict(await self._ask("POST", "/api/search_mongo/", json=body, again=True))

    async def graph(self, ids: Ids, depth: int = 0) -> list[Any]:
        """Elements, those they are made of to a depth (0 for all), and the edges between."""
        return list(await self._ask("POST", f"/api/graph/{depth:d}", json=_ids(ids), again=True))

    async def lock(self, ids: Ids) -> Any:
        """Lock elements for oneself, all or none; locking one's own renews it.

        Raises:
            Conflict: another person has locked one of them.
        """
        return await self._ask("PUT", "/api/lock/", json=_ids(ids), again=True)

    async def unlock(self, ids: Ids) -> Any:
        """End one's locks."""
        return await self._ask("PUT", "/api/unlock/", json=_ids(ids), again=True)

    async def publish(self, elements: Document | Sequence[Document]) -> list[Any]:
        """Publish files: `_id`, `comment` and `origin` each; the elements and their records of the publication.

        Raises:
            Conflict: all of them are published already.
        """
        return list(await self._ask("POST", "/api/publish/", json=_plain(elements)))

    async def comment(self, parents: Ids, text: str, **keys: Any) -> list[Any]:
        """Comment on elements."""
        return list(await self._ask("POST", "/api/comment/", json={**keys, "#parent": _ids(parents), "comment": text}))

    async def version(self, element_id: str, keys: Document) -> Any:
        """Make a new version of an element; `keys` hold its `file`."""
        return await self._ask("POST", f"/api/version/{quote(element_id, safe='')}", json=dict(keys))

    async def list_up(self, source: str, target: str, count: int) -> list[dict[str, Any]]:
        """The next elements that a site is to send to another."""
        return await self._waiting(source, target, count)

    async def list_down(self, source: str, target: str, count: int) -> list[dict[str, Any]]:
        """The next elements that a site is to fetch from another."""
        return await self._waiting(source, target, count)

    async def sites(self) -> list[dict[str, Any]]:
        """Every site, with its colour and what waits for it."""
        return list((await self._ask("GET", "/v1/sites", again=True))["sites"])

    async def ask(self, method: str, path: str, *, again: bool = False, **more: Any) -> Any:
        """Any other route: its JSON. `again` says that the request may be repeated.

        Raises:
            AssetError: the tracker refuses, or does not answer.
        """
        return await self._ask(method, path, again=again, **more)

    async def aclose(self) -> None:
        """Close the connections; the next call opens them again."""
        line, self._line = self._line, None
        if line is not None and line[0] is asyncio.get_running_loop():
            await line[1].aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def _waiting(self, source: str, target: str, count: int) -> list[dict[str, Any]]:
        params = {"source": source, "target": target, "limit": count}
        return list((await self._ask("GET", "/v1/sites/waiting", params=params, again=True))["elements"])

    async def _ask(self, method: str, path: str, *, again: bool = False, **more: Any) -> Any:
        pause_s, left = FIRST_PAUSE_S, ATTEMPTS
        while True:
            left -= 1
            try:
                response = await self._client().request(method, path, headers=self._signed(), **more)
                return wire.answer_of(response, self.url)
            except httpx.HTTPError as error:
                refused = wire.no_answer(error, self.url)
                if not left or (refused.reached_server and not again):
                    raise refused from None
            except TryLater as error:
                if not left or not again or error.after_s is None:
                    raise
                pause_s = max(pause_s, min(30.0, error.after_s))
            await self._clock.sleep(pause_s)
            pause_s *= 2

    def _signed(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._line is None or self._line[0] is not loop:
            made = wire.settings(self.url, None, timeout_s=self._timeout_s, verify=self._verify)
            self._line = (loop, httpx.AsyncClient(**made))
        return self._line[1]


def _ids(ids: Ids) -> Any:
    return ids if isinstance(ids, str) else list(ids)


def _plain(elements: Document | Sequence[Document]) -> Any:
    return dict(elements) if isinstance(elements, Mapping) else [dict(one) for one in elements]

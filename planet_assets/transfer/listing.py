"""Asks a foreign service what it has: signs in where it must, and reads every page of a JSON listing.

Credentials go to the service's own address and nowhere else.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from planet_assets.exceptions import KeyRefused, Misused, NetworkError, ServerError, Throttled
from planet_assets.transfer.answers import seconds_to_wait

LISTS = ("items", "assets", "results", "data", "media", "files", "features", "records")
"""Keys under which answers hold their list, the first one present counts."""

NEXT = ("next", "next_url", "nextUrl", "next_page", "_next")
"""Keys under which answers say where the next page is."""

TOKENS = ("token", "access_token", "accessToken", "api_key", "key")
"""Keys under which the answer to a sign-in holds what further requests show."""

MOST_PAGES = 100_000


class Service:
    """One service and one user of it; blocking and safe between threads."""

    def __init__(self, api_url: str, email: str = "", password: str = "", *, login_endpoint: str = "") -> None:
        """Connect to nothing yet.

        Args:
            api_url: address of the service.
            email: who asks; empty for a service that is open.
            password: proves it. Both are sent with each request (HTTP Basic), unless there is a sign-in.
            login_endpoint: where email and password are exchanged for a token.

        Raises:
            Misused: the address is none.
        """
        parts = urlsplit(api_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise Misused("api_url is no plain web address.", hint="It looks like https://host.", argument="api_url")
        self.api_url = api_url.rstrip("/") + "/"
        self._origin = _origin(api_url)
        self._user, self._login_endpoint = (email, password), login_endpoint
        self._headers: dict[str, str] | None = None

    def address(self, endpoint: str) -> str:
        """An endpoint, or an address that a record names, as a whole address."""
        return endpoint if "://" in endpoint else urljoin(self.api_url, endpoint.lstrip("/"))

    def headers_for(self, address: str) -> dict[str, str]:
        """What an address is asked with: credentials on the service's own, nothing elsewhere."""
        if _origin(address) != self._origin:
            return {}
        if self._headers is None:
            self._headers = self._signed_in()
        return dict(self._headers)

    def listing(self, endpoint: str) -> list[dict[str, Any]]:
        """Every record of a listing, page after page.

        Raises:
            KeyRefused: email or password are wrong.
            NetworkError, ServerError, Throttled: it cannot be had now.
        """
        found: list[dict[str, Any]] = []
        address: str | None = self.address(endpoint)
        seen = set[str]()
        while address is not None and address not in seen and len(seen) < MOST_PAGES:
            seen.add(address)
            answer = self._asked("GET", address, headers=self.headers_for(address))
            found += _records(answer)
            following = _next(answer)
            address = None if following is None else urljoin(address, following)
        return found

    def _signed_in(self) -> dict[str, str]:
        email, password = self._user
        if not email:
            return {}
        if not self._login_endpoint:
            told = base64.b64encode(f"{email}:{password}".encode()).decode()
            return {"Authorization": f"Basic {told}"}
        address = self.address(self._login_endpoint)
        if _origin(address) != self._origin:
            raise Misused("The sign-in is not at api_url, so no password is sent.", argument="login_endpoint")
        answer = self._asked("POST", address, json={"email": email, "password": password})
        if not isinstance(answer, Mapping):
            raise ServerError("The service answered the sign-in with no JSON object.")
        token = next((answer[name] for name in TOKENS if isinstance(answer.get(name), str)), None)
        if token is None:
            raise ServerError("The service answered the sign-in without a token.")
        return {"Authorization": f"Bearer {token}"}

    def _asked(self, method: str, address: str, **options: Any) -> Any:
        host = urlsplit(address).hostname
        try:
            answer = httpx.request(method, address, timeout=60.0, follow_redirects=False, **options)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            raise NetworkError(f"{host} does not answer.", hint="Check api_url and the network.") from None
        if answer.status_code in (401, 403):
            raise KeyRefused(f"{host} refused email and password (HTTP {answer.status_code}).")
        if answer.status_code in (408, 429):
            raise Throttled(f"{host} asked for a pause.", after_s=seconds_to_wait(answer.headers, answer.text))
        if not answer.is_success:
            raise ServerError(f"{host} answered HTTP {answer.status_code} to {urlsplit(address).path}.")
        try:
            return answer.json()
        except ValueError:
            raise ServerError(f"{host} answered with no JSON to {urlsplit(address).path}.") from None


def _records(answer: Any) -> list[dict[str, Any]]:
    found = answer
    if isinstance(answer, Mapping):
        found = next((answer[name] for name in LISTS if isinstance(answer.get(name), list)), None)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ServerError(f"The listing is no list of records, nor an object with one of {', '.join(LISTS)}.")
    return found


def _next(answer: Any) -> str | None:
    if not isinstance(answer, Mapping):
        return None
    places = (answer, answer.get("links"), answer.get("_links"), answer.get("pagination"))
    named = (place.get(name) for place in places if isinstance(place, Mapping) for name in NEXT)
    return next((one for one in named if isinstance(one, str) and one), None)


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)

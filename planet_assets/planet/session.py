"""One account's conversation with the API: signed, paced, patient, and at home in whichever event loop is running."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from planet_assets.exceptions import Misused
from planet_assets.model.ports import Clock
from planet_assets.planet.auth import PlanetAuth
from planet_assets.planet.transports import MOST_AT_ONCE, Discreet, Paced, Patient, Strict, Wire, origin
from planet_assets.rules.pacing import RATES_PER_S, Pace

API_URL = "https://api.planet.com"

_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class _Line:
    """What belongs to one event loop."""

    client: httpx.AsyncClient
    transport: httpx.AsyncBaseTransport
    end: AsyncGenerator[None, None]


class Session:
    """Calls the API. Many tasks may use it at once, and several `asyncio.run`; nothing is opened before use."""

    def __init__(
        self,
        auth: PlanetAuth | None,
        *,
        clock: Clock,
        api_url: str = API_URL,
        timeout_s: float = 60.0,
        rates: Mapping[str, float] | None = None,
        retry_attempts: int = 3,
        retry_delay_s: float = 1.0,
        user_agent: str = "planet-assets",
        proxy: str | None = None,
        verify: ssl.SSLContext | bool = True,
        trust_env: bool = True,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare to call.

        Args:
            auth: The key; without one only what needs no key can be asked.
            clock: Time.
            api_url: Where the API lives, without a path of its own.
            timeout_s: Seconds without any progress after which an answer is given up.
            rates: Requests a second by kind (data or search, activation, download, orders); Planet's where not given.
            retry_attempts: Tries after the first.
            retry_delay_s: First pause before a try; it doubles.
            user_agent: How we introduce ourselves.
            proxy: Address of a proxy; None takes the environment's if `trust_env`.
            verify: How certificates are checked.
            trust_env: Whether proxies and SSL_CERT_FILE of the environment count.
            chance: Numbers from 0 to 1, which scatter the pauses.

        Raises:
            Misused: an argument that cannot be meant.
        """
        self.auth = auth
        self.api_url = str(_checked_url(api_url)).rstrip("/")
        self._clock = clock
        self._timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S), pool=None)
        self._paces = {kind: Pace(rate) for kind, rate in _checked_rates(rates or {}).items()}
        self._attempts = retry_attempts
        self._base_s = retry_delay_s
        self._user_agent = user_agent
        self._proxy = proxy
        self._verify = verify
        self._trust_env = trust_env
        self._chance = chance
        self._lines: dict[asyncio.AbstractEventLoop, _Line] = {}

    async def get_json(self, path_or_url: str, *, kind: str = "data", params: Mapping[str, Any] | None = None) -> Any:
        """What a GET answers, read from JSON.

        Args:
            path_or_url: A path of the API, or a link the API gave.
            kind: data, activation, download or orders: which pace it keeps.
            params: The query.

        Raises:
            AssetError: as `call`.
        """
        return (await self.call("GET", path_or_url, kind=kind, params=params))[1]

    async def post_json(
        self,
        path_or_url: str,
        *,
        body: Any,
        kind: str = "data",
        params: Mapping[str, Any] | None = None,
        repeatable: bool = False,
    ) -> Any:
        """What a POST of a JSON body answers, read from JSON.

        Args:
            path_or_url: A path of the API, or a link the API gave.
            body: What to send.
            kind: data, activation, download or orders: which pace it keeps.
            params: The query.
            repeatable: True when asking twice does no harm (a search); False when it may cost (an order).

        Raises:
            AssetError: as `call`.
        """
        answer = await self.call("POST", path_or_url, kind=kind, body=body, params=params, repeatable=repeatable)
        return answer[1]

    async def call(
        self,
        method: str,
        path_or_url: str,
        *,
        kind: str = "data",
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        repeatable: bool | None = None,
    ) -> tuple[int, Any]:
        """Status and document of an answer; the document is None when the body is empty, and for activations.

        Args:
            method: GET, POST or PUT.
            path_or_url: A path of the API, or a link the API gave.
            kind: data, activation, download or orders: which pace it keeps.
            body: What to send as JSON.
            params: The query.
            repeatable: Whether it may be sent again when the answer is lost; by default only a GET may.

        Raises:
            NetworkError: no answer. ServerError: no usable answer. Throttled: too fast, and patience is used up.
            KeyRefused, PermissionMissing, OverQuota, Gone, Misused: Planet refused.
            Unsafe: the address, or a redirect, leads away from the API.
        """
        line = await self._line()
        again = method == "GET" if repeatable is None else repeatable
        request = line.client.build_request(
            method,
            self._address(path_or_url),
            json=body,
            params=params,
            timeout=self._timeout,
            extensions={"kind": kind, "repeatable": again},
        )
        answer = await line.transport.handle_async_request(request)
        return answer.status_code, answer.extensions.get("document")

    async def aclose(self) -> None:
        """Close the connections of the running loop. Those of a loop that has ended were closed as it ended."""
        line = self._lines.pop(asyncio.get_running_loop(), None)
        if line is not None:
            await line.end.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"Session({self.api_url!r}, auth={self.auth!r})"

    def _address(self, path_or_url: str) -> httpx.URL:
        text = f"{self.api_url}{path_or_url}" if path_or_url.startswith("/") else path_or_url
        try:
            return httpx.URL(text)
        except (httpx.InvalidURL, TypeError):
            raise Misused("A link of the API is no address.", argument="path_or_url") from None

    async def _line(self) -> _Line:
        """The client of the running loop, made when it is first needed there."""
        loop = asyncio.get_running_loop()
        if loop not in self._lines:
            self._lines = {known: line for known, line in self._lines.items() if not known.is_closed()}
            self._lines[loop] = line = self._opened()
            await anext(line.end)
        return self._lines[loop]

    def _opened(self) -> _Line:
        try:
            client = httpx.AsyncClient(
                headers={"User-Agent": self._user_agent, "Accept": "application/json"},
                proxy=self._proxy,
                verify=self._verify,
                trust_env=self._trust_env,
                limits=httpx.Limits(max_connections=MOST_AT_ONCE * len(self._paces), max_keepalive_connections=8),
            )
        except (ValueError, ImportError, httpx.InvalidURL):
            hint = "It looks like http://host:port."
            raise Misused("The proxy setting cannot be used.", hint=hint, argument="proxy") from None
        answers = Discreet(Strict(Wire(client), self._clock), self.auth, httpx.URL(self.api_url))
        paced = Paced(answers, self._paces, self._clock)
        patient = Patient(paced, self._clock, attempts=self._attempts, base_s=self._base_s, chance=self._chance)
        return _Line(client, patient, _until_the_loop_ends(client))


async def _until_the_loop_ends(client: httpx.AsyncClient) -> AsyncGenerator[None, None]:
    """Hold a client open. `asyncio.run` closes every async generator before its loop ends, and thereby the client."""
    try:
        yield
    finally:
        await client.aclose()


def _checked_url(api_url: str) -> httpx.URL:
    try:
        url = httpx.URL(api_url)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL("")
    if origin(url)[2] is None or not url.host or url.userinfo or url.query or url.fragment:
        raise Misused(
            "The address of the API must look like https://api.planet.com, without user, query or fragment.",
            hint="Check planet.api_url.",
            argument="api_url",
        )
    return url


def _checked_rates(rates: Mapping[str, float]) -> dict[str, float]:
    """Planet's own rates with the given ones in their place."""
    given = {"data" if kind in ("search", "default") else kind: rate for kind, rate in rates.items()}
    unknown = given.keys() - RATES_PER_S.keys()
    if unknown:
        raise Misused(
            f"There is no rate called {', '.join(sorted(unknown))}.",
            hint=f"There are search, {', '.join(sorted(RATES_PER_S))}.",
            argument="rate_limits",
        )
    return {**RATES_PER_S, **given}

"""Nested HTTP transports, one duty each: an answer that comes through all of them is what was asked for.

    Patient         tries again what may be tried again
      Paced         starts evenly spaced, and waits when Planet asks for it
        Discreet    shows the key to the API alone and keeps it out of errors
          Strict    reads each answer once: a refusal or nonsense becomes an error of our tree
            Wire    sends; no answer becomes a NetworkError

The session says by a request's `extensions` what kind it is and whether it may be repeated.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import httpx

from planet_assets.exceptions import AssetError, NetworkError, ServerError, Throttled, TryLater, Unsafe
from planet_assets.model.ports import Clock
from planet_assets.planet import parse
from planet_assets.planet.auth import PlanetAuth
from planet_assets.rules import retry
from planet_assets.rules.pacing import Pace

MOST_AT_ONCE = 32
"""Requests of a kind under way together; more would only queue inside httpx, whose queue is slow."""

LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
"""A page of 250 scenes has about one million bytes; whatever is far beyond is not read into memory."""

_MOST_REDIRECTS = 5
_log = logging.getLogger(__name__)


class Wire(httpx.AsyncBaseTransport):
    """Sends a request and reads the whole answer, by a client, since only clients know proxies from the environment."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One answer, read to its end.

        Raises:
            NetworkError: no answer, or only a part of it.
            ServerError: an answer that cannot be decoded or is absurdly large.
        """
        try:
            answer = await self._client.send(request, stream=True, follow_redirects=False)
            try:
                return await _read(answer)
            finally:
                await answer.aclose()
        except httpx.TransportError as error:
            raise _no_answer(error, request) from None
        except httpx.DecodingError:
            raise ServerError(f"The answer to {asked(request)} cannot be decoded.", hint="Try again later.") from None


class Strict(httpx.AsyncBaseTransport):
    """Turns refusals and answers that are no JSON into errors; puts what was read into `extensions["document"]`."""

    def __init__(self, inner: httpx.AsyncBaseTransport, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """An answer with a status below 400 and its document.

        Raises:
            AssetError: as `parse.refusal` reads it.
            ServerError: the body is no JSON.
        """
        answer = await self._inner.handle_async_request(request)
        if answer.status_code >= 400:
            kind, now = str(request.extensions.get("kind", "data")), self._clock.now()
            raise parse.refusal(
                answer.status_code, answer.headers, answer.text, asked=asked(request), kind=kind, now=now
            )
        if not answer.has_redirect_location:
            answer.extensions["document"] = _document(answer, request)
        return answer


class Discreet(httpx.AsyncBaseTransport):
    """Signs requests to the API's own origin, refuses to go anywhere else, and strips the key from errors."""

    def __init__(self, inner: httpx.AsyncBaseTransport, auth: PlanetAuth | None, api: httpx.URL) -> None:
        self._inner = inner
        self._auth = auth
        self._home = origin(api)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer after redirects within the API.

        Raises:
            Unsafe: a link or redirect leads away from the API.
            ServerError: redirects without end.
        """
        try:
            return await self._follow(request)
        except AssetError as error:
            if self._auth is not None:
                error.message, error.hint = self._auth.scrubbed(error.message), self._auth.scrubbed(error.hint)
                error.args = (error.message,)
            raise

    async def _follow(self, request: httpx.Request) -> httpx.Response:
        start = request
        for _ in range(_MOST_REDIRECTS + 1):
            if origin(request.url) != self._home:
                raise _astray(request.url, start)
            if self._auth is not None:
                name, value = self._auth.header()
                request.headers[name] = value
            answer = await self._inner.handle_async_request(request)
            if answer.next_request is None:
                return answer
            request = answer.next_request
        raise ServerError(f"Planet redirects {asked(start)} in a circle.", hint="Try again later.")


class Paced(httpx.AsyncBaseTransport):
    """Starts requests evenly spaced by kind, however many tasks ask; a 429 makes all of that kind wait."""

    def __init__(self, inner: httpx.AsyncBaseTransport, paces: Mapping[str, Pace], clock: Clock) -> None:
        self._inner = inner
        self._paces = paces
        self._clock = clock
        self._turns = {kind: asyncio.Lock() for kind in paces}
        self._room = {kind: asyncio.Semaphore(MOST_AT_ONCE) for kind in paces}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, in its turn.

        Raises:
            Throttled: Planet asked for a longer silence than a call should wait out; nothing was sent.
        """
        kind = request.extensions.get("kind", "")
        kind = kind if kind in self._paces else "data"
        async with self._room[kind]:
            await self._turn(kind, request)
            try:
                return await self._inner.handle_async_request(request)
            except Throttled as error:
                self._paces[kind].penalised(self._clock.monotonic(), error.after_s or 0.0)
                raise

    async def _turn(self, kind: str, request: httpx.Request) -> None:
        """Return at the moment the request may start. Who waits holds the lock: turns come in the order of asking."""
        pace = self._paces[kind]
        async with self._turns[kind]:
            while (wait_s := pace.wait_s(self._clock.monotonic())) > 0:
                if wait_s > retry.CAP_S:
                    raise Throttled(
                        f"Planet asked for {wait_s:.0f} s without {kind} requests; {asked(request)} was not sent.",
                        hint="Try again then.",
                        after_s=wait_s,
                    )
                await self._clock.sleep(wait_s)
            pace.started(self._clock.monotonic())


class Patient(httpx.AsyncBaseTransport):
    """Tries again what may be tried again.

    A request that is not repeatable (placing an order) is tried again only where it surely did not happen: the
    connection was never made, or the limiter refused it. Not by stamina: it sleeps by asyncio, behind our Clock's back.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        clock: Clock,
        *,
        attempts: int,
        base_s: float,
        chance: Callable[[], float],
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._attempts = attempts
        self._base_s = base_s
        self._chance = chance

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The first answer that is none of "try later"; the last error when attempts are used up."""
        attempt = 0
        while True:
            try:
                return await self._inner.handle_async_request(request)
            except AssetError as error:
                if attempt >= self._attempts or not _repeatable(request, error):
                    raise
                pause_s = self._pause_s(attempt, error)
                _log.info("Again in %.1f s (%d of %d): %s", pause_s, attempt + 1, self._attempts, error)
            attempt += 1
            await self._clock.sleep(pause_s)

    def _pause_s(self, attempt: int, error: AssetError) -> float:
        server_s = error.after_s if isinstance(error, TryLater) else None
        return retry.delay_s(attempt, base_s=self._base_s, jitter01=self._chance(), server_s=server_s)


def asked(request: httpx.Request) -> str:
    """Method, host and path of a request, for people; the query may hold a token and is left out."""
    return f"{request.method} {request.url.netloc.decode('ascii')}{request.url.path}"


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: what must not change while a key is shown."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _repeatable(request: httpx.Request, error: AssetError) -> bool:
    if retry.kind(error) != "again":
        return False
    if isinstance(error, TryLater) and (error.after_s or 0.0) > retry.CAP_S:
        return False  # the caller knows better how to spend such a time
    unheard = isinstance(error, Throttled) or (isinstance(error, NetworkError) and not error.reached_server)
    return bool(request.extensions.get("repeatable")) or unheard


async def _read(answer: httpx.Response) -> httpx.Response:
    """The answer with its body, decoded, in memory."""
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER_BYTES:
            raise ServerError(
                f"The answer to {asked(answer.request)} has more than {LARGEST_ANSWER_BYTES} bytes.",
                hint="That is no answer of Planet; see what stands between.",
            )
    framing = ("content-encoding", "content-length", "transfer-encoding")
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in framing]
    read = httpx.Response(answer.status_code, headers=headers, content=bytes(body), request=answer.request)
    read.next_request = answer.next_request
    return read


def _document(answer: httpx.Response, request: httpx.Request) -> Any:
    """The JSON of an answer; None when the body is empty, and for activations, whose body says nothing."""
    if not answer.content or request.extensions.get("kind") == "activation":
        return None
    try:
        return json.loads(answer.content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        pass
    what = "a web page" if "html" in answer.headers.get("content-type", "") else "broken or no JSON"
    raise ServerError(
        f"{asked(request)} answered with {what} (HTTP {answer.status_code}).",
        hint="Try again later; a proxy or login page may stand between.",
    )


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _astray(url: httpx.URL, start: httpx.Request) -> Unsafe:
    return Unsafe(
        f"{asked(start)} leads to {url.scheme}://{url.netloc.decode('ascii')}, which is not the API; not followed.",
        hint="The key is shown to the API alone; check planet.api_url.",
    )


def _no_answer(error: httpx.TransportError, request: httpx.Request) -> NetworkError:
    """What kept the answer away, in words; the key and the query are in none of them."""
    host = request.url.netloc.decode("ascii")
    causes = list(_causes(error))
    never_made = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError)
    hint = "Check the network and the proxy; what was asked can be asked again."
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        said, hint = f"{host} cannot be found", "Check the network, the proxy and planet.api_url."
    elif any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        said = f"the certificate of {host} is not trusted"
        hint = "Where a proxy opens TLS, name its certificate in SSL_CERT_FILE or use the system's trust store."
    elif isinstance(error, httpx.ProxyError):
        said, hint = f"the proxy did not let us through to {host}", "Check HTTPS_PROXY, its user and password."
    elif isinstance(error, httpx.TimeoutException):
        said = f"{host} did not answer in time"
    elif never_made:
        said = f"{host} refused the connection"
    else:
        said = f"the connection to {host} broke"
    return NetworkError(f"No answer to {asked(request)}: {said}.", hint=hint, reached_server=not never_made)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
